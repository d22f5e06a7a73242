"""A freeze that is killed at any of its writes leaves a journal that reads as before.

strace kills it at the entry of the n-th call of each kind, for every n, as `kill -9` would.
"""

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from wire.journal import Entry, Record, open_reader, open_writer, verify_chain
from wire.journal.freeze import freeze

OCTOBER_MS = round(datetime(2026, 10, 10, tzinfo=UTC).timestamp() * 1000)
NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)
CALLS = ("fsync", "fdatasync", "rename", "unlink", "pwrite64")
_FREEZE = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from wire.journal.freeze import freeze
list(freeze(Path(sys.argv[1]), datetime(2026, 11, 1, tzinfo=UTC), Path(sys.argv[2])))
"""

pytestmark = pytest.mark.skipif(
    shutil.which("strace") is None, reason="needs Debian's strace; scripts/test installs it as root"
)


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Record]]:
    path = tmp_path_factory.mktemp("freeze") / "journal.db"
    rng = Random(1)
    writer = open_writer(path, lambda: OCTOBER_MS)
    entries = [Entry("segment", f"{n}", rng.randbytes(1500)) for n in range(8)]
    records = writer.append("a", entries)
    writer.close()
    return path, records


def killed_at(call: str, count: int, path: Path) -> bool:
    """Whether the `count`-th `call` was reached, and the freeze killed there."""
    inject = f"inject={call}:signal=SIGKILL:when={count}"
    command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject]
    run = [*command, sys.executable, "-c", _FREEZE, str(path), str(path.parent / "cold")]
    done = subprocess.run(
        run, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, -9, 137), done.stderr
    return done.returncode != 0


@pytest.mark.parametrize("call", CALLS)
def test_the_journal_is_whole_wherever_the_freeze_was_killed(call, journal, tmp_path):
    source, records = journal
    kills = 0
    while True:
        here = tmp_path / f"{kills}"
        here.mkdir()
        path = Path(shutil.copy(source, here / "journal.db"))
        was_killed = killed_at(call, kills + 1, path)
        reader = open_reader(path)
        assert list(reader.walk("a")) == records
        verify_chain(reader.walk("a"))
        list(freeze(path, NOVEMBER, here / "cold"))  # goes on where it was
        assert list(reader.walk("a")) == records
        reader.close()
        assert sorted(p.name for p in (here / "cold").iterdir()) == ["a-2026-10.cold"]
        shutil.rmtree(here)
        if not was_killed:
            break
        kills += 1
    assert kills >= 1
