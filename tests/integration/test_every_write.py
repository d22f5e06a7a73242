"""kill -9 at the entry of every call by which the agent's store and the journal touch their disk.

strace counts; the child says each number once its commit has returned. What it said is there, and of
the rest at most the one that was under way. By default every fifteenth call is one to die at.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.test_store_disk import kept, opened
from wire.journal import open_reader, open_writer, verify_chain

pytestmark = pytest.mark.skipif(
    shutil.which("strace") is None and os.environ.get("CI") != "true",
    reason="needs Debian's strace; scripts/test installs it as root",
)
ROOT = Path(__file__).parents[2]
_AGENT = """
import sys
from pathlib import Path
from tests.integration.test_store_disk import T0, at, commit, opened
store = opened(Path(sys.argv[1]))
for n in range(12):
    commit(store, n)
    print(n, flush=True)
    if n % 3 == 2:
        store.seal(at(T0 + 10**6), "synchronized")
        state = store.current()
        store.receipted(state.stream, state.last_seq - 1, [], at(T0))
store.close()
"""
_JOURNAL = """
import sys
from pathlib import Path
from wire.journal import Entry, open_writer
journal = open_writer(Path(sys.argv[1]) / "journal.db", lambda: 0)
for n in range(12):
    journal.append("a", [Entry("segment", f"{n}", b"%d" % n * 300)])
    print(n, flush=True)
journal.close()
"""


def in_the_store(folder: Path) -> list[int]:
    """Receipted or not."""
    store = opened(folder)
    with store._file.transaction() as db:
        db.execute("UPDATE segment SET receipted_ms = NULL")
        db.execute("UPDATE stream SET receipted = 0")
    found = kept(store)
    store.close()
    return found


def in_the_journal(folder: Path) -> list[int]:
    path = folder / "journal.db"
    open_writer(path, lambda: 0).close()  # as the ingestor that is started again does
    with closing(open_reader(path)) as journal:
        verify_chain(journal.walk("a"))
        return [int(record.key) for record in journal.walk("a")]


def killed_at(script: str, folder: Path, call: str, count: int) -> list[int] | None:
    """What the child had said; None if it lived to its end."""
    inject = f"inject={call}:signal=SIGKILL:when={count}"
    strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject]
    done = subprocess.run(
        [*strace, sys.executable, "-c", script, str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode in (0, -9, 137), done.stderr
    return None if done.returncode == 0 else [int(line) for line in done.stdout.split()]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("step", [15, pytest.param(1, marks=pytest.mark.full)])
@pytest.mark.parametrize("call", ["pwrite64", "fdatasync"])
@pytest.mark.parametrize(
    ("script", "found_in"),
    [(_AGENT, in_the_store), (_JOURNAL, in_the_journal)],
    ids=["agent", "journal"],
)
def test_killed_at_any_write_what_was_committed_is_there(
    tmp_path: Path, script: str, found_in: Callable[[Path], list[int]], call: str, step: int
) -> None:
    kills = 0
    while True:
        folder = tmp_path / str(kills)
        folder.mkdir()
        said = killed_at(script, folder, call, 1 + kills * step)
        found = found_in(folder)
        if said is None:
            assert found == list(range(12))
            break
        assert found in (said, [*said, len(said)]), "what was said, and perhaps the next"
        kills += 1
    assert kills * step > 10, "it was killed at"
