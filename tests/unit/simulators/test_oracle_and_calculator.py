"""Two computations that share no code, on plants nobody designed: loops, links, swaps and gaps."""

import argparse
import json
import random
import tomllib
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pytest

from calc_stream.commands import compute as command
from simulators.oracle import compute
from tests.unit.calc_stream.plants import EDGES, STATES, model_text, some_meter, some_time


def stamp(t_ms: int) -> str:
    return datetime.fromtimestamp(t_ms / 1000, UTC).isoformat(timespec="milliseconds")


def some_readings(rng: random.Random, edges: list[tuple[str, ...]]) -> list[dict[str, Any]]:
    def shown(register: tuple[int, int]) -> str:
        return f"{register[0] // 1000}.{register[0] % 1000:03d}"

    rows: list[dict[str, Any]] = []
    for meter, *_ in edges:
        registers, swaps = some_meter(rng, meter, 3)
        for _, t_ms, mantissa, quality in registers:
            at = {"meter": meter, "t": stamp(t_ms), "quality": quality}
            rows.append({**at, "register": shown((mantissa, -3))})
        for _, swap in swaps:
            ends = {"closing": shown(swap.closing), "opening": shown(swap.opening)}
            rows.append({"meter": meter, "t": stamp(swap.t_ms), "event": "swap", **ends})
    return rows


def some_events(rng: random.Random) -> list[dict[str, Any]]:
    """Batches one after the other on each of two nodes, some of no length, and states between."""
    events: list[dict[str, Any]] = []
    for node in ("n1", "n2"):
        for t_ms in sorted({some_time(rng) for _ in range(rng.randrange(6))}):
            n, batch = len(events), rng.choice("ABC")
            event = {"id": f"e{n}", "t": stamp(t_ms), "node": node}
            begun = {"type": "start", "batch": f"{batch}{n}", "product": batch, "weight": "0.35"}
            told = rng.choice([begun, {"type": "state", "state": rng.choice(STATES)}])
            events.append(event | told)
            if told is begun and rng.random() < 0.3:
                events.append(event | {"id": f"e{n + 1}", "type": "stop", "batch": f"{batch}{n}"})
    return events


@pytest.mark.parametrize("seed", range(60))
def test_every_account_is_within_a_quantum_an_interval(seed, tmp_path, capsysbinary):
    rng = random.Random(seed)
    edges = rng.sample(EDGES, rng.choice([6, 10, 13, 13]))
    text = model_text(
        edges, rng.choice([2, 20]), residual=rng.choice(["account", "spread", "links"])
    )
    events, readings = some_events(rng), some_readings(rng, edges)
    calculated = run(tmp_path, capsysbinary, text, events, readings)
    model = tomllib.loads(text)
    exact = compute(model, events, readings)
    assert exact.intervals == calculated["intervals"] > 0
    assert sorted(exact.untraced) == calculated["untraced"]
    for account in {*exact.accounts, *calculated["accounts"]}:
        ours = exact.accounts.get(account, {})
        theirs = calculated["accounts"].get(account, {})
        for source in {*ours, *theirs}:
            carrier = model["carriers"][model["sources"][source]["carrier"]]
            quanta = Fraction(theirs.get(source, "0")) * carrier["quanta_per_unit"]
            assert abs(ours.get(source, 0) - quanta) <= exact.intervals, (account, source)


def run(tmp_path, capsysbinary, text: str, events: list[Any], readings: list[Any]) -> Any:
    (tmp_path / "model.toml").write_text(text)
    for name, rows in (("events", events), ("readings", readings)):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    files = [f"--{n}={tmp_path / n}.{e}" for n, e in (("model", "toml"), ("events", "jsonl"))]
    files += [f"--readings={tmp_path / 'readings.jsonl'}", "--json"]
    assert command.run(parser.parse_args(files)) == 0
    return json.loads(capsysbinary.readouterr().out)
