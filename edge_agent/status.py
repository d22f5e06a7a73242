"""How an agent does: what it writes to its state folder every few seconds, for whoever asks.

The file is replaced as a whole, so a reader never sees half of one; it opens no port.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from edge_agent.clock import Instant
from wire.errors import ConfigError

FILE = "status.json"
EVERY_S = 10.0
STALE_MS = 30_000
_COMPLETE_PERCENT = 95  # of the last whole quarter; below it a person should look
_WAITING_MS = 600_000  # a receipt that takes longer is no hiccup


class MeterStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One meter: `health` is ok or why not, since `since_ms`.

    `slots_due` and `slots_answered` count the times it was to be read, `requests` to `stray` what
    was sent and heard on its line (`drivers.Tally`), all since the start. `probe_ms`: when a dead
    one is asked again. `quarters`: of an hour, each (start, counted from, due, answered).
    """

    bus: str
    health: str
    since_ms: int
    slots_due: int
    slots_answered: int
    requests: int
    answers: int
    silent: int
    garbled: int
    stray: int
    p50_ms: float | None
    p99_ms: float | None
    probe_ms: int | None
    error: str
    error_ms: int | None
    quarters: list[tuple[int, int, int, int]]


class StoreStatus(msgspec.Struct, frozen=True):
    """`segments` wait for a receipt, the oldest with a reading of `oldest_ms`. `level`: see `room`;
    `lost` and `thinned` readings since the start."""

    segments: int = 0
    oldest_ms: int | None = None
    size_bytes: int = 0
    free_bytes: int = 0
    level: str = "ok"
    lost: int = 0
    thinned: int = 0


class LinkStatus(msgspec.Struct, frozen=True):
    """The way to the broker: as it is since `since_ms`, how often it was lost, and in words what
    is wrong with it."""

    broker: str
    connected: bool
    since_ms: int
    losses: int = 0
    problem: str = ""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """A whole agent, at `t_ms` (`mono_ms` of `boot`). `stuck`: parts of it that hang; `refused`:
    what was wrong with a configuration it was to read again."""

    site: str
    gateway: str
    running: bool
    pid: int
    t_ms: int
    mono_ms: int
    boot: str
    clock: str
    started_ms: int
    cpu_ms: int
    resident_bytes: int
    stuck: list[str]
    refused: list[str]
    store: StoreStatus
    link: LinkStatus
    meters: dict[str, MeterStatus]


def replace(path: Path, text: bytes, mode: int) -> None:
    """Replace the file at `path`. Raises OSError."""
    new = path.with_name(f".{path.name}.new")
    with new.open("wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
    new.replace(path)


def load(folder: Path) -> Status:
    """What the agent of this state folder wrote last. Raises ConfigError."""
    path = folder / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Status)
    except FileNotFoundError as exc:
        raise ConfigError(f"{path}: is not there: no agent has run with this state") from exc
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be read: {exc.strerror}") from exc
    except msgspec.DecodeError as exc:
        raise ConfigError(f"{path}: is not a status this program knows: {exc}") from exc


def age_ms(status: Status, now: Instant) -> int:
    """How old it is; a clock that was set in between does not matter within one boot."""
    if status.boot == now.boot:
        return now.mono_ms - status.mono_ms
    return now.wall_ms - status.t_ms


def headline(status: Status) -> str:
    """One line in plain words."""
    well = sum(meter.health == "ok" for meter in status.meters.values())
    link = "connected to" if status.link.connected else "no connection to"
    parts = [
        f"{well} of {len(status.meters)} meters answer",
        f"{link} the broker at {status.link.broker}",
        f"{status.store.segments} segments wait for a receipt",
    ]
    parts += [f"{part} hangs" for part in status.stuck]
    parts += [f"a changed configuration was refused: {why}" for why in status.refused[:1]]
    return "; ".join(parts)


def problems(status: Status) -> Iterator[str]:
    """What needs a person, one line each, of a status that is not stale."""
    for part in status.stuck:
        yield f"{part} hangs"
    for why in status.refused:
        yield f"the configuration was not read again: {why}"
    if status.clock == "unset":
        yield "the clock is not set: nothing leaves the gateway before it is"
    if not status.link.connected or status.link.problem:
        what = "the broker at" if status.link.connected else "no connection to the broker at"
        yield f"{what} {status.link.broker}: {status.link.problem}".removesuffix(": ")
    if status.store.level != "ok":
        yield f"the store is {status.store.level}: momentary values are thinned"
    if status.store.lost:
        yield f"{status.store.lost} readings were lost since the start for want of room"
    oldest_ms = status.store.oldest_ms
    if oldest_ms is not None and status.t_ms - oldest_ms > _WAITING_MS:
        minutes = (status.t_ms - oldest_ms) // 60_000
        yield f"the oldest segment has waited {minutes} min for a receipt"
    for name, meter in status.meters.items():
        if meter.health not in ("ok", "starting"):
            yield f"{name}: {meter.health}"
        elif why := _incomplete(meter):
            yield f"{name}: {why}"


def _incomplete(meter: MeterStatus) -> str:
    """The last whole quarter of an hour, if too little of it was read."""
    for start_ms, since_ms, due, answered in reversed(meter.quarters[:-1]):
        if start_ms == since_ms and due:
            if 100 * answered < _COMPLETE_PERCENT * due:
                return f"of the last quarter of an hour {answered} of {due} slots were read"
            return ""
    return ""
