"""A serial port or a TCP connection as bytes come and go on it, and the one request it may carry.

pymodbus carries the bytes, its transport layer alone: what lies above it takes a late answer for
the next one, accepts short answers and sits out a lost link.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import msgspec
import serial
from pymodbus.transport import CommParams, CommType, ModbusProtocol
from pymodbus.transport.serialtransport import SerialTransport

from wire.errors import TransientError

T = TypeVar("T")
# (the answer, bytes used up), or (None, bytes that can be forgotten): it is not there yet.
Find = Callable[[bytes], tuple[T | None, int]]

_MOST_SHOWN, _MOST_AT_ONCE = 64, 65_536


class LinkLost(TransientError):
    """The port or connection is gone or could not be opened; `retry_after_s` says when to retry."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where a line is and how it is set: a serial port (`device`), or `host` and `port`.

    `timeout_ms`: for the meter to begin; the time on the wire is added. `min_gap_ms`: silence
    before each request, if more than 3.5 characters.
    """

    device: str = ""
    host: str = ""
    port: int = 0
    baud: int = 9600
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1
    timeout_ms: int = 1000
    min_gap_ms: int = 0

    def __post_init__(self) -> None:
        if bool(self.device) == bool(self.host):
            raise ValueError("needs either device, the path of a serial port, or host and port")
        if self.host and not 1 <= self.port <= 65535:
            raise ValueError("port must be 1 to 65535")
        if self.timeout_ms < 1 or self.min_gap_ms < 0 or self.baud < 1:
            raise ValueError("timeout_ms and baud must be positive, min_gap_ms not negative")

    @property
    def place(self) -> str:
        """Where the line is, for messages."""
        return self.device or f"{self.host}:{self.port}"

    @property
    def character_s(self) -> float:
        """Seconds one character takes on the wire."""
        return (1 + 8 + (self.parity != "N") + self.stop_bits) / self.baud

    @property
    def silence_s(self) -> float:
        """Least silence between two frames: 3.5 characters (1.75 ms above 19200), or the setting."""
        standard = 3.5 * 11 / self.baud if self.baud <= 19200 else 0.00175
        return max(standard, self.min_gap_ms / 1000)


class Link(ModbusProtocol):
    """pymodbus's transport, and the one request that may be on it."""

    def __init__(self, settings: Settings) -> None:
        params = CommParams(
            comm_name=settings.place,
            comm_type=CommType.SERIAL if settings.device else CommType.TCP,
            host=settings.device or settings.host,
            port=settings.port,
        )
        super().__init__(params, is_server=False)
        if settings.device:
            self.call_create = self._create_serial
        self.max_buffer_size = _MOST_AT_ONCE  # pymodbus throws more than 516 bytes at once away
        self.heard = b""  # the last of what came since the request
        self.stray = False  # something came that nobody had asked for
        self.heard_at = 0.0  # when the last byte came, by the loop's clock
        self._settings = settings
        self._waiting = 0  # bytes heard before that are still to be looked at
        self._find: Find[Any] | None = None
        self._answer: asyncio.Future[Any] = self.loop.create_future()

    async def open(self) -> None:
        """Raises OSError, or termios.error from a serial port."""
        self.transport, _ = await self.call_create()

    async def ask(self, frame: bytes, find: Find[T]) -> T:
        """Send, and wait for what `find` accepts. Raises LinkLost at once if the link goes."""
        if not self.is_active():
            raise LinkLost("the link was closed by the other side")
        self._find, self.heard, self._waiting = find, b"", 0  # sending empties the buffer
        answer: asyncio.Future[T] = self.loop.create_future()
        self._answer = answer
        self.send(frame)
        return await answer

    def forget(self) -> None:
        """Whatever comes from now on answers nothing."""
        self._find = None
        self._answer.cancel()

    def set_speed(self, baud: int) -> None:
        """A serial port's speed; a serial server's is its own affair."""
        if isinstance(self.transport, SerialTransport):
            self.transport.sync_serial.baudrate = baud

    def callback_data(self, data: bytes, addr: object = None) -> int:  # noqa: ARG002  pymodbus calls it so
        """Bytes since the last request; gives back how many can be forgotten."""
        self.heard_at = self.loop.time()
        if self._find is None or self._answer.done():
            self.stray, self._waiting = self.stray or bool(data), 0
            return len(data)
        self.heard = (self.heard + data[self._waiting :])[-_MOST_SHOWN:]
        answer, used = self._find(data)
        self._waiting = len(data) - used
        if answer is not None:
            self._answer.set_result(answer)
        return used

    def callback_connected(self) -> None:
        """Nothing to do: the first request says hello."""

    def callback_disconnected(self, exc: Exception | None) -> None:
        """A request under way fails now, not at its timeout."""
        if self._find is not None and not self._answer.done():
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
