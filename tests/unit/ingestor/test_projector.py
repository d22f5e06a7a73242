"""Cursors, and a sink that is not always there."""

import random
import threading
from collections.abc import Sequence
from pathlib import Path

from ingestor.projector import Cursors, Projector
from ingestor.sinks import Rejected
from tests.unit.ingestor.conftest import Cloud
from tests.unit.ingestor.gateway import Gateway
from wire.errors import TransientError
from wire.journal import open_reader
from wire.segment import Segment


class Moody:
    """A sink that is away for its first writes and refuses one line of each segment."""

    def __init__(self) -> None:
        self.offsets: list[int] = []
        self.closed = threading.Event()
        self._away = 2

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

    def counts(self, site: str, from_ms: int, to_ms: int) -> dict[tuple[str, int], int]:
        raise TransientError(f"nothing of {site} from {from_ms} to {to_ms}")

    def close(self) -> None:
        self.closed.set()


def test_a_cursor_set_back_by_a_person_is_not_pushed_on(tmp_path: Path) -> None:
    cursors = Cursors(tmp_path / "cursors.db")
    cursors.advance("s", "s1", 0, 10)
    cursors.rewind("s", "s1", 3)
    cursors.advance("s", "s1", 10, 20)
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
    for _ in range(500):
        if cursors.get("moody", "s1") == 4:
            break
        threading.Event().wait(0.01)
    projector.stop()
    thread.join(5)
    assert sink.closed.is_set()
    assert sink.offsets == [2, 3, 4]
    assert [(item.origin, item.data) for item in cloud.quarantine.items()] == [
        ("sink:moody", b"line %d" % offset) for offset in (2, 3, 4)
    ]
    cursors.close()
    journal.close()
