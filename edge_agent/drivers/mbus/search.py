"""Who is on an M-Bus line: every primary address, then the secondary ones digit by digit.

A selection with open digits is answered by all it covers. One alone tells its name; several at once
tell nothing that can be read, and the next digit is closed, ten times. What only maker, version or
medium tells apart stays one place where several answer.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from edge_agent.bus import Found, Looked, Sure
from edge_agent.drivers.mbus.meter import At, Telegrams, model, told
from edge_agent.line import NoAnswer, Tally
from edge_agent.profiles import Profile
from edge_agent.profiles.mbus import Identity
from edge_agent.profiles.mbus import Profile as MBusProfile
from edge_agent.protocols.mbus import MAX_PRIMARY, Secondary
from edge_agent.protocols.mbus_records import Telegram
from wire.errors import BadData

_DIGITS = 8


@dataclass
class _Probe:
    """What came of one address. `several`: something answered, but not one meter alone."""

    telegram: Telegram | None = None
    several: bool = False
    heard: Literal["", "noise", "echo"] = ""
    tally: Tally = field(default_factory=Tally)

    @property
    def identity(self) -> Secondary | None:
        """Who answered, if it said so."""
        return self.telegram.header.identity if self.telegram else None

    def __str__(self) -> str:
        """For a person."""
        if self.telegram is not None:
            return f": {model(self.telegram.header) or 'a meter that does not say which'}"
        return ": more than one meter, or one that cannot be read" if self.several else ""


async def search(
    ask: Telegrams, profiles: Mapping[str, Profile], first: int, last: int, settle_s: float
) -> AsyncIterator[Looked]:
    """See edge_agent.bus.Searchable. `settle_s`: by then a second meter has begun its answer."""
    known: set[Secondary | None] = {None}
    primary = range(first, min(last, MAX_PRIMARY) + 1)
    done = 0
    for address in primary:
        done += 1
        probe = await _probe(ask, address)
        known.add(probe.identity)
        found = _found({"address": address}, probe.telegram, profiles) if probe.telegram else None
        yield Looked(done, len(primary) + 1, f"address {address}{probe}", found, probe.heard)
    left = [""]
    while left:
        done, digits = done + 1, left.pop()
        mask = Secondary(digits.ljust(_DIGITS, "F"))
        probe, found = await _alone(ask, mask, settle_s), None
        if probe.several and len(digits) < _DIGITS:
            left.extend(f"{digits}{n}" for n in "9876543210")
        if probe.telegram is not None and probe.identity not in known:
            known.add(probe.identity)
            found = _found({"secondary": str(probe.identity)}, probe.telegram, profiles)
        yield Looked(done, done + len(left), f"secondary {mask.number}{probe}", found, probe.heard)


async def _alone(ask: Telegrams, mask: Secondary, settle_s: float) -> _Probe:
    """The meter behind a selection, if it is one alone: nobody else speaks up later, and it answers
    to its whole address."""
    probe = await _probe(ask, mask)
    if probe.identity is None:
        return probe
    await asyncio.sleep(settle_s)
    again = await _probe(ask, probe.identity)
    if probe.tally.stray or again.telegram is None:
        return _Probe(several=True)
    return again


async def _probe(ask: Telegrams, at: At) -> _Probe:
    """LinkLost goes through: then there is no line to search."""
    probe = _Probe()
    try:
        heard, _ = await ask(at, lambda _: True, probe.tally)
        probe.telegram = heard[0].telegram
    except NoAnswer as exc:
        probe.several = exc.garbled or bool(probe.tally.answered)
        probe.heard = "noise" if exc.garbled else "echo" if exc.echo else ""
    except BadData:
        probe.several = True
    return probe


def _found(
    address: Mapping[str, object], telegram: Telegram, profiles: Mapping[str, Profile]
) -> Found:
    """The profiles that fit what the meter says it is and tells, the most particular first."""
    header = telegram.header
    if header.identity is None:
        return Found(address, {}, ())
    says = header.manufacturer, header.identity.version, header.medium
    fits = [
        (_particular(p.identity), name)
        for name, p in profiles.items()
        if isinstance(p, MBusProfile) and p.identity.fits(*says) and _tells_all(p, telegram)
    ]
    fits.sort(key=lambda fit: (-fit[0], fit[1]))
    sure: Sure = "possible"
    if fits and fits[0][0]:
        sure = "certain" if fits[0][0] > 1 else "likely"
    names = tuple(name for _, name in fits)
    why = f"it says it is {model(header)}"
    return Found(
        address, {"serial": header.identity.number, "model": model(header)}, names, sure, why
    )


def _particular(identity: Identity) -> int:
    return bool(identity.manufacturer) + bool(identity.manufacturer and identity.versions)


def _tells_all(profile: MBusProfile, telegram: Telegram) -> bool:
    """Does the meter tell what every meter of this model does? Unknown while it has more to say."""
    try:
        return telegram.more or all(
            told(register, telegram)
            for register in profile.registers.values()
            if not register.optional
        )
    except BadData:
        return False
