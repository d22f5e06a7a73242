"""What `journal verify` finds. Who changes a journal can also mend its chain: most cases here do."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from ingestor.verify import Found, verify
from tests.unit.ingestor.conftest import Cloud
from tests.unit.ingestor.gateway import Gateway
from wire.errors import ConfigError
from wire.journal import GENESIS, Entry, Record, link, open_reader
from wire.journal.heads import read_head, sign_head
from wire.signing import SigningKey

DAY_MS = 86_400_000
_EVENT = (
    b'{"id": "e%d", "t": "2026-11-18T00:00:00Z", "type": "state", "node": "n", "state": "idle"}'
)
Change = Callable[[Record], Record | None]


@pytest.fixture
def journal(cloud: Cloud, gateway: Gateway) -> Path:
    """Two gateways, three days, an event and a refused segment now and then."""
    other = Gateway.new(cloud.directory, "gw-2", stream="bb")
    cloud.trust(other)
    for day in range(3):
        cloud.send(gateway, gateway.seal(), gateway.seal())
        cloud.post(_EVENT % day)
        cloud.send(other, other.seal())
        cloud.clock[0] += DAY_MS
    cloud.intake.close_days()
    cloud.close()
    return cloud.directory / "journal.db"


def looked_at(path: Path, first: int = 1) -> Found:
    with closing(open_reader(path)) as journal:
        return verify(journal, "s1", first)


def rewritten(path: Path, change: Change) -> None:
    """Change or leave out records and make a sound chain of what there is then."""
    records = list(open_reader(path).walk("s1"))
    chain, rows = GENESIS, []
    for record in records:
        changed = change(record)
        if changed is not None:
            entry = Entry(changed.kind, changed.key, changed.data)
            linked = link("s1", len(rows) + 1, entry, chain, changed.t_ms)
            rows.append(tuple(getattr(linked, field) for field in linked.__struct_fields__))
            chain = linked.chain
    with sqlite3.connect(path) as db:
        db.execute("DELETE FROM record")
        db.executemany("INSERT INTO record VALUES (?,?,?,?,?,?,?,?,?)", rows)
    db.close()


def offsets(path: Path, kind: str) -> list[int]:
    return [record.offset for record in open_reader(path).of_kind("s1", kind)]


def test_a_whole_journal_is_found_whole(journal):
    found = looked_at(journal)
    assert (found.problem, found.segments, found.heads) == ("", 9, 3)
    assert (found.last, found.chain) == open_reader(journal).head("s1")


def test_from_any_record_on_the_rest_is_found_whole(journal):
    last = looked_at(journal).last
    for first in range(1, last + 1):
        assert looked_at(journal, first).problem == ""
    with pytest.raises(ConfigError, match=f"no record {last + 1}"):
        looked_at(journal, last + 2)


def test_how_far_it_is_is_told(journal, monkeypatch):
    monkeypatch.setattr("ingestor.verify._TELL_EVERY", 5)
    told: list[int] = []
    verify(open_reader(journal), "s1", 1, told.append)
    assert told == list(range(5, looked_at(journal).last + 1, 5))


@pytest.mark.parametrize("column", ["data", "key", "t_ms", "hash", "prev", "chain", "kind"])
def test_an_edit_is_found_at_its_record_wherever_the_walk_begins(journal, column):
    at = offsets(journal, "segment")[4]
    value = 8 if column == "t_ms" else b"forged" if column == "data" else "event"
    with sqlite3.connect(journal) as db:
        db.execute(f"UPDATE record SET {column} = ? WHERE offset = ?", (value, at))
    db.close()
    for first in (1, at - 1, at):
        found = looked_at(journal, first)
        assert found.last == at - 1
        assert f"record {at} is not what was appended" in found.problem


def test_a_segment_left_out_is_missed_by_its_stream_or_the_days_head(journal):
    segments = offsets(journal, "segment")
    for gone in segments:
        copy = journal.with_name(f"{gone}.db")
        copy.write_bytes(journal.read_bytes())
        rewritten(copy, lambda r, gone=gone: None if r.offset == gone else r)
        found = looked_at(copy)
        assert "does not continue its stream" in found.problem or "tree head" in found.problem
        assert found.last >= gone - 1


def test_an_event_changed_with_its_chain_mended_is_missed_by_the_head(journal):
    (at, *_) = offsets(journal, "event")
    rewritten(
        journal,
        lambda r: (
            msgspec.structs.replace(r, data=r.data.replace(b'"n"', b'"m"')) if r.offset == at else r
        ),
    )
    found = looked_at(journal)
    assert "tree head does not stand for the records before it" in found.problem
    assert found.last + 1 == offsets(journal, "head")[0] > at


def test_a_head_signed_anew_by_somebody_else_is_refused(journal):
    other = SigningKey(bytes(32))

    def forge(record: Record) -> Record:
        if record.kind != "head":
            return record
        head = sign_head(msgspec.structs.replace(read_head(record), size=3), other)
        return msgspec.structs.replace(record, data=msgspec.json.encode(head))

    rewritten(journal, forge)
    assert (
        f"key {other.public.id} is not known as a key of the ingestor" in looked_at(journal).problem
    )


def test_a_segment_resealed_with_an_unknown_key_is_refused(journal, tmp_path):
    stranger = Gateway(SigningKey(bytes(32)), prev=GENESIS)
    data = stranger.seal()
    (at, *_) = offsets(journal, "segment")
    rewritten(
        journal,
        lambda r: msgspec.structs.replace(r, data=data, key="gw-1/aa/1") if r.offset == at else r,
    )
    found = looked_at(journal)
    assert (found.last, f"key {stranger.key.public.id} is not known" in found.problem) == (
        at - 1,
        True,
    )


def test_a_segment_in_anothers_place_is_refused(journal):
    first, second, *_ = offsets(journal, "segment")
    sound = {r.offset: r for r in open_reader(journal).walk("s1")}
    swap = {first: sound[second], second: sound[first]}
    rewritten(journal, lambda r: swap.get(r.offset, r))
    assert looked_at(journal).last == first - 1


def test_a_key_revoked_later_does_not_undo_what_it_signed_before(cloud, gateway):
    cloud.send(gateway, gateway.seal())
    public = gateway.key.public
    told = {"site": "s1", "gateway": "gw-1", "public_key": str(public), "revoked": True}
    cloud.journal.append("s1", [Entry("key", f"{public.id}/2", msgspec.json.encode(told))])
    assert looked_at(cloud.directory / "journal.db").problem == ""
    cloud.journal.append("s1", [Entry("segment", "gw-1/aa/2", gateway.seal())])
    found = looked_at(cloud.directory / "journal.db")
    assert (found.last, "is revoked" in found.problem) == (3, True)


def test_a_segment_of_after_its_keys_end_is_refused(cloud, tmp_path):
    late = Gateway.new(tmp_path, "gw-3")
    cloud.trust(late, until_ms=late.t_ms + 2500)
    sealed = [late.seal() for _ in range(3)]
    entries = [Entry("segment", f"gw-3/aa/{n}", data) for n, data in enumerate(sealed, 1)]
    cloud.journal.append("s1", entries)
    found = looked_at(cloud.directory / "journal.db")
    assert (found.last, "not valid at the time" in found.problem) == (3, True)


def test_a_bit_turned_in_any_record_is_found(journal):
    for offset in range(1, looked_at(journal).last + 1):
        turn_bit(journal, offset)
        assert looked_at(journal).last == offset - 1
        turn_bit(journal, offset)
    assert looked_at(journal).problem == ""


def turn_bit(path: Path, offset: int) -> None:
    with sqlite3.connect(path) as db:
        (data,) = db.execute("SELECT data FROM record WHERE offset = ?", (offset,)).fetchone()
        turned = bytearray(data)
        turned[offset * 7919 % len(data)] ^= 1 << offset % 8
        db.execute("UPDATE record SET data = ? WHERE offset = ?", (bytes(turned), offset))
    db.close()
