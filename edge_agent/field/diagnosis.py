"""Why a meter did not answer as it should, after asking around on its bus once."""

import errno
from dataclasses import replace
from itertools import islice
from pathlib import Path

import msgspec

from edge_agent import line, profiles
from edge_agent.config import Metered, Plan
from edge_agent.drivers import Bus, Found, LinkLost, NoAnswer, Searchable
from edge_agent.field import ports
from edge_agent.profiles import Profile
from wire.errors import BadData, TransientError

_MOST_ASKED = 5  # neighbours; a dead line costs a timeout for each


async def explain(
    plan: Plan, metered: Metered, bus: Bus, exc: TransientError | BadData, by_id: Path = ports.BY_ID
) -> str:
    """The error in one line, with what the bus's other meters and the profiles say to it."""
    name, (_, settings) = metered.wanted.name, plan.buses[metered.bus]
    if isinstance(exc, LinkLost):
        return f"{exc}{missing_port(exc, by_id)}"
    if isinstance(exc, NoAnswer):
        told = f"{name}: {exc}"
        if exc.garbled:
            return (
                f"{told}; bytes came but no valid frame: speed or parity?{_set(metered, settings)}"
            )
        return f"{told}; {await _alive(plan, metered, bus)}"
    known = known_profiles(plan, metered)
    found = await what_is_there(bus, metered, known)
    told, model = str(exc).removeprefix(f"{name}: "), metered.wanted.profile
    if found is None or not found.profiles or known[found.profiles[0]] == model:
        return f"{name}: {told}"
    return (
        f"{name}: {told}; it answers, but not as {model.vendor} {model.model}: it looks like"
        f" {' or '.join(found.profiles)} ({found.sure}: {found.why})"
    )


def missing_port(exc: LinkLost, by_id: Path = ports.BY_ID) -> str:
    """What is plugged in instead of a port that is not there."""
    cause = exc.__cause__
    gone = isinstance(cause, OSError) and cause.errno == errno.ENOENT
    return f"; {ports.plugged_in(by_id)}" if gone else ""


def setting(settings: object) -> str:
    """The speed and parity of a serial line, as on its meters' displays; "" for what has none."""
    if not isinstance(settings, line.Settings) or not settings.device:
        return ""
    return f"{settings.baud} 8{settings.parity}{settings.stop_bits}"


def place(address: msgspec.Struct) -> str:
    """What says which meter of a bus is meant."""
    keys = address.__struct_fields__
    told = ((key, getattr(address, key)) for key in keys)
    return ", ".join(f"{key} {value}" for key, value in told if value is not None)


def known_profiles(plan: Plan, metered: Metered) -> dict[str, Profile]:
    """Every model the agent knows of the meter's protocol, and the configuration's own."""
    protocol = metered.wanted.profile.protocol
    known = {name: profiles.load(name, allow_unverified=True) for name in profiles.names()}
    for name, other in plan.meters.items():
        known.setdefault(str(plan.config.meters[name].get("profile", name)), other.wanted.profile)
    return {name: profile for name, profile in known.items() if profile.protocol == protocol}


async def what_is_there(bus: Bus, metered: Metered, known: dict[str, Profile]) -> Found | None:
    """What a search finds at the meter's own address."""
    address = metered.wanted.address
    numbers = [n for k in address.__struct_fields__ if isinstance(n := getattr(address, k), int)]
    if not isinstance(bus, Searchable) or len(numbers) != 1:
        return None
    try:
        async for looked in bus.search(known, numbers[0], numbers[0]):
            if looked.found is not None:
                return looked.found
    except TransientError:
        return None  # the first error says more
    return None


async def _alive(plan: Plan, metered: Metered, bus: Bus) -> str:
    """Whether somebody else on the bus answers."""
    _, settings = plan.buses[metered.bus]
    at = f" at {setting(settings)}" if setting(settings) else ""
    others = [m for name, m in plan.on(metered.bus).items() if name != metered.wanted.name]
    asked = list(islice(others, _MOST_ASKED))
    for other in asked:
        if await _answers(bus, other):
            there = f"{other.wanted.name} ({place(other.wanted.address)}) answers"
            mine = place(metered.wanted.address)
            return (
                f"the line itself is alive{at}: {there}; is this one powered, and is {mine} right?"
            )
    doubt = "power, wires, speed and parity" if at else "power, or a gateway's far side"
    factory = _set(metered, settings)
    if not asked:
        return f"it is the only meter of {metered.bus}: {doubt}, its address?{factory}"
    if len(asked) == 1:
        return f"the other meter on {metered.bus} does not answer either{at}: {doubt}?{factory}"
    many = f"{len(asked)} others asked on {metered.bus}"
    return f"none of the {many} answers either{at}: {doubt}?{factory}"


async def _answers(bus: Bus, other: Metered) -> bool:
    """Whether it says anything; a refusal is an answer."""
    wanted = replace(other.wanted, quantities=other.wanted.quantities[:1])
    try:
        async for _ in bus.meter(wanted).read():
            return True
    except BadData:
        return True
    except TransientError:
        return False
    return False


def _set(metered: Metered, settings: object) -> str:
    """How the line is set and, where that differs, how the model leaves its factory."""
    ours, factory = setting(settings), metered.wanted.profile.serial
    if not ours:
        return ""
    theirs = f"{factory.baud} 8{factory.parity}{factory.stop_bits}" if factory else ours
    if theirs == ours:
        return f" {metered.bus} is set to {ours}, as the model leaves its factory"
    return f" {metered.bus} is set to {ours}, the profile's factory setting is {theirs}"
