import sqlite3

import pytest

from wire.errors import BadData, ConfigError, TransientError
from wire.journal import GENESIS, Entry, open_reader, open_writer, verify_chain


def entries(*keys):
    return [Entry("event", key, key.encode()) for key in keys]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


def test_offsets_and_chain_are_dense_per_site(path):
    writer = open_writer(path, lambda: 7)
    writer.append("a", entries("x", "y"))
    writer.append("b", entries("x"))
    (last,) = writer.append("a", entries("z"))
    reader = open_reader(path)
    assert last.offset == 3
    assert reader.sites() == ["a", "b"]
    assert [r.key for r in reader.read("a", after=1)] == ["y", "z"]
    assert verify_chain(reader.walk("a")) == reader.head("a") == (3, last.chain)
    assert reader.head("nowhere") == (0, GENESIS)


def test_a_key_that_is_there_appends_nothing_at_all(path):
    writer = open_writer(path, lambda: 7)
    writer.append("a", entries("x"))
    with pytest.raises(sqlite3.IntegrityError):
        writer.append("a", entries("new", "x"))
    assert writer.head("a")[0] == 1
    assert writer.find("a", "event", "new") is None


@pytest.mark.parametrize("column", ["data", "key", "t_ms", "hash", "prev", "chain", "kind"])
def test_any_edit_breaks_the_chain_at_its_place(path, column):
    writer = open_writer(path, lambda: 7)
    writer.append("a", entries("x", "y", "z"))
    value = 8 if column == "t_ms" else b"forged" if column == "data" else "segment"
    with sqlite3.connect(path) as db:
        db.execute(f"UPDATE record SET {column} = ? WHERE offset = 2", (value,))
    db.close()
    with pytest.raises(BadData, match="2"):
        verify_chain(open_reader(path).walk("a"))


def test_a_removed_record_is_noticed(path):
    writer = open_writer(path, lambda: 7)
    writer.append("a", entries("x", "y", "z"))
    with sqlite3.connect(path) as db:
        db.execute("DELETE FROM record WHERE offset = 2")
    db.close()
    with pytest.raises(BadData, match="offset 3 follows 1"):
        verify_chain(open_reader(path).walk("a"))


def test_a_reader_sees_what_is_appended_later(path):
    writer = open_writer(path, lambda: 7)
    reader = open_reader(path)
    writer.append("a", entries("x"))
    assert reader.head("a")[0] == 1


def test_a_reader_waits_for_a_journal_and_refuses_another_version(path):
    with pytest.raises(TransientError):
        open_reader(path)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(ConfigError, match="version 99"):
        open_reader(path)


def test_an_append_that_returned_is_on_disk(path):
    writer = open_writer(path, lambda: 7)
    assert writer._db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert writer._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    writer.close()


def test_a_disk_that_cannot_be_read_is_a_passing_failure(path):
    writer = open_writer(path, lambda: 7)
    writer.append("a", entries("x"))
    with sqlite3.connect(path) as other:
        other.execute("ALTER TABLE record RENAME TO elsewhere")
    other.close()
    for read in (
        lambda: writer.read("a", 0),
        lambda: writer.head("a"),
        lambda: writer.find("a", "event", "x"),
        lambda: writer.of_kind("a", "event"),
        writer.sites,
        lambda: writer.append("a", entries("y")),
    ):
        with pytest.raises(TransientError, match="journal cannot be"):
            read()
    writer.close()
