"""Is a cumulative register to be believed? Pure.

The register is the truth, so a drop is never a reset by itself. A rise is good up to rated power
times the time since the last good value (and what the meter's class, refresh and step allow). A
drop is a rollover only if the profile names a modulus and the rise it would mean fits the same
bound; a new register (swap) only after the meter's identity changed. All else is suspect: kept,
flagged, not booked. When `PATIENCE` suspect values in a row agree among themselves and count, the
register goes on from another place: a `reset`, for a person to confirm. A register that stands
still at 0 may come back, so it stays suspect; no energy is lost by waiting.

Every discontinuity is an event at the new value's time whose `closing` and `opening` end one
register and start the next: energy up to it is closing minus the last good value, energy after it
counts from opening. After a reset, closing grows by what the agreeing values themselves counted.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple

import msgspec

from edge_agent.exact import as_decimal, as_fraction
from wire.messages import MeterEvent, Sample, Value
from wire.quantities import QUANTITIES

PATIENCE = 3
_REFRESH_MS = 2_000  # a meter may show a value this old
_CLASS = Fraction(102, 100)  # and count 2 % too much: class 2 of IEC 62053-21
_FLOAT_STEP = Fraction(1, 2**23)  # a 32-bit float's step, relative to its value


class Register(msgspec.Struct, frozen=True):
    """What bounds one register: most it can rise in an hour and where it wraps, in its unit."""

    per_hour: Fraction | None = None
    modulus: Fraction | None = None
    float32: bool = False


class Seen(msgspec.Struct, frozen=True):
    """One register so far: the last good value, and the suspect ones after it (oldest, newest)."""

    value: Value
    t_ms: int
    replaced: bool = False
    first: Value | None = None
    last: Value | None = None
    last_t_ms: int = 0
    agreeing: int = 0


State = Mapping[str, Seen]


class Judged(NamedTuple):
    """The samples to store (good, then suspect), the events, and the state to judge the next by."""

    samples: list[Sample]
    events: list[MeterEvent]
    state: State


def judge(state: State, sample: Sample, registers: Mapping[str, Register]) -> Judged:
    """Judge one answer. `registers`: quantity -> bounds; values of momentary quantities pass."""
    after = dict(state)
    events: list[MeterEvent] = []
    good: dict[str, Value] = {}
    suspect: dict[str, Value] = {}
    for quantity, value in sample.values.items():
        if not QUANTITIES[quantity].cumulative:
            good[quantity] = value
            continue
        bounds = registers.get(quantity, Register())
        seen, event, detail = _judge_one(state.get(quantity), value, sample.t_ms, bounds)
        after[quantity] = seen
        (suspect if seen.agreeing else good)[quantity] = value
        if event:
            shown = {key: as_decimal(number) for key, number in detail.items()}
            events.append(
                MeterEvent(sample.meter, sample.t_ms, event, {"quantity": quantity, **shown})
            )
    flagged = ((good, sample.quality), (suspect, "suspect"))
    samples = [Sample(sample.meter, sample.t_ms, part, how) for part, how in flagged if part]
    return Judged(samples, events, after)


def replaced(state: State) -> State:
    """The state after the meter was exchanged: the next value opens a new register."""
    return {
        quantity: Seen(value=seen.value, t_ms=seen.t_ms, replaced=True)
        for quantity, seen in state.items()
    }


_Verdict = tuple[Seen, str, dict[str, Fraction]]


def _judge_one(seen: Seen | None, value: Value, t_ms: int, bounds: Register) -> _Verdict:
    believed = Seen(value, t_ms)
    if seen is None:
        return believed, "", {}
    new, old = as_fraction(value), as_fraction(seen.value)
    if seen.replaced:
        return believed, "swap", {"closing": old, "opening": new}
    most = _most(seen.value, value, t_ms - seen.t_ms, bounds)
    if new >= old and (most is None or new - old <= most):
        return believed, "", {}
    if _rolled_over(new, old, most, bounds.modulus):
        return believed, "rollover", {"closing": new + (bounds.modulus or 0), "opening": new}
    return _doubt(seen, value, t_ms, bounds)


def _doubt(seen: Seen, value: Value, t_ms: int, bounds: Register) -> _Verdict:
    """One more suspect value; the last of enough that agree moves the register there."""
    new, old = as_fraction(value), as_fraction(seen.value)
    agrees = seen.first is not None and _follows(seen, value, t_ms, bounds)
    first = seen.first if agrees and seen.first is not None else value
    agreeing = seen.agreeing + 1 if agrees else 1
    counted = new - as_fraction(first)
    if agreeing >= PATIENCE and counted > 0:
        return Seen(value, t_ms), "reset", {"closing": old + counted, "opening": new}
    doubted = Seen(seen.value, seen.t_ms, False, first, value, t_ms, agreeing)
    if seen.agreeing:  # said already
        return doubted, "", {}
    event = "jump" if new > old else "zero_glitch" if new == 0 else "step_back"
    return doubted, event, {"last": old, "read": new}


def _follows(seen: Seen, value: Value, t_ms: int, bounds: Register) -> bool:
    """Is it what a register that stood at the last suspect value would show now?"""
    if seen.last is None:
        return False
    rise = as_fraction(value) - as_fraction(seen.last)
    most = _most(seen.last, value, t_ms - seen.last_t_ms, bounds)
    return rise >= 0 and (most is None or rise <= most)


def _rolled_over(
    new: Fraction, old: Fraction, most: Fraction | None, modulus: Fraction | None
) -> bool:
    if modulus is None or most is None:
        return False
    return new < old and 0 <= new + modulus - old <= most


def _most(old: Value, new: Value, gap_ms: int, bounds: Register) -> Fraction | None:
    """The most the register can honestly rise in the gap; None if nobody said."""
    if bounds.per_hour is None:
        return None
    hours = Fraction(max(gap_ms, 0) + _REFRESH_MS, 3_600_000)
    step = Fraction(10) ** max(old[1], new[1])
    if bounds.float32:
        step += abs(as_fraction(new)) * _FLOAT_STEP
    return bounds.per_hour * hours * _CLASS + 2 * step
