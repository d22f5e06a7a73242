"""Bounded, counted, and never twice."""

from pathlib import Path

from ingestor.quarantine import Poison, Quarantine
from wire.segment import MAX_SEGMENT


def test_what_comes_again_is_counted_not_kept_twice(tmp_path: Path) -> None:
    kept = Quarantine(tmp_path / "q.db", lambda: 5)
    kept.keep([Poison("t", "why", b"x"), Poison("t", "why", b"x")])
    kept.keep([Poison("t", "now why", b"x")])
    [item] = kept.items()
    assert (item.times, item.reason, item.data) == (3, "now why", b"x")
    kept.close()


def test_the_oldest_leave_when_count_or_bytes_are_over_the_limit(tmp_path: Path) -> None:
    kept = Quarantine(tmp_path / "q.db", lambda: 5, most=3, most_bytes=100)
    kept.keep([Poison("t", "why", bytes([n])) for n in range(10)])
    assert [item.data for item in kept.items()] == [b"\x07", b"\x08", b"\x09"]
    kept.keep([Poison("t", "big", b"x" * 99)])
    assert [len(item.data) for item in kept.items()] == [1, 99]
    kept.close()


def test_of_what_is_too_large_to_be_ours_the_beginning_stays_and_drives_nobody_out(
    tmp_path: Path,
) -> None:
    kept = Quarantine(tmp_path / "q.db", lambda: 5, most_bytes=9 * 1024 * 1024)
    kept.keep([Poison("t", "why", b"small"), Poison("t", "why", b"x" * (MAX_SEGMENT + 1))])
    kept.keep([Poison("t", "why", b"x" * (MAX_SEGMENT + 2))])
    small, large, larger = kept.items()
    assert small.data == b"small"
    assert large.data == larger.data == b"x" * 65536
    assert f"the first 65536 of its {MAX_SEGMENT + 1} bytes, SHA-256 " in large.reason
    assert large.reason != larger.reason
    kept.close()


def test_what_is_kept_is_on_disk(tmp_path: Path) -> None:
    kept = Quarantine(tmp_path / "q.db", lambda: 5)
    assert kept._db.execute("PRAGMA synchronous").fetchone() == (2,)
    kept.close()
