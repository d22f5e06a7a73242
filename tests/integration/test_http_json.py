"""A meter behind HTTP: a device's own published document, and everything a server may do instead."""

import base64
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random

import pytest

from edge_agent import profiles
from edge_agent.device import Device, bounds
from edge_agent.drivers import LinkLost, NoAnswer, NotThere, Refused, Wanted, http_json
from wire.errors import BadData

NOW_MS = 1_790_000_000_000
# evcc discussion 12385: what a Shelly Pro EM-50 answered on /rpc/Shelly.GetStatus, cut to what a meter needs.
STATUS = (
    b'{"em1:0":{"id":0,"current":0.020,"voltage":224.6,"act_power":0.0,"aprt_power":4.6,"pf":0.00,"freq":50.0},'
    b'"em1:1":{"id":1,"current":22.780,"voltage":224.6,"act_power":5080.3,"aprt_power":5142.4,"pf":0.99,"freq":50.0},'
    b'"em1data:0":{"id":0,"total_act_energy":0.00,"total_act_ret_energy":0.00},'
    b'"em1data:1":{"id":1,"total_act_energy":6644.90,"total_act_ret_energy":2595.26},'
    b'"sys":{"mac":"08F9E0E67204","time":"18:16","unixtime":1707930973,"uptime":28980}}'
)

Script = Callable[[BaseHTTPRequestHandler], None]


@contextlib.contextmanager
def server(script: Script) -> Iterator[tuple[str, list[str]]]:
    """(url, paths asked for) of a server that does what the script says."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            script(self)

        def log_message(self, *_: object) -> None:
            """Not on the tests' output."""

    here = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=here.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{here.server_port}", asked
    finally:
        here.shutdown()
        thread.join()
        here.server_close()


def says(body: bytes, status: int = 200) -> Script:
    def script(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.end_headers()
        handler.wfile.write(body)

    return script


def wanted(channel: int = 1, *quantities: str) -> Wanted:
    profile = profiles.load("shelly_pro_em")
    asked = quantities or ("active_energy_import", "active_energy_export", "active_power")
    return Wanted("m", profile, http_json.Address(channel=channel), asked)


async def test_a_published_status_document_is_read_exactly() -> None:
    with server(says(STATUS)) as (url, asked):
        async with http_json.connect(http_json.Settings(url=url), Random(1), lambda: NOW_MS) as bus:
            want = wanted()
            device = Device("m", bus.meter(want), lambda: NOW_MS, bounds(want, 20_000))
            polled = await device.poll()
    (sample,) = polled.samples
    assert sample.t_ms == 1_707_930_973_000, "its own time, not that of the request"
    assert sample.values == {
        "active_energy_import": (664490, -5),
        "active_energy_export": (259526, -5),
        "active_power": (50803, -1),
    }
    assert [e.detail for e in polled.events] == [{"serial": "08F9E0E67204"}]
    assert set(asked) == {"/rpc/Shelly.GetStatus"}


async def read(url: str, want: Wanted | None = None, **keys: object) -> None:
    settings = http_json.Settings(url=url, timeout_ms=200, **keys)  # type: ignore[arg-type]
    async with http_json.connect(settings, Random(1), lambda: NOW_MS) as bus:
        meter = bus.meter(want or wanted())
        async for _ in meter.read():
            pass


@pytest.mark.parametrize(
    ("script", "error", "said"),
    [
        (says(b"", 404), NotThere, "answered 404"),
        (says(b"", 401), Refused, "answered 401"),
        (says(b"", 503), NoAnswer, "answered 503"),
        (says(b"<html>"), BadData, "not a JSON document: .* it begins b'<html>'"),
        (says(b"{}"), BadData, "active_energy_import: nothing at /em1data:1/total_act_energy"),
        (says(STATUS.replace(b"6644.90", b'"-"')), BadData, "'-' is not a number"),
        (says(b" " * 2_000_000), BadData, "over the limit"),
        (lambda _: time.sleep(0.5), NoAnswer, "no answer in 200 ms"),
    ],
)
async def test_anything_else_is_told_by_what_to_do_about_it(
    script: Script, error: type[Exception], said: str
) -> None:
    with server(script) as (url, _), pytest.raises(error, match=said):
        await read(url)


async def test_nobody_there_is_a_lost_link_and_not_stormed() -> None:
    settings = http_json.Settings(url="http://127.0.0.1:9", timeout_ms=200)
    async with http_json.connect(settings, Random(1), lambda: NOW_MS) as bus:
        meter = bus.meter(wanted())
        with pytest.raises(LinkLost, match="cannot be reached") as first:
            await anext(meter.read())
        assert first.value.retry_after_s is not None
        with pytest.raises(LinkLost, match="next attempt in"):
            await anext(meter.read())
    assert meter.tally.asked == 1


async def test_a_value_the_meter_has_not_now_is_no_value_and_an_optional_one_may_lack() -> None:
    body = STATUS.replace(b"5080.3", b"null").replace(b'"pf":0.99,', b"")
    with server(says(body)) as (url, _):
        async with http_json.connect(http_json.Settings(url=url), Random(1), lambda: NOW_MS) as bus:
            meter = bus.meter(wanted(1, "active_power", "power_factor", "voltage_l1"))
            (answer,) = [answer async for answer in meter.read()]
    assert answer.values == {"active_power": None, "voltage_l1": (2246, -1)}
    assert meter.absent == {"power_factor"}
    assert answer.shown()["voltage_l1"] == ("/em1:1/voltage", "224.6")


async def test_a_password_is_sent_to_who_asks_for_it(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("geheim\n")
    right = "Basic " + base64.b64encode(b"admin:geheim").decode()

    def guarded(handler: BaseHTTPRequestHandler) -> None:
        if handler.headers.get("Authorization") == right:
            says(STATUS)(handler)
            return
        handler.send_response(401)
        handler.send_header("WWW-Authenticate", 'Basic realm="meter"')
        handler.end_headers()

    with server(guarded) as (url, asked):
        await read(url, username="admin", password_file=secret)
        assert len(asked) == 2
        with pytest.raises(Refused, match="401"):
            await read(url)
