import dataclasses
import hashlib
import random
import zlib

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.errors import BadData
from wire.messages import QUALITIES, MeterEvent, Sample
from wire.quantities import QUANTITIES
from wire.segment import GENESIS, MAX_SEGMENT, Place, open_segment, seal
from wire.signing import SigningKey

KEY = SigningKey(bytes(range(32)))
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


def test_a_column_decodes_with_numpy_in_one_call():
    rows = [Sample("m", 1000 * t, {"active_energy_import": (t * t * 1000, -3)}) for t in range(99)]
    (table,) = open_segment(seal(PLACE, rows, [], KEY)).tables
    (column,) = table.columns
    found = column.first + np.cumsum(np.frombuffer(column.deltas, f"<i{column.width}"))
    assert found.tolist() == [t * t * 1000 for t in range(99)]
    assert found.tolist() == list(column.values())


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


def test_a_body_that_unpacks_without_end_is_refused():
    data = seal(PLACE, [Sample("m", 1, {"frequency": (1, 0)})], [], KEY)
    line, signature, _ = data.split(b"\n", 2)
    bomb = zlib.compress(bytes(80 * 1024 * 1024))
    header = msgspec.json.decode(line)
    header["body"] = hashlib.sha256(bomb).hexdigest()
    with pytest.raises(BadData, match="size limit"):
        open_segment(b"\n".join((msgspec.json.encode(header), signature, bomb)))


def test_a_column_that_leaves_64_bits_is_bad_data():
    rows = [Sample("m", t, {"frequency": (t * ((1 << 61) - 1), 0)}) for t in (-1, 0, 1)]
    (table,) = open_segment(seal(PLACE, rows, [], KEY)).tables
    lifted = dataclasses.replace(table.columns[0], first=(1 << 63) - 1)
    with pytest.raises(BadData, match="64 bits"):
        lifted.values()


def test_an_empty_segment_is_never_sealed():
    with pytest.raises(BadData, match="at least one"):
        seal(PLACE, [], [], KEY)


def test_another_key_does_not_verify():
    data = seal(PLACE, [Sample("m", 1, {"frequency": (1, 0)})], [], KEY)
    with pytest.raises(BadData, match="names key"):
        open_segment(data).verify(SigningKey(bytes(32)).public)
