"""What a product's month costs to publish, by how many batches it has.

`python -m bench.footprints [--batches 50 500 5000]`

A press makes one batch a minute, all are settled, and the month is over. `publish`: the calculator's
own step, after a batch of it was restated; `by hand`: `wattprint footprint publish`, which finds that
it says so already; `look`: what the calculator does where nothing became due; `list`: what the page's list
takes from the shelf. Processor milliseconds for a batch; `memory`: the peak of what the first publishing
held, KiB for a batch. Wanted: of each, the most batches take at most twice a batch what the fewest take.
"""

import argparse
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from calc_stream.core import SiteState
from calc_stream.factors import load_method
from calc_stream.footprints.due import Rules, Standing, due
from calc_stream.footprints.period import named_period
from calc_stream.footprints.shelf import Shelf, open_shelf
from calc_stream.ledger.store import Store, open_store
from calc_stream.publishing import Publisher, Terms, standing_of
from calc_stream.silence import Told
from tests.unit.calc_stream_live.plant import SITE, T0, Plant, rules, run_to_end

_MOST_RATIO = 2.0
_MONTH_OVER_S = 12 * 86_400
_TERMS = Terms(SITE, load_method("gbt24067"), 0, rules().patience, Rules())
T = TypeVar("T")


@dataclass
class Month:
    """A journal, its ledger and its shelf."""

    plant: Plant
    batches: int

    @property
    def state(self) -> Path:
        return self.plant.folder / "calc"

    def make(self) -> None:
        """All at once, so that the engine takes it at once."""
        for n in range(self.batches):
            at, batch = 60 * n, f"B{n}"
            self.plant.event(f"a{n}", at + 5, "start", node="press", batch=batch, product="wheel")
            self.plant.event(f"b{n}", at + 50, "stop", node="press", batch=batch)
            self.plant.event(f"c{n}", at + 50, "quantity", batch=batch, good="2", unit="piece")
        self.plant.model()
        self.plant.factors()
        self.plant.read(*((60 * n, 1000 * (n + 2)) for n in range(self.batches + 1)))
        self.plant.read((_MONTH_OVER_S, 1000 * (self.batches + 2)))

    def restate(self) -> None:
        self.plant.event("again", 60, "quantity", batch="B0", good="1", unit="piece")

    def asked(self, ask: Callable[[Publisher, Store, Shelf], T]) -> T:
        """After the engine has followed."""
        run_to_end(self.plant, self.state).close()
        with closing(open_store(self.state)) as store, closing(open_shelf(self.state)) as shelf:
            return ask(Publisher(store, shelf, self.plant.writer, _TERMS, lambda: T0), store, shelf)


def first(its: Publisher, _store: Store, _shelf: Shelf) -> float:
    """KiB."""
    tracemalloc.start()
    made = its.look()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [each.cause for each in made] == ["period"]
    return peak / 1024


def again(its: Publisher, store: Store, shelf: Shelf) -> list[float]:
    """Milliseconds of `publish`, `by hand`, `look` and `list`."""
    made, publish = _timed(its.look)
    (footprint,) = made
    assert footprint.cause == "restated"
    period = named_period(footprint.period, footprint.timezone)
    (_, is_new), by_hand = _timed(lambda: its.ask("wheel", period))
    assert not is_new
    _, data, told = store.state(SITE)
    site, heard = SiteState.from_bytes(data), msgspec.json.decode(told, type=Told)
    rows, latest = store.rows(SITE), store.latest(SITE)

    def nothing() -> Standing | None:
        standing = standing_of(_TERMS, site, heard, rows, latest)
        assert standing is not None
        assert not due(standing, shelf.newest(SITE), _TERMS.rules)
        return standing

    return [publish, by_hand, _timed(nothing)[1], _timed(lambda: shelf.of(SITE, "wheel"))[1]]


def _timed(do: Callable[[], T]) -> tuple[T, float]:
    began_s = time.process_time()
    found = do()
    return found, 1000 * (time.process_time() - began_s)


def results(counts: list[int]) -> Iterator[tuple[int, list[float]]]:
    for batches in counts:
        with tempfile.TemporaryDirectory() as folder:
            month = Month(Plant(Path(folder)), batches)
            month.make()
            held = month.asked(first)
            month.restate()
            found = [*month.asked(again), held]
            month.plant.writer.close()
            yield batches, [spent / batches for spent in found]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--batches", type=int, nargs="+", default=[50, 500, 5000])
    print(
        f"{'batches':>8} {'publish':>9} {'by hand':>9} {'look':>9} {'list':>9} ms {'memory':>9} KiB"
    )
    found = []
    for batches, (*ms, kib) in results(parser.parse_args().batches):
        print(f"{batches:8}", *(f"{each:9.4f}" for each in ms), "  ", f"{kib:9.1f}", flush=True)
        found.append([*ms, kib])
    ratios = [most / fewest for fewest, most in zip(found[0], found[-1], strict=True)]
    missed = max(ratios) > _MOST_RATIO
    told = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    print(f"ratios {told}; wanted: at most {_MOST_RATIO}{', missed' if missed else ''}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
