"""`edge-agent`: run the agent, check its configuration, and an installer's field commands."""

import argparse
import asyncio
import fcntl
import gc
import importlib
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wire import logs
from wire.errors import BadData, ConfigError, TransientError

try:
    from edge_agent import agent, config
    from edge_agent.clock import Clock, system_clock
    from edge_agent.config import Plan
    from edge_agent.loop import new_loop
    from edge_agent.store import Disk, Store, open_store
    from edge_agent.systemd import Systemd
    from wire.signing import SigningKey
except ModuleNotFoundError as exc:
    package = (exc.name or "wire").partition(".")[0]
    if package in ("edge_agent", "wire"):
        raise
    print(f"edge-agent: {package} is not installed here; install wattprint[edge]", file=sys.stderr)
    sys.exit(2)

# An installer's commands: each is a file of `field`, imported only where it is typed.
_FIELD = {
    "enrol": "get this gateway's certificate with a single-use code",
    "doctor": "look at certificates, keys, clock, disk and broker, and say what cures them",
    "check": "say what is wrong, open no connection",
    "status": "how the running agent does",
    "scan": "name what answers on a line or in a network",
    "read": "read one meter, once or again and again",
    "report": "write down how every meter was found",
    "profiles": "list and show meter profiles",
}
_EXAMPLES = """examples:
  edge-agent check --config agent.toml        say what is wrong, open no connection
  edge-agent run --config agent.toml
  edge-agent status --config agent.toml       how the running agent does
  edge-agent scan --device /dev/ttyUSB0       name the meters on a line
  edge-agent read m-press-1 --config agent.toml
  edge-agent report --config agent.toml --out report
  edge-agent profiles show eastron_sdm630

exit codes: 0 done; 1 a meter, line or host did not do its part; 2 a file or the words must change
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="edge-agent",
        description="Reads a gateway's meters and hands on what it read until it is signed for.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    words = parser.add_subparsers(dest="word", required=True, metavar="WORD")
    for word, what, into in (
        ("run", "read meters and publish, until stopped", ""),
        ("key", "print this gateway's public key, made at the first call", " > gw-1.key.pub"),
    ):
        command = words.add_parser(
            word,
            help=what,
            description=what,
            epilog=f"examples:\n  edge-agent {word} --config agent.toml{into}\n"
            f"  wattprint edge-agent {word} --config agent.toml{into}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_argument("--config", type=Path, required=True, metavar="FILE")
    for word, what in _FIELD.items():
        command = words.add_parser(word, help=what)
        if word in sys.argv[1:2]:
            _field(word).add_arguments(command)
    return parser


def main() -> int:
    """The console script's entry; exit 2 and one line for a wrong configuration."""
    arguments = _parser().parse_args()
    try:
        match arguments.word:
            case "run":
                logs.setup("edge-agent")
                return _run(arguments.config)
            case "key":
                print(_key(config.load(arguments.config)).public)
                return 0
            case word:
                code: int = _field(word).run(arguments)
                return code
    except ConfigError as exc:
        print(f"edge-agent: {exc}", file=sys.stderr)
        return 2
    except (TransientError, BadData) as exc:
        print(f"edge-agent: {exc}", file=sys.stderr)
        return 1


def _field(word: str) -> Any:
    return importlib.import_module(f"edge_agent.field.{word}")


def _key(plan: Plan) -> SigningKey:
    return SigningKey.load_or_create(plan.config.state / "gateway.key")


def _run(path: Path) -> int:
    plan, clock, systemd = config.load(path), system_clock(), Systemd(os.environ)
    settings = plan.config
    key = _key(plan)
    with _alone(settings.state):
        store = open_store(
            settings.state / "store.db", settings.site, settings.gateway, key, clock.now()
        )
        try:
            with asyncio.Runner(loop_factory=new_loop) as runner:
                runner.run(_serve(plan, store, clock, systemd, path))
        finally:
            store.close()
    return 0


@contextmanager
def _alone(state: Path) -> Iterator[None]:
    """Two agents would number the same readings twice. Raises ConfigError."""
    folder = os.open(state, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            problem = "another agent runs with this state; stop that first"
            raise ConfigError(f"{state}: {problem}") from exc
        yield
    finally:
        os.close(folder)


async def _serve(plan: Plan, store: Store, clock: Clock, systemd: Systemd, path: Path) -> None:
    # What is read is much, lives for a second and holds no cycles: looking for them rarely is enough.
    gc.set_threshold(10_000, 20, 20)
    loop, stop, hup = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, hup.set)
    disk = Disk()
    try:
        await agent.run(plan, store, disk, clock, systemd, stop, hup, path)
    finally:
        disk.close()


if __name__ == "__main__":
    sys.exit(main())
