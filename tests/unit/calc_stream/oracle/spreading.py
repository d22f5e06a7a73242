"""Pools and campaigns to batches, and batches to batches (rules 7 and 8)."""

from collections import defaultdict
from collections.abc import Iterable
from fractions import Fraction
from math import floor
from typing import Any

from .calendar import window_of
from .people import Nodes
from .versions import Version, at

Key = tuple[str, str, str]
Sums = dict[tuple[Key, int, str], int]
Transfers = dict[tuple[str, str, int, str], int]
Cell = tuple[int, str]


def transfers(
    versions: list[Version], nodes: Nodes, sums: Sums, span: tuple[int, int]
) -> Transfers:
    """(account, batch, period, source) -> quanta."""
    found: Transfers = {}
    pools: dict[tuple[str, int, str], int] = defaultdict(int)
    for ((account, _, _), period, source), quanta in sums.items():
        pools[account, period, source] += quanta
    for (account, period, source), quanta in pools.items():
        kind, _, name = account.partition(":")
        version = at(versions, period)
        if kind == "pool" and version.spreads:
            drivers = _drivers(versions, nodes, sums, span, name, window_of(version, period))
        elif kind == "campaign":
            drivers = _outputs(nodes, account)
        else:
            continue
        whole, running, before = sum(drivers.values()), Fraction(0), 0
        for batch in sorted(b for b, driver in drivers.items() if driver > 0):
            running += drivers[batch]
            after = floor(quanta * running / whole)
            found[account, batch, period, source] = after - before
            before = after
    return {key: quanta for key, quanta in found.items() if quanta}


def _drivers(
    versions: list[Version],
    nodes: Nodes,
    sums: Sums,
    span: tuple[int, int],
    pool: str,
    window: tuple[int, int],
) -> dict[str, Fraction]:
    version = at(versions, window[0])
    served = _served(version, pool)
    measure = version.policy["spread"]
    found: dict[str, Fraction] = defaultdict(Fraction)
    if measure == "direct_energy":
        for ((account, node, _), period, source), quanta in sums.items():
            inside = node in served and window[0] <= period < window[1]
            if account.startswith("batch:") and inside:
                found[account.removeprefix("batch:")] += quanta * _kwh(versions, source)
    else:
        first, last = max(window[0], span[0]), min(window[1], span[1])
        found = _hours(nodes, served, first, last)
        if measure in ("mass", "pieces"):
            all_of_it = _hours(nodes, served, *span)
            for batch in found:
                found[batch] *= nodes.counted.measured(batch, measure) / all_of_it[batch]
    return {batch: driver for batch, driver in found.items() if driver > 0}


def _kwh(versions: list[Version], source: str) -> Fraction:
    """Of one quantum."""
    version = next(version for version in versions if source in version.sources)
    return version.kwh_per_quantum(version.carriers[version.sources[source]["carrier"]])


def _served(version: Version, pool: str) -> list[str]:
    node = version.nodes[pool]
    if node.get("kind") != "overhead":
        return [pool]
    serves = node.get("serves", "site")
    machines = {name: n for name, n in version.nodes.items() if n.get("kind") != "overhead"}
    if serves == "site":
        return list(machines)
    return [n for n, table in machines.items() if serves != "none" and table.get("line") in serves]


def _hours(nodes: Nodes, served: Iterable[str], first: int, last: int) -> dict[str, Fraction]:
    found: dict[str, Fraction] = defaultdict(Fraction)
    for node in served:
        for batch, hours in nodes.hours(node, first, last).items():
            found[batch] += hours
    return found


def _outputs(nodes: Nodes, account: str) -> dict[str, Fraction]:
    _, node, leader = account.split(":", 2)
    members = next(c for c in nodes.campaigns[node] if c[0] == leader)
    counted = nodes.counted
    outputs = {batch: counted.whole[batch] for batch in members}
    one_unit = len({counted.unit.get(batch) for batch in members}) == 1
    return outputs if one_unit and all(outputs.values()) else dict.fromkeys(members, Fraction(1))


def burdens(
    standing: list[dict[str, Any]], sums: Sums, transfers: Transfers
) -> dict[str, dict[Cell, Fraction]]:
    """All that each batch bears, its inputs' included, by period and source.

    By adding round after round what the rounds before gave on, until that is nothing; for batches
    that feed each other in circles use none of this.
    """
    own: dict[str, dict[Cell, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    for ((account, _, _), period, source), quanta in sums.items():
        if account.startswith("batch:"):
            own[account.removeprefix("batch:")][period, source] += quanta
    for (_, batch, period, source), quanta in transfers.items():
        own[batch][period, source] += quanta
    good: dict[str, Fraction] = defaultdict(Fraction)
    drawn: dict[str, list[tuple[str, Fraction]]] = defaultdict(list)
    for event in standing:
        if event["type"] == "quantity":
            good[event["batch"]] += Fraction(event.get("good", "0"))
    for event in standing:
        if event["type"] == "input" and "of" in event and event.get("from", "good") == "good":
            drawn[event["of"]].append((event["batch"], Fraction(event["quantity"])))
    found: dict[str, dict[Cell, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    moving = own
    while any(quanta for cells in moving.values() for quanta in cells.values()):
        ahead: dict[str, dict[Cell, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
        for batch, cells in moving.items():
            for cell, quanta in cells.items():
                found[batch][cell] += quanta
                for to, quantity in drawn[batch]:
                    ahead[to][cell] += quanta * quantity / good[batch]
        moving = ahead
    kept = {name: {c: q for c, q in cells.items() if q} for name, cells in found.items()}
    return {name: cells for name, cells in kept.items() if cells}
