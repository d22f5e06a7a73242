"""A plant whose journal the ingestor's own appender keeps: keys in it, each day closed by a head."""

import json
from pathlib import Path

import msgspec

from calc_stream import bundling
from calc_stream.factors import FactorSet, load
from calc_stream.ledger.rows import BatchRow
from ingestor.days import Days
from ingestor.keys import KeyRecord, Keys
from ingestor.standing import Standing
from tests.unit.calc_stream_live.plant import MODEL, SITE, T0, Plant, run_to_end
from wire.journal import Entry, open_writer
from wire.messages import MeterEvent, Sample
from wire.signing import SigningKey

DAY_MS = 86_400_000
CERTIFIED = MODEL.replace(
    'to = "main"\nunit = "kWh"',
    'to = "main"\nunit = "kWh"\nclass = "0.5S"\nct = "400/5"\ncertificate = "sha256:'
    + "c" * 64
    + '"\n'
    "certificate_due = 2027-06-30",
)


class ProvenPlant(Plant):
    """Records arrive at `now_ms`, a second apart; set it on for another day."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.now_ms = T0 - DAY_MS
        self.writer.close()
        self.writer = open_writer(self.journal, self._tick)
        self.receipt_key = SigningKey.load_or_create(folder / "receipt.key")
        self._standing, self._keys = Standing(SITE), Keys()
        self._days = Days(self.writer, self._keys, self.receipt_key, lambda: self.now_ms)
        told = KeyRecord(SITE, "gw-1", str(self._key.public))
        self._append("key", self._key.public.id, msgspec.json.encode(told))

    def _tick(self) -> int:
        self.now_ms += 1000
        return self.now_ms

    def _append(self, kind: str, key: str, data: bytes) -> None:
        self._days.append(self._standing, [Entry(kind, key, data)])

    def state(self, kind: str, id_: str, **said: str) -> None:
        """What a person states of readings."""
        self._append(kind, id_, json.dumps({"id": id_, **said}).encode())

    def close_day(self) -> None:
        """The next day begins, and the head of all so far is signed."""
        self.now_ms = (self.now_ms // DAY_MS + 1) * DAY_MS
        self._days.close(self._standing)


def yesterday(plant: ProvenPlant) -> None:
    """A day before: the model, the factors, who the meters are, an older batch; then its head."""
    plant.model(CERTIFIED)
    known = load()
    grid = FactorSet.of(known.named("cn-grid-footprint"))
    plant.factors(data=grid.encode())
    identity = {"maker": "Eastron", "serial": "1234567"}
    samples = [
        Sample(meter, T0 - 80_000_000, {"active_energy_import": (100, -3)})
        for meter in ("m", "m-press")
    ]
    plant.segment(samples, [MeterEvent("m", T0 - 80_000_000, "identity", identity)])
    plant.event("old-1", -70_000, "start", node="press", batch="OLD", product="wheel")
    plant.event("old-2", -60_000, "stop", node="press", batch="OLD")
    plant.read((-60_000, 500), (-50_000, 600))
    plant.close_day()


def today(plant: ProvenPlant, seconds: int = 1800) -> None:
    """P, then Q of which a part is P, among other segments that neither needs; then the day's head."""
    plant.now_ms = T0
    plant.event("e1", 600, "start", node="press", batch="P", product="wheel")
    plant.event("e2", 660, "stop", node="press", batch="P")
    plant.event("e3", 690, "start", node="press", batch="Q", product="wheel")
    plant.event("e4", 750, "stop", node="press", batch="Q")
    plant.event("e5", 750, "quantity", batch="P", good="2", unit="piece")
    plant.event("e6", 751, "quantity", batch="Q", good="4", scrap="1", unit="piece")
    plant.event("e7", 752, "input", batch="Q", of="P", quantity="1", unit="piece")
    for at in range(0, seconds, 60):
        plant.read((at, 1000 + at * 7 // 3), (at + 30, 1000 + (at + 30) * 7 // 3))
    plant.event("x1", 1500, "state", node="press", state="standby")
    plant.close_day()


def proven(folder: Path) -> ProvenPlant:
    plant = ProvenPlant(folder)
    yesterday(plant)
    today(plant)
    return plant


def stated(plant: Plant, folder: Path, batch: str) -> BatchRow:
    """The batch's last settled revision, as the engine stated it."""
    running = run_to_end(plant, folder)
    assert running.site is not None
    rows = [row for row in running.site.book.latest.values() if row.batch == batch]
    assert rows
    assert rows[-1].settled
    return rows[-1]


def made(plant: Plant, row: BatchRow, whole: bool = False) -> bytes:
    return bundling.make(plant.writer, SITE, row, whole)
