"""Columns as text, beside a plain formatter that takes one number after the other."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestor.columns import scaled
from ingestor.digits import decimals, woven

edges = [0, 1, -1, 9, 10, 999, 1000, 9999, 10_000, -10_000, 99_999_999, 100_000_000, 10**12]
sound = st.one_of(
    st.sampled_from(edges),
    st.integers(-300, 300),
    st.integers(0, 20_000),
    st.integers(1 - 10**15, 10**15 - 1),
)
exponents = st.integers(-18, 0)
big = st.integers(1 - 2**62, 2**62 - 1)


def text(mantissas: list[int], exponent: int) -> list[str]:
    column = np.array(mantissas, np.int64)
    cells = [b"a=", *decimals(column, exponent), b"\n"]
    return woven(len(mantissas), cells).decode().splitlines()


@given(st.lists(sound, min_size=1, max_size=20), exponents)
def test_a_column_is_what_each_of_its_numbers_is(mantissas: list[int], exponent: int) -> None:
    plain = [f"a={Decimal(mantissa).scaleb(exponent):f}" for mantissa in mantissas]
    assert text(mantissas, exponent) == plain


@given(st.lists(st.integers(-999, 999), min_size=1, max_size=20), st.integers(1, 12))
def test_a_unit_of_many_is_written_out(mantissas: list[int], exponent: int) -> None:
    assert text(mantissas, exponent) == [f"a={mantissa * 10**exponent}" for mantissa in mantissas]


@given(st.lists(st.one_of(sound, big), min_size=1, max_size=20), st.integers(-18, 18))
def test_every_text_is_the_double_every_sink_has(mantissas: list[int], exponent: int) -> None:
    doubles = scaled(np.array(mantissas, np.int64), exponent).tolist()
    assert [float(line[2:]) for line in text(mantissas, exponent)] == doubles


@pytest.mark.parametrize("digits", range(1, 19))
def test_whole_numbers_lose_no_digit(digits: int) -> None:
    longest = 10**digits - 1
    column = [longest, longest - 1, 10 ** (digits - 1), 0, 7, -longest]
    assert text(column, 0) == [f"a={number}" for number in column]


def test_cells_of_several_columns_stand_in_their_lines() -> None:
    heads = np.array([b"first", b"b", b"third"])
    columns = [np.array(column, np.int64) for column in ([5, -12_345, 0], [7, 70_000, 123_456])]
    cells = [heads, b" x=", *decimals(columns[0], -1), b",y=", *decimals(columns[1], 0), b"\n"]
    assert woven(3, cells) == b"first x=0.5,y=7\nb x=-1234.5,y=70000\nthird x=0.0,y=123456\n"


@pytest.mark.parametrize("lines", [999, 1000, 1001, 2500])
def test_however_many_lines_there_are_each_has_its_own_number(lines: int) -> None:
    column = [7 * n - 3000 for n in range(lines)]
    assert text(column, -1) == [f"a={Decimal(number).scaleb(-1):f}" for number in column]
