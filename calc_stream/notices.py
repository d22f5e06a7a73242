"""What gateways said of registers and clocks that a person should know, kept over a restart. Pure."""

from collections.abc import Iterable, Mapping

import msgspec

from calc_stream.core import Readings
from calc_stream.core.decimals import parse_instant
from wire.messages import MeterEvent
from wire.quantities import QUANTITIES, register_id

_DOUBTS = frozenset({"jump", "zero_glitch", "step_back"})
# What is said of a meter beside its register.
_SHOWN = _DOUBTS | {"swap", "rollover", "reset", "turns_unknown", "identity", "out_of_range"}


class Notices(msgspec.Struct):
    """By register: the last doubt, and every reset. `latest` by meter, and `makes`: what it last told
    of its make and number; `behind` by gateway: until when (ms) its clock shows times it has sent
    before."""

    doubts: dict[str, MeterEvent] = {}
    resets: dict[str, list[MeterEvent]] = {}
    latest: dict[str, MeterEvent] = {}
    makes: dict[str, MeterEvent] = {}
    behind: dict[str, int] = {}

    def hear(self, events: Iterable[MeterEvent]) -> None:
        """Events come in any order of their times; what is known after them is the same."""
        for event in events:
            if event.event in _SHOWN:
                _newest(self.latest, event.meter, event)
            if event.event == "identity":
                _newest(self.makes, event.meter, event)
            if event.event == "clock_behind":
                self.behind[event.meter] = max(_until(event), self.behind.get(event.meter, 0))
            quantity = event.detail.get("quantity", "")
            register = register_id(event.meter, quantity) if quantity in QUANTITIES else None
            if register is not None and event.event in _DOUBTS:
                _newest(self.doubts, register, event)
            if register is not None and event.event == "reset":
                self.resets.setdefault(register, []).append(event)

    def doubted(self, readings: Readings) -> dict[str, MeterEvent]:
        """Registers of which nothing good was read since."""
        return {
            register: event
            for register, event in self.doubts.items()
            if (reach := readings.reach(register)) is None or reach[1] <= event.t_ms
        }

    def unconfirmed(self, readings: Readings) -> Mapping[str, list[MeterEvent]]:
        """Resets by register, oldest first, of which no person has told the true ends."""
        found: dict[str, list[MeterEvent]] = {}
        for register, resets in sorted(self.resets.items()):
            confirmed = readings.standing(register).confirmed
            left = [event for event in resets if event.t_ms not in confirmed]
            if left:
                found[register] = sorted(left, key=lambda event: event.t_ms)
        return found


def _until(event: MeterEvent) -> int:
    try:
        return parse_instant(event.detail.get("until", ""))
    except ValueError:
        return event.t_ms


def _newest(known: dict[str, MeterEvent], key: str, event: MeterEvent) -> None:
    other = known.setdefault(key, event)
    known[key] = max(other, event, key=lambda each: (each.t_ms, each.event, str(each.detail)))
