"""Who may look and who may change something: keys, cookies, tokens, an open page; what is noted."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request

from calc_stream.web.audit import Audit, Entry
from calc_stream.web.guard import Guard
from calc_stream.web.problems import Problem
from calc_stream.web.tokens import SESSION_S, TOKEN_S, Tokens
from tests.unit.calc_stream_live.door import BY_HAND, Door, door
from tests.unit.calc_stream_live.plant import T0
from wire.callers import Callers, CallersFile
from wire.errors import ConfigError
from wire.signing import SigningKey

KEYS = [("vera", "viewer"), ("otto", "operator"), ("aude", "auditor"), ("ada", "admin")]


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with door(tmp_path_factory.mktemp("keyed"), *KEYS) as made:
        made.plant.example_4()
        made.take()
        yield made


@pytest.mark.parametrize("path", ["/v1/batches", "/v1/live", "/v1/snapshot", "/v1/me", "/v1/audit"])
def test_without_a_key_nothing_is_shown(keyed: Door, path: str) -> None:
    for client in (keyed.client(), keyed.client("nobody-nobody")):
        answer = client.get(path)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"] == "application/problem+json"


def test_the_page_itself_and_its_health_need_no_key(keyed: Door) -> None:
    assert keyed.client().get("/").status_code == 200
    assert keyed.client().get("/health").json() == {"status": "ok"}


def test_a_role_gives_what_it_is_for(keyed: Door) -> None:
    """What each is answered: reading, the audit log, an event, of which there is no ingestor."""
    answers = {}
    for name, _ in KEYS:
        client = keyed.client(f"{name}-{name}")
        answers[name] = (
            client.get("/v1/batches").status_code,
            client.get("/v1/audit").status_code,
            client.post("/v1/events", json={"id": "x", "t": "2026-11-21T08:00:00Z", "type": "void", "of": "e1"}).status_code,
            client.post("/v1/alarms/none/acknowledge", json={"reason": "seen"}).status_code,
        )  # fmt: skip
    assert answers == {
        "vera": (200, 403, 403, 403),
        "otto": (200, 403, 503, 404),
        "aude": (200, 200, 403, 403),
        "ada": (200, 200, 503, 404),
    }


def test_a_browser_signs_in_with_a_key_and_out_again(keyed: Door) -> None:
    client = keyed.client()
    assert client.post("/v1/session", json={"key": "otto-otto"}).status_code == 403
    client.headers.update(BY_HAND)
    assert client.post("/v1/session", json={"key": "wrong"}).status_code == 401
    answer = client.post("/v1/session", json={"key": "otto-otto"})
    assert (answer.status_code, answer.content) == (204, b"")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "otto-otto" not in cookie
    me = client.get("/v1/me").json()
    assert me == {"name": "otto", "role": "operator", "roles": ["operator"], "open": False}
    told = {"reason": "seen"}
    assert client.post("/v1/alarms/none/acknowledge", json=told).status_code == 404
    del client.headers["x-requested-with"]  # as another site's page would have it sent
    assert client.post("/v1/alarms/none/acknowledge", json=told).status_code == 403
    assert client.delete("/v1/session").status_code == 204
    assert client.get("/v1/me").status_code == 401


def test_a_program_gets_a_token_for_its_key(keyed: Door) -> None:
    form = {"grant_type": "client_credentials", "client_id": "vera", "client_secret": "vera-vera"}
    told = keyed.client().post("/auth/token", data=form)
    assert told.headers["cache-control"] == "no-store"
    token = told.json()
    assert (token["token_type"], token["expires_in"], token["scope"]) == ("Bearer", 900, "viewer")
    assert keyed.client(token["access_token"]).get("/v1/me").json()["name"] == "vera"
    basic = base64.b64encode(b"vera:vera-vera").decode()
    only = {"grant_type": "client_credentials"}
    answer = keyed.client(Authorization=f"Basic {basic}").post("/auth/token", data=only)
    assert answer.status_code == 200
    for wrong, status, error in (
        ({**form, "client_secret": "otto-otto"}, 401, "invalid_client"),
        ({**form, "client_id": "otto"}, 401, "invalid_client"),
        ({**form, "grant_type": "password"}, 400, "unsupported_grant_type"),
        ({}, 400, "unsupported_grant_type"),
    ):
        refused = keyed.client().post("/auth/token", data=wrong)
        assert (refused.status_code, refused.json()["error"]) == (status, error)


def test_a_token_ends_with_its_time_with_its_key_and_with_any_change_of_it(tmp_path: Path) -> None:
    file = CallersFile(tmp_path / "keys", iter(["one", "two", "three"]).__next__)
    file.add("bi", ("viewer",), T0)
    file.add("mes", ("admin",), T0)
    callers, now = Callers(tmp_path / "keys"), [T0]
    tokens = Tokens(SigningKey.new(), callers, lambda: now[0])
    bi = callers.named("bi")
    assert bi is not None
    token = tokens.made(bi, TOKEN_S)
    assert tokens.who(token) == bi
    head, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    forged = base64.urlsafe_b64encode(json.dumps(claims | {"sub": "mes"}).encode()).rstrip(b"=")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    for bad in (
        "",
        "a.b",
        f"{head}.{forged.decode()}.{signature}",
        f"{none}.{body}.",
        f"{head}.{body}.é",
    ):
        assert tokens.who(bad) is None
    assert Tokens(SigningKey.new(), callers, lambda: now[0]).who(token) is None
    now[0] += TOKEN_S * 1000 - 1
    assert tokens.who(token) == bi
    now[0] += 1
    assert tokens.who(token) is None
    session = tokens.made(bi, SESSION_S)
    assert tokens.who(session)
    file.rotate("bi", T0)
    assert tokens.who(session) is None


@pytest.mark.parametrize(
    ("near", "host", "name"),
    [
        ("127.0.0.1", "localhost:8420", "local"),
        ("::1", "[::1]:8420", "local"),
        ("127.0.0.1", "evil.example", "anybody"),
        ("127.0.0.1", "", "anybody"),
        ("10.0.0.7", "localhost", "anybody"),
        ("unix", "localhost", "anybody"),
    ],
)
def test_an_open_page_takes_changes_from_its_own_machine_only(
    near: str, host: str, name: str
) -> None:
    headers = [(b"host", host.encode()), (b"x-requested-with", b"wattprint")]
    scope = {"type": "http", "method": "POST", "headers": headers, "client": (near, 1), "state": {}}
    request = Request(scope)
    assert Guard().admit(request, "viewer", "", "").name == name
    if name == "anybody":
        with pytest.raises(Problem, match="needs the role operator"):
            Guard().admit(request, "operator", "", "")
        return
    assert Guard().admit(request, "operator", "", "")
    scope["headers"] = headers[:1]
    with pytest.raises(Problem, match="X-Requested-With"):
        Guard().admit(Request(scope), "operator", "", "")


def test_who_read_and_changed_what_is_noted_without_secrets(tmp_path: Path) -> None:
    with door(tmp_path, *KEYS) as made:
        made.plant.example_4()
        made.take()
        vera, otto = made.client("vera-vera"), made.client("otto-otto")
        for _ in range(3):
            vera.get("/v1/batches?q=secret")
        vera.get("/v1/audit")
        made.client("wrong-key").get("/v1/batches")
        event = {"id": "x", "t": "2026-11-21T08:00:00Z", "type": "void", "of": "e1"}
        for _ in range(2):
            otto.post("/v1/events", json=event)
        noted = made.client("aude-aude").get("/v1/audit").json()["entries"]
    assert [(e["name"], e["method"], e["path"], e["status"]) for e in reversed(noted)] == [
        ("vera", "GET", "/v1/batches", 200),
        ("vera", "GET", "/v1/audit", 403),
        (None, "GET", "/v1/batches", 401),
        ("otto", "POST", "/v1/events", 503),
        ("otto", "POST", "/v1/events", 503),
    ]
    assert noted[0]["told"] == "1 events (void): x"
    written = (tmp_path / "calc" / "audit.jsonl").read_text()
    for secret in ("vera-vera", "wrong-key", "otto-otto", "q=secret"):
        assert secret not in written


def test_the_audit_log_turns_its_file_over_and_keeps_order(tmp_path: Path) -> None:
    audit = Audit(tmp_path, lambda: T0, most_bytes=300)
    entries = [Entry(T0 + n, "li.wei", "::1", "POST", "/v1/events", 201) for n in range(12)]
    for entry in entries:
        audit.write(entry)
    assert audit.newest(100) == entries[::-1]
    assert audit.newest(5) == entries[:-6:-1]
    sizes = [path.stat().st_size for path in tmp_path.glob("audit.jsonl*")]
    assert len(sizes) > 3
    assert max(sizes) <= 300


def test_bodies_that_are_too_large_are_not_kept(keyed: Door) -> None:
    client = keyed.client("otto-otto")
    big = b'{"reason": "' + b"x" * 5000 + b'"}'
    answer: httpx.Response = client.post("/v1/alarms/none/acknowledge", content=big)
    assert answer.status_code == 413


def test_who_asks_too_often_waits_and_others_do_not(tmp_path: Path) -> None:
    with door(tmp_path, *KEYS, text="requests_per_s = 0.01\nburst = 3\n") as made:
        made.plant.example_4()
        made.take()
        client = made.client("vera-vera")
        assert [client.get("/v1/me").status_code for _ in range(4)] == [200, 200, 200, 429]
        refused = client.get("/v1/me")
        assert (refused.json()["title"], refused.json()["detail"]) == (
            "Too Many Requests",
            "vera asks too often",
        )
        assert 1 <= int(refused.headers["retry-after"]) <= 100
        assert made.client("otto-otto").get("/v1/me").status_code == 200


def test_keys_cannot_be_guessed_one_after_the_other(tmp_path: Path) -> None:
    with door(tmp_path, *KEYS) as made:
        client = made.client(**BY_HAND)
        tried = [client.post("/v1/session", json={"key": f"guess-{n}"}) for n in range(40)]
        assert tried[0].status_code == 401
        assert {answer.status_code for answer in tried} == {401, 429}
        guessing = made.client("guess")
        assert 429 in {guessing.get("/v1/me").status_code for _ in range(40)}
        assert made.client("vera-vera").get("/v1/me").status_code == 200
        assert made.client().get("/v1/me").status_code == 401, "who sends none guesses none"


def test_companies_that_exchange_footprints_get_a_file_of_keys_of_their_own(tmp_path: Path) -> None:
    pact = f'\n[pact]\nurl = "https://x.example"\nkeys_file = "{tmp_path}/api.keys"\nbehind_proxy = true\n'
    wanted = "pact.keys_file: is that of the page; give companies a file of their own"
    with pytest.raises(ConfigError, match=wanted), door(tmp_path, *KEYS, text=pact):
        pass
