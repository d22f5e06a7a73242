"""What time it is, and how far to trust it.

A gateway without a battery-backed clock boots in 1970 and learns the time later; others are set
while they run. The time here never jumps by itself: it is the monotonic clock plus an offset that
changes only in `follow`, so that whoever keeps times of before can move them along.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

# No gateway runs this program before it was written: an earlier date is a clock not yet set.
NOT_BEFORE_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
# Smaller differences are the two clocks read one after the other, or the wall clock being nudged.
STEP_MS = 250
_LOOKS = 5
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

    @property
    def offset_ms(self) -> int:
        """What to add to the monotonic clock for the time; also when this boot began."""
        return self.wall_ms - self.mono_ms


@dataclass
class Clock:
    """The machine's clocks. `wall_ns` and `mono_ns` are given, so that a test can own time."""

    wall_ns: Callable[[], int]
    mono_ns: Callable[[], int]
    boot: str
    ntp_mark: Path = _NTP_MARK
    _offset_ms: int = field(init=False)

    def __post_init__(self) -> None:
        self._offset_ms = self._measured()

    def now(self) -> Instant:
        mono_ms = self.mono_ns() // 1_000_000
        return Instant(mono_ms + self._offset_ms, mono_ms, self.boot)

    def now_ms(self) -> int:
        return self.mono_ns() // 1_000_000 + self._offset_ms

    def follow(self) -> int:
        """By how many ms the wall clock was set; from here on `now` is by the new time."""
        by_ms = self._measured() - self._offset_ms
        if abs(by_ms) < STEP_MS:
            return 0
        self._offset_ms += by_ms
        return by_ms

    def state(self) -> str:
        """unset, synchronized (systemd says so) or assumed."""
        if not self.now().is_set:
            return "unset"
        return "synchronized" if self.ntp_mark.exists() else "assumed"

    def _measured(self) -> int:
        """Wall minus monotonic clock, by the look at both that took least."""
        looks = []
        for _ in range(_LOOKS):
            before_ns, wall_ns = self.mono_ns(), self.wall_ns()
            looks.append((self.mono_ns() - before_ns, (wall_ns - before_ns) // 1_000_000))
        return min(looks)[1]


def system_clock() -> Clock:
    """The clocks of this machine. CLOCK_BOOTTIME goes on while the machine sleeps."""
    # Without the kernel's word for it every start is a boot of its own.
    boot = _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else secrets.token_hex(16)
    return Clock(
        time.time_ns, lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME), boot.replace("-", "")
    )
