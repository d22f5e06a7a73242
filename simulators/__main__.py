"""`plant-sim`: run the simulated plant, describe it, tell its truth, judge others by it."""

import argparse
import asyncio
import json
import logging
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from wire import logs
from wire.errors import ConfigError, WattprintError
from wire.journal import open_reader

try:
    from simulators import config, fleet, judge, live, plant, replay, site_model, truth
    from simulators.scenario import Scenario
except ModuleNotFoundError as exc:
    package = (exc.name or "wire").partition(".")[0]
    if package in ("simulators", "edge_agent", "wire"):
        raise
    print(f"plant-sim: {package} is not installed here; install wattprint[sim]", file=sys.stderr)
    sys.exit(2)

T = TypeVar("T")
log = logging.getLogger(__name__)

_EXAMPLES = """examples:
  plant-sim check    --config plant.toml
  plant-sim run      --config plant.toml
  plant-sim describe --config plant.toml
  plant-sim truth    --state .demo/plant --from 1800000000000 --to 1800000060000
  plant-sim replay   readings.jsonl --speed 60 --loop > agent.toml
  plant-sim fleet    --gateways 200 --backlog 7d --receipt-key receipt.key.pub
  plant-sim judge    --state .demo/plant --journal journal.db --site demo --results closed.json
"""


def main(argv: list[str] | None = None) -> int:
    """Exit code: 0 done, 1 try again or a verdict against, 2 wrong configuration."""
    arguments = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = arguments.command
    try:
        return command(arguments)
    except ConfigError as exc:
        print(f"plant-sim: {exc}", file=sys.stderr)
        return 2
    except WattprintError as exc:
        print(f"plant-sim: {exc}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="plant-sim",
        description="A factory that knows its own true footprint, to try and to judge the others.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command, text in (
        ("run", _run, "answer as meters and report as MES until stopped"),
        ("check", _check, "judge the configuration and the scenario, open nothing"),
        ("describe", _describe, "print the site model and the meter list as JSON"),
    ):
        line = f"plant-sim {name} --config plant.toml"
        sub = commands.add_parser(name, help=text, **_texts(text, line, f"wattprint {line}"))
        sub.add_argument("--config", type=Path, required=True, metavar="plant.toml")
        sub.set_defaults(command=command)
    text = "print who truly used how much of what, as JSON"
    line = "plant-sim truth --state .demo/plant --from 1800000000000 --to 1800000060000"
    told = commands.add_parser("truth", help=text, **_texts(text, line, f"wattprint {line}"))
    _add_run(told)
    told.add_argument("--from", type=int, dest="from_ms", help="UTC ms; default: its beginning")
    told.add_argument("--to", type=int, dest="to_ms", help="UTC ms; default: now")
    told.set_defaults(command=_truth)
    text = "hold closed results against rules and truth; exit 1 if they are outside the bounds"
    line = "judge --config plant.toml --journal journal.db --site demo --results closed.json"
    lines = (f"plant-sim {line}", f"wattprint {line}")
    held = commands.add_parser("judge", help=text, **_texts(text, *lines))
    _add_run(held)
    held.add_argument("--journal", type=Path, required=True)
    held.add_argument("--site", required=True)
    held.add_argument("--results", type=Path, required=True, help="the calculator's closed results")
    held.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    held.set_defaults(command=_judge)
    _add_loads(commands)
    return parser


def _add_loads(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Meters and gateways of no plant: what somebody recorded, and what many would send."""
    text = "serve recorded readings as meters; print the agent.toml that reads them"
    lines = (
        "plant-sim replay readings.jsonl --speed 60 --loop > agent.toml",
        "plant-sim replay readings.csv --profile eastron_sdm630 --line /tmp/line-a",
        "wattprint plant-sim replay readings.csv --tcp 127.0.0.1:5020",
    )
    replayed = commands.add_parser("replay", help=text, **_texts(text, *lines))
    replay.add_arguments(replayed)
    replayed.set_defaults(command=_replay)
    text = "send what many gateways would send; exit 1 if anything was not signed for"
    lines = (
        "plant-sim fleet --gateways 200 --enrol",
        "plant-sim fleet --gateways 200 --meters 20 --backlog 7d --receipt-key receipt.key.pub",
        "wattprint plant-sim fleet --gateways 10 --for 60s --json --receipt-key receipt.key.pub",
    )
    loaded = commands.add_parser("fleet", help=text, **_texts(text, *lines))
    fleet.add_arguments(loaded)
    loaded.set_defaults(command=_fleet)


def _texts(what: str, *examples: str) -> dict[str, Any]:
    return {
        "description": what,
        "epilog": "\n  ".join(("examples:", *examples)),
        "formatter_class": argparse.RawDescriptionHelpFormatter,
    }


def _add_run(sub: argparse.ArgumentParser) -> None:
    """Which run of the plant is meant: a state folder, or the configuration that names it."""
    one = sub.add_mutually_exclusive_group(required=True)
    one.add_argument("--state", type=Path, metavar="DIR", help="state folder of the run")
    one.add_argument("--config", type=Path, metavar="plant.toml", help="or its configuration")


def _run(arguments: argparse.Namespace) -> int:
    settings, found = config.load(arguments.config)
    logs.setup("plant-sim")
    begun = config.begin(settings, _now_ms())
    scenario = Scenario(found, begun.seed, begun.t0_ms)
    _serve(live.run(settings, scenario, _now_ms))
    return 0


def _replay(arguments: argparse.Namespace) -> int:
    _serve(replay.run(arguments, _now_ms))
    return 0


def _fleet(arguments: argparse.Namespace) -> int:
    if arguments.enrol:
        keys = fleet.enrol(arguments)
        where = arguments.state / "gateways.toml"
        print(f"{len(keys)} keys in {arguments.state}; add {where} to the ingestor's configuration")
        return 0
    logs.setup("plant-sim", level="ERROR")
    tally = _serve(fleet.run(arguments, _now_ms))
    if tally is None:
        return 1
    if arguments.json:
        print(json.dumps(tally.figures()))
    else:
        print("\n".join(tally.lines()))
    return 0 if tally.is_good else 1


def _serve(work: Coroutine[Any, Any, T]) -> T | None:
    """What it gave when it ended, or None when it was stopped. Raises ConfigError."""
    try:
        return asyncio.run(_until_stopped(work))
    except* ConfigError as group:
        raise group.exceptions[0] from None


async def _until_stopped(coroutine: Coroutine[Any, Any, T]) -> T | None:
    work = asyncio.ensure_future(coroutine)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, work.cancel)
    try:
        return await work
    except asyncio.CancelledError:
        log.info("stopped")
        return None


def _check(arguments: argparse.Namespace) -> int:
    _, found = config.load(arguments.config)
    models = {meter.profile for meter in found.meters}
    print(
        f"{arguments.config}: good: {len(found.meters)} meters of {len(models)} models,"
        f" {len(found.ports)} ports, {len(found.products)} products"
    )
    return 0


def _describe(arguments: argparse.Namespace) -> int:
    print(json.dumps(site_model.describe(*config.load(arguments.config)), ensure_ascii=False))
    return 0


def _truth(arguments: argparse.Namespace) -> int:
    scenario = _scenario(arguments)
    begin = scenario.t0_ms if arguments.from_ms is None else arguments.from_ms
    end = _now_ms() if arguments.to_ms is None else arguments.to_ms
    if not scenario.t0_ms <= begin < end:
        raise ConfigError(f"--from, --to: the plant began at {scenario.t0_ms}")
    batches = [
        {"batch": made.batch, "product": made.product, "true": _told(made.true)}
        for made in truth.finished(scenario, begin, end)
    ]
    accounts = {
        account: _told(contents)
        for account, contents in truth.accounts(scenario, begin, end).items()
    }
    print(json.dumps({"from": begin, "to": end, "batches": batches, "accounts": accounts}))
    return 0


def _told(contents: Mapping[str, Fraction]) -> dict[str, str]:
    """By carrier or source, in the carrier's unit."""
    return {name: judge.decimal(amount) for name, amount in contents.items()}


def _judge(arguments: argparse.Namespace) -> int:
    scenario = _scenario(arguments)
    try:
        results = msgspec.json.decode(arguments.results.read_bytes(), type=judge.Results)
    except (OSError, msgspec.DecodeError) as exc:
        raise ConfigError(f"{arguments.results}: cannot be used: {exc}") from exc
    reader = open_reader(arguments.journal)
    evidence = judge.from_journal(reader.walk(arguments.site), results.offset)
    verdict = judge.judge(evidence, results, scenario, live.instruments(scenario))
    if arguments.json:
        print(json.dumps(verdict, ensure_ascii=False))
    else:
        for key, value in verdict.items():
            print(f"{key}: {value}")
    return 0 if verdict["within"] else 1


def _scenario(arguments: argparse.Namespace) -> Scenario:
    begun = config.begun(arguments.state or config.load(arguments.config)[0].state)
    return Scenario(plant.load(plant.find(begun.scenario)), begun.seed, begun.t0_ms)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


if __name__ == "__main__":
    sys.exit(main())
