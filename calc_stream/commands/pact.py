"""`wattprint pact`: judges footprints of PACT v3, fetches or asks for those of suppliers, lets companies in."""

import argparse
import sys
from pathlib import Path
from typing import Any

import msgspec

from calc_stream.commands import pact_ask, pact_fetch, pact_key
from calc_stream.pact.validator import Problem, parse, problems
from wire.errors import BadData, ConfigError

EXAMPLES = """examples:
  wattprint pact check footprint.json            0 good, 1 not; every problem, and the cure of each
  curl … | wattprint pact check - --json
  wattprint pact key new example-cars --keys pact.keys > cars.secret
  wattprint pact fetch https://pact.aluminium.example.com --client-id wheels --secret-file aluminium.secret
  wattprint pact ask example-castings --product urn:gtin:4012345678918 --config calc.toml
"""


class Judged(msgspec.Struct, frozen=True):
    """What `--json` prints."""

    file: str
    good: bool
    problems: list[Problem]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The words of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    words = parser.add_subparsers(dest="word", required=True, metavar="WORD")
    check = words.add_parser("check", help="whether a document is a good ProductFootprint")
    check.description = "Judges a ProductFootprint of PACT v3, more strictly than its schema does."
    check.add_argument(
        "file", metavar="FILE", help="its JSON, also within an answer's data; -: stdin"
    )
    check.add_argument("--json", action="store_true", help="one JSON object")
    check.set_defaults(act=_check)
    what = "footprints of a supplier's server, judged and kept"
    fetch = words.add_parser("fetch", help=what, description=f"Fetches {what}.")
    pact_fetch.add_arguments(fetch)
    fetch.set_defaults(act=pact_fetch.run)
    what = "a partner for footprints, which it sends to our own door later"
    ask = words.add_parser("ask", help=f"asks {what}", description=f"Asks {what}.")
    pact_ask.add_arguments(ask)
    ask.set_defaults(act=pact_ask.run)
    key = words.add_parser("key", help="which companies may ask here: list, new, rotate, revoke")
    pact_key.add_arguments(key)
    key.set_defaults(act=pact_key.run)


def run(args: argparse.Namespace) -> int:
    """Raises ConfigError."""
    return int(args.act(args))


def _check(args: argparse.Namespace) -> int:
    found = _found(_read(args.file))
    if args.json:
        print(msgspec.json.encode(Judged(args.file, not found, found)).decode())
    elif found:
        for problem in found:
            print(f"{args.file}: {problem}")
    else:
        print(f"{args.file}: good")
    return 1 if found else 0


def _found(data: bytes) -> list[Problem]:
    try:
        document: Any = parse(data)
    except BadData as exc:
        return [Problem("", str(exc), "write it as one JSON object")]
    # An answer of a server holds it in `data`, a list of them there.
    if not isinstance(document, dict) or document.keys() != {"data"}:
        return problems(document)
    if not isinstance(document["data"], list):
        return _under("/data", document["data"])
    return [p for n, each in enumerate(document["data"]) for p in _under(f"/data/{n}", each)]


def _under(at: str, document: Any) -> list[Problem]:
    return [Problem(at + p.pointer, p.problem, p.cure) for p in problems(document)]


def _read(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as exc:
        raise ConfigError(f"{name}: cannot be read: {exc.strerror}") from exc
