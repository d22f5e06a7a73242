"""Journals with everything in them that comes late, and a kill at any place."""

import random
from pathlib import Path

import pytest

from calc_stream.ledger.store import Store, open_store
from calc_stream.site import Site
from tests.unit.calc_stream_live.plant import MODEL, SITE, T0, Plant, rules
from wire.messages import MeterEvent, Sample

GAPPY = MODEL.replace("slot_s = 60", "slot_s = 30\nmax_gap_s = 25")
SHIFTS = 'window = "shift"\nshifts = ["00:00", "08:01", "08:03", "08:04", "08:07"]\n'
POLICIES = [
    "",
    '[policy]\nspread = "machine_hours"\nsetup_max_s = 60\n' + SHIFTS,
    '[policy]\nspread = "mass"\nsetup = "campaign"\ncampaign_max_s = 90\n' + SHIFTS,
    '[policy]\nspread = "direct_energy"\nweights = "mass"\n' + SHIFTS,
]


def disorderly(plant: Plant, dice: random.Random, policy: str) -> None:
    """Late and missing readings, silent meters, batches that overlap, reopen and are voided; a
    version of the model that comes late; two that send events, of whom one falls silent."""
    plant.model(GAPPY + policy)
    numbers = iter(range(10_000))
    held: list[tuple[str, int]] = []
    active: set[str] = set()
    for second in range(0, 600, 10):
        fresh = [(meter, second) for meter in ("m", "m-press") if dice.random() < 0.8]
        late = [held.pop(dice.randrange(len(held)))] if held and dice.random() < 0.3 else []
        held += [(m, second) for m in ("m", "m-press") if (m, second) not in fresh]
        samples = [
            Sample(meter, T0 + at * 1000, {"active_energy_import": (1000 + 3 * at, -3)})
            for meter, at in (*fresh, *late)
        ]
        news = dice.choice([["silent"], ["back"], [], [], []])
        events = [MeterEvent("m-press", T0 + second * 1000, word) for word in news]
        if samples or events:
            plant.segment(samples, events)
        batch = dice.choice("ABCD")
        if dice.random() < 0.5:
            word = "stop" if batch in active else "start"
            active ^= {batch}
            plant.event(f"e{next(numbers)}", second, word, node="press", batch=batch)
        if dice.random() < 0.2:
            plant.event(f"e{next(numbers)}", second, "quantity", batch=batch, good="3", unit="kg")
        if policy and dice.random() < 0.2:
            state = dice.choice(["setup", "idle", "producing"])
            plant.event(f"e{next(numbers)}", second, "state", node="press", state=state)
        if second > 100 and dice.random() < 0.2:
            plant.heartbeat(second - dice.choice([0, 30]) + dice.random())
        if 200 < second < 300 and dice.random() < 0.2:
            plant.heartbeat(second + dice.random(), "scada")
        if second == 300:
            plant.factors()
        if policy and second == 420:
            later = "valid_from = 2026-11-21T08:05:30Z\n" + GAPPY + POLICIES[1]
            plant.model(later.replace('to = "press"', 'to = "press"\nmultiplier = "1.5"'), "later")
        if second == 450:
            plant.event("v", second, "void", of="e0")


def take(plant: Plant, folder: Path, cuts: set[int]) -> Store:
    store = open_store(folder, create=True)
    its = rules(lateness_s=20, silent_s=-15, close_s=12)

    def begin() -> Site:
        site = Site(its, store, lambda: plant.writer.walk(SITE))
        kinds = (plant.writer.of_kind(SITE, kind) for kind in ("model", "factor", "correction"))
        site.remember(*kinds)
        return site

    site = begin()
    for record in plant.writer.walk(SITE):
        site.take(record)
        if record.offset in cuts:
            site.commit()
            site = begin()
    site.commit()
    return store


FEW, MANY = range(4), range(4, 12)


@pytest.mark.parametrize("seed", [*FEW, *(pytest.param(n, marks=pytest.mark.full) for n in MANY)])
def test_restarts_change_no_byte(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    plant = Plant(tmp_path)
    disorderly(plant, dice, POLICIES[seed % 4])
    end = plant.writer.head(SITE)[0]
    whole = take(plant, tmp_path / "whole", set())
    rows = whole.rows(SITE)
    assert {row.batch for row in rows} == set("ABCD")
    assert max(row.revision for row in rows) > 1
    for count in (3, end):
        cuts = set(dice.sample(range(1, end), min(count, end - 1)))
        cut = take(plant, tmp_path / f"cut-{count}", cuts)
        assert cut.rows(SITE) == rows
        assert cut.state(SITE) == whole.state(SITE)
        assert cut.accounts(SITE) == whole.accounts(SITE)
        for batch in "ABCD":
            assert cut.revisions(SITE, batch) == whole.revisions(SITE, batch)
