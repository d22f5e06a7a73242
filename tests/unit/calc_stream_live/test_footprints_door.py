"""Published footprints over the API: lists in parts, one whole, a signed series."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import msgspec
import pytest

from calc_stream.factors import load_method
from calc_stream.footprints.footprint import Footprint
from calc_stream.footprints.series import SignedSeries, check, key_of
from calc_stream.footprints.shelf import open_shelf
from calc_stream.ledger.store import open_store
from calc_stream.publishing import Publisher, Terms
from tests.unit.calc_stream_live.days import DAILY, DAY_1, NOW, Days
from tests.unit.calc_stream_live.door import Door, door
from tests.unit.calc_stream_live.plant import SITE, rules
from wire.errors import BadData
from wire.problem import MEDIA_TYPE
from wire.signing import SigningKey


def publish(at: Door) -> list[Footprint]:
    at.take()
    state = at.parts.plan.config.state
    terms = Terms(SITE, load_method("gbt24067"), 0, rules().patience, DAILY)
    with closing(open_store(state)) as store, closing(open_shelf(state)) as shelf:
        return Publisher(store, shelf, at.plant.writer, terms, lambda: NOW).look()


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Door, list[Footprint]]]:
    with door(tmp_path_factory.mktemp("door"), plant_in=Days) as found:
        plant = found.plant
        assert isinstance(plant, Days)
        plant.first_day()
        made = publish(found)
        plant.told("quantity", 3.6, batch="C", good="5", scrap="0", unit="piece")
        made += publish(found)
        plant.batch("D", 9, 57_300, 12_345, "9")
        plant.meters(33)
        yield found, made + publish(found)


@pytest.fixture
def client(opened: tuple[Door, list[Footprint]]) -> httpx.Client:
    return opened[0].client()


def test_a_products_footprints_are_listed_with_what_took_their_place(
    opened: tuple[Door, list[Footprint]], client: httpx.Client
) -> None:
    first, second, third = opened[1]
    found = client.get("/v1/products/wheel/footprints").json()
    assert [each["id"] for each in found["footprints"]] == [first.id, second.id, third.id]
    assert [each["successor"] for each in found["footprints"]] == [second.id, None, None]
    assert found["footprints"][1]["supersedes"] == [first.id]
    assert found["footprints"][0]["kg_co2e"] == first.kg_co2e
    standing = client.get("/v1/products/wheel/footprints?standing=true").json()
    assert [each["id"] for each in standing["footprints"]] == [second.id, third.id]
    of_day = client.get(f"/v1/products/wheel/footprints?period={DAY_1}&standing=true").json()
    assert [each["id"] for each in of_day["footprints"]] == [second.id]


@pytest.mark.parametrize(("newest", "step"), [("false", 1), ("true", -1)])
def test_the_list_comes_in_parts(
    opened: tuple[Door, list[Footprint]], client: httpx.Client, newest: str, step: int
) -> None:
    seen, url = [], f"/v1/products/wheel/footprints?limit=2&newest={newest}"
    while url:
        answer = client.get(url)
        seen += [each["id"] for each in answer.json()["footprints"]]
        url = answer.links["next"]["url"] if "next" in answer.links else ""
        url = f"/v1/products/wheel/footprints{url}" if url else ""
    assert seen == [each.id for each in opened[1]][::step]


def test_who_has_it_already_is_told_so(client: httpx.Client) -> None:
    for path in ("/v1/products/wheel/footprints", "/v1/products/wheel/kpi"):
        tag = client.get(path).headers["ETag"]
        assert client.get(path, headers={"If-None-Match": tag}).status_code == 304


def test_one_is_told_whole_and_never_changes(
    opened: tuple[Door, list[Footprint]], client: httpx.Client
) -> None:
    answer = client.get(f"/v1/footprints/{opened[1][0].id}")
    assert msgspec.json.decode(answer.content, type=Footprint) == opened[1][0]
    assert "immutable" in answer.headers["Cache-Control"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/footprints/nobody", 404),
        ("/v1/products/nothing/footprints", 404),
        ("/v1/products/nothing/kpi", 404),
        ("/v1/products/wheel/kpi?from_ms=2&to_ms=1", 422),
        ("/v1/products/wheel/footprints?after=x", 422),
    ],
)
def test_what_is_not_there_is_a_problem(client: httpx.Client, path: str, status: int) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == MEDIA_TYPE


def test_a_series_is_signed_by_the_calculator(
    opened: tuple[Door, list[Footprint]], client: httpx.Client
) -> None:
    _, second, third = opened[1]
    answer = client.get("/v1/products/wheel/kpi")
    signed = msgspec.json.decode(answer.content, type=SignedSeries)
    (run,) = signed.series.runs
    assert [point.id for point in run.points] == [second.id, third.id]
    key = key_of(opened[0].parts.plan.config.state)
    check(signed, key.public)
    with pytest.raises(BadData):
        check(signed, SigningKey.new().public)
    later = client.get(f"/v1/products/wheel/kpi?from_ms={third.start_ms}").json()
    assert [p["id"] for r in later["series"]["runs"] for p in r["points"]] == [third.id]


def test_nothing_published_is_an_empty_list(tmp_path: Path) -> None:
    with door(tmp_path, plant_in=Days) as found:
        plant = found.plant
        assert isinstance(plant, Days)
        plant.batch("A", 1, 57_300, 12_345, "10")
        found.take()
        client = found.client()
        assert client.get("/v1/products/wheel/footprints").json()["footprints"] == []
        assert client.get("/v1/products/wheel/kpi").json()["series"]["runs"] == []
