"""Who belongs to a campaign, and who bears what campaigns and pools share out."""

import json
from fractions import Fraction

import numpy as np
import pytest

from calc_stream.core import Event, Readings, Versions, parse_event, parse_model, recompute
from calc_stream.core.batches import Batch
from calc_stream.core.campaigns import campaigns_of
from calc_stream.core.decimals import instant
from calc_stream.core.pools import spreading_of

from .test_timeline import policy

MODEL = """
format = 1
site = "s"
timezone = "UTC"
slot_s = 60
policy = %s
[carriers.electricity]
unit = "kWh"
quanta_per_unit = 1_000_000
[sources.grid]
carrier = "electricity"
[nodes.n]
[nodes.office]
kind = "overhead"
[nodes.hall]
kind = "overhead"
[[meters]]
id = "m"
from = "grid"
to = "%s"
unit = "Wh"
"""


def told(*events: tuple[int, str, dict[str, str]]) -> list[Event]:
    """(second, type, what else it says) as events."""
    return [
        parse_event(json.dumps({"id": f"e{n}", "t": instant(t * 1000), "type": kind, **said}))
        for n, (t, kind, said) in enumerate(events)
    ]


def borne(model: str, events: list[Event], *later: str) -> dict[str, int]:
    """Quanta by batch of what 600 Wh in ten minutes leave to share out. `later`: versions."""
    readings = Readings()
    readings.add("m", np.array([0, 600_000]), np.array([0, 600]), 0)
    versions = Versions.of(parse_model(text, "model") for text in (model, *later))
    ledger = recompute(versions, events, readings)
    found: dict[str, int] = {}
    for transfer in spreading_of(ledger, events).transfers():
        found[transfer.batch] = found.get(transfer.batch, 0) + transfer.quanta
    return found


@pytest.mark.parametrize(("t_ms", "campaigns"), [(600_000, 1), (600_001, 2)])
def test_a_campaign_takes_in_what_starts_until_it_is_over(t_ms: int, campaigns: int) -> None:
    batches = {name: Batch(name, "wheel") for name in ("A", "B")}
    firsts = [(0, "A"), (t_ms, "B")]
    versions = policy(setup="campaign", campaign_max_s=600)
    assert len([*campaigns_of("n", firsts, versions, batches)]) == campaigns


@pytest.mark.parametrize(("product", "campaigns"), [("wheel", 1), (None, 2)])
def test_batches_of_which_nobody_told_the_product_make_no_campaign(
    product: str | None, campaigns: int
) -> None:
    batches = {name: Batch(name, product) for name in ("A", "B")}
    found = campaigns_of("n", [(0, "A"), (60_000, "B")], policy(setup="campaign"), batches)
    assert len([*found]) == campaigns


@pytest.mark.parametrize(("good", "share"), [("3", Fraction(1, 4)), ("0", Fraction(1, 2))])
def test_set_up_is_shared_by_output_only_when_every_batch_has_some(
    good: str, share: Fraction
) -> None:
    def counted(batch: str, good: str) -> tuple[int, str, dict[str, str]]:
        return 600, "quantity", {"batch": batch, "good": good, "unit": "piece"}

    events = told(
        (0, "state", {"node": "n", "state": "setup"}),
        (300, "start", {"node": "n", "batch": "A", "product": "wheel"}),
        (400, "stop", {"node": "n", "batch": "A"}),
        (400, "start", {"node": "n", "batch": "B", "product": "wheel"}),
        (600, "stop", {"node": "n", "batch": "B"}),
        counted("A", "1"),
        counted("B", good),
    )
    shared = borne(MODEL % ('{ setup = "campaign" }', "n"), events)
    assert shared["A"] == share * sum(shared.values())


def test_a_machine_that_became_an_overhead_place_bears_nothing_of_the_others() -> None:
    events = told(
        (0, "start", {"node": "n", "batch": "A", "product": "wheel"}),
        (0, "start", {"node": "hall", "batch": "X", "product": "wheel"}),
    )
    now = MODEL % ('{ spread = "machine_hours", window = "day" }', "office")
    before = now.replace('[nodes.hall]\nkind = "overhead"', "[nodes.hall]")
    after = now.replace("format = 1", f'format = 1\nvalid_from = "{instant(300_000)}"')
    assert borne(before, events) == {"A": 300_000, "X": 300_000}
    assert borne(before, events, after) == {"A": 450_000, "X": 150_000}


def test_on_an_overhead_place_no_batch_runs() -> None:
    events = told((0, "start", {"node": "hall", "batch": "X", "product": "wheel"}))
    hours = '{ spread = "machine_hours", window = "day" }'
    assert borne(MODEL % (hours, "office"), events) == {}
