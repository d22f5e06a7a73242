"""What one record costs a running calculator that has many settled batches behind it.

`python -m bench.settled [--batches 10 100 1000]`

A press makes one batch a minute and is read once a minute, each batch is settled with the reading
after its stop. Then five more are made. `book`: the part of it that looks after the batches;
`figures`: how many rows are worked out for a record.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from calc_stream.ledger import book
from calc_stream.ledger.store import open_store
from calc_stream.site import Site
from tests.unit.calc_stream_live.plant import SITE, Plant, rules
from tests.unit.calc_stream_live.test_settled import a_batch_a_minute

_MORE = 5
_MOST_RATIO = 2.0  # of the book's time, with the most batches to the fewest


@dataclass
class Spent:
    """Milliseconds and rows of figures."""

    ms: float = 0.0
    calls: int = 0

    def timed(self, do: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*given: object, **named: object) -> object:
            began_s = time.process_time()
            try:
                return do(*given, **named)
            finally:
                self.ms += 1000 * (time.process_time() - began_s)
                self.calls += 1

        return timed


def measure(batches: int, folder: Path) -> tuple[float, float, float]:
    """ms a record, ms of it in the book, and rows of figures a record."""
    plant = Plant(folder)
    plant.model()
    plant.factors()
    plant.read((0, 1000))
    a_batch_a_minute(plant, range(batches))
    with closing(open_store(folder / "calc", create=True)) as store:
        site = Site(rules(), store, lambda: plant.writer.walk(SITE))
        for record in plant.writer.walk(SITE):
            site.take(record)
        assert sum(row.settled for row in site.book.rows.values()) == batches
        a_batch_a_minute(plant, range(batches, batches + _MORE))
        fresh = [record for record in plant.writer.walk(SITE) if record.offset > site.offset]
        whole, its, drawn = Spent(), Spent(), Spent()
        with (
            patch.object(book.Book, "follow", its.timed(book.Book.follow)),
            patch.object(book, "figures", drawn.timed(book.figures)),
        ):
            take = whole.timed(site.take)
            for record in fresh:
                take(record)
    return whole.ms / len(fresh), its.ms / len(fresh), drawn.calls / len(fresh)


def results(counts: list[int]) -> Iterator[tuple[int, float, float, float]]:
    for batches in counts:
        with tempfile.TemporaryDirectory() as folder:
            yield batches, *measure(batches, Path(folder))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--batches", type=int, nargs="+", default=[10, 100, 1000])
    found = []
    for batches, ms, book_ms, figures in results(parser.parse_args().batches):
        print(f"{batches:6} settled {ms:8.2f} ms {book_ms:8.2f} book {figures:8.2f} figures")
        found.append(book_ms)
    missed = found[-1] > _MOST_RATIO * found[0]
    print(f"wanted: at most {_MOST_RATIO} times{', missed' if missed else ''}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
