"""The databases: who answers, how long it keeps readings, and how far behind the journal it is."""

from collections.abc import Iterator
from contextlib import closing

from ingestor.config import Plan
from ingestor.projector import Cursors
from ingestor.sinks import Configured, Sink
from wire.errors import ConfigError, TransientError
from wire.finding import Finding, bad, ok, warn
from wire.journal import open_reader

_FAR_BEHIND = 1000  # records: minutes of a site


def examine(plan: Plan) -> Iterator[Finding]:
    for configured in plan.sinks:
        yield from _sink(plan, configured)


def _sink(plan: Plan, configured: Configured) -> Iterator[Finding]:
    what = f"sink {configured.name}"
    try:
        sink = configured.open(plan.config.state)
    except (ConfigError, TransientError) as exc:
        yield bad(what, str(exc), "correct its [[sinks]] table; make room if its disk is full")
        return
    with closing(sink):
        try:
            yield ok(what, f"{sink.dialect()}; {_kept(sink)}")
        except TransientError as exc:
            yield bad(what, str(exc), "start it, or correct url and credentials in [[sinks]]")
            return
    yield from _behind(plan, configured.name)


def _kept(sink: Sink) -> str:
    days = sink.retention_days()
    return f"readings are kept {days} days" if days else "no end of readings is set here"


def _behind(plan: Plan, name: str) -> Iterator[Finding]:
    try:
        journal = open_reader(plan.config.journal)
    except (TransientError, ConfigError):
        return  # said already
    with closing(journal), closing(Cursors(plan.config.state / "cursors.db")) as cursors:
        for site in journal.sites():
            behind = journal.head(site)[0] - cursors.get(name, site)
            if behind > _FAR_BEHIND:
                found = f"{behind} records of {site} are not in it yet"
                cure = "is the ingestor running? Its log names what the database refuses"
                yield warn(f"sink {name}", found, cure)
