"""The live stream: whoever listens gets the newest snapshot, now and at every change.

There is no queue to fill: a reader that is slow finds, when it comes back, the newest snapshot
and not those it missed. A reader that reconnects is in the same place, whatever its Last-Event-ID.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

import msgspec

from calc_stream.web.snapshot import Snapshot

LEAST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 5.0


class Live:
    """The newest snapshot, as JSON, and those who wait for the next."""

    def __init__(self) -> None:
        self.newest: bytes | None = None
        self.offset = 0
        self._fresh = asyncio.Event()
        self._moved = asyncio.Event()
        self._closed = False

    def moved(self) -> None:
        """Something changed: a new snapshot is due."""
        self._moved.set()

    def publish(self, snapshot: Snapshot) -> None:
        self.newest, self.offset = msgspec.json.encode(snapshot), snapshot.offset
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
            snapshot = await asyncio.to_thread(build)
            if snapshot is not None:
                self.publish(snapshot)
            await asyncio.sleep(LEAST_PAUSE_S)
            try:
                await asyncio.wait_for(self._moved.wait(), LONGEST_PAUSE_S - LEAST_PAUSE_S)
            except TimeoutError:
                continue

    async def follow(self) -> AsyncIterator[bytes]:
        """Server-sent events, from the newest snapshot on."""
        yield b"retry: 1000\n\n"
        sent: bytes | None = None
        while not self._closed:
            fresh = self._fresh
            if self.newest is not None and self.newest is not sent:
                sent = self.newest
                yield b"id: %d\nevent: snapshot\ndata: %s\n\n" % (self.offset, sent)
            else:
                await fresh.wait()

    def _wake(self) -> None:
        waiting, self._fresh = self._fresh, asyncio.Event()
        waiting.set()
