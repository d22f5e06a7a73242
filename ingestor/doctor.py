"""Looks at an ingestor's surroundings and says in plain words what is wrong, and what cures it."""

import asyncio
import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ingestor.config import Plan
from ingestor.keys import KeyRecord
from wire.errors import BadData, ConfigError, TransientError
from wire.journal import Reader, Unreadable, open_reader, verify_chain
from wire.mqtt import Client

_LEAST_FREE = 1024**3
_BROKER_WAIT_S = 5.0
_YEARS_MS = (1_767_225_600_000, 4_102_444_800_000)  # 2026 to 2100


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `cure` is empty where nothing is wrong."""

    what: str
    found: str
    cure: str = ""


def examine(plan: Plan, now_ms: Callable[[], int]) -> Iterator[Finding]:
    """Everything there is to look at, one by one."""
    yield _clock(now_ms())
    yield _disk(plan.config.state)
    yield from _journal(plan)
    yield asyncio.run(_broker(plan))
    for configured in plan.sinks:
        yield _sink(plan, configured.name)


def _clock(now_ms: int) -> Finding:
    low, high = _YEARS_MS
    if low <= now_ms < high:
        return Finding("clock", "the year is plausible")
    return Finding("clock", f"{now_ms} ms since 1970 cannot be now", "set the clock, run NTP")


def _disk(state: Path) -> Finding:
    place = next(p for p in (state, *state.absolute().parents) if p.exists())
    if not os.access(place, os.W_OK):
        return Finding("disk", f"{place} is not writable", "give this user the state directory")
    free = shutil.disk_usage(place).free
    if free < _LEAST_FREE:
        cure = "make room: without any, nothing is acknowledged and gateways keep their readings"
        return Finding("disk", f"{free >> 20} MiB free at {place}", cure)
    return Finding("disk", f"{free >> 30} GiB free")


def _journal(plan: Plan) -> Iterator[Finding]:
    try:
        journal = open_reader(plan.config.journal)
    except TransientError:
        yield Finding("journal", "there is none yet; the first start makes it")
        return
    except ConfigError as exc:
        yield Finding("journal", str(exc), "restore it from the last backup")
        return
    for site in journal.sites():
        yield _chain(journal, site)
    yield from _unconfigured_keys(plan, journal)
    journal.close()


def _chain(journal: Reader, site: str) -> Finding:
    try:
        offset, _ = verify_chain(journal.walk(site))
    except (BadData, Unreadable) as exc:
        cure = "the file was changed: keep a copy as evidence, restore the last backup"
        return Finding(f"journal of {site}", str(exc), cure)
    return Finding(f"journal of {site}", f"{offset} records, the chain is whole")


def _unconfigured_keys(plan: Plan, journal: Reader) -> Iterator[Finding]:
    configured = {(site, public.id) for site, _, public in plan.gateways}
    for site in journal.sites():
        for record in journal.of_kind(site, "key"):
            is_gateways = msgspec.json.decode(record.data, type=KeyRecord).holder == "gateway"
            if is_gateways and (site, record.key.partition("/")[0]) not in configured:
                yield Finding(
                    f"key {record.key} of {site}",
                    "stands in the journal, not in the configuration, and is still honoured",
                )


async def _broker(plan: Plan) -> Finding:
    broker = plan.config.broker
    try:
        # A name of its own: under the ingestor's it would throw the running one off.
        client = Client(broker, f"{plan.config.client_id}-doctor-{random.getrandbits(32):08x}")
    except ConfigError as exc:
        return Finding("broker", str(exc), "correct the [broker] table")
    async with client.running():
        try:
            async with asyncio.timeout(_BROKER_WAIT_S):
                await client.connected.wait()
        except TimeoutError:
            cure = "start it, or correct host, port and credentials in [broker]"
            return Finding("broker", f"no connection to {broker} in {_BROKER_WAIT_S:.0f} s", cure)
    return Finding("broker", f"{broker} accepts us")


def _sink(plan: Plan, name: str) -> Finding:
    configured = next(each for each in plan.sinks if each.name == name)
    what = f"sink {name}"
    try:
        sink = configured.open(plan.config.state)
    except ConfigError as exc:
        return Finding(what, str(exc), "correct its [[sinks]] table")
    try:
        return Finding(what, sink.dialect())
    except TransientError as exc:
        return Finding(what, str(exc), "start it, or correct url and credentials in [[sinks]]")
    finally:
        sink.close()
