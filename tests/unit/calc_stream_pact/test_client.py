"""Our client with servers that are slow, wrong or not to be trusted."""

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response

from calc_stream.__main__ import main
from calc_stream.pact.client import Host
from tests.unit.calc_stream_pact.documents import good
from tests.unit.calc_stream_pact.exchange import certificates, serving
from wire.errors import BadData, ConfigError, TransientError


@dataclass
class Odd:
    """A server that answers what a test wants: one answer after the other, the last for ever."""

    url: str
    ca: Path
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    seen: list[tuple[str, str]] = field(default_factory=list)  # path and Authorization
    tokens: int = 0
    waits: list[float] = field(default_factory=list)

    def host(self, tries: bool = True) -> Host:
        wait = self.waits.append if tries else None
        return Host(self.url, "wheels", "a secret", str(self.ca), wait)

    def says(self, status: int, body: Any = b"", **headers: str) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answers.append((status, headers, data))

    @property
    def asked(self) -> list[str]:
        return [path for path, _ in self.seen if path.startswith("/3/")]


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[Odd]:
    ca, cert, key = certificates(tmp_path)
    application = FastAPI(openapi_url=None)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        made = Odd(f"https://127.0.0.1:{listening.getsockname()[1]}", ca)

        @application.api_route("/{path:path}", methods=["GET", "POST"])
        async def whatever(request: Request, path: str) -> Response:
            query = f"?{request.url.query}" if request.url.query else ""
            bearer = request.headers.get("authorization", "")
            made.seen.append((f"/{path}{query}", bearer))
            if path == "auth/token":
                made.tokens += 1
                return Response(json.dumps({"access_token": f"t{made.tokens}"}))
            if path.startswith(".well-known"):
                return Response(None, 404)
            status, headers, data = made.answers[0]
            made.answers = made.answers[1:] or made.answers
            return Response(data, status, headers)

        with serving(application, listening, cert, key):
            yield made


def test_pages_are_followed_to_the_end(odd: Odd) -> None:
    more = '<https://else.example.com/a>; rel="prev", <{}/3/footprints?page=2>; rel="next"'
    odd.says(200, {"data": [good()]}, link=more.format(odd.url))
    odd.says(200, {"data": [good()]}, link="</3/footprints?page=3>; rel=next; title=x")
    odd.says(200, {"data": []})
    assert len(list(odd.host().list([("productId", "urn:gtin:1 2")]))) == 2
    assert odd.asked == [
        "/3/footprints?productId=urn%3Agtin%3A1+2",
        "/3/footprints?page=2",
        "/3/footprints?page=3",
    ]
    assert odd.tokens == 1


@pytest.mark.parametrize("link", ["https://else.example.com/3/footprints", "http://127.0.0.1/3"])
def test_a_token_is_taken_to_no_other_host(odd: Odd, link: str) -> None:
    odd.says(200, {"data": []}, link=f'<{link}>; rel="next"')
    with pytest.raises(BadData, match="is no further page of"):
        list(odd.host().list())


def test_a_list_that_leads_back_to_itself_ends(odd: Odd) -> None:
    odd.says(200, {"data": []}, link='</3/footprints>; rel="next"')
    with pytest.raises(BadData, match="is no further page of"):
        list(odd.host().list())
    assert len(odd.asked) == 1


def test_a_redirect_is_not_followed(odd: Odd) -> None:
    odd.says(302, b"", location="https://else.example.com/")
    with pytest.raises(BadData, match="answered 302"):
        list(odd.host().list())
    assert len(odd.asked) == 1


def test_what_may_go_again_is_tried_again_after_a_time_that_grows(odd: Odd) -> None:
    odd.says(503, b"", **{"retry-after": "7"})
    odd.says(429, b"later")
    odd.says(202, {"data": []})
    odd.says(200, {"data": [good()]})
    assert list(odd.host().list()) == [good()]
    first, second, third = odd.waits
    assert first == 7
    assert 1 <= second <= 2 <= third <= 4


def test_after_five_tries_it_is_given_up(odd: Odd) -> None:
    odd.says(500, b"broken")
    with pytest.raises(TransientError, match="answered 500: 'broken'"):
        list(odd.host().list())
    assert (len(odd.asked), len(odd.waits)) == (5, 4)
    with pytest.raises(TransientError):
        list(odd.host(tries=False).list())
    assert len(odd.asked) == 6


def test_a_token_that_came_to_its_end_is_replaced_once(odd: Odd) -> None:
    odd.says(200, {"data": good()})
    odd.says(401, {"code": "TokenExpired", "message": "over"})
    odd.says(200, {"data": good()})
    odd.says(401, {"code": "TokenExpired", "message": "over"})
    host = odd.host()
    assert host.get("a") == host.get("b") == good()
    assert odd.tokens == 2
    with pytest.raises(ConfigError, match="answered 401"):
        host.get("c")
    assert odd.tokens == 3


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"<html>", "the answer is no JSON"),
        (b"[]", "answered without data"),
        (b'{"data": {}}', "data is no list"),
        (b'{"data": [], "data": []}', "stands twice"),
    ],
)
def test_an_answer_that_is_none_is_refused(odd: Odd, body: bytes, why: str) -> None:
    odd.says(200, body)
    with pytest.raises(BadData, match=why):
        list(odd.host().list())


def test_the_secret_goes_to_the_token_endpoint_only(odd: Odd) -> None:
    odd.says(200, {"data": []})
    list(odd.host().list())
    (basic,) = [path for path, told in odd.seen if told.startswith("Basic ")]
    assert basic == "/auth/token"
    assert [told for path, told in odd.seen if path.startswith("/3/")] == ["Bearer t1"]


def test_a_server_nobody_vouches_for_is_not_asked(odd: Odd) -> None:
    odd.says(200, {"data": []})
    host = Host(odd.url.replace("127.0.0.1", "localhost"), "wheels", "a secret")
    with pytest.raises(ConfigError, match="is ca_file that of its authority"):
        list(host.list())
    assert odd.seen == []


def test_a_server_that_is_away_may_come_back(odd: Odd, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    host = Host(f"https://127.0.0.1:{port}", "wheels", "a secret", str(odd.ca))
    with pytest.raises(TransientError, match=f"127.0.0.1:{port}"):
        host.send(b"{}")


def test_what_is_not_good_is_told_and_not_kept(
    odd: Odd, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = good(primaryDataShare="160")
    odd.says(200, {"data": [bad, good(), "no document"]})
    (tmp_path / "secret").write_text("a secret")
    ask = ["pact", "fetch", odd.url, "--client-id", "wheels", "--ca-file", str(odd.ca)]
    ask += ["--secret-file", str(tmp_path / "secret"), "--into", str(tmp_path / "theirs")]
    assert main(ask) == 1
    first, problem, kept, *rest = capsys.readouterr().out.splitlines()
    assert first == f"{bad['id']}: Ingot A356: not kept"
    assert problem == "  /pcf/primaryDataShare: 160 is more than 100; state 100 or less"
    assert kept.startswith("Ingot A356: 14.3 kg CO2e for 1 kilogram, Active, until 2029-11-01")
    assert rest[-1] == "  (document): 'no document' is no object; write it as {…}"
    assert len(list((tmp_path / "theirs").glob("*.json"))) == 1
