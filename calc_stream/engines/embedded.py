"""One site in this process: follows the journal, in its file here or over the ingestor's API.

~~~toml
[engine]
kind = "embedded"
poll_ms = 100        # how often to look for new records
commit_s = 1.0       # at most this often (and never more than a twentieth of the time) is the
                     # state written; results that became final are written as soon as that allows
~~~
"""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import msgspec

from calc_stream.ledger.store import Store
from calc_stream.site import Rules, Site, Step
from wire.errors import ConfigError, TransientError
from wire.journal import Reader, Record, Remote, open_reader

log = logging.getLogger(__name__)

_RECORDS_AT_ONCE = 100
_TURN_S = 0.1  # then whoever waits for the lock has it first: the page, the API
_BACKOFF_S = (0.2, 5.0)
_COMMIT_SHARE = 20  # a commit that took 1 s is followed by 20 s without one
_COMMIT_AGAIN_S = 5.0


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Pace of the engine; no result depends on it."""

    poll_ms: int = 100
    commit_s: float = 1.0


class Engine:
    """Takes records while there are any. `lock` is held while the site is being changed."""

    def __init__(
        self,
        journal: Path | Remote,
        rules: Rules,
        store: Store,
        settings: Settings,
        seen: Callable[[Site, Step], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.lock = threading.Lock()
        self.site: Site | None = None
        self._journal, self.rules, self._store = journal, rules, store
        self._settings, self._seen, self._monotonic = settings, seen, monotonic
        self._reader: Reader | None = None
        self._ahead: deque[Record] = deque()  # read, not taken yet
        self._next_commit_s = 0.0
        self._failing = False

    @property
    def poll_s(self) -> float:
        return self._settings.poll_ms / 1000

    def turn(self) -> int:
        """Takes what there is, at most a hundred records or a tenth of a second of them; how many.

        Raises TransientError while there is no journal, ConfigError for another one than before.
        """
        with self.lock:
            if self._reader is None:
                self._reader = open_reader(self._journal)
            if self.site is None:
                self.site = self._restore(self._reader)
            if not self._ahead:
                site, offset = self.rules.site, self.site.offset
                self._ahead.extend(self._reader.read(site, offset, _RECORDS_AT_ONCE))
            taken, until_s = 0, self._monotonic() + _TURN_S
            while self._ahead and (not taken or self._monotonic() < until_s):
                record = self._ahead[0]
                if self.site.offset and record.prev != self.site.told.chain:
                    raise self._another(self.site.offset)
                step = self.site.take(record)
                self._ahead.popleft()
                self._seen(self.site, step)
                taken += 1
            if self.site.unsaved and self._monotonic() >= self._next_commit_s:
                self._commit(self.site)
            return taken

    def close(self) -> None:
        """Commit what was taken."""
        with self.lock:
            if self.site is not None:
                self._commit(self.site)
            if self._reader is not None:
                self._reader.close()

    def _restore(self, reader: Reader) -> Site:
        name = self.rules.site
        site = Site(self.rules, self._store, lambda: reader.walk(name))
        last = reader.read(name, site.offset - 1, 1) if site.offset else []
        if site.offset and (not last or last[0].chain != site.told.chain):
            raise self._another(site.offset)
        kinds = ("model", "factor", "correction")
        site.remember(*(reader.of_kind(name, kind) for kind in kinds))
        log.info("site %s: journal %s from offset %d on", name, self._journal, site.offset)
        return site

    def _another(self, offset: int) -> ConfigError:
        """A journal that was set back or exchanged; nothing of it has been taken."""
        return ConfigError(
            f"{self._journal}: is not the journal this ledger was made from (they part at or "
            f"before offset {offset}); give an empty state directory"
        )

    def _commit(self, site: Site) -> None:
        """May fail or wait: after a kill everything since the last one comes from the journal."""
        began_s = self._monotonic()
        try:
            site.commit()
        except TransientError as exc:
            if not self._failing:
                log.error("%s; going on, results wait for accounting", exc)
            self._failing, self._next_commit_s = True, began_s + _COMMIT_AGAIN_S
            return
        if self._failing:
            log.info("the ledger is written again")
        took_s = self._monotonic() - began_s
        self._failing = False
        self._next_commit_s = began_s + max(self._settings.commit_s, _COMMIT_SHARE * took_s)


async def run(engine: Engine, stop: asyncio.Event, moved: Callable[[], None]) -> None:
    """Follow until `stop`; `moved` is called after every turn that took something."""
    ceiling_s = _BACKOFF_S[0]
    while not stop.is_set():
        try:
            taken = await asyncio.to_thread(engine.turn)
            ceiling_s = _BACKOFF_S[0]
            pause_s = 0.0 if taken else engine.poll_s
        except TransientError as exc:
            if ceiling_s == _BACKOFF_S[0]:
                log.warning("%s; trying again", exc)
            taken, pause_s = 0, exc.retry_after_s or ceiling_s
            ceiling_s = min(ceiling_s * 2, _BACKOFF_S[1])
        if taken:
            moved()
        try:
            await asyncio.wait_for(stop.wait(), pause_s)
        except TimeoutError:
            continue
    await asyncio.to_thread(engine.close)
