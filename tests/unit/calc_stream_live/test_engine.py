"""The embedded engine beside trouble: another journal, or none for a while, a ledger that cannot be
written."""

import sqlite3
from collections.abc import Iterable
from pathlib import Path

import pytest

from calc_stream.ledger.store import Commit, Store, open_store
from tests.unit.calc_stream_live.plant import SITE, Plant, engine, row, run_to_end
from tests.unit.calc_stream_live.test_statements import correct, energies
from wire.errors import ConfigError, TransientError
from wire.journal import Record


def test_another_journal_than_the_ledgers_is_refused(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    first = Plant(one)
    first.example_4()
    run_to_end(first, tmp_path / "calc")
    second = Plant(other)
    second.factors("others")
    second.example_4()
    with pytest.raises(ConfigError, match=r"journal\.db"):
        run_to_end(second, tmp_path / "calc")
    assert run_to_end(first, tmp_path / "calc").site is not None


def test_a_journal_exchanged_while_running_is_refused_at_its_first_record(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.example_4()
    running = run_to_end(plant, tmp_path / "calc")
    offset = running.site.offset if running.site else 0
    with sqlite3.connect(plant.journal) as db:
        db.execute("DELETE FROM record WHERE offset > 3")
    db.close()
    for second in range(200, 200 + offset):  # another history, further than what was taken
        plant.read((second, 1130))
    with pytest.raises(ConfigError, match="is not the journal"):
        running.turn()
    assert running.site is not None
    assert running.site.offset == offset, "nothing of the other history was taken"


class FullDisk(Store):
    """A ledger whose disk is full for the first three commits."""

    failures = 3

    def commit(self, site: str, commit: Commit) -> None:
        self.failures -= 1
        if self.failures >= 0:
            raise TransientError("ledger cannot be written: disk full")
        super().commit(site, commit)


def test_results_go_on_while_the_ledger_cannot_be_written(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.example_4()
    store = open_store(tmp_path / "calc", create=True)
    store.__class__ = FullDisk
    running = engine(plant, store)
    clock = [0.0]
    running._monotonic = lambda: clock[0]
    for second in (200, 201, 202):
        clock[0] += 100
        running.turn()
        assert row(running, "P").state == "settled"
        assert store.state(SITE)[0] == 0
        plant.read((second, 1130))
    clock[0] += 100
    running.turn()
    assert store.state(SITE)[0] == 13
    assert [r.revision for r in store.revisions(SITE, "P")] == [1]


def test_what_needs_the_journal_again_waits_for_it_and_is_taken_then(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.example_4()
    running = run_to_end(plant, tmp_path / "calc")
    site = running.site
    assert site is not None
    behind, history, times = site.offset, site._history, iter((1, 2))

    def out_of_reach() -> Iterable[Record]:
        if next(times, None) is not None:
            raise TransientError("journal: cannot be reached")
        return history()

    site._history = out_of_reach
    correct(plant, "k1", 50, 70)
    plant.read((240, 1140))
    for _ in range(2):
        with pytest.raises(TransientError, match="cannot be reached"):
            running.turn()
        assert site.offset == behind
    assert running.turn() == 2
    other = run_to_end(plant, tmp_path / "at once")
    assert energies(running) == energies(other) != {"P": "0.057500", "Q": "0.022500"}
