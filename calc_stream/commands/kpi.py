"""`wattprint kpi`: a product's figure by period, counted alike and signed; and whether a series is."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import msgspec

from calc_stream.commands.explain import add_places
from calc_stream.commands.shelves import ledger_of, published
from calc_stream.core.decimals import instant
from calc_stream.footprints.period import named_period
from calc_stream.footprints.series import (
    PeriodFigure,
    Series,
    SignedSeries,
    check,
    key_of,
    read_signed,
    series_of,
    sign,
)
from wire.errors import BadData, ConfigError
from wire.signing import PublicKey

EXAMPLES = """examples:
  wattprint kpi wheel-17 --from 2026-01 --to 2026-12                 of the demo
  wattprint kpi wheel-17 --config calc.toml --json > wheel-17.json   signed
  wattprint kpi --verify wheel-17.json --key ed25519:AbC…            by anybody, anywhere
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    parser.add_argument("product", metavar="PRODUCT", nargs="?", help="its id, as batches name it")
    parser.add_argument("--from", dest="since", metavar="NAME", help="the first period, 2026-01")
    parser.add_argument("--to", dest="until", metavar="NAME", help="the last period, 2026-12")
    parser.add_argument("--verify", type=Path, metavar="FILE", help="judge a signed series instead")
    parser.add_argument(
        "--key", metavar="KEY", help="the calculator's public key, from whoever runs it"
    )
    add_places(parser)
    parser.add_argument("--json", action="store_true", help="the signed series as JSON")


def run(args: argparse.Namespace) -> int:
    """Prints it; 1 where a series does not verify. Raises ConfigError."""
    if args.verify is not None:
        return _verify(args)
    if args.product is None:
        raise ConfigError("kpi: name a product, or a file to --verify")
    found = published(args, args.product)
    span = _span(args, found.footprints[-1].timezone)
    series = series_of(found.site, args.product, found.footprints, found.withdrawn, span)
    signed = sign(series, key_of(ledger_of(args)))
    print(msgspec.json.encode(signed).decode() if args.json else "\n".join(_table(signed)))
    return 0


def _verify(args: argparse.Namespace) -> int:
    if args.key is None:
        raise ConfigError("--key: give the key that must have signed it, ed25519:…")
    try:
        key = PublicKey.parse(args.key)
    except BadData as exc:
        raise ConfigError(f"--key: {exc}") from exc
    try:
        data = args.verify.read_bytes()
    except OSError as exc:
        raise ConfigError(f"{args.verify}: cannot be read: {exc.strerror}") from exc
    try:
        signed = read_signed(data)
        check(signed, key)
    except BadData as exc:
        print(f"BROKEN  {args.verify}: {exc}")
        return 1
    print(f"GOOD  {args.verify}: signed by {key.id}")
    print("\n".join(_runs(signed.series)))
    return 0


def _span(args: argparse.Namespace, zone: str) -> tuple[int, int]:
    """From when up to when periods begin that are asked for. Raises ConfigError."""
    begin, end = 0, 2**53
    for key in ("since", "until"):
        name = getattr(args, key)
        if name is None:
            continue
        try:
            period = named_period(name, zone)
        except BadData as exc:
            raise ConfigError(f"--{'from' if key == 'since' else 'to'}: {exc}") from exc
        begin, end = (period.start_ms, end) if key == "since" else (begin, period.end_ms)
    return begin, end


def _table(signed: SignedSeries) -> Iterator[str]:
    yield f"{signed.series.product} at {signed.series.site}, signed with {signed.key}"
    yield from _runs(signed.series)


def _runs(series: Series) -> Iterator[str]:
    for run_ in series.runs:
        its = run_.constant
        if run_.breaks:
            yield f"-- break: {', '.join(run_.breaks)} changed; what follows is not comparable --"
        yield f"{its.method} ({its.standard}, {its.gwp}), kg CO2e/{its.unit}, {its.allocation}"
        before: tuple[str, ...] | None = None
        for point in run_.points:
            if before not in (None, point.factors):
                yield f"  {'':10}  from here on with the factors {', '.join(point.factors)}"
            before = point.factors
            yield from _point(point)


def _point(point: PeriodFigure) -> Iterator[str]:
    doubt = f" ± {point.u95}" if point.u95 else ""
    change = f"  {point.change_percent} %" if point.change_percent is not None else ""
    running = "  (running)" if point.running else ""
    gone = f"  WITHDRAWN: {point.withdrawn.reason}" if point.withdrawn else ""
    yield f"  {point.period:10}  {point.kg_co2e}{doubt}{change}{running}{gone}"
    for each in point.superseded:
        when = instant(each.published_ms)[:10]
        of = f" in {each.period}" if each.period else ""
        gone = f", withdrawn: {each.withdrawn.reason}" if each.withdrawn else ""
        about = f"{each.cause}, {when}{gone}"
        yield f"  {'':10}  was {each.kg_co2e}{of} ({about}), then {each.difference}"
