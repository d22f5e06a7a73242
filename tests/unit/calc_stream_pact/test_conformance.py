"""The cases of PACT's conformance service for V3.0, written anew from what its documentation says
each of them sends and expects (wbcsd/pact-conformance-service, 41 cases, 39 of them mandatory; 18 and
19 are not). Where the service looks at an answer through the published schema, so does this, through
what `published_schema.py` has of it, and our own stricter judge besides. The service itself is not
run: see docs/pact.md.
"""

import secrets
import ssl
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest

from calc_stream.pact.validator import problems
from tests.unit.calc_stream_live.footprints_sample import complete
from tests.unit.calc_stream_pact import published_schema
from tests.unit.calc_stream_pact.exchange import Listener, Server, delivering, listener, offered

EVENTS = "org.wbcsd.pact.ProductFootprint."
CLOUD = {"Content-Type": "application/cloudevents+json; charset=UTF-8"}


@dataclass
class Run:
    """Case 0: discovery or /auth/token, a token, the list, a link of a page of one."""

    server: Server
    partner: Listener
    http: httpx.Client
    token_url: str
    token: str
    footprints: list[dict[str, Any]]
    link: str
    id: str

    def get(self, path: str, **query: Any) -> httpx.Response:
        bearer = {"Authorization": f"Bearer {self.token}"}
        return self.http.get(self.server.url + path, params=query or None, headers=bearer)

    def authenticated(self, name: str, secret: str, url: str = "") -> httpx.Response:
        form = {"grant_type": "client_credentials"}
        return self.http.post(url or self.token_url, data=form, auth=(name, secret))

    def event(self, id_: str, kind: str, data: Any, **more: Any) -> httpx.Response:
        body = {
            "specversion": "1.0",
            "id": id_,
            "source": self.partner.url,
            "time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "type": f"{EVENTS}{kind}Event.3",
            "data": data,
        }
        told = {**CLOUD, "Authorization": f"Bearer {self.token}", **more.get("headers", {})}
        url = more.get("url", self.server.url) + "/3/events"
        return self.http.post(url, content=msgspec.json.encode(body), headers=told)

    @property
    def plain(self) -> str:
        return self.server.url.replace("https", "http")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    first = complete(period="2026-09")
    footprints = [first, complete(), complete(supersedes=(complete().id,), cause="restated")]
    with (
        listener(tmp_path_factory.mktemp("partner")) as partner,
        offered(
            tmp_path_factory.mktemp("ours"), *footprints, partners=[partner.partner("cars")]
        ) as server,
        delivering(server),
        httpx.Client(verify=ssl.create_default_context(cafile=server.ca), timeout=30) as http,
    ):
        found = http.get(f"{server.url}/.well-known/openid-configuration").json()
        made = Run(server, partner, http, found["token_endpoint"], "", [], "", str(uuid.uuid4()))
        made.token = made.authenticated("cars", "cars-cars").json()["access_token"]
        made.footprints = made.get("/3/footprints").json()["data"]
        link = made.get("/3/footprints", limit=1).headers["link"].split(", ")[0]
        made.link = link[link.index("<") + 1 : link.index(">")]
        yield made


def good(answer: httpx.Response) -> list[dict[str, Any]]:
    """The list of an answer, every document judged."""
    assert answer.status_code == 200
    published_schema.listed.validate(answer.json())
    found: list[dict[str, Any]] = answer.json()["data"]
    assert [problem for each in found for problem in problems(each)] == []
    return found


def some(answer: httpx.Response) -> list[dict[str, Any]]:
    """The suite would pass an empty list; nothing is shown by one."""
    found = good(answer)
    assert found
    return found


def refused(answer: httpx.Response, *statuses: int) -> None:
    assert answer.status_code in statuses
    published_schema.error.validate(answer.json())
    assert answer.json()["code"] == "BadRequest"


def first(run: Run) -> dict[str, Any]:
    return run.footprints[0]


def day(text: str, days: int) -> str:
    moved = datetime.fromisoformat(text) + timedelta(days=days)
    return moved.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def case_0(run: Run) -> None:
    assert len(run.footprints) >= 2
    assert first(run)["productIds"]


def case_1(run: Run) -> None:
    answer = run.authenticated("cars", "cars-cars", f"{run.server.url}/auth/token")
    assert answer.status_code == 200
    assert answer.json()["token_type"].lower() == "bearer"


def case_2(run: Run) -> None:
    answer = run.authenticated(secrets.token_hex(8), secrets.token_hex(8))
    assert answer.status_code in (400, 401)
    assert answer.json()["error"] == "invalid_client"


def case_3(run: Run) -> None:
    answer = run.get(f"/3/footprints/{first(run)['id']}")
    assert answer.status_code == 200
    published_schema.one.validate(answer.json())
    assert answer.json()["data"] == first(run)
    assert problems(answer.json()["data"]) == []


def case_4(run: Run) -> None:
    assert len(good(run.get("/3/footprints"))) == len(run.footprints)


def case_5(run: Run) -> None:
    assert run.link.startswith(f"{run.server.url}/3/footprints?")
    bearer = {"Authorization": f"Bearer {run.token}"}
    pages = [some(run.http.get(run.link, headers=bearer)) for _ in range(2)]
    assert pages == [[run.footprints[1]]] * 2


def with_a_wrong_token(run: Run) -> dict[str, str]:
    return {"Authorization": f"Bearer very-invalid-access-token-{secrets.token_hex(8)}"}


def case_6(run: Run) -> None:
    refused(
        run.http.get(f"{run.server.url}/3/footprints", headers=with_a_wrong_token(run)), 400, 401
    )


def case_7(run: Run) -> None:
    url = f"{run.server.url}/3/footprints/{first(run)['id']}"
    refused(run.http.get(url, headers=with_a_wrong_token(run)), 400, 401)


def case_8(run: Run) -> None:
    answer = run.get(f"/3/footprints/{uuid.UUID(int=0)}")
    assert (answer.status_code, answer.json()["code"]) == (404, "NotFound")


def fails(ask: Callable[[], httpx.Response]) -> None:
    with pytest.raises(httpx.TransportError):
        ask()


def case_9(run: Run) -> None:
    url = run.token_url.replace("https", "http")
    fails(lambda: run.authenticated("cars", "cars-cars", url))


def case_10(run: Run) -> None:
    fails(lambda: run.http.get(f"{run.plain}/3/footprints"))


def case_11(run: Run) -> None:
    fails(lambda: run.http.get(f"{run.plain}/3/footprints/{first(run)['id']}"))


def case_12(run: Run) -> None:
    told = {"productId": first(run)["productIds"], "comment": "for this year"}
    answer = run.event(f"{run.id}/13", "RequestCreated", told)
    assert (answer.status_code, answer.content) == (200, b"")


def called_back(run: Run, id_: str) -> dict[str, Any]:
    """The answer to a request, on the partner's own server."""
    return run.partner.wait(lambda event: event["data"].get("requestEventId") == id_)


def case_13(run: Run) -> None:
    event = called_back(run, f"{run.id}/13")
    published_schema.fulfilled.validate(event)
    assert event["type"] == f"{EVENTS}RequestFulfilledEvent.3"
    assert (event["specversion"], event["source"]) == ("1.0", f"{run.server.url}/3/events")
    assert uuid.UUID(event["id"])
    assert event["data"]["pfs"]
    for footprint in event["data"]["pfs"]:
        assert problems(footprint) == []
        assert set(footprint["productIds"]) <= set(first(run)["productIds"])


def case_14a(run: Run) -> None:
    answer = run.event(f"{run.id}/14.B", "RequestCreated", {"productId": ["urn:pact:null"]})
    assert answer.status_code == 200


def case_14b(run: Run) -> None:
    event = called_back(run, f"{run.id}/14.B")
    published_schema.rejected.validate(event)
    assert event["type"] == f"{EVENTS}RequestRejectedEvent.3"
    error = event["data"]["error"]
    assert error["code"] == "NotFound"
    assert error["message"]


PUBLISHED = {"pfIds": ["3a6c14a7-4deb-498a-b5ea-16ce2535b576"]}


def case_15(run: Run) -> None:
    assert run.event(str(uuid.uuid4()), "Published", PUBLISHED).status_code == 200


def case_16(run: Run) -> None:
    wrong = with_a_wrong_token(run)
    refused(run.event(f"{run.id}/16", "Published", PUBLISHED, headers=wrong), 400, 401)


def case_17(run: Run) -> None:
    fails(lambda: run.event(f"{run.id}/17", "Published", PUBLISHED, url=run.plain))


def case_18(run: Run) -> None:
    assert run.authenticated("cars", "cars-cars").status_code == 200


def case_19(run: Run) -> None:
    assert run.authenticated("cars", "wrong").status_code in (400, 401)


def case_20(run: Run) -> None:
    wanted = first(run)["productIds"][0]
    assert all(wanted in f["productIds"] for f in some(run.get("/3/footprints", productId=wanted)))


def case_21(run: Run) -> None:
    wanted = first(run)["companyIds"][0]
    assert all(wanted in f["companyIds"] for f in some(run.get("/3/footprints", companyId=wanted)))


def case_22(run: Run) -> None:
    wanted = first(run)["pcf"]["geographyCountrySubdivision"]
    for found in some(run.get("/3/footprints", geography=wanted)):
        assert found["pcf"]["geographyCountrySubdivision"] == wanted


def case_23(run: Run) -> None:
    wanted = first(run)["productClassifications"][0]
    for found in some(run.get("/3/footprints", classification=wanted)):
        assert wanted in found["productClassifications"]


def case_24(run: Run) -> None:
    wanted = first(run)["validityPeriodStart"]
    for found in some(run.get("/3/footprints", validOn=wanted)):
        assert found["validityPeriodStart"] <= wanted <= found["validityPeriodEnd"]


def case_25(run: Run) -> None:
    wanted = day(first(run)["validityPeriodStart"], -1)
    for found in some(run.get("/3/footprints", validAfter=wanted)):
        assert found["validityPeriodStart"] > wanted


def case_26(run: Run) -> None:
    wanted = day(first(run)["validityPeriodEnd"], 1)
    for found in some(run.get("/3/footprints", validBefore=wanted)):
        assert found["validityPeriodEnd"] < wanted


def case_27(run: Run) -> None:
    wanted = first(run)["status"]
    assert all(f["status"] == wanted for f in some(run.get("/3/footprints", status=wanted)))


def case_28(run: Run) -> None:
    status, product = first(run)["status"], first(run)["productIds"][0]
    for found in some(run.get("/3/footprints", status=status, productId=product)):
        assert found["status"] == status
        assert product in found["productIds"]


def case_29(run: Run) -> None:
    wanted = [first(run)["companyIds"][0], secrets.token_hex(4), secrets.token_hex(4)]
    for found in some(run.get("/3/footprints", companyId=wanted)):
        assert wanted[0] in found["companyIds"]


def nothing(run: Run, query: str) -> None:
    """Asked without any encoding, as the service does."""
    answer = run.get(f"/3/footprints?{query}")
    assert (answer.status_code, answer.json()) == (200, {"data": []})


def case_30(run: Run) -> None:
    nothing(run, f"productId=urn:bogus:product:{secrets.token_hex(8)}")


def case_31(run: Run) -> None:
    nothing(run, f"companyId=urn:bogus:company:{secrets.token_hex(8)}")


def case_32(run: Run) -> None:
    nothing(run, "geography=XX")


def case_33(run: Run) -> None:
    nothing(run, f"classification=urn:bogus:classification:{secrets.token_hex(8)}")


def case_34(run: Run) -> None:
    nothing(run, "validOn=1900-01-01T00:00:00Z")


def case_35(run: Run) -> None:
    nothing(run, "validAfter=2099-12-31T23:59:59Z")


def case_36(run: Run) -> None:
    nothing(run, "validBefore=1900-01-01T00:00:00Z")


def case_37(run: Run) -> None:
    nothing(run, f"status=BogusStatus{secrets.token_hex(4)}")


def case_38(run: Run) -> None:
    nothing(run, "companyId=urn:bogus:company:1&productId=urn:bogus:product:2")


def case_39(run: Run) -> None:
    nothing(run, "companyId=urn:bogus:company:1&companyId=urn:bogus:company:2")


def case_40(run: Run) -> None:
    told = {"pfIds": ["urn:gtin:4712345060507"]}
    answer = run.event(str(uuid.uuid4()), "Published", told)
    assert (answer.status_code, answer.json()["code"]) == (400, "BadRequest")


NOT_MANDATORY = {"case_18", "case_19"}
# case_0 is how a run begins, 14.A and 14.B are one of two cases the service counts apart.
CASES = {name: case for name, case in list(globals().items()) if name.startswith("case_")}


@pytest.mark.parametrize("name", CASES)
def test_case(run: Run, name: str) -> None:
    CASES[name](run)


def test_no_case_of_the_service_is_left_out() -> None:
    numbers = [*map(str, range(14)), "14a", "14b", *map(str, range(15, 41))]
    assert list(CASES) == [f"case_{number}" for number in numbers]
    assert len(CASES.keys() - NOT_MANDATORY - {"case_0"}) == 39
