"""Alarms from when they are raised to when they are cleared: found, kept, seen, and told to others."""

import base64
import hashlib
import hmac
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar, get_args

import anyio
import msgspec
import pytest

from calc_stream.alarm import Alarm, Kind
from calc_stream.alarms import alarms
from calc_stream.config import Webhook
from calc_stream.overdue import HELD_MS
from calc_stream.web.alarm_book import CLEAR_MS, open_book
from calc_stream.web.alarm_words import words
from calc_stream.web.webhook import deliver, signature
from tests.unit.calc_stream_live.door import BY_HAND, Door, door
from tests.unit.calc_stream_live.plant import MODEL, T0
from wire.errors import BadData
from wire.messages import Sample

SILENT = Alarm("silent", "m", "m is silent", T0, {"since": "2026-11-21T08:00:00.000Z"})
GAP = Alarm("gap", "m", "a gap", T0)


def test_what_is_found_again_is_the_same_alarm_and_what_flickers_was_there_all_along(
    tmp_path: Path,
) -> None:
    with closing(open_book(tmp_path)) as book:
        (raised,) = book.follow([SILENT, SILENT], T0)
        assert book.follow([SILENT], T0 + 1000) == []
        assert book.follow([], T0 + 2000) == []
        assert book.follow([SILENT], T0 + CLEAR_MS) == []
        assert book.follow([], T0 + 20_000) == []
        assert [each.id for each in book.standing()] == [raised.id]
        (cleared,) = book.follow([], T0 + 20_000 + CLEAR_MS)
        assert (cleared.id, cleared.cleared_ms) == (raised.id, T0 + 20_000 + CLEAR_MS)
        assert book.standing() == []
        (again,) = book.follow([SILENT], T0 + 60_000)
        assert again.id != raised.id
        assert [each.id for each in book.past(2**53, 10)] == [again.id, raised.id]


def test_that_somebody_has_seen_it_outlives_the_process(tmp_path: Path) -> None:
    with closing(open_book(tmp_path)) as book:
        first, second = book.follow([SILENT, GAP], T0)
        book.acknowledge(first.id, "li.wei", "being exchanged", T0 + 1000)
        with pytest.raises(BadData, match="no alarm 'none'"):
            book.acknowledge("none", "li.wei", "seen", T0)
    with closing(open_book(tmp_path)) as book:
        assert book.follow([SILENT, GAP], T0 + 2000) == []
        seen, unseen = book.standing()
        assert seen.acknowledged is not None
        assert (seen.acknowledged.by, seen.acknowledged.reason) == ("li.wei", "being exchanged")
        assert (unseen.id, unseen.acknowledged) == (second.id, None)


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_kind_has_words_in_both_languages(kind: Any) -> None:
    said = words(Alarm(kind, "m-press", "m-press: something", T0, {"since": "then"}))
    assert said["en"] == "m-press: something"
    assert "m-press" in said["zh"]
    assert any("\u4e00" <= letter <= "\u9fff" for letter in said["zh"])


class Receiver(BaseHTTPRequestHandler):
    """Refuses as often as it is told to, and keeps what came."""

    refusals: ClassVar[list[int]] = []
    came: ClassVar[list[tuple[dict[str, str], bytes]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        status = self.refusals.pop() if self.refusals else 204
        if status == 204:
            self.came.append((dict(self.headers.items()), body))
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def receiver() -> Iterator[str]:
    Receiver.refusals, Receiver.came = [], []
    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/alarms"
        server.shutdown()
        thread.join()


async def test_a_webhook_gets_each_word_once_in_order_and_signed(tmp_path: Path) -> None:
    secret = base64.b64encode(b"0123456789abcdef").decode()
    (tmp_path / "secret").write_text(f"whsec_{secret}\n")
    with receiver() as url, closing(open_book(tmp_path, [url])) as book:
        (raised,) = book.follow([SILENT], T0)
        book.acknowledge(raised.id, "li.wei", "seen", T0 + 1)
        Receiver.refusals = [500]
        async with anyio.create_task_group() as tasks:
            hook = Webhook(url, tmp_path / "secret")
            tasks.start_soon(deliver, hook, book, "cq-test", lambda: T0)
            with anyio.fail_after(90):
                while book.waiting(url) is not None or len(Receiver.came) < 2:
                    await anyio.sleep(0.05)
            tasks.cancel_scope.cancel()
    said = [msgspec.json.decode(body) for _, body in Receiver.came]
    assert [each["state"] for each in said] == ["raised", "acknowledged"]
    assert {each["id"] for each in said} == {raised.id}
    assert (said[0]["key"], said[0]["detail"]) == ("alarm.silent", SILENT.detail)
    for headers, body in Receiver.came:
        head = {name.lower(): value for name, value in headers.items()}
        signed = f"{head['webhook-id']}.{head['webhook-timestamp']}.".encode() + body
        mac = hmac.new(b"0123456789abcdef", signed, hashlib.sha256).digest()
        assert head["webhook-signature"] == "v1," + base64.b64encode(mac).decode()


def test_the_signature_is_the_standard_s_own_example() -> None:
    """The vector of the reference libraries of Standard Webhooks."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    told = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body)
    assert told == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Door]:
    with door(tmp_path) as opened:
        yield opened


def kinds(made: Door) -> list[tuple[str, str]]:
    made.take()
    made.look()
    return [(alarm.kind, alarm.about) for alarm in made.parts.book.standing()]


def test_a_meter_that_stops_without_a_word_is_an_alarm_after_a_while(made: Door) -> None:
    made.plant.model()
    made.plant.read(*((at, 1000 + at) for at in range(0, 600, 60)))
    made.clock[0] = T0 + 540_000 + 299_000
    assert kinds(made) == []
    made.clock[0] += 2000
    assert kinds(made) == [("silent", "m"), ("silent", "m-press")]


def test_a_meter_that_is_read_every_quarter_of_an_hour_is_not_silent_in_between(made: Door) -> None:
    made.plant.model()
    made.plant.read((0, 0), (900, 100), (1800, 200))
    made.clock[0] = T0 + 1_800_000 + 3_500_000
    assert kinds(made) == []
    made.clock[0] += 200_000
    assert kinds(made) == [("silent", "m"), ("silent", "m-press")]


def test_a_gap_is_an_alarm_once_nobody_fills_it_any_more(made: Door) -> None:
    made.plant.model(MODEL.replace("slot_s = 60", "slot_s = 60\nmax_gap_s = 120"))
    made.plant.read(*((at, at) for at in range(0, 300, 10)), meters=("m", "m-press"))
    made.plant.read(*((at, at) for at in range(900, 2100, 10)), meters=("m", "m-press"))
    made.clock[0] = T0 + 2_100_000
    made.take()
    site = made.parts.engine.site
    assert site is not None
    site.told.now_ms = T0 + 900_000 + 899_000
    assert [a.kind for a in alarms(site, made.clock[0])] == []
    site.told.now_ms += 1000
    found = alarms(site, made.clock[0])
    assert [(a.kind, a.about, a.t_ms) for a in found] == [
        ("gap", "m", T0 + 290_000),
        ("gap", "m-press", T0 + 290_000),
    ]
    made.plant.read(*((at, at) for at in range(290, 910, 10)), meters=("m", "m-press"))
    made.take()
    assert alarms(site, made.clock[0]) == []


@pytest.mark.parametrize(
    ("day", "alarmed"), [("2026-12-21", True), ("2026-12-22", False), ("2026-11-01", True)]
)
def test_a_certificate_is_an_alarm_a_month_before_it_is_due(
    made: Door, day: str, alarmed: bool
) -> None:
    made.plant.model(MODEL.replace('id = "m"', f'certificate_due = {day}\nid = "m"'))
    made.plant.read((0, 0), (60, 100))
    made.clock[0] = T0 + 61_000
    assert kinds(made) == ([("certificate", "m")] if alarmed else [])


def batches(made: Door, energies: list[int], running_s: int = 0) -> None:
    """One batch a minute, each of one piece; then one that runs on."""
    total, at = 0, 0
    made.plant.model()
    made.plant.factors()
    readings = [(0, 0)]
    for number, energy in enumerate(energies):
        name = f"B{number}"
        made.plant.event(f"s{number}", at, "start", node="press", batch=name, product="wheel")
        made.plant.event(f"e{number}", at + 60, "stop", node="press", batch=name)
        made.plant.event(f"q{number}", at + 60, "quantity", batch=name, good="1", unit="piece")
        total, at = total + energy, at + 60
        readings.append((at, total))
    if running_s:
        made.plant.event("last", at, "start", node="press", batch="late", product="wheel")
        readings.append((at + running_s, total + 10))
    made.plant.read(*readings)
    made.clock[0] = T0 + 1000 * (at + running_s)


def test_a_batch_far_from_the_last_ones_is_an_alarm_and_shown_so(made: Door) -> None:
    """Limits of the last: 101.6 +- 6.0, by ranges of seven times 2 and once 4."""
    batches(made, [100, 102, 100, 102, 100, 102, 100, 102, 106, 108])
    assert kinds(made) == [("over_limit", "B9")]
    client = made.client()
    rows = {row["batch"]: row for row in client.get("/v1/batches").json()["batches"]}
    assert [name for name, row in rows.items() if row["over_limit"]] == ["B9"]
    told = client.get("/v1/products/wheel/factors").json()
    assert [p["batch"] for p in told["points"] if p["over_limit"]] == ["B9"]
    assert told["points"][-1]["batch"] == "B9"
    assert told["limits"]["batches"] == 10


def test_a_batch_that_runs_longer_than_any_of_its_product_is_an_alarm(made: Door) -> None:
    batches(made, [100, 100, 100], running_s=120)
    made.take()
    site = made.parts.engine.site
    assert site is not None
    since_ms = T0 + 180_000
    site.told.now_ms = since_ms + 60_000
    assert [a.kind for a in alarms(site, made.clock[0])] == []
    site.told.now_ms += 1
    (found,) = alarms(site, made.clock[0])
    assert (found.kind, found.about, found.t_ms) == ("long", "late", since_ms + 60_000)


def test_who_holds_batches_open_for_half_an_hour_is_an_alarm(made: Door) -> None:
    plant = made.plant
    plant.model()
    plant.event("e1", 30, "start", node="press", batch="P", product="wheel")
    plant.event("e2", 90, "stop", node="press", batch="P")
    plant.heartbeat(80)
    samples = [
        Sample(meter, T0 + at * 1000, {"active_energy_import": (1000, -3)})
        for meter in ("m", "m-press")
        for at in (0, 3600)
    ]
    plant.segment(samples, waits_from=60)
    kinds(made)
    site = made.parts.engine.site
    assert site is not None
    due_ms = T0 + 90_000 + site.rules.lateness_ms
    assert alarms(site, due_ms + HELD_MS) == []
    backlog, unheard = alarms(site, due_ms + HELD_MS + 1)
    assert (backlog.kind, backlog.about, backlog.t_ms) == ("backlog", "gw-1", T0 + 60_000)
    assert (unheard.kind, unheard.about, unheard.t_ms) == ("unheard", "mes", T0 + 80_000)
    assert unheard.detail == {"since": "2026-11-21T08:01:20.000Z", "batches": "1"}
    assert "生产系统 mes 自 2026-11-21T08:01:20.000Z 起" in words(unheard)["zh"]
    plant.segment(samples)
    plant.heartbeat((due_ms - T0) / 1000)
    kinds(made)
    assert alarms(site, due_ms + HELD_MS + 1) == []


def test_an_alarm_is_acknowledged_with_a_reason_over_the_api(made: Door) -> None:
    made.plant.model()
    made.plant.read((0, 0), (60, 100))
    made.clock[0] = T0 + 3_600_000
    kinds(made)
    client = made.client(**BY_HAND)
    alarm, _ = client.get("/v1/alarms").json()["alarms"]
    assert (alarm["kind"], alarm["acknowledged"], alarm["cleared_ms"]) == ("silent", None, None)
    path = f"/v1/alarms/{alarm['id']}/acknowledge"
    for wrong in ({}, {"reason": "  "}, {"reason": 7}, {"reason": "x" * 501}, [1]):
        assert client.post(path, json=wrong).status_code == 422
    seen = client.post(path, json={"reason": "being exchanged"}).json()["acknowledged"]
    assert seen == {"by": "local", "reason": "being exchanged", "t_ms": made.clock[0]}
    made.take()
    shown = client.get("/v1/snapshot").json()["alarms"]
    assert [each["acknowledged"] for each in shown] == [seen, None]
    every = client.get("/v1/alarms?state=all&limit=1").json()
    rest = client.get(f"/v1/alarms?state=all&after={every['next']}").json()["alarms"]
    assert len(every["alarms"]) == 1
    assert len(rest) <= 1
