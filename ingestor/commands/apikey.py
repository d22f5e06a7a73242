"""`ingestor apikey`: who may call the API. A key is shown once; only its hash is kept."""

import argparse

from ingestor.config import IngestorConfig, callers_file
from ingestor.state import now_ms
from wire import config
from wire.callers import parse_roles
from wire.errors import ConfigError

EXAMPLES = (
    "ingestor apikey new mes --role operator --config ingestor.toml > mes.key",
    "ingestor apikey list --config ingestor.toml",
    "ingestor apikey rotate mes --config ingestor.toml          another key; the old one ends",
    "wattprint apikey revoke mes --config ingestor.toml",
    "",
    "roles: viewer reads status and readings · operator also sends events, readings and models",
    "       auditor reads the journal, too · admin may do everything",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("list", "new", "rotate", "revoke"))
    parser.add_argument("name", nargs="?", metavar="NAME")
    parser.add_argument("--role", metavar="ROLE[,ROLE]", help="of a new key")


def run(arguments: argparse.Namespace) -> int:
    """Raises ConfigError. The configuration may lack the keys file: here it is made."""
    found = config.load(arguments.config, IngestorConfig)
    if found.api is None:
        raise config.refuse(arguments.config, "api", "is missing; add [api] with keys_file")
    callers = callers_file(found.api)
    if arguments.action == "list":
        for caller in callers.all():
            print(f"{caller.name}\t{','.join(caller.roles)}\t{caller.day}")
        return 0
    if arguments.name is None:
        raise ConfigError(f"apikey {arguments.action}: wants NAME")
    match arguments.action:
        case "new":
            try:
                roles = parse_roles(arguments.role or "")
            except ValueError as exc:
                raise ConfigError(f"--role: {exc}") from exc
            print(callers.add(arguments.name, roles, now_ms()))
        case "rotate":
            print(callers.rotate(arguments.name, now_ms()))
        case _:
            callers.revoke(arguments.name)
    return 0
