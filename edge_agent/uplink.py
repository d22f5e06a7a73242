"""Hands sealed segments to the broker until a signed receipt covers them.

Nothing is deleted because it was published: a broker acknowledges what it then loses. The receipt
must carry the ingestor's signature, made with the key pinned at enrolment, and name this agent's
own hash at the number it signs for; anything else deletes nothing.
"""

import asyncio
import base64
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from edge_agent.clock import Clock
from edge_agent.store import MOST_BYTES, MOST_NUMBERED, Disk, Sealed, Store
from wire import mqtt
from wire.errors import BadData, TransientError
from wire.messages import GatewayState, Receipt, ResendRequest
from wire.signing import PublicKey
from wire.topics import GatewayTopic, client_id

log = logging.getLogger(__name__)

# Published but not receipted for this long: the broker lost it, or the receipt. Offer it again, and
# if that does not help less and less often: somebody may be away for a week.
RECEIPT_DEADLINE_S = (15.0, 600.0)
WINDOW = 256  # segments of a stream that wait for a receipt at the same time
PROBE = 8  # of them offered again while no receipt comes
_NUMBERED_AT_ONCE = 8  # of the backlog; then what was sealed meanwhile has its turn
MOST_RESENT = 1000  # for one request
_LOOK_S = 5.0
_AROUND_BYTES = 1024  # of a message, around its payload
_MOST_NUMBER = 2**63  # SQLite's integers end there


@dataclass
class Offer:
    """How far one stream has been offered since the link stands. Pure; seconds of any clock."""

    receipted: int
    since_s: float
    sent: int = 0
    pause_s: float = RECEIPT_DEADLINE_S[0]

    def __post_init__(self) -> None:
        self.sent = max(self.sent, self.receipted)

    @property
    def room(self) -> int:
        """How many more may be offered now."""
        window = WINDOW if self.pause_s == RECEIPT_DEADLINE_S[0] else PROBE
        return max(0, window - (self.sent - self.receipted))

    def look(self, receipted: int, now_s: float) -> None:
        """Note what has been receipted; after the pause without anything, begin again there."""
        if receipted > self.receipted or self.sent == self.receipted:
            self.receipted, self.since_s = receipted, now_s
            self.sent = max(self.sent, receipted)
            self.pause_s = RECEIPT_DEADLINE_S[0]
        elif now_s - self.since_s > self.pause_s:
            self.sent, self.since_s = self.receipted, now_s
            self.pause_s = min(2 * self.pause_s, RECEIPT_DEADLINE_S[1])


class Uplink:
    """One gateway's way out. `sealed` is set by whoever seals a new segment."""

    def __init__(
        self,
        broker: mqtt.Broker,
        site: str,
        gateway: str,
        store: Store,
        disk: Disk,
        receipt_keys: Sequence[PublicKey],
        clock: Clock,
    ) -> None:
        self.sealed = asyncio.Event()
        self.receipts = 0
        self._site = site
        self._gateway = gateway
        self._store = store
        self._disk = disk
        self.trust(receipt_keys)
        self._clock = clock
        self._offers: dict[str, Offer] = {}
        self._forked: set[str] = set()
        self._has_room = True
        offline = GatewayState(gateway, online=False, t_ms=0)
        self._mqtt = mqtt.Client(
            broker,
            client_id=client_id(site, gateway),
            subscribe=[self._topic("rcpt"), self._topic("req")],
            will=(self._topic("state"), msgspec.json.encode(offline)),
        )

    @property
    def connected(self) -> bool:
        return self._mqtt.connected.is_set()

    @property
    def problem(self) -> str:
        """Why there is no link, or what it does not let through; empty where all is well."""
        most = self._mqtt.granted.get("MaximumPacketSize", 2 * MOST_BYTES)
        if self._mqtt.problem or most > MOST_BYTES + _AROUND_BYTES:
            return self._mqtt.problem
        what = f"it takes no message over {most} bytes, and after an outage segments have more"
        return f"{what}: set its max_packet_size to {2 * MOST_BYTES} at least"

    @property
    def flowing(self) -> bool:
        """Whether somebody signs for what is sent."""
        return self.connected and self._has_room

    @property
    def connections(self) -> int:
        """How many there have been."""
        return self._mqtt.epoch

    def trust(self, receipt_keys: Sequence[PublicKey]) -> None:
        """From now on these keys' receipts count."""
        self._receipt_keys = {key.id: key for key in receipt_keys}

    async def run(self) -> None:
        """Serve until cancelled."""
        async with self._mqtt.running(), asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen(), name="uplink-listen")
            tasks.create_task(self._send(), name="uplink-send")

    async def publish_state(self, meters: dict[str, str], online: bool = True) -> None:
        """Birth and health, retained. Does nothing while there is no link."""
        try:
            state = await self._disk(self._store.current)
        except TransientError:
            return
        message = GatewayState(
            self._gateway,
            online,
            self._clock.now_ms(),
            state.stream,
            state.last_seq,
            state.receipted,
            meters,
        )
        try:
            await self._mqtt.publish(
                self._topic("state"), msgspec.json.encode(message), retain=True
            )
        except TransientError:
            log.debug("health not published: no link")

    async def _send(self) -> None:
        loop = asyncio.get_running_loop()
        epoch = 0
        while True:
            await self._mqtt.connected.wait()
            if epoch != self._mqtt.epoch:
                epoch = self._mqtt.epoch
                self._offers.clear()
            self.sealed.clear()
            try:
                waiting = await self._disk(self._due, loop.time())
            except TransientError as exc:
                log.error("%s; what waits stays there", exc)
                waiting = []
            if waiting:
                await self._publish(waiting)
            else:
                await _wait(self.sealed, _LOOK_S)

    def _due(self, now_s: float) -> list[Sealed]:
        """What is to be sent next; touches the store, so it runs on the disk's thread."""
        for _ in range(_NUMBERED_AT_ONCE):
            if self._store.number_next(self._clock.now()) is None:
                break
        self._has_room = self._store.numbered()[0] < MOST_NUMBERED
        due: list[Sealed] = []
        for state in self._store.streams():
            offer = self._offers.setdefault(state.stream, Offer(state.receipted, now_s))
            offer.look(state.receipted, now_s)
            if room := min(offer.room, WINDOW - len(due)):
                sealed = self._store.unreceipted(state.stream, offer.sent, room)
                due += sealed
                if sealed:
                    offer.sent = sealed[-1].seq
        return due

    async def _publish(self, waiting: list[Sealed]) -> None:
        try:
            topic = self._topic("seg")
            async with asyncio.TaskGroup() as tasks:
                for sealed in waiting:
                    tasks.create_task(self._mqtt.publish(topic, sealed.data))
        except* TransientError:
            # The link is gone; on the next one everything without a receipt is offered again.
            self._offers.clear()

    async def _listen(self) -> None:
        async for message in self._mqtt.messages():
            try:
                if message.topic == self._topic("rcpt"):
                    await self._take_receipt(message.payload)
                else:
                    await self._resend(message.payload)
            except BadData as exc:
                log.error("%s: refused a message, nothing was deleted: %s", message.topic, exc)
            except TransientError as exc:
                # A full disk: the receipt comes again, and until then nothing is let go.
                log.error("%s: could not be noted: %s", message.topic, exc)
                continue
            message.ack()

    async def _take_receipt(self, payload: bytes) -> None:
        """Raises BadData unless the receipt is signed, ours, and agrees with our own chain."""
        receipt = _read(payload, Receipt)
        check_receipt(receipt, self._receipt_keys)
        if (receipt.site, receipt.gateway) != (self._site, self._gateway):
            raise BadData(f"receipt is for {receipt.site}/{receipt.gateway}")
        known = {state.stream: state for state in await self._disk(self._store.streams)}
        state = known.get(receipt.stream)
        if state is None:
            raise BadData(f"receipt for stream {receipt.stream}, which this store never began")
        if receipt.upto <= state.receipted:
            return  # an old one, or the retained one: it changes nothing
        own = await self._disk(self._store.hash_of, receipt.stream, receipt.upto)
        if own != receipt.head:
            await self._fork(receipt, own)
            return
        refused = [(refusal.seq, refusal.reason) for refusal in receipt.refused]
        now = self._clock.now()
        await self._disk(self._store.receipted, receipt.stream, receipt.upto, refused, now)
        self.receipts += 1
        self.sealed.set()  # there may be room for more now

    async def _fork(self, receipt: Receipt, own: str | None) -> None:
        """The ingestor has other bytes under our number: keep everything, begin a new stream.

        Told once: where two go on with one disk, each hears every receipt of the other's.
        """
        if receipt.stream not in self._forked:
            self._forked.add(receipt.stream)
            log.error(
                "fork: stream %s number %d is %s here and %s at the ingestor; was this disk copied?"
                " Everything is kept, and a new stream goes on",
                *(receipt.stream, receipt.upto, own, receipt.head),
            )
        if (await self._disk(self._store.current)).stream == receipt.stream:
            await self._disk(self._store.begin_stream, self._clock.now())

    async def _resend(self, payload: bytes) -> None:
        request = _read(payload, ResendRequest)
        if not 1 <= request.from_ <= request.to < _MOST_NUMBER:
            raise BadData(f"there are no numbers {request.from_} to {request.to}")
        seq, end = request.from_, min(request.to, request.from_ + MOST_RESENT - 1)
        while seq <= end:
            found = await self._disk(self._again, request.stream, seq)
            if found is None:
                log.error("asked for %s/%d, which is no number of ours", request.stream, seq)
                return
            data, last = found
            try:
                await self._mqtt.publish(self._topic("seg"), data)
            except TransientError as exc:
                log.warning("resend stopped at %d: %s", seq, exc)
                return
            seq = last + 1

    def _again(self, stream: str, seq: int) -> tuple[bytes, int] | None:
        """What is sent for a number, and the last number it stands for: where it is lost, the word
        of that, or the cloud would wait for ever."""
        sealed = self._store.segment(stream, seq)
        if sealed is not None:
            return sealed.data, seq
        lost = self._store.declare_lost(stream, seq, self._clock.now())
        self.sealed.set()
        return lost

    def _topic(self, kind: str) -> str:
        return str(GatewayTopic(self._site, self._gateway, kind))


T = TypeVar("T")


def _read(payload: bytes, type_: type[T]) -> T:
    """What came from the broker, which may be anybody's. Raises BadData."""
    try:
        return msgspec.json.decode(payload, type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise BadData(f"not a {type_.__name__}: {exc}") from exc


def check_receipt(receipt: Receipt, keys: Mapping[str, PublicKey]) -> None:
    """Raises BadData unless one of these pinned keys, by their ids, signed this receipt."""
    key = keys.get(receipt.key)
    if key is None:
        pinned = " and ".join(keys)
        raise BadData(f"receipt is signed by key {receipt.key}; pinned is {pinned}")
    unsigned = msgspec.json.encode(msgspec.structs.replace(receipt, sig=""))
    try:
        key.verify(base64.b64decode(receipt.sig, validate=True), unsigned)
    except ValueError as exc:
        raise BadData(f"receipt signature is not base64: {exc}") from exc


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return
