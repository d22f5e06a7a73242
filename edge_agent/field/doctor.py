"""`edge-agent doctor`: what is wrong around a gateway, in plain words, and what cures it."""

import argparse
import asyncio
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import wire.config
from edge_agent import config, status
from edge_agent.clock import Clock, system_clock
from edge_agent.config import AgentConfig
from edge_agent.enrolment import is_due
from edge_agent.status import STALE_MS, Status
from wire import certificate, finding
from wire.errors import ConfigError
from wire.finding import Finding, bad, ok, warn
from wire.mqtt import Client
from wire.topics import client_id

_WAIT_S = 10.0
_LEAST_FREE, _LITTLE_FREE = 16 * 10**6, 500 * 10**6  # the store leaves the first of them


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's words."""
    parser.description = (
        "Look at everything around the agent: its configuration, certificate and keys, clock, disk,"
        " and the broker. A running agent is asked by its status file; only if none runs is the"
        " broker connected to, for under the gateway's name there is one connection."
    )
    parser.epilog = (
        "examples:\n"
        "  edge-agent doctor --config agent.toml\n"
        "  edge-agent doctor --config agent.toml --json\n"
        "  wattprint edge-agent doctor --config agent.toml\n\n"
        "exit codes: 0 all is well; 1 something will go wrong; 2 something is wrong"
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--config", type=Path, required=True, metavar="FILE")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(args: argparse.Namespace) -> int:
    """Exit code as the command's help has it. Raises ConfigError."""
    logging.getLogger("wire").setLevel(logging.CRITICAL)  # the findings say it better
    settings = wire.config.load(args.config, AgentConfig)
    return finding.tell(examine(args.config, settings, system_clock()), args.json)


def examine(path: Path, settings: AgentConfig, clock: Clock) -> Iterator[Finding]:
    """Everything there is to look at; `settings` are those in `path`."""
    for problem in config.problems(path):
        yield bad("configuration", str(problem), "correct it; edge-agent check says all of it")
    yield _clock(clock)
    yield _disk(settings.state)
    yield from _papers(settings, clock.now_ms())
    agent = _running(settings, clock)
    if agent is None:
        yield warn("agent", "it does not run", "systemctl start wattprint-edge-agent")
        yield asyncio.run(_broker(settings))
        return
    for text in status.problems(agent):
        yield warn("agent", text, "edge-agent status says more")
    if not agent.link.problem and agent.link.connected:
        yield ok("broker", f"connected to {agent.link.broker}")


def _clock(clock: Clock) -> Finding:
    match clock.state():
        case "unset":
            cure = "run NTP, or set it: nothing leaves before, and no certificate counts"
            return bad("clock", "it is not set", cure)
        case "assumed":
            cure = "run NTP (systemd-timesyncd)"
            return warn("clock", "the system does not say that it is kept right", cure)
        case _:
            return ok("clock", "kept right by NTP")


def _disk(state: Path) -> Finding:
    place = next(p for p in (state, *state.absolute().parents) if p.exists())
    if not os.access(place, os.W_OK):
        return bad("disk", f"{place} is not writable", "give the agent's user the state directory")
    free = shutil.disk_usage(place).free
    text, cure = f"{free // 10**6} MB free at {place}", "make room, or lower quota_mb"
    if free < _LEAST_FREE:
        return bad("disk", text, cure)
    return warn("disk", text, cure) if free < _LITTLE_FREE else ok("disk", text)


def _papers(settings: AgentConfig, now_ms: int) -> Iterator[Finding]:
    broker, key = settings.broker, settings.state / "gateway.key"
    if key.exists():
        yield finding.private("signing key", key)
    if broker.ca_file is None:
        cure = "use TLS: edge-agent enrol, then ca_file and cert_file in [broker]"
        yield warn("broker", f"{broker} is spoken to in clear", cure)
        return
    by_hand = "wattprint ca gateway makes one; or set [enrol]"
    cure = "edge-agent enrol, with a new code" if settings.enrol else by_hand
    yield finding.dates("authority", broker.ca_file, now_ms, cure)
    if broker.cert_file is None:
        return
    yield from finding.pair("certificate", broker.cert_file, broker.key_file, now_ms, cure)
    with suppress(ConfigError):  # said above
        found = certificate.load(broker.cert_file)
        name = client_id(settings.site, settings.gateway)
        if found.name != name:
            yield bad("certificate", f"it is {found.name}'s; this gateway is {name}", cure)
        if settings.enrol and is_due(found, now_ms):
            text = "two thirds of its time are over and it was not renewed"
            yield warn(
                "certificate", text, f"is {settings.enrol.url} reached? The log says why not"
            )


def _running(settings: AgentConfig, clock: Clock) -> Status | None:
    try:
        found = status.load(settings.state)
    except ConfigError:
        return None
    is_stale = status.age_ms(found, clock.now()) > STALE_MS
    return found if found.running and not is_stale else None


async def _broker(settings: AgentConfig) -> Finding:
    broker = settings.broker
    try:
        client = Client(broker, client_id(settings.site, settings.gateway), durable=False)
    except ConfigError as exc:
        return bad("broker", str(exc), "correct [broker], or edge-agent enrol")
    async with client.running():
        with suppress(TimeoutError):
            async with asyncio.timeout(_WAIT_S):
                while not (client.connected.is_set() or client.problem):
                    await asyncio.sleep(0.05)
        if client.connected.is_set():
            return ok("broker", f"{broker} accepts us")
        found = f"no connection to {broker}: {client.problem or 'no answer'}"
    return bad("broker", found, "correct host, port and certificate in [broker]; is it on?")
