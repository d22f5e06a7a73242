"""Looks at an ingestor's surroundings and says in plain words what is wrong, and what cures it."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing

import msgspec

from ingestor.config import Plan
from ingestor.doctor import broker, databases, machine, papers, stamps
from ingestor.keys import KeyRecord
from ingestor.state import open_quarantine
from wire.errors import BadData, ConfigError, TransientError
from wire.finding import Finding, bad, ok, warn
from wire.journal import Reader, Unreadable, open_reader, verify_chain


def examine(plan: Plan, now_ms: Callable[[], int]) -> Iterator[Finding]:
    """Everything there is to look at, one by one; what cannot be looked at hides nothing else."""
    now, its = now_ms(), plan.config
    looks: dict[str, Callable[[], Iterable[Finding]]] = {
        "clock": lambda: machine.clock(now),
        "disk": lambda: [machine.disk(its.state)],
        "journal": lambda: _journal(plan, now),
        "quarantine": lambda: _quarantine(plan),
        "papers": lambda: papers.examine(its, now),
        "broker": lambda: asyncio.run(broker.examine(its.broker, its.client_id)),
        "databases": lambda: databases.examine(plan),
    }
    for what, look in looks.items():
        try:
            yield from look()
        except (TransientError, ConfigError, BadData) as exc:
            yield bad(what, str(exc), "where that names none: look at the disk, dmesg says more")


def _journal(plan: Plan, now_ms: int) -> Iterator[Finding]:
    try:
        journal = open_reader(plan.config.journal)
    except TransientError:
        yield ok("journal", "there is none yet; the first start makes it")
        return
    except ConfigError as exc:
        yield bad("journal", str(exc), "restore it from the last backup")
        return
    for site in journal.sites():
        chain = _chain(journal, site)
        yield chain
        yield from _ahead(journal, site, now_ms)
        if plan.config.timestamps is not None and chain.level == "ok":
            yield from stamps.examine(journal, site, now_ms)
    yield from _unconfigured_keys(plan, journal)
    journal.close()


def _quarantine(plan: Plan) -> Iterator[Finding]:
    """A look leaves no file where there is none yet."""
    if (plan.config.state / "quarantine.db").exists():
        with closing(open_quarantine(plan)) as kept:
            yield ok("quarantine", f"{kept.count()} items; `ingestor quarantine list` names them")


def _chain(journal: Reader, site: str) -> Finding:
    try:
        offset, _ = verify_chain(journal.walk(site))
    except (BadData, Unreadable) as exc:
        cure = "the file was changed: keep a copy as evidence, restore the last backup"
        return bad(f"journal of {site}", str(exc), cure)
    return ok(f"journal of {site}", f"{offset} records, the chain is whole")


def _ahead(journal: Reader, site: str, now_ms: int) -> Iterator[Finding]:
    newest = journal.outline(site, journal.head(site)[0])
    if newest is not None and newest.t_ms > now_ms:
        behind_s = (newest.t_ms - now_ms) // 1000
        found = f"{behind_s} s behind the newest record of {site}"
        yield bad("clock", found, "set the clock, run NTP; till then nothing counts as future")


def _unconfigured_keys(plan: Plan, journal: Reader) -> Iterator[Finding]:
    if plan.config.enrol is not None:
        return
    configured = {(site, public.id) for site, _, public in plan.gateways}
    for site in journal.sites():
        known: dict[str, KeyRecord] = {}
        for record in journal.of_kind(site, "key"):
            known[record.key.partition("/")[0]] = msgspec.json.decode(record.data, type=KeyRecord)
        for key, told in known.items():
            if told.holder == "gateway" and not told.revoked and (site, key) not in configured:
                yield warn(
                    f"key {key} of {site}",
                    "stands in the journal, not in the configuration, and is still honoured",
                    f"add it to [[gateways]], or: wattprint keys revoke {key}",
                )
