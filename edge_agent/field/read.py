"""`edge-agent read METER`: rounds of one meter, with raw words, value and judgement."""

import argparse
import asyncio
import contextlib
import re
import sys
import time
from dataclasses import replace
from pathlib import Path
from random import Random

from edge_agent import config
from edge_agent.config import Metered, Plan
from edge_agent.drivers import Bus, KnowsRatios, LinkLost, Meter, NoAnswer, Wanted
from edge_agent.field import diagnosis, judgement, rounds
from edge_agent.field.judgement import Check, Site
from edge_agent.field.shown import AsJson, AsTable
from wire.errors import BadData, ConfigError, TransientError

_UNITS_S = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's words."""
    parser.description = (
        "Read one meter and show what it said and what to think of it. A serial line has one"
        " reader: stop the agent on this line first. Where the meter does not answer, its"
        " neighbours on the bus are asked whether the line is alive."
    )
    parser.epilog = (
        "examples:\n"
        "  edge-agent read m-press-1 --config agent.toml\n"
        "  edge-agent read m-press-1 --every 5s --count 10\n"
        "  edge-agent read m-press-1 --all --json\n"
        "  wattprint read m-press-1 --all --config agent.toml\n\n"
        "exit codes: 0 every round was answered; 1 one was not; 2 the configuration is wrong"
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("meter", help="a name under [meters] of the configuration")
    parser.add_argument(
        "--config", type=Path, default=Path("agent.toml"), help="default: agent.toml"
    )
    parser.add_argument("--all", action="store_true", help="everything the profile knows")
    parser.add_argument(
        "--every", type=_seconds, metavar="5s", help="again and again; default: the meter's own"
    )
    parser.add_argument("--count", type=_count, help="how often; default: 1, with --every no end")
    parser.add_argument("--json", action="store_true", help="one JSON object a round, a line each")


def run(args: argparse.Namespace) -> int:
    """Exit code 0 or 1. Raises ConfigError, and TransientError or BadData of the first round."""
    plan = config.load(args.config)
    metered = plan.meters.get(args.meter)
    if metered is None:
        known = ", ".join(plan.meters)
        raise ConfigError(f"{args.config}: meters.{args.meter}: no such meter; known: {known}")
    wanted = metered.wanted
    if args.all:
        wanted = replace(wanted, quantities=tuple(wanted.profile.meanings))
    count = args.count or (None if args.every else 1)
    every_s = args.every or metered.interval_ms / 1000
    site = judgement.site_of(metered)
    show = AsJson(sys.stdout) if args.json else AsTable(sys.stdout)
    try:
        return asyncio.run(_rounds(plan, metered, wanted, site, show, count, every_s))
    except KeyboardInterrupt:
        return 0


async def _rounds(
    plan: Plan,
    metered: Metered,
    wanted: Wanted,
    site: Site,
    show: AsJson | AsTable,
    count: int | None,
    every_s: float,
) -> int:
    driver, settings = plan.buses[metered.bus]
    missed, done = 0, 0
    loop = asyncio.get_running_loop()
    async with driver.connect(settings, Random(), _now_ms) as bus:
        meter = bus.meter(wanted)
        due = loop.time()
        while count is None or done < count:
            await asyncio.sleep(max(0.0, due - loop.time()))
            try:
                identity = await _identity(meter) if done == 0 else {}
                taken = await rounds.take(wanted, meter, site)
                if done == 0:
                    taken = replace(taken, checks=(*await _ratios(meter, site), *taken.checks))
            except (TransientError, BadData) as exc:
                if done == 0:
                    raise await _explained(plan, metered, bus, exc) from exc
                show.failed(str(exc), _now_ms())
                missed += 1
            else:
                if done == 0:
                    show.begin(wanted, identity)
                show.round(taken, _now_ms())
            done, due = done + 1, max(due + every_s, loop.time())
        if done > 1:
            show.end(meter)
    return 1 if missed else 0


async def _identity(meter: Meter) -> dict[str, str]:
    """A meter may be silent about this alone."""
    try:
        return await meter.identify()
    except NoAnswer:
        return {}


async def _ratios(meter: Meter, site: Site) -> tuple[Check, ...]:
    """The transformers' ratios the meter was told, against the configuration's."""
    if not isinstance(meter, KnowsRatios):
        return ()
    with contextlib.suppress(NoAnswer):
        return tuple(judgement.ratios(await meter.ratios(), site))
    return ()


async def _explained(
    plan: Plan, metered: Metered, bus: Bus, exc: TransientError | BadData
) -> TransientError | BadData:
    told = str(await diagnosis.explain(plan, metered, bus, exc))
    if isinstance(exc, LinkLost):
        return TransientError(told)
    told = f"{metered.wanted.name}: {told}"
    return BadData(told) if isinstance(exc, BadData) else TransientError(told)


def _seconds(text: str) -> float:
    match = re.fullmatch(r"([0-9]+(?:[.][0-9]+)?)(ms|s|m|h|)", text)
    if not match or float(match[1]) <= 0:
        raise argparse.ArgumentTypeError("a time, as 5s, 500ms or 2m")
    return float(match[1]) * _UNITS_S[match[2]]


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("a number above 0")
    return int(text)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
