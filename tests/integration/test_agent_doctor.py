"""What a gateway's doctor says, of a real broker with TLS and of a real agent."""

import json
from pathlib import Path

import pytest

import wire.config
from edge_agent.clock import Clock, system_clock
from edge_agent.config import AgentConfig
from edge_agent.field import doctor
from tests.integration.agent_process import AgentProcess, Meters, until
from tests.integration.secured import Secured, secured
from wire.finding import Finding
from wire.mqtt import Broker

pytestmark = pytest.mark.mosquitto


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory):
    with secured(tmp_path_factory.mktemp("secured")) as made:
        yield made


def gateway(folder: Path, link: Broker, meters: int = 1) -> AgentProcess:
    """Its configuration, for `cq.gw`."""
    agent = AgentProcess(folder, link.port)
    agent.write(
        {"a": {"driver": "modbus", "transport": "tcp", "host": "127.0.0.1", "port": meters}},
        {"m": {"bus": "a", "unit_id": 1}},
    )
    text = agent.config.read_text().replace(
        f"port = {link.port}\n",
        (
            f'host = "127.0.0.1"\nport = {link.port}\nca_file = "{link.ca_file}"\n'
            f'cert_file = "{link.cert_file}"\n'
        ),
        1,
    )
    agent.config.write_text(text)
    return agent


def findings(agent: AgentProcess, clock: Clock | None = None) -> list[Finding]:
    settings = wire.config.load(agent.config, AgentConfig)
    return list(doctor.examine(agent.config, settings, clock or system_clock()))


def bad(found: list[Finding]) -> dict[str, str]:
    return {each.what: each.found for each in found if each.level == "bad"}


def test_a_stopped_agent_whose_papers_are_good_is_let_in(site: Secured, tmp_path: Path) -> None:
    found = findings(gateway(tmp_path, site.gateway("gw")))
    assert bad(found) == {}
    said = {each.what: each.found for each in found}
    assert "accepts us" in said["broker"]
    assert said["agent"] == "it does not run"
    assert "cq.gw, good until" in said["certificate"]


def test_an_expired_certificate_is_said_by_date_and_by_the_broker(
    site: Secured, tmp_path: Path
) -> None:
    link = site.link(site.issued_in_the_past("cq.gw", days_ago=30, days=29))
    link.cert_file.chmod(0o644)
    said = bad(findings(gateway(tmp_path, link)))
    assert "cq.gw has expired on" in said["certificate"]
    assert said["broker"].endswith("our certificate has expired: get a new one")
    assert "others may use it (mode 644)" in said["certificate, key"]


def test_anothers_certificate_and_an_unset_clock_are_bad(site: Secured, tmp_path: Path) -> None:
    agent = gateway(tmp_path, site.gateway("gw-2"))
    assert bad(findings(agent))["certificate"] == "it is cq.gw-2's; this gateway is cq.gw"
    unset = Clock(lambda: 5 * 10**9, lambda: 5 * 10**9, "boot")
    said = bad(findings(agent, unset))
    assert said["clock"] == "it is not set"
    assert "not good yet by our clock" in said["authority"]


async def test_a_running_agent_is_asked_and_not_thrown_off(site: Secured, tmp_path: Path) -> None:
    link = site.link(site.folder / "cq.gw-3.pem")
    site.ca("gateway", "cq", "gw-3", "--out", str(link.cert_file))
    site.reload()
    async with Meters().serving() as meters:
        agent = gateway(tmp_path, link, meters.port)
        agent.config.write_text(
            agent.config.read_text().replace('gateway = "gw"', 'gateway = "gw-3"')
        )
        async with agent.running():
            await until(lambda: '"connected":true' in _status(tmp_path))
            found = findings(agent)
            assert bad(found) == {}
            assert "connected to" in {each.what: each.found for each in found}["broker"]
            assert json.loads(_status(tmp_path))["link"]["losses"] == 0
            # Its name leaves the broker's lists: it stays connected, and says what is not taken.
            site.ca("revoke", "cq", "gw-3")
            site.reload()
            await until(lambda: "does not take what we say" in _status(tmp_path))
            told = [each.found for each in findings(agent) if each.what == "agent"]
            assert any("its access list must name us" in text for text in told)


def _status(folder: Path) -> str:
    path = folder / "state/status.json"
    return path.read_text() if path.exists() else ""
