"""A press that burns gas, over days of a site in Chongqing (its days begin at 16:00 UTC).

`hour` counts from T0, which is 16:00 there: the first day ends at hour 8.
"""

from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from calc_stream.factors import load_method
from calc_stream.footprints.declaration import Declaration
from calc_stream.footprints.due import Rules
from calc_stream.footprints.footprint import Footprint, successors
from calc_stream.footprints.shelf import Shelf, open_shelf
from calc_stream.ledger.store import Store, open_store
from calc_stream.publishing import Publisher, Terms
from calc_stream.silence import Patience
from tests.unit.calc_stream_live.plant import SITE, T0, Plant, run_to_end
from tests.unit.calc_stream_live.plant import rules as engine_rules
from wire.messages import Sample

HOUR_S = 3600
NOW = T0 + 100 * HOUR_S * 1000
DAY_1, DAY_2 = "2026-11-21", "2026-11-22"
MODEL = """
format = 1
site = "cq-test"
timezone = "Asia/Shanghai"
slot_s = 60
[carriers.electricity]
unit = "kWh"
quanta_per_unit = 1_000_000
[carriers.natural_gas]
unit = "Nm3"
quanta_per_unit = 1_000_000
[sources.grid]
carrier = "electricity"
factor = "cn-grid-footprint"
[sources.gas]
carrier = "natural_gas"
factor = "cn-natural-gas"
[nodes.press]
[[meters]]
id = "m"
from = "grid"
to = "press"
unit = "kWh"
class = "1"
[[meters]]
id = "g"
from = "gas"
to = "press"
unit = "Nm3"
class = "1.5"
"""
# Gas counts by what it holds, so that energy can be added up.
BY_ENERGY = (
    MODEL.replace("[sources.grid]", 'kwh_per_unit = "10"\n[sources.grid]')
    + '[policy]\nspread = "direct_energy"\nwindow = "day"\n'
)
# kg for a kWh, and for a Nm3 burnt and supplied, as shipped.
GRID, BURNT, SUPPLIED = Fraction("0.5777"), Fraction("2.16"), Fraction("0.608")
PATIENCE = engine_rules().patience
DAILY = Rules(every="day", drift_batches=2)


class Days(Plant):
    """Batches one after the other, each with what its meters counted."""

    def __init__(self, folder: Path, model: str = MODEL) -> None:
        super().__init__(folder)
        self._wh, self._litres, self._told = 1000, 5000, 0
        self.model(model)
        self.factors()
        self.meters(0)

    def meters(self, hour: float, wh: int = 0, litres: int = 0) -> None:
        """Both are read; they counted so much since the last time."""
        self._wh, self._litres = self._wh + wh, self._litres + litres
        t_ms = T0 + round(hour * HOUR_S * 1000)
        electricity = {"active_energy_import": (self._wh, -3)}
        gas = {"gas_normal_volume": (self._litres, -3)}
        self.segment([Sample("m", t_ms, electricity), Sample("g", t_ms, gas)])

    def batch(
        self, name: str, begin: float, wh: int, litres: int, good: str, product: str = "wheel"
    ) -> None:
        """Half an hour from `begin`, and nothing for the next."""
        end = begin + 0.5
        self.meters(begin)
        self.told("start", begin, node="press", batch=name, product=product)
        self.meters(end, wh, litres)
        self.told("stop", end, node="press", batch=name)
        if good:
            self.told("quantity", end, batch=name, good=good, scrap="1", unit="piece")

    def told(self, type_: str, hour: float, **said: str) -> None:
        self._told += 1
        self.event(f"e{self._told}", hour * HOUR_S, type_, **said)

    def first_day(self) -> None:
        """Two batches and one without good output, and the meters read after the day's end."""
        self.batch("A", 1, 57_300, 12_345, "10")
        self.batch("B", 2, 81_001, 20_001, "13")
        self.batch("C", 3, 9_999, 777, "")
        self.meters(8.5)


class Office:
    """Who publishes: a ledger that has taken the whole journal, and a shelf."""

    def __init__(
        self,
        plant: Days,
        declaration: Declaration | None = None,
        rules: Rules = DAILY,
        patience: Patience = PATIENCE,
    ) -> None:
        self.plant, self.ledger = plant, plant.folder / "calc"
        self.terms = Terms(SITE, load_method("gbt24067"), 0, patience, rules, declaration)

    def look(self) -> list[Footprint]:
        """What is published after the journal was followed to its end."""
        self.follow()
        with closing(self.store()) as store, closing(self.shelf()) as shelf:
            return self.publisher(store, shelf).look()

    def follow(self) -> None:
        running = run_to_end(self.plant, self.ledger)
        running.close()

    def store(self) -> Store:
        return open_store(self.ledger)

    def shelf(self) -> Shelf:
        return open_shelf(self.ledger)

    def publisher(self, store: Store, shelf: Shelf) -> Publisher:
        return Publisher(store, shelf, self.plant.writer, self.terms, lambda: NOW)

    def all(self) -> list[Footprint]:
        with closing(self.shelf()) as shelf:
            return shelf.all(SITE)

    def superseded(self) -> set[str]:
        return set(successors(self.all()))

    def declaring(self, declaration: Declaration) -> "Office":
        return Office(self.plant, declaration, self.terms.rules)

    def with_rules(self, **changes: object) -> "Office":
        rules = replace(self.terms.rules, **changes)  # type: ignore[arg-type]
        return Office(self.plant, self.terms.declaration, rules)
