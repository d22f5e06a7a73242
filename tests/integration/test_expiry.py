"""F21: a gateway whose certificate has run out goes on collecting, and comes back by itself."""

import sys
from pathlib import Path

import pytest

from ingestor.authority import Authority
from tests.integration import servers
from tests.integration.agent_process import AgentProcess, Meters, until
from tests.integration.secured import DAY_MS, HOST, Secured, now_ms, secured
from tests.integration.servers import Process
from wire import certificate
from wire.files import keep
from wire.journal import open_reader
from wire.signing import SigningKey

pytestmark = pytest.mark.mosquitto


def ingestor(site: Secured, folder: Path, gateway: SigningKey) -> tuple[Process, int]:
    """One that renews certificates, and knows the gateway's signing key."""
    port = servers.free_port()
    (folder / "gw.pub").write_text(f"{gateway.public}\n")
    (folder / "api.keys").touch(0o600)
    config = folder / "ingestor.toml"
    config.write_text(
        f'journal = "{folder}/journal.db"\nstate = "{folder}/cloud"\n'
        f'receipt_key = "{folder}/receipt.key"\n'
        f'[broker]\nhost = "{HOST}"\nport = {site.services_port}\n'
        f'ca_file = "{site.place}/ca.pem"\ncert_file = "{site.place}/services/ingestor.pem"\n'
        f'[api]\nport = {port}\nkeys_file = "{folder}/api.keys"\n'
        f'cert_file = "{site.place}/services/api.pem"\n[enrol]\nauthority = "{site.place}"\n'
        f'[[gateways]]\nsite = "cq"\ngateway = "gw"\npublic_key_file = "{folder}/gw.pub"\n'
    )
    argv = [sys.executable, "-m", "ingestor", "run", "--config", str(config)]
    process = Process("ingestor", argv, folder / "ingestor.log", lambda: servers.listens(port))
    return process, port


def expired(site: Secured, path: Path) -> None:
    then = Authority(site.place, lambda: now_ms() - 400 * DAY_MS)
    then.add("cq.gw", "gateway")
    key = SigningKey.new()
    keep(path, key.pem + then.issue("cq.gw", key.public.raw, 90))


async def test_an_expired_gateway_collects_renews_and_delivers_by_itself(tmp_path: Path) -> None:
    with secured(tmp_path / "secured") as site:
        expired(site, tmp_path / "gateway.pem")
        site.ca("system", "cq", "mes", "--out", str(tmp_path / "mes.pem"))  # writes the lists anew
        site.reload()
        (tmp_path / "ca.pem").write_bytes((site.place / "ca.pem").read_bytes())
        cloud, port = ingestor(
            site, tmp_path, SigningKey.load_or_create(tmp_path / "state/gateway.key")
        )
        agent = AgentProcess(tmp_path, site.port)
        receipts = SigningKey.load_or_create(tmp_path / "receipt.key").public
        (tmp_path / "receipt.pub").write_text(f"{receipts}\n")
        async with Meters().serving() as meters:
            bus = {"driver": "modbus", "transport": "tcp", "host": HOST, "port": meters.port}
            agent.write({"a": bus}, {"m": {"bus": "a", "unit_id": 1}})
            plain = f"[broker]\nport = {site.port}\n"
            whole = (
                f'[broker]\nhost = "{HOST}"\nport = {site.port}\nca_file = "{tmp_path}/ca.pem"\n'
                f'cert_file = "{tmp_path}/gateway.pem"\n[enrol]\nurl = "https://{HOST}:{port}"\n'
            )
            text = agent.config.read_text()
            assert plain in text
            agent.config.write_text(text.replace(plain, whole))
            # Nobody there to renew: it says why, and reads its meter all the same.
            async with agent.running():
                await until(lambda: "our certificate has expired" in agent.log())
                await until(lambda: "the certificate was not renewed" in agent.log())
                await until(lambda: len(meters.slots(1, 1)) >= 3)
            try:
                cloud.start()
                async with agent.running():
                    await until(lambda: "the certificate was renewed" in agent.log())
                    await until(lambda: "connected to the broker" in agent.log())
                    # What was read before and after, all of it signed for.
                    await until(lambda: _segments(tmp_path) >= 2)
                assert certificate.load(tmp_path / "gateway.pem").until_ms > now_ms()
            finally:
                cloud.kill()


def _segments(folder: Path) -> int:
    reader = open_reader(folder / "journal.db")
    try:
        return len(reader.of_kind("cq", "segment"))
    finally:
        reader.close()
