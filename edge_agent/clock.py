"""What time it is, and how far to trust it.

A gateway without a battery-backed clock boots in 1970 and learns the time later. Until then its
readings are kept with the monotonic clock and the boot they belong to, and nothing is sealed.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# No gateway runs this program before it was written: an earlier date is a clock not yet set.
NOT_BEFORE_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
_NTP_MARK = Path("/run/systemd/timesync/synchronized")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Instant:
    """One moment on both clocks of one boot."""

    wall_ms: int
    mono_ms: int
    boot: str

    @property
    def is_set(self) -> bool:
        return self.wall_ms >= NOT_BEFORE_MS


@dataclass(frozen=True)
class Clock:
    """The machine's clocks. `wall_ns` and `mono_ns` are given, so that a test can own time."""

    wall_ns: Callable[[], int]
    mono_ns: Callable[[], int]
    boot: str
    ntp_mark: Path = _NTP_MARK

    def now(self) -> Instant:
        return Instant(self.now_ms(), self.mono_ns() // 1_000_000, self.boot)

    def now_ms(self) -> int:
        return self.wall_ns() // 1_000_000

    def state(self) -> str:
        """unset, synchronized (systemd says so) or assumed."""
        if not self.now().is_set:
            return "unset"
        return "synchronized" if self.ntp_mark.exists() else "assumed"


def system_clock() -> Clock:
    """The clocks of this machine. CLOCK_BOOTTIME goes on while the machine sleeps."""
    boot = _BOOT_ID.read_text().strip().replace("-", "") if _BOOT_ID.exists() else "unknown"
    return Clock(time.time_ns, lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME), boot)
