"""Our client with servers that are slow, wrong or not to be trusted."""

import gzip
import json
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response

from calc_stream.__main__ import main
from calc_stream.pact import client
from calc_stream.pact.client import Host
from tests.unit.calc_stream_pact.documents import good, top
from tests.unit.calc_stream_pact.exchange import certificates, serving
from tests.unit.calc_stream_pact.odd_server import Odd, raw
from wire.errors import BadData, ConfigError, TransientError


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
            if path == "auth/token" and made.busy:
                made.busy -= 1
                return Response(None, 503, {"retry-after": "9"})
            if path == "auth/token":
                made.tokens += 1
                return Response(json.dumps({"access_token": f"t{made.tokens}"}))
            if path.startswith(".well-known"):
                return Response(json.dumps(made.provider), 200 if made.provider else 404)
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
    host = Host(f"https://127.0.0.1:{port}", "wheels", "a secret", odd.ca)
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


@pytest.mark.parametrize(
    "link",
    [
        '</3/footprints?page=2>; title="the last, the next"; rel="next"',
        "</3/footprints?page=2>; REL=NEXT",
        '</3/a,b>; rel="prev start", </3/footprints?page=2>;rel="up next"',
    ],
)
def test_a_next_page_is_found_however_it_is_written(odd: Odd, link: str) -> None:
    odd.says(200, {"data": []}, link=link)
    odd.says(200, {"data": [good()]}, link='</3/footprints>; rel="prev"; title="no next"')
    assert list(odd.host().list()) == [good()]


@pytest.mark.parametrize("link", ["//else.example.com/3", "https://[", "https://a@127.0.0.1/3"])
def test_a_link_that_is_none_of_this_server_is_refused(odd: Odd, link: str) -> None:
    odd.says(200, {"data": []}, link=f'<{link}>; rel="next"')
    with pytest.raises(BadData, match="is no further page"):
        list(odd.host().list())


def test_a_token_endpoint_in_the_clear_gets_no_secret(odd: Odd) -> None:
    odd.provider = {"token_endpoint": odd.url.replace("https", "http") + "/else"}
    odd.says(200, {"data": []})
    assert list(odd.host().list()) == []
    assert [path for path, told in odd.seen if told.startswith("Basic ")] == ["/auth/token"]


@pytest.mark.parametrize(
    "named",
    ["https://[", "https://", "https://a b/", "https://.a/", f"https://{'a' * 300}/", "https://a:x/",
     "https://\x00/", "https://127.0.0.1:99999/", "https://ü\ud7ff/", "https:///x", 7, None],
)  # fmt: skip
def test_whatever_is_named_as_token_endpoint_breaks_nothing(odd: Odd, named: Any) -> None:
    """Our events to partners run beside the calculator, and end with it."""
    odd.provider = {"token_endpoint": named}
    odd.says(200, {"data": []})
    assert how_it_ends(odd.host(tries=False)).isprintable()


def how_it_ends(host: Host) -> str:
    try:
        return str(list(host.list()))
    except (BadData, ConfigError, TransientError) as exc:
        return str(exc)


def test_a_busy_token_endpoint_is_asked_again_when_it_says(odd: Odd) -> None:
    odd.busy = 1
    odd.says(200, {"data": []})
    assert list(odd.host().list()) == []
    assert odd.waits == [9]


def test_what_is_longer_than_anybody_needs_is_not_kept(
    odd: Odd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor when it came small and grows when it is unpacked."""
    monkeypatch.setattr(client, "_MOST_BYTES", 200_000)
    odd.says(200, b" " * 200_001)
    odd.says(200, gzip.compress(b" " * 50_000_000), **{"content-encoding": "gzip"})
    host = odd.host()
    for _ in range(2):
        with pytest.raises(BadData, match="answered more than 200000 bytes"):
            host.get("a")
    odd.answers.clear()
    odd.says(200, {"data": good()})
    assert host.get("a") == good()


WHOLE = json.dumps({"data": good()}).encode()


@pytest.mark.parametrize(
    "sent",
    [
        b"Content-Length: %d\r\n\r\n" % (len(WHOLE) + 1) + WHOLE,
        b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(WHOLE) + WHOLE + b"\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % (len(WHOLE) + 1) + WHOLE,
        b"Transfer-Encoding: chunked\r\n\r\nx\r\n",
        b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(WHOLE) + WHOLE,
    ],
)
def test_half_an_answer_is_none(odd: Odd, sent: bytes) -> None:
    """Even if what came is JSON."""

    def half(sock: ssl.SSLSocket) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\n" + sent)

    with raw(odd, half) as host, pytest.raises(TransientError):
        host.get("a")


def test_an_answer_that_drips_is_not_waited_for(odd: Odd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_WHOLE_S", 0.5)

    def drip(sock: ssl.SSLSocket) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            sock.sendall(b" ")
            time.sleep(0.05)

    with raw(odd, drip) as host, pytest.raises(TransientError, match="was not whole after"):
        host.get("a")


@pytest.mark.parametrize("url", ["https://[", "https://", "https://a?b", "http://a", "a"])
def test_what_is_no_server_is_refused_by_name(url: str) -> None:
    with pytest.raises(ConfigError, match="must start with https://"):
        Host(url, "wheels", "a secret")


@dataclass
class Fetching:
    """`wattprint pact fetch` from the odd server."""

    odd: Odd
    folder: Path

    def __call__(self, *more: str) -> int:
        (self.folder / "secret").write_text("a secret")
        ask = ["pact", "fetch", self.odd.url, "--client-id", "wheels", "--ca-file"]
        ask += [str(self.odd.ca), "--secret-file", str(self.folder / "secret")]
        return main([*ask, "--into", str(self.folder / "theirs"), *more])

    @property
    def files(self) -> set[str]:
        return {path.name for path in (self.folder / "theirs").glob("*.json")}


@pytest.fixture
def fetch(odd: Odd, tmp_path: Path) -> Fetching:
    return Fetching(odd, tmp_path)


def test_a_document_that_changes_under_its_id_is_told_and_the_first_one_stays(
    fetch: Fetching, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch.odd.says(200, {"data": [good()]})
    assert fetch() == 0
    first = fetch.files
    capsys.readouterr()
    fetch.odd.answers.clear()
    less = {name: "13.3" for name in good()["pcf"] if good()["pcf"][name] == "14.3"}
    cased = {**good(**less), "id": good()["id"].upper()}  # it is the same id
    fetch.odd.says(200, {"data": [cased]})
    assert fetch() == 1
    out = capsys.readouterr().out
    assert "not kept" in out
    assert "says something else than" in out
    assert fetch.files == first


def test_a_document_that_is_superseded_meanwhile_is_the_same_and_another_file(
    fetch: Fetching, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch.odd.says(200, {"data": [good()]})
    fetch.odd.says(200, {"data": [top(status="Deprecated")]})
    assert [fetch(), fetch("--deprecated")] == [0, 0]
    assert len(fetch.files) == 2
    assert "superseded" in capsys.readouterr().out


def test_what_was_not_asked_for_is_told(
    fetch: Fetching, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch.odd.says(200, {"data": good()})
    other = "5b0f5c1e-62b5-5b8e-9d53-0a1f3c9e7d11"
    assert fetch("--id", other) == 1
    assert f"/id: is not {other}" in capsys.readouterr().out
    assert fetch.files == set()
    assert fetch("--id", "../events") == 2
    fetch.odd.answers.clear()
    fetch.odd.says(200, {"data": [good()]})
    assert fetch("--product", "urn:gtin:4000000000000") == 0
    assert "of no product that was asked for" in capsys.readouterr().out


def test_what_was_kept_before_a_server_broke_down_is_told(
    fetch: Fetching, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch.odd.says(200, {"data": [good()]}, link='</3/footprints?page=2>; rel="next"')
    fetch.odd.says(404, b"gone")
    assert fetch() == 2
    told = capsys.readouterr()
    assert "Ingot A356" in told.out
    assert "answered 404" in told.err
    assert len(fetch.files) == 1


def test_a_name_that_steers_a_terminal_is_shown_without(
    fetch: Fetching, capsys: pytest.CaptureFixture[str]
) -> None:
    name = 'x\x1b[2J\n  pcf = "00000000-0000-0000-0000-000000000000"'
    fetch.odd.says(200, {"data": [top(productNameCompany=name), {name: 1, "id": name}]})
    assert fetch() == 1
    lines = capsys.readouterr().out.splitlines()
    assert all(line.isprintable() for line in lines)
    assert sum(line.startswith("  pcf =") for line in lines) == 1
