"""One request at a time on a serial port or a TCP connection: the ground every driver stands on.

A driver's codec says what an answer is; whose turn it is, how long to wait, what to do with bytes
that come too late and when to try a lost link again is decided here, once. User space cannot
measure the silence between frames, so an answer is found by its content (`Find`), and without a
transaction number a late one would pass for the next: after any failure the line is let go by for
one more timeout; where no late one came the last time, by that meter alone.
"""

import asyncio
import termios
from collections import deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

from edge_agent import failures
from edge_agent.link import Find, Link, LinkLost, Settings
from wire.errors import TransientError

__all__ = ["Find", "Line", "LinkLost", "NoAnswer", "Settings", "Tally"]

T = TypeVar("T")

_BACK_OFF_S, _BACK_OFF_MAX_S = 0.5, 30.0
# What a port says that is not there, or cannot be set that way: a speed its adapter has not.
_UNSETTABLE = (OSError, termios.error, ValueError, OverflowError)
_MUTE_LIMIT = 3  # unanswered requests in a row after which a TCP connection is taken for dead


class NoAnswer(TransientError):
    """The link is up, but the meter gave no valid answer in time.

    `silent`: nothing came; `echo`: what was sent came back; `garbled`: bytes came besides, but no
    answer among them.
    """

    def __init__(
        self, message: str, *, silent: bool = False, echo: bool = False, garbled: bool = False
    ) -> None:
        super().__init__(message)
        self.silent, self.echo, self.garbled = silent, echo, garbled


@dataclass
class Tally:
    """How one meter behaves on its line, since the start.

    `silent`: nothing came. `garbled`: bytes came, but no valid answer among them. `stray`: bytes
    came when nobody had asked, a late answer or noise. `dead`: neither an answer nor a late one came
    last time. `times_s`: of the last answers.
    """

    asked: int = 0
    answered: int = 0
    silent: int = 0
    garbled: int = 0
    stray: int = 0
    dead: bool = False
    times_s: deque[float] = field(default_factory=lambda: deque(maxlen=256))


class Line:
    """One line, opened by the first request and reopened by later ones, no sooner than it may.

    `silence_s`: kept before each request; `numbered`: answers carry the number of their request,
    so that a late one cannot be mistaken; `anonymous`: they do not even say whose they are.
    """

    def __init__(
        self,
        settings: Settings,
        random: Random,
        *,
        silence_s: float,
        numbered: bool = False,
        anonymous: bool = False,
    ) -> None:
        self._settings = settings
        self._random = random
        self._silence_s = silence_s
        self._numbered, self._anonymous = numbered, anonymous
        self._loop = asyncio.get_running_loop()
        self._lock = asyncio.Lock()
        self._link: Link | None = None
        self._failures = 0  # links lost or refused since the last good answer
        self._mute = 0  # requests without an answer since then
        self._retry_at = 0.0
        self._clear_at = 0.0  # when the line is silent enough for the next request
        self._last_of: dict[Hashable, float] = {}  # unit -> end of its last turn and late answers
        self._unit: Hashable = None  # whose turn it is
        self._asked = Tally()  # of the meter asked last

    @asynccontextmanager
    async def turn(self, unit: Hashable, rest_ms: int = 0) -> AsyncIterator[None]:
        """The line for one meter alone, not sooner than `rest_ms` after its own last turn."""
        await self._until(self._last_of.get(unit, 0.0) + rest_ms / 1000)
        async with self._lock:
            self._unit = unit
            try:
                yield
            finally:
                self._last_of[unit] = max(self._last_of.get(unit, 0.0), self._loop.time())

    async def ask(
        self,
        frame: bytes,
        find: Find[T],
        most: int,
        tally: Tally,
        who: str,
        *,
        probe_ms: int | None = None,
        pause_s: float | None = None,
    ) -> T:
        """Send `frame` and wait for the answer `find` accepts, of `most` bytes. Within a turn.

        `who`: who is asked for what, for messages. `probe_ms`: of a search, which is not patient for
        longer, and lets no late answer go by: `find` knows whose it is. `pause_s`: of an answer
        whose length nobody knows, the longest pause in it. A cancelled caller's answer counts as
        late. Raises NoAnswer or LinkLost.
        """
        link = await self._open()
        await self._until(max(self._clear_at, self._last_of.get(self._unit, 0.0)))
        await self._silent(link)
        if link.stray:
            link.stray = self._asked.dead = False
            self._asked.stray += 1
        before, self._asked = self._asked, tally
        timeout_ms = min(self._settings.timeout_ms, probe_ms or self._settings.timeout_ms)
        patience_s = timeout_ms / 1000
        if not self._numbered:
            patience_s += (len(frame) + most) * self._settings.character_s
        began = self._loop.time()
        drain_s = max(patience_s, pause_s or 0.0)
        tally.asked += 1
        try:
            async with asyncio.timeout(patience_s) as patience:
                answer = await link.ask(frame, _longer(find, patience, pause_s))
            drain_s = 0.0
        except TimeoutError:
            self._mute += 1
            if self._mute >= _MUTE_LIMIT and self._settings.host:
                self.drop()
            if link.heard:
                tally.garbled += 1
                before.dead = False  # its late answer may be what was heard
            else:
                tally.silent += 1
            echo = frame in link.heard
            garbled = bool(link.heard.replace(frame, b"", 1))
            said = failures.account(link.heard, frame, timeout_ms, numbered=self._numbered)
            raise NoAnswer(
                f"{who}: {said}", silent=not link.heard, echo=echo, garbled=garbled
            ) from None
        except LinkLost as exc:
            self.drop()
            raise self._lost(f"{self._settings.place}: {exc}") from exc
        finally:
            # Without transaction numbers a late answer passes for the next one: let it go by. Its
            # neighbours need not wait where none came last time.
            drain_s = 0.0 if probe_ms or self._numbered else drain_s
            neighbours_s = 0.0 if tally.dead and not self._anonymous else drain_s
            now = self._loop.time()
            self._last_of[self._unit] = now + drain_s
            self._clear_at = now + max(self._silence_s, neighbours_s)
            tally.dead = drain_s > 0
            link.forget()
        tally.answered += 1
        tally.times_s.append(self._loop.time() - began)
        self._failures = self._mute = 0
        return answer

    async def tell(self, frame: bytes) -> None:
        """Send what nobody answers, and wait until it has left. Within a turn. Raises LinkLost."""
        link = await self._open()
        await self._until(self._clear_at)
        link.send(frame)
        on_wire_s = len(frame) * self._settings.character_s
        self._clear_at = self._loop.time() + on_wire_s + self._silence_s
        await self._until(self._clear_at)

    async def set_speed(self, baud: int) -> None:
        """Go on at another speed; the next opening begins at the configured one again.

        Raises LinkLost.
        """
        link = await self._open()
        try:
            link.set_speed(baud)
        except _UNSETTABLE as exc:
            self.drop()
            raise self._cannot_open(exc) from exc

    def drop(self) -> None:
        """Close the link; the next request opens it again."""
        if self._link is not None:
            self._link.close()
        self._link = None

    async def _open(self) -> Link:
        if self._link is not None and self._link.is_active():
            return self._link
        place = self._settings.place
        wait_s = self._retry_at - self._loop.time()
        if wait_s > 0:
            raise LinkLost(f"{place} is down, next attempt in {wait_s:.1f} s", wait_s)
        link = Link(self._settings)
        try:
            async with asyncio.timeout(self._settings.timeout_ms / 1000):
                await link.open()
        except TimeoutError as exc:
            link.close()
            patience = f"{self._settings.timeout_ms} ms"
            raise self._lost(
                f"{place} cannot be reached in time: nothing came back in {patience};"
                " is the address right, the meter powered, a firewall between?"
            ) from exc
        except _UNSETTABLE as exc:
            raise self._cannot_open(exc) from exc
        self._link = link
        return link

    def _cannot_open(self, exc: Exception) -> LinkLost:
        return self._lost(f"{self._settings.place} cannot be opened: {failures.why(exc)}")

    def _lost(self, message: str) -> LinkLost:
        """The error of a link that failed once more; full jitter keeps many buses apart."""
        self._failures += 1
        highest_s = min(_BACK_OFF_MAX_S, _BACK_OFF_S * 2 ** min(self._failures, 10))
        wait_s = self._random.uniform(0, highest_s)
        self._retry_at = self._loop.time() + wait_s
        return LinkLost(message, wait_s)

    async def _silent(self, link: Link) -> None:
        """Wait while somebody still talks, as a meter that answers twice; not for ever."""
        if self._numbered:
            return
        latest = self._loop.time() + self._settings.timeout_ms / 1000
        while self._loop.time() < (clear_at := min(link.heard_at + self._silence_s, latest)):
            await self._until(clear_at)

    async def _until(self, moment: float) -> None:
        while (wait_s := moment - self._loop.time()) > 0:
            await asyncio.sleep(wait_s)


def _longer(find: Find[T], patience: asyncio.Timeout, pause_s: float | None) -> Find[T]:
    """`find`, which puts the end of `patience` off by every byte it is given."""
    if pause_s is None:
        return find
    loop, pause = asyncio.get_running_loop(), pause_s

    def heard(data: bytes) -> tuple[T | None, int]:
        if not patience.expired():
            patience.reschedule(loop.time() + pause)
        return find(data)

    return heard
