"""Those who do not mean well at our door: what they learn, what they cost, what they leave behind."""

import asyncio
import base64
import socket
import sqlite3
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from starlette.requests import Request

from calc_stream.pact.outbox import _SINCE, FILE, open_outbox
from calc_stream.pact.settings import Partner
from calc_stream.web.audit import Audit
from calc_stream.web.bodies import body_of
from calc_stream.web.pact import lists, patience, run
from calc_stream.web.problems import Problem
from tests.unit.calc_stream_live.footprints_sample import complete, declaration, sample
from tests.unit.calc_stream_pact.exchange import Server, delivering, listener, now_ms
from tests.unit.calc_stream_pact.test_door import Asker, asking, months
from wire.callers import CallersFile
from wire.errors import TransientError

FRAME = "frame"


def both_products() -> dict[str, Any]:
    """Two footprints of wheels and three of frames, of which bikes may see the frames."""
    told = declaration()
    frame = msgspec.structs.replace(told.product[0], id=FRAME, ids=("urn:gtin:4012345678918",))
    return {
        "told": msgspec.structs.replace(told, product=(*told.product, frame)),
        "callers": ("cars", "bikes"),
    }


def frames() -> list[Any]:
    return [complete(product=FRAME, period=f"2026-0{month}") for month in range(1, 4)]


def test_a_page_tells_nothing_of_how_much_is_published_of_other_products(tmp_path: Path) -> None:
    partners = [Partner("bikes", products=(FRAME,))]
    theirs, more = frames(), both_products()
    mixed = [months(2)[0], *theirs[:2], months(2)[1], theirs[2]]
    with asking(tmp_path, *mixed, name="bikes", partners=partners, **more) as bikes:
        seen, links, path = [], [], "/3/footprints?limit=1"
        while path:
            answer = bikes.get(path)
            seen += [each["id"] for each in answer.json()["data"]]
            path = answer.headers.get("link", "").partition(";")[0].strip("<>")
            links.append(path)
    assert seen == [each.id for each in theirs]
    assert {link.rpartition("x-wattprint-upto=")[2] for link in links[:-1]} == {"3"}


def test_nobody_gets_more_at_once_than_a_page_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "_MOST", 2)
    with asking(tmp_path, *months(3)) as cars:
        for query in ("", "?limit=50", "?limit=999999999"):
            answer = cars.get(f"/3/footprints{query}")
            assert len(answer.json()["data"]) == 2
            last = cars.get(answer.headers["link"].partition(";")[0].strip("<>"))
            assert (len(last.json()["data"]), "link" in last.headers) == (1, False)


def test_a_request_by_event_is_answered_with_what_its_sender_may_see(tmp_path: Path) -> None:
    theirs, more = frames(), both_products()
    with listener(tmp_path / "bikes") as partner:
        partners = [partner.partner("bikes", products=(FRAME,))]
        ours = tmp_path / "ours"
        with (
            asking(ours, *months(2), *theirs, name="bikes", partners=partners, **more) as bikes,
            delivering(bikes.server),
        ):
            for id_, wanted in (("all", {"geography": ["CN"]}), ("wheels", _of(complete()))):
                assert bikes.send("RequestCreated", wanted, id_=id_).status_code == 200
            found = {id_: partner.wait(_answers(id_))["data"] for id_ in ("all", "wheels")}
    assert [each["id"] for each in found["all"]["pfs"]] == [each.id for each in theirs]
    assert found["wheels"]["error"]["code"] == "NotFound"


def _of(footprint: Any) -> dict[str, Any]:
    return {"productId": [f"urn:pact:wheels.example.com:supplier-id:{footprint.product}"]}


def _answers(id_: str) -> Callable[[dict[str, Any]], bool]:
    return lambda event: bool(event["data"]["requestEventId"] == id_)


def test_what_took_whose_place_is_told_without_the_drafts_between(tmp_path: Path) -> None:
    """A receiver of the first one finds the way to the last."""
    first = complete()
    draft = sample(supersedes=(first.id,), good="211")
    again = sample(supersedes=(draft.id,), good="212")
    last = complete(supersedes=(again.id,), good="213")
    with asking(tmp_path, first, draft, again, last) as cars:
        old, new = cars.get("/3/footprints").json()["data"]
    assert (old["id"], old["status"]) == (first.id, "Deprecated")
    assert (new["status"], new["precedingPfIds"]) == ("Active", [first.id])


@pytest.fixture
def cars(tmp_path: Path) -> Any:
    with asking(tmp_path, complete()) as made:
        yield made


@pytest.mark.parametrize("told", [b"Basic \xe9", b"Basic ====", b"Basic", b"Basic \xff\xfe:"])
def test_credentials_that_are_none_are_no_accident(cars: Asker, told: bytes) -> None:
    form = {"grant_type": "client_credentials"}
    answer = cars.http.post("/auth/token", data=form, headers={"Authorization": told})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_who_tries_wrong_tokens_has_to_wait_and_others_have_not(cars: Asker) -> None:
    good = cars.token
    cars.token = "wrong"
    answers = [cars.get("/3/footprints") for _ in range(30)]
    assert {answer.status_code for answer in answers} == {400, 429}
    assert int(answers[-1].headers["retry-after"]) >= 1
    cars.token = good
    assert cars.get("/3/footprints").status_code == 200


def test_who_asks_without_end_has_to_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_PER_S", 0.01)
    monkeypatch.setattr(run, "_BURST", 3)
    with asking(tmp_path, complete(), callers=("cars", "bikes")) as cars:
        answers = [cars.get("/3/footprints") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert (answers[3].json()["code"], answers[3].headers["retry-after"]) == (
            "BadRequest",
            "100",
        )
        cars.token = cars.new_token("bikes")
        assert cars.get("/3/footprints").status_code == 200


def half_a_request(server: Server, what: str = "GET /3/footprints") -> ssl.SSLSocket:
    host, port = server.url.removeprefix("https://").split(":")
    plain = socket.create_connection((host, int(port)), timeout=60)
    context = ssl.create_default_context(cafile=server.ca)
    sock = context.wrap_socket(plain, server_hostname=host)
    sock.sendall(f"{what} HTTP/1.1\r\nHost: x\r\n".encode())
    return sock


def is_ended(sock: ssl.SSLSocket) -> bool:
    try:
        return sock.recv(1) == b""
    except (ConnectionError, ssl.SSLError):
        return True


def test_a_connection_that_never_asks_is_ended(
    cars: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "_WITHIN_S", 0.3)
    begun = time.monotonic()
    with half_a_request(cars.server) as sock:
        assert is_ended(sock)
    assert time.monotonic() - begun > 0.2


def test_so_many_connections_and_no_more(cars: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_MOST", 3)  # one is the asker's own
    monkeypatch.setattr(patience, "_WITHIN_S", 300.0)
    with half_a_request(cars.server), half_a_request(cars.server) as second:
        with half_a_request(cars.server) as third:
            assert is_ended(third)
        assert cars.get("/3/footprints").status_code == 200
        second.sendall(b"\r\n")
        assert second.recv(12) == b"HTTP/1.1 400"


async def test_a_body_that_never_ends_is_not_waited_for() -> None:
    pieces = iter([b"{", b" "])

    async def receive() -> dict[str, Any]:
        piece = next(pieces, None)
        if piece is None:
            await asyncio.sleep(60)
        return {"type": "http.request", "body": piece, "more_body": True}

    with pytest.raises(Problem) as caught:
        await body_of(Request({"type": "http", "method": "POST"}, receive), 100, within_s=0.05)
    assert caught.value.details.status == 408


def test_nobody_pushes_older_entries_out_of_the_audit_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = [now_ms()]
    audit = Audit(tmp_path, lambda: clock[0])

    def due(name: str | None, path: str, method: str = "GET", status: int = 404) -> bool:
        return audit.due(name, "10.0.0.7", method, path, status)

    for name in (None, "cars"):
        assert sum(due(name, f"/3/footprints/{n}") for n in range(1500)) == 1000
        assert not due(name, "/auth/token", "POST", 401)
    assert due("bikes", "/3/footprints")
    assert all(due("li.wei", "/v1/events", "POST", 200) for _ in range(1500))
    assert [r.getMessage().split()[2] for r in caplog.records] == ["those", "cars"]
    clock[0] += 3_600_000
    assert due(None, "/auth/token", "POST", 401)


def test_a_very_long_path_is_cut_in_the_audit_log(cars: Asker) -> None:
    assert cars.get(f"/3/footprints/{'a' * 8_000}").status_code == 400
    assert len(cars.server.office.audit.newest(1)[0].path) == 300


def test_requests_of_one_who_takes_no_answer_do_not_fill_the_disk(tmp_path: Path) -> None:
    with closing(open_outbox(tmp_path)) as outbox:
        for number in range(100):
            assert outbox.answer("cars", "s", str(number), b"{}", 0)
        with pytest.raises(TransientError, match="100 events wait until cars takes them"):
            outbox.answer("cars", "s", "100", b"{}", 0)
        assert outbox.answer("bikes", "s", "100", b"{}", 0)
        number, *_ = outbox.due("cars", 0) or (0,)
        outbox.done(number)
        assert outbox.answer("cars", "s", "100", b"{}", 0)  # it was not taken for known


@pytest.mark.parametrize("version", [1, 2])
def test_events_of_a_version_before_are_still_there(tmp_path: Path, version: int) -> None:
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        db.executescript("".join(_SINCE[:version]) + f"PRAGMA user_version = {version}")
        columns = "partner, made_ms, due_ms, body"
        db.execute(f"INSERT INTO waiting ({columns}) VALUES ('cars', 0, 0, x'7b7d')")
        db.execute("INSERT INTO request VALUES ('cars', 's', '1')")
        db.commit()
    with closing(open_outbox(tmp_path)) as outbox:
        assert outbox.due("cars", 0) == (1, 0, 0, b"{}")
        assert not outbox.answer("cars", "s", "1", b"{}", 0)
        outbox.asked("cars", "a", 0)
        assert outbox.is_open("cars", "a")
        assert outbox.is_open("bikes", "a") is None


def forged(token: str) -> dict[str, str]:
    """What somebody makes of a token of their own."""
    head, body, signature = token.split(".")
    claims = msgspec.json.decode(_unpacked(body))
    later = _packed(msgspec.json.encode({**claims, "exp": claims["exp"] + 3600}))
    other = _packed(msgspec.json.encode({**claims, "sub": "bikes"}))
    none = _packed(b'{"alg":"none","typ":"JWT"}')
    return {
        "of a longer life": f"{head}.{later}.{signature}",
        "of another name": f"{head}.{other}.{signature}",
        "with no signature": f"{head}.{body}.",
        "that says it needs none": f"{none}.{body}.",
        "turned round": f"{head}.{signature}.{body}",
    }


def _packed(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unpacked(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_a_token_that_was_changed_is_none(cars: Asker) -> None:
    assert cars.get("/3/footprints").status_code == 200
    for what, token in forged(cars.token).items():
        cars.token = token
        answer = cars.get("/3/footprints")
        assert (answer.status_code, answer.json()["code"]) == (400, "BadRequest"), what


def test_a_secret_is_that_of_one_name_only(tmp_path: Path) -> None:
    form = {"grant_type": "client_credentials"}
    with asking(tmp_path, callers=("cars", "bikes")) as cars:
        for name, secret in (("bikes", "cars-cars"), ("", "cars-cars"), ("cars", ""), ("x", "x")):
            answer = cars.http.post("/auth/token", data=form, auth=(name, secret))
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
            told = {**form, "client_id": name, "client_secret": secret}
            assert cars.http.post("/auth/token", data=told).status_code == 401
        told = {**form, "client_id": "cars", "client_secret": "cars-cars"}
        assert cars.http.post("/auth/token", data=told).status_code == 200


def test_one_who_sends_long_and_slowly_holds_up_itself_only(cars: Asker) -> None:
    """Its second event waits for its first; nobody else does."""
    with half_an_event(cars), half_an_event(cars):
        assert cars.http.get("/.well-known/jwks.json").status_code == 200
        CallersFile(cars.server.folder / "pact.keys", lambda: "bikes-bikes").add(
            "bikes", ("viewer",), now_ms()
        )
        cars.token = cars.new_token("bikes")
        assert cars.send("Published", {"pfIds": [complete().id]}).status_code == 200


@contextmanager
def half_an_event(cars: Asker) -> Iterator[None]:
    with half_a_request(cars.server, "POST /3/events") as sock:
        sock.sendall(f"Authorization: Bearer {cars.token}\r\n".encode())
        sock.sendall(b"Content-Type: application/cloudevents+json\r\n")
        sock.sendall(b"Content-Length: 4000000\r\n\r\n" + b" " * 2_000_000)
        yield
