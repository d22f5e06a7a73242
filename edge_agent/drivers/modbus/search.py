"""Who is on a Modbus bus: every unit is asked one thing, and any answer, a refusal too, is somebody.

Most units are nobody, so the search is not patient: who answers late does so while a later unit is
asked, and is known by the unit in its answer; the last few units are waited for. Where only rubble came, two may have talked at once,
and those who may have are asked again, patiently.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Literal, Protocol

from edge_agent.bus import Looked
from edge_agent.drivers.modbus.likeness import ReadSome, look_like
from edge_agent.line import LinkLost, NoAnswer
from edge_agent.profiles import Profile
from edge_agent.profiles.modbus import Profile as ModbusProfile

_LAST = 255
_HASTE_MS = 300
_LATE = 3  # units that may still answer
_MOST_RUBBLE = 8  # a line that is never quiet is not asked patiently for ever
_MOST_LOSSES = 3  # in a row; some gateways hang up when asked for a unit they do not have

Heard = Literal["", "noise", "echo"]


class Probe(Protocol):
    """How a unit is asked; who of it and the others answered."""

    async def __call__(
        self, unit: int, others: Sequence[int] = (), probe_ms: int | None = None
    ) -> int:
        """Raises NoAnswer or LinkLost."""
        ...


async def search(
    probe: Probe, read: ReadSome, profiles: Mapping[str, Profile], first: int, last: int
) -> AsyncIterator[Looked]:
    """See edge_agent.drivers.Searchable. The first unit that finds no link ends it."""
    last = min(last, _LAST)
    models = {name: p for name, p in profiles.items() if isinstance(p, ModbusProfile)}
    silent = deque[int](maxlen=_LATE)
    of, lost, rubble = last - first + 1, 0, 0
    for done, unit in enumerate(range(first, last + 1), 1):
        there: list[int] = []
        try:
            haste_ms = _HASTE_MS if unit <= last - _LATE else None
            heard = await _ask(probe, unit, silent, there, haste_ms)
            if heard == "noise" and (rubble := rubble + 1) <= _MOST_RUBBLE:
                for each in (unit, *silent):
                    await _ask(probe, each, (), there, None)
            lost = 0
        except LinkLost as exc:
            heard, lost = "", lost + 1
            if unit == first or lost == _MOST_LOSSES:
                raise
            await asyncio.sleep(exc.retry_after_s or 0)
        for each in sorted(there):
            yield Looked(done, of, f"unit {each}", await look_like(read, each, models))
        if unit not in there:
            silent.append(unit)
            yield Looked(done, of, f"unit {unit}", heard=heard)


async def _ask(
    probe: Probe, unit: int, others: Sequence[int], there: list[int], probe_ms: int | None
) -> Heard:
    """Ask until the unit itself has answered or not; all who answered are put into `there`."""
    waiting = [other for other in others if other not in there]
    try:
        while (who := await probe(unit, waiting, probe_ms)) != unit:
            there.append(who)
            waiting.remove(who)
    except NoAnswer as exc:
        return "noise" if exc.garbled else "echo" if exc.echo else ""
    if unit not in there:
        there.append(unit)
    return ""
