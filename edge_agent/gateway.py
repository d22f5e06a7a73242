"""What the gateway takes and tells of itself: memory, time, disk, and a sample of it all."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from edge_agent.room import LEVELS
from edge_agent.status import MeterStatus, Status, StoreStatus
from edge_agent.store import Store
from wire.messages import Sample, Value

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def cpu_ms() -> int:
    """Processor time of this process since its start, all threads."""
    return time.process_time_ns() // 1_000_000


def resident_bytes() -> int:
    """Memory of this process that is in RAM."""
    return int(Path("/proc/self/statm").read_bytes().split()[1]) * _PAGE_BYTES


def store_status(store: Store, folder: Path) -> StoreStatus:
    """What waits in the store, and how much room there is. For the disk's thread."""
    found = store.standing()
    size_bytes = sum(file.stat().st_size for file in folder.glob("store.db*"))
    return StoreStatus(
        segments=found.numbered + found.behind,
        oldest_ms=found.oldest_ms,
        size_bytes=size_bytes,
        free_bytes=shutil.disk_usage(folder).free,
        level=LEVELS[store.room.level],
        lost=store.room.lost,
        thinned=store.room.thinned,
    )


def sample(before: Status | None, now: Status) -> Sample:
    """What the gateway sends of itself; what counts, counts since `before`."""
    meters = now.meters.values()

    def risen(field: Callable[[MeterStatus], int]) -> int:
        olds = before.meters if before else {}
        return sum(
            _since(field(olds[name]) if name in olds else 0, field(meter))
            for name, meter in now.meters.items()
        )

    values = {
        "slots_due": risen(lambda m: m.slots_due),
        "slots_answered": risen(lambda m: m.slots_answered),
        "answers_garbled": risen(lambda m: m.garbled),
        "answers_stray": risen(lambda m: m.stray),
        "meters_silent": sum(meter.health not in ("ok", "starting") for meter in meters),
        "link_losses": _since(before.link.losses if before else 0, now.link.losses),
        "segments_waiting": now.store.segments,
        "store_size": now.store.size_bytes,
        "disk_free": now.store.free_bytes,
        "readings_thinned": _since(before.store.thinned if before else 0, now.store.thinned),
        "readings_lost": _since(before.store.lost if before else 0, now.store.lost),
        "cpu_time": _since(before.cpu_ms if before else 0, now.cpu_ms),
        "resident_memory": now.resident_bytes,
    }
    told: dict[str, Value] = {name: (number, 0) for name, number in values.items()}
    if slow := [meter.p99_ms for meter in meters if meter.p99_ms is not None]:
        told["response_p99"] = (round(10 * max(slow)), -1)
    return Sample(now.gateway, now.t_ms, told)


def _since(before: int, now: int) -> int:
    """How far a count has risen; one below what it was began anew."""
    return now - before if now >= before else now
