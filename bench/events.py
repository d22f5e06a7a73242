"""What one production event costs a running calculator that has many batches behind it.

`python -m bench.events [--batches 10 1000]`

Ten machines make batches in turn, each told by four events and read once a minute; then more comes:
what happens now, and what is told late of the middle of all that. Milliseconds of processor by what
is told, the middle one of several: all that the calculator does with the record, on the way to its rows.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np

from calc_stream.core import Chunk, Event, Registers, parse_event
from calc_stream.core.decimals import instant
from calc_stream.ledger.store import open_store
from calc_stream.site import Site
from tests.unit.calc_stream_live.plant import MODEL, SITE, T0, Plant, rules

_MACHINES = 10
_METERS = ["m", "m-press", *(f"m{n}" for n in range(_MACHINES))]
_EACH_S = 600
_ROUNDS = 9
_MOST_RATIO = 2.0  # of an event's time, with the most batches to the fewest


def model() -> str:
    """The plant's, with more machines."""
    text = MODEL
    for n in range(_MACHINES):
        text = text.replace("[nodes.press]\n", f"[nodes.n{n}]\n[nodes.press]\n")
        text += f'[[meters]]\nid = "m{n}"\nfrom = "main"\nto = "n{n}"\nunit = "kWh"\n'
    return text


def history(batches: int) -> Chunk:
    """So many batches, with the readings of their time."""
    end_s = _end_s(batches)
    times = T0 + np.arange(0, end_s + 1, 60) * 1000
    rates = [20 * _MACHINES, 0, *([10] * _MACHINES)]
    readings = tuple(
        Registers(meter, times, np.arange(times.size) * rate, -3)
        for meter, rate in zip(_METERS, rates, strict=True)
    )
    return Chunk(events=tuple(_events(batches)), readings=readings)


def told(plant: Plant, batches: int, number: int) -> Iterator[str]:
    """Writes what comes next into the journal, record by record: what each one is."""
    now, then = _end_s(batches) + 60 * number, _end_s(batches) // 2
    node, new, old = f"n{number % _MACHINES}", f"N{number}", f"B{batches // 2}"
    plant.event(f"x{number}", now + 5, "state", node=node, state="setup")
    yield "state"
    plant.event(f"a{number}", now + 9, "start", node=node, batch=new, product="wheel")
    yield "start"
    plant.event(f"b{number}", now + 50, "stop", node=node, batch=new)
    yield "stop"
    plant.event(f"c{number}", now + 50, "quantity", batch=new, good="2", unit="piece")
    yield "quantity"
    plant.event(f"v{number}", now + 55, "void", of=f"x{number}")
    yield "void"
    plant.event(f"y{number}", then + 100 + number, "state", node=node, state="fault")
    yield "late state"
    plant.event(f"z{number}", then, "quantity", batch=old, good="1", unit="piece")
    yield "late quantity"
    plant.event(f"w{number}", then, "void", of=f"y{number}")
    yield "late void"
    plant.read((now + 60, 10**7 + number), meters=_METERS)
    yield "reading"


def measure(batches: int, folder: Path) -> dict[str, float]:
    """ms of processor by what is told."""
    plant = Plant(folder)
    plant.model(model())
    spent: dict[str, list[float]] = {}
    with closing(open_store(folder / "calc", create=True)) as store:
        site = Site(rules(), store, lambda: plant.writer.walk(SITE))
        _take(plant, site)
        site.state.apply(history(batches))
        plant.factors()  # with which all is looked at
        _take(plant, site)
        assert len(site.book.rows) == batches
        for number in range(_ROUNDS):
            for what in told(plant, batches, number):
                spent.setdefault(what, []).append(_take(plant, site))
    return {what: statistics.median(own) for what, own in spent.items()}


def results(counts: list[int]) -> Iterator[tuple[int, dict[str, float]]]:
    for batches in counts:
        with tempfile.TemporaryDirectory() as folder:
            yield batches, measure(batches, Path(folder))


def _take(plant: Plant, site: Site) -> float:
    """What is new in the journal; ms of processor."""
    fresh = [record for record in plant.writer.walk(SITE) if record.offset > site.offset]
    began_s = time.process_time()
    for record in fresh:
        site.take(record)
    return 1000 * (time.process_time() - began_s)


def _events(batches: int) -> Iterator[Event]:
    for n in range(batches):
        at, node, batch = n // _MACHINES * _EACH_S, f"n{n % _MACHINES}", f"B{n}"
        yield _event(f"s{n}", at + 10, "state", node=node, state="setup")
        yield _event(f"a-{n}", at + 30, "start", node=node, batch=batch, product="wheel")
        yield _event(f"b-{n}", at + 530, "stop", node=node, batch=batch)
        yield _event(f"c-{n}", at + 530, "quantity", batch=batch, good="2", unit="piece")


def _event(name: str, at_s: int, kind: str, **said: str) -> Event:
    told = {"id": name, "t": instant(T0 + at_s * 1000), "type": kind, **said}
    return parse_event(msgspec.json.encode(told).decode())


def _end_s(batches: int) -> int:
    return (batches // _MACHINES + 1) * _EACH_S


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--batches", type=int, nargs="+", default=[10, 1000])
    found = []
    for batches, spent in results(parser.parse_args().batches):
        each = "  ".join(f"{what} {ms:.2f}" for what, ms in spent.items())
        print(f"{batches:6} batches  {each}  ms")
        found.append({what: ms for what, ms in spent.items() if what != "reading"})
    first, last = found[0], found[-1]
    ratio = sum(last.values()) / sum(first.values())
    worst = max(last, key=lambda what: last[what] / first[what])
    missed = ratio > _MOST_RATIO
    print(f"an event: {ratio:.2f} times; most, a {worst}: {last[worst] / first[worst]:.2f} times")
    print(f"wanted: at most {_MOST_RATIO} times{', missed' if missed else ''}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
