"""`wattprint pact key`: which companies may ask here. A key is shown once; only its hash is kept."""

import argparse
import secrets
import time
from pathlib import Path

from wire.callers import CallersFile
from wire.errors import ConfigError

EXAMPLES = """examples:
  wattprint pact key new example-cars --keys pact.keys > cars.secret    client id example-cars, this secret
  wattprint pact key list --keys pact.keys
  wattprint pact key rotate example-cars --keys pact.keys              another secret; the old one ends
  wattprint pact key revoke example-cars --keys pact.keys
"""


def add_arguments(word: argparse.ArgumentParser) -> None:
    """The options of the word."""
    word.formatter_class, word.epilog = argparse.RawDescriptionHelpFormatter, EXAMPLES
    word.add_argument("action", choices=("list", "new", "rotate", "revoke"))
    word.add_argument("name", nargs="?", metavar="NAME", help="the company's client id")
    word.add_argument(
        "--keys", type=Path, required=True, metavar="FILE", help="keys_file of [pact]"
    )


def run(args: argparse.Namespace) -> int:
    """Raises ConfigError."""
    callers = CallersFile(args.keys, lambda: secrets.token_urlsafe(32))
    now_ms = time.time_ns() // 1_000_000
    if args.action == "list":
        for caller in callers.all():
            print(f"{caller.name}\t{caller.day}")
    elif args.name is None:
        raise ConfigError(f"pact key {args.action}: wants NAME")
    elif args.action == "new":
        print(callers.add(args.name, ("viewer",), now_ms))
    elif args.action == "rotate":
        print(callers.rotate(args.name, now_ms))
    else:
        callers.revoke(args.name)
    return 0
