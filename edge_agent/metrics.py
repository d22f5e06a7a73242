"""A status as Prometheus reads it: a text for its file collector, or asked for on a Unix socket.

No port is opened. Source: Prometheus, exposition formats, text-based format 0.0.4.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

from edge_agent.status import MeterStatus, Status

_PATIENCE_S = 5.0
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})
# metric (a counter where it ends in total) -> what it is, where it stands
_OF_METERS: Mapping[str, tuple[str, Callable[[MeterStatus], object]]] = {
    "meter_up": ("Whether the meter answers.", lambda m: int(m.health == "ok")),
    "slots_due_total": ("Times the meter was to be read.", lambda m: m.slots_due),
    "slots_answered_total": ("Times it was.", lambda m: m.slots_answered),
    "requests_total": ("Requests sent to the meter.", lambda m: m.requests),
    "answers_total": ("Valid answers.", lambda m: m.answers),
    "unanswered_total": ("Requests after which nothing came.", lambda m: m.silent),
    "garbled_total": ("Requests after which no valid answer came.", lambda m: m.garbled),
    "stray_total": ("Bytes nobody had asked for, as late answers are.", lambda m: m.stray),
    "response_p50_seconds": ("Median of the last answers.", lambda m: _seconds(m.p50_ms)),
    "response_p99_seconds": ("99th percentile of the last answers.", lambda m: _seconds(m.p99_ms)),
}
_OF_GATEWAY: Mapping[str, tuple[str, Callable[[Status], object]]] = {
    "start_time_seconds": ("When the agent started.", lambda s: _seconds(s.started_ms)),
    "cpu_seconds_total": ("Processor time taken.", lambda s: _seconds(s.cpu_ms)),
    "resident_memory_bytes": ("Memory in RAM.", lambda s: s.resident_bytes),
    "clock_set": ("Whether the clock has been set.", lambda s: int(s.clock != "unset")),
    "broker_connected": ("Whether the broker is there.", lambda s: int(s.link.connected)),
    "broker_losses_total": ("Connections to it lost.", lambda s: s.link.losses),
    "segments_waiting": ("Segments without a receipt.", lambda s: s.store.segments),
    "oldest_waiting_timestamp_seconds": (
        "Its oldest reading.",
        lambda s: _seconds(s.store.oldest_ms),
    ),
    "store_bytes": ("Size of the store.", lambda s: s.store.size_bytes),
    "disk_free_bytes": ("Room beside it.", lambda s: s.store.free_bytes),
    "readings_thinned_total": ("Left out, store nearly full.", lambda s: s.store.thinned),
    "readings_lost_total": ("Lost for want of room.", lambda s: s.store.lost),
}


def text(status: Status) -> str:
    """Every figure of the status; one nobody has measured yet is left out."""
    return "".join(f"{line}\n" for line in _lines(status))


@asynccontextmanager
async def serving(path: Path, now: Callable[[], str]) -> AsyncIterator[None]:
    """Answer HTTP GET on the socket `path` with what `now` gives. Raises OSError.

    The folder it is in decides who may ask.
    """

    asking: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(_converse(reader, writer, now))
        asking.add(task)
        task.add_done_callback(asking.discard)

    sock = _bound(path)
    try:
        async with await asyncio.start_unix_server(accept, sock=sock):
            yield
    finally:
        _remove(path)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


async def _converse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, now: Callable[[], str]
) -> None:
    with (
        closing(writer),
        suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError),
    ):
        async with asyncio.timeout(_PATIENCE_S):
            asked = await reader.readuntil(b"\r\n\r\n")
            writer.write(_answer(asked, now))
            await writer.drain()


def _bound(path: Path) -> socket.socket:
    _remove(path)  # left by an agent that was killed
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.bind(str(path))
        path.chmod(0o666)
    except OSError:
        sock.close()
        raise
    return sock


def _remove(path: Path) -> None:
    """Only ever a socket: a path that names something else by mistake stays."""
    if path.is_socket():
        path.unlink()


def _answer(asked: bytes, now: Callable[[], str]) -> bytes:
    if asked.startswith(b"GET "):
        said, body = "200 OK", now().encode()
    else:
        said, body = "405 Method Not Allowed", b"only GET\n"
    head = (
        f"HTTP/1.1 {said}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


def _lines(status: Status) -> Iterator[str]:
    site, gateway = _label(status.site), _label(status.gateway)
    yield from _head("gateway_info", "Whose figures these are.")
    yield f'wattprint_gateway_info{{site="{site}",gateway="{gateway}"}} 1'
    for name, (what, of_gateway) in _OF_GATEWAY.items():
        if (value := of_gateway(status)) is not None:
            yield from _head(name, what)
            yield f"wattprint_{name} {value}"
    for name, (what, of_meter) in _OF_METERS.items():
        yield from _head(name, what)
        for meter, standing in status.meters.items():
            if (value := of_meter(standing)) is not None:
                labels = f'meter="{_label(meter)}",bus="{_label(standing.bus)}"'
                yield f"wattprint_{name}{{{labels}}} {value}"


def _head(name: str, what: str) -> Iterator[str]:
    yield f"# HELP wattprint_{name} {what}"
    yield f"# TYPE wattprint_{name} {'counter' if name.endswith('_total') else 'gauge'}"


def _label(text: str) -> str:
    return text.translate(_ESCAPES)


def _seconds(ms: float | None) -> str | None:
    return None if ms is None else f"{ms / 1000:.3f}"
