"""Random plants that use everything at once: the world first, its records after.

Meters know nothing of each other: registers rise as they like, so buses are overdrawn, stores run
empty and loops have no end, as often as not. Times tie on purpose.
"""

import json
import random
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from calc_stream.core import Marks, SiteModel, Versions, parse_model
from wire.errors import ConfigError

Json = dict[str, Any]
MINUTE, HOUR = 60_000, 3_600_000
STATES = ("producing", "setup", "setup", "cleaning", "idle_in_order", "fault", "idle", "off")
# Days that begin, months that begin, and a night in which clocks in Berlin are set forward.
ZONES = [
    ("UTC", "2026-03-31T18:00:00+00:00"),
    ("Asia/Shanghai", "2026-03-31T10:00:00+00:00"),
    ("Asia/Kolkata", "2026-04-01T12:00:00+00:00"),
    ("Europe/Berlin", "2026-03-28T19:00:00+00:00"),
]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

CARRIERS = {
    "electricity": {"unit": "kWh", "quanta_per_unit": 1000},
    "heat": {"unit": "MJ", "quanta_per_unit": 100},
    "air": {"unit": "m3", "quanta_per_unit": 10},
    "gas": {"unit": "Nm3", "quanta_per_unit": 100, "kwh_per_unit": "10.3"},
}
SOURCES = {"grid": "electricity", "pv": "electricity", "gas-in": "gas"}
NODES = {
    "n1": {"line": "L1"},
    "n2": {"line": "L1"},
    "n3": {"line": "L2"},
    "office": {"kind": "overhead"},
    "hall": {"kind": "overhead", "serves": ["L1"]},
}
# id, from, to, unit; any of them may be missing.
METERS = [
    ("m-grid", "grid", "main", "kWh"),
    ("m-pv", "pv", "main", "Wh"),
    ("m-pv-2", "pv", "sub", "kWh"),
    ("m-sub", "main", "sub", "kWh"),
    ("m-back", "sub", "main", "kWh"),
    ("m-n1", "main", "n1", "kWh"),
    ("m-n2", "sub", "n2", "MJ"),
    ("m-n3", "main", "n3", "kWh"),
    ("m-office", "main", "office", "kWh"),
    ("m-hall", "sub", "hall", "kWh"),
    ("m-out", "main", "out", "kWh"),
    ("m-charge", "main", "battery", "kWh"),
    ("m-discharge", "battery", "main", "kWh"),
    ("m-discharge-2", "battery", "sub", "Wh"),
    ("m-gas-n3", "gas-in", "n3", "Nm3"),
    ("m-gas", "gas-in", "chp", "Nm3"),
    ("m-comp", "sub", "compressor", "kWh"),
    ("m-fill", "air", "tank", "m3"),
    ("m-empty", "tank", "air", "L"),
    ("m-air-n1", "air", "n1", "m3"),
    ("m-air-n2", "air", "n2", "L"),
    ("m-heat-n3", "heat", "n3", "kWh"),
    ("m-heat-n1", "heat", "n1", "GJ"),
    ("m-trafo", "main", "trafo", "kWh"),
]


@dataclass(frozen=True)
class RichWorld:
    """Models as TOML texts and parsed, events and readings as lines of their files."""

    texts: tuple[str, ...]
    models: tuple[Json, ...]
    events: tuple[Json, ...]
    readings: tuple[Json, ...]
    marks: Marks

    def versions(self) -> Versions:
        return Versions.of(parsed(text) for text in self.texts)


def rich_world(seed: str) -> RichWorld:
    """A world from a seed."""
    rng = random.Random(seed)
    zone, begin = rng.choice(ZONES)
    clock = Clock(rng, round(datetime.fromisoformat(begin).timestamp()) * 1000)
    first = some_model(rng, zone)
    models = [first]
    if rng.random() < 0.2:
        first["valid_from"] = clock.moment(clock.some())
    for _ in range(rng.choice([0, 0, 1, 2])):
        later = changed(rng, models[-1])
        later["valid_from"] = clock.moment(clock.some())
        if later["valid_from"] not in [model.get("valid_from") for model in models]:
            models.append(later)
    texts = [toml(model) for model in models]
    readings = [row for name, *_ in METERS for row in some_readings(rng, clock, name)]
    readings += [row for name in ("c-el", "c-heat") for row in some_readings(rng, clock, name)]
    used = {meter["id"] for model in models for meter in model["meters"]}
    readings = [row for row in readings if row["meter"] in used]
    return RichWorld(
        tuple(texts),
        tuple(models),
        tuple(some_events(rng, clock)),
        tuple(readings),
        some_marks(rng, clock),
    )


class Clock:
    """Instants of half a day that tie with slots, hours and each other."""

    def __init__(self, rng: random.Random, begin_ms: int) -> None:
        self.rng, self.begin_ms = rng, begin_ms
        self.tied = [begin_ms + rng.randrange(13) * HOUR for _ in range(4)]

    def some(self) -> int:
        rng = self.rng
        return rng.choice(
            [
                rng.choice(self.tied),
                self.begin_ms + rng.randrange(13) * HOUR,
                self.begin_ms + rng.randrange(13 * 60) * MINUTE,
                self.begin_ms + rng.randrange(13 * HOUR),
            ]
        )

    def moment(self, t_ms: int) -> datetime:
        return _EPOCH + timedelta(milliseconds=t_ms)

    def text(self, t_ms: int) -> str:
        return self.moment(t_ms).isoformat(timespec="milliseconds")


def some_model(rng: random.Random, zone: str) -> Json:
    """A plant with some of its meters; always one that the calculator takes."""
    while True:
        meters = rng.sample(METERS, rng.choice([2, 10, 16, 20, len(METERS)]))
        model: Json = {
            "format": 1,
            "site": "plant",
            "timezone": zone,
            "slot_s": rng.choice([1800, 3600, 7200]),
            "policy": some_policy(rng),
            "carriers": deepcopy(CARRIERS),
            "sources": {name: {"carrier": carrier} for name, carrier in SOURCES.items()},
            "buses": {
                "main": {"carrier": "electricity", "residual": rng.choice(["account", "spread"])},
                "sub": {"carrier": "electricity"},
                "heat": {"carrier": "heat"},
                "air": {"carrier": "air", "residual": rng.choice(["account", "spread"])},
            },
            "utilities": {"chp": {}, "compressor": {}, "trafo": {}},
            "stores": {},
            "nodes": deepcopy(NODES),
            "exports": {"out": {}},
            "meters": [some_meter(rng, *meter) for meter in meters],
            "links": [],
        }
        some_stores(rng, model)
        some_utilities(rng, model)
        model["nodes"]["office"]["serves"] = rng.choice(["site", "none", ["L2"], ["L1", "L2"]])
        if is_good(model):
            return model


def some_meter(rng: random.Random, name: str, start: str, end: str, unit: str) -> Json:
    multiplier = rng.choice(["1", "1", "40", "0.5", "1.0007"])
    return {"id": name, "from": start, "to": end, "unit": unit, "multiplier": multiplier}


def some_stores(rng: random.Random, model: Json) -> None:
    for name, carrier in (("battery", "electricity"), ("tank", "air")):
        store = {"carrier": carrier, "efficiency": rng.choice(["1", "0.9", "0.85", "0.333"])}
        if rng.random() < 0.5:
            store["level"] = rng.choice(["0", "3", "250.5"])
            store["content"] = rng.choice([{"grid": "2.75", "pv": "0.003"}, {"gas-in": "9.99"}, {}])
        model["stores"][name] = store


def some_utilities(rng: random.Random, model: Json) -> None:
    """Outputs by every rule there is, and links whose flow is known or is not."""
    electric = {"id": "c-el", "from": "chp", "to": rng.choice(["main", "sub"]), "unit": "kWh"}
    hot = {"id": "c-heat", "from": "chp", "to": "heat", "unit": "GJ"}
    kind = rng.choice(["reference", "share", "metered", "link", "nothing"])
    if kind == "reference":
        model["meters"] += [
            {**electric, "reference_efficiency": rng.choice(["0.442", "0.5"])},
            {**hot, "reference_efficiency": rng.choice(["0.88", "0.9"])},
        ]
    elif kind == "share":
        model["meters"].append({**electric, "share": "2"})
        model["links"].append({"from": "chp", "to": "heat", "share": rng.choice(["3", "0"])})
    elif kind == "metered":
        model["meters"].append(hot)
    elif kind == "link":
        model["links"].append({"from": "chp", "to": "heat"})
    model["links"].append({"from": "compressor", "to": "air"})
    if rng.random() < 0.3:
        model["links"][-1]["share"] = "5"
        model["links"].append({"from": "compressor", "to": "hall", "share": "1"})
    if rng.random() < 0.7:
        model["utilities"]["trafo"] = rng.choice([{"loss": "0.0125"}, {"loss": "0"}, {}])
        model["links"].append({"from": "trafo", "to": "sub"})
        if rng.random() < 0.3:
            model["links"][-1] |= {"share": "2"}
            model["links"].append({"from": "trafo", "to": "n1", "share": "1", "loss": "0.5"})
    if rng.random() < 0.4:
        model["buses"]["sub"]["residual"] = "links"
        link = {"from": "sub", "to": rng.choice(["n2", "office", "main"]), "share": "1"}
        model["links"] += [link | rng.choice([{}, {"loss": "0.03"}])]
        if rng.random() < 0.5:
            model["links"].append({"from": "sub", "to": "n3", "share": "0.7"})


def some_policy(rng: random.Random) -> Json:
    policy: Json = {
        "setup": rng.choice(["next", "next", "pool", "campaign", "campaign"]),
        "setup_max_s": rng.choice([0, 1800, 7200, 28800, 28800]),
        "weights": rng.choice(["custom", "rate", "equal", "mass", "pieces"]),
        "spread": rng.choice(["none", "machine_hours", "mass", "pieces", "direct_energy"]),
    }
    if policy["setup"] == "campaign" and rng.random() < 0.5:
        policy["campaign_max_s"] = rng.choice([0, 3600, 14400])
    if policy["spread"] != "none":
        policy["window"] = rng.choice(["shift", "shift", "day", "month"])
        if policy["window"] == "shift":
            shifts = [["06:00", "14:00", "22:00"], ["00:00", "02:30", "03:00"], ["18:00"]]
            policy["shifts"] = rng.choice(shifts)
        if policy["spread"] == "direct_energy":
            policy["spread"] = rng.choice(["direct_energy", "machine_hours"])
    return policy


def changed(rng: random.Random, model: Json) -> Json:
    """Another version: rewired, with other CTs, or under another policy."""
    while True:
        later = deepcopy(model)
        later.pop("valid_from", None)
        for _ in range(rng.choice([1, 2, 4])):
            kind = rng.choice(["wire", "ratio", "policy", "slot", "store", "residual"])
            if kind == "wire" and later["meters"]:
                later["meters"].pop(rng.randrange(len(later["meters"])))
            elif kind == "ratio" and later["meters"]:
                rng.choice(later["meters"])["multiplier"] = "2.5"
            elif kind == "policy":
                later["policy"] = some_policy(rng)
            elif kind == "slot":
                later["slot_s"] = rng.choice([1800, 5400])
            elif kind == "store" and later["stores"]:
                gone = rng.choice(sorted(later["stores"]))
                touching = [m for m in later["meters"] if gone in (m["from"], m["to"])]
                if rng.random() < 0.5:
                    later["stores"][gone]["efficiency"] = "0.7"
                    continue
                later["stores"].pop(gone)
                later["meters"] = [m for m in later["meters"] if m not in touching]
            else:
                later["buses"]["main"]["residual"] = rng.choice(["account", "spread"])
        if is_good(later):
            return later


def is_good(model: Json) -> bool:
    try:
        parsed(toml(model))
    except ConfigError:
        return False
    return True


def parsed(text: str) -> SiteModel:
    return parse_model(text, "model")


def some_readings(rng: random.Random, clock: Clock, meter: str) -> list[Json]:
    """Rising registers, some left out, some swapped."""
    rows: list[Json] = []
    register = rng.randrange(10**5)
    count = rng.choice([0, 1, 4, 6, 9, 12, 12])
    times = {clock.some() for _ in range(count)}
    if count > 1:
        times |= {clock.begin_ms + rng.choice([0, 0, HOUR]), clock.begin_ms + 12 * HOUR}
    for t_ms in sorted(times):
        register += rng.choice([0, 1, 40, 7000, 123_457])
        said: Json = {"meter": meter, "t": clock.text(t_ms)}
        if rng.random() < 0.06:
            opening = rng.randrange(50)
            rows.append(
                {**said, "event": "swap", "closing": f"{register}e-2", "opening": f"{opening}e-2"}
            )
            register = opening
            continue
        quality = rng.choice(["good", "good", "good", "backfilled", "suspect"])
        rows.append({**said, "register": f"{register}e-2", "quality": quality})
    return rows


def some_events(rng: random.Random, clock: Clock) -> list[Json]:
    """Events without contradictions; what a void takes back would contradict."""
    events: list[Json] = []

    def tell(kind: str, t_ms: int, **said: str) -> None:
        events.append({"id": f"e{len(events)}", "t": clock.text(t_ms), "type": kind, **said})

    batches = "ABCDEFG"[: rng.randint(1, 7)]
    product = {batch: rng.choice(["p", "p", "p", "q", ""]) for batch in batches}
    for node in ("n1", "n2", "n3"):
        active: set[str] = set()
        for t_ms in sorted({clock.some() for _ in range(rng.choice([0, 4, 8, 12]))}):
            for batch in sorted(active):
                if rng.random() < 0.6:
                    tell("stop", t_ms, node=node, batch=batch)
                    active.discard(batch)
            if rng.random() < 0.5:
                state = rng.choice(STATES) if active else rng.choice(STATES[1:4])
                tell("state", t_ms, node=node, state=state)
            for batch in rng.sample(batches, rng.choice([0, 0, 1, 1, min(2, len(batches))])):
                if batch not in active:
                    more = {"weight": "0.35"} if rng.random() < 0.3 else {}
                    more |= {"product": product[batch]} if product[batch] else {}
                    tell("start", t_ms, node=node, batch=batch, **more)
                    if rng.random() < 0.1:
                        tell("stop", t_ms, node=node, batch=batch)
                    else:
                        active.add(batch)
    counted = some_quantities(rng, clock, batches, tell)
    for at, batch in enumerate(batches):
        for of in batches[:at]:
            if of in counted and rng.random() < 0.3:
                tell("input", clock.some(), batch=batch, of=of, quantity="2", unit=counted[of])
    for _ in range(rng.choice([0, 1, 3])):
        tell("start", clock.some(), node="n1", batch="Z")
        tell("void", clock.some(), of=events[-1]["id"])
    return events


def some_quantities(rng: random.Random, clock: Clock, batches: str, tell: Any) -> dict[str, str]:
    """The unit of each batch that is counted; good for what others may take."""
    counted = {}
    for batch in batches:
        unit = rng.choice(["piece", "piece", "kg", "t", "m3", ""])
        if unit:
            counted[batch] = unit
            for _ in range(rng.choice([1, 1, 2])):
                said = {"batch": batch, "good": rng.choice(["14", "20.5"]), "unit": unit}
                said |= {"scrap": "1.5"} if rng.random() < 0.3 else {}
                tell("quantity", clock.some(), **said)
    return counted


def some_marks(rng: random.Random, clock: Clock) -> Marks:
    at = {
        source: tuple(sorted({clock.some() for _ in range(rng.choice([1, 2]))}))
        for source in SOURCES
        if rng.random() < 0.3
    }
    return Marks(at, frozenset({"grid"} if rng.random() < 0.2 else ()))


def toml(model: Json) -> str:
    """The model as the calculator reads it."""
    lines = []
    for key, value in model.items():
        if not isinstance(value, dict | list):
            lines.append(f"{key} = {_value(value)}")
    for key, value in model.items():
        if key == "policy":
            lines += ["[policy]", *(f"{k} = {_value(v)}" for k, v in value.items())]
        elif isinstance(value, dict):
            for name, table in value.items():
                lines += [f"[{key}.{name}]", *(f"{k} = {_value(v)}" for k, v in table.items())]
        elif isinstance(value, list):
            for table in value:
                lines += [f"[[{key}]]", *(f"{k} = {_value(v)}" for k, v in table.items())]
    return "\n".join(lines) + "\n"


def _value(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, dict):
        return "{ " + ", ".join(f'"{k}" = {_value(v)}' for k, v in value.items()) + " }"
    return json.dumps(value)
