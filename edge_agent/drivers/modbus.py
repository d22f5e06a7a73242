"""Modbus TCP, RTU and RTU over TCP: reads of holding (3) and input (4) registers.

~~~toml
driver = "modbus"
transport = "rtu"              # tcp, rtu (a serial port) or rtu_over_tcp (a transparent gateway)
device = "/dev/serial/by-id/usb-FTDI_FT232R_A10K-if00-port0"   # tcp kinds: host and port
baud = 9600
parity = "N"                   # N, E or O
stop_bits = 1
timeout_ms = 500               # for the meter to begin; the time on the wire is added
min_gap_ms = 0                 # silence before each request, if more than 3.5 characters
~~~

pymodbus carries the bytes (its transport layer alone: its transactions take a late RTU answer for
the next one, accept short answers and sit out a lost link); what an answer is, whose turn it is,
and when a link is tried again is decided here.
"""

import asyncio
import errno
import os
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from random import Random
from typing import Literal

import msgspec
import serial
from pymodbus.transport import CommParams, CommType, ModbusProtocol
from pymodbus.transport.serialtransport import SerialTransport

from edge_agent.drivers import Bus, LinkLost, NoAnswer, NotThere, Refused
from edge_agent.protocols import modbus as codec
from wire.config import Port

_TRY_LATER = {5, 6, 10, 11}  # acknowledge, busy, and a gateway that did not reach the meter
_BACK_OFF_S, _BACK_OFF_MAX_S = 0.5, 30.0
_CURES = {
    errno.ENOENT: "there is no such line; is the adapter plugged in?"
    " names in /dev/serial/by-id stay the same",
    errno.EACCES: "no permission; the user must be in the group dialout",
    errno.EAGAIN: "the line is in use, perhaps by the running agent;"
    " stop that, or read a meter on another bus",
    errno.ECONNREFUSED: "nobody listens there; is the port right, and Modbus TCP switched on?",
}
_MUTE_LIMIT = 3  # unanswered requests in a row after which a TCP connection is taken for dead


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One bus. Times in ms."""

    transport: Literal["tcp", "rtu", "rtu_over_tcp"]
    host: str = ""
    port: Port = 502
    device: str = ""
    baud: int = 9600
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1
    timeout_ms: int = 1000
    min_gap_ms: int = 0

    def __post_init__(self) -> None:
        if self.transport == "rtu" and not self.device:
            raise ValueError('transport "rtu" needs device, the path of the serial port')
        if self.transport != "rtu" and not self.host:
            raise ValueError(f'transport "{self.transport}" needs host')
        if self.timeout_ms < 1 or self.min_gap_ms < 0 or self.baud < 1:
            raise ValueError("timeout_ms and baud must be positive, min_gap_ms not negative")

    @property
    def framing(self) -> codec.Framing:
        """How frames look on this bus."""
        return "tcp" if self.transport == "tcp" else "rtu"

    @property
    def place(self) -> str:
        """Where the bus is, for messages."""
        return self.device if self.transport == "rtu" else f"{self.host}:{self.port}"

    @property
    def character_s(self) -> float:
        """Seconds one character takes on the wire."""
        bits = 1 + 8 + (self.parity != "N") + self.stop_bits
        return bits / self.baud

    @property
    def silence_s(self) -> float:
        """Least silence between two frames: 3.5 characters (1.75 ms above 19200), or the setting."""
        if self.framing == "tcp":
            return self.min_gap_ms / 1000
        standard = 3.5 * 11 / self.baud if self.baud <= 19200 else 0.00175
        return max(standard, self.min_gap_ms / 1000)


@asynccontextmanager
async def connect(settings: Settings, random: Random) -> AsyncIterator[Bus]:
    """The bus, opened by its first read and reopened by later ones, no sooner than it may."""
    bus = _ModbusBus(settings, random)
    try:
        yield bus
    finally:
        bus.drop()


class _ModbusBus:
    """One request on the line at a time, each answered, timed out or lost before the next."""

    def __init__(self, settings: Settings, random: Random) -> None:
        self._settings = settings
        self._random = random
        self._loop = asyncio.get_running_loop()
        self._lock = asyncio.Lock()
        self._line: _Line | None = None
        self._transaction = 0
        self._failures = 0  # links lost or refused since the last good answer
        self._mute = 0  # requests without an answer since then
        self._retry_at = 0.0
        self._clear_at = 0.0  # when the line is silent enough for the next request
        self._last_of: dict[int, float] = {}  # unit -> end of its last exchange

    async def read(
        self, unit: int, function: int, address: int, count: int, rest_ms: int = 0
    ) -> tuple[int, ...]:
        """See edge_agent.drivers.Bus. A cancelled caller's answer is let go by like a late one."""
        request = codec.Request(unit, function, address, count)
        await self._until(self._last_of.get(unit, 0.0) + rest_ms / 1000)
        async with self._lock:
            line = await self._link()
            await self._until(self._clear_at)
            try:
                answer = await self._ask(line, request)
            finally:
                self._last_of[request.unit] = self._loop.time()
            self._failures = self._mute = 0
        if answer.exception is None:
            return answer.words
        meaning = codec.EXCEPTIONS.get(answer.exception, "unknown")
        said = f"{self._who(request)} answered exception {answer.exception} ({meaning})"
        if answer.exception in _TRY_LATER:
            raise NoAnswer(said)
        kind = NotThere if answer.exception == codec.ILLEGAL_ADDRESS else Refused
        raise kind(said, answer.exception)

    def drop(self) -> None:
        """Close the link; the next read opens it again."""
        if self._line is not None:
            self._line.close()
        self._line = None

    async def _ask(self, line: "_Line", request: codec.Request) -> codec.Answer:
        settings = self._settings
        self._transaction = self._transaction % 0xFFFF + 1
        request = replace(request, transaction=self._transaction)
        frame = codec.request_frame(request, settings.framing)
        patience_s = settings.timeout_ms / 1000
        if settings.framing == "rtu":
            length = len(frame) + codec.answer_length(request, "rtu")
            patience_s += length * settings.character_s
        drain_s = patience_s
        try:
            async with asyncio.timeout(patience_s):
                answer = await line.ask(request, frame)
            drain_s = 0.0
        except TimeoutError:
            self._mute += 1
            if self._mute >= _MUTE_LIMIT and settings.transport != "rtu":
                self.drop()
            raise NoAnswer(f"{self._who(request)}: {line.account()}") from None
        except LinkLost as exc:
            self.drop()
            raise self._lost(f"{settings.place}: {exc}") from exc
        finally:
            # Without transaction numbers a late answer passes for the next one: let it go by.
            drain_s = drain_s if settings.framing == "rtu" else 0.0
            self._clear_at = self._loop.time() + max(settings.silence_s, drain_s)
            line.forget()
        return answer

    async def _link(self) -> "_Line":
        if self._line is not None and self._line.is_active():
            return self._line
        wait_s = self._retry_at - self._loop.time()
        if wait_s > 0:
            raise LinkLost(
                f"{self._settings.place} is down, next attempt in {wait_s:.1f} s", wait_s
            )
        line = _Line(self._settings)
        try:
            async with asyncio.timeout(self._settings.timeout_ms / 1000):
                await line.open()
        except TimeoutError as exc:
            line.close()
            raise self._lost(f"{self._settings.place} cannot be reached in time") from exc
        except (OSError, termios.error) as exc:
            raise self._lost(f"{self._settings.place} cannot be opened: {_why(exc)}") from exc
        self._line = line
        return line

    def _lost(self, message: str) -> LinkLost:
        """The error of a link that failed once more; full jitter keeps many buses apart."""
        self._failures += 1
        highest_s = min(_BACK_OFF_MAX_S, _BACK_OFF_S * 2 ** min(self._failures, 10))
        wait_s = self._random.uniform(0, highest_s)
        self._retry_at = self._loop.time() + wait_s
        return LinkLost(message, wait_s)

    async def _until(self, moment: float) -> None:
        while (wait_s := moment - self._loop.time()) > 0:
            await asyncio.sleep(wait_s)

    def _who(self, request: codec.Request) -> str:
        registers = f"registers {request.address} to {request.address + request.count - 1}"
        return f"unit {request.unit} at {self._settings.place}, {registers}"


class _Line(ModbusProtocol):
    """pymodbus's transport, and the one request that may be on it."""

    def __init__(self, settings: Settings) -> None:
        is_serial = settings.transport == "rtu"
        params = CommParams(
            comm_name=settings.place,
            comm_type=CommType.SERIAL if is_serial else CommType.TCP,
            host=settings.device if is_serial else settings.host,
            port=settings.port,
        )
        super().__init__(params, is_server=False)
        if is_serial:
            self.call_create = self._create_serial
        self._settings = settings
        self._request: codec.Request | None = None
        self._answer: asyncio.Future[codec.Answer] = self.loop.create_future()
        self._heard = b""

    async def open(self) -> None:
        """Raises OSError, or termios.error from a serial port."""
        self.transport, _ = await self.call_create()

    async def ask(self, request: codec.Request, frame: bytes) -> codec.Answer:
        """Send, and wait for the answer to exactly this. Raises LinkLost at once if the link goes."""
        if not self.is_active():
            raise LinkLost("the link was closed by the other side")
        self._request, self._heard = request, b""
        self._answer = self.loop.create_future()
        self.send(frame)
        return await self._answer

    def forget(self) -> None:
        """Whatever comes from now on answers nothing."""
        self._request = None
        self._answer.cancel()

    def account(self) -> str:
        """What was heard instead of an answer."""
        if not self._heard:
            return f"no answer in {self._settings.timeout_ms} ms"
        return (
            f"no valid answer in {self._settings.timeout_ms} ms, only {self._heard.hex(' ')}"
            " (another unit, function or length, or a wrong check sum)"
        )

    def callback_data(self, data: bytes, addr: object = None) -> int:  # noqa: ARG002
        """Bytes since the last request; gives back how many can be forgotten."""
        if self._request is None or self._answer.done():
            return len(data)
        self._heard = data[-64:]
        answer, used = codec.find_answer(data, self._request, self._settings.framing)
        if answer is not None:
            self._answer.set_result(answer)
        return used

    def callback_connected(self) -> None:
        """Nothing to do: the first request says hello."""

    def callback_disconnected(self, exc: Exception | None) -> None:
        """A request under way fails now, not at its timeout."""
        if self._request is not None and not self._answer.done():
            reason = f": {exc}" if exc else ""
            self._answer.set_exception(LinkLost(f"the link was lost while waiting{reason}"))

    def callback_new_connection(self) -> ModbusProtocol:
        """Servers only; this is a client."""
        raise AssertionError("a client accepts no connections")

    async def _create_serial(self) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        transport = _OpenOnce(self.loop, self, self._settings)
        transport.setup()
        return transport, self


class _OpenOnce(SerialTransport):
    """A serial port set once, at opening.

    The base class sets the timeout again after opening, which fails on a pseudo terminal with
    parity: Linux drops the parity bit there, and the C library reports the second try as an error.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, protocol: asyncio.BaseProtocol, settings: Settings
    ) -> None:
        asyncio.Transport.__init__(self)
        self.async_loop = loop
        self.intern_protocol = protocol
        self.intern_write_buffer = []
        self.poll_task = None
        self.sync_serial = serial.Serial(
            settings.device,
            baudrate=settings.baud,
            parity=settings.parity,
            stopbits=settings.stop_bits,
            exclusive=True,
            timeout=0,
            write_timeout=0,
        )


def _why(exc: Exception) -> str:
    """The system's reason and its cure; both exceptions carry the error number first."""
    number = exc.args[0] if exc.args and isinstance(exc.args[0], int) else 0
    if number in _CURES:
        return _CURES[number]
    return os.strerror(number) if number > 0 else str(exc)
