"""A journal whose file suffered: the sound part is served, the first lost record is named."""

import re
import shutil
import sqlite3
import threading
from pathlib import Path

import pytest

from wire.errors import BadData, ConfigError, TransientError
from wire.journal import Entry, Reader, Unreadable, open_reader, open_writer, verify_chain

PAGE = 4096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    writer = open_writer(tmp_path / "journal.db", lambda: 7)
    for n in range(60):
        entries = [Entry("segment", f"{n}/{m}", f"{n}/{m} ".encode() * 150) for m in range(20)]
        writer.append("a", entries)
    writer.close()
    return tmp_path / "journal.db"


def served(reader: Reader) -> tuple[int, str]:
    """How many sound records come, and why no more do: the reader says so, or the chain."""
    last, why = 0, ""
    try:
        for record in reader.walk("a"):
            verify_chain([record], record.prev, last)
            last = record.offset
    except Unreadable as exc:
        assert exc.offset in (0, last + 1)  # noqa: PT017  the rest is looked at by the caller
        why = str(exc)
    except BadData as exc:
        why = str(exc)
    reader.close()
    return last, why


def end_of(path: Path) -> tuple[int, str]:
    return served(open_reader(path))


SAID = re.compile(r"journal is damaged|is not what was appended")


@pytest.mark.parametrize("part", [0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95])
def test_a_page_that_turned_to_nothing_ends_the_sound_part(path, part):
    at = int(path.stat().st_size // PAGE * part) * PAGE
    data = bytearray(path.read_bytes())
    data[at : at + PAGE] = bytes(PAGE)
    path.write_bytes(data)
    last, why = end_of(path)
    assert last < 1200
    assert SAID.search(why)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_a_file_cut_off_serves_what_is_left(path, part):
    with path.open("r+b") as file:
        file.truncate(int(path.stat().st_size * part))
    last, why = end_of(path)
    assert last < 1200
    assert SAID.search(why)


def test_a_torn_tail_of_the_log_is_a_shorter_journal_and_not_a_broken_one(path):
    """What was being committed when the power went is not there; all that returned is."""
    writer = open_writer(path, lambda: 8)
    for n in range(10):
        writer.append("a", [Entry("event", f"late {n}", b"x" * 9000)])
    log = path.with_name("journal.db-wal")
    copy = path.with_name("copy.db")
    shutil.copy(path, copy)
    whole = log.read_bytes()
    found = set()
    for keep in range(0, len(whole), len(whole) // 25):
        copy.with_name("copy.db-wal").write_bytes(whole[:keep])
        copy.with_name("copy.db-shm").unlink(missing_ok=True)
        reader = open_reader(copy)
        found.add(verify_chain(reader.walk("a"))[0])
        reader.close()
        shutil.copy(path, copy)
    assert len(found) > 5
    assert found <= set(range(1200, 1211))
    writer.close()


def test_a_copy_made_while_it_is_written_is_a_sound_beginning_or_says_where_not(path):
    stop = threading.Event()
    writer = open_writer(path, lambda: 8)

    def write() -> None:
        n = 0
        while not stop.is_set():
            writer.append("a", [Entry("event", f"during {n}", b"y" * 3000)])
            n += 1

    thread = threading.Thread(target=write)
    thread.start()
    copies = []
    for n in range(8):
        copies.append(path.with_name(f"copy{n}.db"))
        shutil.copy(path, copies[-1])
        if n % 2:
            shutil.copy(path.with_name("journal.db-wal"), copies[-1].with_name(f"copy{n}.db-wal"))
    stop.set()
    thread.join()
    for copy in copies:
        last, why = end_of(copy)
        assert last > 0
        assert not why or SAID.search(why)
    verify_chain(open_reader(path).walk("a"))
    writer.close()


def test_what_is_no_journal_at_all_is_refused_by_its_name(path):
    path.write_bytes(b"x" * 10_000)
    with pytest.raises(ConfigError, match=f"{path}: journal cannot be opened"):
        open_reader(path)


def test_a_damaged_journal_takes_nothing_and_says_so(path):
    """Better no receipt than one for a record behind a hole."""
    data = bytearray(path.read_bytes())
    with sqlite3.connect(path) as db:
        (root,) = db.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'record_key'"
        ).fetchone()
    db.close()
    data[(root - 1) * PAGE : root * PAGE] = b"\xff" * PAGE
    path.write_bytes(data)
    writer = open_writer(path, lambda: 8)
    with pytest.raises(TransientError, match="malformed"):
        writer.append("a", [Entry("event", "new", b"x")])
