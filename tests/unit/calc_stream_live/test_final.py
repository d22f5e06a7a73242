"""Which batches a period's figure may stand on, and what becomes of figures published before."""

from typing import Any

import msgspec
import pytest

from calc_stream.footprints.due import Rules, Standing, due, emptied, lines_of
from calc_stream.footprints.footprint import BatchUsed, Footprint
from calc_stream.footprints.period import period_at
from calc_stream.ledger.rows import BatchRow
from tests.unit.calc_stream_live.footprints_sample import complete
from tests.unit.calc_stream_live.plant import SITE, T0

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
FINAL: dict[str, Any] = {"settled": True, "revision": 1, "method": "gbt24067"}
DAY = period_at(T0, "day", "UTC")


def row(batch: str, **said: Any) -> BatchRow:
    """Of one piece and 2 kg, which ended when the day began."""
    told = {"unit": "piece", "good": "1", "kg_co2e": "2", "ended_ms": T0, **FINAL, **said}
    return BatchRow(site=SITE, batch=batch, product="wheel", **told)


def standing(*rows: BatchRow, told_ms: int = T0) -> Standing:
    return Standing("UTC", "gbt24067", told_ms, rows, rows, {})


def published(*batches: str, kg: str = "2", days_ago: int = 0, **said: Any) -> Footprint:
    """A running day's figure, or one of a day before."""
    used = tuple(BatchUsed(batch, 1, 1, "1", kg, "") for batch in batches)
    day = period_at(T0 - days_ago * DAY_MS, "day", "UTC")
    told = {"period": day.name, "start_ms": day.start_ms, "end_ms": T0 - days_ago * DAY_MS, **said}
    return msgspec.structs.replace(
        complete(), product="wheel", unit="piece", batches=used, kg_co2e=kg, **told
    )


@pytest.mark.parametrize(
    ("changes", "settled"),
    [
        ({}, True),
        ({"settled": False}, False),
        ({"revision": 0}, False),
        ({"method": "pact3"}, False),
    ],
)
def test_it_stands_on_settled_revisions_by_its_own_method(
    changes: dict[str, Any], settled: bool
) -> None:
    one = row("A", **changes)
    (lines,) = lines_of(standing(one), "day")
    assert (lines.settled, lines.open) == (((one,), ()) if settled else ((), ("A",)))


def test_a_running_figure_drifts_from_what_was_published_of_the_latest_time() -> None:
    rules = Rules("day", drift_batches=1)
    now = standing(row("A"), row("B"))
    latest = published("A", published_ms=1)
    restated_later = published("Z", kg="10", days_ago=1, published_ms=2)
    said_before = published("A", kg="10", published_ms=0)
    assert due(now, [said_before, restated_later, latest], rules) == []
    (found,) = due(now, [published("A", kg="10", published_ms=1), restated_later], rules)
    assert found.cause == "drift"


def test_a_batch_that_is_open_again_restates_a_running_figure_when_it_is_settled() -> None:
    rules, before = Rules("day", drift_batches=9), published("A", "B")
    assert due(standing(row("A"), row("B", settled=False)), [before], rules) == []
    (found,) = due(standing(row("A"), row("B", revision=2)), [before], rules)
    assert found.cause == "restated"


def test_a_figure_is_left_without_batches_by_none_that_is_only_open_again() -> None:
    told_ms, before = DAY.end_ms, published("A", end_ms=DAY.end_ms)
    for rows, left in (((row("A", settled=False),), []), ((row("A", good="0"),), [before])):
        now = standing(*rows, told_ms=told_ms)
        assert emptied(lines_of(now, "day"), now, [before], "day") == left
