"""Arrivals of both kinds, in groups, to the journal; then the acknowledgements and the receipts.

While one group is being written the next one gathers: a fast disk answers each message at once, a
slow one gets bigger groups. Nothing is acknowledged or answered before its group is on disk.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from ingestor.intake import Intake, Packet, Placed, Post, Taken
from ingestor.receipts import Saying
from ingestor.source import Source
from wire.errors import BadData, TransientError
from wire.messages import EventReceipt, Heartbeat
from wire.mqtt import Message

log = logging.getLogger(__name__)

T = TypeVar("T")

GATHER_S = 0.005
MOST_IN_GROUP = 500
MOST_BYTES_IN_GROUP = 32 * 1024 * 1024
_RETRY_S = (0.5, 30.0)
_FLUSH_S = 3.0
_CHECKPOINT_EVERY_S = 60.0


@dataclass(frozen=True)
class _Waiting:
    """An arrival and whoever waits for it: the broker, or a caller of the API."""

    arrival: Packet | Post
    by: "Message | asyncio.Future[list[Placed]]"


class Pipeline:
    """One way in, whatever the door. `committed` is called after each group, on the loop."""

    def __init__(
        self,
        intake: Intake,
        source: Source,
        journal_thread: Executor,
        committed: Callable[[], None],
        checkpoint: Callable[[], None],
    ) -> None:
        self._intake = intake
        self._source = source
        self._thread = journal_thread
        self._committed = committed
        self._checkpoint = checkpoint
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue()
        self._closing = False

    async def submit(self, post: Post) -> list[Placed]:
        """Journal documents from the API. Raises BadData, or TransientError if the disk fails."""
        if self._closing:
            raise TransientError("the ingestor is stopping", retry_after_s=2)
        done: asyncio.Future[list[Placed]] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait(_Waiting(post, done))
        return await done

    async def beat(self, site: str, told: Heartbeat) -> EventReceipt:
        """A sender of the API is alive; what has come of it. Raises BadData or TransientError."""
        return await self._on_thread(lambda: self._intake.beat(site, told))

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop`; then finish what is in hand and say so."""
        async with asyncio.TaskGroup() as tasks:
            link = tasks.create_task(self._source.run(), name="mqtt")
            others = [
                tasks.create_task(self._receive(), name="receive"),
                tasks.create_task(self._greet(), name="greet"),
                tasks.create_task(self._keep_checkpoints(), name="checkpoint"),
            ]
            writing = tasks.create_task(self._write(), name="write")
            await stop.wait()
            self._closing = True
            for task in others:
                task.cancel()
            with suppress(TimeoutError):
                async with asyncio.timeout(_FLUSH_S):
                    await self._queue.join()
            writing.cancel()
            await self._source.flush(_FLUSH_S)
            await self._on_thread(self._checkpoint)
            link.cancel()

    async def _receive(self) -> None:
        async for message in self._source.deliveries():
            packet = Packet(message.topic, message.payload)
            self._queue.put_nowait(_Waiting(packet, message))

    async def _write(self) -> None:
        pause_s = _RETRY_S[0]
        group: list[_Waiting] = []
        while True:
            if not group:
                group = [await self._queue.get()]
                await asyncio.sleep(GATHER_S)
                self._gather(group)
            taken = await self._take(group)
            if taken is not None:
                pause_s = _RETRY_S[0]
                self._answer(group, taken)
                group = []
            else:
                group = self._only_patient(group)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _RETRY_S[1])

    def _gather(self, group: list[_Waiting]) -> None:
        size = 0
        while len(group) < MOST_IN_GROUP and size < MOST_BYTES_IN_GROUP:
            try:
                waiting = self._queue.get_nowait()
            except asyncio.QueueEmpty:
                return
            group.append(waiting)
            if isinstance(waiting.arrival, Packet):
                size += len(waiting.arrival.data)

    async def _take(self, group: list[_Waiting]) -> Taken | None:
        arrivals = [waiting.arrival for waiting in group]
        try:
            return await self._on_thread(lambda: self._intake.take(arrivals))
        except TransientError as exc:
            log.error("%s; nothing is acknowledged until it can be written", exc)
            return None

    def _answer(self, group: list[_Waiting], taken: Taken) -> None:
        for waiting, result in zip(group, taken.results, strict=True):
            if isinstance(waiting.by, Message):
                waiting.by.ack()
            elif not waiting.by.done():
                if isinstance(result, BadData):
                    waiting.by.set_exception(result)
                else:
                    waiting.by.set_result(result)
            self._queue.task_done()
        self._source.say(taken.sayings)
        self._committed()

    def _only_patient(self, group: list[_Waiting]) -> list[_Waiting]:
        """The broker keeps its messages and waits; a caller of the API is told to come again."""
        patient = []
        for waiting in group:
            if isinstance(waiting.by, Message):
                patient.append(waiting)
                continue
            if not waiting.by.done():
                problem = TransientError("the journal cannot be written now", retry_after_s=5)
                waiting.by.set_exception(problem)
            self._queue.task_done()
        return patient

    async def _greet(self) -> None:
        """At every connection say every current receipt: the broker may have lost them."""
        epoch = 0
        while True:
            await self._source.connected.wait()
            if epoch != self._source.epoch:
                epoch = self._source.epoch
                greetings: list[Saying] = await self._on_thread(self._intake.greetings)
                self._source.say(greetings)
            await asyncio.sleep(0.2)

    async def _keep_checkpoints(self) -> None:
        while True:
            await asyncio.sleep(_CHECKPOINT_EVERY_S)
            await self._on_thread(self._checkpoint)

    async def _on_thread(self, work: Callable[[], T]) -> T:
        call = asyncio.get_running_loop().run_in_executor(self._thread, work)
        return await asyncio.shield(call)
