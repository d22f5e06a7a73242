"""The inventory of a journal is as everything stood at the ledger's offset."""

import hashlib
from pathlib import Path

import msgspec
import pytest

from calc_stream.__main__ import main
from calc_stream.core.decimals import instant
from calc_stream.evidence.inventory import Inventory
from calc_stream.factors import FactorSet, load
from tests.unit.calc_stream_live.plant import MODEL, T0, run_to_end
from tests.unit.calc_stream_live.proven import ProvenPlant


def misread(plant: ProvenPlant, id_: str, second: int) -> None:
    """What both meters told then does not count."""
    span = {key: instant(T0 + (second + by) * 1000) for key, by in (("from", -5), ("to", 5))}
    for meter in ("m", "m-press"):
        said = {"type": "correction", "meter": meter, "reason": "a clamp"}
        plant.state("correction", f"{id_}-{meter}", **said, **span)


def test_what_came_after_the_ledgers_offset_is_not_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plant, known = ProvenPlant(tmp_path), load()
    first = FactorSet.of(known.rows).encode()
    plant.now_ms = T0
    plant.model(MODEL.replace("cn-grid-footprint", "cn-cq-grid"))
    plant.factors("factors-1", first)
    plant.factors("factors-2", known.encode())
    misread(plant, "c1", 0)
    plant.read((0, 400), (60, 1000), (1800, 2000))
    plant.read((2400, 2500), meters=["m"])  # the other one is awaited
    run_to_end(plant, tmp_path / "calc").close()

    def found() -> Inventory:
        places = ["--ledger", str(tmp_path / "calc"), "--journal", str(plant.journal)]
        assert main(["inventory", "--month", "2026-11", *places, "--json"]) == 0
        return msgspec.json.decode(capsys.readouterr().out, type=Inventory)

    before = found()
    (grid,) = before.sources
    assert (grid.amount, before.until_ms) == ("1.000000", T0 + 1_800_000)
    assert before.factor_set == hashlib.sha256(known.encode()).hexdigest()
    assert before.unknown_sources == ()
    plant.factors("factors-3", first)
    misread(plant, "c2", 1800)
    plant.event("e1", 600, "start", node="press", batch="P")
    plant.event("e2", 900, "stop", node="press", batch="P")
    plant.read((3600, 3600))
    assert found() == before
