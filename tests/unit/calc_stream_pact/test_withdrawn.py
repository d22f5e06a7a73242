"""Customers are told that a footprint is not to be used any more, as PACT has it: it is deprecated."""

from pathlib import Path

from calc_stream.pact.delivery import announce_once
from tests.unit.calc_stream_live.footprints_sample import complete, sample
from tests.unit.calc_stream_pact.exchange import delivering, listener, now_ms, offered
from tests.unit.calc_stream_pact.test_door import asking, months

WHY = "meter m-7 was wired the wrong way round"


def test_it_is_deprecated_and_stays(tmp_path: Path) -> None:
    old, other = complete(), complete(period="2026-09")
    with asking(tmp_path, old, other) as cars:
        before = cars.get(f"/3/footprints/{old.id}").json()["data"]
        cars.server.shelf.withdraw(old.id, WHY, "li.wei", now_ms())
        after = cars.get(f"/3/footprints/{old.id}").json()["data"]
        assert after == before | {"status": "Deprecated"}
        assert cars.ids("/3/footprints?status=Deprecated") == [old.id]
        assert cars.ids("/3/footprints?status=Active") == [other.id]
        assert cars.ids("/3/footprints") == [old.id, other.id]
        new = complete(supersedes=(old.id,), cause="restated")
        cars.server.shelf.add(new)
        assert cars.get(f"/3/footprints/{new.id}").json()["data"]["precedingPfIds"] == [old.id]


def test_pages_say_what_the_first_one_said_whatever_is_withdrawn_meanwhile(tmp_path: Path) -> None:
    old = months(3)
    with asking(tmp_path, *old) as cars:
        answer = cars.get("/3/footprints?limit=1&status=Active")
        seen = [each["id"] for each in answer.json()["data"]]
        cars.server.shelf.withdraw(old[0].id, WHY, "li.wei", now_ms())
        while "link" in answer.headers:
            answer = cars.get(answer.headers["link"].partition(";")[0].strip("<>"))
            seen += [each["id"] for each in answer.json()["data"]]
        assert seen == [each.id for each in old]
        assert cars.ids("/3/footprints?limit=1&status=Active") == [old[1].id]


def test_who_wants_to_be_told_of_news_is_told_of_it_and_nobody_of_a_draft(tmp_path: Path) -> None:
    old, draft = complete(), sample(period="2026-09")
    with listener(tmp_path / "cars") as cars:
        partners = [cars.partner("cars", notify=True)]
        with offered(tmp_path / "ours", old, draft, partners=partners) as server:
            office = server.office
            told = office.pact, office.catalogue, server.outbox, office.now_ms, office.new_id
            announce_once(*told)
            for each in (draft, old):
                server.shelf.withdraw(each.id, WHY, "li.wei", now_ms())
                announce_once(*told)
            with delivering(server):
                event = cars.wait(bool)
    assert event["data"] == {"pfIds": [old.id]}
    assert len(cars.events) == 1
