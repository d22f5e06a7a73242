"""`edge-agent report`: what was installed and how it was found, as JSON and as a page to print."""

import argparse
import asyncio
import importlib.metadata
import json
import sys
import time
from pathlib import Path
from random import Random

from edge_agent import config
from edge_agent.clock import Clock, system_clock
from edge_agent.config import Plan
from edge_agent.field import budget, commission, page
from edge_agent.field.dossier import Dossier
from edge_agent.field.progress import Progress
from wire.errors import ConfigError
from wire.signing import SigningKey


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's words."""
    parser.description = (
        "Ask every meter who it is, read it round after round, and write down how it was found: a"
        " page to print and sign, and the same as JSON. A serial line has one reader: stop the agent"
        " first."
    )
    parser.epilog = (
        "examples:\n"
        "  edge-agent report --config agent.toml --out report\n"
        "  edge-agent report --config agent.toml --out report --language zh\n"
        "  wattprint report --config agent.toml --out report --rounds 100\n\n"
        "writes report.json and report.html\n\n"
        "exit codes: 0 every meter is good; 1 somebody should look at one; 2 the configuration is"
        " wrong"
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--config", type=Path, required=True, metavar="FILE")
    parser.add_argument("--out", type=Path, required=True, help="the files' name, without ending")
    parser.add_argument("--language", choices=("en", "zh"), default="en")
    parser.add_argument(
        "--rounds", type=_count, default=10, help="how often each meter is read; default: 10"
    )


def run(args: argparse.Namespace) -> int:
    """Exit code as the command's help has it. Raises ConfigError."""
    plan = config.load(args.config)
    dossier = make(
        plan, args.rounds, system_clock(), Random(), Progress(sys.stderr, time.monotonic)
    )
    told = json.dumps(dossier.as_json(args.language), ensure_ascii=False, indent=2)
    for ending, text in (("json", f"{told}\n"), ("html", page.page(dossier, args.language))):
        path = Path(f"{args.out}.{ending}")
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as exc:
            raise ConfigError(f"{path}: cannot be written: {exc.strerror}") from exc
        print(path)
    for name, meter in dossier.meters.items():
        if meter.verdict.outcome != "good":
            reasons = "; ".join(text.told(args.language) for text in meter.verdict.reasons)
            print(f"edge-agent: {name}: {reasons}", file=sys.stderr)
    return 0 if dossier.is_good else 1


def make(plan: Plan, n: int, clock: Clock, random: Random, progress: Progress) -> Dossier:
    """Everything that goes into a report of `n` rounds."""
    steps, done = len(plan.meters) * (n + 1), 0

    def step(meter: str) -> None:
        nonlocal done
        done += 1
        progress.step(done, done / steps, meter)

    meters = asyncio.run(commission.commission(plan, n, random, clock.now_ms, step))
    progress.clear()
    return Dossier(
        plan.config.site,
        plan.config.gateway,
        _key_id(plan),
        importlib.metadata.version("wattprint"),
        clock.now_ms(),
        clock.state(),
        n,
        tuple(budget.budgets(plan)),
        meters,
    )


def _key_id(plan: Plan) -> str | None:
    """The name of the gateway's key, if it has one; a report makes none."""
    path = plan.config.state / "gateway.key"
    return SigningKey.load_or_create(path).public.id if path.exists() else None


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("a number above 0")
    return int(text)
