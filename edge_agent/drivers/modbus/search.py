"""Who is on a Modbus bus: every unit is asked one thing, and any answer, a refusal too, is somebody.

An answer carries its unit, so a late one cannot pass for the next: nothing is let go by in between.
But it may talk over the next request, so where bytes came that answer nothing, the unit before is
asked again, with patience.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Literal

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
    of, lost, before = last - first + 1, 0, "answer"
    for unit in range(first, last + 1):
        answering: list[int] = []
        try:
            heard = await _heard(read, unit, patient=False)
            if heard == "noise":
                if unit > first and before != "answer" and await _heard(read, unit - 1) == "answer":
                    answering.append(unit - 1)
                heard = await _heard(read, unit)
            lost = 0
        except LinkLost as exc:
            heard, lost = "", lost + 1
            if unit == first or lost == _MOST_LOSSES:
                raise
            await asyncio.sleep(exc.retry_after_s or 0)
        before = heard
        answering += [unit] if heard == "answer" else []
        for each in answering:
            found = await look_like(read, each, models)
            yield Looked(unit - first + 1, of, f"unit {each}", found)
        if heard != "answer":
            yield Looked(unit - first + 1, of, f"unit {unit}", heard=heard)


async def _heard(
    read: ReadSome, unit: int, *, patient: bool = True
) -> Literal["answer", "", "noise", "echo"]:
    """What came from this unit."""
    try:
        await read(unit, *_PROBE, drain=patient)
    except Refused:
        return "answer"
    except NoAnswer as exc:
        return "noise" if exc.garbled else "echo" if exc.echo else ""
    return "answer"
