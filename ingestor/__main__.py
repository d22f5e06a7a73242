"""`ingestor`: run it, check it, and look into what it keeps."""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wire import finding, logs
from wire.errors import BadData, ConfigError, TransientError


def _not_installed(exc: ModuleNotFoundError) -> int:
    """One line that names the extra; a module of our own that is missing is a bug."""
    package = (exc.name or "wire").partition(".")[0]
    if package in ("ingestor", "wire"):
        raise exc
    print(
        f"ingestor: {package} is not installed here; install wattprint[ingestor]", file=sys.stderr
    )
    return 2


try:
    from ingestor import commands, config, doctor, receipts, state
    from ingestor.commands import apikey as apikey_command
    from ingestor.commands import ca as ca_command
    from ingestor.commands import cosign as cosign_command
    from ingestor.commands import files as files_command
    from ingestor.commands import history as history_command
    from ingestor.commands import journal as journal_command
    from ingestor.commands import keys as keys_command
    from ingestor.commands import segment as segment_command
except ModuleNotFoundError as exc:
    sys.exit(_not_installed(exc))

_EXAMPLES = """examples:
  ingestor check --config ingestor.toml        say what is wrong, open no connection
  ingestor run --config ingestor.toml
  ingestor doctor --config ingestor.toml       look at broker, journal, disk and databases
  ingestor quarantine list --config ingestor.toml
  ingestor project --from 0 --sink influxdb --config ingestor.toml
  ingestor reconcile --config ingestor.toml
  ingestor journal verify --config ingestor.toml
  ingestor segment show packet.seg
"""
_OF_WORD = {
    "run": ("ingestor run --config ingestor.toml", "wattprint ingestor run --config ingestor.toml"),
    "check": (
        "ingestor check --config ingestor.toml",
        "wattprint ingestor check --config ingestor.toml",
    ),
    "key": (
        "ingestor key --config ingestor.toml > receipt.key.pub",
        "wattprint ingestor key --config ingestor.toml",
    ),
    "apikey": apikey_command.EXAMPLES,
    "cosign": cosign_command.EXAMPLES,
    **files_command.EXAMPLES,
    "history": history_command.EXAMPLES,
    "doctor": (
        "ingestor doctor --config ingestor.toml",
        "wattprint doctor --config ingestor.toml",
    ),
    "project": (
        "ingestor project --from 0 --config ingestor.toml          everything, into every database",
        "wattprint project --from 0 --sink influxdb --site cq-wheel --config ingestor.toml",
    ),
    "reconcile": (
        "ingestor reconcile --config ingestor.toml",
        "wattprint reconcile --sink influxdb --repair --config ingestor.toml",
    ),
    "journal": journal_command.EXAMPLES,
    "ca": ca_command.EXAMPLES,
    "keys": keys_command.EXAMPLES,
    "quarantine": (
        "ingestor quarantine list --config ingestor.toml",
        "ingestor quarantine show 7 --config ingestor.toml > packet.seg",
        "ingestor quarantine replay 7 9 --config ingestor.toml",
        "wattprint quarantine replay --config ingestor.toml      every item",
    ),
    "segment": (
        "ingestor segment show packet.seg",
        "mosquitto_sub -C 1 -N -t 'wp/v1/+/+/seg' | ingestor segment show - --json",
        "wattprint segment show --config .demo/ingestor.toml --offset 120",
    ),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ingestor",
        description="Takes segments and production events into the journal, and signs for them.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    words = parser.add_subparsers(dest="word", required=True, metavar="WORD")
    told = argparse.ArgumentParser(add_help=False)
    told.add_argument("--config", type=Path, required=True, metavar="FILE")

    def word(name: str, what: str) -> argparse.ArgumentParser:
        return words.add_parser(name, help=what, **_texts(name, what), parents=[told])

    word("run", "serve until stopped")
    word("check", "say everything that is wrong with a configuration")
    what = "look at everything around the ingestor; exit 0: well, 1: will go wrong, 2: is wrong"
    word("doctor", what).add_argument("--json", action="store_true", help="one JSON object")
    word("key", "print the public key receipts are signed with, made at the first call")
    apikey_command.add_arguments(word("apikey", "who may call the API: list, new, rotate, revoke"))
    project = word("project", "write the journal into the databases once more")
    project.add_argument("--from", type=int, required=True, dest="offset", metavar="OFFSET")
    compare = word("reconcile", "compare journal and databases, name and repair differences")
    for command in (project, compare):
        command.add_argument("--sink", metavar="NAME", help="default: all")
        command.add_argument("--site", metavar="SITE", help="default: all")
    compare.add_argument(
        "--repair", action="store_true", help="write anew what differs, look again"
    )
    what = "the authority: certificates, and what the broker is told of them"
    ca_command.add_arguments(words.add_parser("ca", help=what, **_texts("ca", what)))
    what = "whose signatures count: list, revoke, end, rotate"
    keys_command.add_arguments(words.add_parser("keys", help=what, **_texts("keys", what)))
    what = "verify, show, prove or freeze the journal"
    journal_command.add_arguments(words.add_parser("journal", help=what, **_texts("journal", what)))
    what = "sign tree heads as an auditor, each going on from the last one signed"
    cosign_command.add_arguments(words.add_parser("cosign", help=what, **_texts("cosign", what)))
    quarantine = word("quarantine", "what could not be used, and why")
    quarantine.add_argument("action", choices=("list", "show", "replay"))
    quarantine.add_argument(
        "id", type=int, nargs="*", help="an item of the list; replay takes several, or none for all"
    )
    what = "import what an InfluxDB has gathered so far"
    history_command.add_arguments(words.add_parser("history", help=what, **_texts("history", what)))
    for name, what in (
        ("events", "send a file of production events to an ingestor's API"),
        ("readings", "send a file of manual readings, deliveries, bills and corrections"),
    ):
        files_command.add_arguments(words.add_parser(name, help=what, **_texts(name, what)))
    what = "print what a sealed segment holds: one in a file, or one in the journal"
    segment = words.add_parser("segment", help=what, **_texts("segment", what))
    segment_command.add_arguments(segment)
    return parser


def _texts(word: str, what: str) -> dict[str, Any]:
    return {
        "description": what,
        "epilog": "\n  ".join(("examples:", *_OF_WORD[word])),
        "formatter_class": argparse.RawDescriptionHelpFormatter,
    }


def main() -> int:
    """The console script's entry; exit 2 and one line for a wrong configuration."""
    parser = _parser()
    arguments = parser.parse_args()
    if arguments.word == "quarantine" and arguments.action == "show" and len(arguments.id) != 1:
        parser.error("quarantine show wants one ID")
    if arguments.word == "segment" and segment_command.is_wrong(arguments):
        parser.error("segment show wants FILE, or --config and --offset")
    try:
        return _run(arguments)
    except ModuleNotFoundError as exc:
        return _not_installed(exc)
    except ConfigError as exc:
        print(f"ingestor: {exc}", file=sys.stderr)
        return 2
    except (TransientError, BadData) as exc:
        print(f"ingestor: {exc}", file=sys.stderr)
        return 1


def _run(arguments: argparse.Namespace) -> int:
    if arguments.word == "segment":
        return _piped(lambda: segment_command.show(arguments))
    if arguments.word == "keys":
        return keys_command.run(arguments)
    if arguments.word == "ca":
        return ca_command.run(arguments)
    if arguments.word == "journal":
        return _piped(lambda: journal_command.run(arguments))
    if arguments.word == "cosign":
        return cosign_command.run(arguments)
    if arguments.word == "history":
        return history_command.run(arguments)
    if arguments.word in ("events", "readings"):
        return files_command.run(arguments)
    if arguments.word == "check":
        return _check(arguments.config)
    if arguments.word == "apikey":
        return apikey_command.run(arguments)
    plan = config.load(arguments.config)
    match arguments.word:
        case "run":
            # Only who serves waits for a web server's library: it is half of what a word takes.
            from ingestor import service

            logs.setup("ingestor")
            asyncio.run(service.serve(plan))
            return 0
        case "doctor":
            return _doctor(plan, arguments.json)
        case "key":
            print(receipts.load_key(plan.config.receipt_key).public)
            return 0
        case "project":
            return commands.rewind(plan, arguments.offset, arguments.sink, arguments.site)
        case "reconcile":
            return commands.compare(plan, arguments.sink, arguments.site, arguments.repair)
        case _:
            return commands.quarantine(plan, arguments)


def _piped(show: Callable[[], int]) -> int:
    """Print, and take it well when nobody listens any more: `segment show … | head`."""
    try:
        code = show()
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _check(path: Path) -> int:
    problems = config.problems(path)
    for problem in problems:
        print(f"ingestor: {problem}", file=sys.stderr)
    if problems:
        return 2
    plan = config.load(path)
    names = ", ".join(each.name for each in plan.sinks)
    count = len(plan.gateways)
    print(f"{path}: good: {count} {'gateway' if count == 1 else 'gateways'}; sinks: {names}")
    return 0


def _doctor(plan: config.Plan, as_json: bool) -> int:
    logging.getLogger("wire").setLevel(logging.CRITICAL)  # the findings say it better
    return finding.tell(doctor.examine(plan, state.now_ms), as_json)


if __name__ == "__main__":
    sys.exit(main())
