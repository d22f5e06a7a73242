"""Control limits of a product's factor: exact, by moving ranges, from settled batches only."""

from calc_stream.ledger.limits import BASE, LEAST, beyond, limits_of
from calc_stream.ledger.rows import BatchRow


def row(number: int, factor: str | None, **others: object) -> BatchRow:
    facts = {"product": "wheel", "state": "settled", "settled": True, "unit": "piece", **others}
    return BatchRow(
        site="s", batch=f"B{number:02}", ended_ms=number, kg_co2e_per_unit=factor, **facts
    )


def rows(*factors: str | None) -> list[BatchRow]:
    return [row(number, factor) for number, factor in enumerate(factors)]


# Data and limits of the individuals chart in the NIST/SEMATECH e-Handbook, 6.3.2.2 (flow rate):
# 50.81 +- 3 * 1.8778 / 1.128.
FLOW = ("49.6", "47.6", "49.9", "51.3", "47.8", "51.2", "52.6", "52.4", "53.6", "52.1")


def test_limits_are_those_of_a_published_chart() -> None:
    found = limits_of(rows(*FLOW))
    assert found is not None
    assert (found.mean, found.batches) == ("50.81", 10)
    # 2.66 is 3 / 1.128 to two places, as tables have it.
    assert abs(float(found.lower) - 45.8159) < 0.01
    assert abs(float(found.upper) - 55.8041) < 0.01


def test_a_factor_on_the_limit_is_within_it_and_a_hair_above_is_not() -> None:
    base = rows(*["100", "102"] * 4)  # 101 +- 2.66 * 2, exactly
    assert beyond([*base, row(50, "106.32")]) == set()
    assert beyond([*base, row(50, "106.320000000000000000000000000001")]) == {"B50"}
    assert beyond([*base, row(50, "95.68")]) == set()
    assert beyond([*base, row(50, "95.679999999999999999999999999999")]) == {"B50"}


def test_few_batches_and_those_not_settled_give_no_limits() -> None:
    few = rows(*["100"] * (LEAST - 1))
    assert limits_of(few) is None
    assert beyond([*few, row(50, "200")]) == set()
    unsettled = [row(n, "100", state="closed", settled=False) for n in range(20)]
    assert limits_of(unsettled) is None
    assert limits_of([*few, row(7, None), row(8, "100", state="live")]) is None


def test_a_batch_is_judged_by_those_before_it_of_its_own_product_and_unit() -> None:
    wheels = rows(*["100"] * 8)
    axle = row(50, "300", product="axle")
    tons = row(51, "300", unit="t")
    assert beyond([*wheels, axle, tons]) == set()
    assert beyond([row(50, "101"), *wheels, row(51, "100")]) == {"B50"}


def test_only_the_last_ones_count() -> None:
    old = rows(*["500"] * 5, *["100"] * BASE)
    found = limits_of(old)
    assert found is not None
    assert (found.mean, found.lower, found.upper) == ("100", "100", "100")
