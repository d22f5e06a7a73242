"""A gateway comes in with a code, renews, and is shut out: real processes, TLS all the way."""

import argparse
import base64
import contextlib
import dataclasses
import http.client
import http.server
import io
import secrets
import ssl
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge_agent.enrolment import Files, Gateway, is_due
from ingestor import certificates, config, service, standing
from ingestor.authority import Authority
from ingestor.commands import ca as ca_command
from ingestor.commands import keys as keys_command
from ingestor.days import Days
from ingestor.keys import KeyRecord
from ingestor.orders import Orders
from tests.integration import servers
from tests.integration.secured import DAY_MS, HOST, now_ms
from tests.integration.servers import Process
from wire import certificate, enrolment, tls
from wire.enrolment import Code
from wire.errors import BadData, TransientError
from wire.journal import Entry, open_writer
from wire.signing import PublicKey, SigningKey


class Cloud:
    """An ingestor that enrols, without a broker: it goes on without one."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.place = folder, folder / "authority"
        self.ca("init", "--host", HOST)
        self.port, self.config = servers.free_port(), folder / "ingestor.toml"
        (folder / "api.keys").touch(0o600)
        self.config.write_text(
            f'journal = "{folder}/journal.db"\nstate = "{folder}/state"\n'
            f'receipt_key = "{folder}/receipt.key"\n'
            f"[broker]\nport = {servers.free_port()}\n"
            f'[api]\nport = {self.port}\nkeys_file = "{folder}/api.keys"\n'
            f'cert_file = "{self.place}/services/api.pem"\n'
            f'[enrol]\nauthority = "{self.place}"\ndays = 90\n'
        )
        self.process = Process(
            "ingestor",
            [sys.executable, "-m", "ingestor", "run", "--config", str(self.config)],
            folder / "ingestor.log",
            lambda: servers.listens(self.port),
        )

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.port}"

    def ca(self, action: str, *words: str) -> None:
        parser = argparse.ArgumentParser()
        ca_command.add_arguments(parser)
        assert ca_command.run(parser.parse_args([action, str(self.place), *words])) == 0

    def order(self, *words: str) -> str:
        """`wattprint keys …`; what it said."""
        parser = argparse.ArgumentParser()
        keys_command.add_arguments(parser)
        arguments = parser.parse_args([*words, "--config", str(self.config)])
        with contextlib.redirect_stdout(io.StringIO()) as said:
            assert keys_command.run(arguments) == 0
        return said.getvalue()

    def invite(self, gateway: str, hours: float = 1, site: str = "cq") -> Code:
        authority = Authority(self.place, now_ms)
        code = Code.new(secrets.token_bytes(16), authority.ca().sha256)
        authority.add(f"{site}.{gateway}", "gateway")
        authority.invite(f"{site}.{gateway}", code.mark, now_ms() + int(hours * 3_600_000))
        return code

    def gateway(self, name: str, site: str = "cq") -> Gateway:
        place = self.folder / f"{site}.{name}"
        files = Files(place / "ca.pem", place / "gateway.pem", place / "receipt.key.pub")
        key = SigningKey.load_or_create(place / "gateway.key")
        return Gateway(self.url, site, name, key, files)

    def keys_of(self, gateway: str) -> list[dict[str, Any]]:
        """What the journal knows of them."""
        lines = self.order("list", "--json").splitlines()
        told = [msgspec.json.decode(line) for line in lines]
        return [each for each in told if each["gateway"] == gateway]


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """With an ingestor on a busy machine."""
    monkeypatch.setattr(keys_command, "_WAIT_S", servers.PATIENCE_S)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    made = Cloud(tmp_path_factory.mktemp("cloud"))
    made.process.start()
    yield made
    made.process.kill()


def test_a_code_brings_certificate_authority_and_receipt_keys(cloud: Cloud) -> None:
    gateway = cloud.gateway("gw-1")
    got = gateway.enrol(cloud.invite("gw-1"))
    assert got.name == "cq.gw-1"
    assert 89 * DAY_MS < got.until_ms - now_ms() < 91 * DAY_MS
    assert gateway.files.ca.read_bytes() == (cloud.place / "ca.pem").read_bytes()
    assert gateway.files.receipt_keys.read_text() == (cloud.folder / "receipt.key.pub").read_text()
    assert stat.S_IMODE(gateway.files.cert.stat().st_mode) == 0o600
    tls.context(gateway.files.ca, gateway.files.cert)  # key and certificate are a pair
    [told] = cloud.keys_of("gw-1")
    assert told["public_key"] == str(gateway.key.public)
    assert told["site"] == "cq"


def test_a_code_is_good_once_and_again_only_for_the_same_keys(cloud: Cloud) -> None:
    code, first, thief = cloud.invite("gw-2"), cloud.gateway("gw-2"), cloud.gateway("gw-2")
    pending = first.files.cert.with_name("gateway.pem.key")
    tls_key, text = SigningKey.load_or_create(pending), pending.read_text()
    first.enrol(code)
    assert not pending.exists()
    pending.write_text(text)  # as if the answer had been lost: it asks again with what it had
    assert first.enrol(code).ed25519 == tls_key.public.raw
    with pytest.raises(BadData, match="this code was used with other keys"):
        thief.enrol(code)


@pytest.mark.parametrize("name", ["gw-3", "gw-4", "gw-5"])
def test_a_code_of_another_too_old_or_made_up_is_refused(cloud: Cloud, name: str) -> None:
    codes = {
        "gw-3": (cloud.invite("gw-33"), "this code is none for cq.gw-3"),
        "gw-4": (cloud.invite("gw-4", hours=-1), "this code is too old"),
        "gw-5": (Code.new(bytes(16), Authority(cloud.place, now_ms).ca().sha256), "is none for"),
    }
    code, problem = codes[name]
    with pytest.raises(BadData, match=problem):
        cloud.gateway(name).enrol(code)
    assert not cloud.gateway(name).files.cert.exists()
    assert cloud.keys_of(name) == []


def test_a_server_of_another_authority_never_sees_the_secret(cloud: Cloud, tmp_path: Path) -> None:
    other = Authority.create(tmp_path / "other", now_ms)
    code = Code.new(bytes(16), other.ca().sha256)
    with pytest.raises(BadData, match="is not of the authority this code names; nothing was sent"):
        cloud.gateway("gw-6").enrol(code)
    # Nor one that shows the right authority's certificate, which is no secret, but is not of it.
    with _impostor(tmp_path, cloud.place / "ca.pem") as (url, asked):
        fooled = dataclasses.replace(cloud.gateway("gw-6"), url=url)
        with pytest.raises(TransientError, match="its certificate is not accepted"):
            fooled.enrol(cloud.invite("gw-6"))
    assert asked == ["GET /enrol/ca"]


def test_a_certificate_is_renewed_before_and_after_its_end(cloud: Cloud) -> None:
    gateway = cloud.gateway("gw-7")
    first = gateway.enrol(cloud.invite("gw-7"))
    assert not is_due(first, now_ms())
    assert is_due(first, now_ms() + 61 * DAY_MS)
    assert is_due(first, now_ms() + 400 * DAY_MS)
    # Its own has run out long ago; nobody asks for it.
    past = Authority(cloud.place, lambda: now_ms() - 400 * DAY_MS)
    key = SigningKey.new()
    gateway.files.cert.write_bytes(key.pem + past.issue("cq.gw-7", key.public.raw, 90))
    assert certificate.load(gateway.files.cert).until_ms < now_ms()
    second = gateway.renew()
    assert second.until_ms > now_ms() + 80 * DAY_MS
    assert second.ed25519 not in (first.ed25519, key.public.raw)
    assert certificate.load(gateway.files.cert).sha256 == second.sha256


def test_nobody_renews_in_anothers_name(cloud: Cloud) -> None:
    cloud.gateway("gw-8").enrol(cloud.invite("gw-8"))
    real, thief = cloud.gateway("gw-8"), SigningKey.new()
    forged = dataclasses.replace(real, key=thief)
    with pytest.raises(BadData, match="is not known as a key of cq/gw-8"):
        forged.renew()
    request = msgspec.json.decode(enrolment.ask("cq", "gw-8", real.key, SigningKey.new()))
    request["tls_key"] = str(thief.public)  # a certificate for the thief's key
    status, detail = _post(cloud, "/renew", msgspec.json.encode(request))
    assert (status, "signature does not match" in detail) == (422, True)


def test_a_revoked_gateway_renews_no_more(cloud: Cloud) -> None:
    for name, revoke in (("gw-9", "key"), ("gw-10", "name")):
        gateway = cloud.gateway(name)
        gateway.enrol(cloud.invite(name))
        if revoke == "key":
            assert "the journal has it" in cloud.order("revoke", gateway.key.public.id)
        else:
            cloud.ca("revoke", "cq", name)
        before = gateway.files.cert.read_bytes()
        with pytest.raises(BadData, match="revoked"):
            gateway.renew()
        assert gateway.files.cert.read_bytes() == before
    # A new code does not bring a revoked key back.
    with pytest.raises(BadData, match="a revocation is for ever"):
        cloud.gateway("gw-9").enrol(cloud.invite("gw-9"))


def test_a_new_receipt_key_is_learned_before_it_signs(cloud: Cloud) -> None:
    gateway = cloud.gateway("gw-11")
    gateway.enrol(cloud.invite("gw-11"))
    first = cloud.order("rotate")
    gateway.renew()
    pinned = [PublicKey.parse(x) for x in gateway.files.receipt_keys.read_text().splitlines()]
    assert str(pinned[1]) in first
    assert str(pinned[1]) in cloud.order("rotate", "--now")
    assert SigningKey.load_or_create(cloud.folder / "receipt.key").public.id == pinned[1].id
    assert (cloud.folder / f"receipt.key.{pinned[0].id}").exists(), "the old one is kept"


def test_a_command_speaks_only_to_a_server_it_is_told_to_trust(
    cloud: Cloud, tmp_path: Path
) -> None:
    (tmp_path / "e.csv").write_text("id\n")
    (tmp_path / "key").write_text("nobody's\n")
    command = [sys.executable, "-m", "ingestor", "events", "import", str(tmp_path / "e.csv")]
    command += ["--site", "cq", "--url", cloud.url, "--key-file", str(tmp_path / "key")]
    for more, says in (
        (["--ca-file", str(cloud.place / "ca.pem")], "send a key that is known here"),
        ([], "CERTIFICATE_VERIFY_FAILED"),
    ):
        done = subprocess.run(
            [*command, *more], capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, says in done.stderr) == (1, True), done.stderr


def test_garbage_is_refused_and_not_a_crash(cloud: Cloud) -> None:
    for body, status in (
        (b"", 422),
        (b"[" * 4000, 422),
        (b"x" * 5000, 413),
        (b'{"site":"cq"}', 422),
        (enrolment.ask("CQ", "gw", SigningKey.new(), SigningKey.new()), 422),
    ):
        assert _post(cloud, "/enrol", body)[0] == status
    assert _post(cloud, "/renew", b"\xff\xfe")[0] == 422


def test_orders_wait_for_an_ingestor_that_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys_command, "_WAIT_S", 0.1)
    cloud, key = Cloud(tmp_path), SigningKey.new().public
    plan = config.load(cloud.config)
    with contextlib.closing(open_writer(tmp_path / "journal.db", now_ms)) as journal:
        told = KeyRecord("cq", "gw-1", str(key))
        journal.append("cq", [Entry("key", key.id, msgspec.json.encode(told))])
        for word in (("end", key.id, "--at", "2026-12-01"), ("revoke", key.id), ("revoke", key.id)):
            assert "noted; the ingestor takes it" in cloud.order(*word)
        keys = service.known_keys(journal)
        standings = standing.restore(tmp_path / "none", journal)
        days = Days(journal, keys, SigningKey.new(), now_ms)
        orders = Orders(plan.config.state / "orders")
        service.enter_keys(plan, orders, journal, keys, standings, days)
        assert [each.revoked for each in keys.all()] == [True]
    [told] = cloud.keys_of("gw-1")
    assert told["revoked"]
    assert list((tmp_path / "state/orders").iterdir()) == []


def test_the_code_and_the_keys_are_in_no_log(cloud: Cloud) -> None:
    gateway, code = cloud.gateway("gw-12"), cloud.invite("gw-12")
    config = cloud.folder / "agent.toml"
    place = gateway.files.cert.parent
    config.write_text(
        f'site = "cq"\ngateway = "gw-12"\nstate = "{place}"\n'
        f'receipt_key_file = "{gateway.files.receipt_keys}"\nbuses = {{}}\nmeters = {{}}\n'
        f'[broker]\nca_file = "{gateway.files.ca}"\ncert_file = "{gateway.files.cert}"\n'
        f'[enrol]\nurl = "{cloud.url}"\n'
    )
    command = [sys.executable, "-m", "edge_agent", "enrol", "--config", str(config)]
    done = subprocess.run(
        command, input=f"{code}\n", capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "cq.gw-12, good until" in done.stdout
    in_base64 = base64.b64encode(code.secret).decode()
    hidden = str(code), in_base64, gateway.files.cert.read_text().splitlines()[1]
    said = done.stdout + done.stderr + cloud.process.log.read_text()
    said += (cloud.place / "deeds.jsonl").read_text()
    assert not [secret for secret in hidden if secret in said]
    wrong = subprocess.run(
        command, input="ABCD-EFGH\n", capture_output=True, text=True, timeout=60, check=False
    )
    assert (wrong.returncode, "ABCD" in wrong.stderr) == (2, False)
    assert "13 groups of four" in wrong.stderr


def _post(cloud: Cloud, path: str, body: bytes) -> tuple[int, str]:
    link = http.client.HTTPSConnection(
        HOST, cloud.port, context=tls.context(cloud.place / "ca.pem"), timeout=servers.PATIENCE_S
    )
    link.request("POST", path, body)
    answer = link.getresponse()
    told = msgspec.json.decode(answer.read())
    link.close()
    return answer.status, told["detail"]


@contextlib.contextmanager
def _impostor(folder: Path, ca: Path) -> Iterator[tuple[str, list[str]]]:
    """(url, what it was asked) of a server with a certificate of its own authority."""
    own = Authority(folder / "other", now_ms)
    own.add("server", "server")
    key, public = certificates.new_server_key()
    (folder / "server.pem").write_bytes(key + own.issue("server", public, 30, [HOST]))
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"GET {self.path}")
            self.send_response(200)
            self.end_headers()
            self.wfile.write(msgspec.json.encode({"ca": ca.read_text()}))

        def do_POST(self) -> None:
            asked.append(f"POST {self.path}")

        def log_message(self, *_said: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    with http.server.HTTPServer((HOST, 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"https://{HOST}:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()
