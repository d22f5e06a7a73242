"""The power of a disk is cut at any moment: nothing that was committed or signed for is lost.

A child writes as fast as it can and says each number once the commit has returned; the cut comes
from outside. A control shows that the disk does forget what is not flushed.
"""

import os
import random
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration import power_cut
from tests.integration.test_store_disk import T0, at, kept, opened
from wire.journal import open_reader, open_writer, verify_chain

ROOT = Path(__file__).parents[2]
CUTS = 25 if os.environ.get("CI") == "true" else 8
_AGENT = """
import sys, time
from pathlib import Path
from tests.integration.test_store_disk import T0, at, commit, opened
store = opened(Path(sys.argv[1]))
for n in range(int(sys.argv[2]), 10**9):
    commit(store, n)
    if n % 20 == 19:
        store.seal(at(T0 + 10**6), "synchronized")
    print(n, time.monotonic_ns(), flush=True)
"""
_JOURNAL = """
import sys, time
from pathlib import Path
from wire.journal import Entry, open_writer
journal = open_writer(Path(sys.argv[1]) / "journal.db", lambda: 0)
for n in range(int(sys.argv[2]), 10**9):
    journal.append("a", [Entry("segment", f"{n}", b"%d" % n * 300)])
    print(n, time.monotonic_ns(), flush=True)
"""
_CARELESS = _JOURNAL.replace(
    "for n", 'journal._db.execute("PRAGMA synchronous = NORMAL")\nfor n', 1
)


@pytest.fixture(autouse=True)
def _power_can_be_cut() -> None:
    power_cut.required()


def committed_before_a_cut(script: str, folder: Path, first: int, dice: random.Random) -> int:
    """How many commits, from `first` on, had returned when the power went.

    While a disk is being shut down a flush that is under way may still return, and what it flushed
    be lost: a machine without power would not have got that far.
    """
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(folder), str(first)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert child.stdout is not None
    told = [child.stdout.readline()]
    time.sleep(dice.uniform(0, 0.1))
    cut_ns = time.monotonic_ns()
    power_cut.cut(folder)
    child.kill()
    told += child.stdout.readlines()
    child.stdout.close()
    child.wait()
    times = [int(line.split()[1]) for line in told if line.endswith(b"\n")]
    return sum(t_ns < cut_ns for t_ns in times)


def test_an_agents_store_has_everything_committed_after_every_cut(tmp_path):
    image, folder = power_cut.made(tmp_path / "disk.img"), tmp_path / "mnt"
    dice, first = random.Random(1), 0
    for _ in range(CUTS):
        with power_cut.mounted(image, folder):
            count = committed_before_a_cut(_AGENT, folder, first, dice)
        with power_cut.mounted(image, folder):
            store = opened(folder)
            found = kept(store)
            assert found == list(range(first, first + len(found))), "each once, in order"
            assert len(found) >= count, "nothing committed is missing"
            state = store.current()
            store.receipted(state.stream, state.last_seq, [], at(T0))
            store.close()
            with closing(sqlite3.connect(folder / "store.db")) as db:
                assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        first += 10_000  # more than it writes until the cut, however late that comes


def test_a_journal_has_everything_appended_after_every_cut(tmp_path):
    image, folder = power_cut.made(tmp_path / "disk.img"), tmp_path / "mnt"
    dice, first = random.Random(2), 0
    for _ in range(CUTS):
        with power_cut.mounted(image, folder):
            count = committed_before_a_cut(_JOURNAL, folder, first, dice)
        found = journalled(image, folder, first)
        assert found == list(range(first, first + len(found)))
        assert len(found) >= count, "nothing appended is missing"
        first += 10_000  # more than it writes until the cut, however late that comes


def journalled(image: Path, folder: Path, first: int) -> list[int]:
    """The numbers from `first` on, in a journal whose chain holds."""
    with power_cut.mounted(image, folder):
        open_writer(folder / "journal.db", lambda: 0).close()
        with closing(open_reader(folder / "journal.db")) as journal:
            verify_chain(journal.walk("a"))
            return [n for n in (int(r.key) for r in journal.walk("a")) if n >= first]


@pytest.mark.full
def test_control_a_journal_that_does_not_flush_each_append_does_lose_some(tmp_path):
    image, folder = power_cut.made(tmp_path / "disk.img"), tmp_path / "mnt"
    dice, first, lost = random.Random(3), 0, 0
    for _ in range(CUTS):
        with power_cut.mounted(image, folder):
            count = committed_before_a_cut(_CARELESS, folder, first, dice)
        lost += max(0, count - len(journalled(image, folder, first)))
        first += 100_000
    assert lost > 0
