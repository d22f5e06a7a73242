"""A plant whose pools are spread by energy, and what its batches bear when its meters are off."""

import random
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

import numpy as np

from calc_stream.core import (
    Marks,
    Periods,
    Readings,
    Versions,
    burdens,
    parse_events,
    parse_model,
    recompute,
)
from calc_stream.core.batches import batches_of
from calc_stream.core.edges import span_of
from calc_stream.core.events import Event, in_force
from calc_stream.core.pools import spreading_of
from calc_stream.evidence.budget import Budget, accounts_of, budget_of, grounds_over
from calc_stream.evidence.pooled import pooled
from calc_stream.factors import Rates, load, load_method
from calc_stream.ledger.figures import in_kwh

T0 = 1_795_219_200_000  # 2026-11-21T00:00:00Z
HOUR_MS = 3_600_000
FACTORS, METHOD = load(), load_method("gbt24067")
PLANT = """{valid}
format = 1
site = "p"
timezone = "UTC"
slot_s = 3600
[policy]
spread = "{spread}"
setup_max_s = 3600
{policy}
[carriers]
electricity = { unit = "kWh", quanta_per_unit = 1_000_000_000 }
air = { unit = "m3", quanta_per_unit = 1_000_000_000 }
gas = { unit = "Nm3", quanta_per_unit = 1_000_000_000, kwh_per_unit = "10" }
[sources]
grid = { carrier = "electricity", factor = "cn-grid-footprint" }
pv = { carrier = "electricity", factor = "cn-grid-footprint" }
gas = { carrier = "gas", factor = "cn-natural-gas" }
[buses]
main = { carrier = "electricity", residual = "spread" }
air = { carrier = "air", residual = "spread" }
[utilities.compressor]
{stores}
[nodes]
n1 = { line = "L1" }
n2 = { line = "L2" }
n3 = { line = "L2" }
office = { kind = "overhead" }
hall = { kind = "overhead", serves = ["L2"] }
[[links]]
from = "compressor"
to = "air"
share = "1"
"""
# (id, from, to, unit, what it counts in an hour, class)
METERS = [
    ("m-grid", "grid", "main", "kWh", 100, 0.5),
    ("m-pv", "pv", "main", "kWh", 40, 0.5),
    ("m-n1", "main", "n1", "kWh", 60, 2),
    ("m-n2", "main", "n2", "kWh", 30, 2),
    ("m-n3", "main", "n3", "kWh", 12, 2),
    ("m-office", "main", "office", "kWh", 20, 0.5),
    ("m-comp", "main", "compressor", "kWh", 25, 0.5),
    ("m-air-n1", "air", "n1", "m3", 150, 0.5),
    ("m-air-hall", "air", "hall", "m3", 60, 0.5),
    ("m-gas", "gas", "n2", "Nm3", 3, 2),
    ("m-gas-office", "gas", "office", "Nm3", 2, 0.5),
]
BATTERY = [("m-in", "main", "battery", "kWh", 9, 0.5), ("m-out", "battery", "n3", "kWh", 7, 0.5)]
STORE = '[stores.battery]\ncarrier = "electricity"\nlevel = "8"\ncontent = { pv = "8" }\n'
# Set-up ahead of A; A and B on one machine for two hours; D took half of A; n1 is idle now and then.
EVENTS = """
{"t":"2026-11-21T05:00:00Z","type":"state","node":"n1","state":"setup"}
{"t":"2026-11-21T06:00:00Z","type":"start","node":"n1","batch":"A"}
{"t":"2026-11-21T07:30:00Z","type":"start","node":"n2","batch":"B"}
{"t":"2026-11-21T09:00:00Z","type":"start","node":"n1","batch":"B"}
{"t":"2026-11-21T11:00:00Z","type":"stop","node":"n1","batch":"A"}
{"t":"2026-11-21T11:00:00Z","type":"quantity","batch":"A","good":"10","unit":"piece"}
{"t":"2026-11-21T12:00:00Z","type":"stop","node":"n1","batch":"B"}
{"t":"2026-11-21T13:00:00Z","type":"start","node":"n3","batch":"D"}
{"t":"2026-11-21T13:00:00Z","type":"input","batch":"D","of":"A","quantity":"5","unit":"piece"}
{"t":"2026-11-21T14:30:00Z","type":"stop","node":"n2","batch":"B"}
{"t":"2026-11-21T16:00:00Z","type":"start","node":"n1","batch":"C"}
{"t":"2026-11-21T19:00:00Z","type":"stop","node":"n1","batch":"C"}
{"t":"2026-11-21T20:00:00Z","type":"stop","node":"n3","batch":"D"}
"""
DAY, SHIFTS = 'window = "day"', 'window = "shift"\nshifts = ["00:00", "08:00", "16:00"]'


class Pools:
    """The plant, and the core's view of it."""

    def __init__(
        self, policy: str = DAY, store: bool = False, steady: bool = False, later: str = ""
    ) -> None:
        """`steady`: no meter counts faster or slower; `later`: how pools are spread from 10:00 on."""
        meters = [*METERS, *BATTERY] if store else METERS
        text = PLANT.replace("{policy}", policy).replace("{stores}", STORE * store)
        for name, start, end, unit, _, limit in meters:
            text += f'[[meters]]\nid = "{name}"\nfrom = "{start}"\nto = "{end}"\n'
            text += f'unit = "{unit}"\nclass = "{limit}"\n'
        versions = [("", "direct_energy"), ("valid_from = 2026-11-21T10:00:00Z", later)]
        self.models = [
            parse_model(text.replace("{valid}", valid).replace("{spread}", spread), "m")
            for valid, spread in versions
            if spread
        ]
        numbered = [f'{{"id":"e{at}",{line[1:]}' for at, line in enumerate(EVENTS.split())]
        self.events: list[Event] = list(parse_events("\n".join(numbered), "e"))
        self.readings, rng = Readings(), random.Random(1)
        times = T0 + np.arange(13, dtype=np.int64) * 2 * HOUR_MS
        for name, _, _, _, rate, _ in meters:
            each = [1.0 if steady else rng.uniform(0.7, 1.3) for _ in range(12)]
            steps = [round(2 * rate * 1000 * faster) for faster in each]
            self.readings.add(name, times, np.cumsum([0, *steps]), -3)
        self.standing, _ = in_force(self.events)
        self.batches, _ = batches_of(self.standing)

    def truth(self, scales: Mapping[str, Fraction] | None = None) -> dict[str, tuple[float, float]]:
        """(kWh, kg) by batch as recomputed and spread, each meter's register times its scale."""
        scales = scales or {}
        meters = [
            tuple(replace(m, scale=m.scale * scales.get(m.id, 1)) for m in model.meters)
            for model in self.models
        ]
        versions = Versions.of(
            replace(model, meters=own) for model, own in zip(self.models, meters, strict=True)
        )
        rates = Rates(versions, FACTORS, METHOD)
        ledger = recompute(versions, self.events, self.readings)
        transfers = spreading_of(ledger, self.events).transfers()
        borne, _ = burdens(self.batches, ledger.sums(), transfers)
        found = {}
        for name, burden in borne.items():
            quanta: dict[str, dict[int, Fraction]] = {}
            for (period, source), amount in burden.total().items():
                quanta.setdefault(source, {})[period] = amount
            kwh = sum(in_kwh(versions, s, q) for s, own in quanta.items() for q in own.values())
            found[name] = float(kwh), float(rates.mass(quanta).total or 0)
        return found

    def budget(self, *names: str) -> Budget:
        """Of the batches together."""
        versions = Versions.of(self.models)
        ledger = recompute(versions, self.events, self.readings)
        nodes = spreading_of(ledger, self.events).nodes
        periods, span = Periods(versions, Marks()), span_of(versions, self.readings)
        assert span is not None
        sums, counts = ledger.sums(), accounts_of(self.batches, *names)
        its = pooled(
            *(periods, nodes, self.batches, span, span, counts),
            lambda name: {account: own for account, own in sums.items() if account.name == name},
        )
        parts = grounds_over(periods, self.standing, nodes, self.batches, self.readings, span)
        rates = Rates(versions, FACTORS, METHOD)
        return budget_of(parts, counts, rates, rates.mass({}), its)
