"""Pure: how many requests one name may make."""

from collections import OrderedDict
from collections.abc import Callable

_MOST_NAMES = 10_000


class Limits:
    """A bucket for each name: `burst` requests at once, and `per_s` a second on the long run."""

    def __init__(self, per_s: float, burst: int, monotonic_s: Callable[[], float]) -> None:
        self._per_s = per_s
        self._burst = burst
        self._monotonic_s = monotonic_s
        # name -> (requests left, when); whoever asked longest ago first: it has a full bucket anyway
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, name: str) -> float:
        """0, and the request is counted; or how long it is too early."""
        now_s = self._monotonic_s()
        left, then_s = self._left.pop(name, (float(self._burst), now_s))
        left = min(self._burst, left + (now_s - then_s) * self._per_s)
        is_early = left < 1
        self._left[name] = (left if is_early else left - 1, now_s)
        if len(self._left) > _MOST_NAMES:
            self._left.popitem(last=False)
        return (1 - left) / self._per_s if is_early else 0.0
