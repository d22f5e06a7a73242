"""The live stream: a snapshot for whoever comes new, then what changed since the event before.

An event's id is the journal offset it shows and its number in this process, `4711-0193abcd-27`. Who
comes back and says it gets the changes after it, as long as they are kept here. After a restart, or
later, there is a snapshot instead, which holds all that was missed; but never one from before the
offset that was seen already: until the engine is there again, the stream waits. There is no queue to
fill: a reader that is too slow finds a snapshot where the changes are gone.
"""

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import msgspec

from calc_stream.web.change import change_between
from calc_stream.web.snapshot import Snapshot

LEAST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 5.0
KEPT_MS = 120_000
CATCH_UP_S = 30.0
_ID = re.compile(r"(\d{1,18})-([0-9a-f]{8})-(\d{1,18})")


@dataclass(frozen=True)
class _Event:
    """One step from a snapshot to the next, as JSON."""

    number: int
    offset: int
    now_ms: int
    change: bytes


class Live:
    """The newest snapshot, the changes that led to it, and those who wait for the next.

    `boot`: eight hexadecimal digits that no other process has.
    """

    def __init__(self, boot: str = "00000000") -> None:
        self.newest: Snapshot | None = None
        self._boot = boot
        self._number = 0
        self._whole: bytes | None = None
        self._changes: deque[_Event] = deque()
        self._fresh = asyncio.Event()
        self._moved = asyncio.Event()
        self._closed = False

    def moved(self) -> None:
        """Something changed: a new snapshot is due."""
        self._moved.set()

    def publish(self, snapshot: Snapshot, change: bytes | None = None) -> None:
        """`change`: from the newest one to this."""
        self._number += 1
        if change is None:
            self._changes.clear()
        else:
            event = _Event(self._number, snapshot.offset, snapshot.now_ms, change)
            self._changes.append(event)
            while self._changes[0].now_ms < snapshot.now_ms - KEPT_MS:
                self._changes.popleft()
        self.newest, self._whole = snapshot, None
        self._wake()

    def close(self) -> None:
        """End every stream."""
        self._closed = True
        self._moved.set()
        self._wake()

    async def run(self, build: Callable[[], Snapshot | None]) -> None:
        """Publish until closed. `build` is called off the loop."""
        while not self._closed:
            self._moved.clear()
            made = await asyncio.to_thread(_stepped, self.newest, build)
            if made is not None:
                self.publish(*made)
            await asyncio.sleep(LEAST_PAUSE_S)
            try:
                await asyncio.wait_for(self._moved.wait(), LONGEST_PAUSE_S - LEAST_PAUSE_S)
            except TimeoutError:
                continue

    def whole(self) -> bytes | None:
        """The newest snapshot as JSON, made once for all who ask."""
        if self._whole is None and self.newest is not None:
            self._whole = msgspec.json.encode(self.newest)
        return self._whole

    async def follow(self, last_id: str = "") -> AsyncIterator[bytes]:
        """Server-sent events. `last_id`: of the last one this reader saw."""
        yield b"retry: 1000\n\n"
        seen = await self._resume(last_id)
        while not self._closed:
            fresh = self._fresh
            changes = self._after(seen)
            if changes is None:
                seen, whole = self._number, self.whole()
                if whole is not None and self.newest is not None:
                    yield self._event("snapshot", self.newest.offset, seen, whole)
            elif changes:
                for event in changes:
                    yield self._event("change", event.offset, event.number, event.change)
                seen = changes[-1].number
            else:
                await fresh.wait()

    async def _resume(self, last_id: str) -> int:
        """The number this reader stands at; -1 for one that needs a snapshot."""
        told = _ID.fullmatch(last_id)
        if told is None:
            return -1
        if told[2] == self._boot and int(told[3]) <= self._number:
            return int(told[3])
        try:
            await asyncio.wait_for(self._reach(int(told[1])), CATCH_UP_S)
        except TimeoutError:
            return -1  # of another journal: what is known here is all there is
        return -1

    async def _reach(self, offset: int) -> None:
        while not self._closed and (self.newest is None or self.newest.offset < offset):
            await self._fresh.wait()

    def _after(self, number: int) -> list[_Event] | None:
        """The changes behind this number; None where a snapshot is needed."""
        if number == self._number and number:
            return []
        if number < 0 or not self._changes or self._changes[0].number > number + 1:
            return None if self.newest is not None else []
        return [event for event in self._changes if event.number > number]

    def _event(self, name: str, offset: int, number: int, data: bytes) -> bytes:
        identity = f"{offset}-{self._boot}-{number}"
        return f"id: {identity}\nevent: {name}\ndata: ".encode() + data + b"\n\n"

    def _wake(self) -> None:
        waiting, self._fresh = self._fresh, asyncio.Event()
        waiting.set()


def _stepped(
    newest: Snapshot | None, build: Callable[[], Snapshot | None]
) -> tuple[Snapshot, bytes | None] | None:
    snapshot = build()
    if snapshot is None:
        return None
    if newest is None:
        return snapshot, None
    return snapshot, msgspec.json.encode(change_between(newest, snapshot))
