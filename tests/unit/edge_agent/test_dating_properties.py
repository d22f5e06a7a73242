"""Any history of boots, clocks set and seals: every reading leaves once, and what is booked of a
meter goes forward in time as its register does."""

import itertools
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from edge_agent.clock import NOT_BEFORE_MS, Instant
from edge_agent.store import open_store
from tests.unit.edge_agent.test_counters_properties import EXAMPLES
from wire.messages import BOOKED, MeterEvent, Sample
from wire.segment import open_segment
from wire.signing import SigningKey

KEY = SigningKey(bytes(range(32)))
KWH = "active_energy_import"
HOUR = 3_600_000
T0 = NOT_BEFORE_MS + 1000 * HOUR
METERS = ("m", "n")


class Machine:
    """The true time, a wall clock that may be up to ten hours off or in 1970, and a store."""

    def __init__(self, path: Path) -> None:
        self.path, self.true_ms, self.off_ms = path, T0, 0
        self.boot, self.began_ms, self.count = 0, T0 - HOUR, 0
        self.unset: set[int] = set()  # boots whose clock was never set, with readings
        self.store = open_store(path, "cq", "gw", KEY, self.now)
        self.ends: list[int] = []  # counts at which m's register ended

    @property
    def now(self) -> Instant:
        return Instant(self.true_ms + self.off_ms, self.true_ms - self.began_ms, str(self.boot))

    def read(self, ms: int, ends: bool) -> None:
        """Both meters, one after the other."""
        self.true_ms += ms
        self.count += 1
        at = self.now
        samples = [
            Sample(meter, at.wall_ms + gap, {KWH: (self.count, 0)})
            for gap, meter in enumerate(METERS)
        ]
        detail = {"quantity": KWH, "closing": str(self.count), "opening": "0"}
        events = [MeterEvent("m", at.wall_ms, "swap", detail)] if ends else []
        self.ends += [self.count] if ends else []
        if not at.is_set:
            self.unset.add(self.boot)
        self.store.commit(samples, events, at, {})

    def set_clock(self, off_ms: int) -> None:
        self.off_ms = off_ms
        self.unset.discard(self.boot)
        step = MeterEvent("gw", self.now.wall_ms, "clock_step")
        self.store.commit([], [step], self.now, {})

    def seal(self, most: int) -> None:
        self.store.seal(self.now, "synchronized", most)

    def restart(self) -> None:
        self.store.close()
        self.store = open_store(self.path, "cq", "gw", KEY, self.now)

    def reboot(self, ms: int, off_ms: int | None) -> None:
        """`off_ms` None: it boots in 1970."""
        self.store.close()
        self.true_ms += ms
        self.began_ms = self.true_ms - 20_000
        self.boot += 1
        self.off_ms = 5_000 - self.true_ms if off_ms is None else off_ms
        self.store = open_store(self.path, "cq", "gw", KEY, self.now)

    def left(self) -> tuple[list[Sample], list[MeterEvent]]:
        stream, samples, events = self.store.current(), [], []
        for seq in range(1, stream.last_seq + 1):
            sealed = self.store.segment(stream.stream, seq)
            assert sealed is not None
            segment = open_segment(sealed.data)
            samples += [sample for table in segment.tables for sample in table.samples()]
            events += segment.events
        return samples, events


offs = st.integers(-10 * HOUR, 10 * HOUR) | st.sampled_from([0, -1000, 1000, -HOUR, HOUR])
pauses = st.integers(1000, 5000) | st.integers(1000, 3 * HOUR)
happening = st.one_of(
    st.tuples(st.just("read"), pauses, st.booleans()),
    st.tuples(st.just("read"), pauses, st.just(False)),
    st.tuples(st.just("seal"), st.sampled_from([1, 3, 600])),
    st.tuples(st.just("set_clock"), offs),
    st.tuples(st.just("restart")),
    st.tuples(st.just("reboot"), pauses, st.none() | offs),
)


@settings(max_examples=EXAMPLES // 4, deadline=None)
@given(st.lists(happening, max_size=30))
def test_every_reading_leaves_once_and_what_is_booked_goes_forward(
    happenings: list[tuple[Any, ...]],
) -> None:
    with TemporaryDirectory() as folder:
        machine = Machine(Path(folder) / "store.db")
        for name, *told in happenings:
            getattr(machine, name)(*told)
        machine.set_clock(0)
        while machine.store.waiting()[0]:
            machine.seal(600)
        samples, events = machine.left()
        machine.store.close()
    _check(machine, samples, events)


def _check(machine: Machine, samples: list[Sample], events: list[MeterEvent]) -> None:
    for sample in samples:
        event(sample.quality)
    for meter in METERS:
        counts = [s.values[KWH][0] for s in samples if s.meter == meter]
        assert sorted(counts) == list(range(1, machine.count + 1)), "each once"
        booked = sorted(
            (s.t_ms, s.values[KWH][0]) for s in samples if s.meter == meter and s.quality in BOOKED
        )
        for (t_ms, count), (later_ms, more) in itertools.pairwise(booked):
            assert t_ms < later_ms
            assert count < more
    told = [each for each in events if each.event == "swap"]
    assert sorted(int(each.detail["closing"]) for each in told) == machine.ends
    booked = [(s.t_ms, s.values[KWH][0]) for s in samples if s.meter == "m" and s.quality in BOOKED]
    for end in told:
        for t_ms, count in booked:
            before = count < int(end.detail["closing"])
            assert t_ms < end.t_ms if before else t_ms >= end.t_ms
    names = [each.event for each in events]
    assert names.count("undated") == len(machine.unset)
    suspect = any(sample.quality == "suspect" for sample in samples)
    assert ("clock_behind" in names) == suspect
