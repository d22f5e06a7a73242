"""A segment's tables as InfluxDB line protocol: wide rows, float fields, times in ms.

One line per meter and timestamp: `reading,site=…,meter=…,carrier=… field=1.5,… 1790000000000`.
Text is made a column at a time, because a call per value is what costs: orjson writes the numbers
of a whole matrix, and one join weaves them between the constant parts. The same table always gives
the same bytes, so a repeated write changes nothing.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
import orjson

from ingestor.columns import Floats, Matrix, matrix, scaled
from wire.messages import MeterEvent
from wire.quantities import QUANTITIES
from wire.segment import Segment, Table

READING = "reading"
METER_EVENT = "meter_event"
_ELECTRIC_UNITS = frozenset({"W", "var", "VA", "V", "A", "Hz", "1"})
_ESCAPE = str.maketrans({",": "\\,", " ": "\\ ", "=": "\\="})


def lines_of(segment: Segment) -> bytes:
    """Every reading and meter event of a segment, one line each, with its line end."""
    site = segment.header.site
    parts = [table_lines(site, table) for table in segment.tables]
    parts += [event_line(site, event) for event in segment.events]
    return b"".join(parts)


def table_lines(site: str, table: Table, numbers: Matrix | None = None) -> bytes:
    """One line for each row of `table`; or of `numbers`, which are of several tables like it."""
    if numbers is None:
        numbers = matrix(table)
    rows, fields = numbers.shape[1], len(table.quantities)
    # name and space before, comma between: the pieces that are the same in every row
    head = _head(site, table)
    constant = [f"{head} {table.quantities[0]}=".encode()]
    constant += [f",{quantity}=".encode() for quantity in table.quantities[1:]]
    floats = _floats(numbers[1:], table.exponents).ravel()
    values = orjson.dumps(floats, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")
    times = orjson.dumps(numbers[0].copy(), option=orjson.OPT_SERIALIZE_NUMPY)
    stride = 2 * fields + 3
    woven: list[bytes] = [b""] * (rows * stride)
    for field in range(fields):
        woven[2 * field :: stride] = [constant[field]] * rows
        woven[2 * field + 1 :: stride] = values[field::fields]
    woven[2 * fields :: stride] = [b" "] * rows
    woven[2 * fields + 1 :: stride] = times[1:-1].split(b",")
    woven[2 * fields + 2 :: stride] = [b"\n"] * rows
    return b"".join(woven)


def event_line(site: str, event: MeterEvent) -> bytes:
    """A meter event as a line of its own measurement; strings never mix with readings."""
    text = msgspec.json.encode(event.detail).decode().replace("\\", "\\\\").replace('"', '\\"')
    head = f"{METER_EVENT},site={_tag(site)},meter={_tag(event.meter)},event={_tag(event.event)}"
    if quantity := event.detail.get("quantity"):  # two registers may end at once
        head += f",quantity={_tag(quantity)}"
    return f'{head} detail="{text}" {event.t_ms}\n'.encode()


def carrier_of(table: Table) -> str:
    """The carrier a table speaks of, from its own quantities alone; "" if they do not say."""
    known = [QUANTITIES[name] for name in table.quantities]
    for quantity in known:
        if quantity.carrier:
            return quantity.carrier
    electric = any(q.unit in _ELECTRIC_UNITS and not q.gateway for q in known)
    return "electricity" if electric else ""


def _floats(mantissas: Matrix, exponents: Sequence[int]) -> Floats:
    """Values as floats, shape (rows, fields)."""
    floats = np.empty(mantissas.shape[::-1])
    for at, exponent in enumerate(exponents):
        floats[:, at] = scaled(mantissas[at], exponent)
    return floats


def _head(site: str, table: Table) -> str:
    tags = f"site={_tag(site)},meter={_tag(table.meter)}"
    if carrier := carrier_of(table):
        tags += f",carrier={carrier}"
    # What may not be booked is a series of its own: a chart of good readings leaves it out.
    if table.quality != "good":
        tags += f",quality={table.quality}"
    return f"{READING},{tags}"


def _tag(text: str) -> str:
    return text.translate(_ESCAPE)
