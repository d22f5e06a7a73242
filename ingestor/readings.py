"""Stored readings for whoever asks: in pages, as they were read or down-sampled, from any sink.

Down-sampling is exact. Registers are cumulative: at each step stands the last one read at or before
it, with the time of that reading. Of everything else each step has the mean, the least and the
greatest of the readings from it to the next. Steps are multiples of `step_ms` since 1970, whoever
asks for which part of them; what the database itself could do is not used, because each does it
differently in the last digit.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ingestor.columns import Ints
from ingestor.sinks import Column, Sink
from wire.quantities import QUANTITIES

_DAY_MS = 86_400_000
# How far back the register is looked for that stands at a step.
LOOK_BACK_MS = _DAY_MS
LEAST_LIMIT = 1000  # more than there can be at one time


@dataclass(frozen=True)
class Question:
    """Readings with from_ms <= t < to_ms; `step_ms` 0 is as they were read; no quantities: all."""

    site: str
    meter: str
    from_ms: int
    to_ms: int
    quantities: Sequence[str] = ()
    step_ms: int = 0
    limit: int = 100_000


@dataclass(frozen=True)
class Told:
    """One quantity at one quality. `figures`: `value`, and `read_ms` of a down-sampled register;
    or `mean`, `min`, `max` and `readings`; each as long as `t_ms`."""

    quantity: str
    quality: str
    t_ms: Ints
    figures: dict[str, Any]

    @property
    def unit(self) -> str:
        known = QUANTITIES.get(self.quantity)
        return known.unit if known else ""


@dataclass(frozen=True)
class Page:
    """`next_ms`: where the next page begins, None after the last."""

    told: list[Told]
    next_ms: int | None


def page(sink: Sink, asked: Question) -> Page:
    """At most `limit` readings or steps. Raises TransientError where the database does not answer."""
    found: list[list[Told]] = []
    count = 0
    for told in _windows(sink, asked):
        found.append(told)
        count += sum(len(each.t_ms) for each in told)
        if count > asked.limit:
            break
    whole = _put_together(found)
    if count <= asked.limit:
        return Page(whole, None)
    times = np.sort(np.concatenate([each.t_ms for each in whole]))
    next_ms = int(times[asked.limit])
    return Page([_before(each, next_ms) for each in whole if each.t_ms[0] < next_ms], next_ms)


def _windows(sink: Sink, asked: Question) -> Iterator[list[Told]]:
    """What is told of about a day at a time; so a page reads little more than it shows."""
    step = asked.step_ms
    if not step:
        for begin in range(asked.from_ms, asked.to_ms, _DAY_MS):
            end = min(begin + _DAY_MS, asked.to_ms)
            yield [_as_read(column) for column in _columns(sink, asked, begin, end)]
        return
    width = step * max(1, _DAY_MS // step)
    before = asked.from_ms - LOOK_BACK_MS
    last = dict(_tails(_columns(sink, asked, before, asked.from_ms)))
    begin = asked.from_ms
    while begin < asked.to_ms:
        end = min(begin - begin % step + width, asked.to_ms)
        columns = _columns(sink, asked, begin, end)
        yield _stepped(columns, last, begin, end, step)
        last |= dict(_tails(columns))
        begin = end


def _columns(sink: Sink, asked: Question, begin: int, end: int) -> list[Column]:
    return sink.columns(asked.site, asked.meter, max(0, begin), end, asked.quantities)


def _stepped(
    columns: list[Column], last: dict[tuple[str, str], Column], begin: int, end: int, step: int
) -> list[Told]:
    """`last`: the newest reading before `begin` of each register."""
    told = []
    here = {(column.quantity, column.quality): column for column in columns}
    for key in sorted(here.keys() | last.keys()):
        if _is_register(key[0]):
            parts = [column for column in (last.get(key), here.get(key)) if column is not None]
            told.append(_at_steps(key, parts, begin, end, step))
        else:
            told.append(_between_steps(here[key], step))
    return [each for each in told if len(each.t_ms)]


def _at_steps(key: tuple[str, str], parts: list[Column], begin: int, end: int, step: int) -> Told:
    times = np.concatenate([part.t_ms for part in parts])
    values = np.concatenate([part.values for part in parts])
    steps = np.arange(-(-begin // step) * step, end, step, dtype=np.int64)
    at = np.searchsorted(times, steps, side="right") - 1
    steps, at = steps[at >= 0], at[at >= 0]
    is_near = steps - times[at] <= LOOK_BACK_MS  # a page that begins here looks no farther back
    steps, at = steps[is_near], at[is_near]
    return Told(*key, steps, {"value": values[at], "read_ms": times[at]})


def _between_steps(column: Column, step: int) -> Told:
    steps, begins = np.unique(column.t_ms - column.t_ms % step, return_index=True)
    counts = np.diff(np.append(begins, len(column.t_ms)))
    figures = {
        "mean": np.add.reduceat(column.values, begins) / counts,
        "min": np.minimum.reduceat(column.values, begins),
        "max": np.maximum.reduceat(column.values, begins),
        "readings": counts.astype(np.int64),
    }
    return Told(column.quantity, column.quality, steps, figures)


def _tails(columns: list[Column]) -> Iterator[tuple[tuple[str, str], Column]]:
    """The last reading of each register."""
    for each in columns:
        if _is_register(each.quantity):
            tail = Column(each.quantity, each.quality, each.t_ms[-1:], each.values[-1:])
            yield (each.quantity, each.quality), tail


def _is_register(quantity: str) -> bool:
    return quantity in QUANTITIES and QUANTITIES[quantity].cumulative


def _as_read(column: Column) -> Told:
    return Told(column.quantity, column.quality, column.t_ms, {"value": column.values})


def _put_together(windows: list[list[Told]]) -> list[Told]:
    found: dict[tuple[str, str], list[Told]] = {}
    for each in (told for window in windows for told in window):
        found.setdefault((each.quantity, each.quality), []).append(each)
    return [
        Told(
            *key,
            np.concatenate([part.t_ms for part in parts]),
            {
                name: np.concatenate([part.figures[name] for part in parts])
                for name in parts[0].figures
            },
        )
        for key, parts in sorted(found.items())
    ]


def _before(told: Told, end_ms: int) -> Told:
    size = int(np.searchsorted(told.t_ms, end_ms))
    figures = {name: figure[:size] for name, figure in told.figures.items()}
    return Told(told.quantity, told.quality, told.t_ms[:size], figures)
