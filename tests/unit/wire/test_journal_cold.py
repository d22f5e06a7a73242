"""Cold files: read through the journal as if nothing had moved."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from wire.errors import ConfigError
from wire.journal import Entry, Unreadable, open_reader, open_writer, verify_chain
from wire.journal.freeze import Frozen, freeze
from wire.journal.heads import leaf_of

DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)
OCTOBER_MS = round(datetime(2026, 10, 10, tzinfo=UTC).timestamp() * 1000)
DAY_MS = 86_400_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Site a: a segment and now and then an event a day, from 10 October for 60 days; site b: one day."""
    clock = iter(range(OCTOBER_MS, OCTOBER_MS + 400 * DAY_MS, DAY_MS // 2))
    writer = open_writer(tmp_path / "journal.db", lambda: next(clock))
    for n in range(120):
        kind = "event" if n % 5 == 4 else "segment"
        writer.append("a", [Entry(kind, f"{n}", f"data {n} ".encode() * (n + 1))])
    writer.close()
    writer = open_writer(tmp_path / "journal.db", lambda: OCTOBER_MS)
    writer.append("b", [Entry("segment", "0", b"of b")])
    writer.close()
    return tmp_path / "journal.db"


def frozen(path: Path, before: datetime = DECEMBER) -> list[Frozen]:
    return list(freeze(path, before, path.parent / "cold"))


def test_nothing_looks_different_but_the_size(path):
    before = list(open_reader(path).walk("a"))
    leaves = [leaf_of(record) for record in before]
    found = frozen(path)
    assert [(f.site, f.month, f.first, f.last) for f in found] == [
        ("a", "2026-10", 1, 44),
        ("a", "2026-11", 45, 104),
        ("b", "2026-10", 1, 1),
    ]
    reader = open_reader(path)
    assert list(reader.walk("a")) == before
    assert reader.read("a", 77, 1) == [before[77]]
    assert reader.find("a", "segment", "2") == before[2]
    assert reader.of_kind("a", "segment") == [r for r in before if r.kind == "segment"]
    assert verify_chain(reader.walk("a")) == reader.head("a")
    assert list(reader.leaves("a", 0, 120)) == leaves
    with sqlite3.connect(path) as db:
        query = "SELECT kind, min(offset), count(*) FROM record WHERE site = 'a' AND data != x'' GROUP BY 1"
        assert db.execute(query).fetchall() == [("event", 5, 24), ("segment", 106, 12)]
    db.close()


def test_a_second_time_changes_nothing_and_later_months_follow(path):
    frozen(path, datetime(2026, 11, 1, tzinfo=UTC))
    october = (path.parent / "cold/a-2026-10.cold").read_bytes()
    assert frozen(path, datetime(2026, 11, 1, tzinfo=UTC)) == []
    assert [f.month for f in frozen(path)] == ["2026-11"]
    assert (path.parent / "cold/a-2026-10.cold").read_bytes() == october
    verify_chain(open_reader(path).walk("a"))


def test_appending_goes_on_and_live_readers_see_all_of_it(path):
    reader = open_reader(path)
    writer = open_writer(path, lambda: OCTOBER_MS + 99 * DAY_MS)
    for _ in freeze(path, DECEMBER, path.parent / "cold"):
        writer.append("a", [Entry("event", f"new {writer.head('a')[0]}", b"x")])
        assert [r.offset for r in reader.walk("a")] == list(range(1, writer.head("a")[0] + 1))
    verify_chain(reader.walk("a"))
    writer.close()


def test_a_missing_cold_file_is_named_when_it_is_needed_and_only_then(path):
    frozen(path)
    november = path.parent / "cold/a-2026-11.cold"
    november.rename(path.parent / "elsewhere")
    reader = open_reader(path)
    assert len(reader.read("a", 0)) == 45  # the first of November is an event, and stayed
    assert reader.hash_of("a", "segment", "50") is not None
    assert len(list(reader.leaves("a", 0, 120))) == 120
    assert len(reader.read("a", 104)) == 16
    with pytest.raises(Unreadable, match=rf"record 46 .*{november}: it is missing; put") as caught:
        reader.read("a", 45)
    assert caught.value.offset == 46
    (path.parent / "elsewhere").rename(november)
    assert len(reader.read("a", 45)) == 75


def test_an_altered_cold_file_is_named_with_the_record(path):
    frozen(path)
    october = path.parent / "cold/a-2026-10.cold"
    sound = october.read_bytes()
    begin = sound.index(b"\x78\x9c")  # of the frame
    for at in (begin + 30, len(sound) // 2, len(sound) - 3):
        october.write_bytes(sound[:at] + bytes([sound[at] ^ 16]) + sound[at + 1 :])
        reader = open_reader(path)
        with pytest.raises(Unreadable, match=rf"record \d+ .*{october}: it was altered"):
            list(reader.walk("a"))
        reader.close()
    october.write_bytes(sound[:100])
    with pytest.raises(Unreadable, match=str(october)):
        open_reader(path).read("a", 0)
    october.write_bytes(sound)
    verify_chain(open_reader(path).walk("a"))


def test_cold_files_that_were_carried_elsewhere_are_found_there(path):
    frozen(path)
    (path.parent / "cold").rename(path.parent / "archive")
    with pytest.raises(Unreadable, match="missing"):
        open_reader(path).read("a", 0)
    assert list(freeze(path, DECEMBER, path.parent / "archive")) == []
    verify_chain(open_reader(path).walk("a"))


def test_another_file_is_never_overwritten(path):
    for content in (b"my thesis", None):
        mine = path.parent / "cold/a-2026-10.cold"
        mine.parent.mkdir(exist_ok=True)
        if content is None:  # another journal's cold file
            mine.unlink()
            other = path.parent / "other/journal.db"
            writer = open_writer(other, lambda: OCTOBER_MS)
            writer.append("a", [Entry("segment", f"{n}", b"other") for n in range(99)])
            writer.close()
            list(freeze(other, DECEMBER, mine.parent))
            content = mine.read_bytes()
        else:
            mine.write_bytes(content)
        with pytest.raises(ConfigError, match=rf"{mine}: is in the way"):
            frozen(path)
        assert mine.read_bytes() == content
        verify_chain(open_reader(path).walk("a"))


def test_a_program_that_knows_no_cold_files_refuses_the_journal(path):
    frozen(path)
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (2,)
    db.close()


def test_the_room_of_what_was_frozen_is_used_again(path):
    frozen(path)
    size = path.stat().st_size
    with sqlite3.connect(path) as db:
        (pages,) = db.execute("PRAGMA freelist_count").fetchone()
    db.close()
    assert pages > 5
    writer = open_writer(path, lambda: OCTOBER_MS + 99 * DAY_MS)
    writer.append("a", [Entry("segment", f"new {n}", bytes(3500)) for n in range(pages - 2)])
    writer.close()
    assert path.stat().st_size == size
