"""`edge-agent check`: everything wrong with a configuration, and whether its buses hold their pace."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from edge_agent import config
from edge_agent.config import Plan
from edge_agent.field import budget, judgement, table
from edge_agent.field.budget import Budget
from wire.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's words."""
    parser.description = (
        "Say everything that is wrong with a configuration, and how much of each bus's time its"
        " meters take at the intervals asked for, by the physics of the line. Opens no connection."
    )
    parser.epilog = (
        "examples:\n"
        "  edge-agent check --config agent.toml\n"
        "  edge-agent check --config agent.toml --json\n"
        "  wattprint edge-agent check --config agent.toml\n\n"
        "exit codes: 0 good; 1 a bus cannot hold its intervals; 2 the configuration is wrong"
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--config", type=Path, required=True, metavar="FILE")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(args: argparse.Namespace) -> int:
    """Exit code as the command's help has it."""
    problems = config.problems(args.config)
    plan = None if problems else config.load(args.config)
    found = budget.budgets(plan) if plan is not None else []
    notes = _notes(plan) if plan is not None else []
    if args.json:
        told = _as_json(args.config, problems, found, notes)
        print(json.dumps(told, indent=2), file=sys.stdout)
    else:
        for problem in problems:
            print(f"edge-agent: {problem}", file=sys.stderr)
        if plan is not None:
            show(args.config, found, sys.stdout, sys.stderr)
            for note in notes:
                print(f"edge-agent: {args.config}: {note}", file=sys.stderr)
    if problems:
        return 2
    return 0 if all(each.holds for each in found) else 1


def show(path: Path, found: Sequence[Budget], out: TextIO, err: TextIO) -> None:
    """The buses as a table, and what must change, a line each."""
    meters = sum(len(each.shares) for each in found)
    bad = [each for each in found if not each.holds]
    state = f"{len(bad)} of {len(found)} buses cannot hold their intervals" if bad else "good"
    print(f"{path}: {state}: {_count(meters, 'meter')} on {_count(len(found), 'bus')}\n", file=out)
    rows = [
        (
            each.bus,
            str(len(each.shares)),
            str(each.requests),
            f"{each.round_s:.3g} s",
            f"{each.every} s",
            budget.percent(each.used),
        )
        for each in found
    ]
    header = ("bus", "meters", "requests", "a round", "asked every", "of its time")
    for line in table.lines(header, rows):
        print(line, file=out)
    for each in found:
        if not each.holds:
            print(f"edge-agent: {each.verdict}", file=err)
        elif each.tight:
            print(f"\n{each.verdict}", file=out)


def _notes(plan: Plan) -> list[str]:
    """What cannot be meant, though it can be run."""
    return [
        f"meters.{name}: {check.text}"
        for name, metered in plan.meters.items()
        for check in judgement.checks({}, judgement.site_of(metered))
        if check.level == "look"
    ]


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}{'es' if what.endswith('s') else 's'}"


def _as_json(
    path: Path,
    problems: Sequence[ConfigError],
    found: Sequence[Budget],
    notes: Sequence[str],
) -> dict[str, object]:
    return {
        "config": str(path),
        "problems": [str(problem) for problem in problems],
        "buses": [each.as_json() for each in found],
        "notes": list(notes),
    }
