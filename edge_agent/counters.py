"""Is a cumulative register to be believed? Pure.

The register is the truth, so a drop is never a reset by itself. A rise is good up to rated power
times the time since the last good value (and what the meter's class, refresh and step allow). All
else is suspect: kept, flagged, not booked, until the register is back or `PATIENCE` values in a row
agree among themselves. What they agree on is then one event:

- `swap` after the meter's identity changed;
- `rollover` if the profile names a modulus and the rise it would mean fits the bound above;
- `reset` otherwise, for a person to confirm;
- nothing at all if the register went on where it stood, only nobody knows how long ago that was.

A register that stands still may come back, so without another identity it must also count; no
energy is lost by waiting. Suspect values that come to nothing are one event too: `jump`,
`zero_glitch` or `step_back`, once the register is back or the doubt has lasted `PATIENCE` values.
`turns_unknown`: a register that wraps soon was not read for so long that it may have wrapped more
often than it shows; what is booked is the least.

The first three events carry `closing` and `opening`, which end one register and start the next: energy up
to the event is closing minus the last good value, energy after it counts from opening. What the
agreeing values counted is in closing. What was used between the last good value and the first of
them (`last` and `read` of a reset) only a rollover can know: the others leave it out.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

import msgspec

from edge_agent.exact import as_decimal, as_fraction
from wire.messages import MeterEvent, Sample, Value
from wire.quantities import QUANTITIES

PATIENCE = 3
_REFRESH_MS = 2_000  # a meter may show a value this old
_HELD_MS = 300_000  # and, where it stands still, one it will replace by all that came meanwhile
_LONG_MS = 30 * 86_400_000  # what a time of unknown length may have been
_CLASS = Fraction(102, 100)  # and count 2 % too much: class 2 of IEC 62053-21
_FLOAT_STEP = Fraction(1, 2**23)  # a 32-bit float's step, relative to its value


class Register(msgspec.Struct, frozen=True):
    """What bounds one register: most it can rise in an hour and where it wraps, in its unit."""

    per_hour: Fraction | None = None
    modulus: Fraction | None = None
    float32: bool = False


class Doubt(msgspec.Struct, frozen=True):
    """Suspect values since the last good one.

    `read`, `since_ms`: the first of them; `values`: how many. `first`, `last`, `last_t_ms`: of
    those at the end that agree, `agreeing` many, with `turns` of the register among them; `wraps`:
    the first may be a rollover. `told`: there was an event.
    """

    read: Value
    since_ms: int
    first: Value
    last: Value
    last_t_ms: int
    held_ms: int = 0
    wraps: bool = False
    turns: int = 0
    values: int = 1
    agreeing: int = 1
    told: bool = False


class Seen(msgspec.Struct, frozen=True):
    """One register so far: the last good value, and the doubt after it.

    `held_ms`: for how long it has shown the same; `dated`: it is known how long ago that was;
    `replaced`: the meter was exchanged since; `moved`: the register was reset since the meter last
    said who it is, perhaps because it was exchanged.
    """

    value: Value
    t_ms: int
    held_ms: int = 0
    dated: bool = True
    replaced: bool = False
    moved: bool = False
    doubt: Doubt | None = None

    @property
    def last_t_ms(self) -> int:
        """When it was last read, believed or not."""
        return max(self.t_ms, self.doubt.last_t_ms) if self.doubt else self.t_ms


State = Mapping[str, Seen]


class Judged(NamedTuple):
    """The samples to store (good, then suspect), the events, and the state to judge the next by."""

    samples: list[Sample]
    events: list[MeterEvent]
    state: State


_Event = tuple[str, int, dict[str, Fraction]]


class _Verdict(NamedTuple):
    seen: Seen
    good: bool
    events: Sequence[_Event] = ()


def judge(state: State, sample: Sample, registers: Mapping[str, Register]) -> Judged:
    """Judge one answer. `registers`: quantity -> bounds; values of momentary quantities pass.

    Judging the same answer again changes nothing.
    """
    after = dict(state)
    events: list[MeterEvent] = []
    good: dict[str, Value] = {}
    suspect: dict[str, Value] = {}
    for quantity, value in sample.values.items():
        if not QUANTITIES[quantity].cumulative:
            good[quantity] = value
            continue
        bounds = registers.get(quantity, Register())
        verdict = _judge_one(state.get(quantity), value, sample.t_ms, bounds)
        after[quantity] = verdict.seen
        (good if verdict.good else suspect)[quantity] = value
        for event, t_ms, detail in verdict.events:
            shown = {key: as_decimal(number) for key, number in detail.items()}
            events.append(MeterEvent(sample.meter, t_ms, event, {"quantity": quantity, **shown}))
    flagged = ((good, sample.quality), (suspect, "suspect"))
    samples = [Sample(sample.meter, sample.t_ms, part, how) for part, how in flagged if part]
    return Judged(samples, events, after)


def replaced(state: State) -> State:
    """The state after the meter said it is another one: what agrees next is a new register.

    But one that moved since it last said who it is, and now goes on, has had its event.
    """
    return {
        quantity: msgspec.structs.replace(seen, replaced=True) for quantity, seen in state.items()
    }


def another(seen: Seen) -> Seen:
    """What was seen of a register where another is read from now on, or in other units."""
    return msgspec.structs.replace(seen, replaced=True, moved=False, doubt=None)


def confirmed(state: State) -> State:
    """The state after the meter said it is still the same."""
    return {
        quantity: msgspec.structs.replace(seen, moved=False) for quantity, seen in state.items()
    }


def shifted(state: State, by_ms: int) -> State:
    """The state after the clock was set: the same instants by the new time."""
    return {quantity: _shift(seen, by_ms) for quantity, seen in state.items()}


def undated(state: State) -> State:
    """The state when nobody can say how long ago it was."""
    return {
        quantity: msgspec.structs.replace(seen, dated=False, doubt=None)
        for quantity, seen in state.items()
    }


def longest_ms(bounds: Register) -> int | None:
    """The longest interval at which a turn of the register is still told from a fall; None: any."""
    if bounds.modulus is None or not bounds.per_hour:
        return None
    turn_ms = bounds.modulus / (bounds.per_hour * _CLASS) * 3_600_000
    return int((turn_ms - _REFRESH_MS) / (PATIENCE + 1))


def _judge_one(seen: Seen | None, value: Value, t_ms: int, bounds: Register) -> _Verdict:
    if seen is None:
        return _Verdict(Seen(value, t_ms), True)
    doubt = seen.doubt
    if doubt is None and not seen.replaced and _plainly_continues(seen, value, t_ms, bounds):
        return _Verdict(Seen(value, t_ms, _held(seen, value, t_ms), moved=seen.moved), True)
    if doubt and (value, t_ms) == (doubt.last, doubt.last_t_ms):
        return _Verdict(seen, False)
    if (seen.moved or not seen.replaced) and _continues(seen, value, t_ms, bounds):
        events = [_glitch(seen, doubt)] if doubt and not doubt.told else []
        events += _turns_unknown(seen, value, t_ms, bounds, 0)
        held_ms = _held(seen, value, t_ms)
        moved = seen.moved and not seen.replaced
        return _Verdict(Seen(value, t_ms, held_ms, moved=moved), True, events)
    doubt = _one_more(seen, value, t_ms, bounds)
    return _resolved(seen, doubt, bounds) or _undecided(seen, doubt)


def _one_more(seen: Seen, value: Value, t_ms: int, bounds: Register) -> Doubt:
    """The doubt with one more suspect value."""
    doubt = seen.doubt
    if doubt:
        last = Seen(doubt.last, doubt.last_t_ms, doubt.held_ms)
        wrapped = _wraps(last, value, t_ms, bounds)
        if wrapped or _continues(last, value, t_ms, bounds):
            return msgspec.structs.replace(
                doubt,
                last=value,
                last_t_ms=t_ms,
                held_ms=_held(last, value, t_ms),
                turns=doubt.turns + wrapped,
                values=doubt.values + 1,
                agreeing=doubt.agreeing + 1,
            )
    fresh = Doubt(value, t_ms, value, value, t_ms, wraps=_wraps(seen, value, t_ms, bounds))
    if doubt is None:
        return fresh
    return msgspec.structs.replace(
        fresh, read=doubt.read, since_ms=doubt.since_ms, values=doubt.values + 1, told=doubt.told
    )


def _resolved(seen: Seen, doubt: Doubt, bounds: Register) -> _Verdict | None:
    """What enough agreeing values say has happened; None if they do not say."""
    if doubt.agreeing < PATIENCE:
        return None
    old, first, new = (as_fraction(v) for v in (seen.value, doubt.first, doubt.last))
    modulus, t_ms = bounds.modulus or 0, doubt.last_t_ms
    counted = new - first + doubt.turns * modulus
    ends = {"closing": old + counted, "opening": new}
    believed = Seen(doubt.last, t_ms, doubt.held_ms)
    if seen.replaced:
        return _Verdict(believed, True, [("swap", t_ms, ends)])
    if not counted:
        return None
    if not _is_dated(seen, t_ms) and _continues(_long_ago(seen, t_ms), doubt.last, t_ms, bounds):
        wrong = [_glitch(seen, doubt)] if doubt.values > doubt.agreeing and not doubt.told else []
        more = _turns_unknown(seen, doubt.last, t_ms, bounds, 0)
        return _Verdict(believed, True, [*wrong, *more])
    if doubt.wraps:
        turns = 1 + doubt.turns
        rollover = ("rollover", t_ms, {**ends, "closing": new + turns * modulus})
        more = _turns_unknown(seen, doubt.last, t_ms, bounds, turns)
        return _Verdict(believed, True, [rollover, *more])
    reset = ("reset", t_ms, {**ends, "last": old, "read": first})
    return _Verdict(msgspec.structs.replace(believed, moved=True), True, [reset])


def _undecided(seen: Seen, doubt: Doubt) -> _Verdict:
    # Of another register, or after a time of unknown length, a value may well be higher.
    strange = seen.dated or as_fraction(doubt.read) < as_fraction(seen.value)
    tell = doubt.values >= PATIENCE and not doubt.told and strange and not seen.replaced
    doubt = msgspec.structs.replace(doubt, told=doubt.told or tell)
    after = msgspec.structs.replace(seen, doubt=doubt)
    return _Verdict(after, False, [_glitch(seen, doubt)] if tell else [])


def _glitch(seen: Seen, doubt: Doubt) -> _Event:
    old, read = as_fraction(seen.value), as_fraction(doubt.read)
    name = "jump" if read > old else "zero_glitch" if read == 0 else "step_back"
    return name, doubt.since_ms, {"last": old, "read": read}


def _plainly_continues(seen: Seen, value: Value, t_ms: int, bounds: Register) -> bool:
    """Whether whole numbers say so, as they do of nearly every value; False: look closer.

    True only where `_continues` is true and `_turns_unknown` has nothing to tell.
    """
    (mantissa, exponent), (was, was_exponent) = value, seen.value
    rise, per_hour, modulus = mantissa - was, bounds.per_hour, bounds.modulus
    if exponent != was_exponent or exponent > 0 or rise < 0 or not _is_dated(seen, t_ms):
        return False
    if per_hour is None:
        return True
    ones, elapsed_ms = 10**-exponent, t_ms - seen.t_ms + seen.held_ms + _REFRESH_MS
    most = per_hour.numerator * elapsed_ms * _CLASS.numerator * ones  # steps, times `bottom`
    bottom = per_hour.denominator * 3_600_000 * _CLASS.denominator
    if (rise - 2) * bottom > most:
        return False
    # Two steps, and as many as a float may be out, are a little more yet: far from a whole turn.
    more = 3 + (abs(mantissa) >> 22)
    return (
        modulus is None or most < (modulus.numerator // modulus.denominator * ones - more) * bottom
    )


def _continues(seen: Seen, value: Value, t_ms: int, bounds: Register) -> bool:
    """Is it what this register would show by now?"""
    rise = as_fraction(value) - as_fraction(seen.value)
    if rise <= 0 or bounds.per_hour is None:
        return rise >= 0
    return _is_dated(seen, t_ms) and rise <= _most(seen, value, t_ms, bounds)


def _wraps(seen: Seen, value: Value, t_ms: int, bounds: Register) -> bool:
    """Is it what this register would show after its modulus?"""
    rise = as_fraction(value) - as_fraction(seen.value)
    if rise >= 0 or bounds.modulus is None or bounds.per_hour is None:
        return False
    most = _most(seen, value, t_ms, bounds)
    return _is_dated(seen, t_ms) and 0 <= rise + bounds.modulus <= most


def _held(seen: Seen, value: Value, t_ms: int) -> int:
    if value != seen.value and as_fraction(value) != as_fraction(seen.value):
        return 0
    return min(seen.held_ms + max(t_ms - seen.t_ms, 0), _HELD_MS)


def _turns_unknown(
    seen: Seen, value: Value, t_ms: int, bounds: Register, turns: int
) -> list[_Event]:
    """An event if there was time enough for a whole turn more than is known of."""
    if bounds.modulus is None or bounds.per_hour is None:
        return []
    if not _is_dated(seen, t_ms):
        seen = _long_ago(seen, t_ms)
    old, new = as_fraction(seen.value), as_fraction(value)
    if new - old + (turns + 1) * bounds.modulus > _most(seen, value, t_ms, bounds):
        return []
    return [("turns_unknown", t_ms, {"last": old, "read": new})]


def _is_dated(seen: Seen, t_ms: int) -> bool:
    """Whether the time since is known; a clock that went back unnoticed says nothing."""
    return seen.dated and t_ms >= seen.t_ms


def _long_ago(seen: Seen, t_ms: int) -> Seen:
    return Seen(seen.value, t_ms - _LONG_MS)


def _most(seen: Seen, value: Value, t_ms: int, bounds: Register) -> Fraction:
    """The most the register can honestly have risen since."""
    hours = Fraction(t_ms - seen.t_ms + seen.held_ms + _REFRESH_MS, 3_600_000)
    step = Fraction(10) ** max(seen.value[1], value[1])
    if bounds.float32:
        step += abs(as_fraction(value)) * _FLOAT_STEP
    return (bounds.per_hour or 0) * hours * _CLASS + 2 * step


def _shift(seen: Seen, by_ms: int) -> Seen:
    doubt = seen.doubt
    if doubt is not None:
        times = {"since_ms": doubt.since_ms + by_ms, "last_t_ms": doubt.last_t_ms + by_ms}
        doubt = msgspec.structs.replace(doubt, **times)
    return msgspec.structs.replace(seen, t_ms=seen.t_ms + by_ms, doubt=doubt)
