"""A segment's tables as InfluxDB line protocol: wide rows, float fields, times in ms.

One line per meter and timestamp: `reading,site=…,meter=…,carrier=… field=1.5,… 1790000000000`.
Text is made a column at a time (`digits.py`), because a call per value is what costs. The same table
always gives the same bytes, so a repeated write changes nothing.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from ingestor.columns import matrix
from ingestor.digits import Cell, decimals, woven
from wire.messages import MeterEvent
from wire.quantities import QUANTITIES
from wire.segment import Segment, Table

READING = "reading"
METER_EVENT = "meter_event"
_ELECTRIC_UNITS = frozenset({"W", "var", "VA", "V", "A", "Hz", "1"})
# What would end a tag or its line and has no way to be written is left out.
_ESCAPE = str.maketrans({",": "\\,", " ": "\\ ", "=": "\\=", "\\": "", "\n": "", "\r": ""})


def lines_of(segment: Segment) -> bytes:
    """Every reading and meter event of a segment, one line each, with its line end."""
    site = segment.header.site
    parts = [table_lines(site, [table]) for table in segment.tables]
    parts += [event_line(site, event) for event in segment.events]
    return b"".join(parts)


def table_lines(site: str, tables: Sequence[Table]) -> bytes:
    """One line for each row of tables with the same quantities, exponents and quality."""
    first = tables[0]
    rows = [table.rows for table in tables]
    numbers = np.concatenate([matrix(table) for table in tables], axis=1)
    of_meter = {table.meter: table for table in tables}
    heads = {meter: _head(site, table).encode() for meter, table in of_meter.items()}
    cells: list[Cell] = list(heads.values())
    if len(heads) > 1:
        cells = [np.repeat(np.array([heads[table.meter] for table in tables]), rows)]
    before = " "
    for quantity, exponent, mantissas in zip(first.quantities, first.exponents, numbers[1:]):
        cells += [f"{before}{quantity}=".encode(), *decimals(mantissas, exponent)]
        before = ","
    cells += [b" ", *decimals(numbers[0], 0), b"\n"]
    return woven(sum(rows), cells)


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
