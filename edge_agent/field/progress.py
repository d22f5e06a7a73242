"""How far a long command is: a bar on a terminal, a line now and then elsewhere, or nothing."""

import shutil
from collections.abc import Callable
from typing import TextIO

_BAR = 20
_TERMINAL_S, _PLAIN_S = 0.1, 10.0


class Progress:
    """Written to `err`; `now_s` is a clock that only goes on."""

    def __init__(self, err: TextIO, now_s: Callable[[], float], *, quiet: bool = False) -> None:
        self._err, self._now_s, self._quiet = err, now_s, quiet
        self._terminal = err.isatty()
        self._began_s = self._told_s = now_s()
        self._drawn = False

    def step(self, done: int, share: float, where: str) -> None:
        """`done` things are done, which is `share` of all; the next is at `where`."""
        now_s = self._now_s()
        if self._quiet or now_s - self._told_s < (_TERMINAL_S if self._terminal else _PLAIN_S):
            return
        self._told_s = now_s
        told = f"{done} done, {_pace(done, share, now_s - self._began_s)}: {where}"
        if not self._terminal:
            print(f"{100 * share:.0f} %, {told}", file=self._err, flush=True)
            return
        full = round(_BAR * share)
        drawn = f"[{'#' * full}{'.' * (_BAR - full)}] {100 * share:3.0f} %  {told}"
        width = shutil.get_terminal_size().columns - 1
        print(f"\r\x1b[K{drawn[:width]}", end="", file=self._err, flush=True)
        self._drawn = True

    def clear(self) -> None:
        """Make room for a line of results."""
        if self._drawn:
            print("\r\x1b[K", end="", file=self._err, flush=True)
            self._drawn = False


def _pace(done: int, share: float, seconds: float) -> str:
    if seconds <= 0 or share <= 0:
        return "just begun"
    left_s = seconds * (1 - share) / share
    left = f"{left_s:.0f} s" if left_s < 120 else f"{left_s / 60:.0f} min"
    return f"{done / seconds:.1f} a second, {left} left"
