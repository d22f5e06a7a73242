"""Cursors, and a sink that is not always there."""

import random
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from ingestor.projector import Cursors, Projector
from ingestor.sinks import Column, Rejected
from tests.integration.servers import wait_until
from tests.unit.ingestor.conftest import Cloud
from tests.unit.ingestor.gateway import Gateway
from wire.errors import TransientError
from wire.journal import open_reader
from wire.segment import Segment


class Moody:
    """A sink that is away for its first writes and refuses one line of each segment."""

    def __init__(self, away: int = 2) -> None:
        self.offsets: list[int] = []
        self.closed = threading.Event()
        self._away = away

    def prepare(self) -> None:
        pass

    def write(self, segments: Sequence[tuple[int, Segment]]) -> list[Rejected]:
        if self._away:
            self._away -= 1
            raise TransientError("away", retry_after_s=0.01)
        self.offsets += [offset for offset, _ in segments]
        return [Rejected(b"line %d" % offset, "bad") for offset, _ in segments]

    def dialect(self) -> str:
        return "moody"

    def columns(
        self, site: str, meter: str, from_ms: int, to_ms: int, quantities: Sequence[str] = ()
    ) -> list[Column]:
        raise TransientError(f"nothing of {site} {meter} {quantities} from {from_ms} to {to_ms}")

    def meters(self, site: str) -> set[str]:
        raise TransientError(f"nothing of {site}")

    def forget(self, site: str, meter: str, from_ms: int, to_ms: int) -> bool:
        raise TransientError(f"nothing of {site} {meter} from {from_ms} to {to_ms}")

    def retention_days(self) -> int:
        return 0

    def close(self) -> None:
        self.closed.set()


def test_a_cursor_set_back_by_a_person_is_not_pushed_on(tmp_path: Path) -> None:
    cursors = Cursors(tmp_path / "cursors.db")
    cursors.advance("s", "s1", 0, 10, "c")
    cursors.rewind("s", "s1", 3)
    cursors.advance("s", "s1", 10, 20, "d")
    assert cursors.get("s", "s1") == 3
    cursors.rewind("s", "s1", 7)
    assert cursors.get("s", "s1") == 3
    cursors.close()


def test_a_sink_that_was_away_gets_everything_and_its_bad_lines_are_kept(
    cloud: Cloud, gateway: Gateway
) -> None:
    cloud.send(gateway, *(gateway.seal() for _ in range(3)))
    sink, cursors = Moody(), Cursors(cloud.directory / "cursors.db")
    journal = open_reader(cloud.directory / "journal.db")
    projector = Projector("moody", sink, journal, cursors, cloud.quarantine, random.Random(1))
    thread = threading.Thread(target=projector.run)
    thread.start()
    wait_until(lambda: cursors.get("moody", "s1") == 4, "the projection")
    projector.stop()
    thread.join(60)
    assert sink.closed.is_set()
    assert sink.offsets == [2, 3, 4]
    assert [(item.origin, item.data) for item in cloud.quarantine.items()] == [
        ("sink:moody", b"line %d" % offset) for offset in (2, 3, 4)
    ]
    cursors.close()
    journal.close()


def follower(cloud: Cloud, sink: Moody, cursors: Cursors) -> Projector:
    journal = open_reader(cloud.directory / "journal.db")
    return Projector("moody", sink, journal, cursors, cloud.quarantine, random.Random(1))


def test_a_journal_restored_from_an_older_backup_is_projected_from_its_beginning(
    cloud: Cloud, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    backup = cloud.directory / "backup.db"
    cloud.send(gateway, gateway.seal())
    clone = gateway.copy()
    with closing(sqlite3.connect(backup)) as db:
        cloud.journal._db.backup(db)
    cloud.send(gateway, gateway.seal(), gateway.seal())
    sink, cursors = Moody(away=0), Cursors(cloud.directory / "cursors.db")
    assert follower(cloud, sink, cursors).step()
    assert sink.offsets == [2, 3, 4]
    cloud.close()
    for file in cloud.directory.glob("journal.db*"):
        file.unlink()
    backup.rename(cloud.directory / "journal.db")
    cloud = Cloud.open(cloud.directory, cloud.clock)
    cloud.send(clone, *(clone.seal(meters=3) for _ in range(4)))
    sink.offsets.clear()
    projector = follower(cloud, sink, cursors)
    assert projector.step()
    assert sink.offsets == [2, 3, 4, 5, 6]
    assert "another journal" in caplog.text
    assert not projector.step()
    cursors.rewind("moody", "s1", 5)
    assert projector.step()
    assert sink.offsets[5:] == [6]
    cursors.close()
    cloud.close()


def test_a_journal_shorter_than_its_cursor_is_projected_anew(
    cloud: Cloud, gateway: Gateway
) -> None:
    cloud.send(gateway, gateway.seal())
    sink, cursors = Moody(away=0), Cursors(cloud.directory / "cursors.db")
    cursors.advance("moody", "s1", 0, 99, "c" * 64)
    assert follower(cloud, sink, cursors).step()
    assert sink.offsets == [2]
    cursors.close()


def test_cursors_of_an_earlier_version_are_read_on(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "cursors.db")) as db, db:
        db.execute("CREATE TABLE cursor (sink TEXT, site TEXT, offset INTEGER)")
        db.execute("INSERT INTO cursor VALUES ('s', 's1', 7)")
    cursors = Cursors(tmp_path / "cursors.db")
    assert cursors.place("s", "s1") == (7, "")
    cursors.close()


def test_a_cursor_that_cannot_be_kept_ends_nothing(cloud: Cloud, gateway: Gateway) -> None:
    cloud.send(gateway, gateway.seal())
    sink, cursors = Moody(away=0), Cursors(cloud.directory / "cursors.db")
    cursors._db.execute("PRAGMA query_only = ON")
    projector = follower(cloud, sink, cursors)
    thread = threading.Thread(target=projector.run)
    thread.start()
    wait_until(lambda: projector.state.startswith("cursors cannot be used"), "the complaint")
    assert thread.is_alive()
    cursors._db.execute("PRAGMA query_only = OFF")
    wait_until(lambda: cursors.get("moody", "s1") == 2, "the projection")
    projector.stop()
    thread.join(60)
    assert cursors.get("moody", "s1") == 2
    assert set(sink.offsets) == {2}
    cursors.close()


def test_cursors_are_on_disk_when_they_are_kept(tmp_path: Path) -> None:
    cursors = Cursors(tmp_path / "cursors.db")
    assert cursors._db.execute("PRAGMA synchronous").fetchone() == (2,)
    cursors.close()
