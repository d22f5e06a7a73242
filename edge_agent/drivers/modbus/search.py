"""Who is on a Modbus bus: every unit is asked one thing, and any answer, a refusal too, is somebody.

An answer carries its unit, so a late one cannot pass for the next: nothing is let go by in between.
But it may talk over the next request, so where bytes came that answer nothing, the unit before is
asked again, with patience.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping

from edge_agent.bus import Looked, Refused
from edge_agent.drivers.modbus.likeness import ReadSome, look_like
from edge_agent.line import LinkLost, NoAnswer
from edge_agent.profiles import Profile
from edge_agent.profiles.modbus import Profile as ModbusProfile

_PROBE = 3, 0, 2  # two words from an even address: no model takes offence at that
_MOST_LOSSES = 3  # in a row; some gateways hang up when asked for a unit they do not have


async def search(
    read: ReadSome, profiles: Mapping[str, Profile], first: int, last: int
) -> AsyncIterator[Looked]:
    """See edge_agent.drivers.Searchable. The first unit that finds no link ends it."""
    models = {name: p for name, p in profiles.items() if isinstance(p, ModbusProfile)}
    of, lost, there = last - first + 1, 0, True
    for unit in range(first, last + 1):
        before, answering = there, []
        try:
            there, spoilt = await _is_there(read, unit, patient=False)
            if spoilt and unit > first and not before and (await _is_there(read, unit - 1))[0]:
                answering.append(unit - 1)
            if spoilt:
                there, _ = await _is_there(read, unit)
            answering += [unit] if there else []
            lost = 0
        except LinkLost as exc:
            there, lost = False, lost + 1
            if unit == first or lost == _MOST_LOSSES:
                raise
            await asyncio.sleep(exc.retry_after_s or 0)
        for found in answering:
            alike = await look_like(read, found, models)
            yield Looked(unit - first + 1, of, f"unit {found}", alike)
        if unit not in answering:
            yield Looked(unit - first + 1, of, f"unit {unit}")


async def _is_there(read: ReadSome, unit: int, *, patient: bool = True) -> tuple[bool, bool]:
    """Whether it answers; and whether what came instead was no answer, but no mere echo either."""
    try:
        await read(unit, *_PROBE, drain=patient)
    except Refused:
        return True, False
    except NoAnswer as exc:
        return False, exc.garbled
    return True, False
