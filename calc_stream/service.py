"""The running calculator: engine, live stream, web server, alarms, hand-over, on one asyncio loop."""

import asyncio
import logging
import random
import secrets
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI

from calc_stream.config import Plan
from calc_stream.disclosing import Log
from calc_stream.engines.embedded import Engine
from calc_stream.feed import feed
from calc_stream.footprints.series import key_of
from calc_stream.footprints.shelf import Shelf, open_shelf
from calc_stream.handover import hand_over
from calc_stream.ledger.store import Store, open_store
from calc_stream.pact.offered import Declared
from calc_stream.site import Site, Step
from calc_stream.web import app, snapshot
from calc_stream.web.alarm_book import AlarmBook, AlarmNow, open_book
from calc_stream.web.audit import Audit
from calc_stream.web.behind import Behind
from calc_stream.web.broker import Messages
from calc_stream.web.charts import Charts
from calc_stream.web.doubts import Doubts
from calc_stream.web.forward import Forward
from calc_stream.web.guard import Guard, keyed
from calc_stream.web.live import Live
from calc_stream.web.pact import run as offer
from calc_stream.web.publish import Publishing
from calc_stream.web.recall import recall
from calc_stream.web.serving import serve, server
from calc_stream.web.told import EventsTold
from calc_stream.web.view import View
from calc_stream.web.watch import Watch
from calc_stream.web.webhook import deliver
from wire.signing import SigningKey

log = logging.getLogger(__name__)


async def run(plan: Plan, stop: asyncio.Event, now_ms: Callable[[], int]) -> None:
    """Until `stop` is set; then what was taken is committed, and the ledger is one file again.

    Raises ConfigError.
    """
    state, hooks = plan.config.state, [hook.url for hook in plan.config.webhooks]
    with (
        closing(open_store(state, create=True)) as store,
        closing(open_store(state)) as reader,
        closing(open_shelf(state)) as shelf,
        closing(open_book(state, hooks)) as book,
    ):
        parts = Parts(plan, store, reader, shelf, book, now_ms)
        await parts.serve(stop)


@dataclass
class Parts:
    """Everything that runs, put together."""

    plan: Plan
    store: Store
    reader: Store
    shelf: Shelf
    book: AlarmBook
    now_ms: Callable[[], int]
    view: View = field(default_factory=View)
    events: EventsTold = field(default_factory=EventsTold)
    charts: Charts = field(default_factory=Charts)
    doubts: Doubts = field(default_factory=Doubts)

    def __post_init__(self) -> None:
        plan, config = self.plan, self.plan.config
        self.live = Live(secrets.token_hex(4))
        self.messages = Messages(config.broker, config.site) if config.broker else None
        settings = plan.engine_settings
        self.engine = Engine(config.place, plan.rules, self.store, settings, self._seen)
        self.publishing = (
            Publishing(plan.footprints, config.state, config.place, self.now_ms)
            if plan.footprints
            else None
        )
        self.audit = Audit(config.state, self.now_ms)
        self.watch = Watch(self.engine, self.book, self.charts, self._told, self.now_ms)

    async def serve(self, stop: asyncio.Event) -> None:
        config = self.plan.config
        upto = self.reader.state(config.site)[0]
        await asyncio.to_thread(recall, config.place, config.site, upto, self.view, self.events)
        web = server(self.application(), config.web.host, config.web.port)
        async with asyncio.TaskGroup() as tasks:
            following = self.plan.engine.run(self.engine, stop, self.live.moved)
            follower = tasks.create_task(following, name="engine")
            others = [tasks.create_task(each, name=name) for name, each in self._others()]
            serving = tasks.create_task(serve(web, "web.port"), name="web")
            log.info("the page is on http://%s:%d", config.web.host, config.web.port)
            await stop.wait()
            self.live.close()
            web.should_exit = True
            await asyncio.wait((follower, serving))
            for task in others:
                task.cancel()
        log.info("stopped at offset %d", self.engine.site.offset if self.engine.site else 0)

    def _others(self) -> list[tuple[str, Any]]:
        config = self.plan.config
        running: list[tuple[str, Any]] = [
            ("live", self.live.run(self.snapshot)),
            ("hand-over", hand_over(self.plan)),
            ("alarms", self.watch.run()),
            ("doubts", self.doubts.run(self.engine)),
        ]
        if self.publishing:
            running.append(("footprints", self.publishing.run(self.engine)))
        declared = _declared(self.plan)
        if config.pact and declared:
            offering = offer.run(
                config.pact, config.state, config.site, declared, self.audit, self.now_ms
            )
            running.append(("pact", offering))
        for hook in config.webhooks:
            running.append(("webhook", deliver(hook, self.book, config.site, self.now_ms)))
        if config.influxdb:
            feeding = feed(config.influxdb, config.state, config.site, random.Random())
            running.append(("influxdb", feeding))
        if self.messages:
            self.messages.told(self.book.standing())
            running.append(("broker", self.messages.run()))
        return running

    def application(self) -> FastAPI:
        """What is served. Raises ConfigError."""
        config = self.plan.config
        behind = Behind(
            engine=self.engine,
            store=self.reader,
            shelf=self.shelf,
            key=key_of(config.state),
            journal=config.place,
            live=self.live,
            view=self.view,
            events=self.events,
            alarms=self.book,
            charts=self.charts,
            doubts=self.doubts,
            forward=Forward(config.ingestor, config.site),
            audit=self.audit,
            disclosures=Log(config.state),
            now_ms=self.now_ms,
            told=self._told,
            declared=_declared(self.plan),
        )
        return app.build(behind, _guard(self.plan, self.now_ms))

    def _seen(self, site: Site, step: Step) -> None:
        self.view.see(site, step)
        if step.decoded.production is not None:
            self.events.see(step.record, step.decoded.production)
        if self.publishing:
            self.publishing.see(site, step)
        if self.messages:
            self.messages.moved(step.moved, step.gone)

    def _told(self, changed: Sequence[AlarmNow]) -> None:
        if self.messages:
            self.messages.told(changed)

    def snapshot(self) -> snapshot.Snapshot | None:
        standing = self.book.standing()
        with self.engine.lock:
            site = self.engine.site
            if site is None:
                return None
            over = self.charts.over(site)
            return snapshot.build(site, self.view, self.now_ms(), over, standing)


def _guard(plan: Plan, now_ms: Callable[[], int]) -> Guard:
    """Raises ConfigError."""
    web = plan.config.web
    if web.keys_file is None:
        return Guard()
    key = SigningKey.load_or_create(plan.config.state / "web.key")
    return keyed(web.keys_file, key, (web.requests_per_s, web.burst), now_ms)


def _declared(plan: Plan) -> Declared | None:
    """Without a door for others the company's domain stands for it."""
    declaration = plan.footprints.declaration if plan.footprints else None
    if declaration is None:
        return None
    pact = plan.config.pact
    base = pact.base if pact else f"https://{declaration.company.domain}"
    drafts = pact.drafts if pact else False
    return Declared(declaration, base, drafts, plan.config.state / offer.OFFERED)
