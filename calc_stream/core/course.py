"""The course of a node: its states and active batches, from one event to the next.

An event that comes or goes changes what follows it, until all is as it was without it, and set-up
before it that waits for a start. Only that is worked out anew; all at once is the same, from nothing.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise

from calc_stream.core.batches import Batch
from calc_stream.core.campaigns import Campaigns, First
from calc_stream.core.columns import Span
from calc_stream.core.events import Event, Problem
from calc_stream.core.in_force import InForce, Named
from calc_stream.core.plant import Policy
from calc_stream.core.timeline import (
    BEFORE_A_START,
    TO_BATCHES,
    NodeTimeline,
    Stretch,
    Weights,
    changed_span,
)
from calc_stream.core.versions import Versions
from calc_stream.core.whole import LIMIT
from wire.reasons import because

Point = tuple[int, str, dict[str, Fraction]]  # from when on; the state, and what is active
Start = tuple[int, dict[str, Fraction]]  # when, and what starts then


class Course:
    """`timeline`: as it is now; `problems`: what cannot be and is left out, by event."""

    def __init__(self, node: str, versions: Versions) -> None:
        self.timeline = NodeTimeline(node, ())
        self.problems: dict[str, Problem] = {}
        self._node, self._versions = node, versions
        self._points: list[Point] = [(-LIMIT, "idle", {})]
        self._starts: list[Start] = []
        self._times: dict[str, list[int]] = {}  # when a batch starts
        self._campaigns = Campaigns(node, versions)
        self._resolve((-LIMIT, LIMIT), {})

    def follow(
        self,
        events: Sequence[Event],
        moved: Collection[Event],
        otherwise: Collection[str],
        batches: Mapping[str, Batch],
    ) -> Span:
        """Takes in its events in order, of which these `moved`: came or went. `otherwise`: batches of
        which something else is told now. The time in which it may be another."""
        named = {event.batch for event in moved if event.batch} | {*otherwise}
        before = self._firsts(named)
        spans = [self._walk(events, moved)] if moved else []
        restated = {*otherwise}
        if self._versions.campaigns:
            now = self._firsts(named)
            same = {(t_ms, name) for t_ms, name in before & now if name not in restated}
            restated |= self._campaigns.follow(before - same, now - same, batches)
        spans += (span for name in restated for span in self._around(name))
        span = min(first for first, _ in spans), max(last for _, last in spans)
        self._resolve(span, batches)
        return span

    def has(self, batch: str) -> bool:
        """Whether the batch was ever active here."""
        return batch in self._times

    def _firsts(self, batches: Iterable[str]) -> set[First]:
        """When those of the batches that start here first do."""
        return {(self._times[name][0], name) for name in batches if name in self._times}

    def _walk(self, events: Sequence[Event], moved: Collection[Event]) -> Span:
        """Points and starts anew, from the first event that moved until all is as it was."""
        first_ms, last_ms = (ends(event.t_ms for event in moved) for ends in (min, max))
        for event in moved:
            self.problems.pop(event.id, None)
        lo = bisect_left(self._points, first_ms, key=_when)
        then_ms, state, active = self._points[lo - 1]
        points: list[Point] = []
        starts: list[Start] = []
        end_ms = LIMIT
        early = Counter[str]()  # stops of this moment that found their batch not active
        for at in range(bisect_left(events, first_ms, key=_at), len(events)):
            event = events[at]
            if event.t_ms > max(last_ms, then_ms):
                was = self._points[bisect_left(self._points, event.t_ms, key=_when) - 1]
                if was[1:] == (state, active):
                    end_ms = event.t_ms
                    break
            if event.t_ms > then_ms:
                early.clear()
            then_ms = event.t_ms
            if self._cannot_be(event, active):
                continue
            if event.type == "start":
                if not starts or starts[-1][0] != event.t_ms:
                    starts.append((event.t_ms, {}))
                starts[-1][1][event.batch] = event.weight
                if early[event.batch]:  # it ends as it begins
                    early[event.batch] -= 1
                    state = "producing" if active else "idle"
                else:
                    state, active = "producing", {**active, event.batch: event.weight}
            elif event.type == "stop":
                if event.batch not in active:
                    early[event.batch] += 1
                    continue
                active = {batch: w for batch, w in active.items() if batch != event.batch}
                state = state if active else "idle"
            else:
                state = event.state
            if points and points[-1][0] == event.t_ms:
                points.pop()
            points.append((event.t_ms, state, active))
        self._points[lo : bisect_left(self._points, end_ms, key=_when)] = points
        after = lo + len(points)
        begin_ms = min(self._points[lo - 1][0], self._start_anew((first_ms, end_ms), starts))
        return begin_ms, self._points[after][0] if after < len(self._points) else LIMIT

    def _cannot_be(self, event: Event, active: Collection[str]) -> bool:
        """Whether an event contradicts the model, or those before it."""
        self.problems.pop(event.id, None)
        node = self._versions.at(event.t_ms).nodes.get(self._node)
        if node is not None and node.overhead:
            why = because("overhead", node=self._node)
            self.problems[event.id] = Problem(event, "node", why)
        elif event.type == "start" and event.batch in active:
            why = because("active", batch=event.batch, node=self._node)
            self.problems[event.id] = Problem(event, "batch", why)
        return event.id in self.problems

    def _start_anew(self, span: Span, starts: list[Start]) -> int:
        """The starts of a time; since when set-up may wait for another one (LIMIT: none does)."""
        lo, hi = (bisect_left(self._starts, end, key=_when) for end in span)
        old, self._starts[lo:hi] = self._starts[lo:hi], starts
        if old == starts:
            return LIMIT
        for t_ms, names in old:
            for name in names:
                self._times[name].remove(t_ms)
        for t_ms, names in starts:
            for name in names:
                times = self._times.setdefault(name, [])
                times.insert(bisect_left(times, t_ms), t_ms)
        for name in {name for _, names in old for name in names}:
            if not self._times[name]:
                del self._times[name]
        return self._starts[lo - 1][0] if lo else -LIMIT

    def _around(self, batch: str) -> Iterator[Span]:
        """When it is active, or set-up may wait for it."""
        for t_ms in self._times.get(batch, ()):
            before = bisect_left(self._starts, t_ms, key=_when) - 1
            at = bisect_left(self._points, t_ms, key=_when)
            while at < len(self._points) and batch in self._points[at][2]:
                at += 1
            begin_ms = self._starts[before][0] if before >= 0 else -LIMIT
            yield begin_ms, self._points[at][0] if at < len(self._points) else LIMIT

    def _resolve(self, span: Span, batches: Mapping[str, Batch]) -> None:
        """The stretches of a time, which begins at a point and ends at one."""
        lo, hi = (bisect_left(self._points, end, key=_when) for end in span)
        points = [*self._points[lo:hi], (span[1], "", {})]
        starts = self._starts
        ahead = bisect_right(starts, span[0], key=_when)
        fresh = []
        for t_ms, state, told in _at_versions(points, self._versions):
            while ahead < len(starts) and starts[ahead][0] <= t_ms:
                ahead += 1
            coming = starts[ahead] if ahead < len(starts) else None
            fresh.append(self._stretch((t_ms, state, told), coming, batches))
        self.timeline = self.timeline.mended(span, tuple(fresh), self._campaigns.all)

    def _stretch(self, point: Point, coming: Start | None, batches: Mapping[str, Batch]) -> Stretch:
        """Set-up with nothing active belongs to the batches of the next start, or their campaigns."""
        t_ms, state, told = point
        policy = self._versions.at(t_ms).policy
        active = _weighed(told, policy, batches)
        gets, ready_ms = (active if state in TO_BATCHES else ()), None
        waits = not told and state in BEFORE_A_START and policy.setup != "pool"
        if waits and coming is not None:
            gets, ready_ms = _weighed(coming[1], policy, batches), coming[0] - policy.look_ahead_ms
            if policy.setup == "campaign":
                return Stretch(t_ms, state, active, self._of_campaigns(gets), ready_ms)
        to = tuple((f"batch:{batch}", weight) for batch, weight in gets)
        return Stretch(t_ms, state, active, to, ready_ms)

    def _of_campaigns(self, gets: Weights) -> Weights:
        """The accounts of the campaigns that batches belong to, with their weights together."""
        found: dict[str, Fraction] = {}
        for batch, weight in gets:
            account = self._campaigns.accounts[batch]
            found[account] = found.get(account, Fraction(0)) + weight
        return tuple(sorted(found.items()))


class Courses:
    """Of every node of any version. `nodes`: their timelines, other ones together once one is another."""

    def __init__(self, versions: Versions, events: InForce, batches: Mapping[str, Batch]) -> None:
        names = (name for reign in versions.reigns for name in sorted(reign.model.nodes))
        self._courses = {name: Course(name, versions) for name in names}
        self._events, self._batches = events, batches
        policies = [reign.model.policy for reign in versions.reigns]
        self._by_output = any(policy.weights in ("mass", "pieces") for policy in policies)
        self._by_product = versions.campaigns
        self.nodes = {name: course.timeline for name, course in self._courses.items()}
        known = self._courses.keys()
        self._mend({name: set() for name in events.named["node"] if name in known}, events.named)

    def follow(self, moved: Named, before: Mapping[str, Batch | None]) -> list[Span]:
        """Takes in what events came and went, and how batches that are otherwise now were `before`; the
        spans in which a node gives to other accounts."""
        touched = {name: set[str]() for name in moved["node"] if name in self._courses}
        for batch, was in before.items():
            if self._counts(was) != self._counts(self._batches.get(batch)):
                for name in self.where(batch):
                    touched.setdefault(name, set()).add(batch)
        old = self.nodes
        within = self._mend(touched, moved)
        spans = (changed_span(old[name], self.nodes[name], own) for name, own in within.items())
        return [span for span in spans if span is not None]

    def where(self, batch: str) -> tuple[str, ...]:
        """The nodes on which a batch was active, by name."""
        names = {event.node for event in self._events.named["batch"].get(batch, ()) if event.cuts}
        known = names & self._courses.keys()
        return tuple(sorted(name for name in known if self._courses[name].has(batch)))

    def problems(self) -> Iterator[Problem]:
        """What events say of nodes that cannot be."""
        for name, events in self._events.named["node"].items():
            if name in self._courses:
                yield from self._courses[name].problems.values()
                continue
            for event in events:
                yield Problem(event, "node", because("no_node", node=name))

    def _mend(self, touched: Mapping[str, set[str]], moved: Named) -> dict[str, Span]:
        """The nodes touched, with the batches that are otherwise now there; the time in which each may
        be another."""
        within = {}
        for name, otherwise in touched.items():
            events = self._events.named["node"].get(name, [])
            its = moved["node"].get(name, [])
            within[name] = self._courses[name].follow(events, its, otherwise, self._batches)
        if touched:
            self.nodes = self.nodes | {name: self._courses[name].timeline for name in touched}
        return within

    def _counts(self, batch: Batch | None) -> object:
        """What of a batch decides who gets what arrives."""
        if batch is None:
            return None
        output = (batch.unit, batch.good, batch.scrap) if self._by_output else None
        return output, batch.product if self._by_product else None


def timelines(
    versions: Versions, standing: Iterable[Event], batches: Mapping[str, Batch]
) -> tuple[dict[str, NodeTimeline], list[Problem]]:
    """The timeline of every node of any version."""
    courses = Courses(versions, InForce(standing), batches)
    return courses.nodes, sorted(courses.problems(), key=lambda problem: problem.order)


def _at_versions(points: list[Point], versions: Versions) -> Iterator[Point]:
    """The points but the last one, and one where another version comes into force: its policy may be
    another."""
    for (t_ms, state, active), (end_ms, _, _) in pairwise(points):
        yield t_ms, state, active
        for reign in versions.reigns:
            if t_ms < reign.from_ms < end_ms:
                yield reign.from_ms, state, active


def _weighed(told: Mapping[str, Fraction], policy: Policy, batches: Mapping[str, Batch]) -> Weights:
    """What batches that share a node weigh, by the model's policy."""
    weights = dict(told)
    if policy.weights in ("mass", "pieces"):
        counted = {name: batches[name].counted(policy.weights) for name in told}
        # While one of them is not counted so, all weigh the same.
        full = all(counted.values())
        weights = {name: counted[name] or Fraction(1) for name in told} if full else {}
    if policy.weights == "equal" or not weights:
        weights = dict.fromkeys(told, Fraction(1))
    return tuple(sorted(weights.items()))


def _when(entry: Point | Start) -> int:
    return entry[0]


def _at(event: Event) -> int:
    return event.t_ms
