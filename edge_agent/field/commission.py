"""What a commissioning report is made of: every meter asked who it is, then read round after round."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from random import Random

from edge_agent.config import Metered, Plan
from edge_agent.drivers import Bus, KnowsRatios, Meter, NoAnswer
from edge_agent.field import diagnosis, judgement, rounds
from edge_agent.field.judgement import Check
from edge_agent.field.rounds import Round
from edge_agent.field.verdict import Verdict, verdict
from edge_agent.field.words import Text
from edge_agent.line import Tally
from wire.errors import BadData, TransientError

_IDENTITY_TRIES = 2
_GIVE_UP = 3  # rounds without any answer


@dataclass
class Commissioned:
    """One meter as it was found. `first`: everything its profile knows, read once; `tally`: of the
    rounds of what the configuration asks for; `failure`: why it could not be read."""

    metered: Metered
    profile: str
    identity: Mapping[str, str] = field(default_factory=dict)
    ratios: Mapping[str, Fraction] = field(default_factory=dict)
    first: Round | None = None
    told: tuple[Check, ...] = ()
    failure: Text | None = None
    tally: Tally = field(default_factory=Tally)
    rounds: int = 0

    @property
    def checks(self) -> tuple[Check, ...]:
        """Its ratios, and its values with each other."""
        return (*self.told, *(self.first.checks if self.first else ()))

    @property
    def verdict(self) -> Verdict:
        """In words."""
        profile = self.metered.wanted.profile
        return verdict(self.failure, self.first, self.checks, self.tally, profile.grade)


async def commission(
    plan: Plan,
    n: int,
    random: Random,
    now_ms: Callable[[], int],
    step: Callable[[str], None],
) -> dict[str, Commissioned]:
    """Every meter of the configuration, by name, over `n` rounds; `step` is told whose turn it was."""
    found = {
        name: Commissioned(metered, _profile(plan, name)) for name, metered in plan.meters.items()
    }
    async with asyncio.TaskGroup() as tasks:
        for bus in plan.buses:
            mine = {name: found[name] for name in plan.on(bus)}
            if mine:
                tasks.create_task(_bus(plan, bus, mine, n, random, now_ms, step))
    return found


async def _bus(
    plan: Plan,
    name: str,
    mine: Mapping[str, Commissioned],
    n: int,
    random: Random,
    now_ms: Callable[[], int],
    step: Callable[[str], None],
) -> None:
    """The meters of one bus, one after the other, round by round."""
    driver, settings = plan.buses[name]
    async with driver.connect(settings, random, now_ms) as bus:
        for each in mine.values():
            await _first(plan, bus, each)
            step(each.metered.wanted.name)
        meters = {meter: bus.meter(each.metered.wanted) for meter, each in mine.items()}
        for _ in range(n):
            for meter, each in mine.items():
                await _again(meters[meter], each)
                step(meter)


async def _first(plan: Plan, bus: Bus, each: Commissioned) -> None:
    """Who it is, what it was told, and all it knows."""
    wanted = each.metered.wanted
    everything = replace(wanted, quantities=tuple(wanted.profile.meanings))
    site = judgement.site_of(each.metered)
    try:
        meter = bus.meter(everything)
        each.identity = await _identity(meter)
        each.first = await rounds.take(everything, meter, site)
        if isinstance(meter, KnowsRatios):
            each.ratios = await meter.ratios()
            each.told = tuple(judgement.ratios(each.ratios, site))
    except NoAnswer as exc:
        if each.first is None:
            each.failure = await diagnosis.explain(plan, each.metered, bus, exc)
    except (TransientError, BadData) as exc:
        each.failure = await diagnosis.explain(plan, each.metered, bus, exc)


async def _identity(meter: Meter) -> Mapping[str, str]:
    """A meter may be silent about this alone; once is no sign of that."""
    for _ in range(_IDENTITY_TRIES):
        with contextlib.suppress(NoAnswer):
            return await meter.identify()
    return {}


async def _again(meter: Meter, each: Commissioned) -> None:
    """One round of what the configuration asks for; what it answered is in the tally."""
    if each.failure is not None and each.rounds >= _GIVE_UP and not meter.tally.answered:
        return
    each.tally, each.rounds = meter.tally, each.rounds + 1
    try:
        async for _ in meter.read():
            pass
    except (TransientError, BadData):
        return


def _profile(plan: Plan, name: str) -> str:
    return str(plan.config.meters[name].get("profile", "")) or "-"
