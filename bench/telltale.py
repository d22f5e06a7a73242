"""Made-up meters whose every value says whose it is, which one, and when it was read.

So a value taken is not merely plausible: it is the answer to this request, or it is stale or foreign.
"""

import time
from dataclasses import dataclass
from fractions import Fraction

from edge_agent import profiles
from edge_agent.profiles.modbus import Profile
from wire.messages import Value
from wire.quantities import QUANTITIES

_WHEN = 10**6  # ms until the time comes round
_WHICH = {q: n for n, q in enumerate(sorted(QUANTITIES, key=lambda q: QUANTITIES[q].cumulative))}


def now_ms() -> int:
    """A clock that all processes of this machine share and nobody sets."""
    return time.monotonic_ns() // 1_000_000


def profile(registers: int) -> Profile:
    """A Modbus model with that many registers in one block, two to a quantity."""
    rows = [
        f'{name} = {{ at = {2 * at}, as = "u32", unit = "{QUANTITIES[name].unit}" }}'
        for name, at in _WHICH.items()
        if 2 * at < registers
    ]
    head = 'vendor = "bench"\nmodel = "telltale"\ngrade = "A"\nsource = "made for measuring"\n'
    found = profiles.parse(head + "[registers]\n" + "\n".join(rows), "telltale")
    assert isinstance(found, Profile)
    return found


@dataclass(frozen=True)
class Telltale:
    """What the meter `serial` measures: its number, the quantity's, and six digits of time, in
    steps of `step`. A meter with one quantity alone (`tells_which` false) leaves that out."""

    serial: int
    step: Fraction = Fraction(1)
    tells_which: bool = True

    def value(self, quantity: str, t_ms: int) -> Fraction:
        """See simulators.slaves.Source."""
        return self.step * (self._who(quantity) * _WHEN + t_ms % _WHEN)

    def was(self, quantity: str, value: Value, asked_ms: int, answered_ms: int) -> bool:
        """Whether `value` is what it showed at some time in between."""
        number = Fraction(value[0]) * Fraction(10) ** value[1] / self.step
        who, when = divmod(number, _WHEN)
        return who == self._who(quantity) and (when - asked_ms) % _WHEN <= answered_ms - asked_ms

    def _who(self, quantity: str) -> int:
        return 100 * self.serial + _WHICH[quantity] if self.tells_which else self.serial
