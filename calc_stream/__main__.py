"""The calculator's command line."""

import argparse
import asyncio
import os
import signal
import sys
import time
from pathlib import Path

from calc_stream.commands import (
    bills,
    bundle,
    compute,
    disclose,
    explain,
    export,
    factors,
    footprint,
    grade,
    inventory,
    kpi,
    methods,
    pact,
    verify,
    whatif,
)
from calc_stream.config import Plan, load_plan
from wire import logs
from wire.errors import BadData, ConfigError, TransientError

EXAMPLES = """examples:
  calc-stream check   --config calc.toml
  calc-stream run     --config calc.toml
  calc-stream compute --model model.toml --events events.jsonl --readings readings.jsonl --json
  calc-stream export  --ledger calc --format csv --what products --out factors.csv
  calc-stream explain B-0007 --config calc.toml
  calc-stream factors list
  calc-stream methods show gbt24067
"""


_CONFIG = """example:
  calc-stream {word} --config calc.toml
"""


def main(argv: list[str] | None = None) -> int:
    """The exit code: 0, or 2 with one line on stderr for what a person must change."""
    arguments = _parser().parse_args(argv)
    try:
        code = int(arguments.run(arguments))
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # `explain B-0007 | head` has seen enough
        if arguments.run is _run:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ConfigError, BadData, TransientError) as exc:
        print(f"calc-stream: {exc}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "calc-stream", description=__doc__, epilog=EXAMPLES, formatter_class=form
    )
    words = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, what, act in (
        ("run", "follow the journal; serve the page and the API", _run),
        ("check", "read the configuration and all it names; open nothing", _check),
    ):
        word = words.add_parser(name, help=what, description=_sentence(what), formatter_class=form)
        word.epilog = _CONFIG.format(word=name)
        word.add_argument(
            "--config",
            type=Path,
            required=True,
            metavar="FILE",
            help="the calculator's configuration, TOML; every key stands in calc_stream/config.py",
        )
        word.set_defaults(run=act)
    for name, what, command in (
        ("compute", "footprints from files: model, events, readings", compute),
        ("export", "closed batches and product factors for accounting", export),
        ("explain", "from a batch's footprint back to meters, registers and segments", explain),
        ("bundle", "the evidence of a batch's figure in one file", bundle),
        ("verify", "whether a bundle's figure follows from what it shows", verify),
        ("disclose", "a figure for somebody, as much of it as he is to know", disclose),
        ("whatif", "a batch or a month by another factor, policy, method or model", whatif),
        ("inventory", "a month's greenhouse gases by scope, and where they went", inventory),
        ("bills", "what was billed or delivered against what the meters counted", bills),
        ("footprint", "published product factors: list, show, publish", footprint),
        ("kpi", "a product's figure by period, signed, restatements and breaks shown", kpi),
        ("grade", "the class a product's figure earns by somebody's limits", grade),
        ("pact", "judge product footprints of PACT v3, and fetch those of suppliers", pact),
        ("factors", "list, show, check and import emission factors", factors),
        ("methods", "list and show method profiles", methods),
    ):
        # The umbrella command hands these words on, and is installed wherever this package is.
        prog = f"wattprint {name}"
        word = words.add_parser(name, help=what, description=_sentence(what), prog=prog)
        command.add_arguments(word)
        word.set_defaults(run=command.run, command=name)
    return parser


def _sentence(what: str) -> str:
    return f"{what[0].upper()}{what[1:]}."


def _check(arguments: argparse.Namespace) -> int:
    plan = load_plan(arguments.config)
    _warn(plan)
    model = plan.model
    print(
        f"{arguments.config}: good: site {model.site}, {len(model.meters)} meters, "
        f"{len(model.nodes)} nodes, {len(model.sources)} sources; {len(plan.factors.rows)} factors"
    )
    return 0


def _run(arguments: argparse.Namespace) -> int:
    plan = load_plan(arguments.config)
    logs.setup("calc-stream")
    _warn(plan)
    asyncio.run(_until_stopped(plan))
    return 0


async def _until_stopped(plan: Plan) -> None:
    # Only who serves waits for a web server's library: it is half of what a command takes to start.
    from calc_stream.service import run as serve

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        await serve(plan, stop, lambda: time.time_ns() // 1_000_000)
    except ExceptionGroup as group:
        # A task group wraps what ended it; for a person there is one thing to change first.
        wrong, _ = group.split(ConfigError)
        raise (wrong.exceptions[0] if wrong else group) from None


def _warn(plan: Plan) -> None:
    for warning in plan.warnings:
        print(f"calc-stream: {plan.config.model}: {warning}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
