"""Whether the agent really works: its parts count their turns, and one that stops counting hangs.

A meter, a line or a broker that is dead stops nothing: its part goes on turning. Pure.
"""

from collections.abc import Mapping


class Pulse:
    """Looks at the parts' counts now and then."""

    def __init__(self) -> None:
        self._turned: dict[str, tuple[int, float]] = {}

    def stuck(self, turns: Mapping[str, tuple[int, float]], now_s: float) -> list[str]:
        """The parts that hang. `turns`: part -> (its count, how long it may take for one turn)."""
        turned = {}
        for part, (count, _) in turns.items():
            was = self._turned.get(part)
            turned[part] = was if was is not None and was[0] == count else (count, now_s)
        self._turned = turned
        return [part for part, (_, patience) in turns.items() if now_s - turned[part][1] > patience]
