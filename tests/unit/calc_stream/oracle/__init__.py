"""The rules of docs/records.md, computed the slow and obvious way, to the quantum.

Written from that page alone and sharing no code with the calculator: plain loops over what the
files say, one interval after another, exact fractions throughout.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from math import floor
from typing import Any

from .calendar import HOUR_MS, Marks, window_of
from .mixing import Mixing
from .people import Nodes, in_order
from .registers import Registers, read
from .spreading import burdens, transfers
from .stores import Store
from .versions import Version, versions_of

Json = dict[str, Any]
Key = tuple[str, str, str]  # account, node, state


@dataclass
class Result:
    """Quanta by account (with node and state) and source: `sums` by period, `posted` by the start of
    the interval."""

    intervals: int = 0
    posted: dict[tuple[Key, int, str], int] = field(default_factory=lambda: defaultdict(int))
    sums: dict[tuple[Key, int, str], int] = field(default_factory=lambda: defaultdict(int))
    sources: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    opening: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    untraced: set[str] = field(default_factory=set)
    incomplete: set[str] = field(default_factory=set)
    stores: dict[str, Store] = field(default_factory=dict)
    transfers: dict[tuple[str, str, int, str], int] = field(default_factory=dict)
    burdens: dict[str, dict[tuple[int, str], Fraction]] = field(default_factory=dict)

    def accounts(self) -> dict[str, dict[str, int]]:
        """By account and source, after spreading."""
        found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for ((account, _, _), _, source), quanta in self.sums.items():
            found[account][source] += quanta
        for (account, batch, _, source), quanta in self.transfers.items():
            found[account][source] -= quanta
            found[f"batch:{batch}"][source] += quanta
        kept = {name: {s: q for s, q in own.items() if q} for name, own in found.items()}
        return {name: own for name, own in kept.items() if own}


def compute(models: list[Json], events: list[Json], readings: list[Json], marks: Marks) -> Result:
    """What the files say, computed."""
    versions, standing = versions_of(models), in_order(events)
    registers = read(versions, readings)
    nodes = Nodes(versions, standing)
    result = Result()
    span = _span(versions, registers)
    if span is None:
        return result
    for version in versions:
        first, last = max(version.since, span[0]), min(version.until, span[1])
        if first < last:
            told = {m["id"] for m in version.meters if registers.told(m["id"], first, last)}
            result.incomplete |= {m["id"] for m in version.meters} - told
            mixing = Mixing(version)
            for interval in pairwise(_edges(version, nodes, registers, marks, first, last)):
                Interval(result, version, mixing, nodes, registers, marks, interval).post()
    result.transfers = transfers(versions, nodes, result.sums, span)
    result.burdens = burdens(standing, result.sums, result.transfers)
    return result


def _span(versions: list[Version], registers: Registers) -> tuple[int, int] | None:
    """From the earliest to the latest reading of a meter in the version in force then."""
    ends = []
    for version in versions:
        for meter in version.meters:
            times = registers.times(meter["id"])
            if times and version.since <= times[-1] and times[0] <= version.until:
                ends += [max(times[0], version.since), min(times[-1], version.until)]
    return (min(ends), max(ends)) if ends else None


def _edges(
    version: Version, nodes: Nodes, registers: Registers, marks: Marks, first: int, last: int
) -> list[int]:
    """Rule 1."""
    slot = version.slot_ms
    edges = {first, last, *range(-(-first // slot) * slot, last + 1, slot), *nodes.cuts}
    for meter in version.meters:
        times = registers.times(meter["id"])
        edges |= {*times[:1], *times[-1:], *registers.swaps(meter["id"])}
    edges |= {t for instants in marks.at.values() for t in instants}
    if marks.hourly:
        edges |= set(range(first // HOUR_MS * HOUR_MS, last + 1, HOUR_MS))
    t = first
    while version.spreads and t < last:
        begin, t = window_of(version, t)
        edges |= {begin, t}
    return sorted(edge for edge in edges if first <= edge <= last)


@dataclass
class Interval:
    """One interval of one version."""

    result: Result
    version: Version
    mixing: Mixing
    nodes: Nodes
    registers: Registers
    marks: Marks
    ends: tuple[int, int]
    posted: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def post(self) -> None:
        result, version, mixing = self.result, self.version, self.mixing
        result.intervals += 1
        due: dict[str, int] = defaultdict(int)
        for name in version.stores:
            if name not in result.stores:
                result.stores[name] = Store(version, name)
                for source, quanta in result.stores[name].content.items():
                    result.opening[source] += quanta
                    due[source] += quanta
                    self._post((f"store:{name}", "", "opening"), source, quanta)
        flows = {m["id"]: self.registers.quanta(version, m, *self.ends) for m in version.meters}
        given = {n: result.stores[n].give(mixing.out_of(n, flows)) for n in version.stores}
        entering: dict[str, int] = defaultdict(int)
        for name in version.sources:
            quanta = mixing.out_of(name, flows)
            result.sources[name] += quanta
            due[name] += quanta
            entering[name] += quanta
        for own in given.values():
            for source, quanta in own.items():
                entering[source] += quanta
        put = self._share(flows, given, entering)
        for name, own in given.items():
            for source, quanta in own.items():
                self._post((f"store:{name}", "", ""), source, -quanta)
            result.stores[name].take(put[name], mixing.into(name, flows), version.efficiency(name))
        assert {source: due[source] for source in self.posted} == self.posted

    def _share(
        self, flows: dict[str, int], given: dict[str, dict[str, int]], entering: dict[str, int]
    ) -> dict[str, dict[str, int]]:
        """Rule 6; what each store was given."""
        arrived, untraced = self.mixing.trace(flows, given)
        self.result.untraced |= untraced
        exact: dict[Key, dict[str, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
        for (kind, place), content in arrived.items():
            for key, part in self._receivers(kind, place):
                for source, quanta in content.items():
                    exact[key][source] += quanta * part
        put: dict[str, dict[str, int]] = defaultdict(dict)
        for source in sorted(entering):
            running, before = Fraction(0), 0
            for key in sorted(exact):
                running += exact[key][source]
                self._post(key, source, floor(running) - before)
                if key[0].startswith("store:"):
                    put[key[0].removeprefix("store:")][source] = floor(running) - before
                before = floor(running)
            assert running == entering[source], (source, running, entering[source])
        return put

    def _receivers(self, kind: str, place: str) -> list[tuple[Key, Fraction]]:
        if kind != "node":
            return [((f"{kind}:{place}", "", ""), Fraction(1))]
        if self.version.nodes[place].get("kind") == "overhead":
            return [((f"pool:{place}", place, ""), Fraction(1))]
        state, takers = self.nodes.takers(self.version, place, *self.ends)
        whole = sum(takers.values())
        return [((name, place, state), weight / whole) for name, weight in takers.items()]

    def _post(self, key: Key, source: str, quanta: int) -> None:
        """Into the period that holds the interval."""
        begin = self.ends[0]
        edges = [self.version.since, *(t for t in self.marks.at.get(source, ()) if t <= begin)]
        if self.version.spreads:
            edges.append(window_of(self.version, begin)[0])
        if source in self.marks.hourly:
            edges.append(begin // HOUR_MS * HOUR_MS)
        self.posted[source] += quanta
        self.result.sums[key, max(edges), source] += quanta
        self.result.posted[key, begin, source] += quanta
