"""`wattprint grade`: the class a product's figure earns by somebody's limits, and how sure that is."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import msgspec

from calc_stream.commands.explain import add_places
from calc_stream.commands.shelves import Published, published
from calc_stream.footprints.footprint import Footprint
from calc_stream.footprints.grading import Grade, grade, load_thresholds
from wire.errors import ConfigError

EXAMPLES = """examples:
  wattprint grade wheel-17 --thresholds grades.toml                    of the demo
  wattprint grade wheel-17 --thresholds grades.toml --period 2026-11 --config calc.toml --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    parser.add_argument("product", metavar="PRODUCT", help="its id, as batches name it")
    parser.add_argument(
        "--thresholds",
        type=Path,
        required=True,
        metavar="FILE",
        help="the limits (docs/footprints.md)",
    )
    parser.add_argument(
        "--period", metavar="NAME", help="of this period (default: the newest that is over)"
    )
    add_places(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text")


def run(args: argparse.Namespace) -> int:
    """Prints it. Raises ConfigError."""
    thresholds = load_thresholds(args.thresholds)
    found = grade(_meant(published(args, args.product), args.period), thresholds)
    print(msgspec.json.encode(found).decode() if args.json else "\n".join(_card(found)))
    return 0


def _meant(all_: Published, period: str | None) -> Footprint:
    """The newest that stands. Raises ConfigError: what is withdrawn earns nothing, and part of a
    period only what somebody asks for."""
    found = [e for e in all_.standing if (e.period == period if period else not e.is_running)]
    if not found:
        what = "of a period that is over" if not period else f"of {period!r}"
        known = ", ".join(dict.fromkeys(each.period for each in all_.standing)) or "none"
        raise ConfigError(f"--period: no footprint {what} stands; there are: {known}")
    return max(found, key=lambda each: (each.end_ms, each.published_ms))


def _card(found: Grade) -> Iterator[str]:
    own = found.grade or "above every limit"
    doubt = f" ± {found.u95} (95 %)" if found.u95 else ", uncertainty not known"
    running = " (running: the period was not over)" if found.running else ""
    yield f"{found.product}, {found.period}{running}: {own}"
    yield f"  {'intensity':10}{found.intensity}{doubt} kg CO2e/{found.unit}, {found.boundary}"
    if found.sure is None:
        yield f"  {'sure':10}not known: a meter has neither class nor certificate, or pools are in it"
    elif found.sure:
        yield f"  {'sure':10}the whole interval is in {own}"
    else:
        names = " or ".join(name or "above every limit" for name in found.possible)
        yield f"  {'sure':10}no: {names}"
    its = found.quality
    missing = f" ({its.incomplete_batches} incomplete)" if its.incomplete_batches else ""
    yield f"  {'data':10}{its.batches} batches{missing}, factors {its.factor_status}, metered {its.measured_activity_share}"
    yield f"  {'':10}primary {its.primary_data_share}, traceable {its.traceable_share or 'not known'}"
    yield f"  {'limits':10}{found.source}; method {found.method}; footprint {found.footprint}"
