"""Pure: what would become of a site's batches if these events were told, and what contradicts."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from calc_stream.core import BadLine, Batch, Event, Problem, Reason, because, parse_event
from calc_stream.core.batches import batches_of
from calc_stream.core.course import timelines
from calc_stream.core.events import in_force
from calc_stream.core.genealogy import rings
from calc_stream.core.timeline import NodeTimeline
from calc_stream.site import Site
from calc_stream.web.sheets import Line


class Wrong(msgspec.Struct, frozen=True):
    """`line`: of the list or table, 0 where an event told before is contradicted (`event`). `code` and
    `values`, where there are any, say the same as `text`, for those who say it in their own words."""

    line: int
    key: str
    text: str
    code: str = ""
    values: dict[str, str] = {}
    event: str = ""


class Effect(msgspec.Struct, frozen=True):
    """`what`: new, changed or gone."""

    batch: str
    what: str


class Trial(msgspec.Struct, frozen=True):
    """What would come of it: how many would be `accepted` (all or none), and what stands against."""

    accepted: int
    problems: list[Wrong]
    effects: list[Effect]


def effects_of(site: Site, lines: Sequence[Line]) -> tuple[list[Wrong], list[Effect]]:
    """The site may not change meanwhile; it is not changed."""
    state = site.state
    fresh: dict[str, Event] = {}
    at: dict[str, int] = {}
    wrong: list[Wrong] = []
    for line in lines:
        try:
            event = parse_event(msgspec.json.encode(line.event).decode())
        except BadLine as exc:
            wrong.append(_wrong(line.number, exc.key, exc.reason))
            continue
        earlier = state.events.get(event.id) or fresh.get(event.id)
        if earlier is not None and earlier != event:
            wrong.append(_wrong(line.number, "id", because("told_before")))
            continue
        fresh[event.id], at[event.id] = event, line.number
    if state.periods is None:
        return wrong, []
    standing, problems = in_force({**state.events, **fresh}.values())
    batches, more = batches_of(standing)
    nodes, yet_more = timelines(state.periods.versions, standing, batches)
    known = {_said(problem) for problem in state.problems()}
    for problem in (*problems, *more, *rings(batches, batches), *yet_more):
        if _said(problem) not in known:
            line_number = at.get(problem.event.id, 0)
            about = "" if line_number else problem.event.id
            wrong.append(_wrong(line_number, problem.key, problem.reason, about))
    touched = set(_touched(state.nodes, nodes))
    return wrong, list(_effects(state.batches, batches, touched))


def _said(problem: Problem) -> tuple[str, str, str]:
    return problem.event.id, problem.key, problem.text


def _wrong(line: int, key: str, reason: Reason | str, event: str = "") -> Wrong:
    text = f"{event}: {reason}" if event else str(reason)
    said = reason if isinstance(reason, Reason) else Reason("", {})
    return Wrong(line, key, text, said.code, said.values, event)


def _touched(
    before: Mapping[str, NodeTimeline], after: Mapping[str, NodeTimeline]
) -> Iterator[str]:
    """Batches that get something else somewhere."""
    for name, timeline in after.items():
        old = set(before[name].stretches) if name in before else set()
        for stretch in old ^ set(timeline.stretches):
            yield from (batch for batch, _ in stretch.active)


def _effects(
    before: Mapping[str, Batch], after: Mapping[str, Batch], touched: set[str]
) -> Iterator[Effect]:
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old is None:
            yield Effect(name, "new")
        elif new is None or (old.first_start_ms is not None and new.first_start_ms is None):
            yield Effect(name, "gone")
        elif old != new or name in touched:
            yield Effect(name, "changed")
