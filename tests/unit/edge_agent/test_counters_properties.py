"""Worlds with a true meter: what is booked of it, and what is said of what is not.

A world is a list of things that happen to a meter of 10 kW between polls: it runs, wraps, is reset,
exchanged, loses what it counted last; answers come wrong, stale or twice; the agent is restarted,
its clock set. Wrong values lie farther from the register than rated power reaches; nearer ones
nobody can tell. WATTPRINT_EXAMPLES asks for more worlds than the usual ones.
"""

import itertools
import os
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import msgspec
from hypothesis import event, given, settings
from hypothesis import strategies as st

from edge_agent import counters
from edge_agent.counters import (
    PATIENCE,
    Register,
    Seen,
    confirmed,
    judge,
    replaced,
    shifted,
    undated,
)
from edge_agent.exact import as_fraction
from wire.messages import MeterEvent, Sample, Value

KWH = "active_energy_import"
T0 = 1_790_000_000_000
RATED_W = 10_000
BOOKS = {"swap", "rollover", "reset"}
EXAMPLES = int(os.environ.get("WATTPRINT_EXAMPLES", "400"))


@dataclass
class Poll:
    """One answer: what had truly been used by then, and what was said of it."""

    t_ms: int
    used: int
    wh: int
    honest: bool
    breaks: int  # how often the register was reset, exchanged or fell back so far
    turns: int  # how often it wrapped
    dark: int  # how often nobody knew for how long it was not read
    good: bool = False
    events: list[MeterEvent] = field(default_factory=list)


class World:
    """The truth in Wh, beside the judge."""

    def __init__(self, modulus: int, step: int, index: int) -> None:
        self.modulus, self.step = modulus, step
        self.bounds = {KWH: Register(Fraction(RATED_W, 1000), Fraction(modulus, 1000))}
        self.t_ms, self.used, self.index = T0, 0, index % modulus
        self.saved = self.index
        self.breaks = self.turns = self.dark = 0
        self.state: dict[str, Seen] = {}
        self.identity_after: int | None = None
        self.polls: list[Poll] = []
        self.poll(0, 0)

    def poll(self, seconds: int, load: int) -> None:
        """`load` % of rated power for so long, counted by a meter 2 % fast, then an honest answer."""
        self._run(seconds, load)
        self._answer(self.index // self.step * self.step)

    def wrong(self, seconds: int, load: int, wh: int) -> None:
        """An answer far from anything the register can show soon."""
        self._run(seconds, load)
        if not self._is_near(wh, self.index):
            self._answer(wh % self.modulus // self.step * self.step, honest=False)

    def stale(self, seconds: int, load: int) -> None:
        """The line gives the answer to the request before."""
        self._run(seconds, load)
        last = self.polls[-1]
        if last.dark != self.dark or not last.honest:
            return
        self.polls.append(replace(last, t_ms=self.t_ms, good=False, events=[]))
        self._judge()

    def restart(self) -> None:
        """What a judge remembers survives as bytes."""
        kept = msgspec.msgpack.encode(self.state)
        self.state = msgspec.msgpack.decode(kept, type=dict[str, Seen])

    def set_clock(self, seconds: int) -> None:
        self.t_ms += seconds * 1000
        self.state = dict(shifted(self.state, seconds * 1000))

    def boot_without_clock(self, seconds: int, load: int) -> None:
        """Then the identity is read first."""
        if self.identity_after is None and self.breaks != self.believed.breaks:
            return  # a meter that cannot say who it is, exchanged just then: nobody can tell
        self.identity_after = None if self.identity_after is None else 0
        self._run(seconds, load)
        self.t_ms = 5_000
        self.dark += 1
        self.state = dict(undated(self.state))

    def reset(self) -> None:
        """By a command on the bus."""
        if not self._is_near(0):
            self._break(0)

    def lose(self) -> None:
        """The meter lost power, and what it had counted since it last saved it."""
        lost = self.index - self.saved
        if lost > 0 and self.modulus - lost > 3 * RATED_W:  # else it might as well have wrapped
            self._break(self.saved)

    def swap(self, index: int, identity_after: int | None) -> None:
        """Another meter; its identity is read before the next poll, or later, or never."""
        if self.believed.dark == self.dark and not self._is_near(index % self.modulus):
            self._break(index % self.modulus)
            self.identity_after = identity_after

    def same(self) -> None:
        """The identity is read, and is what it was."""
        if self.identity_after is None:
            self.state = dict(confirmed(self.state))

    @property
    def believed(self) -> Poll:
        return next(poll for poll in reversed(self.polls) if poll.good)

    def _run(self, seconds: int, load: int) -> None:
        self.t_ms += seconds * 1000
        wh = RATED_W * load * 102 * seconds // (3600 * 100 * 100)
        self.saved = self.index
        self.used += wh
        self.turns += (self.index + wh) // self.modulus
        self.index = (self.index + wh) % self.modulus

    def _answer(self, wh: int, *, honest: bool = True) -> None:
        if self.identity_after is not None:
            self.identity_after -= 1
            if self.identity_after < 0:
                self.state, self.identity_after = dict(replaced(self.state)), None
        counts = self.breaks, self.turns, self.dark
        self.polls.append(Poll(self.t_ms, self.used, wh, honest, *counts))
        self._judge()

    def _judge(self) -> None:
        poll = self.polls[-1]
        value = (poll.wh // self.step, {1: -3, 10: -2}[self.step])
        sample = Sample("m", poll.t_ms, {KWH: value})
        judged = judge(self.state, sample, self.bounds)
        poll.good = [s.quality for s in judged.samples] == ["good"]
        poll.events += judged.events
        again = judge(judged.state, sample, self.bounds)
        assert (again.state, again.samples, again.events) == (judged.state, judged.samples, [])
        self.state = dict(judged.state)

    def _break(self, index: int) -> None:
        self.breaks += 1
        self.index = self.saved = index

    def _is_near(self, wh: int, *others: int) -> bool:
        """Whether it could be taken for what the register shows, or showed, or will show soon."""
        shown = [*others, *(_wh(v) for seen in self.state.values() for v in _values(seen))]
        away = [(wh - each) % self.modulus for each in shown]
        return any(min(gap, self.modulus - gap) < 3 * RATED_W for gap in away)


def _values(seen: Seen) -> list[Value]:
    return [seen.value, *((seen.doubt.first, seen.doubt.last) if seen.doubt else ())]


def _wh(value: Value) -> int:
    return int(as_fraction(value) * 1000)


seconds, outage, load = st.integers(1, 60), st.integers(60, 7200), st.integers(0, 100)
index = st.integers(0, 10**9 - 1)
happening = st.one_of(
    st.tuples(st.just("poll"), seconds, load),
    st.tuples(st.just("poll"), seconds, load),
    st.tuples(st.just("poll"), outage, load),
    st.tuples(st.just("wrong"), seconds, load, st.just(0) | index),
    st.tuples(st.just("stale"), seconds, load),
    st.tuples(st.sampled_from(["restart", "reset", "lose", "same"])),
    st.tuples(st.just("set_clock"), st.integers(-7200, 7200)),
    st.tuples(st.just("boot_without_clock"), outage, load),
    st.tuples(st.just("swap"), index, st.none() | st.integers(0, 5)),
)
worlds = st.builds(World, st.sampled_from([5_000, 200_000, 10**9]), st.sampled_from([1, 10]), index)


@settings(max_examples=EXAMPLES, deadline=None)
@given(worlds, st.lists(happening, max_size=40))
def test_the_account_of_a_meter_is_its_truth_or_says_what_it_lacks(
    world: World, happenings: list[tuple[Any, ...]]
) -> None:
    for name, *told in happenings:
        getattr(world, name)(*told)
    for _ in range(3 * PATIENCE):
        world.poll(60, 100)
    assert any(poll.good for poll in world.polls[-PATIENCE:]), (
        "doubt ends where the register is honest and counts"
    )
    assert all(poll.honest for poll in world.polls if poll.good), "no wrong value is booked"
    told = [event for poll in world.polls for event in poll.events]
    for name in {each.event for each in told}:
        event(name)
    good = [n for n, poll in enumerate(world.polls) if poll.good]
    assert good[0] == 0
    for start, end in itertools.pairwise(good):
        _settle(world, world.polls[start], world.polls[start + 1 : end + 1])


def _settle(world: World, before: Poll, then: list[Poll]) -> None:
    """What one stretch from a good value to the next booked, against what was used in it."""
    last, slack = then[-1], 2 * world.step
    events = [event for poll in then for event in poll.events]
    kinds = [event.event for event in events]
    books = [event for event in events if event.event in BOOKS]
    booked = last.wh - before.wh
    for each in books:
        booked = int(Fraction(each.detail["closing"]) * 1000) - before.wh
        assert int(Fraction(each.detail["opening"]) * 1000) == last.wh
        assert each.t_ms == last.t_ms
    missing = last.used - before.used - booked
    assert len(books) <= 1
    assert missing >= -slack, "never more than was used"
    breaks, turns = last.breaks - before.breaks, last.turns - before.turns
    dark = last.dark - before.dark
    known = not dark or not (turns or "swap" in kinds)
    if not breaks and known:
        most = abs((missing + slack) % world.modulus - slack)
        assert (most if "turns_unknown" in kinds else missing) <= slack, "all that was used"
        assert [each.event for each in books] in ([], ["rollover"])
    elif books:
        assert missing <= _first_sure(then).used - before.used + slack or "turns_unknown" in kinds
    if all(poll.honest for poll in then) and not breaks and not turns:
        assert kinds in ([], ["turns_unknown"], ["swap"] if dark else [])
        assert len(then) == 1 or dark
    if breaks or turns or any(not poll.honest for poll in then):
        unseen = len(then) == 1 and last.wh >= before.wh
        assert events or unseen or dark, "what happened is said"


def _first_sure(then: list[Poll]) -> Poll:
    """The first of the answers at the end that were all honest and of one register."""
    last = then[-1]
    sure = last
    for poll in reversed(then):
        here, there = ((p.breaks, p.turns, p.dark) for p in (poll, last))
        if not poll.honest or here != there:
            break
        sure = poll
    return sure


@given(
    was=st.integers(-5, 10**9),
    rise=st.integers(-3, 2000) | st.integers(0, 10**10),
    exponents=st.tuples(st.integers(-4, 1), st.integers(-4, 1)) | st.just((-3, -3)),
    elapsed_ms=st.integers(-5000, 10**7) | st.just(1000),
    seen=st.builds(dict, held_ms=st.integers(0, 10**6), dated=st.booleans(), moved=st.booleans()),
    bounds=st.builds(
        Register,
        st.none() | st.fractions(0, 10**5, max_denominator=1000),
        st.none() | st.fractions(1, 10**7, max_denominator=1000),
        st.booleans(),
    ),
)
@settings(max_examples=5 * EXAMPLES, deadline=None)
def test_what_whole_numbers_say_at_once_the_exact_fractions_say_too(
    was: int,
    rise: int,
    exponents: tuple[int, int],
    elapsed_ms: int,
    seen: dict[str, Any],
    bounds: Register,
) -> None:
    before, value = Seen((was, exponents[0]), T0, **seen), (was + rise, exponents[1])
    t_ms = T0 + elapsed_ms
    if counters._plainly_continues(before, value, t_ms, bounds):
        event("at once")
        assert counters._continues(before, value, t_ms, bounds)
        assert counters._turns_unknown(before, value, t_ms, bounds, 0) == []
