"""`wattprint pact fetch`: footprints of a supplier's PACT server, judged and kept."""

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from calc_stream.core.decimals import instant
from calc_stream.pact import documents
from calc_stream.pact.client import Host
from calc_stream.pact.kinds import uuid
from calc_stream.pact.upstream import holds_until, is_partial
from calc_stream.pact.validator import Problem, problems
from wire.config import read_secret
from wire.errors import BadData, ConfigError

EXAMPLES = """examples:
  wattprint pact fetch https://pact.aluminium.example.com --client-id wheels --secret-file aluminium.secret
  wattprint pact fetch https://… --client-id wheels --secret-file aluminium.secret \\
      --product urn:gtin:4012345678901 --into upstream --json
"""


class Fetched(msgspec.Struct, frozen=True, omit_defaults=True):
    """One document. `file`: where it is kept; "" for one with problems, which is not."""

    id: str
    name: str
    kg_co2e: str
    per: str
    status: str
    file: str = ""
    sha256: str = ""
    until: str = ""
    remarks: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def add_arguments(word: argparse.ArgumentParser) -> None:
    """The options of the word."""
    word.formatter_class, word.epilog = argparse.RawDescriptionHelpFormatter, EXAMPLES
    word.add_argument("url", metavar="URL", help="their server, https://…")
    word.add_argument("--client-id", required=True, metavar="NAME", help="what they gave to us")
    word.add_argument("--secret-file", type=Path, required=True, metavar="FILE")
    word.add_argument("--ca-file", type=Path, metavar="FILE", help="of an authority not public")
    word.add_argument("--id", action="append", default=[], metavar="UUID", help="this footprint")
    word.add_argument(
        "--product", action="append", default=[], metavar="URN", help="of this product"
    )
    word.add_argument("--deprecated", action="store_true", help="superseded ones, too")
    word.add_argument("--into", type=Path, default=Path("upstream"), metavar="DIR")
    word.add_argument("--json", action="store_true", help="one JSON object a line")


def run(args: argparse.Namespace) -> int:
    """0 when all are good, 1 when one is not or there is none. Raises ConfigError, BadData,
    TransientError."""
    secret = read_secret(args.secret_file)
    host = Host(args.url, args.client_id, secret, args.ca_file, time.sleep)
    folder, many, is_good = documents.Folder(args.into), 0, True
    try:
        for wanted, document in _asked(host, args):  # told as it comes: what is kept is known
            each = _kept(folder, wanted, document, args)
            print(msgspec.json.encode(each).decode()) if args.json else _tell(each)
            many, is_good = many + 1, is_good and not each.problems
    finally:
        host.close()
    if not many:
        print("calc-stream: no footprint fits", file=sys.stderr)
    return 0 if many and is_good else 1


def _asked(host: Host, args: argparse.Namespace) -> Iterator[tuple[str, Any]]:
    """Documents, with the id that was asked for, if one was."""
    if args.id:
        for id_ in args.id:
            if uuid(id_) is not None:
                raise ConfigError(f"--id {id_!a}: is no UUID")
            yield id_, host.get(id_)
        return
    criteria = [("productId", each) for each in args.product]
    if not args.deprecated:
        criteria.append(("status", "Active"))
    yield from (("", document) for document in host.list(criteria))


def _kept(
    folder: documents.Folder, wanted: str, document: Any, args: argparse.Namespace
) -> Fetched:
    found = problems(document)
    if not found and wanted and document["id"].lower() != wanted.lower():
        found = [Problem("/id", f"is not {wanted}", "ask the supplier: another was asked for")]
    if found:
        return _refused(document, found)
    now_ms = time.time_ns() // 1_000_000
    try:
        kept = folder.file(document, args.url, now_ms)
    except BadData as exc:
        cure = "ask the supplier: a footprint that changes has another id"
        return _refused(document, [Problem("/id", str(exc), cure)])
    pcf, until = document["pcf"], holds_until(document)
    remarks = []
    if args.product and not {*map(str.lower, args.product)} & {
        *map(str.lower, document["productIds"])
    }:
        remarks.append("of no product that was asked for")
    if is_partial(document):
        remarks.append("gate to gate only: it cannot stand for a purchased input")
    if document["status"] != "Active":
        remarks.append("superseded: ask for the one that took its place")
    if until.timestamp() * 1000 < now_ms:
        remarks.append("its validity is over")
    return Fetched(
        id=document["id"],
        name=document["productNameCompany"],
        kg_co2e=pcf["pcfExcludingBiogenicUptake"],
        per=f"{pcf['declaredUnitAmount']} {pcf['declaredUnitOfMeasurement']}",
        status=document["status"],
        file=str(kept.path),
        sha256=kept.sha256,
        until=instant(round(until.timestamp() * 1000)),
        remarks=tuple(remarks),
    )


def _refused(document: Any, found: list[Problem]) -> Fetched:
    told = document if isinstance(document, dict) else {}
    name, id_ = str(told.get("productNameCompany", "")), str(told.get("id", ""))
    return Fetched(id_, name, "", "", "", problems=tuple(found))


def _shown(text: str) -> str:
    """A stranger's text on a terminal: on one line, and without signs that steer it."""
    return "".join(each if each.isprintable() else "?" for each in text[:200])


def _tell(each: Fetched) -> None:
    if each.problems:
        print(f"{_shown(each.id)}: {_shown(each.name)}: not kept")
        for problem in each.problems:
            print(f"  {problem}")
        return
    print(
        f"{_shown(each.name)}: {each.kg_co2e} kg CO2e for {each.per}, {each.status}, until {each.until}"
    )
    for remark in each.remarks:
        print(f"  note: {remark}")
    print(f'  pcf = "{each.id}"\n  document = "{each.file}"')
