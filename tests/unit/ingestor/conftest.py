"""A whole intake on a fresh journal, without a broker."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from ingestor import standing
from ingestor.days import Days
from ingestor.intake import Intake, Packet, Placed, Post, Taken
from ingestor.keys import KeyRecord, Keys
from ingestor.quarantine import Quarantine
from ingestor.receipts import Receipts
from tests.unit.ingestor.gateway import NOW_MS, Gateway
from wire.journal import Entry, Writer, open_writer
from wire.messages import Receipt
from wire.signing import SigningKey


@dataclass
class Cloud:
    """The receiving side on disk; `again()` is what a restart finds. Its clock ticks at each look."""

    directory: Path
    journal: Writer
    quarantine: Quarantine
    intake: Intake
    clock: list[int]

    @classmethod
    def open(cls, directory: Path, clock: list[int]) -> "Cloud":
        def now_ms() -> int:
            clock[0] += 1
            return clock[0]

        journal = open_writer(directory / "journal.db", now_ms)
        keys = Keys()
        for site in journal.sites():
            keys.add(journal.of_kind(site, "key"))
        quarantine = Quarantine(directory / "quarantine.db", now_ms)
        key = SigningKey.load_or_create(directory / "receipt.key")
        standings = standing.restore(directory / "standing.json", journal)
        days = Days(journal, keys, key, now_ms)
        receipts = Receipts(key, now_ms)
        intake = Intake(journal, standings, keys, receipts, days, quarantine, now_ms)
        cloud = cls(directory, journal, quarantine, intake, clock)
        cloud.keys = keys
        return cloud

    keys: Keys = None  # type: ignore[assignment]
    closed: bool = False

    def trust(self, gateway: Gateway, **others: object) -> None:
        public = gateway.key.public
        record = KeyRecord(gateway.site, gateway.name, str(public), **others)
        entry = Entry("key", public.id, msgspec.json.encode(record))
        appended = self.journal.append(gateway.site, [entry])
        self.keys.add(appended)
        self.intake.standings.setdefault(gateway.site, standing.Standing(gateway.site))
        for each in appended:
            self.intake.standings[gateway.site].absorb(each)

    def send(self, gateway: Gateway, *packets: bytes, topic: str = "") -> Taken:
        return self.intake.take([Packet(topic or gateway.topic, data) for data in packets])

    def post(self, *documents: bytes, kind: str = "event") -> list[Placed]:
        """Raises what the API would answer with."""
        result = self.intake.take([Post("s1", kind, documents)]).results[0]
        if isinstance(result, Exception):
            raise result
        return result

    def segments(self, site: str = "s1") -> list[bytes]:
        return [record.data for record in self.journal.of_kind(site, "segment")]

    def again(self) -> "Cloud":
        self.close()
        return Cloud.open(self.directory, self.clock)

    def close(self) -> None:
        if not self.closed:
            self.journal.close()
            self.quarantine.close()
        self.closed = True


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    opened = Cloud.open(tmp_path, [NOW_MS])
    yield opened
    opened.close()


@pytest.fixture
def gateway(tmp_path: Path, cloud: Cloud) -> Gateway:
    made = Gateway.new(tmp_path)
    cloud.trust(made)
    return made


def receipt_in(taken: Taken) -> Receipt:
    """The one stream receipt a group led to."""
    found = [s for s in taken.sayings if s.topic.endswith("/rcpt") and "/event/" not in s.topic]
    assert len(found) == 1
    return msgspec.json.decode(found[0].payload, type=Receipt)
