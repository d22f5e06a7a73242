"""The state of a site between chunks: everything told, and what is posted of it.

Postings are kept in pages of PAGE_SLOTS slots and reach up to the frontier: the earliest last
reading among the meters in force and not declared silent, and no later than what is known to be on
its way. A chunk marks the spans it touches; only their pages are posted anew, and pages after them as
long as what is in the stores at their beginning differs. The ledger equals `recompute` on everything
told so far, whatever the order.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

import numpy as np

from calc_stream.core.accounts import Sums
from calc_stream.core.batches import Batch, Lot, batches_of, lots_of
from calc_stream.core.chunk import Block, Changes, Chunk
from calc_stream.core.definition import blocks, ledger_of
from calc_stream.core.edges import edges_within, rising, span_of, steady_cuts
from calc_stream.core.event_records import merge_events
from calc_stream.core.events import Event, Problem, in_force, misplaced, swaps_told
from calc_stream.core.frontier import Waiting, frontier_of
from calc_stream.core.ledger import Ledger
from calc_stream.core.model import SiteModel, parse_model
from calc_stream.core.pages import Pages, page_at, pages_within
from calc_stream.core.periods import Marks, Periods
from calc_stream.core.plant import Accepted
from calc_stream.core.postings import network_of, post
from calc_stream.core.series import Readings, Span, united
from calc_stream.core.state_bytes import Stored, pack, unpack
from calc_stream.core.stores import Stocks
from calc_stream.core.timeline import NodeTimeline, Stretch, changed_span, timelines
from calc_stream.core.totals import Totals
from calc_stream.core.tracing import Network
from calc_stream.core.versions import Versions
from calc_stream.core.whole import LIMIT, Rows

_EVERYTHING: Span = (-LIMIT, LIMIT)
_NO_CUTS: Rows = np.empty(0, dtype=np.int64)
_AHEAD_MS = 86_400_000  # so far ahead of the readings cuts are looked for


class SiteState:
    """In memory. `apply` takes a chunk; `to_bytes` and `from_bytes` carry it over a restart."""

    def __init__(self) -> None:
        self.periods: Periods | None = None  # with the versions of the model
        self.marks = Marks()
        self.offset = 0
        self.silent: frozenset[str] = frozenset()
        self.held_ms = LIMIT
        self.accepted: Accepted = {}
        self.events: dict[str, Event] = {}
        self.readings = Readings()
        self.pages = Pages()
        self.batches: dict[str, Batch] = {}
        self.lots: dict[str, Lot] = {}
        self.nodes: dict[str, NodeTimeline] = {}
        self.frontier_ms: int | None = None
        self._span: Span | None = None
        self._cuts: dict[int, Rows] = {}  # by start of the reign, up to the frontier
        self._steady: dict[int, Rows] = {}
        self._cuts_of: tuple[int, int] | None = None  # what they stand on
        self._cuts_upto_ms = -LIMIT
        self._networks: dict[int, Network] = {}
        self._standing: list[Event] = []
        self._words: list[Event] = []
        self._problems: list[Problem] = []
        self._totals = Totals()

    @property
    def versions(self) -> Versions | None:
        """The versions of the model; None before there is one."""
        return None if self.periods is None else self.periods.versions

    @property
    def model(self) -> SiteModel | None:
        """The version in force where the postings end."""
        if self.versions is None:
            return None
        return self.versions.at(LIMIT if self.frontier_ms is None else self.frontier_ms)

    def apply(self, chunk: Chunk) -> Changes:
        """Takes the chunk in, wholly or not at all. Raises BadData or ConfigError."""
        versions, accepted = self.versions, self.accepted
        if chunk.accepted is not None and chunk.accepted != accepted:
            accepted = chunk.accepted
            versions = versions and _versions_of((r.model.text for r in versions.reigns), accepted)
        if chunk.model is not None:
            model = _parsed(chunk.model, accepted)
            versions = versions.with_(model) if versions else Versions.of(model)
        fresh = merge_events(self.events, chunk.events)
        for block in [chunk.readings] if isinstance(chunk.readings, Block) else chunk.readings:
            block.check()
        touched = self._read(chunk)
        self.events |= {event.id: event for event in fresh}
        if chunk.silent is not None:
            self.silent = chunk.silent
        if chunk.held_ms is not None:
            self.held_ms = chunk.held_ms
        self.accepted = accepted
        if chunk.offset is not None:
            self.offset = chunk.offset
        marks = self.marks if chunk.marks is None else chunk.marks
        adopts = versions is not None and (versions != self.versions or marks != self.marks)
        if versions is not None and adopts:
            self._adopt(versions, marks)
        self.marks = marks
        if self.periods is None:
            return Changes()
        if fresh or adopts:
            touched += self._follow(self.periods)
        touched += self._reach(self.periods)
        return self._post(self.periods, united(touched), adopts)

    def ledger(self, upto: Literal["frontier", "end"] = "end") -> Ledger:
        """What is posted, or with `end` also the preview beyond the frontier."""
        periods = self._known()
        parts = [self.pages[page] for page in sorted(self.pages)]
        posted = self.posted
        if upto == "end" and self._span is not None:
            start = self._span[0] if self.frontier_ms is None else self.frontier_ms
            cuts = self._all_cuts()
            for reign, part in periods.versions.within((start, self._span[1])):
                for edges in blocks(part, reign.model, cuts[reign.from_ms]):
                    stocks = parts[-1].ended if parts else {}
                    network = self._networks[reign.from_ms]
                    parts.append(post(network, self.nodes, self.readings, edges, stocks))
            posted = self._span
        problems = self.problems()
        return ledger_of(periods, self.readings, parts, problems, self._span, posted)

    def problems(self) -> list[Problem]:
        """What the events say that cannot be."""
        meters = self._known().versions.meters
        return [*self._problems, *misplaced(self._words, meters, self.readings.standing)]

    def totals(self) -> dict[str, dict[str, int]]:
        """Posted quanta by account and source; zeros left out."""
        return self._totals.by_name()

    def sums(self) -> Sums:
        """Posted quanta by account, and by period and source; zeros left out."""
        return self._totals.sums()

    def sums_of(self, name: str) -> Sums:
        """The same of the accounts of one name."""
        return self._totals.of(name)

    def inflow(self) -> dict[str, int]:
        """Posted inflow in quanta by source."""
        return {s: self._totals.inflow.get(s, 0) for s in self._known().versions.sources}

    def closure(self) -> dict[str, int]:
        """What entered, or was in stores, minus the sum over accounts, by source; zero, always."""
        rest = self._totals.closure()
        return {source: rest.get(source, 0) for source in self._known().versions.sources}

    def stocks(self) -> Stocks:
        """What is in the stores where the postings end."""
        return self.pages.ended(max(self.pages)) if self.pages else {}

    def nodes_at(self, t_ms: int) -> dict[str, Stretch]:
        """State and active batches of every node just after `t_ms`."""
        return {name: timeline.at(t_ms) for name, timeline in self.nodes.items()}

    def unknown_meters(self) -> list[str]:
        """Meters that were read but sit nowhere in any version of the model."""
        known = self._known().versions.meters
        return [meter for meter in self.readings.meters() if meter not in known]

    def to_bytes(self) -> bytes:
        """The state as one versioned value; equal content, equal bytes."""
        reigns = self.versions.reigns if self.versions else ()
        models = tuple(reign.model.text for reign in reigns)
        told = (self.offset, self.silent, self.marks, self.events, self.readings)
        return pack(Stored(models, *told, dict(self.pages), self.held_ms, self.accepted))

    @classmethod
    def from_bytes(cls, data: bytes) -> "SiteState":
        """The state again; empty bytes are a new one. Raises BadData for anything foreign."""
        site = cls()
        if not data:
            return site
        stored = unpack(data)
        site.offset, site.silent, site.marks = stored.offset, stored.silent, stored.marks
        site.events, site.readings = stored.events, stored.readings
        site.held_ms, site.accepted = stored.held_ms, stored.accepted
        if stored.models:
            versions = _versions_of(stored.models, stored.accepted)
            site._adopt(versions, stored.marks)
            periods = site._known()
            site._follow(periods)
            site._reach(periods)
            for page, postings in stored.pages.items():
                site.pages.put(page, page, postings)
                site._totals.take(postings, periods, 1)
            site._totals.moved()
        return site

    def _known(self) -> Periods:
        if self.periods is None:
            raise ValueError("the state has no model yet")
        return self.periods

    def _read(self, chunk: Chunk) -> list[Span]:
        """Readings and swaps in; the spans they touch."""
        spans = self.readings.book(chunk.readings)
        swapped = (self.readings.add_swaps(meter, swaps) for meter, swaps in chunk.swaps.items())
        return [*spans, *(span for span in swapped if span is not None)]

    def _adopt(self, versions: Versions, marks: Marks) -> None:
        """Other versions, or other marks: pages of a version that did not change stay.

        All sums are taken anew, for periods may have changed.
        """
        old = self.periods
        if old is not None:
            for part in self.pages.values():
                self._totals.take(part, old, -1)
            for page in [t for t in self.pages if not _same_page(old.versions, versions, t)]:
                self.pages.cut(page, -LIMIT, 0)
        self.marks = marks
        self._networks = {r.from_ms: network_of(r.model) for r in versions.reigns}
        self.periods = Periods(versions, marks)
        for part in self.pages.values():
            self._totals.take(part, self.periods, 1)

    def _follow(self, periods: Periods) -> list[Span]:
        """Events changed: new timelines; the spans in which a node gives to other accounts."""
        self._cuts_of = None
        self._standing, problems = in_force(self.events.values())
        self.batches, _ = batches_of(self._standing)
        self.lots, _ = lots_of(self._standing)
        nodes, more = timelines(periods.versions, self._standing, self.batches)
        self._problems = [*problems, *more]
        old, self.nodes = self.nodes, nodes
        spans = [changed_span(old[name], nodes[name]) for name in nodes if name in old]
        self._words = [event for event in self._standing if event.type == "swap"]
        spans += self.readings.tell(swaps_told(self._words))
        return [span for span in spans if span is not None]

    def _reach(self, periods: Periods) -> list[Span]:
        """New span, frontier and cuts; what lies between the old ones and these."""
        old_posted, old_cuts = self.posted, self._cuts
        versions = periods.versions
        self._span = span_of(versions, self.readings)
        self._look_at_cuts(periods)
        waiting = Waiting(self.silent, self.held_ms)
        held = {} if self.held_ms == LIMIT else self._all_cuts()
        self.frontier_ms = frontier_of(versions, self.readings, waiting, self._span, held)
        posted = self.posted
        self._cuts = {} if posted is None else self._all_cuts(posted[1])
        if old_posted is None or posted is None:
            return [_EVERYTHING] if old_posted != posted else []
        upto_ms = min(old_posted[1], posted[1])  # between these two all is touched
        touched = [_ordered(*ends) for ends in zip(old_posted, posted) if ends[0] != ends[1]]
        for start in old_cuts.keys() | self._cuts.keys():
            cuts = (own.get(start, _NO_CUTS) for own in (old_cuts, self._cuts))
            old, new = (set(own[: own.searchsorted(upto_ms, "right")].tolist()) for own in cuts)
            touched += [(cut, cut) for cut in old ^ new]
        return touched

    def _look_at_cuts(self, periods: Periods) -> None:
        """Those that stay while meters just go on; again when something else happened."""
        span = self._span or (0, 0)
        ends = self.readings.turns, span[0]
        if ends == self._cuts_of and span[1] <= self._cuts_upto_ms:
            return
        self._cuts_of, self._cuts_upto_ms = ends, span[1] + _AHEAD_MS
        self._steady = {}
        for reign, part in periods.versions.within((span[0], self._cuts_upto_ms)):
            cuts = steady_cuts(reign, self.readings, self._standing, periods, part)
            self._steady[reign.from_ms] = rising(cuts[(cuts >= part[0]) & (cuts <= part[1])])

    def _all_cuts(self, upto_ms: int = LIMIT) -> dict[int, Rows]:
        """With those where meters' readings end, up to an instant."""
        found = {}
        for reign in self._known().versions.reigns:
            steady = self._steady.get(reign.from_ms, _NO_CUTS)
            lasts = self.readings.reaches(reign.model.meters)[1]
            lasts = lasts[(lasts >= reign.from_ms) & (lasts <= min(reign.to_ms, upto_ms))]
            found[reign.from_ms] = rising(np.concatenate([steady, lasts])) if lasts.size else steady
        return found

    @property
    def posted(self) -> Span | None:
        """From where to where intervals are posted."""
        if self._span is None or self.frontier_ms is None:
            return None
        return self._span[0], self.frontier_ms

    def _post(self, periods: Periods, touched: list[Span], missing: bool) -> Changes:
        """Posts the touched pages anew, those that are missing, and those whose stores begin
        otherwise now."""
        spans: list[Span] = []
        versions = periods.versions
        wanted = self._pages_in(versions, touched)
        if missing and (posted := self.posted):
            wanted |= {page for page in pages_within(versions, *posted) if page not in self.pages}
        stocks: Stocks = {}
        if versions.stores and wanted:  # all pages behind may depend on these
            first = min(wanted)
            earlier = max((page for page in self.pages if page < first), default=None)
            stocks = {} if earlier is None else self.pages.ended(earlier)
            ahead = sorted(wanted | {page for page in self.pages if page > first})
        else:
            ahead = sorted(wanted)
        for page in ahead:
            if page not in wanted and self.pages.settled(page, stocks):
                stocks = self.pages.ended(page)
                continue
            edges = self._page_edges(versions, page)
            at = 0 if edges is None else self._settled(page, edges, touched)
            begin_ms = -LIMIT if edges is None or not at else int(edges[at])
            for gone in self.pages.cut(page, begin_ms, at):
                self._totals.take(gone, periods, -1)
            if edges is None:
                continue
            network = self._networks[versions.reign_at(page).from_ms]
            new = post(network, self.nodes, self.readings, edges[at:], stocks)
            self._totals.take(new, periods, 1)
            self.pages.put(page, int(edges[at]), new)
            stocks = new.ended
            spans.append((int(edges[at]), int(edges[-1])))
        return Changes(tuple(spans), (self._totals.moved(),), self.frontier_ms)

    def _settled(self, page: int, edges: Rows, touched: list[Span]) -> int:
        """The number of the edge of a page up to which no change reaches; behind a store, or with flows
        nothing explains, all is new."""
        if page not in self.pages or self._known().versions.stores or self.pages.untraced(page):
            return 0
        reaching = [first for first, last in touched if last >= edges[0] and first <= edges[-1]]
        return max(int(edges.searchsorted(min(reaching, default=edges[-1]), "left")) - 1, 0)

    def _pages_in(self, versions: Versions, touched: Iterable[Span]) -> set[int]:
        """Pages that exist or may exist in the touched spans."""
        pages: set[int] = set()
        posted, known = self.posted, sorted(self.pages)
        for first, last in touched:
            if posted is not None:
                inside = max(first, posted[0]), min(last, posted[1])
                pages.update(pages_within(versions, *inside))
            lo = max(bisect_right(known, first) - 1, 0)
            pages.update(known[lo : bisect_right(known, last)])
        return pages

    def _page_edges(self, versions: Versions, page: int) -> Rows | None:
        posted = self.posted
        if posted is None:
            return None
        reign, (start, end) = page_at(versions, page)
        first, last = max(start, posted[0]), min(end, posted[1])
        if first >= last or start != page:
            return None
        return edges_within((first, last), reign.model.slot_ms, self._cuts[reign.from_ms])


def _parsed(text: str, accepted: Accepted) -> SiteModel:
    """Under the policy that counts. Raises ConfigError."""
    model = parse_model(text, "model")
    return replace(model, policy=model.policy.among(accepted))


def _versions_of(texts: Iterable[str], accepted: Accepted) -> Versions:
    return Versions.of(_parsed(text, accepted) for text in texts)


def step(state: bytes, chunk: Chunk) -> tuple[bytes, Changes]:
    """One chunk onto a stored state. Raises BadData or ConfigError; then the state stands."""
    site = SiteState.from_bytes(state)
    changes = site.apply(chunk)
    return site.to_bytes(), changes


def _same_page(old: Versions, new: Versions, t_ms: int) -> bool:
    (before, was), (after, now) = page_at(old, t_ms), page_at(new, t_ms)
    return before.model is after.model and was == now == (t_ms, now[1])


def _ordered(a: int, b: int) -> Span:
    return (a, b) if a <= b else (b, a)
