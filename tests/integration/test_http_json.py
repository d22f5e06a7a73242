"""A meter behind HTTP: a device's own published document, and everything a server may do instead."""

import base64
import contextlib
import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random

import pytest

from edge_agent import profiles
from edge_agent.device import Device, bounds
from edge_agent.drivers import (
    LinkLost,
    NoAnswer,
    NotThere,
    Refused,
    Wanted,
    WrongMeter,
    http_json,
)
from edge_agent.drivers.http_json import Address
from edge_agent.json_meter import JsonMeter
from wire.errors import BadData

NOW_MS = 1_790_000_000_000
PATIENT_MS = 20_000  # where an answer comes
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
        async with http_json.connect(patient(url), Random(1), lambda: NOW_MS) as bus:
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


def patient(url: str) -> http_json.Settings:
    return http_json.Settings(url=url, timeout_ms=PATIENT_MS)


async def read(
    url: str, want: Wanted | None = None, timeout_ms: int = PATIENT_MS, **keys: object
) -> None:
    settings = http_json.Settings(url=url, timeout_ms=timeout_ms, **keys)  # type: ignore[arg-type]
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
    ],
)
async def test_anything_else_is_told_by_what_to_do_about_it(
    script: Script, error: type[Exception], said: str
) -> None:
    with server(script) as (url, _), pytest.raises(error, match=said):
        await read(url)


async def test_who_says_nothing_in_time_gives_no_answer() -> None:
    with (
        server(lambda _: time.sleep(0.5)) as (url, _),
        pytest.raises(NoAnswer, match="no answer in 200 ms"),
    ):
        await read(url, timeout_ms=200)


class Hesitant(Random):
    """Does not try again while a test lasts."""

    def uniform(self, *_range: float) -> float:
        return 600.0


async def test_nobody_there_is_a_lost_link_and_not_stormed() -> None:
    settings = http_json.Settings(url="http://127.0.0.1:9", timeout_ms=PATIENT_MS)
    async with http_json.connect(settings, Hesitant(), lambda: NOW_MS) as bus:
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
        async with http_json.connect(patient(url), Random(1), lambda: NOW_MS) as bus:
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


async def test_a_device_that_asks_for_a_digest_of_sha_256_gets_it(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("geheim\n")
    asks = 'Digest qop="auth", realm="shellypro3em-1", nonce="60dc2c69", algorithm=SHA-256'

    def sha256(text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()

    def guarded(handler: BaseHTTPRequestHandler) -> None:
        sent = dict(re.findall(r'(\w+)="?([^",]+)"?', handler.headers.get("Authorization", "")))
        if sent:
            who = sha256(f"{sent['username']}:shellypro3em-1:geheim")
            middle = f"60dc2c69:{sent['nc']}:{sent['cnonce']}:auth"
            right = sha256(f"{who}:{middle}:{sha256(f'GET:{handler.path}')}")
        if sent and sent["response"] == right:
            says(STATUS)(handler)
            return
        handler.send_response(401)
        handler.send_header("WWW-Authenticate", asks)
        handler.end_headers()

    with server(guarded) as (url, asked):
        await read(url, username="admin", password_file=secret)
    assert len(asked) == 2


@pytest.mark.parametrize("asks", ["Bearer realm=x", "Digest x", 'Digest realm="a", algorithm=X'])
async def test_a_way_to_log_in_that_is_not_known_ends_nothing_but_this_reading(asks: str) -> None:
    def guarded(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(401)
        handler.send_header("WWW-Authenticate", asks)
        handler.end_headers()

    with server(guarded) as (url, _), pytest.raises((Refused, LinkLost)):
        await read(url, username="admin")


async def test_a_device_that_sends_a_byte_now_and_then_does_not_hold_its_bus_up() -> None:
    def drips(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(900):
                handler.wfile.write(b" ")
                time.sleep(0.1)

    began = time.monotonic()
    with server(drips) as (url, _):
        with pytest.raises(NoAnswer, match="no answer in 200 ms"):
            await read(url, timeout_ms=200)
        assert time.monotonic() - began < 45  # half of it; who looks may be late


async def test_a_path_of_any_letters_is_asked_for() -> None:
    want = Wanted(
        "m", wanted().profile, http_json.Address(path="/状态?a=1&b=%20"), ("active_power",)
    )
    with server(says(STATUS.replace(b"em1:1", b"em1:0"))) as (url, asked):
        await read(url, want)
    assert asked == ["/%E7%8A%B6%E6%80%81?a=1&b=%20"]


@pytest.mark.parametrize(
    "url", ["http://", "http://[::1", "http://a:99999", "http://a:x", "ftp://a"]
)
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"url|Port|URL"):
        patient(url)


async def test_a_clock_of_whole_seconds_read_twice_in_one_is_one_reading() -> None:
    now_ms = NOW_MS
    with server(says(STATUS)) as (url, _):
        async with http_json.connect(patient(url), Random(1), lambda: now_ms) as bus:
            meter = bus.meter(wanted())
            assert len([answer async for answer in meter.read()]) == 1
            now_ms += 500
            assert [answer async for answer in meter.read()] == []
            now_ms += 10_000
            with pytest.raises(BadData, match="its clock stands still"):
                await anext(meter.read())


async def test_a_device_whose_clock_is_ahead_is_not_believed() -> None:
    ahead = STATUS.replace(b"1707930973", b"%d" % (NOW_MS // 1000 + 3600))
    with server(says(ahead)) as (url, _), pytest.raises(BadData, match="is 3600 s ahead"):
        await read(url)


@pytest.mark.parametrize("says", ["EM-50", "EM-63"])
def test_a_device_of_another_model_than_its_profile_names_is_refused(says: str) -> None:
    profile = profiles.parse(
        'vendor = "V"\nmodel = "EM-50"\nprotocol = "json"\ngrade = "A"\nsource = "-"\n'
        'identity = { model = "/model", expect = ["EM-50"] }\n'
        '[registers]\nactive_energy_import = { path = "/kwh", unit = "kWh", decimals = 3 }\n',
        "made",
    )
    meter = JsonMeter(Wanted("m", profile, Address(), ("active_energy_import",)), 0)
    wrong = pytest.raises(WrongMeter, match="model reads 'EM-63'; the V EM-50 says EM-50")
    with wrong if says == "EM-63" else contextlib.nullcontext():
        assert meter.identity(f'{{"model": "{says}"}}'.encode()) == {"model": "EM-50"}
