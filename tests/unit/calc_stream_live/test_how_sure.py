"""How sure a batch's figure is, asked for over the API: worked out when nobody waits."""

import asyncio
import math
from pathlib import Path

import httpx
import pytest

from tests.unit.calc_stream_live.door import Door, door
from tests.unit.calc_stream_live.plant import MODEL, Plant

CLASSES = MODEL.replace('id = "m"\n', 'id = "m"\nclass = "2"\n').replace(
    'id = "m-press"\n', 'id = "m-press"\nclass = "1"\n'
)


def told(plant: Plant, model: str) -> None:
    """P took 0.057 kWh of the grid for two pieces; R made nothing."""
    plant.model(model)
    plant.factors()
    plant.event("e1", 30, "start", node="press", batch="P", product="wheel")
    plant.event("e2", 90, "stop", node="press", batch="P")
    plant.event("e3", 90, "quantity", batch="P", good="2", unit="piece")
    plant.event("e4", 90, "start", node="press", batch="R", product="wheel")
    plant.event("e5", 120, "stop", node="press", batch="R")
    plant.event("e6", 120, "start", node="press", batch="S", product="wheel")
    plant.read((0, 1000), (30, 1050), (60, 1100), (90, 1107), (120, 1115), (180, 1130))


def work(made: Door, batch: str, due: bool = False) -> None:
    """As the service does beside all else, until it is done with this one; or until it is `due`."""
    doubts, engine = made.parts.doubts, made.parts.engine
    assert engine.site is not None
    row = engine.site.book.latest[batch]

    async def until_done() -> None:
        running = asyncio.create_task(doubts.run(engine))
        while doubts.is_due(row) != due:
            await asyncio.sleep(0.05)
        running.cancel()

    asyncio.run(asyncio.wait_for(until_done(), 60))


def answer(client: httpx.Client, batch: str) -> tuple[int, str | None, bool]:
    got = client.get(f"/v1/batches/{batch}/u95")
    assert got.status_code == 200, got.text
    its = got.json()
    assert its["batch"] == batch
    return its["revision"], its["u95"], its["due"]


def test_it_is_due_until_it_is_worked_out(tmp_path: Path) -> None:
    with door(tmp_path) as made:
        told(made.plant, CLASSES)
        made.take()
        client = made.client()
        assert answer(client, "P") == (1, None, True)
        (point,) = client.get("/v1/products/wheel/factors").json()["points"]
        assert (point["batch"], point["u95"], point["due"]) == ("P", None, True)
        work(made, "P")
        revision, u95, due = answer(client, "P")
        assert (revision, due) == (1, False)
        (point,) = client.get("/v1/products/wheel/factors").json()["points"]
        assert (point["batch"], point["u95"], point["due"]) == ("P", u95, False)
        one_meter = 2 * 0.01 / math.sqrt(3)  # class 1: the limits of an even distribution
        assert float(u95 or 0) == pytest.approx(one_meter * 0.057 * 0.5777 / 2, rel=1e-4)


def test_what_has_no_figure_for_a_unit_waits_for_none(tmp_path: Path) -> None:
    with door(tmp_path) as made:
        told(made.plant, CLASSES)
        made.take()
        client = made.client()
        assert answer(client, "R") == (1, None, False)
        assert answer(client, "S") == (0, None, False)  # it runs
        assert client.get("/v1/batches/nobody/u95").status_code == 404


def test_a_meter_of_which_nothing_is_known_leaves_it_open_until_the_model_tells(
    tmp_path: Path,
) -> None:
    with door(tmp_path) as made:
        told(made.plant, MODEL)
        made.take()
        client = made.client()
        assert answer(client, "P") == (1, None, True)
        work(made, "P")
        assert answer(client, "P") == (1, None, False)
        made.plant.model(CLASSES, "model-2")
        made.take()
        work(made, "P", due=True)
        assert answer(client, "P") == (1, None, True)
        work(made, "P")
        revision, u95, due = answer(client, "P")
        assert (revision, u95 is None, due) == (1, False, False)
