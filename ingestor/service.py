"""Puts the parts together and runs them until told to stop."""

import asyncio
import gc
import logging
import random
import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import msgspec

from ingestor import api, receipts, standing
from ingestor.api import (
    cosignatures,
    documents,
    enrol,
    events,
    journal,
    readings,
    segments,
    statements,
    status,
)
from ingestor.api.guard import Guard
from ingestor.authority import Authority
from ingestor.config import Api, Plan
from ingestor.days import Days
from ingestor.intake import Intake, Post
from ingestor.keys import Keys
from ingestor.orders import Orders
from ingestor.partitions import check_journal
from ingestor.pipeline import Pipeline
from ingestor.projector import Projector
from ingestor.readings import page
from ingestor.receipts import Receipts
from ingestor.sinks import Configured, embedded
from ingestor.source import Source
from ingestor.stamping import Stamping
from ingestor.standing import Standing
from ingestor.state import now_ms, open_cursors, open_quarantine
from ingestor.stored import Stored
from wire.callers import Callers
from wire.errors import BadData, ConfigError, TransientError
from wire.journal import Entry, Writer, open_file, open_reader, open_writer
from wire.limits import Limits

log = logging.getLogger(__name__)

# How often an address may come with a key that is not known.
_TRIES_PER_S = 1.0
_TRIES = 20


def known_keys(journal: Writer) -> Keys:
    """Those the journal has."""
    keys = Keys()
    for site in journal.sites():
        keys.add(journal.of_kind(site, "key"))
    return keys


def enter_keys(
    plan: Plan,
    orders: Orders,
    journal: Writer,
    keys: Keys,
    standings: dict[str, Standing],
    days: Days,
) -> None:
    """The configured keys, and what was ordered, into the journal: behind the head of a day that is
    over, like everything else."""

    def enter(site: str, entries: list[Entry]) -> None:
        its = standings.setdefault(site, Standing(site))
        keys.add(record for record in days.append(its, entries) if record.kind == "key")

    fresh: dict[str, list[Entry]] = {}
    for site, gateway, public in plan.gateways:
        entry = keys.missing(site, gateway, public)
        if entry is not None and entry not in fresh.setdefault(site, []):
            fresh[site].append(entry)
    for site, entries in fresh.items():
        if entries:
            enter(site, entries)
    for path, told in orders.waiting():
        try:
            ordered = keys.entry(told)
        except BadData as exc:
            orders.refuse(path, str(exc))
            continue
        if ordered is not None:
            again = len([k for k in journal.of_kind(told.site, "key") if k.key.startswith(told.id)])
            key = f"{told.id}/{again + 1}" if again else told.id
            enter(told.site, [Entry("key", key, ordered.data)])
        orders.done(path)


def readable(plan: Plan) -> Configured:
    """The sink that answers for stored readings: the embedded history, else the first there is."""
    own = Configured("embedded", "embedded", embedded, embedded.Settings())
    return next((each for each in plan.sinks if each.kind == "embedded"), (*plan.sinks, own)[0])


class Service:
    """Everything an ingestor process owns. Raises ConfigError where a file or port is not usable."""

    def __init__(self, plan: Plan) -> None:
        config = plan.config
        self._plan = plan
        self._socket = _listen(config.api) if config.api else None
        self._checkpoint = config.state / "standing.json"
        self._journal_thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._reading_thread = ThreadPoolExecutor(1, thread_name_prefix="reading")
        receipt_key = receipts.load_key(config.receipt_key)
        self._quarantine = open_quarantine(plan)
        self._cursors = open_cursors(plan)
        self._journal = open_writer(config.journal, now_ms)
        its = (config.partition, config.partitions)
        check_journal(config.journal, self._journal.sites(), *its)
        self._orders = Orders(config.state / "orders")
        self._keys = keys = known_keys(self._journal)
        self._standings = standing.restore(self._checkpoint, self._journal)
        days = Days(self._journal, keys, receipt_key, now_ms)
        enter_keys(plan, self._orders, self._journal, keys, self._standings, days)
        self._projectors = {each.name: self._projector(each) for each in plan.sinks}
        self._intake = Intake(
            *(self._journal, self._standings, keys),
            Receipts(receipt_key, now_ms),
            *(days, self._quarantine, now_ms),
            [projector.opened for projector in self._projectors.values()],
            heartbeat_ms=round(config.heartbeat_s * 1000),
        )
        sites = sorted(self._standings) if config.partitions > 1 else ["+"]
        source = self._source = Source(config.broker, config.session, sites)
        self._pipeline = Pipeline(
            self._intake,
            source,
            self._journal_thread,
            self._committed,
            self._each_minute,
        )
        self._stamp_thread = ThreadPoolExecutor(1, thread_name_prefix="stamps")
        self._stamping: Stamping | None = None
        if config.timestamps is not None:
            self._stamping = Stamping(
                config.timestamps,
                partial(open_file, config.journal),
                self._pipeline.submit,
                self._stamp_thread,
            )
        self._growth = journal.Growth()
        self._readable = readable(plan).open(config.state)
        self._stored = Stored(
            self._intake,
            open_file(config.journal),
            self._cursors,
            self._projectors,
            source.connected.is_set,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop`, then finish what is in hand."""
        server = self._server()
        with ThreadPoolExecutor(len(self._projectors) or 1, "sink") as threads:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pipeline.run(stop), name="pipeline")
                for projector in self._projectors.values():
                    tasks.create_task(_on_thread(threads, projector), name="projector")
                if server is not None and self._socket is not None:
                    tasks.create_task(server.serve([self._socket]), name="http")
                others = [tasks.create_task(self._follow_orders(), name="orders")]
                if self._stamping is not None:
                    others.append(tasks.create_task(self._stamping.run(), name="stamps"))
                tasks.create_task(self._stop_others(stop, server, others), name="stop")

    def close(self) -> None:
        for thread in (self._journal_thread, self._reading_thread, self._stamp_thread):
            thread.shutdown()
        if self._stamping is not None:
            self._stamping.close()
        self._stored.close()
        self._readable.close()
        self._journal.close()
        self._quarantine.close()
        self._cursors.close()
        if self._socket is not None:
            self._socket.close()

    async def _follow_orders(self) -> None:
        """What a person tells of keys, into the journal."""
        while True:
            for path, told in self._orders.waiting():
                try:
                    document = msgspec.json.encode(told)
                    await self._pipeline.submit(Post(told.site, "key", (document,)))
                    self._orders.done(path)
                except BadData as exc:
                    self._orders.refuse(path, str(exc))
                except TransientError as exc:
                    log.warning("%s waits: %s", path, exc)
            await asyncio.sleep(1)

    async def _stop_others(
        self, stop: asyncio.Event, server: api.Server | None, others: list[asyncio.Task[None]]
    ) -> None:
        try:
            await stop.wait()
        finally:
            # Also when another part failed: a thread that goes on would keep the process alive.
            for projector in self._projectors.values():
                projector.stop()
            for other in others:
                other.cancel()
            if server is not None:
                server.should_exit = True

    def _projector(self, configured: Configured) -> Projector:
        sink = configured.open(self._plan.config.state)
        journal = open_reader(self._plan.config.journal)
        own = random.Random()
        return Projector(configured.name, sink, journal, self._cursors, self._quarantine, own)

    def _each_minute(self) -> None:
        self._intake.close_days()
        standing.save(self._checkpoint, self._standings)

    def _committed(self) -> None:
        if self._plan.config.partitions > 1:  # else it hears all sites
            self._source.follow(self._standings)
        self._growth.tell()
        for projector in self._projectors.values():
            projector.wake.set()

    def _server(self) -> api.Server | None:
        settings = self._plan.config.api
        if settings is None:
            return None
        loop = asyncio.get_running_loop()

        async def off_loop(work: Callable[..., Any], *arguments: object) -> Any:
            return await loop.run_in_executor(self._reading_thread, partial(work, *arguments))

        submit, most_bytes = self._pipeline.submit, settings.most_body_bytes
        routers = [
            status.routes(self._stored.status, off_loop),
            events.routes(submit, self._pipeline.beat, most_bytes),
            statements.routes(submit, most_bytes),
            segments.routes(submit),
            documents.routes(submit, most_bytes),
            journal.routes(self._stored, self._growth, off_loop),
            cosignatures.routes(submit),
            readings.routes(partial(page, self._readable), off_loop),
        ]
        if (told := self._plan.config.enrol) is not None:
            authority = Authority(told.authority, now_ms)
            mine = partial(receipts.public_keys, self._plan.config.receipt_key)
            routers.append(
                enrol.routes(
                    *(authority, self._keys, mine, told.days, submit, off_loop, now_ms),
                    self._plan.config.check_taken,
                )
            )
        app = api.build(_guard(settings), routers)
        return api.server(app, settings.cert_file, settings.key_file)


async def serve(plan: Plan) -> None:
    """The whole ingestor, until SIGTERM or SIGINT. Raises ConfigError."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    service = Service(plan)
    gc.freeze()  # what was there at the start stays: looking through it costs a tenth of all work
    try:
        await service.run(stop)
    finally:
        service.close()


async def _on_thread(threads: ThreadPoolExecutor, projector: Projector) -> None:
    await asyncio.get_running_loop().run_in_executor(threads, projector.run)


def _guard(settings: Api) -> Guard:
    requests = Limits(settings.requests_per_s, settings.burst, time.monotonic)
    tries = Limits(_TRIES_PER_S, _TRIES, time.monotonic)
    return Guard(Callers(settings.keys_file), requests, tries)


def _listen(settings: Api) -> socket.socket:
    """The API's socket, taken before anything else is touched."""
    try:
        return socket.create_server((settings.host, settings.port), backlog=128)
    except OSError as exc:
        where = f"{settings.host}:{settings.port}"
        raise ConfigError(f"api.port: cannot listen on {where}: {exc.strerror}") from exc
