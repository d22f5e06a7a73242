"""Whether a bus can hold the intervals asked of it, by the physics of its line, and what would help.

Pure. A round is every meter of the bus once. What is left of a bus's time is for meters that
answer late and requests that are asked again, so the cures leave a tenth.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import msgspec

from edge_agent import line
from edge_agent.config import Metered, Plan
from edge_agent.drivers import Driver
from edge_agent.field.words import Language, Text, say

FULL, COMFORTABLE = 1.0, 0.9
_BAUDS = (2400, 4800, 9600, 19200, 38400, 57600, 115200)
_LONGEST_S = 3600


class Share(NamedTuple):
    """What one meter takes of its bus: `seconds` of every round, `rest_s` in which it is left alone."""

    meter: str
    requests: int
    seconds: float
    rest_s: float
    interval_s: float


class Budget(NamedTuple):
    """One bus. `used`: the share of its time; `slow`: meters whose own round is longer than their
    interval; `cures`: what would help, where something must."""

    bus: str
    shares: tuple[Share, ...]
    used: float
    slow: tuple[Share, ...]
    cures: tuple[Text, ...]

    @property
    def round_s(self) -> float:
        """Every meter once, as at a boundary."""
        return sum(share.seconds for share in self.shares)

    @property
    def requests(self) -> int:
        """In one round."""
        return sum(share.requests for share in self.shares)

    @property
    def holds(self) -> bool:
        """Whether the intervals can be kept."""
        return self.used <= FULL and not self.slow

    @property
    def tight(self) -> bool:
        """Whether it holds, but only while every meter is prompt."""
        return self.holds and self.used > COMFORTABLE

    @property
    def every(self) -> str:
        """The intervals asked for, in seconds: one, or the shortest and the longest."""
        least = min(share.interval_s for share in self.shares)
        most = max(share.interval_s for share in self.shares)
        return f"{least:g}" if least == most else f"{least:g}-{most:g}"

    def as_json(self, language: Language = "en") -> dict[str, object]:
        """For programs."""
        return {
            "bus": self.bus,
            "meters": len(self.shares),
            "requests": self.requests,
            "round_s": round(self.round_s, 3),
            "interval_s": self.every,
            "used_percent": round(100 * self.used, 1),
            "holds": self.holds,
            "says": self.verdict.told(language),
        }

    @property
    def verdict(self) -> Text:
        """In one sentence."""
        if self.used > FULL:
            told = say(
                "{bus}: {n} meters need {round} s a round, asked for every {every} s",
                bus=self.bus,
                n=len(self.shares),
                round=f"{self.round_s:.3g}",
                every=self.every,
            )
            return say("{what}: {cures}", what=told, cures=_either(self.cures))
        if self.slow:
            return say("{bus}: {cures}", bus=self.bus, cures=_either(self.cures))
        if self.tight:
            return say(
                "{bus}: {used} of its time is used: it holds only while every meter is prompt",
                bus=self.bus,
                used=percent(self.used),
            )
        return say("{bus}: {used} of its time is used", bus=self.bus, used=percent(self.used))


def budgets(plan: Plan) -> list[Budget]:
    """Every bus that has meters."""
    boundary_s = plan.config.boundary_s
    return [
        budget(name, *plan.buses[name], meters, boundary_s)
        for name in plan.buses
        if (meters := plan.on(name))
    ]


def budget(
    name: str, driver: Driver, settings: Any, meters: Mapping[str, Metered], boundary_s: int
) -> Budget:
    """One bus."""
    shares = _shares(driver, settings, meters)
    used = _used(shares, boundary_s)
    slow = tuple(s for s in shares if s.seconds + s.rest_s > s.interval_s)
    cures: list[Text] = []
    if used > FULL:
        cures = [
            *_faster(driver, settings, meters, boundary_s),
            *_slower(shares, boundary_s),
            *_fewer(shares, boundary_s),
        ]
    cures += [_alone(share) for share in slow] if used <= FULL else []
    return Budget(name, shares, used, slow, tuple(cures))


def percent(share: float) -> str:
    """A share in per cent."""
    return f"{100 * share:.0f} %" if share >= 0.095 else f"{100 * share:.1f} %"


def _shares(driver: Driver, settings: Any, meters: Mapping[str, Metered]) -> tuple[Share, ...]:
    shares = []
    for name, metered in meters.items():
        cost = driver.cost(settings, metered.wanted)
        interval_s = metered.interval_ms / 1000
        shares.append(Share(name, cost.requests, cost.seconds, cost.rest_s, interval_s))
    return tuple(shares)


def _used(shares: Sequence[Share], boundary_s: int, least_s: float = 0) -> float:
    """The share of a bus's time that is used if no meter is asked more often than `least_s`.

    A boundary that is no multiple of an interval is one more read, as the schedule has it.
    """
    used = 0.0
    for share in shares:
        interval_s = max(share.interval_s, least_s)
        more = round(1000 * boundary_s) % round(1000 * interval_s) != 0
        used += share.seconds * (1 / interval_s + (1 / boundary_s if more else 0))
    return used


def _faster(
    driver: Driver, settings: Any, meters: Mapping[str, Metered], boundary_s: int
) -> Iterator[Text]:
    """A speed at which it fits, if the line has one."""
    if not isinstance(settings, line.Settings):
        return
    for baud in _BAUDS:
        shares = _shares(driver, msgspec.structs.replace(settings, baud=baud), meters)
        if _used(shares, boundary_s) <= COMFORTABLE:
            round_s = sum(share.seconds for share in shares)
            yield say("raise baud to {baud} ({round} s)", baud=baud, round=f"{round_s:.3g}")
            return


def _slower(shares: Sequence[Share], boundary_s: int) -> Iterator[Text]:
    """The least interval with which it fits."""
    for tenths in chain(range(1, 10), range(10, 10 * _LONGEST_S, 10)):
        if _used(shares, boundary_s, tenths / 10) <= COMFORTABLE:
            yield say("interval_s to {every}", every=f"{tenths / 10:g}")
            return


def _fewer(shares: Sequence[Share], boundary_s: int) -> Iterator[Text]:
    """How many of its heaviest meters would have to go."""
    left = sorted(shares, key=lambda share: share.seconds / share.interval_s)
    while len(left) > 1:
        left.pop()
        if _used(left, boundary_s) <= COMFORTABLE:
            if (n := len(shares) - len(left)) == 1:
                yield say("move 1 meter to another line")
            else:
                yield say("move {n} meters to another line", n=n)
            return


def _alone(share: Share) -> Text:
    own_s = share.seconds + share.rest_s
    return say(
        "{meter} alone takes {own} s a round, {rest} s of it rest between requests, and is asked for"
        " every {every} s: raise its interval_s to {least}",
        meter=share.meter,
        own=f"{own_s:.3g}",
        rest=f"{share.rest_s:.3g}",
        every=f"{share.interval_s:g}",
        least=f"{-(-own_s // 0.1) / 10 if own_s < 1 else -(-own_s // 1):g}",
    )


def _either(cures: Sequence[Text]) -> "Text | str":
    """The cures as alternatives."""
    if not cures:
        return ""
    told: Text = cures[0]
    for cure in cures[1:]:
        told = say("{one}, or {other}", one=told, other=cure)
    return told
