"""The journal of another machine: read over the ingestor's API as if it were here."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration import servers
from tests.integration.calculator_process import Calculator
from tests.integration.ingestor_process import Ingestor
from tests.unit.calc_stream_live.plant import SITE, Plant
from wire.callers import Caller, digest
from wire.errors import ConfigError, TransientError
from wire.journal import GENESIS, Entry, Remote, RemoteReader, open_file, open_writer

# Of the plant's worked example; at its start the ingestor enters the key it signs with, the head of
# the example's day and the gateway's key.
HEAD = 10 + 3


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Ingestor]:
    """An ingestor that has a plant's worked example in its journal; its broker is not there."""
    made = Ingestor(tmp_path / "cloud", servers.free_port())
    plant = Plant(made.directory)
    plant.example_4()
    plant.writer.close()
    made.gateway("gw-9", site=SITE)
    yield made
    made.process.kill()


@pytest.fixture
def there(cloud: Ingestor) -> Iterator[RemoteReader]:
    key = cloud.directory / "reader.key"
    key.write_text("secret\n")
    with closing(RemoteReader(Remote(cloud.url, key))) as reader:
        yield reader


def test_it_reads_what_the_file_holds(cloud: Ingestor, there: RemoteReader) -> None:
    cloud.start()
    with closing(open_file(cloud.directory / "journal.db")) as here:
        records = list(here.walk(SITE))
        assert len(records) == HEAD
        assert list(there.walk(SITE)) == records
        assert there.read(SITE, 3, 4) == records[3:7]
        assert there.head(SITE) == here.head(SITE)
        assert there.head("nowhere") == (0, GENESIS)
        assert there.sites() == here.sites() == [SITE]
        for kind in ("event", "segment", "model", "head"):
            assert there.of_kind(SITE, kind) == here.of_kind(SITE, kind)
        assert there.find(SITE, "event", "e3") == here.find(SITE, "event", "e3")
        assert there.find(SITE, "event", "e99") is None
        assert there.hash_of(SITE, "event", "e3") == here.hash_of(SITE, "event", "e3")
        assert there.outline(SITE, 9) == here.outline(SITE, 9)
        assert there.outline(SITE, 99) is None
        assert list(there.leaves(SITE, 2, 5)) == list(here.leaves(SITE, 2, 5))


def test_a_reader_that_waits_is_told_at_once(cloud: Ingestor, there: RemoteReader) -> None:
    cloud.start()
    event = {"id": "x", "t": "2026-11-21T08:00:00Z", "type": "stop", "node": "press", "batch": "P"}

    def post() -> None:
        with cloud.client() as http:
            http.post(f"/v1/{SITE}/events", json=event)

    later = threading.Timer(0.5, post)
    began = time.monotonic()
    later.start()
    [record] = there.read(SITE, HEAD, wait_s=25)
    assert 0.4 < time.monotonic() - began < 20
    assert record.key == "x"
    assert there.read(SITE, HEAD + 1, wait_s=0.2) == []
    later.join()


def test_an_answer_is_bounded_in_bytes(cloud: Ingestor, there: RemoteReader) -> None:
    writer = open_writer(cloud.directory / "journal.db", lambda: 1)
    blobs = [Entry("factor", f"f{n}", bytes([n]) * 1_500_000) for n in range(12)]
    blobs.append(Entry("factor", "f-big", bytes(9_000_000)))
    writer.append("big", blobs)
    writer.close()
    cloud.start()
    assert len(there.read("big", 0)) == 5
    assert [len(record.data) for record in there.read("big", 12)] == [9_000_000]
    assert [record.key for record in there.walk("big")] == [blob.key for blob in blobs]


def test_a_past_that_was_changed_is_refused(cloud: Ingestor, there: RemoteReader) -> None:
    cloud.start()
    there.read(SITE, 0, 5)
    cloud.process.kill()
    db = sqlite3.connect(cloud.directory / "journal.db")
    db.execute(
        "UPDATE record SET data = CAST(replace(data, 'press', 'poole') AS BLOB) WHERE offset = 6"
    )
    db.commit()
    db.close()
    cloud.process.start()
    with pytest.raises(ConfigError, match="record 6 is not what was appended"):
        there.read(SITE, 5, 5)


def test_another_journal_is_refused(cloud: Ingestor, there: RemoteReader) -> None:
    cloud.start()
    there.read(SITE, 0, 5)
    cloud.process.kill()
    for file in cloud.directory.glob("journal.db*"):
        file.unlink()
    plant = Plant(cloud.directory)
    plant.event("another", 0, "state", node="press", state="idle")
    plant.example_4()
    plant.writer.close()
    cloud.process.start()
    with pytest.raises(ConfigError, match="not the journal it was"):
        there.read(SITE, 5, 5)


def test_a_key_without_the_role_is_named(cloud: Ingestor, there: RemoteReader) -> None:
    cloud.start()
    viewer = Caller("viewer", ("viewer",), digest("looks"), "2026-11-18")
    with (cloud.directory / "api.keys").open("a") as keys:
        keys.write(f"{viewer}\n")
    (cloud.directory / "reader.key").write_text("looks\n")
    with pytest.raises(ConfigError, match="needs the role auditor"):
        there.read(SITE, 0)
    cloud.process.kill()
    with pytest.raises(TransientError, match="refused"):
        there.read(SITE, 0)


def test_a_calculator_without_the_file_computes_the_same(cloud: Ingestor, tmp_path: Path) -> None:
    away = tmp_path / "away"
    away.mkdir()
    calculator = Calculator(away, cloud.api_port)
    text = calculator.config.read_text()
    calculator.config.write_text(text.replace(f'journal = "{away}/journal.db"\n', ""))
    cloud.start()
    process = calculator.start()
    calculator.reach(HEAD)
    process.kill()  # it goes on where its ledger ends
    process.communicate()
    cloud.process.kill()
    with calculator.running():
        cloud.process.start()
        late = {"id": "n", "t": "2026-11-21T08:03:02Z", "type": "quantity", "batch": "Q"}
        with cloud.client() as http:
            posted = http.post(f"/v1/{SITE}/events", json={**late, "good": "1", "unit": "piece"})
        batches = calculator.shown(posted.json()[0]["offset"])["batches"]
    found = {row["batch"]: (row["energy_kwh"], row["good"]) for row in batches}
    assert found == {"P": ("0.057500", "2"), "Q": ("0.022500", "5")}
    assert not (away / "journal.db").exists()
