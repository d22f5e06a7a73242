"""Rows packed and put together, beside rows that were never packed."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ingestor.blocks import Kind, Loose, block, merged

KIND: Kind = ("good", ("active_power", "frequency"), (-1, -2))
edges = st.sampled_from([0, 127, 128, -129, 32_768, 2**31, 1 - 2**62, 2**62 - 1])
numbers = st.one_of(st.integers(-300, 300), edges, st.integers(1 - 2**62, 2**62 - 1))
rows = st.lists(st.tuples(st.integers(0, 50), numbers, numbers), min_size=1, max_size=12)


def loose(told: list[tuple[int, int, int]]) -> Loose:
    return Loose(KIND, np.array(sorted(told), np.int64).T)


@given(st.lists(rows, min_size=1, max_size=5), st.data())
def test_of_two_values_at_one_time_the_lower_stands_packed_or_not(
    parts: list[list[tuple[int, int, int]]], data: st.DataObject
) -> None:
    lowest: dict[int, tuple[int, int]] = {}
    for t_ms, *values in (row for part in parts for row in part):
        before = lowest.get(t_ms, values)
        lowest[t_ms] = min(before[0], values[0]), min(before[1], values[1])
    wanted = [[t_ms, *lowest[t_ms]] for t_ms in sorted(lowest)]
    for is_packed in ([True] * len(parts), [False] * len(parts), data.draw(mixed(len(parts)))):
        pieces = [
            block(*loose(part)) if packed else loose(part)
            for part, packed in zip(parts, is_packed, strict=True)
        ]
        assert merged(pieces)[KIND].T.tolist() == wanted


def mixed(count: int) -> st.SearchStrategy[list[bool]]:
    return st.lists(st.booleans(), min_size=count, max_size=count)


def test_what_jumps_about_its_level_takes_no_more_than_its_range() -> None:
    level = np.array([[0, 1, 2, 3], [100, 200, 10, 190]], np.int64)
    climbs = np.array([[0, 1, 2, 3], [0, 100, 200, 300]], np.int64)
    kind: Kind = ("good", ("active_power",), (0,))
    assert [width for _, width, _ in block(kind, level).columns] == [1, -1]
    assert [width for _, width, _ in block(kind, climbs).columns] == [1, 1]
