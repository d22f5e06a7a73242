"""The clock and the disk."""

import ctypes
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from wire.finding import Finding, bad, ok, warn

_LEAST_FREE, _LITTLE_FREE = 1024**3, 5 * 1024**3
_YEARS_MS = (1_767_225_600_000, 4_102_444_800_000)  # 2026 to 2100
_TIMEX_BYTES = 512  # larger than the kernel's struct timex
_TIME_ERROR = 5


def clock(now_ms: int) -> Iterator[Finding]:
    """Whether it can be right, and whether something keeps it so."""
    low, high = _YEARS_MS
    if not low <= now_ms < high:
        found = f"{now_ms} ms since 1970 cannot be now"
        yield bad("clock", found, "set the clock, run NTP")
        return
    # adjtimex(2) with no modes set changes nothing; its answer is the state of the clock.
    state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    if state == _TIME_ERROR:
        cure = "run NTP (systemd-timesyncd, chrony): certificates and batches go by this clock"
        yield warn("clock", "the year is plausible, but nothing keeps it right", cure)
    elif state < 0:
        yield ok("clock", "the year is plausible; the system does not say what keeps it right")
    else:
        yield ok("clock", "kept right by NTP")


def disk(state: Path) -> Finding:
    """Room for what is to be kept."""
    place = next(p for p in (state, *state.absolute().parents) if p.exists())
    if not os.access(place, os.W_OK):
        return bad("disk", f"{place} is not writable", "give this user the state directory")
    free = shutil.disk_usage(place).free
    cure = "make room: without any, nothing is acknowledged and gateways keep their readings"
    if free < _LEAST_FREE:
        return bad("disk", f"{free >> 20} MiB free at {place}", cure)
    if free < _LITTLE_FREE:
        return warn("disk", f"{free / 2**30:.1f} GiB free at {place}", cure)
    return ok("disk", f"{free >> 30} GiB free")
