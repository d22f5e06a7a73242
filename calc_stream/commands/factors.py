"""`wattprint factors`: which factors there are, where they come from, whether own ones are good."""

import argparse
import hashlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from calc_stream.config import read_text
from calc_stream.core.decimals import instant, significant
from calc_stream.factors import Factor, FactorSet, load
from calc_stream.factors.forms import Document
from calc_stream.factors.gwp import known_sets, load_gwp
from calc_stream.factors.hourly import Said, as_toml, read_hours
from calc_stream.factors.parts import CO2_ONLY
from calc_stream.factors.regions import problem_of
from calc_stream.factors.row import Kind, Stage, Status
from wire.config import refuse
from wire.errors import ConfigError

EXAMPLES = """examples:
  wattprint factors list --region CN-CQ
  wattprint factors show cn-cq-grid              an entry: rows for products and for inventories
  wattprint factors show cn-diesel-co2 --json    with heating value, carbon and oxidation
  wattprint factors check --factors our-factors
  wattprint factors gwp AR6
  wattprint factors import hourly.csv --series our-grid-hourly --region CN-CQ --kind product_footprint \\
      --stage life_cycle --document disclosure.pdf --publisher "Our utility" \\
      --title "Hourly disclosure 2026" --dated 2027-01-15 --out our-factors/hourly.toml
"""
_WORDS = (
    ("list", "one line a factor, and the entries that join them"),
    ("show", "all that is known of one factor, series, entry or instrument"),
    ("check", "read every file; name what is wrong or weak"),
    ("gwp", "the sets of global warming potentials"),
    ("import", "judge a CSV of hourly factors, and write it as a factor file"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The words of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    words = parser.add_subparsers(dest="word", required=True, metavar="WORD")
    made = {}
    for name, what in _WORDS:
        word = words.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
        word.formatter_class, word.epilog = argparse.RawDescriptionHelpFormatter, EXAMPLES
        made[name] = word
        if name in ("list", "show", "check"):
            own = "own factor files beside the shipped ones"
            word.add_argument("--factors", type=Path, metavar="DIR", help=own)
        if name != "import":
            word.add_argument("--json", action="store_true", help="one JSON object instead of text")
    made["list"].add_argument("--region", metavar="CODE", help="of this region only, as CN-CQ")
    made["list"].add_argument("--kind", choices=get_args(Kind), help="of this kind only")
    made["show"].add_argument("name", metavar="NAME", help="id of a factor, series or entry")
    made["gwp"].add_argument("name", metavar="SET", nargs="?", help="one set, such as AR6")
    _importing(made["import"])


def _importing(word: argparse.ArgumentParser) -> None:
    word.add_argument("csv", type=Path, metavar="CSV", help="time,value,unit: one line an hour")
    for name, what in (
        ("series", "the name a model gives to it"),
        ("region", "where it holds, as CN-CQ"),
        ("title", "the document's title"),
        ("publisher", "who published it"),
        ("dated", "the document's date"),
    ):
        word.add_argument(f"--{name}", required=True, metavar=name.upper(), help=what)
    word.add_argument("--document", type=Path, required=True, metavar="FILE", help="the document")
    word.add_argument("--url", default="", metavar="URL", help="where the document is found")
    word.add_argument("--kind", choices=get_args(Kind), required=True)
    word.add_argument("--stage", choices=get_args(Stage), required=True)
    word.add_argument("--status", choices=get_args(Status), default="verified")
    word.add_argument("--unit", metavar="UNIT", help="where the CSV has no column of it")
    word.add_argument("--timezone", metavar="ZONE", help="of times without an offset")
    word.add_argument("--out", type=Path, metavar="FILE", help="instead of standard output")


def run(args: argparse.Namespace) -> int:
    """Prints what was asked. Raises ConfigError."""
    if args.word == "import":
        return _import(args)
    if args.word == "gwp":
        sets = [load_gwp(name) for name in ([args.name] if args.name else known_sets())]
        print(_json(sets) if args.json else "\n\n".join(map(_card, sets)))
        return 0
    factors = load(args.factors)
    if args.word == "show":
        return _show(factors, args)
    rows = list(factors.rows)
    if args.word == "list":
        if args.region is not None and (problem := problem_of(args.region)):
            raise ConfigError(f"factors: --region: {problem}")
        rows = [r for r in rows if args.region in (None, r.region) and args.kind in (None, r.kind)]
    if args.json:
        entries = factors.entries if args.word == "list" else {}
        answer = {"hash": factors.hash, "factors": rows, "entries": entries,
                  "instruments": factors.instruments, "weak": list(map(_weakness, rows))}  # fmt: skip
        print(_json(answer))
        return 0
    if args.word == "check":
        print("\n".join(_doubts(rows)))
    else:
        print("\n".join([*_table(rows), *_joined(factors, rows)]))
    print(f"{len(rows)} factors, {len(factors.instruments)} instruments, set {factors.hash}")
    return 0


def _show(factors: FactorSet, args: argparse.Namespace) -> int:
    rows = factors.named(args.name)
    instruments = [one for one in factors.instruments if one.id == args.name]
    if not rows and not instruments:
        raise ConfigError(f"factors: there is no factor, series, entry or instrument {args.name!r}")
    if args.json:
        print(_json({"factors": rows, "instruments": instruments}))
    else:
        print("\n\n".join(map(_card, [*rows, *instruments])))
    return 0


def _import(args: argparse.Namespace) -> int:
    """Judges the CSV, hashes the document, writes the file; then reads it as any other."""
    zone = None
    if args.timezone is not None:
        try:
            zone = ZoneInfo(args.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
            raise ConfigError(f"factors: --timezone: {args.timezone!r} is no time zone") from exc
    if (problem := problem_of(args.region)) is not None:
        raise ConfigError(f"factors: --region: {problem}")
    try:
        digest = hashlib.sha256(args.document.read_bytes()).hexdigest()
    except OSError as exc:
        raise refuse(args.document, "--document", f"cannot be read: {exc.strerror}") from exc
    hours = read_hours(read_text(args.csv), str(args.csv), zone, args.unit)
    document = Document(args.publisher, args.title, args.dated, args.url, digest)
    said = Said(args.series, args.kind, args.stage, args.region, args.status, document)
    text = as_toml(hours, said)
    if args.out is None:
        sys.stdout.write(text)
        return 0
    try:
        before = args.out.read_bytes() if args.out.exists() else None
        args.out.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise refuse(args.out, "--out", f"cannot be written: {exc.strerror}") from exc
    try:
        load(args.out.parent)
    except ConfigError:
        if before is None:
            args.out.unlink()
        else:
            args.out.write_bytes(before)
        raise
    print(f"{args.out}: {len(hours.values)} hours of {args.series} from {hours.begin.isoformat()}")
    return 0


def _table(rows: Sequence[Factor]) -> Iterator[str]:
    """Every row's facts in columns as wide as they need to be."""
    cells = [_cells(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        yield "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip()


def _cells(row: Factor) -> list[str]:
    valid = f"{_day(row.valid_from_ms)} – {_day(row.valid_to_ms)}"
    facts = [row.id, row.value, row.unit, row.kind, row.stage, row.region, row.status, valid]
    return [*facts, f"{len(row.hours)} hours" if row.hours else ""]


def _doubts(rows: Sequence[Factor]) -> Iterator[str]:
    """What somebody who checks the evidence will ask, document by document."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if weak := _weakness(row):
            paper = f"{row.document} ({row.publisher}, {row.dated})"
            found.setdefault((paper, weak), []).append(row.id)
    for (paper, weak), ids in found.items():
        more = f" and {len(ids) - 3} more" if len(ids) > 3 else ""
        yield f"{paper}: {weak}: {', '.join(ids[:3])}{more}"


def _joined(factors: FactorSet, rows: Sequence[Factor]) -> Iterator[str]:
    """The entries that have one of the rows."""
    series = {row.series for row in rows}
    for name, listed in factors.entries.items():
        if series & {row.series for row in factors.named(name)}:
            yield f"{name} = {' + '.join(listed)}"


def _card(found: msgspec.Struct) -> str:
    said = msgspec.to_builtins(found)
    for key in ("valid_from", "valid_to"):
        if f"{key}_ms" in said:
            said[key] = _day(said.pop(f"{key}_ms"))
    if "hours" in said:
        said["hours"] = f"{len(said['hours'])} values; value is their mean"
    if isinstance(found, Factor) and found.parts is not None and not found.parts.gases():
        said["parts give"] = f"{significant(found.kg(CO2_ONLY))} {found.unit}"
    lines = []
    for key, value in said.items():
        inner = value.items() if isinstance(value, dict) else ()
        lines += [f"{f'{key}.{name}':24}{of}" for name, of in inner] or [f"{key:24}{value}"]
    return "\n".join(lines)


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


def _json(found: object) -> str:
    return msgspec.json.encode(found, order="deterministic").decode()
