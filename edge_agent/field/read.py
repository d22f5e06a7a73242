"""`edge-agent read METER`: one round of one meter, with raw words, value and judgement."""

import argparse
import asyncio
import sys
import time
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TextIO

import msgspec

from edge_agent import config
from edge_agent.drivers import Answer, Meter, Wanted
from edge_agent.exact import as_decimal, as_fraction
from edge_agent.field import table
from wire.errors import ConfigError
from wire.messages import Value
from wire.quantities import QUANTITIES

# Where a reading outside is a sign of a wrong profile, word order or wiring. By unit.
_PLAUSIBLE = {"Hz": (45, 65), "1": (-1, 1), "degC": (-50, 200)}
_PHASE_VOLTAGE = (50, 500)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's words."""
    parser.description = (
        "Read one meter once and show what it said. A serial line has one reader: stop the agent"
        " on this line first."
    )
    parser.epilog = (
        "examples:\n  edge-agent read m-press-1 --config agent.toml\n"
        "  wattprint read m-press-1 --all --config agent.toml"
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("meter", help="a name under [meters] of the configuration")
    parser.add_argument(
        "--config", type=Path, default=Path("agent.toml"), help="default: agent.toml"
    )
    parser.add_argument("--all", action="store_true", help="everything the profile knows")


def run(args: argparse.Namespace) -> int:
    """Exit code 0. Raises ConfigError, TransientError or BadData."""
    plan = config.load(args.config)
    meter = plan.meters.get(args.meter)
    if meter is None:
        known = ", ".join(plan.meters)
        raise ConfigError(f"{args.config}: meters.{args.meter}: no such meter; known: {known}")
    driver, settings = plan.buses[meter.bus]
    wanted = meter.wanted
    if args.all:
        wanted = replace(wanted, quantities=tuple(wanted.profile.meanings))

    async def once() -> None:
        now_ms = lambda: time.time_ns() // 1_000_000  # noqa: E731
        async with driver.connect(settings, Random(), now_ms) as bus:
            await show(wanted, bus.meter(wanted), sys.stdout)

    asyncio.run(once())
    return 0


async def show(wanted: Wanted, meter: Meter, out: TextIO) -> None:
    """Identify and read the meter once, and print the table. Raises TransientError, BadData."""
    profile = wanted.profile
    print(f"{wanted.name}: {profile.vendor} {profile.model}, {_place(wanted.address)}", file=out)
    for key, text in (await meter.identify()).items():
        print(f"{key} {text}", file=out)
    rows: list[tuple[str, ...]] = []
    async for answer in meter.read():
        rows.extend(_rows(answer))
    seen = {row[0] for row in rows}
    for quantity in wanted.quantities:
        if quantity not in seen:
            why = "not on this meter" if quantity in meter.absent else "no answer"
            rows.append((quantity, "", "", "", why))
    for line in table.lines(("quantity", "where", "raw", "value", "judgement"), rows):
        print(line, file=out)


def _place(address: msgspec.Struct) -> str:
    keys = address.__struct_fields__
    return ", ".join(f"{key} {getattr(address, key)}" for key in keys)


def _rows(answer: Answer) -> list[tuple[str, ...]]:
    shown_raw = answer.shown()
    rows: list[tuple[str, ...]] = []
    for quantity, value in answer.values.items():
        unit = QUANTITIES[quantity].unit
        where, raw = shown_raw.get(quantity, ("", ""))
        shown = "" if value is None else as_decimal(as_fraction(value))
        shown += f" {unit}" if shown and unit != "1" else ""
        rows.append((quantity, where, raw, shown, judgement(quantity, value)))
    return rows


def judgement(quantity: str, value: Value | None) -> str:
    """What a person should know about this value: ok, not measured, or implausible and why."""
    if value is None:
        return "the meter does not measure it"
    number = as_fraction(value)
    if QUANTITIES[quantity].cumulative:
        return "ok" if number >= 0 else "implausible: a counter below zero"
    phase_voltage = quantity in ("voltage_l1", "voltage_l2", "voltage_l3")
    low, high = (
        _PHASE_VOLTAGE if phase_voltage else _PLAUSIBLE.get(QUANTITIES[quantity].unit, (None, None))
    )
    if low is not None and high is not None and not low <= number <= high:
        return f"implausible: expected {low} to {high}; profile, word order or wiring?"
    return "ok"
