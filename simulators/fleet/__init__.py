"""`plant-sim fleet`: the load of many gateways, without a meter.

Every gateway has a key, a connection and a stream of its own, seals real segments and keeps each
until a signed receipt covers it. First comes the backlog, as after an outage of that length, then
what is read now. `--enrol` writes the keys, and the tables that an ingestor's configuration needs.
"""

import argparse
import asyncio
import json
import re
import secrets
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from simulators.fleet.gateway import Gateway
from simulators.fleet.sender import Due, Sender
from simulators.fleet.tally import Tally
from wire import config
from wire.errors import BadData, ConfigError
from wire.mqtt import Broker
from wire.signing import PublicKey, SigningKey
from wire.topics import id_problem

_TELL_S = 5.0
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's words."""
    add = parser.add_argument
    add("--state", type=Path, default=Path(".fleet"), metavar="DIR", help="for the keys")
    add("--enrol", action="store_true", help="write keys and gateways.toml there, send nothing")
    add("--site", default="load", help="default: load")
    add("--gateways", type=_count, default=10, metavar="N", help="default: 10")
    add("--meters", type=_count, default=20, metavar="N", help="of each gateway; default: 20")
    add("--interval", type=_seconds, default=1.0, metavar="S", help="between readings; default: 1")
    add("--publish", type=_seconds, default=1.0, metavar="S", help="between segments; default: 1")
    add("--backlog", type=_seconds, default=0.0, metavar="T", help="sent first: 90s, 12h, 7d")
    add("--pack", type=_count, default=600, metavar="N", help="rounds in a segment of the backlog")
    add("--for", type=_seconds, default=60.0, dest="live_s", metavar="T", help="default: 60s")
    add("--fast", action="store_true", help="do not wait for the clock")
    add("--window", type=_count, default=16, metavar="N", help="segments ahead of the receipts")
    add("--patience", type=_seconds, default=60.0, metavar="T", help="for the last receipts")
    add("--broker", type=_broker, default=Broker(), metavar="HOST:PORT")
    add("--receipt-key", type=Path, metavar="FILE", help="the ingestor's public key")
    add("--json", action="store_true", help="one JSON object instead of lines")


def enrol(arguments: argparse.Namespace) -> list[tuple[str, SigningKey]]:
    """The gateways' names and keys, made where there are none, and the ingestor's tables of them."""
    if problem := id_problem(arguments.site):
        raise ConfigError(f"--site: {problem}")
    keys, tables = [], []
    for number in range(1, arguments.gateways + 1):
        name = f"gw-{number:04d}"
        path = arguments.state.absolute() / f"{name}.key"
        key = SigningKey.load_or_create(path)
        public = path.with_suffix(".pub")
        if not public.exists():
            public.write_text(f"{key.public}\n", encoding="ascii")
        keys.append((name, key))
        facts = {"site": arguments.site, "gateway": name, "public_key_file": str(public)}
        lines = (f"{fact} = {json.dumps(value)}" for fact, value in facts.items())
        tables.append("\n".join(("[[gateways]]", *lines)) + "\n")
    text = "\n".join(tables)
    (arguments.state / "gateways.toml").write_text(text, encoding="utf-8")
    return keys


async def run(arguments: argparse.Namespace, now_ms: Callable[[], int]) -> Tally:
    """Send everything and wait for the receipts. Raises ConfigError."""
    if arguments.receipt_key is None:
        raise ConfigError("--receipt-key: is missing: the file the ingestor wrote beside its key")
    try:
        receipt_key = PublicKey.parse(config.read_secret(arguments.receipt_key))
    except BadData as exc:
        raise ConfigError(f"--receipt-key: {arguments.receipt_key}: {exc}") from exc
    keys = enrol(arguments)
    tally, heavy, begin_ms = Tally(), asyncio.Lock(), now_ms()
    async with asyncio.TaskGroup() as tasks:
        telling = tasks.create_task(_tell_progress(tally))
        async with asyncio.TaskGroup() as senders:
            for number, (name, key) in enumerate(keys):
                stream = secrets.token_hex(16)
                gateway = Gateway(number, arguments.site, name, key, stream, arguments.meters)
                sender = Sender(
                    *(gateway, arguments.broker, receipt_key, arguments.window, tally, heavy)
                )
                shift_s = arguments.publish * number / len(keys)  # not all at the same instant
                dues = plan(arguments, begin_ms, shift_s, now_ms)
                senders.create_task(sender.run(dues, arguments.patience))
        telling.cancel()
    return tally


async def plan(
    arguments: argparse.Namespace, begin_ms: int, shift_s: float, now_ms: Callable[[], int]
) -> AsyncIterator[Due]:
    """The instants of every segment: the backlog up to `begin_ms` at once, then as time goes by."""
    step_ms = round(1000 * arguments.interval)
    rounds = round(arguments.backlog / arguments.interval)
    for first in range(0, rounds, arguments.pack):
        count = min(arguments.pack, rounds - first)
        at = begin_ms - (rounds - first) * step_ms
        yield Due("backlog", range(at, at + count * step_ms, step_ms))
    every = max(1, round(arguments.publish / arguments.interval))
    for n in range(round(arguments.live_s / arguments.interval) // every):
        at = begin_ms + round(1000 * shift_s) + n * every * step_ms
        last = at + (every - 1) * step_ms
        if not arguments.fast:
            await asyncio.sleep(max(0, last - now_ms()) / 1000)
        late_s = 0.0 if arguments.fast else max(0, now_ms() - last) / 1000
        yield Due("live", range(at, last + 1, step_ms), late_s)


async def _tell_progress(tally: Tally) -> None:
    while True:
        await asyncio.sleep(_TELL_S)
        parts = (
            f"{name} {phase.receipted} of {phase.sealed} segments signed for"
            for name, phase in tally.phases.items()
            if phase.sealed
        )
        print(f"plant-sim: {'; '.join(parts) or 'nothing sealed yet'}", file=sys.stderr, flush=True)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: 90s, 15m, 12h or 7d")
    return float(found[1]) * _UNITS_S[found[2] or "s"]


def _broker(text: str) -> Broker:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is no HOST:PORT")
    return Broker(host, int(port))
