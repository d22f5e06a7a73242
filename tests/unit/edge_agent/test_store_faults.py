"""What disks do to the store: old files, rot, errors. It always opens, and says what is not there."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edge_agent import salvage
from edge_agent.clock import NOT_BEFORE_MS, Instant
from edge_agent.store import open_store
from wire.messages import Sample
from wire.segment import open_segment, read_header
from wire.segment.gap import Gap, read_gap
from wire.signing import SigningKey

KEY = SigningKey(bytes(range(32)))
T0 = NOT_BEFORE_MS + 1_000_000
FIXTURE = Path(__file__).parents[2] / "golden" / "store_v1.sql"


def at(ms):
    return Instant(ms, ms - NOT_BEFORE_MS, "boot-a")


def opened(path):
    return open_store(path, "cq", "gw", KEY, at(T0))


@pytest.fixture(scope="module")
def masters():
    """Stores made once, by how many numbered segments they have: their bytes, stream, segments."""
    return {}


@pytest.fixture
def filled(tmp_path, masters):
    """Puts a store with segments, bundles and cycles in place; its stream and segments' bytes."""

    def fill(segments=60):
        path = tmp_path / "store.db"
        if segments not in masters:
            masters[segments] = made(path, segments)
        data, stream, sealed = masters[segments]
        path.write_bytes(data)
        return stream, sealed

    return fill


def made(path, segments):
    rng = random.Random(1)
    store = opened(path)
    store._file._db.execute("PRAGMA synchronous = OFF")  # what is damaged here has been on the disk
    for n in range(segments + 30):
        values = {"active_power": (rng.getrandbits(60), 0)}
        samples = [Sample(f"m{m}", T0 + n, values) for m in range(40)]
        store.commit(samples, [], at(T0 + n), {"m": b"memory"})
        if n < segments + 20:
            store.seal(at(T0 + n), "assumed", live=n < segments)
    stream = store.current().stream
    sealed = {s.seq: s.data for s in store.unreceipted(stream, 0, 1000)}
    assert len(sealed) == segments
    store.close()
    return path.read_bytes(), stream, sealed


def events(store):
    found = []
    while (seq := store.seal(at(T0 + 10**6), "assumed")) is not None:
        found += open_segment(store.segment(store.current().stream, seq).data).events
    return found


def test_a_store_of_the_version_before_keeps_everything(tmp_path):
    with sqlite3.connect(tmp_path / "store.db") as db:
        db.executescript(FIXTURE.read_text())
    db.close()
    store = opened(tmp_path / "store.db")
    (state,) = store.streams()
    assert (state.last_seq, state.receipted) == (4, 2)
    assert [s.seq for s in store.unreceipted(state.stream, 0, 9)] == [3, 4]
    assert store.segment(state.stream, 1) is not None, "refused, and kept"
    assert list(store.memories()) == ["m"]
    assert store.seal(at(T0 + 7000), "assumed") == 5
    segment = open_segment(store.segment(state.stream, 5).data)
    assert segment.header.prev == state.last_hash
    assert [event.event for event in segment.events] == ["back"]
    assert store.seal(at(T0 + 8000), "assumed") is None
    store.close()


@pytest.mark.parametrize("content", [b"", b"this is no database" * 1000, None])
def test_a_file_it_does_not_know_is_set_aside_and_it_starts(tmp_path, content):
    path = tmp_path / "store.db"
    if content is None:
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA user_version = 99")
        db.close()
    else:
        path.write_bytes(content)
    was = path.read_bytes()
    store = opened(path)
    store.commit([Sample("m", T0, {"active_power": (1, 0)})], [], at(T0), {})
    told = [event.event for event in events(store)]
    if content == b"":
        assert told == [], "an empty file is a store that was never written"
    else:
        assert told == ["store_damaged"]
        aside = (tmp_path / "damaged-1-store.db").read_bytes()
        assert aside[100:] == was[100:], "but for the header, where SQLite notes how it writes"
    store.close()


@pytest.mark.parametrize("seed", range(24))
def test_whatever_rots_it_opens_sends_nothing_wrong_and_says_so(tmp_path, filled, seed):
    """Bits turned, sectors lost, the end cut off; in the pages and in what they hold."""
    path, rng = tmp_path / "store.db", random.Random(seed)
    stream, sealed = filled()
    data = bytearray(path.read_bytes())
    for _ in range(rng.choice((1, 1, 3, 10))):
        begin = rng.randrange(4096, len(data))
        match seed % 3:
            case 0:
                data[begin] ^= 1 << rng.randrange(8)
            case 1:
                begin -= begin % 512
                data[begin : begin + 512] = bytes(512)
            case 2:
                del data[max(begin, len(data) // 2) :]
                break
    path.write_bytes(data)
    store = opened(path)
    found = {s.seq: s.data for s in store.unreceipted(stream, 0, 1000)}
    assert all(sealed[seq] == it for seq, it in found.items()), "only what was sealed is sent"
    # Where a table's first page is wiped, what hangs on it is only in the file set aside.
    assert len(found) >= (45, 0, 1)[seed % 3]
    aside = (tmp_path / "damaged-1-store.db").exists()
    assert aside == (store.current().stream != stream), "a damaged file's streams end"
    assert aside == any(event.event == "store_damaged" for event in events(store))
    while store.number_next(at(T0)) is not None:
        pass
    for each in store.unreceipted(store.current().stream, 0, 1000):
        open_segment(each.data).verify(KEY.public)
    store.close()
    again = opened(path)
    again.commit([Sample("m", T0 + 10**7, {"active_power": (1, 0)})], [], at(T0 + 10**7), {})
    again.close()


def test_damage_found_while_it_runs_is_set_aside_too(tmp_path, filled):
    path = tmp_path / "store.db"
    stream, sealed = filled()
    store = opened(path)
    with sqlite3.connect(path) as db:
        pages = [
            row[0]
            for row in db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'pending'")
        ]
        size = db.execute("PRAGMA page_size").fetchone()[0]
    db.close()
    with path.open("r+b") as file:
        file.seek((pages[0] - 1) * size)
        file.write(b"\xff" * size)
    store._file.close()
    assert store.current().stream != stream
    assert {s.seq: s.data for s in store.unreceipted(stream, 0, 1000)} == sealed
    store.close()


def test_only_what_is_whole_moves_and_a_lost_stream_is_made_of_its_segments(tmp_path, filled):
    stream, _ = filled(5)
    opened(tmp_path / "new.db").close()
    with (
        closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as old,
        closing(sqlite3.connect(tmp_path / "new.db", isolation_level=None)) as new,
    ):
        old.execute("DELETE FROM stream")
        old.execute("UPDATE segment SET hash = 'rotted' WHERE seq = 3")
        old.execute("UPDATE segment SET refused = CAST(x'FF' AS TEXT) WHERE seq = 4")
        found = salvage.move(tmp_path / "store.db", new, ("stream", "segment", "bundle", "pending"))
        kept = [seq for (seq,) in new.execute("SELECT seq FROM segment ORDER BY seq")]
        (upto,) = new.execute("SELECT last_seq FROM stream WHERE stream = ?", (stream,)).fetchone()
    assert found == {"segments": "4", "bundles": "20", "cycles": "10"}
    assert (kept, upto) == ([1, 2, 4, 5], 5)


def test_what_is_set_aside_keeps_its_log(tmp_path):
    """The log holds what was committed last; left behind, it would stand beside another file."""
    path = tmp_path / "store.db"
    path.write_bytes(b"damaged")
    path.with_name("store.db-wal").write_bytes(b"its log")
    salvage.renew(path, lambda new: new.write_bytes(b"new") and None, Path.touch)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {
        "store.db": b"new",
        "damaged-1-store.db": b"damaged",
        "damaged-1-store.db-wal": b"its log",
    }


def test_a_crash_between_the_renewals_steps_loses_nothing(tmp_path, filled):
    path = tmp_path / "store.db"
    stream, sealed = filled()
    path.rename(tmp_path / "new-store.db")  # as after the old one had got its new name
    (tmp_path / "damaged-3-store.db").write_bytes(b"damaged")
    path.with_name("store.db-wal").write_bytes(b"its log")
    store = opened(path)
    assert {s.seq: s.data for s in store.unreceipted(stream, 0, 1000)} == sealed
    assert (tmp_path / "damaged-3-store.db-wal").read_bytes() == b"its log"
    store.close()


@pytest.mark.parametrize("renames", range(3))
def test_a_crash_among_the_renewals_renames_parts_no_file_from_its_log(
    tmp_path, monkeypatch, renames
):
    path, left, rename = tmp_path / "store.db", list(range(renames)), Path.rename
    path.write_bytes(b"damaged")
    path.with_name("store.db-wal").write_bytes(b"its log")

    def until_the_power_goes(this, target):
        if not left:
            raise KeyboardInterrupt
        left.pop()
        return rename(this, target)

    monkeypatch.setattr(Path, "rename", until_the_power_goes)
    with pytest.raises(KeyboardInterrupt):
        salvage.renew(path, lambda new: new.write_bytes(b"new") and None, Path.touch)
    monkeypatch.undo()
    salvage.finish(path)
    found = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    aside = "damaged-1-" if renames else ""
    assert (found["store.db"] == b"new") == bool(renames)
    assert found[f"{aside}store.db"] == b"damaged"
    assert found[f"{aside}store.db-wal"] == b"its log"


def rot(store, table, where):
    """One bit of one row's bytes."""
    db = store._file._db
    data = bytearray(db.execute(f"SELECT data FROM {table} WHERE {where}").fetchone()[0])
    data[-1] ^= 1
    db.execute(f"UPDATE {table} SET data = ? WHERE {where}", (bytes(data),))


def test_a_rotted_bundle_gets_no_number_and_its_readings_are_told(tmp_path, filled):
    filled(segments=0)
    store = opened(tmp_path / "store.db")
    rot(store, "bundle", "id = 2")
    seqs = []
    while (seq := store.number_next(at(T0))) is not None:
        seqs.append(seq)
    assert [seq for seq in seqs if seq] == list(range(1, 20))
    (lost,) = (event for event in events(store) if event.event == "readings_lost")
    assert lost.detail["readings"] == "40"
    assert (lost.detail["from_ms"], lost.detail["to_ms"]) == (str(T0 + 1), str(T0 + 1))
    store.close()


def test_a_number_that_is_lost_is_told_in_a_gap_record_and_its_stream_goes_on(tmp_path, filled):
    stream, sealed = filled(segments=10)
    store = opened(tmp_path / "store.db")
    rot(store, "segment", "seq = 4")
    rot(store, "segment", "seq = 5")
    assert store.segment(stream, 4) is None
    data, last = store.declare_lost(stream, 4, at(T0 + 1000))
    again, _ = store.declare_lost(stream, 4, at(T0 + 1000))
    assert (again, last) == (data, 5)
    header, signature, signed = read_header(data)
    KEY.public.verify(signature, signed)
    assert (header.gateway, header.stream, header.seq) == ("gw", stream, 4)
    assert read_gap(data) == Gap(5, open_segment(sealed[6]).header.prev, "it rotted on the disk")
    assert [s.seq for s in store.unreceipted(stream, 0, 99)] == [1, 2, 3, 6, 7, 8, 9, 10]
    assert store.hash_of(stream, 5) == open_segment(sealed[6]).header.prev, "a receipt may name it"
    assert store.numbered()[0] == 8, "no room is kept for it"
    (told,) = [event for event in events(store) if event.event == "segment_lost"]
    assert (told.detail["number"], told.detail["last"]) == ("4", "5")
    assert store.current().stream == stream
    store.close()


def test_numbers_kept_no_longer_are_told_up_to_the_first_that_is_here(tmp_path, filled):
    """A cloud that lost its journal asks for what it had signed for long ago."""
    stream, sealed = filled(segments=10)
    store = opened(tmp_path / "store.db")
    store.receipted(stream, 8, [], at(T0))
    while store.prune(T0 + 1):
        pass
    data, last = store.declare_lost(stream, 1, at(T0 + 1000))
    gone = Gap(7, open_segment(sealed[8]).header.prev, "it was receipted, and is kept no longer")
    assert (read_gap(data), last) == (gone, 7)
    assert store.segment(stream, 8) is not None, "a stream's newest stays"
    store.receipted(stream, 10, [], at(T0 + 10))
    while store.prune(T0 + 20):
        pass
    assert read_gap(store.declare_lost(stream, 9, at(T0 + 1000))[0]).last == 9
    assert store.declare_lost(stream, 11, at(T0 + 1000)) is None, "it was never used"
    assert store.declare_lost("other", 1, at(T0 + 1000)) is None
    store.close()
