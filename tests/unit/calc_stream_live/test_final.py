"""Which batches a period's figure may stand on."""

from typing import Any

import pytest

from calc_stream.footprints.due import Standing, lines_of
from calc_stream.ledger.rows import BatchRow
from tests.unit.calc_stream_live.plant import SITE, T0

FINAL: dict[str, Any] = {"settled": True, "revision": 1, "method": "gbt24067"}


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
    said = {**FINAL, **changes}
    row = BatchRow(site=SITE, batch="A", product="wheel", unit="piece", ended_ms=T0, **said)
    standing = Standing("UTC", "gbt24067", T0, [row], [row], {})
    (lines,) = lines_of(standing, "day")
    assert (lines.settled, lines.open) == (((row,), ()) if settled else ((), ("A",)))
