"""The figures an observer makes of what a meter's line tells."""

import pytest

from edge_agent.observer import percentile_ms


@pytest.mark.parametrize(
    ("times_s", "percent", "shown_ms"),
    [
        ([], 50, None),
        ([0.0123456], 99, 12.3),
        ([0.01, 0.02, 0.03, 0.04], 50, 20.0),
        ([0.01, 0.02, 0.03, 0.04], 51, 30.0),
        ([n / 1000 for n in range(1, 201)], 99, 198.0),
    ],
)
def test_a_percentile_is_a_time_that_was_measured(
    times_s: list[float], percent: int, shown_ms: float | None
) -> None:
    """The nearest rank: the least of them that so many per cent do not exceed."""
    assert percentile_ms(times_s, percent) == shown_ms
