"""Publishes product factors while the calculator runs, when nobody waits.

What may be due is told by what the engine has just seen; what is due is judged from the disk.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from calc_stream.engines.embedded import Engine
from calc_stream.footprints.astray import astray
from calc_stream.footprints.due import Key, due
from calc_stream.footprints.period import Period, period_at
from calc_stream.footprints.shelf import Shelf, open_shelf
from calc_stream.ledger.store import open_store
from calc_stream.publishing import Publisher, Terms, standing_of, told_ms
from calc_stream.site import Site, Step
from wire.errors import ConfigError, TransientError
from wire.journal import Remote, open_reader

log = logging.getLogger(__name__)

_PAUSE_S = 0.5
_SHARE = 5  # a look that took 1 s is followed by 5 s without one
_AGAIN_S = 5.0


class Publishing:
    """`see` every step, `run` beside the engine."""

    def __init__(
        self, terms: Terms, state: Path, journal: Path | Remote, now_ms: Callable[[], int]
    ) -> None:
        self._terms, self._state, self._journal, self._now_ms = terms, state, journal, now_ms
        self._refused: set[Key] = set()
        self._said: set[str] = set()
        self._running: Period | None = None  # by what all have told
        self._stirred: int | None = 0  # the offset at which something may have become due

    def see(self, site: Site, step: Step) -> None:
        """Whether a figure was stated, or a period is over by what all have told."""
        state = site.state
        upto_ms = max(told_ms(self._terms, state, site.told), 0)
        is_another = self._running is None or not self._running.holds(upto_ms)
        if is_another and state.versions is not None:
            zone = state.versions.reigns[-1].model.timezone
            self._running = period_at(upto_ms, self._terms.rules.every, zone)
            self._stirred = site.offset
        if step.made or step.gone:
            self._stirred = site.offset

    async def run(self, engine: Engine) -> None:
        """Until cancelled."""
        failing = False
        while True:
            pause_s = _PAUSE_S
            if self._is_committed(engine):
                stirred, began_s = self._stirred, time.monotonic()
                try:
                    await asyncio.to_thread(self._look, engine)
                    pause_s = max(_PAUSE_S, _SHARE * (time.monotonic() - began_s))
                    failing = False
                    if self._stirred == stirred:
                        self._stirred = None
                except (TransientError, ConfigError) as exc:  # metering goes on without
                    if not failing:
                        log.warning("footprints: %s; trying again", exc)
                    failing, pause_s = True, _AGAIN_S
            await asyncio.sleep(pause_s)

    def _is_committed(self, engine: Engine) -> bool:
        """Whether something may be due, and all of it is on disk."""
        site = engine.site
        return self._stirred is not None and site is not None and site.committed >= self._stirred

    def _look(self, engine: Engine) -> None:
        with closing(open_shelf(self._state)) as shelf:
            if not self._may_be_due(engine, shelf):
                return
            with (
                closing(open_store(self._state)) as store,
                closing(open_reader(self._journal)) as reader,
            ):
                its = Publisher(store, shelf, reader, self._terms, self._now_ms, self._refused)
                its.look()

    def _may_be_due(self, engine: Engine, shelf: Shelf) -> bool:
        """By what is in memory: the state on disk is long to read."""
        with engine.lock:
            site = engine.site
            if site is None:
                return False
            book = site.book
            rows, latest = list(book.rows.values()), list(book.latest.values())
            standing = standing_of(self._terms, site.state, site.told, rows, latest)
        if standing is None:
            return False
        newest = shelf.newest(self._terms.site)
        withdrawn = shelf.withdrawn(self._terms.site)
        for line in astray(standing, newest, withdrawn, self._terms.rules):
            if line not in self._said:
                log.warning("footprints: %s", line)
                self._said.add(line)
        found = due(standing, newest, self._terms.rules)
        return any(each.key not in self._refused for each in found)
