"""A site's state as one versioned value: a line of JSON, then the columns, little-endian.

Equal content gives equal bytes, whatever way it came together.
"""

import json
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from calc_stream.core.accounts import Account
from calc_stream.core.decimals import instant
from calc_stream.core.event_records import event_json, parse_event
from calc_stream.core.events import Event
from calc_stream.core.periods import Marks
from calc_stream.core.plant import Accepted
from calc_stream.core.postings import Postings
from calc_stream.core.series import Readings
from calc_stream.core.stores import Stock, Stocks
from calc_stream.core.swaps import Swap
from calc_stream.core.whole import LIMIT, Whole
from wire.errors import BadData

_MAGIC = b"wattprint state 2\n"
_TYPES = {"i8": "<i8", "i4": "<i4", "b1": "|b1"}


@dataclass(slots=True)
class Stored:
    """What a state is made of; everything else follows from it."""

    models: tuple[str, ...] = ()
    offset: int = 0
    silent: frozenset[str] = frozenset()
    marks: Marks = field(default_factory=Marks)
    events: dict[str, Event] = field(default_factory=dict)
    readings: Readings = field(default_factory=Readings)
    pages: dict[int, Postings] = field(default_factory=dict)
    held_ms: int = LIMIT
    accepted: Accepted = field(default_factory=dict)


def pack(stored: Stored) -> bytes:
    """The value; `unpack` reads it back."""
    out = _Columns()
    readings = stored.readings
    header = {
        "models": list(stored.models),
        "offset": stored.offset,
        "silent": sorted(stored.silent),
        "marks": [
            sorted((source, sorted(times)) for source, times in stored.marks.at.items()),
            sorted(stored.marks.hourly),
        ],
        "events": [_event(stored.events[key]) for key in sorted(stored.events)],
        "meters": [
            [meter, column.exponent, out.put(column.times), out.put(column.mantissas)]
            for meter, column in sorted(readings.columns.items())
        ],
        "swaps": [
            [meter, [[s.t_ms, *s.closing, *s.opening] for s in sorted(swaps)]]
            for meter, swaps in sorted(readings.swaps.items())
        ],
        "left_out": sorted(map(list, readings.left_out)),
        "pages": [[page, _page(stored.pages[page], out)] for page in sorted(stored.pages)],
    }
    if stored.held_ms < LIMIT:
        header["held_ms"] = stored.held_ms
    if stored.accepted:
        header["accepted"] = {key: list(ways) for key, ways in stored.accepted.items()}
    line = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    return b"".join([_MAGIC, line, b"\n", *out.parts])


def unpack(data: bytes) -> Stored:
    """The contents of a value. Raises BadData for anything `pack` did not write."""
    if not data.startswith(_MAGIC):
        raise BadData("this is no state of this version")
    end = data.find(b"\n", len(_MAGIC))
    try:
        return _read(json.loads(data[len(_MAGIC) : end]), memoryview(data)[end + 1 :])
    except (ValueError, KeyError, TypeError) as exc:
        raise BadData(f"the state is damaged: {exc}") from exc


def _read(header: dict[str, Any], body: memoryview) -> Stored:
    columns = _Taken(body)
    readings = Readings()
    for meter, exponent, times, mantissas in header["meters"]:
        readings.add(meter, columns.take(times), columns.take(mantissas), exponent)
    for meter, swaps in header["swaps"]:
        readings.add_swaps(meter, [Swap(t, (a, b), (c, d)) for t, a, b, c, d in swaps])
    readings.left_out = {tuple(row) for row in header["left_out"]}
    events = [parse_event(json.dumps(event)) for event in header["events"]]
    at, hourly = header["marks"]
    return Stored(
        tuple(header["models"]),
        header["offset"],
        frozenset(header["silent"]),
        Marks({source: tuple(times) for source, times in at}, frozenset(hourly)),
        {event.id: event for event in events},
        readings,
        {page: columns.page(saved) for page, saved in header["pages"]},
        header.get("held_ms", LIMIT),
        {key: tuple(ways) for key, ways in header.get("accepted", {}).items()},
    )


def _event(event: Event) -> dict[str, str]:
    return {"id": event.id, "t": instant(event.t_ms), "type": event.type, **event_json(event)}


def _page(page: Postings, out: "_Columns") -> list[object]:
    columns = page.starts, page.ends, page.account, page.source, page.quanta, page.gapped
    return [
        [out.put(column) for column in columns],
        [list(account) for account in page.accounts],
        list(page.sources),
        page.intervals,
        list(page.inflow),
        sorted(page.untraced),
        list(page.opening),
        _stocks(page.begun),
        _stocks(page.ended),
        {store: str(quanta) for store, quanta in page.short.items()},
    ]


def _stocks(stocks: Stocks) -> dict[str, list[object]]:
    return {name: [str(stock.level), stock.content] for name, stock in stocks.items()}


def _stocks_read(saved: dict[str, Any]) -> Stocks:
    return {
        name: Stock(Fraction(level), tuple((source, quanta) for source, quanta in content))
        for name, (level, content) in saved.items()
    }


class _Columns:
    """Columns written one behind the other; numbers beyond int64 stand in the header."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def put(self, column: Whole) -> list[object]:
        if column.dtype == object:
            return ["big", [str(value) for value in column.tolist()]]
        kind = {np.dtype(code): name for name, code in _TYPES.items()}[column.dtype]
        self.parts.append(column.astype(_TYPES[kind]).tobytes())
        return [kind, int(column.size)]


class _Taken:
    """Columns read back in the same order."""

    def __init__(self, body: memoryview) -> None:
        self.body, self.at = body, 0

    def take(self, saved: Any) -> Whole:
        kind, what = saved
        if kind == "big":
            return np.array([int(value) for value in what], dtype=object)
        code = np.dtype(_TYPES[kind])
        part = self.body[self.at : self.at + what * code.itemsize]
        self.at += what * code.itemsize
        return np.frombuffer(part, dtype=code, count=what).astype(code.newbyteorder("="))

    def page(self, saved: list[Any]) -> Postings:
        columns, accounts, sources, intervals, inflow, untraced, opening, *stores = saved
        begun, ended, short = stores
        starts, ends, account, source, quanta, gapped = map(self.take, columns)
        return Postings(
            *(starts, ends, account, source, quanta, gapped),
            tuple(Account(*account) for account in accounts),
            tuple(sources),
            intervals,
            tuple(inflow),
            frozenset(untraced),
            tuple(opening),
            _stocks_read(begun),
            _stocks_read(ended),
            {store: Fraction(quanta) for store, quanta in short.items()},
        )
