import random
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.errors import BadData
from wire.messages import QUALITIES, MeterEvent, Sample
from wire.quantities import QUANTITIES
from wire.segment import (
    GENESIS,
    MAX_SEGMENT,
    NUMBER_LIMIT,
    Numbers,
    Place,
    Run,
    body,
    open_segment,
    seal,
)
from wire.signing import SigningKey

KEY = SigningKey(bytes(range(32)))
GOLDEN = Path(__file__).parents[2] / "golden/segments"
ZEROS = Run(1, bytes(2))
PLACE = Place("cq", "gw-1", "a" * 32, 1, GENESIS, "b" * 32, "assumed")

values = st.tuples(st.integers(-(2**61), 2**61), st.integers(-18, 18))
samples = st.builds(
    Sample,
    meter=st.sampled_from(["m-1", "m-2", "电表"]),
    t_ms=st.integers(0, 2**45),
    values=st.dictionaries(st.sampled_from(sorted(QUANTITIES)), values, min_size=1, max_size=5),
    quality=st.sampled_from(QUALITIES),
)
events = st.builds(MeterEvent, st.just("m-1"), st.integers(0, 2**45), st.just("reset"))


def as_set(found: list[Sample]) -> list[bytes]:
    return sorted(msgspec.json.encode(sample, order="sorted") for sample in found)


@given(st.lists(samples, min_size=1, max_size=30), st.lists(events, max_size=3))
def test_what_is_sealed_comes_out_exactly(given_samples, given_events):
    opened = open_segment(seal(PLACE, given_samples, given_events, KEY))
    opened.verify(KEY.public)
    found = [sample for table in opened.tables for sample in table.samples()]
    assert as_set(found) == as_set(given_samples)
    assert list(opened.events) == given_events
    assert opened.header.readings == sum(len(sample.values) for sample in given_samples)


def test_the_same_facts_give_the_same_bytes():
    rows = [Sample("m", t, {"frequency": (5000 + t, -2)}) for t in range(50)]
    shuffled = rows.copy()
    random.Random(1).shuffle(shuffled)
    assert seal(PLACE, rows, [], KEY) == seal(PLACE, shuffled, [], KEY)


def test_every_changed_byte_is_noticed():
    rows = [Sample("m", 1000 * t, {"active_energy_import": (t, -3)}) for t in range(5)]
    data = seal(PLACE, rows, [], KEY)
    open_segment(data).verify(KEY.public)
    for at in range(len(data)):
        bad = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        with pytest.raises(BadData):
            open_segment(bad).verify(KEY.public)


def test_what_the_first_version_sealed_still_opens():
    """Sealed by the program before this encoding was; its readings follow from their numbers."""
    opened = open_segment((GOLDEN / "delta-shuffle-zlib.seg").read_bytes())
    opened.verify(KEY.public)
    press = [
        Sample(
            "m-press-1",
            1_790_000_000_000 + 1000 * n + n % 3,
            {
                "active_energy_import": (123_456_789 + 3 * n, -3),
                "active_power": (104_000 + n * n * 37 % 900, -1),
                "voltage_l1": (2304, -1),
            },
        )
        for n in range(12)
    ]
    gas = [
        Sample(
            "m-gas",
            1_790_000_000_500 + 4000 * n,
            {"gas_volume": (5_000_000_000 * n, -2)},
            "estimated",
        )
        for n in range(3)
    ]
    found = [sample for table in opened.tables for sample in table.samples()]
    assert as_set(found) == as_set(press + gas)
    assert [event.event for event in opened.events] == ["reset"]
    assert (opened.header.seq, opened.header.encoding) == (7, "delta-shuffle-zlib")


def test_a_header_says_what_waits_only_where_something_does():
    sample = Sample("m", 1, {"frequency": (1, 0)})
    plain = seal(PLACE, [sample], [], KEY)
    assert b"waits" not in plain.split(b"\n")[0]
    behind = open_segment(seal(replace(PLACE, waits_from_ms=-5), [sample], [], KEY)).header
    assert (behind.v, behind.waits_from_ms) == (2, -5)
    assert behind.where(None) == open_segment(plain).header


def test_sums_wrap_at_64_bits():
    """Only forged numbers do; every reader must then see the same ones."""
    run = Run(8, b"\xfe" + 7 * b"\xff")  # 2**63 - 1
    numbers = Numbers([1, 1], Run(8, bytes(b for b in run.planes for _ in "ab")), *[ZEROS] * 2)
    assert list(numbers.values()) == [(1 << 63) - 1, -2]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "three parts"),
        (b"{}\n\n", "header"),
        (b"x" * (MAX_SEGMENT + 1), "over the limit"),
        (b"[" * 100_000 + b"\n\n", "header"),
    ],
)
def test_bad_bytes_are_bad_data(data, problem):
    with pytest.raises(BadData, match=problem):
        open_segment(data)


def test_a_number_over_62_bits_is_never_sealed():
    for number in (NUMBER_LIMIT, -NUMBER_LIMIT):
        with pytest.raises(BadData, match="62 bits"):
            seal(PLACE, [Sample("m", 1, {"frequency": (number, 0)})], [], KEY)


def test_more_than_a_segment_holds_is_never_sealed():
    names = sorted(name for name, known in QUANTITIES.items() if not known.gateway)
    values = dict.fromkeys(names, (1, 0))
    rows = [Sample("m", t, values) for t in range(body.MOST_NUMBERS // len(names))]
    with pytest.raises(BadData, match="at most"):
        seal(PLACE, rows, [], KEY)


def test_readings_of_sixty_seconds_take_little_room():
    """Ten meters of twenty registers that move as registers do: noise, counters, idle phases."""
    rng = random.Random(5)
    names = [f"{what}_l{n}" for what in ("voltage", "current", "active_power") for n in (1, 2, 3)]
    names += ["frequency", "active_energy_import", "active_energy_export"]
    rows = []
    for meter in range(10):
        level = {name: rng.randrange(1000, 60_000) for name in names}
        for second in range(60):
            values = {name: (round(level[name] * rng.gauss(1, 0.002)), -1) for name in names[:-2]}
            values["active_energy_import"] = (level["active_energy_import"] + 3 * second, -3)
            values["active_energy_export"] = (level["active_energy_export"], -3)
            rows.append(Sample(f"m-{meter}", 1000 * second + rng.randrange(5), values))
    assert len(seal(PLACE, rows, [], KEY)) < 1.2 * 60 * 10 * len(names)


def test_an_empty_segment_is_never_sealed():
    with pytest.raises(BadData, match="at least one"):
        seal(PLACE, [], [], KEY)


def test_another_key_does_not_verify():
    data = seal(PLACE, [Sample("m", 1, {"frequency": (1, 0)})], [], KEY)
    with pytest.raises(BadData, match="names key"):
        open_segment(data).verify(SigningKey(bytes(32)).public)
