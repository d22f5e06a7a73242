"""`ingestor history`: what an InfluxDB has gathered so far, into the journal."""

import argparse
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from ingestor import history
from ingestor.commands.posting import post, way_to
from ingestor.history import Plan
from ingestor.sinks.influxdb.server import Server
from wire.config import read_secret
from wire.errors import TransientError

EXAMPLES = (
    "ingestor history key history.toml                     the key to make known as a gateway's",
    "ingestor history survey history.toml                  what there is; reads only",
    "wattprint history import history.toml                 stopped, it goes on where it was",
    "",
    "The file's keys stand in ingestor/history.py.",
)
_TIMEOUT_S = 60.0
_TRIES = 6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("key", "survey", "import"))
    parser.add_argument("file", type=Path, metavar="FILE")


def run(arguments: argparse.Namespace) -> int:
    """Raises ConfigError, BadData, TransientError."""
    plan = history.load(arguments.file)
    if arguments.action == "key":
        print(history.key_of(plan).public)
        return 0
    with closing(_server(plan)) as server:
        if arguments.action == "survey":
            return _survey(plan, server)
        points = 0
        for step in history.run(plan, server, _sender(plan)):
            points += step.points
            print(
                f"{step.series}: up to {_day(step.t_ms)} of {_day(step.last_ms)}; {points} points",
                flush=True,
            )
        for told in history.left_out(plan, server):
            print(f"left out: {told}")
    print(f"done: {points} points")
    return 0


def _survey(plan: Plan, server: Server) -> int:
    """1 where something is named that is not there."""
    missing = 0
    for name, points, first_ms, last_ms in history.survey(plan, server):
        found = f"{points} points from {_day(first_ms)} to {_day(last_ms)}"
        print(f"{name}: {found if points else history.NOTHING}")
        missing += not points
    return 1 if missing else 0


def _server(plan: Plan) -> Server:
    its = plan.influxdb
    password = read_secret(its.password_file) if its.password_file else ""
    policy = its.retention_policy
    return Server(its.url.rstrip("/"), its.database, _TIMEOUT_S, policy, its.username, password)


def _sender(plan: Plan) -> Callable[[bytes], None]:
    url = f"{plan.ingestor.url.rstrip('/')}/v1/{plan.site}/segments"
    headers = {
        "Authorization": f"Bearer {read_secret(plan.ingestor.key_file)}",
        "Content-Type": "application/octet-stream",
    }
    http = way_to(url, plan.ingestor.ca_file, _TIMEOUT_S)

    def send(data: bytes) -> None:
        for again in range(_TRIES):
            try:
                post(http, url, headers, data)
                return
            except TransientError as exc:
                if again == _TRIES - 1:
                    raise TransientError(f"{exc}; run it again to go on") from exc
                time.sleep(exc.retry_after_s or 2**again)

    return send


def _day(t_ms: int) -> str:
    return datetime.fromtimestamp(t_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
