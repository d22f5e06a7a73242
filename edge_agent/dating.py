"""Which times readings leave the gateway with. Pure.

A cycle was committed by the clock of that moment, which may have been set since: within one boot
the monotonic clock says what it would have shown. For an earlier boot its own last word counts. If
that boot's clock was never set, all that is known is that it ended before the next one began: its
readings are put there and are `estimated`, which nobody books.

A meter's readings go forward in time. One that is not later than what left before (the clock was
ahead then, or is behind now) keeps its time and is `suspect`: what the register counted meanwhile
is booked with the first reading that is later. An event that ends a register is moved behind them,
or it would end another one.
"""

import struct
import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar

import msgspec

from edge_agent.clock import Instant
from wire.errors import BadData
from wire.messages import BOOKED, MeterEvent, Sample

T = TypeVar("T", Sample, MeterEvent)

Key = tuple[str, str]  # meter, quantity

# The cloud refuses readings that are a day in its future; they are in nobody's way.
_FUTURE_MS = 86_400_000
_MARK = b"\x01"  # no cycle without a checksum begins so
_CHECKED = struct.Struct("<cI")


class Cycle(msgspec.Struct, frozen=True, array_like=True):
    """What was committed at once."""

    samples: list[Sample]
    events: list[MeterEvent]


def pack(cycle: Cycle) -> bytes:
    """Bytes that notice when they rot."""
    data = msgspec.msgpack.encode(cycle)
    return _CHECKED.pack(_MARK, zlib.crc32(data)) + data


def unpack(data: bytes) -> Cycle:
    """Raises BadData. Cycles of the store's first version have no checksum."""
    if data[:1] == _MARK and len(data) >= _CHECKED.size:
        _, crc = _CHECKED.unpack_from(data)
        data = data[_CHECKED.size :]
        if zlib.crc32(data) != crc:
            raise BadData("a cycle is not what was committed")
    try:
        return msgspec.msgpack.decode(data, type=Cycle)
    except msgspec.DecodeError as exc:
        raise BadData(f"a cycle: {exc}") from exc


class Boot(NamedTuple):
    """What is left to seal of an earlier boot. `offset_ms`: as in `Instant`; None: never set."""

    boot: str
    last_id: int
    last_mono_ms: int
    offset_ms: int | None


class Dating(NamedTuple):
    """How to date a boot's cycles. `last_id`: the cycle that ends a boot nobody can date."""

    offset_ms: int
    last_id: int | None = None
    after_ms: int | None = None
    before_ms: int = 0


def datings(earlier: Sequence[Boot], now: Instant, latest_ms: int | None) -> dict[str, Dating]:
    """For `now`'s boot and each earlier one (in their order); `latest_ms` left the gateway last."""
    found = {now.boot: Dating(now.offset_ms)}
    next_began_ms = now.offset_ms
    for boot in reversed(earlier):
        if boot.offset_ms is not None:
            found[boot.boot] = Dating(boot.offset_ms)
            next_began_ms = boot.offset_ms
        else:
            offset_ms = next_began_ms - boot.last_mono_ms
            found[boot.boot] = Dating(offset_ms, boot.last_id, latest_ms, next_began_ms)
            next_began_ms = offset_ms
    return found


def shifted(items: Sequence[T], by_ms: int) -> list[T]:
    """The same facts by a clock that was set."""
    if not by_ms:
        return list(items)
    return [msgspec.structs.replace(item, t_ms=item.t_ms + by_ms) for item in items]


class Lasts:
    """The latest time each quantity of a meter has left the gateway with.

    `meters`: that of a meter's latest, as an earlier run of the agent left it.
    """

    def __init__(self, meters: Mapping[str, int]) -> None:
        self._meters = meters
        self._quantities: dict[Key, int] = {}

    def get(self, key: Key) -> int | None:
        last_ms = self._quantities.get(key)
        return self._meters.get(key[0]) if last_ms is None else last_ms

    def update(self, fresh: Mapping[Key, int]) -> None:
        self._quantities.update(fresh)

    def latest(self) -> int | None:
        """Of all meters."""
        return max((*self._meters.values(), *self._quantities.values()), default=None)


class Dated:
    """What a segment will hold, cycle by cycle. `behind`: whether the clock was behind already."""

    def __init__(self, gateway: str, known_ms: int, lasts: Lasts, behind: bool) -> None:
        """`known_ms`: so late it is at least."""
        self.samples: list[Sample] = []
        self.events: list[MeterEvent] = []
        self.fresh: dict[Key, int] = {}
        self.is_behind = False
        self._gateway = gateway
        self._latest_ms = known_ms + _FUTURE_MS
        self._lasts = lasts
        self._was_behind = behind

    def add(self, id_: int, cycle: Cycle, offset_ms: int, dating: Dating) -> None:
        """One cycle, committed when its boot's offset was `offset_ms`."""
        by_ms = dating.offset_ms - offset_ms
        for event in shifted(cycle.events, by_ms):
            self.events.append(self._behind_all(event) if "closing" in event.detail else event)
        for sample in shifted(cycle.samples, by_ms):
            self.samples.append(self._in_order(sample, "estimated" if dating.last_id else ""))
        if id_ == dating.last_id:
            self.events.append(_undated(self._gateway, dating))

    def last_times(self) -> list[tuple[str, int, int]]:
        """(meter, its latest time, after which an earlier run's word was refused)."""
        latest: dict[str, int] = {}
        for (meter, _), t_ms in self.fresh.items():
            latest[meter] = max(t_ms, latest.get(meter, t_ms))
        return [(meter, t_ms, self._latest_ms) for meter, t_ms in latest.items()]

    def _in_order(self, sample: Sample, quality: str) -> Sample:
        keys = [(sample.meter, quantity) for quantity in sample.values]
        known = [last for last in map(self._last, keys) if last is not None]
        last_ms = max(known, default=None)
        if last_ms is None or sample.t_ms > last_ms:
            self.fresh.update(dict.fromkeys(keys, sample.t_ms))
        else:
            if not quality:
                quality = "suspect"
                self._tell_behind(sample.t_ms, last_ms)
            for key in keys:
                self.fresh[key] = max(sample.t_ms, self._last(key) or sample.t_ms)
        if not quality or sample.quality not in BOOKED:
            return sample
        return msgspec.structs.replace(sample, quality=quality)

    def _behind_all(self, event: MeterEvent) -> MeterEvent:
        """An event that ends a register, later than all of that register's readings."""
        key = event.meter, event.detail.get("quantity", "")
        last_ms = self._last(key)
        if last_ms is None or event.t_ms > last_ms:
            return event
        self.fresh[key] = last_ms + 1
        return msgspec.structs.replace(event, t_ms=last_ms + 1)

    def _last(self, key: Key) -> int | None:
        last_ms = self.fresh.get(key)
        last_ms = self._lasts.get(key) if last_ms is None else last_ms
        return last_ms if last_ms is not None and last_ms <= self._latest_ms else None

    def _tell_behind(self, t_ms: int, until_ms: int) -> None:
        if not self.is_behind and not self._was_behind:
            detail = {"until": _iso(until_ms)}
            self.events.append(MeterEvent(self._gateway, t_ms, "clock_behind", detail))
        self.is_behind = True


def _undated(gateway: str, dating: Dating) -> MeterEvent:
    """That a boot's readings could not be dated: when they must have been, at the latest."""
    detail = {"before": _iso(dating.before_ms)}
    if dating.after_ms is not None:
        detail["after"] = _iso(dating.after_ms)
    return MeterEvent(gateway, dating.before_ms - 1, "undated", detail)


def _iso(t_ms: int) -> str:
    moment = datetime.fromtimestamp(t_ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}Z"
