"""The state of a site between chunks: everything told, and what is posted of it.

Postings are kept in pages of PAGE_SLOTS slots and reach up to the frontier, the earliest last
reading among the meters not declared silent. A chunk marks the spans it touches; only their pages
are posted anew. The ledger equals `recompute` on everything told so far, whatever the order.
"""

from collections.abc import Iterable
from typing import Literal

import numpy as np

from calc_stream.core.batches import Batch, batches_of
from calc_stream.core.chunk import Changes, Chunk
from calc_stream.core.definition import blocks, ledger_of
from calc_stream.core.edges import edges_within, extra_cuts, reach_of, span_of
from calc_stream.core.event_records import merge_events
from calc_stream.core.events import Event, Problem, in_force, misplaced, swaps_told
from calc_stream.core.ledger import Ledger
from calc_stream.core.model import SiteModel, parse_model
from calc_stream.core.postings import Postings, network_of, post
from calc_stream.core.series import Readings, Span
from calc_stream.core.state_bytes import Stored, pack, unpack
from calc_stream.core.timeline import NodeTimeline, Stretch, changed_span, timelines
from calc_stream.core.whole import LIMIT, Rows

PAGE_SLOTS = 32
_EVERYTHING: Span = (-LIMIT, LIMIT)


class SiteState:
    """In memory. `apply` takes a chunk; `to_bytes` and `from_bytes` carry it over a restart."""

    def __init__(self) -> None:
        self.model: SiteModel | None = None
        self.offset = 0
        self.silent: frozenset[str] = frozenset()
        self.events: dict[str, Event] = {}
        self.readings = Readings()
        self.pages: dict[int, Postings] = {}
        self.batches: dict[str, Batch] = {}
        self.nodes: dict[str, NodeTimeline] = {}
        self.frontier_ms: int | None = None
        self._span: Span | None = None
        self._cuts: Rows = np.empty(0, dtype=np.int64)
        self._standing: list[Event] = []
        self._words: list[Event] = []
        self._problems: list[Problem] = []
        self._totals: dict[str, list[int]] = {}
        self._inflow: list[int] = []

    def apply(self, chunk: Chunk) -> Changes:
        """Takes the chunk in, wholly or not at all. Raises BadData or ConfigError."""
        model = None if chunk.model is None else parse_model(chunk.model, "model")
        fresh = merge_events(self.events, chunk.events)
        for block in chunk.readings:
            block.check()
        touched = self._read(chunk)
        self.events |= {event.id: event for event in fresh}
        if chunk.silent is not None:
            self.silent = chunk.silent
        if chunk.offset is not None:
            self.offset = chunk.offset
        if model is not None and model != self.model:
            self._adopt(model)
            touched = [_EVERYTHING]
        if self.model is None:
            return Changes()
        if fresh or model is not None:
            touched += self._follow(self.model)
        touched += self._reach(self.model)
        return self._post(self.model, touched)

    def ledger(self, upto: Literal["frontier", "end"] = "end") -> Ledger:
        """What is posted, or with `end` also the preview beyond the frontier."""
        model = self._known_model()
        parts = [self.pages[page] for page in sorted(self.pages)]
        if upto == "end" and self._span is not None:
            start = self._span[0] if self.frontier_ms is None else self.frontier_ms
            network = network_of(model)
            tail = blocks((start, self._span[1]), model.slot_ms, self._cuts)
            parts += [post(network, self.nodes, self.readings, edges) for edges in tail]
        return ledger_of(model, self.readings, parts, self.problems(), self._span)

    def problems(self) -> list[Problem]:
        """What the events say that cannot be."""
        meters = {meter.id for meter in self._known_model().meters}
        return [*self._problems, *misplaced(self._words, meters, self.readings.standing)]

    def totals(self) -> dict[str, dict[str, int]]:
        """Posted quanta by account and source; zeros left out."""
        return {name: self._named(sums) for name, sums in self._totals.items() if any(sums)}

    def inflow(self) -> dict[str, int]:
        """Posted inflow in quanta by source."""
        return dict(zip(self._known_model().sources, self._inflow, strict=True))

    def closure(self) -> dict[str, int]:
        """Posted inflow minus the sum over accounts, by source; zero, always."""
        sums = [sum(column) for column in zip(*self._totals.values(), strict=True)]
        rest = [a - b for a, b in zip(self._inflow, sums or [0] * len(self._inflow), strict=True)]
        return dict(zip(self._known_model().sources, rest, strict=True))

    def nodes_at(self, t_ms: int) -> dict[str, Stretch]:
        """State and active batches of every node just after `t_ms`."""
        return {name: timeline.at(t_ms) for name, timeline in self.nodes.items()}

    def unknown_meters(self) -> list[str]:
        """Meters that were read but sit nowhere in the model."""
        known = {meter.id for meter in self._known_model().meters}
        return [meter for meter in self.readings.meters() if meter not in known]

    def to_bytes(self) -> bytes:
        """The state as one versioned value; equal content, equal bytes."""
        text = None if self.model is None else self.model.text
        return pack(Stored(text, self.offset, self.silent, self.events, self.readings, self.pages))

    @classmethod
    def from_bytes(cls, data: bytes) -> "SiteState":
        """The state again; empty bytes are a new one. Raises BadData for anything foreign."""
        site = cls()
        if not data:
            return site
        stored = unpack(data)
        site.offset, site.silent = stored.offset, stored.silent
        site.events, site.readings = stored.events, stored.readings
        if stored.model is not None:
            site._adopt(parse_model(stored.model, "model"))
            model = site._known_model()
            site._follow(model)
            site._reach(model)
            for page, postings in stored.pages.items():
                site.pages[page] = postings
                site._book(postings, 1, {})
        return site

    def _known_model(self) -> SiteModel:
        if self.model is None:
            raise ValueError("the state has no model yet")
        return self.model

    def _named(self, sums: list[int]) -> dict[str, int]:
        sources = self._known_model().sources
        return {source: quanta for source, quanta in zip(sources, sums, strict=True) if quanta}

    def _read(self, chunk: Chunk) -> list[Span]:
        """Readings and swaps in; the spans they touch."""
        spans: list[Span | None] = []
        for block in chunk.readings:
            if block.booked:
                args = block.times_ms, block.mantissas, block.exponent
                spans.append(self.readings.add(block.meter, *args))
                continue
            for t_ms, mantissa in zip(
                block.times_ms.tolist(), block.mantissas.tolist(), strict=True
            ):
                register = (mantissa, block.exponent)
                self.readings.leave_out(block.meter, t_ms, register, block.quality)
        spans += [self.readings.add_swaps(meter, swaps) for meter, swaps in chunk.swaps.items()]
        return [span for span in spans if span is not None]

    def _adopt(self, model: SiteModel) -> None:
        """Another model: nothing posted stays."""
        self.model = model
        self.pages, self._totals, self.nodes = {}, {}, {}
        self._inflow = [0] * len(model.sources)
        self._span, self.frontier_ms = None, None

    def _follow(self, model: SiteModel) -> list[Span]:
        """Events changed: new timelines; the spans in which a node gives to other accounts."""
        self._standing, problems = in_force(self.events.values())
        nodes, more = timelines(model, self._standing)
        self._problems = [*problems, *more]
        self.batches, _ = batches_of(self._standing)
        old, self.nodes = self.nodes, nodes
        spans = [changed_span(old[name], nodes[name]) for name in nodes if name in old]
        self._words = [event for event in self._standing if event.type == "swap"]
        spans += self.readings.tell(swaps_told(self._words))
        return [span for span in spans if span is not None]

    def _reach(self, model: SiteModel) -> list[Span]:
        """New span, frontier and cuts; what lies between the old ones and these."""
        old_span, old_frontier, old_cuts = self._span, self.frontier_ms, self._cuts
        self._span = span_of(model, self.readings)
        self._cuts = extra_cuts(model, self.readings, self._standing)
        self.frontier_ms = self._frontier(model)
        moved = np.setxor1d(old_cuts, self._cuts).tolist()
        touched: list[Span] = [(cut, cut) for cut in moved]
        if self._span is not None and old_span is not None and self._span[0] != old_span[0]:
            touched.append((self._span[0], old_span[0]))
        if self.frontier_ms == old_frontier:
            return touched
        if self.frontier_ms is None or old_frontier is None:
            return [_EVERYTHING]
        return [*touched, _ordered(self.frontier_ms, old_frontier)]

    def _frontier(self, model: SiteModel) -> int | None:
        """The earliest last reading; None while a meter not declared silent was never read."""
        lasts: list[int] = []
        for meter in model.meters:
            if meter.id in self.silent:
                continue
            reach = reach_of(self.readings, meter.id)
            if reach is None:
                return None
            lasts.append(reach[1])
        return min(lasts, default=None)

    def _post(self, model: SiteModel, touched: Iterable[Span]) -> Changes:
        """Posts the touched pages anew."""
        length = model.slot_ms * PAGE_SLOTS
        before: dict[str, list[int]] = {}
        spans: list[Span] = []
        network = network_of(model)
        for page in self._pages_in(touched, length):
            old = self.pages.pop(page, None)
            if old is not None:
                self._book(old, -1, before)
            edges = self._page_edges(model, page, length)
            if edges is None:
                continue
            new = post(network, self.nodes, self.readings, edges)
            self.pages[page] = new
            self._book(new, 1, before)
            spans.append((int(edges[0]), int(edges[-1])))
        changed = {
            name: self._named(self._totals[name])
            for name, sums in sorted(before.items())
            if self._totals[name] != sums
        }
        return Changes(tuple(spans), changed, self.frontier_ms)

    def _pages_in(self, touched: Iterable[Span], length: int) -> list[int]:
        """Pages that exist or may exist in the touched spans, in order."""
        pages: set[int] = set()
        posted = None if self._span is None or self.frontier_ms is None else (
            self._span[0] // length, self.frontier_ms // length
        )  # fmt: skip
        for first, last in touched:
            lo, hi = first // length, last // length
            if posted is not None:
                pages.update(range(max(lo, posted[0]), min(hi, posted[1]) + 1))
            pages.update(page for page in self.pages if lo <= page <= hi)
        return sorted(pages)

    def _page_edges(self, model: SiteModel, page: int, length: int) -> Rows | None:
        if self._span is None or self.frontier_ms is None:
            return None
        first = max(page * length, self._span[0])
        last = min((page + 1) * length, self.frontier_ms)
        return edges_within((first, last), model.slot_ms, self._cuts) if first < last else None

    def _book(self, postings: Postings, sign: int, before: dict[str, list[int]]) -> None:
        for name, sums in postings.totals().items():
            total = self._totals.setdefault(name, [0] * len(sums))
            before.setdefault(name, list(total))
            for at, quanta in enumerate(sums):
                total[at] += sign * quanta
        for at, quanta in enumerate(postings.inflow):
            self._inflow[at] += sign * quanta


def step(state: bytes, chunk: Chunk) -> tuple[bytes, Changes]:
    """One chunk onto a stored state. Raises BadData or ConfigError; then the state stands."""
    site = SiteState.from_bytes(state)
    changes = site.apply(chunk)
    return site.to_bytes(), changes


def _ordered(a: int, b: int) -> Span:
    return (a, b) if a <= b else (b, a)
