"""From the meters' flows of one interval to what arrived where (rules 3 and 4)."""

from collections import defaultdict
from fractions import Fraction
from typing import Any

from .versions import Version

Content = dict[str, Fraction]
Edge = dict[str, Any]


class Mixing:
    """One version's places and edges."""

    def __init__(self, version: Version) -> None:
        self.version = version
        self.places = sorted([*version.buses, *version.utilities])
        self.edges: list[Edge] = [*version.meters, *version.links]

    def out_of(self, place: str, flows: dict[str, int]) -> int:
        return sum(flows[m["id"]] for m in self.version.meters if m["from"] == place)

    def into(self, place: str, flows: dict[str, int]) -> int:
        return sum(flows[m["id"]] for m in self.version.meters if m["to"] == place)

    def trace(
        self, flows: dict[str, int], given: dict[str, dict[str, int]]
    ) -> tuple[dict[tuple[str, str], Content], set[str]]:
        """What arrived at each (kind, place), and the meters nothing explains."""
        arrived: dict[tuple[str, str], Content] = defaultdict(lambda: defaultdict(Fraction))
        entered: dict[str, Content] = {place: defaultdict(Fraction) for place in self.places}

        def arrive(place: str, content: Content, part: Fraction) -> None:
            at = entered[place] if place in entered else arrived[self._kind(place), place]
            for source, quanta in content.items():
                at[source] += quanta * part

        for meter in self.version.meters:
            flow = Fraction(flows[meter["id"]])
            if meter["from"] in self.version.sources:
                arrive(meter["to"], {meter["from"]: flow}, Fraction(1))
            if meter["from"] in self.version.stores and flow:
                own = {s: Fraction(q) for s, q in given[meter["from"]].items()}
                arrive(meter["to"], own, flow / self.out_of(meter["from"], flows))
        shares = {place: self._shares(place, flows) for place in self.places}
        untraced = {meter for _, strange in shares.values() for meter in strange}
        for loop in self._in_order(shares):
            solved = self._solve(loop, entered, shares)
            if solved is None:
                untraced |= {
                    m["id"]
                    for m in self.version.meters
                    if m["from"] in loop and m["to"] in loop and flows[m["id"]] > 0
                }
            for place in loop:
                content = entered[place] if solved is None else solved[place]
                left = Fraction(1)
                for edge, part in shares[place][0] if solved is not None else ():
                    left -= part
                    if edge["to"] not in loop:
                        arrive(edge["to"], content, part)
                for source, quanta in content.items():
                    arrived["residual", place][source] += quanta * left
        return arrived, untraced

    def _kind(self, place: str) -> str:
        version = self.version
        return (
            "node" if place in version.nodes else "store" if place in version.stores else "export"
        )

    def _known(self, link: Edge, flows: dict[str, int]) -> Fraction | None:
        """The flow at the far end of a link, when what is lost was told."""
        start = link["from"]
        told = self.version.utilities.get(start, link)
        if "loss" not in told:
            return None
        left = self._inflow(start, flows)
        assert left is not None
        if start in self.version.utilities:
            left *= 1 - Fraction(told["loss"])
        else:
            left -= self.out_of(start, flows)
        shares = [Fraction(o.get("share", "1")) for o in self.version.links if o["from"] == start]
        part = Fraction(link.get("share", "1")) / sum(shares)
        return left * part * (1 - Fraction(link.get("loss", "0")))

    def _inflow(self, place: str, flows: dict[str, int]) -> Fraction | None:
        """All that flows in; None when a link of unknown flow does."""
        links = [self._known(e, flows) for e in self.version.links if e["to"] == place]
        if any(flow is None for flow in links):
            return None
        return Fraction(self.into(place, flows)) + sum(f for f in links if f is not None)

    def _shares(
        self, place: str, flows: dict[str, int]
    ) -> tuple[list[tuple[Edge, Fraction]], list[str]]:
        """What part of the place's content each edge takes; the meters nothing explains."""
        edges = [edge for edge in self.edges if edge["from"] == place]
        metered = [(edge, Fraction(flows[edge["id"]])) for edge in edges if "id" in edge]
        drawn = sum((flow for _, flow in metered), Fraction(0))
        if place in self.version.buses:
            return self._of_bus(place, flows, metered, drawn)
        if len(metered) == len(edges) and not drawn:
            return [], []
        if len({edge["to"] for edge in edges}) == 1:
            return [(edges[0], Fraction(1))], []
        if "share" in edges[0]:
            weights = [Fraction(edge["share"]) for edge in edges]
        elif "reference_efficiency" in edges[0]:
            weights = [
                flow
                * self.version.kwh_per_quantum(self.version.carrier(edge))
                / Fraction(edge["reference_efficiency"])
                for edge, flow in metered
            ]
        else:
            weights = [flow for _, flow in metered]
        whole = sum(weights)
        return [(edge, weight / whole) for edge, weight in zip(edges, weights, strict=True)], []

    def _of_bus(
        self,
        place: str,
        flows: dict[str, int],
        metered: list[tuple[Edge, Fraction]],
        drawn: Fraction,
    ) -> tuple[list[tuple[Edge, Fraction]], list[str]]:
        residual = self.version.buses[place].get("residual", "account")
        inflow = None if residual == "spread" else self._inflow(place, flows)
        divisor = drawn if inflow is None else inflow
        if divisor == 0:
            return [], [edge["id"] for edge, flow in metered if flow > 0]
        found = [(edge, flow / divisor) for edge, flow in metered]
        if residual == "links":
            links = [edge for edge in self.version.links if edge["from"] == place]
            whole = sum(Fraction(edge.get("share", "1")) for edge in links)
            left = 1 - drawn / divisor
            found += [(edge, left * Fraction(edge.get("share", "1")) / whole) for edge in links]
        return found, []

    def _in_order(
        self, shares: dict[str, tuple[list[tuple[Edge, Fraction]], list[str]]]
    ) -> list[list[str]]:
        """Places that reach each other together, those that feed others first."""
        feeds = {
            place: {edge["to"] for edge, part in own if part and edge["to"] in shares}
            for place, (own, _) in shares.items()
        }
        reach = {place: set(ends) for place, ends in feeds.items()}
        for _ in self.places:
            for place in self.places:
                reach[place] |= {far for end in reach[place] for far in reach[end]}
        loops: list[list[str]] = []
        for place in self.places:
            if not any(place in loop for loop in loops):
                mutual = {p for p in reach[place] if place in reach[p]}
                loops.append(sorted({place, *mutual}))
        ordered: list[list[str]] = []
        while loops:
            free = next(
                loop
                for loop in loops
                if not any(set(loop) & reach[p] for o in loops if o is not loop for p in o)
            )
            ordered.append(free)
            loops.remove(free)
        return ordered

    def _solve(
        self,
        loop: list[str],
        entered: dict[str, Content],
        shares: dict[str, tuple[list[tuple[Edge, Fraction]], list[str]]],
    ) -> dict[str, Content] | None:
        """content = entered + what the loop's places give each other; None when it has no end."""
        size, sources = len(loop), sorted({s for place in loop for s in entered[place]})
        rows = [[Fraction(int(i == j)) for j in range(size)] for i in range(size)]
        for j, place in enumerate(loop):
            for edge, part in shares[place][0]:
                if edge["to"] in loop:
                    rows[loop.index(edge["to"])][j] -= part
        right = [[entered[place].get(s, Fraction(0)) for s in sources] for place in loop]
        for at in range(size):
            if rows[at][at] <= 0:
                return None
            for other in range(size):
                if other != at:
                    factor = rows[other][at] / rows[at][at]
                    rows[other] = [a - factor * b for a, b in zip(rows[other], rows[at])]
                    right[other] = [a - factor * b for a, b in zip(right[other], right[at])]
        return {
            place: {s: right[i][k] / rows[i][i] for k, s in enumerate(sources)}
            for i, place in enumerate(loop)
        }
