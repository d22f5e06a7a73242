"""The shelf of published footprints: what is on it stays, and what stands is a line."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from calc_stream.footprints.identity import content_id, identified
from calc_stream.footprints.shelf import FILE, Shelf, open_shelf
from tests.unit.calc_stream_live.footprints_sample import complete, sample
from wire.errors import BadData, ConfigError, TransientError


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return open_shelf(tmp_path / "calc")


def test_a_footprint_comes_back_as_it_was_published_also_by_another_process(
    tmp_path: Path, shelf: Shelf
) -> None:
    assert shelf.add(sample())
    with closing(open_shelf(tmp_path / "calc")) as other:
        assert other.all("cq-wheel") == [sample()] == other.of("cq-wheel", "wheel-17")
        assert other.find(sample().id) == sample()
        assert other.all("elsewhere") == []
        assert other.find("nobody") is None


def test_the_same_figure_is_published_once_whenever_and_for_whatever_reason(shelf: Shelf) -> None:
    later = sample(published_ms=sample().published_ms + 1, cause="asked")
    assert (shelf.add(sample()), shelf.add(later)) == (True, False)
    assert shelf.all("cq-wheel") == [sample()]


def test_another_figure_has_another_id() -> None:
    assert sample().id != sample(good="211").id
    assert sample().id == content_id(sample())
    assert sample().id == "dfafc84f-3ee0-5cfb-9d91-238f0cdfe457"  # as it was ever since


def test_an_id_that_is_not_of_what_the_footprint_says_is_refused(shelf: Shelf) -> None:
    forged = msgspec.structs.replace(sample(), kg_co2e="1")
    with pytest.raises(BadData, match="not the id"):
        shelf.add(forged)


def test_a_successor_takes_the_place_and_the_one_before_stays(shelf: Shelf) -> None:
    first = sample()
    second = complete(supersedes=(first.id,), cause="upstream")
    shelf.add(first)
    shelf.add(second)
    assert shelf.newest("cq-wheel") == [second]
    assert shelf.all("cq-wheel") == [first, second]
    assert shelf.count("cq-wheel") == 2


def test_what_overlooks_the_one_that_stands_is_to_look_again(shelf: Shelf) -> None:
    first = sample()
    second = sample(good="211", supersedes=(first.id,))
    shelf.add(first)
    with pytest.raises(TransientError, match=first.id):
        shelf.add(sample(good="212"))
    shelf.add(second)
    with pytest.raises(TransientError, match=second.id):  # a second successor of the first
        shelf.add(sample(good="212", supersedes=(first.id,)))
    assert shelf.all("cq-wheel") == [first, second]


def test_a_predecessor_nobody_published_is_refused(shelf: Shelf) -> None:
    with pytest.raises(BadData, match="not there"):
        shelf.add(sample(supersedes=("3fa85f64-5717-4562-b3fc-2c963f66afa6",)))


def test_another_period_unit_or_method_stands_beside_it(shelf: Shelf) -> None:
    each = [sample(), sample(period="2026-11"), sample(unit="kg"), sample(method="pact3")]
    assert all(shelf.add(one) for one in each)
    assert shelf.newest("cq-wheel") == each


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE footprint SET data = '{}'",
        "DELETE FROM footprint",
        "INSERT OR REPLACE INTO footprint SELECT * FROM footprint",
        "UPDATE superseded SET successor = ''",
        "DELETE FROM superseded",
        "INSERT OR REPLACE INTO superseded SELECT * FROM superseded",
    ],
)
def test_the_file_itself_refuses_change(tmp_path: Path, shelf: Shelf, statement: str) -> None:
    shelf.add(sample())
    shelf.add(sample(good="211", supersedes=(sample().id,)))
    with (
        closing(sqlite3.connect(tmp_path / "calc" / FILE)) as db,
        pytest.raises(sqlite3.IntegrityError, match="never|one successor"),
    ):
        db.execute(statement)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files for others")
def test_root_leaves_the_file_to_the_folders_owner(tmp_path: Path) -> None:
    os.chown(tmp_path, 1234, 1234)
    open_shelf(tmp_path).close()
    assert ((tmp_path / FILE).stat().st_uid, (tmp_path / FILE).stat().st_gid) == (1234, 1234)


def test_a_file_of_a_later_program_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        db.execute("PRAGMA user_version = 9")
    with pytest.raises(ConfigError, match="version 9"):
        open_shelf(tmp_path)


def test_a_damaged_file_is_named_with_the_cure(tmp_path: Path, shelf: Shelf) -> None:
    shelf.add(sample())
    shelf.close()
    file = tmp_path / "calc" / FILE
    whole = file.read_bytes()
    file.write_bytes(whole[:4096] + b"U" * (len(whole) - 4096))
    with (
        closing(open_shelf(tmp_path / "calc")) as damaged,
        pytest.raises(ConfigError, match="footprints.db: .*put a copy of it in its place"),
    ):
        damaged.newest("cq-wheel")


def test_only_a_figure_of_its_own_product_that_stands_is_taken_over_besides(shelf: Shelf) -> None:
    october = sample(period="2026-10")
    shelf.add(october)
    for other in (sample(product="rim"), sample(method="pact3"), sample(site="elsewhere")):
        told = identified(msgspec.structs.replace(other, supersedes=(october.id,)))
        with pytest.raises(TransientError, match="not those it supersedes"):
            shelf.add(told)
    both = sample(supersedes=(october.id,))
    shelf.add(both)
    assert shelf.newest("cq-wheel") == [both]
    with pytest.raises(TransientError, match="not those it supersedes"):
        shelf.add(sample(period="2026-12", supersedes=(october.id,)))
