"""What a DL/T 645 meter froze of its counters while nobody asked, dated by the meter's own clock.

A meter knows no time zone and its clock drifts, so its clock is read beside ours: what it is ahead
of UTC, its zone (a whole quarter of an hour) and its drift together, is taken off the stamps. A
clock that is out by more than any zone says nothing about the past, and is not asked.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from edge_agent.drivers import NoAnswer, NotThere, Refused
from edge_agent.profiles.dlt645 import Freeze, Register
from edge_agent.protocols import bcd

_DATE, _DATE_AS = "04000101", "YYMMDDWW"
_TIME, _TIME_AS = "04000102", "hhmmss"
_STAMP_AS = "YYMMDDhhmm"
_QUARTER = timedelta(minutes=15)
_ZONES = timedelta(hours=-12), timedelta(hours=14)
_TRIES = 2

Ask = Callable[[str, str], Awaitable[bytes]]  # identifier, layout -> data
Frozen = dict[int, dict[str, bytes]]  # UTC ms -> quantity -> its digits


class Clock(NamedTuple):
    """How far a meter's clock is ahead of UTC: a time zone, and what it drifted."""

    zone: timedelta
    drift: timedelta

    @property
    def is_plausible(self) -> bool:
        """Whether there is such a time zone."""
        return _ZONES[0] <= self.zone <= _ZONES[1]

    def utc_ms(self, stamp: datetime) -> int:
        """When that was, by our clock."""
        return round((stamp - self.zone - self.drift).timestamp() * 1000)


def clock(shown: datetime, now_ms: int) -> Clock:
    """The meter's clock as it was seen at `now_ms`."""
    ahead = timedelta(milliseconds=round(shown.timestamp() * 1000) - now_ms)
    zone = round(ahead / _QUARTER) * _QUARTER
    return Clock(zone, ahead - zone)


async def read_clock(ask: Ask, now_ms: Callable[[], int]) -> Clock | None:
    """None if it shows no moment, or there is no such zone. Raises NoAnswer, LinkLost, Refused."""
    date = bcd.text(await ask(_DATE, _DATE_AS))
    time = bcd.text(await ask(_TIME, _TIME_AS))
    seen_ms = now_ms()
    if time < "000100":  # midnight may have come in between
        date = bcd.text(await ask(_DATE, _DATE_AS))
    shown = bcd.read_moment(_DATE_AS + _TIME_AS, date + time)
    found = None if shown is None else clock(shown, seen_ms)
    return found if found is not None and found.is_plausible else None


async def recall(
    ask: Ask,
    freezes: Sequence[Freeze],
    registers: dict[str, Register],
    after_ms: int,
    now_ms: Callable[[], int],
) -> tuple[Frozen, set[str]]:
    """What was frozen after `after_ms`, and the freezes (by the DI of their time) it does not keep.

    `registers`: the counters wanted. Raises NoAnswer or LinkLost.
    """
    frozen: Frozen = {}
    lacks: set[str] = set()
    try:
        seen = await read_clock(ask, now_ms) if freezes else None
    except Refused:
        return frozen, {freeze.time for freeze in freezes}
    if seen is None:
        return frozen, lacks
    for freeze in freezes:
        try:
            until_ms = min(frozen, default=now_ms())
            whole = await _settled(ask, freeze, registers, seen, (after_ms, until_ms), frozen)
        except Refused:
            lacks.add(freeze.time)
            continue
        if whole:
            break
    return frozen, lacks


async def _settled(
    ask: Ask,
    freeze: Freeze,
    registers: dict[str, Register],
    seen: Clock,
    between_ms: tuple[int, int],
    frozen: Frozen,
) -> bool:
    """One kind of freeze into `frozen`; whether it goes back far enough. Read once more if the meter
    froze meanwhile: its numbering has moved on then. Raises Refused if it has none."""
    for _ in range(_TRIES):
        newest = await ask(freeze.time, _STAMP_AS)
        found, whole = await _walk(ask, freeze, registers, seen, between_ms)
        if await ask(freeze.time, _STAMP_AS) == newest:
            frozen.update(found)
            return whole
    raise NoAnswer(f"froze again each time its {freeze.every}s were read")


async def _walk(
    ask: Ask,
    freeze: Freeze,
    registers: dict[str, Register],
    seen: Clock,
    between_ms: tuple[int, int],
) -> tuple[Frozen, bool]:
    """From the last freeze back to the first after the gap's beginning."""
    found: Frozen = {}
    wanted = {q: di for q, di in freeze.counters.items() if q in registers}
    last_ms: int | None = None
    for n in range(1, freeze.depth + 1):
        try:
            data = await ask(_nth(freeze.time, n), _STAMP_AS)
        except NotThere:
            return found, False
        stamp = bcd.read_moment(_STAMP_AS, bcd.text(data))
        t_ms = None if stamp is None else seen.utc_ms(stamp)
        if t_ms is None or (last_ms is not None and t_ms >= last_ms):
            return found, False  # never, or its clock was set in between: no telling when that was
        if t_ms <= between_ms[0]:
            return found, True
        last_ms = t_ms
        if t_ms < between_ms[1]:
            found[t_ms] = await _counters(ask, freeze, registers, wanted, n)
    return found, False


async def _counters(
    ask: Ask, freeze: Freeze, registers: dict[str, Register], wanted: dict[str, str], n: int
) -> dict[str, bytes]:
    values: dict[str, bytes] = {}
    for quantity, di in list(wanted.items()):
        picture = registers[quantity].as_
        layout = f"{picture} ..." if freeze.tariffs else picture
        try:
            data = await ask(_nth(di, n), layout)
        except Refused:
            del wanted[quantity]
        else:
            values[quantity] = data[: bcd.size(picture)]
    return values


def _nth(di: str, n: int) -> str:
    return f"{di[:-2]}{n:02X}"
