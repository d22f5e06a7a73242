"""What was found, as tables for the agent's configuration."""

import json
from collections.abc import Iterator, Mapping, Sequence

from edge_agent.device import BOUND_BY_POWER
from edge_agent.drivers import Found
from edge_agent.profiles import Profile
from wire.quantities import QUANTITIES


def bus(name: str, table: Mapping[str, object]) -> Iterator[str]:
    """The lines of `[buses.name]`."""
    yield f"[buses.{name}]"
    for key, value in table.items():
        yield f"{key} = {_toml(value)}"


def meter(bus_name: str, found: Found, profiles: Mapping[str, Profile]) -> Iterator[str]:
    """The lines of `[meters.…]`; what only a person can know is left as 0 and refused by `check`."""
    place = "-".join(str(value).lower() for value in found.address.values())
    yield f"[meters.m-{bus_name}-{place}]"
    yield f"bus = {_toml(bus_name)}"
    for key, value in found.address.items():
        yield f"{key} = {_toml(value)}"
    if not found.profiles:
        yield 'profile = ""                   # no known model looks like it'
        return
    best, *others = found.profiles
    doubt = f"; or {', '.join(others)}" if others else ""
    yield f"profile = {_toml(best)}    # {found.sure}{doubt}"
    yield from _site(profiles[best])


def bus_name(place: str) -> str:
    """A name for a bus at `place`, of letters, digits and dashes."""
    letters = "".join(c if c.isascii() and c.isalnum() else "-" for c in place.lower())
    return "-".join(filter(None, letters.split("-"))) or "line"


def _site(profile: Profile) -> Iterator[str]:
    """The keys that belong to the site."""
    units = {QUANTITIES[q].unit for q in profile.meanings if QUANTITIES[q].cumulative}
    if units & set(BOUND_BY_POWER):
        yield "rated_power_w = 0              # fill in: the most its load draws, in W"
    if units - set(BOUND_BY_POWER):
        yield 'rated_flow_per_h = "0"         # fill in: the most that flows in an hour'
    if any(meaning.secondary for meaning in profile.meanings.values()):
        yield 'ct = "1"                       # fill in: its registers are of the secondary side'
        yield 'pt = "1"'
    if profile.grade == "C":
        yield "allow_unverified = true        # a single source: compare a reading with the display"


def _toml(value: object) -> str:
    """Strings, numbers and truth values are written alike in TOML and JSON."""
    return json.dumps(value, ensure_ascii=False)


def join(blocks: Sequence[Sequence[str]]) -> str:
    """Tables with an empty line between them."""
    return "\n\n".join("\n".join(block) for block in blocks)
