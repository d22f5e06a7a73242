"""Bodies that lie. Whoever sealed them has a key, so hash and signature are right and say nothing."""

import hashlib
import random
import struct
import time
import tracemalloc
import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestor.columns import matrix
from wire.errors import BadData
from wire.messages import MeterEvent, Sample
from wire.segment import GENESIS, MAX_SEGMENT, Place, open_segment, seal
from wire.segment.body import MOST_NUMBERS, MOST_PLAIN
from wire.signing import SigningKey

KEY = SigningKey(bytes(range(32)))
PLACE = Place("cq", "gw-1", "a" * 32, 1, GENESIS, "b" * 32, "assumed")
VALUES = {"active_power": (5, -1), "frequency": (5000, -2)}
SOUND = seal(
    PLACE,
    [Sample(f"m-{n % 3}", 1000 * n, VALUES) for n in range(30)],
    [MeterEvent("m-1", 1000, "reset")],
    KEY,
)


def enclosed(inside: bytes, **others: object) -> bytes:
    """A segment around a body, its header saying the right hash."""
    line, signature, _ = SOUND.split(b"\n", 2)
    header = msgspec.json.decode(line) | {"body": hashlib.sha256(inside).hexdigest()} | others
    return b"\n".join((msgspec.json.encode(header), signature, inside))


def body(layout: object, numbers: bytes) -> bytes:
    text = layout if isinstance(layout, bytes) else msgspec.json.encode(layout)
    return zlib.compress(struct.pack("<I", len(text)) + text + numbers)


def sheet(**others: object) -> dict[str, object]:
    return {
        "quality": "good",
        "quantities": ["active_power"],
        "exponents": [-1],
        "meters": ["m-1"],
        "rows": [2],
    } | others


def layout(*sheets: object, widths: object = (1, 1, 1)) -> dict[str, object]:
    return {"sheets": list(sheets), "widths": widths, "events": []}


def refused(data: bytes, problem: str) -> None:
    """Refused within a second and 256 MB, whatever it claims."""
    began = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(BadData, match=problem):
            open_segment(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 256 * 1024 * 1024
    assert time.process_time() - began < 10  # tracing itself takes most of it


def test_the_parts_of_this_test_make_a_sound_segment():
    data = enclosed(body(layout(sheet()), bytes([*(2, 4), *(0, 6), *(0, 2, 0, 3)])), readings=2)
    (table,) = open_segment(data).tables
    assert matrix(table).tolist() == [[1, 2], [4, 5]]


@pytest.mark.parametrize(
    ("sheets", "problem"),
    [
        (sheet(rows=[1 << 40]), "at most"),
        (sheet(rows=[MOST_NUMBERS]), "at most"),
        (sheet(rows=[0]), "do not fit together"),
        (sheet(rows=[-2]), "do not fit together"),
        (sheet(rows=[]), "do not fit together"),
        (sheet(rows=[2, 2]), "do not fit together"),
        (sheet(meters=[], rows=[]), "do not fit together"),
        (sheet(meters=["b", "a"], rows=[1, 1]), "not in order"),
        (sheet(meters=["a", "a"], rows=[1, 1]), "not in order"),
        (sheet(quantities=["active_power"] * 2, exponents=[0, 0]), "not in order"),
        (sheet(quantities=[]), "do not fit together"),
        (sheet(exponents=[]), "do not fit together"),
        (sheet(exponents=[19]), "outside -18"),
        (sheet(exponents=[1 << 70]), "segment layout"),
        (sheet(quality="excellent"), "unknown quality"),
        (sheet(quantities=["bananas"]), "unknown quantity"),
        (sheet(rows=[1.5]), "segment layout"),
        ("sheet", "segment layout"),
    ],
)
def test_a_layout_that_cannot_be_is_refused(sheets, problem):
    refused(enclosed(body(layout(sheets), bytes(8))), problem)


@pytest.mark.parametrize(
    "widths", [(0, 1, 1), (1, 9, 1), (1, 1, -1), (1, 1), (1, 1, 1, 1), (1e3, 1, 1)]
)
def test_a_width_no_number_has_is_refused(widths):
    refused(enclosed(body(layout(sheet(), widths=widths), bytes(8))), "width|layout")


@pytest.mark.parametrize("size", [0, 7, 9, 10_000])
def test_numbers_that_are_not_as_many_as_told_are_refused(size):
    refused(enclosed(body(layout(sheet()), bytes(size))), "bytes of numbers, not 8")


def test_a_body_that_unpacks_without_end_is_refused():
    refused(enclosed(zlib.compress(bytes(MOST_PLAIN + 100))), "size limit")


def test_a_layout_longer_than_its_body_is_refused():
    refused(enclosed(zlib.compress(struct.pack("<I", 1 << 31) + b"{}")), "segment layout")


def test_tables_without_end_are_refused():
    many = [f"m-{n:06}" for n in range(400_000)]
    told = layout(sheet(meters=many, rows=[1] * len(many)))
    refused(enclosed(body(told, bytes(6 * len(many)))), "at most")


def test_a_deep_layout_is_refused():
    refused(enclosed(body(b'{"sheets":' + b"[" * 1_000_000, b"")), "segment layout")


def test_a_body_cut_short_or_with_a_tail_is_refused():
    inside = body(layout(sheet()), bytes(8))
    for wrong in (inside[:-1], inside + b"x", b"", inside + inside):
        refused(enclosed(wrong), "decompressed|cut short")


def test_the_largest_honest_body_costs_bounded_memory():
    rows = MOST_NUMBERS // 2
    data = enclosed(body(layout(sheet(rows=[rows])), bytes(4 + 2 * rows)), readings=rows)
    assert len(data) < MAX_SEGMENT
    tracemalloc.start()
    try:
        assert matrix(open_segment(data).tables[0]).shape == (2, rows)
        assert tracemalloc.get_traced_memory()[1] < 256 * 1024 * 1024
    finally:
        tracemalloc.stop()


@given(st.integers(0, 2**32 - 1))
def test_a_damaged_body_is_bad_data_or_whole_numbers(seed):
    """Whatever is turned, cut, doubled or exchanged inside: nothing but BadData comes out."""
    rng = random.Random(seed)
    plain = bytearray(zlib.decompress(SOUND.split(b"\n", 2)[2]))
    for _ in range(rng.randint(1, 4)):
        at, to = rng.randrange(len(plain)), rng.randrange(len(plain))
        match rng.randrange(5):
            case 0:
                plain[at] ^= 1 << rng.randrange(8)
            case 1:
                plain[at : at + 1] = rng.randbytes(rng.randrange(4))
            case 2:
                del plain[min(at, to) : min(at, to) + rng.randrange(20)]
            case 3:
                plain[at:at] = plain[to : to + 20]
            case _:
                plain[at], plain[to] = plain[to], plain[at]
    try:
        tables = open_segment(enclosed(zlib.compress(bytes(plain)))).tables
    except BadData:
        return
    for table in tables:
        assert matrix(table).shape == (1 + len(table.quantities), table.rows)
        assert len(list(table.samples())) == table.rows


@given(st.binary(max_size=300))
def test_random_bytes_as_a_body_are_bad_data(noise):
    for inside in (noise, zlib.compress(noise)):
        with pytest.raises(BadData):
            open_segment(enclosed(inside))
