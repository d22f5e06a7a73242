"""What the ingestor keeps beside the journal. Rotted: the file is named with its cure, and nothing
ends. Made by root, who typed a command before the service ever ran: it is the service's."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ingestor import sinks
from ingestor.projector import Cursors
from ingestor.quarantine import Poison, Quarantine
from tests.unit.ingestor.gateway import Gateway
from wire.errors import ConfigError, TransientError
from wire.segment import Segment, open_segment

HOUR_MS = 3_600_000


def sealed(directory: Path) -> list[tuple[int, Segment]]:
    """A few hours of readings."""
    gateway = Gateway.new(directory)
    found = []
    for n in range(1, 40):
        gateway.t_ms += HOUR_MS
        found.append((n, open_segment(gateway.seal(meters=20))))
    return found


def sink(directory: Path, kind: str) -> sinks.Sink:
    place = {"directory": str(directory)} if kind == "archive" else {}
    return sinks.configure({"kind": kind, **place}, "t", "s").open(directory)


def embedded(directory: Path) -> Any:
    return sink(directory, "embedded")


def archive(directory: Path) -> Any:
    return sink(directory, "archive")


def quarantine(directory: Path) -> Any:
    return Quarantine(directory / "quarantine.db", lambda: 0)


def cursors(directory: Path) -> Any:
    return Cursors(directory / "cursors.db")


def keep(kept: Any, directory: Path) -> None:
    """Some pages full."""
    match kept:
        case Quarantine():
            kept.keep([Poison("t", "why", n.to_bytes(2) * 1000) for n in range(50)])
        case Cursors():
            for n in range(200):
                kept.advance(f"sink-{n}", "s1", 0, n, "a" * 64)
        case _:
            kept.write(sealed(directory))


def rot(path: Path) -> None:
    """Every page but the first, which says what there is."""
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (size,) = db.execute("PRAGMA page_size").fetchone()
    db.close()
    data = bytearray(path.read_bytes())
    data[size:] = b"\xff" * (len(data) - size)
    path.write_bytes(data)


LOOKS: list[tuple[str, Callable[[Path], Any], Callable[[Any, Path], object]]] = [
    ("history.db", embedded, lambda it, place: it.write(sealed(place)[-1:])),
    ("history.db", embedded, lambda it, _: it.columns("s1", "m-1", 0, 2**50)),
    ("history.db", embedded, lambda it, _: it.meters("s1")),
    ("history.db", embedded, lambda it, _: it.forget("s1", "m-1", 0, 2**50)),
    ("history.db", embedded, lambda it, _: it.dialect()),
    ("waiting.db", archive, lambda it, place: it.write(sealed(place)[-1:])),
    ("waiting.db", archive, lambda it, _: it.meters("s1")),
    ("quarantine.db", quarantine, lambda it, _: it.keep([Poison("t", "why", b"x")])),
    ("quarantine.db", quarantine, lambda it, _: it.items()),
    ("quarantine.db", quarantine, lambda it, _: it.remove(7)),
    ("cursors.db", cursors, lambda it, _: it.get("sink-100", "s1")),
    ("cursors.db", cursors, lambda it, _: it.advance("sink-100", "s1", 100, 101, "b")),
]


@pytest.mark.parametrize(("name", "opened", "look"), LOOKS)
def test_whoever_meets_it_is_told_the_file_and_its_cure(
    tmp_path: Path, name: str, opened: Callable[[Path], Any], look: Callable[[Any, Path], object]
) -> None:
    it = opened(tmp_path)
    keep(it, tmp_path)
    it.close()
    rot(tmp_path / name)
    it = opened(tmp_path)
    for _ in range(2):
        with pytest.raises(TransientError, match=f"{name} is damaged: .*; stop the ingestor"):
            look(it, tmp_path)
    it.close()


@pytest.mark.parametrize(
    ("name", "opened"),
    [
        ("history.db", embedded),
        ("waiting.db", archive),
        ("quarantine.db", quarantine),
        ("cursors.db", cursors),
    ],
)
def test_one_that_does_not_open_at_all_is_told_with_its_cure(
    tmp_path: Path, name: str, opened: Callable[[Path], Any]
) -> None:
    (tmp_path / name).write_bytes(b"this is no database" * 1000)
    with pytest.raises(ConfigError, match=f"{name}: .* cannot be opened: .*; stop the ingestor"):
        opened(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a file away needs root")
@pytest.mark.parametrize("opened", [embedded, archive, quarantine, cursors])
def test_what_a_command_of_root_makes_is_the_services(
    tmp_path: Path, opened: Callable[[Path], Any]
) -> None:
    service = 12_345
    os.chown(tmp_path, service, service)
    kept = tmp_path / "kept"
    if opened is not archive:  # which makes its own folder
        kept.mkdir()
        os.chown(kept, service, service)
    it = opened(kept)
    keep(it, kept)
    made = {path.name: path.stat().st_uid for path in tmp_path.rglob("*")}
    assert len(made) > 3, "with its log"
    assert {name for name, whose in made.items() if whose != service} == set()
    it.close()
