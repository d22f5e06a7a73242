"""Why a meter did not answer as it should, after asking around on its bus once."""

import errno
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import msgspec

from edge_agent import line, profiles
from edge_agent.config import Metered, Plan
from edge_agent.drivers import Bus, Found, LinkLost, NoAnswer, Searchable
from edge_agent.field import ports
from edge_agent.field.words import Text, say
from edge_agent.profiles import Profile
from wire.errors import BadData, TransientError

_MOST_ASKED = 5  # neighbours; a dead line costs a timeout for each


async def explain(
    plan: Plan, metered: Metered, bus: Bus, exc: TransientError | BadData, by_id: Path = ports.BY_ID
) -> Text:
    """What is wrong, without the meter's name: with what the bus's other meters and the profiles
    say to it."""
    name, (_, settings) = metered.wanted.name, plan.buses[metered.bus]
    if isinstance(exc, LinkLost):
        return say("{error}", error=f"{exc}{missing_port(exc, by_id)}")
    error = str(exc).removeprefix(f"{name}: ")
    if isinstance(exc, NoAnswer) and exc.garbled:
        more = await _garbled(plan, metered, bus)
        return say("{error}; {more}", error=error, more=more)
    if isinstance(exc, NoAnswer):
        told = (
            _silence(metered, settings, exc)
            if exc.silent or exc.echo
            else say("{error}", error=error)
        )
        more = await _alive(plan, metered, bus)
        return say("{error}; {more}", error=told, more=more)
    known, model = known_profiles(plan, metered), metered.wanted.profile
    found = await what_is_there(bus, metered, known)
    if found is None or not found.profiles or known[found.profiles[0]] == model:
        return say("{error}", error=error)
    more = say(
        "it answers, but not as {model}: it looks like {others} ({why})",
        model=f"{model.vendor} {model.model}",
        others=" / ".join(found.profiles),
        why=f"{found.sure}: {found.why}",
    )
    return say("{error}; {more}", error=error, more=more)


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


def _silence(metered: Metered, settings: object, exc: NoAnswer) -> Text:
    """Nothing came, or only the echo of the question."""
    set_to = setting(settings)
    return say(
        "no answer from {mine}{at}{echo}",
        mine=place(metered.wanted.address),
        at=say(" at {setting}", setting=set_to) if set_to else "",
        echo=say(" (the adapter echoes what it sends, which does no harm)") if exc.echo else "",
    )


async def _garbled(plan: Plan, metered: Metered, bus: Bus) -> Text:
    """Bytes came, but no valid answer among them. Meters leave their factory with one address."""
    _, settings = plan.buses[metered.bus]
    if other := await _who_answers(bus, _others(plan, metered)):
        return say(
            "bytes came but no valid frame, and {other} answers on the same line: are there two"
            " meters with {mine}?",
            other=f"{other.wanted.name} ({place(other.wanted.address)})",
            mine=place(metered.wanted.address),
        )
    return say(
        "bytes came but no valid frame: speed or parity?{setting}",
        setting=_set(metered, settings),
    )


async def _alive(plan: Plan, metered: Metered, bus: Bus) -> Text:
    """Whether somebody else on the bus answers."""
    _, settings = plan.buses[metered.bus]
    asked = _others(plan, metered)
    if other := await _who_answers(bus, asked):
        return say(
            "the line itself is alive: {other} answers; is this one powered, and is {mine} right?",
            other=f"{other.wanted.name} ({place(other.wanted.address)})",
            mine=place(metered.wanted.address),
        )
    on_a_line = bool(setting(settings))
    doubt = (
        say("power, wires, speed and parity")
        if on_a_line
        else say("power, or a gateway's far side")
    )
    told = {"bus": metered.bus, "doubt": doubt, "setting": _set(metered, settings)}
    if not asked:
        return say("it is the only meter of {bus}: {doubt}, its address?{setting}", **told)
    if len(asked) == 1:
        return say("the other meter on {bus} does not answer either: {doubt}?{setting}", **told)
    return say(
        "none of the {n} others asked on {bus} answers either: {doubt}?{setting}",
        n=len(asked),
        **told,
    )


def _others(plan: Plan, metered: Metered) -> list[Metered]:
    """Some of its neighbours on the bus."""
    others = (m for name, m in plan.on(metered.bus).items() if name != metered.wanted.name)
    return list(islice(others, _MOST_ASKED))


async def _who_answers(bus: Bus, others: Sequence[Metered]) -> Metered | None:
    """The first that answers."""
    for other in others:
        if await _answers(bus, other):
            return other
    return None


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


def _set(metered: Metered, settings: object) -> "Text | str":
    """How the line is set and, where that differs, how the model leaves its factory."""
    ours, factory = setting(settings), metered.wanted.profile.serial
    if not ours:
        return ""
    theirs = f"{factory.baud} 8{factory.parity}{factory.stop_bits}" if factory else ours
    told = {"bus": metered.bus, "ours": ours, "theirs": theirs}
    if factory is None:
        return say(" {bus} is set to {ours}", **told)
    if theirs == ours:
        return say(" {bus} is set to {ours}, as the model leaves its factory", **told)
    return say(" {bus} is set to {ours}, the profile's factory setting is {theirs}", **told)
