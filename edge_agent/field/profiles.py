"""`edge-agent profiles list` and `edge-agent profiles show NAME`: what is known of meter models."""

import argparse
import sys
from collections.abc import Sequence
from typing import TextIO

from edge_agent import profiles
from edge_agent.field import table
from wire.quantities import QUANTITIES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's words."""
    parser.description = "Meter models the agent can read, with grade and source."
    parser.epilog = (
        "examples:\n  edge-agent profiles list\n  wattprint profiles show eastron_sdm630"
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    actions = parser.add_subparsers(dest="action", required=True, metavar="list|show")
    actions.add_parser("list", help="all profiles that come with the agent")
    one = actions.add_parser("show", help="one profile's registers, limits and source")
    one.add_argument("name", help="a name of the list, or the path of your own .toml")


def run(args: argparse.Namespace) -> int:
    """Exit code 0; raises ProfileError for a name that is none."""
    if args.action == "list":
        show_all(sys.stdout)
    else:
        show(profiles.load(args.name, allow_unverified=True), sys.stdout)
    return 0


def show_all(out: TextIO) -> None:
    """One line a profile."""
    rows = []
    for name in profiles.names():
        profile = profiles.load(name, allow_unverified=True)
        rows.append((name, profile.vendor, profile.model, profile.grade, _settings(profile)))
    _print(out, ("profile", "vendor", "model", "grade", "factory setting"), rows)


def show(profile: profiles.Profile, out: TextIO) -> None:
    """Source, limits, and where each quantity stands."""
    print(f"{profile.vendor} {profile.model}, grade {profile.grade}", file=out)
    print(f"source: {profile.source}", file=out)
    print(f"factory setting: {_settings(profile)}", file=out)
    for rule in profile.rules():
        print(rule, file=out)
    rows = [_row(quantity, meaning) for quantity, meaning in profile.meanings.items()]
    _print(out, ("quantity", "where", "resolution", "notes"), rows)


def _row(quantity: str, meaning: profiles.Meaning) -> tuple[str, ...]:
    unit = QUANTITIES[quantity].unit
    if meaning.decimals is not None:
        resolution = f"{10**-meaning.decimals:.{meaning.decimals}f}"
    else:
        resolution = f"{float(profiles.factor(quantity, meaning)):g}"
    notes = [
        *(["not on every variant"] if meaning.optional else []),
        *(["secondary side"] if meaning.secondary else []),
        *([f"wraps at {meaning.modulus} {meaning.unit}"] if meaning.modulus else []),
    ]
    shown = resolution if unit == "1" else f"{resolution} {unit}"
    return quantity, meaning.where, shown, "; ".join(notes)


def _settings(profile: profiles.Profile) -> str:
    line = profile.serial
    return f"{line.baud} 8{line.parity}{line.stop_bits}" if line else "see the manual"


def _print(out: TextIO, header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    for line in table.lines(header, rows):
        print(line, file=out)
