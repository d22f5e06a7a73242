"""`wattprint inventory`: a site's greenhouse gases of a month, by scope, and where they went."""

import argparse
import csv
import io
from collections.abc import Iterator
from decimal import Decimal

import msgspec

from calc_stream.commands.cases import add_records, by_method, case_of, month_of
from calc_stream.core.decimals import instant
from calc_stream.evidence.inventory import Inventory, Scopes, inventory
from calc_stream.factors import load_method

EXAMPLES = """examples:
  wattprint inventory --month 2026-11                       of the demo, running or stopped
  wattprint inventory --month 2026-11 --config calc.toml --json
  wattprint inventory --month 2026-11 --csv > inventory-2026-11.csv
  wattprint inventory --month 2026-11 \\
      --model model.toml --events events.jsonl --readings readings.jsonl
"""
_COLUMNS = Scopes.__struct_fields__


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    parser.add_argument(
        "--month", metavar="YYYY-MM", required=True, help="by the clock of the site"
    )
    parser.add_argument(
        "--method", metavar="ID", default="ghg_inventory", help="default: ghg_inventory"
    )
    add_records(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    form.add_argument("--csv", action="store_true", help="every account, one a line")


def run(args: argparse.Namespace) -> int:
    """Prints it; 1 where what was counted and what was given away differ."""
    case = by_method(case_of(args, load_method(args.method))[0])
    found = inventory(case, args.month, month_of(args.month, case, "inventory"))
    if args.json:
        print(msgspec.json.encode(found).decode())
    elif args.csv:
        print(_csv(found), end="")
    else:
        print("\n".join(_table(found)))
    return 1 if any(found.difference_quanta.values()) else 0


def _csv(found: Inventory) -> str:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("period", "group", "account", "product", "kwh", *_COLUMNS))
    for use in found.uses:
        kg = [getattr(use.kg, column) or "" for column in _COLUMNS]
        rows.writerow((found.period, use.group, use.account, use.product or "", use.kwh, *kg))
    return text.getvalue()


def _table(found: Inventory) -> Iterator[str]:
    yield f"{found.period} at {found.site}, method {found.method} ({found.standard}), kg CO2e"
    if found.until_ms < found.to_ms:
        yield f"the month is not over: up to {instant(found.until_ms)}"
    rows: list[tuple[str, ...]] = [("", "", "scope 1", "scope 2, location", "scope 2, market")]
    for bought in found.sources:
        rows.append((bought.source, f"{bought.amount} {bought.unit}", *_said(bought.kg)))
    rows.append(("all sources", "", *_said(found.total)))
    groups: dict[tuple[str, str], list[tuple[str, Scopes]]] = {}
    for use in found.uses:
        own = use.product or "-" if use.group == "batches" else use.account.partition(":")[2]
        groups.setdefault((use.group, own), []).append((use.kwh, use.kg))
    for (group, name), own_uses in groups.items():
        kwh = sum((Decimal(kwh) for kwh, _ in own_uses), Decimal(0))
        kg = [_sum([getattr(each, column) for _, each in own_uses]) for column in _COLUMNS]
        rows.append((f"{group} {name}".strip(), f"{kwh:f} kWh", *kg))
    rows.append(("difference", _rest(found), *_said(found.difference)))
    rows.append(("went out with exports", "", *_said(found.exported)))
    rows.append(("without exports", "", *_said(found.net)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, *cells in rows:
        right = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        yield f"{name:{widths[0]}}  {'  '.join(right)}".rstrip()
    for source in found.unknown_sources:
        yield f"{source}: no inventory factor, so no sum is stated"
    for meter in found.incomplete:
        yield f"{meter} was not read over all of this time"


def _rest(found: Inventory) -> str:
    rest = {source: quanta for source, quanta in found.difference_quanta.items() if quanta}
    return ", ".join(f"{source} {quanta}" for source, quanta in rest.items())


def _sum(texts: list[str | None]) -> str:
    known = [Decimal(text) for text in texts if text is not None]
    return f"{sum(known, Decimal(0)):f}" if len(known) == len(texts) else "unknown"


def _said(kg: Scopes) -> Iterator[str]:
    return (getattr(kg, column) or "unknown" for column in _COLUMNS)
