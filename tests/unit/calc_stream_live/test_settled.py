"""What is settled costs nothing: only batches are looked at that a record touched or that waited for it."""

import random
from functools import partial
from pathlib import Path

import pytest

from calc_stream.core.pages import PAGE_SLOTS
from calc_stream.factors import FactorSet, load
from calc_stream.ledger import book
from calc_stream.ledger.book import Book
from calc_stream.ledger.figures import Basis, Told, figures
from calc_stream.ledger.rows import BatchRow
from calc_stream.ledger.store import open_store
from calc_stream.site import Site
from tests.unit.calc_stream.steps import steps_of
from tests.unit.calc_stream_live.plant import MODEL, SITE, T0, Plant, rules
from tests.unit.calc_stream_live.test_contracts import PPA
from wire.messages import MeterEvent, Sample

SHIFTS = 'window = "shift"\nshifts = ["08:00", "08:25", "08:50", "09:10"]\n'
LATER = "valid_from = 2026-11-21T09:05:00Z\n"
POLICIES = [
    "",
    '[policy]\nspread = "machine_hours"\nsetup_max_s = 600\n' + SHIFTS,
    '[policy]\nspread = "mass"\nsetup = "campaign"\ncampaign_max_s = 900\n' + SHIFTS,
]
CAMPAIGN = '[policy]\nsetup = "campaign"\ncampaign_max_s = 900\n'
MINUTES = 90
# Each of the policies with contracts for the hours, and without.
FEW, MANY = range(3), range(3, 30)


def rich(plant: Plant, dice: random.Random, policy: str, contracts: bool) -> None:
    """Batches made of batches and of lots, late readings, silent meters, senders who fall back, voids,
    contracts, another version of the model."""
    plant.model(MODEL + policy)
    numbers = iter(range(10_000))
    held: list[tuple[str, int]] = []
    active: set[str] = set()
    for minute in range(MINUTES):
        at = 60 * minute
        fresh = [(meter, at) for meter in ("m", "m-press") if dice.random() < 0.8]
        late = [held.pop(dice.randrange(len(held)))] if held and dice.random() < 0.3 else []
        held += [(m, at) for m in ("m", "m-press") if (m, at) not in fresh]
        samples = [
            Sample(meter, T0 + t * 1000, {"active_energy_import": (1000 + 3 * t + t % 7, -3)})
            for meter, t in (*fresh, *late)
        ]
        word = dice.choice(["silent", "back", "", "", ""])
        events = [MeterEvent("m-press", T0 + at * 1000, word)] if word else []
        if samples or events:
            plant.segment(samples, events)
        batch = dice.choice(sorted(active)) if len(active) > 1 else f"B{minute // 6}"
        if batch in active:
            active.remove(batch)
            plant.event(f"stop{next(numbers)}", at, "stop", node="press", batch=batch)
        elif dice.random() < 0.7:
            active.add(batch)
            product = "wheel" if minute % 30 < 20 else "rim"
            plant.event(
                f"e{next(numbers)}", at, "start", node="press", batch=batch, product=product
            )
        other = f"B{dice.randrange(minute // 6 + 1)}"
        happens = dice.choice(
            ["quantity", "quantity", "input", "lot", "buy", "state", "void", "beat", ""]
        )
        _happens(plant, happens, f"e{next(numbers)}", at - dice.choice([0, 900]), (batch, other))
        if minute == 20:
            known = load()
            held_by = (PPA,) if contracts else ()
            data = FactorSet.of(known.rows, known.entries, held_by).encode()
            plant.factors(data=data)
        if minute == 75:
            plant.model(
                LATER + MODEL.replace('to = "press"', 'to = "press"\nmultiplier = "1.5"'), "l"
            )


def _happens(plant: Plant, what: str, name: str, at: int, batches: tuple[str, str]) -> None:
    one, other = batches
    if what == "quantity":
        plant.event(name, at, "quantity", batch=one, good="30", unit="kg")
    elif what == "input" and one != other:
        plant.event(name, at, "input", batch=one, of=other, quantity="2", unit="kg")
    elif what == "lot":
        plant.event(name, at, "lot", lot=f"L{at // 1200}", unit="kg", factor="2", document="EPD 1")
    elif what == "buy":
        plant.event(name, at, "input", batch=one, lot=f"L{at // 1200 + 1}", quantity="1", unit="kg")
    elif what == "state":
        plant.event(name, at, "state", node="press", state="setup")
    elif what == "void":
        plant.event(name, at, "void", of=f"e{max(at // 60 - 5, 0)}")
    elif what == "beat":
        plant.heartbeat(at + int(name[1:]) / 1000)


class Thorough(Site):
    """A site whose book begins again with every record, and so looks at every batch."""

    def look_at_all(self) -> None:
        again = Book(self.rules.lateness_ms, self.book.rows.values(), self.book.latest.values())
        again.gone = self.book.gone
        self.book = again


@pytest.mark.parametrize("seed", [*FEW, *(pytest.param(n, marks=pytest.mark.full) for n in MANY)])
def test_a_batch_that_is_not_looked_at_would_have_stayed_as_it_was(
    tmp_path: Path, seed: int
) -> None:
    plant = Plant(tmp_path)
    rich(plant, random.Random(seed), POLICIES[seed % 3], contracts=seed % 2 == 0)
    its = rules(lateness_s=120, silent_s=-150, close_s=120)
    sites = [
        kind(
            its, open_store(tmp_path / kind.__name__, create=True), lambda: plant.writer.walk(SITE)
        )
        for kind in (Site, Thorough)
    ]
    for record in plant.writer.walk(SITE):
        one, other = (site.take(record) for site in sites)
        assert (one.moved, one.made, one.gone) == (other.moved, other.made, other.gone), (
            record.offset
        )
        assert isinstance(sites[1], Thorough)
        sites[1].look_at_all()
    rows = sites[0].book.rows
    assert rows == sites[1].book.rows
    assert max(row.revision for row in rows.values()) > 1
    assert any(row.settled for row in rows.values()) or seed not in FEW


def a_batch_a_minute(plant: Plant, numbers: range) -> None:
    """Each told by three events and the reading behind it, with which it settles."""
    for n in numbers:
        at = 60 * n
        plant.event(f"a{n}", at + 5, "start", node="press", batch=f"B{n}", product="wheel")
        plant.event(f"b{n}", at + 50, "stop", node="press", batch=f"B{n}")
        plant.event(f"c{n}", at + 50, "quantity", batch=f"B{n}", good="2", unit="piece")
        plant.read((at + 60, 1000 * (n + 2)))


def worked_out(plant: Plant, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The batches whose figures each record of the journal had worked out, on the way to its row."""
    asked: list[str] = []

    def counted(basis: Basis, told: Told, offset: int) -> BatchRow:
        asked.append(told.batch.id)
        return figures(basis, told, offset)

    monkeypatch.setattr(book, "figures", counted)
    found = []
    site = Site(rules(), open_store(folder, create=True), lambda: plant.writer.walk(SITE))
    for record in plant.writer.walk(SITE):
        asked.clear()
        site.take(record)
        found.append([*asked])
    return found


@pytest.mark.parametrize("settled", [10, 60, pytest.param(1000, marks=pytest.mark.full)])
def test_a_record_works_out_its_own_batch_however_many_are_settled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settled: int
) -> None:
    plant = Plant(tmp_path)
    plant.model()
    plant.factors()
    plant.read((0, 1000))
    a_batch_a_minute(plant, range(settled + 2))
    one, other = f"B{settled}", f"B{settled + 1}"
    last = worked_out(plant, tmp_path / "calc", monkeypatch)[-8:]
    # Its start, its stop, its quantity, and the reading behind it, with which it settles.
    assert last == [[one]] * 4 + [[other]] * 4


@pytest.mark.parametrize("policy", [*POLICIES[:2], CAMPAIGN])
def test_an_event_takes_as_many_steps_however_many_are_settled(tmp_path: Path, policy: str) -> None:
    steps = []
    for settled in (9, 9 + PAGE_SLOTS):  # as many minutes into a page
        folder = tmp_path / str(settled)
        folder.mkdir()
        plant = Plant(folder)
        plant.model(MODEL + policy)
        plant.factors()
        plant.read((0, 1000))
        a_batch_a_minute(plant, range(settled + 1))
        site = Site(rules(), open_store(folder / "calc", create=True), lambda: iter(()))
        *behind, start, stop, quantity, _ = plant.writer.walk(SITE)
        for record in behind:
            site.take(record)
        steps.append([steps_of(partial(site.take, record)) for record in (start, stop, quantity)])
    assert all(many < 1.25 * few for few, many in zip(*steps, strict=True)), steps


def test_a_late_reading_works_out_the_batches_of_its_time_and_those_made_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant = Plant(tmp_path)
    plant.model()
    plant.factors()
    plant.read((0, 1000))
    a_batch_a_minute(plant, range(20))
    plant.event("of", 19 * 60 + 20, "input", batch="B19", of="B7", quantity="1", unit="piece")
    plant.read((7 * 60 + 30, 8400))
    *_, told, late = worked_out(plant, tmp_path / "calc", monkeypatch)
    assert (told, late) == (["B19"], ["B19", "B7"])
