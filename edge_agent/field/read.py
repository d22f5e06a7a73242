"""`edge-agent read METER`: one round of one meter, with raw words, value and judgement."""

import argparse
import asyncio
import sys
import time
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import TextIO

from edge_agent import config, registers
from edge_agent.device import Device, Read
from edge_agent.drivers import Bus
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
    meter = plan.config.meters.get(args.meter)
    if meter is None:
        known = ", ".join(plan.config.meters)
        raise ConfigError(f"{args.config}: meters.{args.meter}: no such meter; known: {known}")
    profile = plan.profiles[args.meter]
    device = Device(
        args.meter,
        profile,
        meter.unit_id,
        tuple(profile.registers) if args.all else config.quantities(meter, profile),
        lambda: time.time_ns() // 1_000_000,
        ct=Fraction(meter.ct),
        pt=Fraction(meter.pt),
    )
    driver, settings = plan.buses[meter.bus]

    async def once() -> None:
        async with driver.connect(settings, Random()) as bus:
            await show(device, bus, sys.stdout)

    asyncio.run(once())
    return 0


async def show(device: Device, bus: Bus, out: TextIO) -> None:
    """Identify and read the meter once, and print the table. Raises TransientError, BadData."""
    profile = device.profile
    print(f"{device.name}: {profile.vendor} {profile.model}, unit {device.unit}", file=out)
    for key, text in (await device.identify(bus)).items():
        print(f"{key} {text}", file=out)
    rows: list[tuple[str, ...]] = []
    async for read in device.read(bus):
        rows.extend(_rows(read))
    seen = {row[0] for row in rows}
    for quantity in device.quantities:
        if quantity not in seen:
            why = "not on this meter" if quantity in device.absent else "no answer"
            rows.append((quantity, "", "", "", why))
    for line in table.lines(("quantity", "register", "words", "value", "judgement"), rows):
        print(line, file=out)


def _rows(read: Read) -> list[tuple[str, ...]]:
    decoded = registers.decode(read.block, read.words)
    rows: list[tuple[str, ...]] = []
    for item in read.block.fields:
        value, unit = decoded[item.quantity], QUANTITIES[item.quantity].unit
        parts = registers.raw_words(read.block, item, read.words)
        words = " + ".join(" ".join(f"{word:04x}" for word in part) for part in parts)
        at = " + ".join(str(start) for start in item.register.starts)
        shown = "" if value is None else as_decimal(as_fraction(value))
        shown += f" {unit}" if shown and unit != "1" else ""
        rows.append((item.quantity, at, words, shown, judgement(item.quantity, value)))
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
