"""What others may see and send at our door, beyond what the conformance service asks."""

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import msgspec
import pytest

from calc_stream.__main__ import main
from calc_stream.pact.settings import Partner
from calc_stream.web.tokens import TOKEN_S
from tests.unit.calc_stream_live.footprints_sample import complete, declaration, sample
from tests.unit.calc_stream_pact.documents import good, top
from tests.unit.calc_stream_pact.exchange import Server, now_ms, offered
from wire.callers import CallersFile

CLOUD = "application/cloudevents+json"


class Asker:
    """A caller with a token."""

    def __init__(self, server: Server, http: httpx.Client, name: str = "cars") -> None:
        self.server, self.http, self.token = server, http, ""
        self.token = self.new_token(name)

    def new_token(self, name: str) -> str:
        form = {"grant_type": "client_credentials"}
        answer = self.http.post("/auth/token", data=form, auth=(name, self.server.key_of(name)))
        return str(answer.json()["access_token"])

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.http.get(path, headers={"Authorization": f"Bearer {self.token}", **headers})

    def ids(self, path: str) -> list[str]:
        return [each["id"] for each in self.get(path).json()["data"]]

    def send(self, kind: str, data: Any, id_: str = "1", **changes: Any) -> httpx.Response:
        body = {
            "specversion": "1.0",
            "id": id_,
            "source": "//cars.example.com",
            "time": "2026-11-26T00:00:00Z",
            "type": f"org.wbcsd.pact.ProductFootprint.{kind}Event.3",
            "data": data,
            **changes,
        }
        return self.post(msgspec.json.encode(body))

    def post(self, body: bytes, media_type: str = CLOUD) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": media_type}
        return self.http.post("/3/events", content=body, headers=headers)


@contextmanager
def asking(folder: Path, *footprints: Any, name: str = "cars", **more: Any) -> Iterator[Asker]:
    with offered(folder, *footprints, **more) as server:
        tls = ssl.create_default_context(cafile=server.ca)
        with httpx.Client(base_url=server.url, verify=tls, timeout=30) as http:
            yield Asker(server, http, name)


def months(many: int) -> list[Any]:
    return [complete(period=f"2026-{month:02}") for month in range(1, many + 1)]


def test_a_draft_is_offered_only_where_the_owner_wants_it(tmp_path: Path) -> None:
    whole = complete(period="2026-09")
    with asking(tmp_path / "a", sample(), whole) as cars:
        assert cars.ids("/3/footprints") == [whole.id]
        assert cars.get(f"/3/footprints/{sample().id}").status_code == 404
    with asking(tmp_path / "b", sample(), drafts=True) as cars:
        (document,) = cars.get("/3/footprints").json()["data"]
        assert document["comment"].startswith("DRAFT")


def test_pages_say_what_the_first_one_said_whatever_is_published_meanwhile(tmp_path: Path) -> None:
    old = months(5)
    with asking(tmp_path, *old) as cars:
        answer = cars.get("/3/footprints?limit=2&status=Active")
        seen = [each["id"] for each in answer.json()["data"]]
        new = complete(period="2026-04", supersedes=(old[3].id,), cause="restated")
        cars.server.shelf.add(new)
        while "link" in answer.headers:
            link, _, rel = answer.headers["link"].partition("; ")
            assert rel == 'rel="next"'
            answer = cars.get(link.strip("<>"))
            assert len(answer.json()["data"]) <= 2
            seen += [each["id"] for each in answer.json()["data"]]
        assert seen == [each.id for each in old]
        assert cars.ids("/3/footprints?status=Deprecated") == [old[3].id]
        assert cars.ids("/3/footprints?status=active") == [
            *(each.id for each in old if each != old[3]),
            new.id,
        ]


def test_the_last_page_is_the_last_also_where_it_is_full(tmp_path: Path) -> None:
    with asking(tmp_path, *months(4)) as cars:
        first = cars.get("/3/footprints?limit=2")
        last = cars.get(first.headers["link"].partition(";")[0].strip("<>"))
        assert (len(last.json()["data"]), "link" in last.headers) == (2, False)
        assert "link" not in cars.get("/3/footprints?limit=4").headers


def test_a_page_has_a_hundred_at_most_whatever_is_asked_for(tmp_path: Path) -> None:
    with asking(tmp_path, *(complete(period=str(1900 + year)) for year in range(101))) as cars:
        answer = cars.get("/3/footprints?limit=1000")
        assert (len(answer.json()["data"]), "link" in answer.headers) == (100, True)


def test_a_list_is_of_no_moment_that_is_still_to_come(tmp_path: Path) -> None:
    with asking(tmp_path, *months(2)) as cars:
        answer = cars.get("/3/footprints?limit=1&x-wattprint-upto=999")
        assert "x-wattprint-upto=2>" in answer.headers["link"]


def test_a_document_stays_what_it_was_whatever_is_declared_later(tmp_path: Path) -> None:
    old = complete()
    new = complete(supersedes=(old.id,), cause="restated")
    with asking(tmp_path, old) as cars:
        before = cars.get(f"/3/footprints/{old.id}").json()["data"]
    (tmp_path / "pact.keys").unlink()
    told = declaration()
    wheel = msgspec.structs.replace(told.product[0], name="Another name", mass_kg="12")
    with asking(tmp_path, new, told=msgspec.structs.replace(told, product=(wheel,))) as cars:
        assert cars.get(f"/3/footprints/{old.id}").json()["data"] == {
            **before,
            "status": "Deprecated",
        }
        after = cars.get(f"/3/footprints/{new.id}").json()["data"]
    assert (after["productNameCompany"], after["status"]) == ("Another name", "Active")
    assert after["pcf"]["productMassPerDeclaredUnit"] == "12"


def test_a_link_names_the_host_it_was_asked_by(tmp_path: Path) -> None:
    with asking(tmp_path, *months(2)) as cars:
        answer = cars.get("/3/footprints?limit=1", host="wheels.example.com:8443")
        assert answer.headers["link"].startswith("<https://wheels.example.com:8443/3/footprints?")
        assert cars.get("/3/footprints?limit=1", host="a>b").status_code == 400


def test_values_of_a_name_are_alternatives_and_names_are_all_to_be_met(tmp_path: Path) -> None:
    with asking(tmp_path, *months(2)) as cars:
        everything = cars.ids("/3/footprints")
        for query, many in (
            ("geography=CN-CQ&geography=DE", 2),
            ("geography=cn", 2),  # the country a subdivision is in; letters of any size
            ("geography=CN-SC", 0),
            ("geography=CN&status=Deprecated", 0),
            ("productid=URN:GTIN:04012345678901", 2),
            ("validOn=2027-01-01T00:00:00%2B08:00", 2),
            ("validOn=2027-01-01T00:00:00+08:00", 2),  # not encoded: the plus arrives as a blank
            ("validOn=2027-01-01", 2),
            ("geography=", 2),
            # the footprint of a period holds from 2026-10-31T16:00Z to 2027-10-31T16:00Z, both within
            ("validOn=2026-10-31T16:00:00Z", 2),
            ("validOn=2026-10-31T15:59:59.999Z", 0),
            ("validOn=2027-10-31T16:00:00Z", 2),
            ("validOn=2027-10-31T16:00:00.001Z", 0),
            ("validAfter=2026-10-31T16:00:00Z", 0),
            ("validAfter=2026-10-31T15:59:59.999Z", 2),
            ("validBefore=2027-10-31T16:00:00Z", 0),
            ("validBefore=2027-10-31T16:00:00.001Z", 2),
        ):
            assert cars.ids(f"/3/footprints?{query}") == everything[:many], query


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("limit=0", "limit is a number from 1 up"),
        ("limit=x", "limit is a number"),
        ("limit=1&limit=2", "limit is a number"),
        ("offset=-1", "offset is a number"),
        ("validOn=soon", "validOn: 'soon' is no instant"),
        ("validOn=2026-01-01&validOn=2027-01-01", "validOn is asked for twice"),
        ("$filter=pcf", "'$filter' is no criterion; known: productId"),
    ],
)
def test_what_is_not_understood_is_refused_and_not_left_out(
    one: Asker, query: str, why: str
) -> None:
    answer = one.get(f"/3/footprints?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "BadRequest")
    assert why in answer.json()["message"]


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asker]:
    with asking(tmp_path_factory.mktemp("one"), complete()) as made:
        yield made


def test_a_partner_sees_the_products_that_are_for_it(tmp_path: Path) -> None:
    partners = [Partner("cars", products=("other",)), Partner("bikes", products=("wheel-17",))]
    with asking(tmp_path, complete(), partners=partners, callers=("cars", "bikes")) as cars:
        assert cars.ids("/3/footprints") == []
        answer = cars.get(f"/3/footprints/{complete().id}")
        assert (answer.status_code, answer.json()["code"]) == (403, "AccessDenied")
        cars.token = cars.new_token("bikes")
        assert cars.ids("/3/footprints") == [complete().id]


def test_a_token_ends_with_its_time_and_with_its_key(tmp_path: Path) -> None:
    clock = [now_ms()]
    with asking(tmp_path, clock=lambda: clock[0], callers=("cars", "bikes")) as cars:
        assert cars.get("/3/footprints").status_code == 200
        clock[0] += TOKEN_S * 1000
        answer = cars.get("/3/footprints")
        assert (answer.status_code, answer.json()["code"]) == (401, "TokenExpired")
        cars.token = cars.new_token("cars")
        CallersFile(tmp_path / "pact.keys", lambda: "cars-cars").rotate("cars", clock[0])
        assert cars.get("/3/footprints").status_code == 200  # the same key once more
        CallersFile(tmp_path / "pact.keys", lambda: "another").rotate("cars", clock[0])
        assert cars.get("/3/footprints").status_code == 400
        CallersFile(tmp_path / "pact.keys", lambda: "cars-cars").rotate("cars", clock[0])
        cars.token = cars.new_token("cars")
        CallersFile(tmp_path / "pact.keys", str).revoke("cars")
        assert cars.get("/3/footprints").status_code == 400
        cars.token = cars.server.key_of("bikes")  # a key is no token
        assert cars.get("/3/footprints").status_code == 400


def test_whoever_asks_is_noted_and_no_secret_is(tmp_path: Path) -> None:
    with asking(tmp_path, complete()) as cars:
        cars.get(f"/3/footprints/{complete().id}")
        cars.send("Published", {"pfIds": [complete().id]})
        cars.token = "wrong"
        cars.get("/3/footprints")
        told = [(e.name, e.path, e.status) for e in cars.server.office.audit.newest(9)]
        text = (tmp_path / "state" / "audit.jsonl").read_text()
    assert told == [
        (None, "/3/footprints", 400),
        ("cars", "/3/events", 200),
        ("cars", f"/3/footprints/{complete().id}", 200),
        ("cars", "/auth/token", 200),
    ]
    assert f"published: {complete().id}" in text
    assert "cars-cars" not in text


def test_anybody_may_read_the_schema_of_our_extension(one: Asker) -> None:
    (document,) = one.get("/3/footprints").json()["data"]
    (extension,) = document["extensions"]
    assert extension["dataSchema"].startswith(one.server.url)
    schema = one.http.get(extension["dataSchema"]).json()
    jsonschema_rs.Draft202012Validator(schema).validate(extension["data"])


def test_tokens_can_be_checked_by_the_key_the_door_publishes(one: Asker) -> None:
    found = one.http.get("/.well-known/openid-configuration").json()
    assert found["issuer"] == one.server.url
    (key,) = one.http.get(found["jwks_uri"]).json()["keys"]
    assert (key["kty"], key["crv"], len(key["x"])) == ("OKP", "Ed25519", 43)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"type": "org.wbcsd.pathfinder.ProductFootprint.Published.v1"}, "is not handled"),
        ({"specversion": "0.3"}, "specversion is 1.0"),
        ({"id": ""}, "id is missing"),
        ({"time": None}, "time is missing"),
        ({"data": []}, "data is missing"),
        ({"data": {}}, "data.pfIds"),
        ({"data": {"pfIds": []}}, "data.pfIds"),
        ({"data": {"pfIds": ["urn:gtin:1"]}}, "data.pfIds/0"),
    ],
)
def test_an_event_that_is_none_is_refused(one: Asker, changes: dict[str, Any], why: str) -> None:
    told: dict[str, Any] = {"pfIds": [complete().id]}
    assert one.send("Published", told).status_code == 200
    answer = one.send("Published", changes.pop("data", told), **changes)
    assert (answer.status_code, answer.json()["code"]) == (400, "BadRequest")
    assert why in answer.json()["message"]


def test_an_event_is_a_cloud_event_in_json_and_no_more_than_fits(one: Asker) -> None:
    assert one.post(b"{}", "application/json").status_code == 400
    assert one.post(b"{").status_code == 400
    assert one.post(b"\xff").status_code == 400
    assert one.post(b" " * 5_000_000).status_code == 413


def test_who_has_no_server_to_be_answered_at_is_told_so_at_once(one: Asker) -> None:
    answer = one.send("RequestCreated", {"productId": ["urn:gtin:1"]})
    assert (answer.status_code, answer.json()["code"]) == (403, "AccessDenied")


def test_what_a_partner_sends_is_kept_and_only_what_is_good(one: Asker) -> None:
    folder = one.server.office.received
    one.server.outbox.asked("cars", "7", now_ms())
    bad = one.send("RequestFulfilled", {"requestEventId": "7", "pfs": [good(), top(id="1")]})
    assert bad.status_code == 400
    assert "/data/pfs/1/id: '1' is no UUID" in bad.json()["message"]
    assert not folder.exists()
    told = {"requestEventId": "7", "pfs": [good()]}
    assert [one.send("RequestFulfilled", told).status_code for _ in range(2)] == [200, 200]
    (file,) = folder.glob("*.json")
    assert json.loads(file.read_text()) == good()
    (origin,) = map(json.loads, (folder / "fetched.jsonl").read_text().splitlines())
    assert (origin["id"], origin["sha256"]) == (good()["id"], file.stem)
    one.server.outbox.asked("cars", "7b", now_ms())
    no = {"requestEventId": "7", "error": {"code": "NotFound", "message": "none"}}
    assert one.send("RequestRejected", {"requestEventId": "7b"}).status_code == 400
    assert one.send("RequestRejected", {**no, "requestEventId": "7b"}).status_code == 200


@pytest.mark.parametrize("kind", ["RequestFulfilled", "RequestRejected"])
def test_an_answer_to_what_was_not_asked_of_this_company_is_refused(one: Asker, kind: str) -> None:
    one.server.outbox.asked("bikes", f"b-{kind}", now_ms())
    told = {"pfs": [good()], "error": {"code": "NotFound", "message": "none"}}
    for request in ("8", f"b-{kind}"):
        answer = one.send(kind, {**told, "requestEventId": request})
        assert (answer.status_code, answer.json()["code"]) == (400, "BadRequest")
        assert "is nothing we asked cars" in answer.json()["message"]
    assert one.server.outbox.is_open("bikes", f"b-{kind}")


def test_what_a_stranger_writes_makes_no_line_of_the_log_and_no_long_one(
    one: Asker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    long = "9" * 900
    one.server.outbox.asked("cars", long, now_ms())
    error = {"code": "x\npact: all is well" + "y" * 10_000, "message": "\x1b[2J" * 1000}
    assert one.send("RequestRejected", {"requestEventId": long, "error": error}).status_code == 200
    many = {"pfIds": [complete().id] * 5000}
    assert one.send("Published", many).status_code == 200
    texts = [r.getMessage() for r in caplog.records if r.name.startswith("calc_stream")]
    assert len(texts) == 2
    assert all(text.isprintable() and len(text) < 800 for text in texts)
    newest = one.server.office.audit.newest(2)
    assert all(len(entry.told) <= 300 for entry in newest)
    assert newest[0].told.endswith("and 4995 more")
    assert one.send("Published", many, id_="x" * 1001).status_code == 400


def test_nothing_of_the_calculator_is_behind_this_door(one: Asker) -> None:
    for path in ("/", "/v1/batches", "/v1/session", "/openapi.json", "/docs"):
        answer = one.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "NotFound")


def test_behind_a_proxy_what_came_in_the_clear_is_refused(tmp_path: Path) -> None:
    """The proxy is asked here in its place: it says how it was asked."""
    with asking(tmp_path, complete()) as cars:
        pact = msgspec.structs.replace(cars.server.office.pact, behind_proxy=True)
        object.__setattr__(cars.server.office, "pact", pact)
        assert cars.get("/3/footprints").status_code == 400
        assert cars.get("/3/footprints", **{"x-forwarded-proto": "http"}).status_code == 400
        assert cars.get("/3/footprints", **{"x-forwarded-proto": "https"}).status_code == 200


def test_what_pact_cannot_say_is_not_offered_and_the_log_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told = msgspec.structs.replace(declaration(), product=())
    with asking(tmp_path, complete(), told=told) as cars:
        assert cars.ids("/3/footprints") == []
        assert cars.ids("/3/footprints") == []
    told_log = [r.getMessage() for r in caplog.records if "not offered" in r.getMessage()]
    assert told_log == [
        "pact: not offered: product wheel-17: is not declared; add it as a [[product]]"
    ]


def test_a_company_is_let_in_by_a_key_made_here_until_it_is_revoked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def key(*words: str) -> str:
        assert main(["pact", "key", *words, "--keys", str(tmp_path / "pact.keys")]) == 0
        return capsys.readouterr().out.strip()

    form = {"grant_type": "client_credentials"}
    with asking(tmp_path) as cars:
        for word in ("new", "rotate"):
            secret = key(word, "bikes")
            answer = cars.http.post("/auth/token", data=form, auth=("bikes", secret))
            assert answer.status_code == 200
        assert [line.split("\t")[0] for line in key("list").splitlines()] == ["cars", "bikes"]
        key("revoke", "bikes")
        answer = cars.http.post("/auth/token", data=form, auth=("bikes", secret))
        assert answer.status_code == 401
    assert main(["pact", "key", "new", "--keys", str(tmp_path / "pact.keys")]) == 2
