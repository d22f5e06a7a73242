"""`edge-agent profiles list` and `edge-agent profiles show NAME`: what is known of meter models."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import TextIO

from edge_agent import profiles
from edge_agent.exact import as_decimal, finite_exponent
from edge_agent.field import table
from wire.errors import ProfileError
from wire.quantities import QUANTITIES

_GRADES = {
    "A": "the maker's document and two independent sources agree",
    "A-": "independent sources agree; the maker's document was cited, or read in part",
    "B+": "independent sources agree",
    "B": "some sources agree",
    "C": "a single source: compare with the display before you believe it",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's words."""
    parser.description = "Meter models the agent can read, with grade and source."
    parser.epilog = (
        "examples:\n  edge-agent profiles list\n  edge-agent profiles list schneider\n"
        "  edge-agent profiles list water\n  wattprint profiles show eastron_sdm630"
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    actions = parser.add_subparsers(dest="action", required=True, metavar="list|show")
    every = actions.add_parser("list", help="profiles that come with the agent")
    every.add_argument(
        "words",
        nargs="*",
        metavar="WORD",
        help="only those with all these words: vendor, model, protocol, quantity or carrier",
    )
    one = actions.add_parser("show", help="one profile: source, limits, and every register")
    one.add_argument("name", help="a name of the list, or the path of your own .toml")


def run(args: argparse.Namespace) -> int:
    """Exit code 0; raises ProfileError for a name or words that no profile has."""
    if args.action == "list":
        show_all(args.words, sys.stdout)
    else:
        show(args.name, profiles.load(args.name, allow_unverified=True), sys.stdout)
    return 0


def show_all(words: Sequence[str], out: TextIO) -> None:
    """One line a profile that has all the words. Raises ProfileError if none has."""
    rows = []
    for name in profiles.names():
        profile = profiles.load(name, allow_unverified=True)
        known = " ".join((name, *_about(profile), *profile.meanings, *_carriers(profile))).lower()
        if all(word.lower() in known for word in words):
            rows.append((name, *_about(profile)))
    if not rows:
        raise ProfileError(
            f"no profile has {' and '.join(words)}; `edge-agent profiles list` shows all"
        )
    _print(out, _HEADER, rows)
    print(f"\n{len(rows)} models. Grade C needs allow_unverified = true at the meter.", file=out)


def show(name: str, profile: profiles.Profile, out: TextIO) -> None:
    """Source, limits, where each quantity stands, and what to write into the configuration."""
    print(f"{profile.vendor} {profile.model} ({profile.protocol})", file=out)
    print(f"grade {profile.grade}: {_GRADES[profile.grade]}", file=out)
    if profile.note:
        print(f"note: {' '.join(profile.note.split())}", file=out)
    for n, source in enumerate(profile.source.split(";"), 1):
        print(f"source {n}: {source.strip()}", file=out)
    print(f"factory setting: {_settings(profile)}", file=out)
    for rule in profile.rules():
        print(rule, file=out)
    print(file=out)
    rows = [_row(quantity, meaning) for quantity, meaning in profile.meanings.items()]
    _print(out, ("quantity", "where", "resolution", "notes"), rows)
    print("\nin the agent's configuration, under the meter's name:", file=out)
    for line in _configured(name, profile):
        print(f"  {line}", file=out)


_HEADER = ("profile", "vendor", "model", "protocol", "grade", "quantities", "factory setting")


def _about(profile: profiles.Profile) -> tuple[str, ...]:
    count = str(len(profile.meanings))
    return (
        *(profile.vendor, profile.model, profile.protocol),
        *(profile.grade, count, _settings(profile)),
    )


def _carriers(profile: profiles.Profile) -> list[str]:
    """What flows through the meter: electricity, water, natural_gas ..."""
    return sorted({QUANTITIES[quantity].carrier for quantity in profile.meanings} - {""})


def _row(quantity: str, meaning: profiles.Meaning) -> tuple[str, ...]:
    unit = QUANTITIES[quantity].unit
    step = profiles.factor(quantity, meaning)
    if meaning.decimals is not None:
        resolution = f"{10**-meaning.decimals:.{meaning.decimals}f}"
    else:
        resolution = f"{float(step):g}" if finite_exponent(step) is None else as_decimal(step)
    notes = [
        *(["not on every variant"] if meaning.optional else []),
        *(["secondary side"] if meaning.secondary else []),
        *([f"wraps at {meaning.modulus} {meaning.unit}"] if meaning.modulus else []),
    ]
    shown = resolution if unit == "1" else f"{resolution} {unit}"
    return quantity, meaning.where, shown, "; ".join(notes)


def _configured(name: str, profile: profiles.Profile) -> Iterator[str]:
    yield f'profile = "{name}"'
    if profile.grade == "C":
        yield "allow_unverified = true    # once you compared it with the meter's own display"
    if any(meaning.secondary for meaning in profile.meanings.values()):
        yield 'ct = "40"                  # 200 A to 5 A: what it tells is on the secondary side'
        yield 'pt = "1"'


def _settings(profile: profiles.Profile) -> str:
    line = profile.serial
    return f"{line.baud} 8{line.parity}{line.stop_bits}" if line else "see the manual"


def _print(out: TextIO, header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    for line in table.lines(header, rows):
        print(line, file=out)
