"""Our events reach partners: after failures, after a restart, once; and are given up in the end."""

import logging
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from calc_stream.pact.delivery import announce_once
from calc_stream.pact.outbox import GIVE_UP_MS, REMEMBERED_MS, open_outbox
from tests.integration.servers import wait_until
from tests.unit.calc_stream_live.footprints_sample import complete, sample
from tests.unit.calc_stream_pact import published_schema
from tests.unit.calc_stream_pact.exchange import delivering, listener, offered
from tests.unit.calc_stream_pact.test_door import asking

WHEEL = "urn:gtin:04012345678901"


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"].split(".")[-2] for event in events]


def test_a_partner_that_is_away_is_answered_when_it_is_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with (
        listener(tmp_path / "cars") as partner,
        asking(tmp_path / "ours", complete(), partners=[partner.partner("cars")]) as cars,
    ):
        partner.refuses = 1
        with delivering(cars.server):
            assert cars.send("RequestCreated", {"productId": [WHEEL]}, id_="r1").status_code == 200
            event = partner.wait(bool)
    assert event["data"]["requestEventId"] == "r1"
    assert [each["id"] for each in event["data"]["pfs"]] == [complete().id]
    assert sum("trying again for 72 hours" in r.getMessage() for r in caplog.records) == 1


def test_an_answer_survives_a_restart_and_a_request_that_comes_twice_is_answered_once(
    tmp_path: Path,
) -> None:
    with listener(tmp_path / "cars") as partner:
        partners = [partner.partner("cars")]
        with asking(tmp_path / "ours", complete(), partners=partners) as cars:
            for id_ in ("r1", "r1", "r2"):
                told = {"productId": [WHEEL], "comment": "again"}
                assert cars.send("RequestCreated", told, id_=id_).status_code == 200
        assert partner.events == []
        (tmp_path / "ours" / "pact.keys").unlink()
        with asking(tmp_path / "ours", partners=partners) as cars:
            assert cars.send("RequestCreated", {"productId": [WHEEL]}, id_="r1").status_code == 200
            with delivering(cars.server):
                partner.wait(lambda event: event["data"]["requestEventId"] == "r2")
                # The partner has it a moment before we know that it has.
                wait_until(lambda: cars.server.outbox.due("cars", 2**62) is None, "all is taken")
    assert [event["data"]["requestEventId"] for event in partner.events] == ["r1", "r2"]
    assert len({event["id"] for event in partner.events}) == 2


def test_a_request_is_remembered_for_30_days_and_no_longer(tmp_path: Path) -> None:
    with closing(open_outbox(tmp_path)) as outbox:
        assert outbox.answer("cars", "s", "1", b"{}", 0)
        assert not outbox.answer("cars", "s", "1", b"{}", REMEMBERED_MS)
        assert outbox.answer("cars", "s", "2", b"{}", REMEMBERED_MS + 1)
        known = outbox._db.execute("SELECT id FROM request").fetchall()
        assert known == [("2",)]
        assert outbox.answer("cars", "s", "1", b"{}", REMEMBERED_MS + 1)


def test_waiting_doubles_up_to_an_hour(tmp_path: Path) -> None:
    with closing(open_outbox(tmp_path)) as outbox:
        outbox.answer("cars", "s", "1", b"{}", 0)
        now = 0
        for wait_s in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600, 3600):
            found = outbox.due("cars", now)
            assert found is not None
            outbox.later(found[0], found[2], now)
            assert outbox.due("cars", now + wait_s * 1000 - 1) is None
            now += wait_s * 1000


def test_after_72_hours_an_event_is_given_up_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = [1_800_000_000_000]
    with (
        listener(tmp_path / "cars") as partner,
        asking(
            tmp_path / "ours",
            complete(),
            partners=[partner.partner("cars")],
            clock=lambda: clock[0],
        ) as cars,
    ):
        partner.refuses = 10**9
        cars.send("RequestCreated", {"productId": [WHEEL]})
        clock[0] += GIVE_UP_MS + 1
        with delivering(cars.server):
            wait_until(lambda: cars.server.outbox.due("cars", 2**62) is None, "it is given up")
    assert "cars took no event for 72 hours, it is given up" in caplog.text
    assert partner.events == []


def test_who_wants_to_be_told_is_told_of_what_is_new_and_for_it(tmp_path: Path) -> None:
    old, new, draft = complete(period="2026-08"), complete(), sample(period="2026-07")
    with (
        listener(tmp_path / "cars") as cars,
        listener(tmp_path / "bikes") as bikes,
    ):
        partners = [
            cars.partner("cars", notify=True),
            bikes.partner("bikes", notify=True, products=("frame",)),
        ]
        with offered(
            tmp_path / "ours", old, partners=partners, callers=("cars", "bikes")
        ) as server:
            office = server.office

            def look() -> None:
                told = office.pact, office.catalogue, server.outbox, office.now_ms, office.new_id
                announce_once(*told)

            look()  # what was there before is no news
            server.shelf.add(draft)
            server.shelf.add(new)
            look()
            look()
            with delivering(server):
                event = cars.wait(bool)
                assert server.outbox.due("bikes", 2**62) is None
    published_schema.published.validate(event)
    assert kinds([event]) == ["PublishedEvent"]
    assert event["data"] == {"pfIds": [new.id]}
    assert (len(cars.events), bikes.events) == (1, [])


def test_one_that_is_away_holds_up_nobody(tmp_path: Path) -> None:
    with (
        listener(tmp_path / "cars") as cars,
        listener(tmp_path / "bikes") as bikes,
        asking(
            tmp_path / "ours",
            complete(),
            partners=[cars.partner("cars"), bikes.partner("bikes")],
            callers=("cars", "bikes"),
        ) as ask,
    ):
        cars.refuses = 10**9
        ask.send("RequestCreated", {"productId": [WHEEL]})
        ask.token = ask.new_token("bikes")
        ask.send("RequestCreated", {"productId": ["urn:gtin:1"]}, id_="b1")
        with delivering(ask.server):
            event = bikes.wait(bool)
    assert event["data"] == {
        "requestEventId": "b1",
        "error": {"code": "NotFound", "message": "no footprint is offered that fits the request"},
    }
    assert cars.events == []


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({"productId": []}, "data.productId: is no list"),
        ({"productId": [1]}, "data.productId: is no list"),
        ({"productid": ["urn:gtin:1"], "invoice": "7"}, "'invoice' is no criterion"),
        ({"validOn": "2026-11-01T00:00:00+00:00"}, "data.validOn"),
    ],
)
def test_a_request_that_is_not_understood_is_refused_at_once(
    tmp_path: Path, data: dict[str, Any], why: str
) -> None:
    with (
        listener(tmp_path / "cars") as partner,
        asking(tmp_path / "ours", partners=[partner.partner("cars")]) as cars,
    ):
        answer = cars.send("RequestCreated", data)
        assert answer.status_code == 400
        assert why in answer.json()["message"]
        assert cars.server.outbox.due("cars", 2**62) is None


def test_a_request_with_criteria_is_answered_with_what_meets_them(tmp_path: Path) -> None:
    both = [complete(period="2026-09"), complete()]
    with (
        listener(tmp_path / "cars") as partner,
        asking(tmp_path / "ours", *both, partners=[partner.partner("cars")]) as cars,
        delivering(cars.server),
    ):
        for id_, data in (
            ("all", {"geography": ["CN"], "status": ["Active"]}),
            ("late", {"validAfter": "2027-01-01T00:00:00Z"}),
        ):
            assert cars.send("RequestCreated", data, id_=id_).status_code == 200
        found = {
            id_: partner.wait(lambda event, id_=id_: event["data"]["requestEventId"] == id_)
            for id_ in ("all", "late")
        }
    assert len(found["all"]["data"]["pfs"]) == 2
    assert kinds([found["late"]]) == ["RequestRejectedEvent"]
