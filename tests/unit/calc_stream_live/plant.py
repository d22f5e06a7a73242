"""A journal written the way the ingestor writes it: sealed segments, events, model, factors."""

import itertools
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from calc_stream.engines.embedded import Engine, Settings
from calc_stream.factors import load, load_method
from calc_stream.ledger.rows import BatchRow
from calc_stream.ledger.store import Store, open_store
from calc_stream.silence import Patience
from calc_stream.site import Rules
from wire.journal import Entry, Writer, open_writer
from wire.messages import MeterEvent, Sample
from wire.segment import GENESIS, Place, open_segment, seal
from wire.signing import SigningKey

SITE = "cq-test"
T0 = int(datetime(2026, 11, 21, 8, tzinfo=UTC).timestamp() * 1000)

MODEL = """
format = 1
site = "cq-test"
slot_s = 60
[carriers.electricity]
unit = "kWh"
quanta_per_unit = 1_000_000
[sources.grid]
carrier = "electricity"
factor = "cn-grid-footprint"
[buses.main]
carrier = "electricity"
[nodes.press]
[[meters]]
id = "m"
from = "grid"
to = "main"
unit = "kWh"
[[meters]]
id = "m-press"
from = "main"
to = "press"
unit = "kWh"
"""


class Plant:
    """`at` counts seconds from T0; both meters of the model always read the same."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journal = folder / "journal.db"
        self._clock = itertools.count(T0, 1000)
        self.writer: Writer = open_writer(self.journal, lambda: next(self._clock))
        self._key = SigningKey.load_or_create(folder / "gw.key")
        self._seq, self._prev = 0, GENESIS

    def model(self, text: str = MODEL, key: str = "model-1") -> None:
        self._append("model", key, text.encode())

    def factors(self, key: str = "factors-1", data: bytes | None = None) -> None:
        self._append("factor", key, data or load().encode())

    def read(self, *readings: tuple[float, int], meters: Sequence[str] = ("m", "m-press")) -> None:
        """One segment of (second, Wh) readings, for each of the meters."""
        samples = [
            Sample(
                meter,
                T0 + round(at * 1000),
                {"active_energy_import": (wh, -3), "active_power": (5000, 0)},
            )
            for meter in meters
            for at, wh in readings
        ]
        self.segment(samples)

    def segment(
        self,
        samples: Sequence[Sample],
        events: Sequence[MeterEvent] = (),
        waits_from: float | None = None,
    ) -> None:
        """`waits_from`: the second from which on the gateway has more that is older."""
        self._seq += 1
        waits_ms = None if waits_from is None else T0 + round(waits_from * 1000)
        place = Place(SITE, "gw-1", "s1", self._seq, self._prev, "boot", "ntp", waits_ms)
        data = seal(place, samples, events, self._key)
        self._prev = open_segment(data).hash
        self._append("segment", f"gw-1/s1/{self._seq}", data)

    def event(self, id_: str, at: float, type_: str, **said: str) -> None:
        t = datetime.fromtimestamp((T0 + round(at * 1000)) / 1000, UTC)
        event = {"id": id_, "t": t.isoformat(timespec="milliseconds"), "type": type_, **said}
        self._append("event", id_, json.dumps(event).encode())

    def heartbeat(self, at: float, source: str = "mes") -> None:
        """As the ingestor journals it: all events of the source up to then are here."""
        t_ms = T0 + round(at * 1000)
        told = {"source": source, "n": 0, "heartbeat": t_ms}
        self._append("heartbeat", f"{source}/{t_ms}", json.dumps(told).encode())

    def example_4(self) -> None:
        """The worked example up to its late reading: P from 30 s to 90 s, Q from 90 s to 180 s."""
        self.model()
        self.factors()
        self.event("e1", 30, "start", node="press", batch="P", product="wheel")
        self.event("e2", 90, "stop", node="press", batch="P")
        self.event("e3", 90, "start", node="press", batch="Q", product="wheel")
        self.event("e4", 180, "stop", node="press", batch="Q")
        self.event("e5", 180, "quantity", batch="P", good="2", unit="piece")
        self.event("e6", 181, "quantity", batch="Q", good="4", scrap="1", unit="piece")
        self.read((0, 1000), (60, 1100))
        self.read((180, 1130))

    def the_late_reading(self) -> None:
        self.read((120, 1120))

    def _append(self, kind: str, key: str, data: bytes) -> None:
        self.writer.append(SITE, [Entry(kind, key, data)])


def rules(lateness_s: float = 0, silent_s: float = 3600, close_s: float = 72 * 3600) -> Rules:
    patience = Patience(round(silent_s * 1000), round(close_s * 1000))
    return Rules(SITE, load_method("gbt24067"), round(lateness_s * 1000), patience)


def engine(plant: Plant, store: Store, its_rules: Rules | None = None) -> Engine:
    return Engine(
        plant.journal, its_rules or rules(), store, Settings(commit_s=0), lambda _site, _step: None
    )


def run_to_end(plant: Plant, ledger: Path, its_rules: Rules | None = None) -> Engine:
    """An engine that has taken the whole journal and committed it."""
    store = open_store(ledger, create=True)
    return go_on(engine(plant, store, its_rules))


def go_on(running: Engine) -> Engine:
    """Take what has been added, and commit it."""
    while running.turn():
        pass
    assert running.site is not None
    running.site.commit()
    return running


def row(running: Engine, batch: str) -> BatchRow:
    assert running.site is not None
    return running.site.book.rows[batch]
