"""Events to who takes what arrives at a node (rule 5)."""

from collections import defaultdict
from fractions import Fraction
from typing import Any

from .registers import instant
from .versions import EVER, UNITS, Version, at, convert

Event = dict[str, Any]
_RANK = {"stop": 0, "state": 1, "start": 2}
_BEARING = ("producing", "idle_in_order", "fault", "setup", "cleaning")


def in_order(events: list[Event]) -> list[Event]:
    """Once each, without what was voided, in the order in which they act."""
    by_id = {event["id"]: event for event in events}
    voided = {event["of"] for event in by_id.values() if event["type"] == "void"}
    left = [e for e in by_id.values() if e["type"] != "void" and e["id"] not in voided]
    return sorted(left, key=lambda e: (instant(e["t"]), _RANK.get(e["type"], 3), e["id"]))


class Counted:
    """What batches put out."""

    def __init__(self, standing: list[Event]) -> None:
        self.product: dict[str, str] = {}
        self.unit: dict[str, str] = {}
        self.good: dict[str, Fraction] = defaultdict(Fraction)
        self.whole: dict[str, Fraction] = defaultdict(Fraction)
        for event in standing:
            if event["type"] == "start" and "product" in event:
                self.product.setdefault(event["batch"], event["product"])
            if event["type"] == "quantity":
                batch = event["batch"]
                if self.unit.setdefault(batch, event["unit"]) == event["unit"]:
                    self.good[batch] += Fraction(event.get("good", "0"))
                    self.whole[batch] += Fraction(event.get("good", "0"))
                    self.whole[batch] += Fraction(event.get("scrap", "0"))

    def measured(self, batch: str, measure: str) -> Fraction:
        """In kg or pieces; 0 when not counted so."""
        unit = self.unit.get(batch)
        if unit is None or (measure == "pieces") == (unit in UNITS):
            return Fraction(0)
        if measure == "pieces":
            return self.whole[batch]
        return self.whole[batch] * convert(unit, "kg") if unit in ("g", "kg", "t") else Fraction(0)


class Nodes:
    """What every node was doing, change by change."""

    def __init__(self, versions: list[Version], standing: list[Event]) -> None:
        self.versions, self.counted = versions, Counted(standing)
        self.cuts = {instant(e["t"]) for e in standing if e["type"] in _RANK}
        self.changes: dict[str, list[tuple[int, str, dict[str, Fraction]]]] = defaultdict(
            lambda: [(-EVER, "idle", {})]
        )
        self.starts: dict[str, list[tuple[int, str, Fraction]]] = defaultdict(list)
        self.early: dict[tuple[str, str, int], list[Event]] = defaultdict(list)
        for event in standing:
            if event["type"] in _RANK:
                self._apply(event)
        self.campaigns = {node: self._campaigns(node) for node in self.starts}

    def takers(
        self, version: Version, node: str, begin: int, end: int
    ) -> tuple[str, dict[str, Fraction]]:
        """(state, weights by account)."""
        _, state, active = [c for c in self.changes[node] if c[0] <= begin][-1]
        setup = version.policy.get("setup", "next")
        if active and state in _BEARING:
            weighed = self.weighed(version, active)
            return state, {f"batch:{batch}": weight for batch, weight in weighed.items()}
        ahead = [start for start in self.starts[node] if start[0] >= end]
        if not active and state in ("setup", "cleaning") and ahead and setup != "pool":
            first = min(t for t, _, _ in ahead)
            if first - end <= version.policy.get("setup_max_s", 28800) * 1000:
                coming = {batch: weight for t, batch, weight in ahead if t == first}
                weighed = self.weighed(version, coming)
                if setup == "next":
                    return state, {f"batch:{batch}": w for batch, w in weighed.items()}
                to: dict[str, Fraction] = defaultdict(Fraction)
                for batch, weight in weighed.items():
                    leader = next(c[0] for c in self.campaigns[node] if batch in c)
                    to[f"campaign:{node}:{leader}"] += weight
                return state, to
        return state, {f"pool:{node}": Fraction(1)}

    def weighed(self, version: Version, told: dict[str, Fraction]) -> dict[str, Fraction]:
        """Batches that share a node, by the policy in force."""
        policy = version.policy.get("weights", "custom")
        if policy in ("mass", "pieces"):
            counted = {batch: self.counted.measured(batch, policy) for batch in told}
            return counted if all(counted.values()) else dict.fromkeys(told, Fraction(1))
        return dict.fromkeys(told, Fraction(1)) if policy == "equal" else told

    def hours(self, node: str, first: int, last: int) -> dict[str, Fraction]:
        """Time each batch was active there and bore what arrived."""
        found: dict[str, Fraction] = defaultdict(Fraction)
        own = self.changes[node]
        for (t, state, active), after in zip(own, [*(c[0] for c in own[1:]), EVER], strict=True):
            if not active or state not in _BEARING:
                continue
            for version in self.versions:
                begin = max(t, first, version.since)
                lasts = min(after, last, version.until) - begin
                if lasts > 0:
                    weighed = self.weighed(version, active)
                    for batch, weight in weighed.items():
                        found[batch] += lasts * weight / sum(weighed.values())
        return found

    def _apply(self, event: Event) -> None:
        node, t_ms = event["node"], instant(event["t"])
        early = self.early[node, event.get("batch", ""), t_ms]
        _, state, active = self.changes[node][-1]
        active = dict(active)
        if event["type"] == "state":
            state = event["state"]
        elif event["type"] == "start":
            active[event["batch"]] = Fraction(event.get("weight", "1"))
            self.starts[node].append((t_ms, event["batch"], active[event["batch"]]))
            state = "producing"
        elif event["batch"] in active:
            del active[event["batch"]]
            state = state if active else "idle"
        else:
            early.append(event)
            return
        self.changes[node].append((t_ms, state, active))
        if event["type"] == "start" and early:
            self._apply(early.pop())

    def _campaigns(self, node: str) -> list[list[str]]:
        first: dict[str, int] = {}
        for t_ms, batch, _ in self.starts[node]:
            first.setdefault(batch, t_ms)
        found: list[list[str]] = []
        for batch in sorted(first, key=lambda batch: (first[batch], batch)):
            product = self.counted.product.get(batch)
            if found and product is not None:
                leader = found[-1][0]
                longest = at(self.versions, first[leader]).policy.get("campaign_max_s", 604800)
                same = self.counted.product.get(found[-1][-1]) == product
                if same and first[batch] <= first[leader] + longest * 1000:
                    found[-1].append(batch)
                    continue
            found.append([batch])
        return found
