"""The state of a site between chunks: everything told, and what is posted of it.

Postings are kept in pages of PAGE_SLOTS slots and reach up to the frontier: the earliest last
reading among the meters in force and not declared silent, and no later than what is known to be on
its way. A chunk marks the spans it touches; only their pages are posted anew, and pages after them as
long as what is in the stores at their beginning differs. The ledger equals `recompute` on everything
told so far, whatever the order.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, pairwise
from typing import Literal

from calc_stream.core.accounts import Sums
from calc_stream.core.batches import Batch, Batches, Lot
from calc_stream.core.chunk import Block, Changes, Chunk
from calc_stream.core.course import Courses
from calc_stream.core.cuts import Cuts, Parts, others
from calc_stream.core.definition import blocks, ledger_of
from calc_stream.core.edges import edges_within, span_of
from calc_stream.core.event_records import merge_events
from calc_stream.core.events import Event, Problem, misplaced, swaps_told
from calc_stream.core.frontier import Waiting, frontier_of
from calc_stream.core.genealogy import rings
from calc_stream.core.in_force import InForce, Named
from calc_stream.core.ledger import Ledger
from calc_stream.core.model import SiteModel, parse_model
from calc_stream.core.pages import Pages, page_at, pages_within
from calc_stream.core.periods import Marks, Periods
from calc_stream.core.plant import Accepted
from calc_stream.core.postings import network_of, post
from calc_stream.core.series import Readings, Span, united
from calc_stream.core.state_bytes import Stored, pack, unpack
from calc_stream.core.timeline import NodeTimeline, Stretch, changed_span
from calc_stream.core.totals import Totals
from calc_stream.core.tracing import Network
from calc_stream.core.versions import Reign, Versions
from calc_stream.core.whole import LIMIT, Rows

_EVERYTHING: Span = (-LIMIT, LIMIT)
_NO_NODES: Mapping[str, NodeTimeline] = {}


class SiteState:
    """In memory. `apply` takes a chunk; `to_bytes` and `from_bytes` carry it over a restart."""

    def __init__(self) -> None:
        self.periods: Periods | None = None  # with the versions of the model
        self.marks = Marks()
        self.offset = 0
        self.silent: frozenset[str] = frozenset()
        self.held_ms = LIMIT
        self.accepted: Accepted = {}
        self.readings = Readings()
        self.pages = Pages()
        self.frontier_ms: int | None = None
        self._span: Span | None = None
        self._cuts: dict[int, Parts] = {}  # by start of the reign, up to the frontier
        self._every: Cuts  # once there is a model
        self._networks: dict[int, Network] = {}
        self._in_force = InForce()
        self._batches = Batches(self._in_force)
        self._rings: list[Problem] = []
        self._courses: Courses | None = None
        self._totals = Totals()

    @property
    def events(self) -> Mapping[str, Event]:
        """All that were told, by id."""
        return self._in_force.events

    @property
    def batches(self) -> Mapping[str, Batch]:
        """What the events in force say of batches."""
        return self._batches.batches

    @property
    def lots(self) -> Mapping[str, Lot]:
        """What they say of lots."""
        return self._batches.lots

    @property
    def nodes(self) -> Mapping[str, NodeTimeline]:
        """What they say of nodes: another mapping once anything of it is otherwise."""
        return self._courses.nodes if self._courses else _NO_NODES

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
        fresh = merge_events(self._in_force.events, chunk.events)
        for block in [chunk.readings] if isinstance(chunk.readings, Block) else chunk.readings:
            block.check()
        touched = self._read(chunk)
        named = self._in_force.take(fresh)
        batches = self._count(named)
        touched += self._tell(named)
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
        if adopts:
            touched += self._run(self.periods)
        elif self._courses:
            touched += self._courses.follow(named, batches)
        touched += self._reach(self.periods)
        changes = self._post(self.periods, united(touched), adopts)
        ran = (event.batch for events in named["node"].values() for event in events if event.batch)
        return replace(changes, told=frozenset({*batches, *ran})) if fresh else changes

    def ledger(self, upto: Literal["frontier", "end"] = "end") -> Ledger:
        """What is posted, or with `end` also the preview beyond the frontier."""
        periods = self._known()
        parts = [*self.pages.values()]
        posted = self.posted
        if upto == "end" and self._span is not None:
            start = self._span[0] if self.frontier_ms is None else self.frontier_ms
            cuts = self._every.all()
            for reign, part in periods.versions.within((start, self._span[1])):
                for edges in blocks(part, reign.model, cuts[reign.from_ms]):
                    stocks = parts[-1].ended if parts else {}
                    network = self._networks[reign.from_ms]
                    parts.append(post(network, self.nodes, self.readings, edges, stocks))
            posted = self._span
        problems = self.problems()
        return ledger_of(periods, self.readings, parts, problems, self._span, posted)

    def problems(self) -> list[Problem]:
        """What the events say that cannot be, the first line first."""
        meters, words = self._known().versions.meters, self._in_force.named["meter"].values()
        found = [*self._in_force.problems(), *chain(*self._batches.problems.values()), *self._rings]
        found += misplaced(chain(*words), meters, self.readings.standing)
        found += self._courses.problems() if self._courses else ()
        return sorted(found, key=lambda problem: problem.order)

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

    def edges(self, reign: Reign, part: Span) -> Rows:
        """Where a version's time is cut, in a part of it that is posted; its ends included."""
        return edges_within(part, reign.model.slot_ms, *self._cuts[reign.from_ms])

    def nodes_at(self, t_ms: int) -> dict[str, Stretch]:
        """State and active batches of every node just after `t_ms`."""
        return {name: timeline.at(t_ms) for name, timeline in self.nodes.items()}

    def where(self, batch: str) -> tuple[str, ...]:
        """The nodes on which a batch was active, by name."""
        return self._courses.where(batch) if self._courses else ()

    def heirs(self, batch: str) -> Iterator[str]:
        """The batches that were made of one."""
        return self._batches.heirs(batch)

    def unknown_meters(self) -> list[str]:
        """Meters that were read but sit nowhere in any version of the model."""
        known = self._known().versions.meters
        return [meter for meter in self.readings.meters() if meter not in known]

    def to_bytes(self) -> bytes:
        """The state as one versioned value; equal content, equal bytes."""
        reigns = self.versions.reigns if self.versions else ()
        models = tuple(reign.model.text for reign in reigns)
        told = (self.offset, self.silent, self.marks, self._in_force.events, self.readings)
        return pack(Stored(models, *told, dict(self.pages), self.held_ms, self.accepted))

    @classmethod
    def from_bytes(cls, data: bytes) -> "SiteState":
        """The state again; empty bytes are a new one. Raises BadData for anything foreign."""
        site = cls()
        if not data:
            return site
        stored = unpack(data)
        site.offset, site.silent, site.marks = stored.offset, stored.silent, stored.marks
        site.readings = stored.readings
        named = site._in_force.take(stored.events.values())
        site._count(named)
        site._tell(named)
        site.held_ms, site.accepted = stored.held_ms, stored.accepted
        if stored.models:
            versions = _versions_of(stored.models, stored.accepted)
            site._adopt(versions, stored.marks)
            periods = site._known()
            site._run(periods)
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

    def _count(self, named: Named) -> dict[str, Batch | None]:
        """What people say of batches now; how those that are otherwise were before."""
        before = self._batches.follow(named)
        self._rings = rings(self.batches, {*before, *(p.event.batch for p in self._rings)})
        return before

    def _tell(self, named: Named) -> list[Span]:
        """What people say of registers now; the spans it changes."""
        own = self._in_force.named["meter"]
        words = swaps_told(word for meter in named["meter"] for word in own.get(meter, ()))
        return self.readings.tell({meter: words.get(meter, ()) for meter in named["meter"]})

    def _run(self, periods: Periods) -> list[Span]:
        """Other versions: all timelines anew; the spans in which a node gives to other accounts."""
        old, self._every = self.nodes, Cuts(periods, self.readings)
        self._courses = Courses(periods.versions, self._in_force, self._batches.batches)
        spans = [changed_span(old[name], new) for name, new in self.nodes.items() if name in old]
        return [span for span in spans if span is not None]

    def _reach(self, periods: Periods) -> list[Span]:
        """New span, frontier and cuts; what lies between the old ones and these."""
        old_posted, old_cuts = self.posted, self._cuts
        versions = periods.versions
        self._span = span_of(versions, self.readings)
        self._every.look(self._in_force.cuts, self._span or (0, 0))
        waiting = Waiting(self.silent, self.held_ms)
        held = {} if self.held_ms == LIMIT else self._every.all()
        self.frontier_ms = frontier_of(versions, self.readings, waiting, self._span, held)
        posted = self.posted
        self._cuts = {} if posted is None else self._every.upto(posted[1])
        if old_posted is None or posted is None:
            return [_EVERYTHING] if old_posted != posted else []
        upto_ms = min(old_posted[1], posted[1])  # between these two all is touched
        touched = [_ordered(*ends) for ends in zip(old_posted, posted) if ends[0] != ends[1]]
        return touched + [(cut, cut) for cut in others(old_cuts, self._cuts, upto_ms)]

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
        for page in self._in_turn(sorted(wanted)):
            edges = self._page_edges(versions, page)
            at = 0 if edges is None else self._settled(page, edges, touched)
            begin_ms = -LIMIT if edges is None or not at else int(edges[at])
            for gone in self.pages.cut(page, begin_ms, at):
                self._totals.take(gone, periods, -1)
            if edges is None:
                continue
            network = self._networks[versions.reign_at(page).from_ms]
            new = post(network, self.nodes, self.readings, edges[at:], self.pages.begun(page))
            self._totals.take(new, periods, 1)
            self.pages.put(page, int(edges[at]), new)
            spans.append((int(edges[at]), int(edges[-1])))
        moved, pages = (self._totals.moved(),), self.pages.turned()
        return Changes(tuple(spans), moved, self.frontier_ms, pages)

    def _in_turn(self, wanted: Sequence[int]) -> Iterator[int]:
        """The pages to post, in order; each is posted before the next one is asked for. By what is in
        the stores all pages behind may depend on it."""
        for page, after in pairwise((*wanted, LIMIT)):
            yield page
            behind = self.pages.after(page)
            while behind is not None and behind < after:
                if self.pages.settled(behind):
                    break
                yield behind
                behind = self.pages.after(behind)

    def _settled(self, page: int, edges: Rows, touched: list[Span]) -> int:
        """The number of the edge of a page up to which no change reaches; behind a store, or with flows
        nothing explains, all is new."""
        if self._known().versions.stores or not self.pages.settled(page):
            return 0
        if self.pages.untraced(page):
            return 0
        reaching = [first for first, last in touched if last >= edges[0] and first <= edges[-1]]
        return max(int(edges.searchsorted(min(reaching, default=edges[-1]), "left")) - 1, 0)

    def _pages_in(self, versions: Versions, touched: Iterable[Span]) -> set[int]:
        """Pages that exist or may exist in the touched spans."""
        pages: set[int] = set()
        posted = self.posted
        for first, last in touched:
            if posted is not None:
                inside = max(first, posted[0]), min(last, posted[1])
                pages.update(pages_within(versions, *inside))
            pages.update(self.pages.within(first, last))
        return pages

    def _page_edges(self, versions: Versions, page: int) -> Rows | None:
        posted = self.posted
        if posted is None:
            return None
        reign, (start, end) = page_at(versions, page)
        first, last = max(start, posted[0]), min(end, posted[1])
        if first >= last or start != page:
            return None
        return self.edges(reign, (first, last))


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
