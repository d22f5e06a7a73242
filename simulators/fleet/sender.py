"""One gateway's way out, as an agent has it: everything is kept and sent again until signed for.

A receipt counts only if it carries the pinned key's signature and names this gateway's own hash at
the number it signs for.
"""

import asyncio
import base64
import binascii
import logging
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

import msgspec

from simulators.fleet.gateway import Gateway, Sealed
from simulators.fleet.tally import Tally
from wire.errors import BadData, TransientError
from wire.messages import Receipt, ResendRequest
from wire.mqtt import Broker, Client
from wire.signing import PublicKey
from wire.topics import GatewayTopic

log = logging.getLogger(__name__)

_RECEIPT_DEADLINE_S = 15.0  # without any, what was sent is sent again
_LOOK_S = 1.0


class Due(NamedTuple):
    """A segment to be sealed: its phase, its instants, and how late it is already."""

    phase: str
    instants: Sequence[int]
    late_s: float = 0.0


Plan = AsyncIterator[Due]


class Sender:
    """Sends what `gateway` seals, at most `window` segments ahead of the receipts.

    `heavy`: of all gateways' big segments one is sealed at a time, so that the rest goes on.
    """

    def __init__(
        self,
        gateway: Gateway,
        broker: Broker,
        receipt_key: PublicKey,
        window: int,
        tally: Tally,
        heavy: asyncio.Lock,
    ) -> None:
        self._gateway, self._receipt_key, self._tally = gateway, receipt_key, tally
        self._window, self._heavy = window, heavy
        self._topics = {
            kind: str(GatewayTopic(gateway.site, gateway.name, kind))
            for kind in ("seg", "rcpt", "req")
        }
        listen = (self._topics["rcpt"], self._topics["req"])
        self._client = Client(broker, f"{gateway.site}.{gateway.name}", subscribe=listen)
        self._waiting: dict[int, Sealed] = {}  # by number, from the first without a receipt
        self._receipted = 0
        self._next = 1
        self._furthest = 0
        self._progress_s = 0.0
        self._changed = asyncio.Event()

    async def run(self, plan: Plan, patience_s: float) -> None:
        """Seal and send the plan; ends when all is signed for, or `patience_s` after the last sign."""
        loop = asyncio.get_running_loop()
        async with self._client.running():
            tasks = [loop.create_task(self._listen()), loop.create_task(self._publish())]
            try:
                async for due in plan:
                    await self._room()
                    if due.phase == "backlog":
                        async with self._heavy:
                            self._seal(due)
                            await asyncio.sleep(0)
                    else:
                        self._seal(due)
                ended_s = loop.time()
                while self._waiting and loop.time() - max(ended_s, self._progress_s) < patience_s:
                    await self._wait()
            finally:
                self._tally.lost += len(self._waiting)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    def _seal(self, due: Due) -> None:
        now_s = asyncio.get_running_loop().time()
        sealed = self._gateway.seal(due.instants, due.phase, now_s)
        if not self._waiting:
            self._progress_s = now_s  # nobody was waited for until now
        self._waiting[sealed.seq] = sealed
        self._tally.note_sealed(sealed, due.late_s)
        self._changed.set()

    async def _room(self) -> None:
        while len(self._waiting) >= self._window:
            await self._wait()

    async def _publish(self) -> None:
        loop, epoch, offered_s = asyncio.get_running_loop(), 0, 0.0
        while True:
            await self._client.connected.wait()
            is_quiet = loop.time() - max(offered_s, self._progress_s) > _RECEIPT_DEADLINE_S
            if epoch != self._client.epoch or (is_quiet and self._waiting):
                epoch, offered_s = self._client.epoch, loop.time()
                self._next = self._receipted + 1
            sealed = self._waiting.get(self._next)
            if sealed is None:
                await self._wait()
                continue
            try:
                await self._client.publish(self._topics["seg"], sealed.data)
            except TransientError:
                continue  # the link is gone; on the next one everything is offered again
            self._tally.resent += sealed.seq <= self._furthest
            self._furthest = max(self._furthest, sealed.seq)
            self._next = max(self._next, sealed.seq + 1)

    async def _listen(self) -> None:
        async for message in self._client.messages():
            try:
                if message.topic == self._topics["rcpt"]:
                    self._take(msgspec.json.decode(message.payload, type=Receipt))
                else:
                    asked = msgspec.json.decode(message.payload, type=ResendRequest)
                    if asked.stream == self._gateway.stream:
                        self._next = min(self._next, max(asked.from_, self._receipted + 1))
            except (BadData, msgspec.DecodeError) as exc:
                log.error("%s: refused a message: %s", message.topic, exc)
            message.ack()
            self._changed.set()

    def _take(self, receipt: Receipt) -> None:
        """Raises BadData unless the receipt is signed and agrees with our own chain."""
        if receipt.stream != self._gateway.stream or receipt.upto <= self._receipted:
            return  # of an earlier run, or an old one
        _check(receipt, self._receipt_key)
        own = self._gateway.hashes
        if receipt.upto >= len(own) or own[receipt.upto] != receipt.head:
            raise BadData(f"the receipt's hash at {receipt.upto} is not ours")
        now_s = asyncio.get_running_loop().time()
        refused = {refusal.seq: refusal.reason for refusal in receipt.refused}
        for seq in range(self._receipted + 1, receipt.upto + 1):
            sealed = self._waiting.pop(seq)
            if seq in refused:
                self._tally.refused.append(refused[seq])
            else:
                self._tally.note_receipted(sealed, now_s)
        self._receipted, self._progress_s = receipt.upto, now_s
        self._next = max(self._next, receipt.upto + 1)

    async def _wait(self) -> None:
        """Until something has changed, but not for long."""
        self._changed.clear()
        try:
            async with asyncio.timeout(_LOOK_S):
                await self._changed.wait()
        except TimeoutError:
            return


def _check(receipt: Receipt, key: PublicKey) -> None:
    if receipt.key != key.id:
        raise BadData(f"receipt is signed by key {receipt.key}; the pinned key is {key.id}")
    unsigned = msgspec.json.encode(msgspec.structs.replace(receipt, sig=""))
    try:
        key.verify(base64.b64decode(receipt.sig, validate=True), unsigned)
    except binascii.Error as exc:
        raise BadData(f"receipt signature is not base64: {exc}") from exc
