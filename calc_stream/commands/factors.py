"""`wattprint factors`: which factors there are, where they come from, whether own ones are good."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import msgspec

from calc_stream.core.decimals import instant
from calc_stream.factors import Factor, load
from wire.errors import ConfigError

EXAMPLES = """examples:
  wattprint factors list
  wattprint factors show cn-grid-footprint-2024
  wattprint factors check --factors our-factors
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The words of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    words = parser.add_subparsers(dest="word", required=True, metavar="WORD")
    for name, what in (
        ("list", "one line a factor"),
        ("show", "all that is known of one factor or series"),
        ("check", "read every file; name what is wrong or weak"),
    ):
        word = words.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
        word.formatter_class, word.epilog = argparse.RawDescriptionHelpFormatter, EXAMPLES
        if name == "show":
            word.add_argument("name", metavar="NAME", help="a factor's id, or a series")
        word.add_argument(
            "--factors", type=Path, metavar="DIR", help="own factor files beside the shipped ones"
        )
        word.add_argument("--json", action="store_true", help="one JSON object instead of text")


def run(args: argparse.Namespace) -> int:
    """Prints what was asked. Raises ConfigError."""
    factors = load(args.factors)
    rows = list(factors.rows)
    if args.word == "show":
        rows = [row for row in rows if args.name in (row.id, row.series)]
        if not rows:
            raise ConfigError(f"factors: there is no factor or series {args.name!r}")
    if args.json:
        answer = {"hash": factors.hash, "factors": rows, "weak": list(map(_weakness, rows))}
        print(msgspec.json.encode(answer).decode())
    elif args.word == "show":
        print("\n\n".join(map(_card, rows)))
    else:
        print("\n".join(_lines(rows, only_weak=args.word == "check")))
        print(f"{len(rows)} factors, set {factors.hash}")
    return 0


def _lines(rows: Sequence[Factor], *, only_weak: bool) -> list[str]:
    if only_weak:
        return [f"{row.id}: {weak}" for row in rows if (weak := _weakness(row))]
    return [
        f"{row.id:26} {row.value:>8} {row.unit:12} {row.kind:18} {row.region:6} "
        f"{_day(row.valid_from_ms)} – {_day(row.valid_to_ms):10} {row.status}"
        for row in rows
    ]


def _card(row: Factor) -> str:
    said = msgspec.to_builtins(row)
    said["valid_from"] = _day(said.pop("valid_from_ms"))
    said["valid_to"] = _day(said.pop("valid_to_ms"))
    return "\n".join(f"{key:12} {value}" for key, value in said.items())


def _weakness(row: Factor) -> str:
    """What somebody who checks the evidence will ask."""
    found = []
    if row.status != "verified":
        found.append("second hand: not read in the publisher's document")
    if not row.hash:
        found.append("the document's SHA-256 is not on record")
    return "; ".join(found)


def _day(t_ms: int | None) -> str:
    """The day in UTC with its hour: a day begins elsewhere in Shanghai."""
    return "open" if t_ms is None else f"{instant(t_ms)[:16]}Z"
