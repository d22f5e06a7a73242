"""What a store gives when its meters run back."""

import numpy as np

from calc_stream.core import Chunk, SiteState, Versions, parse_model, recompute
from calc_stream.core.series import Readings

from .test_state import ONE, assert_same, reading

FULL_OF_NOTHING = f"""{ONE}
[stores.tank]
carrier = "electricity"
level = "0"
content = {{ grid = "5" }}
[[meters]]
id = "out"
from = "tank"
to = "n1"
unit = "Wh"
"""


def test_at_level_zero_a_meter_that_runs_back_brings_nothing() -> None:
    site, readings = SiteState(), Readings()
    site.apply(Chunk(model=FULL_OF_NOTHING))
    for meter, told in (("m", (0, 60)), ("out", (10, 9))):
        site.apply(reading((0, told[0]), (60, told[1]), meter=meter))
        readings.add(meter, np.array([0, 60_000]), np.array(told), 0)
    versions = Versions.of([parse_model(FULL_OF_NOTHING, "model")])
    assert_same(site.ledger(), recompute(versions, [], readings))
    held = site.ledger().postings.ended["tank"]
    assert (held.level, held.content) == (1000, (("grid", 5_000_000),))
