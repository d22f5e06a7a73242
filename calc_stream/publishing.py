"""Makes published factors from a ledger and its journal.

Everything is read from the disk in one look, so what is published follows from a prefix of the journal
and from what is declared, and no kill makes it another or makes it twice.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from calc_stream.core import SiteState
from calc_stream.factors import FactorSet, Method, Rates, given_of
from calc_stream.footprints.declaration import Declaration
from calc_stream.footprints.doubt import joint_budget
from calc_stream.footprints.due import (
    Due,
    Key,
    Lines,
    Rules,
    Standing,
    due,
    emptied,
    lines_of,
    standing_for,
    taken_over,
)
from calc_stream.footprints.factor import Basis, Occasion, draw_up
from calc_stream.footprints.footprint import Footprint
from calc_stream.footprints.period import Period
from calc_stream.footprints.shelf import Shelf
from calc_stream.ledger.book import upto_ms
from calc_stream.ledger.rows import BatchRow
from calc_stream.ledger.store import Store
from calc_stream.silence import Patience, Told
from wire.errors import BadData, ConfigError
from wire.journal import Reader, heads

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Terms:
    """What a site's footprints depend on besides its ledger and journal."""

    site: str
    method: Method
    lateness_ms: int
    patience: Patience
    rules: Rules
    declaration: Declaration | None = None


@dataclass(frozen=True)
class _Look:
    """One look at the disk."""

    state: SiteState
    standing: Standing
    newest: list[Footprint]
    hashes: dict[str, str]


@dataclass
class Publisher:
    """`look` publishes what is due; one process may do so while another does it by hand.

    `refused`: of what there can be none, for the batches it stands on; it is looked at once.
    """

    store: Store
    shelf: Shelf
    reader: Reader
    terms: Terms
    now_ms: Callable[[], int]
    refused: set[Key] = field(default_factory=set)

    def look(self) -> list[Footprint]:
        """What was published now. Raises TransientError."""
        look, made = self._look(), list[Footprint]()
        while look is not None:
            fresh = self._publish(look)
            if not fresh:
                break
            made += fresh
            look = replace(look, newest=self.shelf.newest(self.terms.site))
        return made

    def ask(self, product: str, period: Period) -> tuple[Footprint, bool]:
        """By hand: (the footprint that stands then, whether it is new). Raises ConfigError."""
        look = self._look()
        if look is None:
            raise ConfigError("publish: the ledger has no model yet")
        lines = _wanted(look.standing, self.terms.rules, product, period)
        over = look.standing.told_ms >= period.end_ms
        if over and lines.open:
            raise ConfigError(
                f"publish: of {period.name} are not settled yet: {', '.join(lines.open[:5])}"
            )
        if not lines.settled:
            raise ConfigError(f"publish: no batch of {product} that ended in {period.name} settled")
        end_ms = period.end_ms if over else lines.end_ms
        stands = standing_for(lines, self.terms.method.id, look.newest)
        every, newest = self.terms.rules.every, look.newest
        left = emptied(lines_of(look.standing, every), look.standing, newest, every)
        supersedes = (*((stands.id,) if stands else ()), *taken_over(lines, left))
        try:
            footprint = self._draw_up(look, Due(lines, end_ms, "asked", supersedes))
        except BadData as exc:
            raise ConfigError(f"publish: {exc}") from exc
        # What was withdrawn is no answer: who asks for its period again wants it published again.
        is_there = stands is not None and stands.id not in self.shelf.withdrawn(self.terms.site)
        if stands is not None and is_there and _says_the_same(stands, footprint):
            return stands, False
        return footprint, self.shelf.add(footprint)

    def _publish(self, look: _Look) -> list[Footprint]:
        """The first of each product: whether the next one drifted depends on it."""
        made: dict[str, Footprint] = {}
        for each in due(look.standing, look.newest, self.terms.rules):
            product, period = each.lines.product, each.lines.period.name
            if product in made or each.key in self.refused:
                continue
            try:
                footprint = self._draw_up(look, each)
            except BadData as exc:
                log.warning("no footprint of %s for %s: %s", product, period, exc)
                self.refused.add(each.key)
                continue
            if self.shelf.add(footprint):
                log.info("footprint %s of %s for %s: %s kg CO2e (%s)", *_told(footprint))
                made[product] = footprint
        return list(made.values())

    def _look(self) -> _Look | None:
        site = self.terms.site
        with self.store.still():
            _, data, kept = self.store.state(site)
            state = SiteState.from_bytes(data)
            rows, latest = self.store.rows(site), self.store.latest(site)
            hashes = self.store.hashes(site)
        told = msgspec.json.decode(kept, type=Told) if kept else Told()
        standing = standing_of(self.terms, state, told, rows, latest)
        if standing is None:
            return None
        return _Look(state, standing, self.shelf.newest(site), hashes)

    def _draw_up(self, look: _Look, each: Due) -> Footprint:
        """Raises BadData."""
        basis = self._basis(look, each.lines)
        budget = joint_budget(look.state, each.lines.settled, basis.rates)
        occasion = Occasion(
            each.lines.period,
            each.end_ms,
            each.cause,
            self.now_ms(),
            self.terms.rules.validity_ms,
            each.supersedes,
        )
        made = draw_up(each.lines.settled, look.hashes, basis, budget, occasion)
        return self._proven(msgspec.structs.replace(made, upto=look.state.offset))

    def _basis(self, look: _Look, lines: Lines) -> Basis:
        versions, terms = look.state.versions, self.terms
        factors = self._factors(look.state.offset)
        if versions is None or factors is None:
            raise BadData("the journal holds no factors yet")
        declared = terms.declaration.of(lines.product) if terms.declaration else None
        rates = Rates(versions, factors, terms.method)
        rates = rates.covered(given_of(look.state.sums())) if rates.contracts else rates
        return Basis(terms.site, terms.method, versions, factors, rates, look.state.lots, declared)

    def _factors(self, upto: int) -> FactorSet | None:
        """The set in force at an offset: the last one that can be used."""
        for record in reversed(self.reader.of_kind(self.terms.site, "factor")):
            if record.offset <= upto:
                try:
                    return FactorSet.decode(record.data)
                except BadData:
                    continue  # the engine passed it over, too, and lists it as a problem
        return None

    def _proven(self, footprint: Footprint) -> Footprint:
        """With the first tree head that stands for its records, where one does already."""
        records = self.reader.of_kind(self.terms.site, heads.KIND)
        for head in map(heads.read_head, records):
            if head.size >= footprint.evidence.offset:
                its = msgspec.structs.replace(footprint.evidence, size=head.size, root=head.root)
                return msgspec.structs.replace(footprint, evidence=its)
        return footprint


def told_ms(terms: Terms, state: SiteState, told: Told) -> int:
    """Up to when nothing more can come, or it is late: as batches are closed."""
    return upto_ms(state, told.events_ms(terms.patience), terms.lateness_ms)


def standing_of(
    terms: Terms,
    state: SiteState,
    told: Told,
    rows: Sequence[BatchRow],
    latest: Sequence[BatchRow],
) -> Standing | None:
    """The site as its state and batches say; None before there is a model."""
    if state.versions is None:
        return None
    return Standing(
        zone=state.versions.reigns[-1].model.timezone,
        method=terms.method.id,
        told_ms=told_ms(terms, state, told),
        rows=rows,
        latest=latest,
        lots=dict(state.lots),
        declaration=terms.declaration,
    )


def _wanted(standing: Standing, rules: Rules, product: str, period: Period) -> Lines:
    """Raises ConfigError, also for a period of another length than those that are published."""
    found = [each for each in lines_of(standing, rules.every) if each.product == product]
    mine = [each for each in found if each.period == period]
    if len(mine) > 1:
        units = ", ".join(each.unit for each in mine)
        raise ConfigError(f"publish: {product} is counted in {units}: count it in one unit")
    if not mine:
        known = ", ".join(sorted({each.period.name for each in found})) or "none"
        raise ConfigError(
            f"publish: no batch of {product} ended in {period.name}; there are: {known}"
        )
    return mine[0]


def _says_the_same(one: Footprint, other: Footprint) -> bool:
    """But for what it takes the place of."""
    plain = [
        msgspec.structs.replace(
            each,
            id="",
            supersedes=(),
            published_ms=0,
            cause="asked",
            evidence=one.evidence,
            upto=0,
        )
        for each in (one, other)
    ]
    return plain[0] == plain[1]


def _told(footprint: Footprint) -> Iterator[str]:
    for key in ("id", "product", "period", "kg_co2e", "cause"):
        yield getattr(footprint, key)
