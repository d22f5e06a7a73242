"""MQTT on one asyncio loop. The only file that knows paho.

A PUBACK only paces (brokers acknowledge what they then drop), so nothing here counts as delivered
because it was published; paho's in-flight messages live in memory only, so each connection gets a
new paho client and whoever publishes keeps the data; an exception in a callback of paho's own network
thread ends that thread silently, so its sockets hang on the asyncio loop. Received messages are
acknowledged by hand, in their order, and never on another connection than the one that brought them.
QoS 1 only: QoS 2 with acknowledgement by hand loses messages in paho.
"""

import asyncio
import logging
import random
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import msgspec
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from wire import tls
from wire.config import Port, read_secret
from wire.errors import ConfigError, TransientError

log = logging.getLogger(__name__)

SESSION_EXPIRY_S = 7 * 24 * 3600
MAX_INFLIGHT = 20  # paho walks all in-flight messages at each PUBACK: more costs more, not less
RECEIVE_MAXIMUM = 500
_BACKOFF_S = (1.0, 60.0)
_STABLE_S = 60.0
_CONNECT_TIMEOUT_S = 10.0


class Broker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the broker is and how to prove who we are.

    With `ca_file` the link is TLS 1.3. `cert_file` may hold the key as well, before or behind the
    certificate; without `key_file` it must.
    """

    host: str = "127.0.0.1"
    port: Port = 1883
    protocol: Literal["5", "3.1.1"] = "5"
    username: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    keepalive_s: int = 20

    def __post_init__(self) -> None:
        if not self.host:
            raise ValueError("host must not be empty")
        if not 1 <= self.keepalive_s <= 65535:
            raise ValueError("keepalive_s must be 1 to 65535")
        if self.cert_file is not None and self.ca_file is None:
            raise ValueError("cert_file needs ca_file")
        if self.key_file is not None and self.cert_file is None:
            raise ValueError("key_file needs cert_file")

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Message:
    """One received message; `ack` it once it is safe, in any order."""

    __slots__ = ("_connection", "done", "mid", "payload", "qos", "retained", "topic")

    def __init__(self, message: paho.MQTTMessage, connection: "_Connection") -> None:
        self.topic = message.topic
        self.payload = bytes(message.payload)
        self.mid = message.mid
        self.qos = message.qos
        self.retained = bool(message.retain)  # kept by the broker since before we came
        self.done = False
        self._connection = connection

    def ack(self) -> None:
        self.done = True
        self._connection.send_acks()


class Client:
    """A session under a fixed client id, reconnecting for ever with full jitter while `running()`.

    `durable`: what comes while the link is down is kept for us by the broker, and comes late.
    """

    def __init__(
        self,
        broker: Broker,
        client_id: str,
        *,
        subscribe: Sequence[str] = (),
        will: tuple[str, bytes] | None = None,
        random_: random.Random | None = None,
        durable: bool = True,
    ) -> None:
        self.connected = asyncio.Event()
        # Counts connections, so that callers can notice a new one and say hello again.
        self.epoch = 0
        # Why there is no connection, or what it does not let through, in words.
        self.problem = ""
        # What the broker said it grants, by MQTT 5's names.
        self.granted: dict[str, int] = {}
        self._broker = broker
        self._client_id = client_id
        self._topics = list(subscribe)
        self._will = will
        self._durable = durable
        self._random = random_ or random.Random()
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._window = asyncio.Semaphore(MAX_INFLIGHT)
        self._connection: _Connection | None = None
        # Read once at the start, so that a bad file is a configuration error and not a retry.
        self._password = read_secret(broker.password_file) if broker.password_file else None
        _context(broker)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._stay_connected(), name="mqtt")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def messages(self) -> AsyncIterator[Message]:
        """Everything that arrives, in order, over all connections."""
        while True:
            yield await self._inbox.get()

    def subscribe(self, topics: Sequence[str]) -> None:
        """Hear these too, from now on; without a link, from the next one on."""
        self._topics += topics
        if self._connection is not None:
            self._connection.subscribe(topics)

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Hand over one message at QoS 1. Raises TransientError if the link is lost meanwhile."""
        async with self._window:
            if self._connection is None or not self.connected.is_set():
                raise TransientError(f"no connection to the broker at {self._broker}")
            await self._connection.publish(topic, payload, retain)

    async def _stay_connected(self) -> None:
        loop = asyncio.get_running_loop()
        ceiling = _BACKOFF_S[0]
        while True:
            connected_at = connection = None
            try:
                connection = _Connection(self._broker, self._new_paho(), self._inbox, self._refused)
                known = len(self._topics)
                await connection.open(self._topics[:known], self._durable)
                connected_at = loop.time()
                self._connection = connection
                connection.subscribe(self._topics[known:])  # wanted since it was asked for
                self.granted = connection.granted
                window = self.granted.get("ReceiveMaximum", MAX_INFLIGHT)
                self._window = asyncio.Semaphore(min(window, MAX_INFLIGHT))
                self.epoch += 1
                self.problem = ""
                self.connected.set()
                log.info("connected to the broker at %s", self._broker)
                await connection.closed
                log.warning("lost the connection to the broker at %s", self._broker)
            except (OSError, TransientError, ConfigError) as exc:
                why = tls.in_words(exc) if isinstance(exc, OSError) else str(exc)
                if why != self.problem:
                    log.warning("broker %s: %s; trying again", self._broker, why)
                self.problem = why
            finally:
                self.connected.clear()
                self._connection = None
                if connection is not None:
                    connection.close()
            # A link that falls as soon as it stands must not be rebuilt every second.
            if connected_at is not None and loop.time() - connected_at > _STABLE_S:
                ceiling = _BACKOFF_S[0]
            await asyncio.sleep(self._random.uniform(0, ceiling))
            ceiling = min(ceiling * 2, _BACKOFF_S[1])

    def _refused(self, what: str, reason: str) -> None:
        """The broker does not want what we do: told once, for whoever does it goes on."""
        why = f"it does not {what}: {reason}; its access list must name us"
        if why != self.problem:
            log.error("broker %s: %s", self._broker, why)
        self.problem = why

    def _new_paho(self) -> paho.Client:
        version5 = self._broker.protocol == "5"
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            self._client_id,
            clean_session=None if version5 else not self._durable,
            protocol=paho.MQTTv5 if version5 else paho.MQTTv311,
            manual_ack=True,
        )
        client.max_inflight_messages_set(MAX_INFLIGHT)
        client.connect_timeout = _CONNECT_TIMEOUT_S
        if self._broker.username is not None:
            client.username_pw_set(self._broker.username, self._password)
        # Read anew for each connection: a certificate that was renewed meanwhile counts.
        if (context := _context(self._broker)) is not None:
            client.tls_set_context(context)
        if self._will is not None:
            client.will_set(self._will[0], self._will[1], qos=1, retain=True)
        return client


class _Connection:
    """One paho client from connect to disconnect, served by the asyncio loop."""

    def __init__(
        self,
        broker: Broker,
        client: paho.Client,
        inbox: asyncio.Queue[Message],
        refused: Callable[[str, str], None],
    ) -> None:
        # Its result is why, where the other side said so.
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._loop = asyncio.get_running_loop()
        self._broker = broker
        self._paho = client
        self._inbox = inbox
        self._refused = refused
        self.granted: dict[str, int] = {}
        self._accepted: asyncio.Future[None] = self._loop.create_future()
        self._subscribed: asyncio.Future[None] = self._loop.create_future()
        self._pubacks: dict[int, tuple[str, asyncio.Future[None]]] = {}
        self._unacked: deque[Message] = deque()
        self._socket: socket.socket | None = None
        self._misc: asyncio.Task[None] | None = None
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_socket_close = self._on_socket_close
        client.on_socket_register_write = self._on_register_write

    async def open(self, topics: Sequence[str], durable: bool) -> None:
        """Connect and subscribe. Raises OSError or TransientError."""
        arguments: dict[str, Any] = {}
        if self._broker.protocol == "5":
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho's
            properties.SessionExpiryInterval = SESSION_EXPIRY_S if durable else 0
            properties.ReceiveMaximum = RECEIVE_MAXIMUM
            arguments = {"clean_start": not durable, "properties": properties}
        # Resolving, connecting and the TLS handshake block, so they happen off the loop; nothing
        # else touches this paho client until they are done.
        address = (self._broker.host, self._broker.port, self._broker.keepalive_s)
        await asyncio.to_thread(lambda: self._paho.connect(*address, **arguments))
        self._attach()
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            await _first(self._accepted, self.closed)
            if topics:
                self.subscribe(topics)
                await _first(self._subscribed, self.closed)
            else:
                self._subscribed.set_result(None)

    def close(self) -> None:
        """Leave politely if the link still stands; everything waiting fails."""
        if self._misc is not None:
            self._misc.cancel()
        if self._socket is not None:
            self._paho.disconnect()
            self._paho.loop_write()
        self._end()

    def subscribe(self, topics: Sequence[str]) -> None:
        """Without waiting for the answer."""
        if topics:
            self._paho.subscribe([(topic, 1) for topic in topics])

    async def publish(self, topic: str, payload: bytes, retain: bool) -> None:
        info = self._paho.publish(topic, payload, qos=1, retain=retain)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise TransientError(f"broker {self._broker}: {paho.error_string(info.rc)}")
        done: asyncio.Future[None] = self._loop.create_future()
        self._pubacks[info.mid] = topic, done
        await _first(done, self.closed)

    def send_acks(self) -> None:
        """Acknowledge from the oldest on, as far as all before are done too."""
        while self._unacked and self._unacked[0].done and self._socket is not None:
            message = self._unacked.popleft()
            self._paho.ack(message.mid, message.qos)

    def _attach(self) -> None:
        sock = self._paho.socket()
        if not isinstance(sock, socket.socket):
            raise TransientError("the broker closed the connection at once")
        self._socket = sock
        # A link that takes bytes but never acknowledges them is found by the kernel, too.
        sock.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1000 * self._broker.keepalive_s
        )
        self._loop.add_reader(sock, self._readable)
        self._misc = self._loop.create_task(self._keep_alive())
        self._on_register_write(self._paho, None, sock)

    async def _keep_alive(self) -> None:
        first, since_s, patience_s = None, 0.0, 2 * self._broker.keepalive_s
        while self._paho.loop_misc() == MQTTErrorCode.MQTT_ERR_SUCCESS:
            before, first = first, next(iter(self._pubacks), None)
            if first is None or first != before:
                since_s = self._loop.time()
            elif self._loop.time() - since_s > patience_s:
                break  # PUBACKs come in order: whoever waits for this one would wait for ever
            await asyncio.sleep(1)
        self._end()

    def _readable(self) -> None:
        self._paho.loop_read()
        # Bytes that TLS has already decrypted never wake the loop by themselves.
        if isinstance(sock := self._socket, ssl.SSLSocket) and sock.pending():
            self._loop.call_soon(self._readable)

    def _writable(self) -> None:
        if self._socket is not None:
            self._paho.loop_write()
            if not self._paho.want_write() and self._socket is not None:
                self._loop.remove_writer(self._socket)

    def _on_register_write(self, _client: object, _data: object, sock: Any) -> None:
        # paho also calls this from the thread that connects; the loop starts writing afterwards.
        if self._socket is not None:
            self._loop.add_writer(sock, self._writable)

    def _on_socket_close(self, _client: object, _data: object, sock: Any) -> None:
        if self._socket is not None:
            self._loop.remove_reader(sock)
            self._loop.remove_writer(sock)
            self._socket = None
            self._end(sock.refusal if isinstance(sock, tls.Socket) else "")

    def _end(self, why: str = "") -> None:
        if not self.closed.done():
            self.closed.set_result(why)

    def _on_connect(self, _c: object, _d: object, _flags: object, reason: Any, told: Any) -> None:
        if reason.is_failure:
            self._refuse(self._accepted, f"refused the connection: {reason}")
        elif not self._accepted.done():
            self.granted = told.json() if told is not None else {}
            self._accepted.set_result(None)

    def _on_subscribe(self, _c: object, _d: object, _mid: int, reasons: Any, _p: object) -> None:
        failures = [str(reason) for reason in reasons if reason.is_failure]
        if failures and self._subscribed.done():
            self._refused("let us hear all we ask for", failures[0])
        elif failures:
            self._refuse(self._subscribed, f"refused the subscription: {failures[0]}")
        elif not self._subscribed.done():
            self._subscribed.set_result(None)

    def _refuse(self, future: asyncio.Future[None], why: str) -> None:
        if not future.done():
            future.set_exception(TransientError(f"broker {self._broker} {why}"))

    def _on_message(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        received = Message(message, self)
        if message.qos:
            self._unacked.append(received)
        self._inbox.put_nowait(received)

    def _on_publish(self, _c: object, _d: object, mid: int, reason: Any, _p: object) -> None:
        topic, done = self._pubacks.pop(mid, ("", None))
        if reason.is_failure:
            self._refused(f"take what we say on {topic}", str(reason))
        if done is not None and not done.done():
            done.set_result(None)


async def _first(done: asyncio.Future[None], closed: asyncio.Future[str]) -> None:
    """Wait for `done`; TransientError if the connection closes first."""
    await asyncio.wait((done, closed), return_when=asyncio.FIRST_COMPLETED)
    if not done.done():
        done.cancel()
        raise TransientError(closed.result() or "the connection to the broker was lost")
    done.result()


def _context(broker: Broker) -> ssl.SSLContext | None:
    """Raises ConfigError for a file that is not what it should be."""
    if broker.ca_file is None:
        return None
    return tls.context(broker.ca_file, broker.cert_file, broker.key_file)
