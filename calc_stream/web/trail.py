"""One batch, taken apart: its ledger, its timeline, how sure it is, what it stands on, the readings."""

from collections.abc import Collection, Iterable, Iterator
from contextlib import closing
from typing import Annotated

import msgspec
import numpy as np
from fastapi import APIRouter, Query, Request, Response

from calc_stream.core import Postings
from calc_stream.core.decimals import significant
from calc_stream.core.timeline import NodeTimeline
from calc_stream.evidence.budget import accounts_of
from calc_stream.evidence.readings import ReadingOf, readings_of
from calc_stream.explanation import Explanation, explain, row_of
from calc_stream.ledger.figures import texts
from calc_stream.ledger.rows import BatchRow
from calc_stream.site import Site
from calc_stream.web.behind import Behind, json
from calc_stream.web.described import describe, of
from calc_stream.web.guard import needs
from calc_stream.web.paging import MOST_MS, After, Limit, cursor, link, place
from calc_stream.web.power import power_of
from calc_stream.web.problems import Problem, bad_data, not_now, unknown
from wire.errors import BadData, ConfigError
from wire.journal import open_reader

_Place = tuple[int, int, str, str, str]  # from, to (ms), account, node, state
_MOST_POINTS = 600
_MOST_READINGS = 1000


class Interval(msgspec.Struct, frozen=True):
    """From edge to edge: what was posted, by source in the source's unit."""

    from_ms: int
    to_ms: int
    amounts: dict[str, str]


class Account(msgspec.Struct, frozen=True):
    """An account at one node in one state: the batch's own, or that of what it was made of, of which
    `counts` went into it. `amounts`: the sum of all intervals, also those of other parts of the list.
    """

    account: str
    node: str
    state: str
    counts: str
    amounts: dict[str, str]
    intervals: list[Interval]


class Ledger(msgspec.Struct, frozen=True):
    """Direct energy only: what pools and input batches gave stands in the batch's row."""

    batch: str
    offset: int
    accounts: list[Account]
    units: dict[str, str]
    next: str | None


class Phase(msgspec.Struct, frozen=True):
    from_ms: int
    to_ms: int
    state: str
    batches: list[str]


class NodeTrack(msgspec.Struct, frozen=True):
    """`power`: [ms, W], means of what the registers of the meters that feed the node counted."""

    node: str
    states: list[Phase]
    power: list[tuple[int, int]]


class Timeline(msgspec.Struct, frozen=True):
    batch: str
    from_ms: int
    to_ms: int
    nodes: list[NodeTrack]


class HowSure(msgspec.Struct, frozen=True):
    """The figure that was stated last, and half of its 95 % interval (k = 2), both for one unit. `u95`:
    None where it is not known, or is still worked out (`due`)."""

    batch: str
    revision: int
    kg_co2e_per_unit: str | None
    u95: str | None
    due: bool


class ReadingsBehind(msgspec.Struct, frozen=True):
    """Registers as they were read, in the meter's unit, with the journal's record that holds each."""

    meter: str
    unit: str
    readings: list[ReadingOf]
    next: str | None


_LEDGER = Ledger(
    *("B-0007", 4711),
    [
        Account(
            *("batch:B-0007", "press-1", "producing", "1", {"grid": "64.000000"}),
            [Interval(1_795_651_200_000, 1_795_651_260_000, {"grid": "1.200000"})],
        )
    ],
    *({"grid": "kWh"}, None),
)
_TIMELINE = Timeline(
    *("B-0007", 1_795_651_200_000, 1_795_653_000_000),
    [
        NodeTrack(
            "press-1",
            [Phase(1_795_651_200_000, 1_795_653_000_000, "producing", ["B-0007"])],
            [(1_795_651_200_000, 41_200)],
        )
    ],
)
_READINGS = ReadingsBehind(
    *("m-press-1", "kWh"),
    [ReadingOf(1_795_651_200_000, "12345.678", "good", 4711, "gw-1/5f3a/17", "9f86…")],
    None,
)


def routes(behind: Behind) -> APIRouter:
    router = APIRouter(prefix="/v1/batches", tags=["batch"], dependencies=[needs("viewer")])

    @router.get("/{batch:path}/ledger", **describe(of(Ledger, _LEDGER), problems=(404, 503)))
    def ledger(request: Request, batch: str, limit: Limit = 1000, after: After = "") -> Response:
        """Every posting to a batch's account, interval by interval."""
        begin = place(after, tuple[int, int, str, str, str])
        found = behind.ask(lambda site: _ledger(site, _row(site, batch), limit, begin))
        return json(found, headers=link(request, found.next))

    @router.get("/{batch:path}/timeline", **describe(of(Timeline, _TIMELINE), problems=(404, 503)))
    def timeline(batch: str) -> Response:
        """States and power of the nodes it ran on, from its first start to its last stop."""
        return json(behind.ask(lambda site: _timeline(site, _row(site, batch))))

    example = HowSure("B-0007", 1, "0.369728", "0.0042", False)

    @router.get("/{batch:path}/u95", **describe(of(HowSure, example), problems=(404, 503)))
    def how_sure(batch: str) -> Response:
        """How sure a batch's figure is: worked out when somebody asks, and there a little later."""
        row = behind.ask(lambda site: site.book.latest.get(batch) or _row(site, batch))
        u95, due = behind.doubts.of(row), behind.doubts.is_due(row)
        return json(HowSure(row.batch, row.revision, row.kg_co2e_per_unit, u95, due))

    @router.get("/{batch:path}/explain", **describe(of(Explanation, None), problems=(404, 503)))
    def explained(
        batch: str, revision: Annotated[int | None, Query(ge=1, le=2**31)] = None
    ) -> Response:
        """What its footprint stands on, computed again from the journal: as `wattprint explain`."""
        row = row_of(behind.store, behind.site, batch, revision)
        if row is None:
            what = f"batch {batch!r}" + (f" of revision {revision}" if revision else "")
            raise Problem(404, f"the ledger on disk has no {what}")
        # It walks the whole journal: one at a time leaves a core to the rest.
        with behind.walking, closing(open_reader(behind.journal)) as reader:
            try:
                return json(explain(behind.store, reader, behind.site, row))
            except (ConfigError, BadData) as exc:
                raise not_now(str(exc), 60) from exc

    @router.get(
        "/{batch:path}/readings", **describe(of(ReadingsBehind, _READINGS), problems=(404, 503))
    )
    def readings(
        request: Request,
        batch: str,
        meter: Annotated[str, Query(min_length=1, max_length=128)],
        from_ms: Annotated[int, Query(ge=0, le=MOST_MS)],
        to_ms: Annotated[int, Query(ge=0, le=MOST_MS)],
        limit: Limit = _MOST_READINGS,
        after: After = "",
    ) -> Response:
        """Each register of a meter, from the sealed segments."""
        begin = place(after, tuple[int, int])
        unit = behind.ask(lambda site: _unit(site, _row(site, batch), meter))
        if not 0 < to_ms - from_ms <= 366 * 86_400_000:
            raise bad_data("to_ms: is after from_ms, at most a year")
        with behind.walking, closing(open_reader(behind.journal)) as reader:
            found = readings_of(reader, behind.site, meter, unit, (from_ms, to_ms))
        left = [r for r in found if begin is None or (r.t_ms, r.offset) > begin]
        part = left[:limit]
        following = cursor(part[-1].t_ms, part[-1].offset) if len(left) > limit else None
        return json(ReadingsBehind(meter, unit, part, following), headers=link(request, following))

    return router


def _row(site: Site, batch: str) -> BatchRow:
    row = site.book.rows.get(batch)
    if row is None:
        raise unknown("batch", batch)
    return row


def _unit(site: Site, _known: BatchRow, meter: str) -> str:
    versions = site.state.versions
    if versions is None or meter not in versions.meters:
        raise unknown("meter", meter)
    return versions.meters[meter].unit


def _ledger(site: Site, row: BatchRow, limit: int, begin: _Place | None) -> Ledger:
    state, versions = site.state, site.state.versions
    if versions is None:
        raise unknown("batch", row.batch)
    counts = accounts_of(state.batches, row.batch)
    posted: dict[_Place, dict[str, int]] = {}
    for page in state.pages.values():
        for where, source, quanta in _postings(page, counts):
            own = posted.setdefault(where, {})
            own[source] = own.get(source, 0) + quanta
    places = sorted(where for where in posted if begin is None or where > begin)
    part = places[:limit]
    accounts = [
        Account(
            *key,
            significant(counts[key[0]], 6),
            texts(versions, _summed(own for where, own in posted.items() if where[2:] == key)),
            [Interval(*w[:2], texts(versions, posted[w])) for w in part if w[2:] == key],
        )
        for key in sorted({where[2:] for where in posted}, key=lambda key: _first(key, row.batch))
    ]
    units = {source: versions.carrier_of(source).unit for own in posted.values() for source in own}
    following = cursor(*part[-1]) if len(places) > limit else None
    return Ledger(row.batch, site.offset, accounts, units, following)


def _first(key: tuple[str, str, str], batch: str) -> tuple[bool, tuple[str, str, str]]:
    """The batch's own account before those of what it was made of."""
    return key[0] != f"batch:{batch}", key


def _summed(parts: Iterable[dict[str, int]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for part in parts:
        for source, quanta in part.items():
            sums[source] = sums.get(source, 0) + quanta
    return sums


def _postings(page: Postings, names: Collection[str]) -> Iterator[tuple[_Place, str, int]]:
    mine = [at for at, account in enumerate(page.accounts) if account.name in names]
    for at in np.flatnonzero(np.isin(page.account, mine)).tolist():
        account = page.accounts[page.account[at]]
        where = (int(page.starts[at]), int(page.ends[at]), *account)
        yield where, page.sources[page.source[at]], int(page.quanta[at])


def _timeline(site: Site, row: BatchRow) -> Timeline:
    state = site.state
    from_ms = row.started_ms or 0
    to_ms = max(from_ms, row.ended_ms or max(state.frontier_ms or 0, site.told.now_ms))
    nodes = [
        NodeTrack(
            node,
            list(_phases(state.nodes[node], from_ms, to_ms)) if node in state.nodes else [],
            power_of(state, node, (from_ms, to_ms), _MOST_POINTS),
        )
        for node in row.nodes
    ]
    return Timeline(row.batch, from_ms, to_ms, nodes)


def _phases(timeline: NodeTimeline, from_ms: int, to_ms: int) -> Iterator[Phase]:
    for stretch, lasts_ms in timeline.within(from_ms, to_ms):
        begin_ms = max(stretch.from_ms, from_ms)
        batches = [batch for batch, _ in stretch.active]
        yield Phase(begin_ms, begin_ms + lasts_ms, stretch.state, batches)
