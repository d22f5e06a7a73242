"""numpy's way to a segment's numbers and the plain one; the plain one is tested in tests/unit/wire."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calc_stream.decode import numbers
from ingestor.columns import matrix
from wire.segment import Numbers, Run, Table
from wire.segment.numbers import pack

whole = st.one_of(st.integers(-300, 300), st.integers(-(2**62) + 1, 2**62 - 1))
columns = st.lists(st.lists(whole, min_size=3, max_size=3), min_size=2, max_size=2)


def table(packed: Numbers, rows: int) -> Table:
    return Table("m", "good", ("frequency",), (0,), rows, packed, 0, rows)


@given(columns)
def test_both_readers_see_what_was_packed(given_columns):
    one = table(pack(given_columns), 3)
    assert matrix(one).tolist() == given_columns
    assert [numbers(column).tolist() for column in (one.times_ms, *one.columns)] == given_columns
    assert [list(column.values()) for column in (one.times_ms, *one.columns)] == given_columns


@given(st.data(), st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_forged_numbers_are_the_same_to_every_reader(data, rows):
    def run(count: int) -> Run:
        width = data.draw(st.integers(1, 8))
        size = width * count
        return Run(width, data.draw(st.binary(min_size=size, max_size=size)))

    forged = Numbers(rows, run(len(rows)), run(len(rows)), run(sum(rows)))
    plain = list(forged.values())
    flat = Table("m", "good", (), (), sum(rows), forged, 0, 0)
    assert matrix(flat)[0].tolist() == plain
    assert numbers(flat.times_ms).tolist() == plain


def test_what_is_shared_cannot_be_written():
    one = table(pack([[1, 2], [3, 4]]), 2)
    for found in (matrix(one), numbers(one.times_ms)):
        with pytest.raises(ValueError, match="read-only"):
            found += np.int64(1)


def test_tables_of_one_sheet_are_cut_at_their_places():
    packed = pack([[1, 2], [7], [10, 20], [70]])
    first = Table("a", "good", ("frequency",), (0,), 2, packed, 0, 3)
    second = Table("b", "good", ("frequency",), (0,), 1, packed, 2, 3)
    assert matrix(first).tolist() == [[1, 2], [10, 20]]
    assert matrix(second).tolist() == [[7], [70]]
