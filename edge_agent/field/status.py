"""`edge-agent status`: how the running agent does, meter by meter, from the file it writes."""

import argparse
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TextIO

import msgspec

import wire.config
from edge_agent import status
from edge_agent.clock import Instant, system_clock
from edge_agent.config import AgentConfig
from edge_agent.field import table
from edge_agent.status import STALE_MS, MeterStatus, Status

_HEADER = ("meter", "bus", "health", "answered", "silent", "garbled", "stray", "p50", "p99")
_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's words."""
    parser.description = (
        "How the running agent does: each meter's line, and how complete its last quarters of an"
        " hour are; what waits in the store; the broker; the clock. Asks the agent's status file,"
        " so it disturbs nothing."
    )
    parser.epilog = (
        "examples:\n"
        "  edge-agent status --config agent.toml\n"
        "  edge-agent status --config agent.toml --json\n"
        "  wattprint edge-agent status --config agent.toml\n\n"
        "answered: of the requests sent. silent: nothing came. garbled: bytes came, but no valid\n"
        "answer (CRC). stray: bytes nobody had asked for, as late answers and noise are. p50, p99:\n"
        "response times. 08:15: how much of that quarter of an hour was read.\n\n"
        "exit codes: 0 all is well; 1 something is wrong; 2 there is no such state"
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--config", type=Path, required=True, metavar="FILE")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(args: argparse.Namespace) -> int:
    """Exit code as the command's help has it. Raises ConfigError."""
    folder = wire.config.load(args.config, AgentConfig).state
    found, now = status.load(folder), system_clock().now()
    wrong = list(_problems(found, now))
    if args.json:
        whole = {"age_ms": status.age_ms(found, now), "problems": wrong, "status": found}
        print(msgspec.json.format(msgspec.json.encode(whole)).decode())
    else:
        show(found, now, sys.stdout)
        for problem in wrong:
            print(f"edge-agent: {problem}", file=sys.stderr)
    return 1 if wrong else 0


def show(found: Status, now: Instant, out: TextIO) -> None:
    """The agent in a few lines, then its meters as a table."""
    age_ms = status.age_ms(found, now)
    link, store = found.link, found.store
    waiting = f"{store.segments} segments wait for a receipt"
    if store.oldest_ms is not None:
        waiting += f", the oldest from {_time(store.oldest_ms)}"
    for name, text in (
        ("gateway", f"{found.gateway} of {found.site}, up since {_time(found.started_ms)}"),
        ("seen", f"{_time(found.t_ms)}, {_span(age_ms)} ago"),
        (
            "broker",
            f"{link.broker}, {'connected' if link.connected else 'not connected'} since"
            f" {_time(link.since_ms)}; lost so far: {link.losses}",
        ),
        ("store", f"{waiting}; {_size(store.size_bytes)}, {_size(store.free_bytes)} free"),
        ("clock", found.clock),
    ):
        print(f"{name:<9}{text}", file=out)
    print(file=out)
    starts = sorted({start for m in found.meters.values() for start, *_ in m.quarters})
    hours = [f"{datetime.fromtimestamp(ms / 1000).astimezone():%H:%M}" for ms in starts]
    header = (*_HEADER, *hours, "next probe", "last error")
    rows = [_row(name, meter, starts, found.t_ms) for name, meter in found.meters.items()]
    for line in table.lines(header, rows):
        print(line, file=out)


def _problems(found: Status, now: Instant) -> Iterator[str]:
    if not found.running:
        yield f"the agent was stopped at {_time(found.t_ms)}"
    elif status.age_ms(found, now) > STALE_MS:
        yield f"the agent is not running, or has hung, since {_time(found.t_ms)}"
    else:
        yield from status.problems(found)


def _row(name: str, meter: MeterStatus, starts: list[int], now_ms: int) -> tuple[str, ...]:
    answering = meter.health in ("ok", "starting")
    complete = {start: _percent(answered, due) for start, _, due, answered in meter.quarters}
    error = f"{_time(meter.error_ms)} {meter.error}" if meter.error_ms is not None else ""
    return (
        *(name, meter.bus, meter.health if answering else "silent"),
        f"{meter.answers} of {meter.requests}",
        *(str(meter.silent), str(meter.garbled), str(meter.stray)),
        *(_ms(meter.p50_ms), _ms(meter.p99_ms)),
        *(complete.get(start, "") for start in starts),
        f"in {_span(meter.probe_ms - now_ms)}" if meter.probe_ms is not None else "",
        error,
    )


def _percent(answered: int, due: int) -> str:
    """Never rounded up: 100.0 % is every slot."""
    return f"{1000 * answered // due / 10:.1f} %" if due else ""


def _ms(ms: float | None) -> str:
    return "" if ms is None else f"{ms:.0f} ms" if ms >= 10 else f"{ms:.1f} ms"


def _time(t_ms: int) -> str:
    return f"{datetime.fromtimestamp(t_ms / 1000).astimezone():%Y-%m-%d %H:%M:%S}"


def _span(ms: int) -> str:
    if ms < 120_000:
        return f"{max(0, ms) // 1000} s"
    if ms < 2 * _HOUR_MS:
        return f"{ms // 60_000} min"
    return f"{ms // _HOUR_MS} h" if ms < 2 * _DAY_MS else f"{ms // _DAY_MS} d"


def _size(number: int) -> str:
    for power, unit in ((9, "GB"), (6, "MB")):
        if number >= 10**power:
            return f"{number / 10**power:.1f} {unit}"
    return f"{number / 1000:.1f} kB"
