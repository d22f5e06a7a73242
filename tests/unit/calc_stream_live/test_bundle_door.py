"""A bundle by the API: the one the command makes, or why there is none."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from calc_stream import bundling
from calc_stream.evidence.bundle import read_bundle
from calc_stream.evidence.bundle_file import unpack
from calc_stream.verification import verify
from tests.unit.calc_stream_live.door import Door, door
from tests.unit.calc_stream_live.plant import SITE
from tests.unit.calc_stream_live.proven import ProvenPlant, today, yesterday
from tests.unit.calc_stream_live.proven_days import ProvenDays
from tests.unit.calc_stream_live.test_footprints_door import publish


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with door(tmp_path_factory.mktemp("proven"), plant_in=ProvenPlant) as made:
        plant = made.plant
        assert isinstance(plant, ProvenPlant)
        yesterday(plant)
        today(plant)
        plant.event("l1", 1700, "start", node="press", batch="live/1")
        plant.event("l2", 1701, "start", node="press", batch="LATE")
        plant.event("l3", 1740, "stop", node="press", batch="LATE")
        plant.read((1800, 5200), (1860, 5340))
        made.take()
        yield made


@pytest.fixture(scope="module")
def client(served: Door) -> httpx.Client:
    return served.client()


def begin(answer: httpx.Response) -> int:
    return read_bundle(unpack(answer.content)).begin


def test_a_settled_batch_s_bundle_is_the_command_s_and_is_verified(
    served: Door, client: httpx.Client
) -> None:
    answer = client.get("/v1/batches/Q/bundle")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''Q-1.zip"
    row = served.parts.reader.revisions(SITE, "Q")[-1]
    assert answer.content == bundling.make(served.plant.writer, SITE, row)
    assert verify(answer.content).row == row
    whole = client.get("/v1/batches/Q/bundle?whole=true&revision=1")
    assert verify(whole.content).row == row
    assert begin(answer) > begin(whole) == 0


@pytest.mark.parametrize(
    ("asked", "status", "detail"),
    [
        ("live/1/bundle", 409, "batch live/1 is not closed: only settled figures have a bundle"),
        ("LATE/bundle", 409, "under no tree head yet"),
        ("Q/bundle?revision=9", 404, "there is no revision '9 of Q'"),
        ("nobody/bundle", 404, "there is no batch 'nobody'"),
        ("Q/bundle?revision=0", 422, "revision"),
    ],
)
def test_why_there_is_none_is_a_problem_document(
    client: httpx.Client, asked: str, status: int, detail: str
) -> None:
    answer = client.get(f"/v1/batches/{asked}")
    assert (answer.status_code, answer.headers["content-type"]) == (
        status,
        "application/problem+json",
    )
    assert detail in answer.json()["detail"]


def test_a_footprint_s_bundle_is_the_command_s_and_is_verified(tmp_path: Path) -> None:
    with door(tmp_path, plant_in=ProvenDays) as made:
        plant = made.plant
        assert isinstance(plant, ProvenDays)
        plant.two_days()
        _, footprint = publish(made)
        http = made.client()
        waits = http.get(f"/v1/footprints/{footprint.id}/bundle")
        assert (waits.status_code, "under no tree head yet" in waits.json()["detail"]) == (
            409,
            True,
        )
        plant.close_day()
        answer = http.get(f"/v1/footprints/{footprint.id}/bundle")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
        assert verify(answer.content).footprint == footprint
        its = bundling.figure_of(made.parts.reader, footprint)
        assert answer.content == bundling.make(plant.writer, SITE, its)
        assert http.get("/v1/footprints/nothing/bundle").status_code == 404
