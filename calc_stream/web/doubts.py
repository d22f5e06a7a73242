"""How sure the factors of closed batches are: worked out one at a time, when nobody waits."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping
from fractions import Fraction

from calc_stream.core.decimals import parse_fraction, significant
from calc_stream.engines.embedded import Engine
from calc_stream.footprints.doubt import joint_budget
from calc_stream.ledger.figures import Basis
from calc_stream.ledger.rows import BatchRow
from calc_stream.site import Site

_MOST = 5000
_PAUSE_S = 0.5
_SHARE = 5  # one that took 1 s is followed by 5 s for the calculator alone
# Meters times intervals: all windows of its pools count, with stores all of the past, and the calculator
# waits. Beyond about a second (a day of minutes with 200 meters) only `explain` tells.
_MOST_CELLS = 300_000


class Doubts:
    """Remembers U95 by batch and revision; asked for one that is not known yet, works it out. By another
    model or other factors it may be another one though the figure is the same: all are forgotten."""

    def __init__(self) -> None:
        self._basis: tuple[Mapping[int, str], str | None] | None = None  # hashes: models, factors
        self._known: OrderedDict[tuple[str, int], str | None] = OrderedDict()
        self._asked: OrderedDict[tuple[str, int], BatchRow] = OrderedDict()

    def of(self, row: BatchRow) -> str | None:
        """In kg CO2e per unit; None where it is not known, or not yet."""
        key = row.batch, row.revision
        if self.is_due(row):
            self._asked[key] = row
        return self._known.get(key)

    def is_due(self, row: BatchRow) -> bool:
        """Whether it is still to be worked out."""
        return row.kg_co2e_per_unit is not None and (row.batch, row.revision) not in self._known

    async def run(self, engine: Engine) -> None:
        """Until cancelled."""
        while True:
            began_s = time.monotonic()
            await asyncio.to_thread(self._work, engine)
            await asyncio.sleep(max(_PAUSE_S, _SHARE * (time.monotonic() - began_s)))

    def _work(self, engine: Engine) -> None:
        with engine.lock:
            basis = engine.site.basis if engine.site else None
            if engine.site is None or basis is None:
                return
            hashes = basis.model_hashes, basis.factor_hash
            if hashes != self._basis:
                self._basis = hashes
                self._known.clear()
            if self._asked:
                key, row = self._asked.popitem()  # the newest question first
                self._known[key] = _u95(engine.site, basis, row)
        while len(self._known) > _MOST:
            self._known.popitem(last=False)


def _u95(site: Site, basis: Basis, row: BatchRow) -> str | None:
    """Of the row as it stands; None once another revision does."""
    if site.book.latest.get(row.batch) != row:
        return None
    rates = basis.rates if row.spread else basis.plain
    found = joint_budget(site.state, [row], rates, _MOST_CELLS)
    if found is None or found.kg is None or found.kg.u95 is None:
        return None
    good = parse_fraction(row.good)
    return significant(Fraction(found.kg.u95) / good, 6) if good else None
