"""Scores follow the rule that stands in the packages, at each of its limits."""

import msgspec
import pytest

from calc_stream.datasets.pedigree import Pedigree, of_factors, of_site
from tests.unit.calc_stream_live.footprints_sample import sample

CHINA = ("CN", "CN-CQ")
GRID = sample().factors[0]  # of 2024, for CN, read in its document


@pytest.mark.parametrize(
    ("years", "score"), [(0, 1), (2, 1), (3, 2), (5, 2), (6, 3), (9, 3), (10, 4), (14, 4), (15, 5)]
)
def test_time_counts_by_years_before_and_after(years: int, score: int) -> None:
    for year in (2024 + years, 2024 - years):
        found = of_factors([GRID], year, CHINA)
        assert found is not None
        assert found.temporal == score


@pytest.mark.parametrize(("region", "score"), [("CN-CQ", 1), ("CN", 2), ("CN-SC", 5), ("DE", 5)])
def test_place_counts_by_country_and_subdivision(region: str, score: int) -> None:
    found = of_factors([msgspec.structs.replace(GRID, region=region)], 2024, CHINA)
    assert found == Pedigree(2, 2, 1, score, 2)


def test_the_worst_of_several_factors_counts() -> None:
    own = msgspec.structs.replace(GRID, primary=True, region="DE")
    copied = msgspec.structs.replace(GRID, status="secondary", region="CN-CQ", data_year=2018)
    assert of_factors([own], 2024, CHINA) == Pedigree(1)
    assert of_factors([own, copied, GRID], 2024, CHINA) == Pedigree(3, 2, 3, 2, 2)
    assert of_factors([], 2024, CHINA) is None


def test_where_nobody_declared_a_place_no_factor_is_of_it() -> None:
    assert of_factors([GRID], 2024, ()) == Pedigree(2, 2, 1, 5, 2)


@pytest.mark.parametrize(
    ("measured", "traceable", "score"),
    [("1", "1", 1), ("1", "0.999999", 2), ("1", None, 2), ("0.9", "1", 2), ("0.899999", "1", 3)],
)
def test_what_was_read_counts_by_how_much_and_by_certificates(
    measured: str, traceable: str | None, score: int
) -> None:
    assert of_site(measured, traceable) == Pedigree(score)
    assert of_site(measured, traceable, incomplete=True).completeness == 3
