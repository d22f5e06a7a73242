"""Once the model was another, the tree under a figure still has its accounts, interval by interval."""

from contextlib import closing
from pathlib import Path

from calc_stream.explanation import Explanation, explain
from calc_stream.ledger.store import open_store
from tests.unit.calc_stream_live.plant import MODEL, SITE, T0, Plant, row, run_to_end
from tests.unit.calc_stream_live.test_explain_corrected import assert_adds_up
from wire.journal import open_reader

LATER = "valid_from = 2026-11-21T08:02:00Z\n"
BATTERY = """
[stores.battery]
carrier = "electricity"
level = "1"
content = { grid = "1" }
[[meters]]
id = "m"
from = "grid"
to = "battery"
unit = "kWh"
[[meters]]
id = "m-press"
from = "battery"
to = "press"
unit = "kWh"
"""


def explained(plant: Plant, batch: str) -> Explanation:
    stated = row(run_to_end(plant, plant.folder / "calc"), batch)
    with (
        closing(open_store(plant.folder / "calc")) as store,
        closing(open_reader(plant.journal)) as reader,
    ):
        return explain(store, reader, SITE, stated)


def test_a_batch_over_two_versions_has_the_intervals_of_both(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.example_4()
    doubled = MODEL.replace('to = "press"\n', 'to = "press"\nmultiplier = "2"\n')
    plant.model(LATER + doubled, key="model-2")
    told = explained(plant, "Q")
    assert_adds_up(told)
    (its,) = told.accounts
    assert (its.account, its.amounts) == ("batch:Q", {"grid": "0.037500"})
    assert [(one.from_ms - T0, one.amounts["grid"]) for one in its.intervals] == [
        (90_000, "0.007500"),
        (120_000, "0.030000"),
    ]


def test_what_a_battery_gives_in_a_later_version_is_what_it_was_given_before(
    tmp_path: Path,
) -> None:
    """It holds 1 kWh and gets what it gives; the later version's own beginning does not count."""
    text = MODEL.split("[[meters]]")[0].replace('[buses.main]\ncarrier = "electricity"\n', "")
    plant = Plant(tmp_path)
    plant.example_4()
    plant.model(text + BATTERY, key="model-1-right")
    plant.model(LATER + text + BATTERY.replace('grid = "1"', 'grid = "9"'), key="model-2")
    told = explained(plant, "Q")
    assert told.row.by_source == {"grid": "0.022500"}
    assert told.accounts[0].amounts == {"grid": "0.022500"}
    assert [one.from_ms - T0 for one in told.accounts[0].intervals] == [90_000, 120_000]
