"""Two ingestors share the sites of one broker: each takes its own, and nothing of the other's."""

import asyncio
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

import edge_agent.enrolment
from edge_agent.enrolment import Files
from ingestor import certificates
from ingestor.authority import Authority
from ingestor.partitions import partition_of
from tests.integration import servers
from tests.integration.ingestor_process import Ingestor, Sender
from tests.integration.secured import HOST, now_ms
from tests.unit.ingestor.gateway import Gateway
from wire.enrolment import Code
from wire.errors import BadData

pytestmark = pytest.mark.mosquitto
SITES = ("s1", "s2", "s3", "s4", "s5")


def owned(partition: int) -> list[str]:
    return [site for site in SITES if partition_of(site, 2) == partition]


def both(tmp_path: Path, port: int) -> list[Ingestor]:
    """Two processes with the same gateways in their configuration."""
    made = [Ingestor(tmp_path / f"cloud-{n}", port) for n in (1, 2)]
    for site in SITES:
        gateway = made[0].gateway(f"gw-{site}", site=site)
        (made[1].directory / f"gw-{site}.pub").write_text(f"{gateway.key.public}\n")
        made[1].gateways.append(gateway)
    return made


async def test_each_takes_its_own_sites_and_one_that_dies_stops_only_those(tmp_path):
    with servers.mosquitto(tmp_path / "mosquitto") as (_, port):
        first, second = both(tmp_path, port)
        first.head, second.head = (f"partitions = 2\npartition = {n}\n" for n in (1, 2))
        try:
            await asyncio.to_thread(first.start_connected)
            await asyncio.to_thread(second.start_connected)
            sending = {}
            for gateway in first.gateways:
                its = first if gateway.site in owned(1) else second
                sender = Sender(its, gateway, [gateway.seal() for _ in range(40)])
                sending[gateway.site] = asyncio.create_task(sender.send_all(0.01))
            await asyncio.sleep(0.2)
            await asyncio.to_thread(second.process.kill)
            await asyncio.wait_for(asyncio.gather(*(sending[site] for site in owned(1))), 60)
            await asyncio.to_thread(second.process.start)
            await asyncio.wait_for(asyncio.gather(*sending.values()), 60)
            for n, ingestor in ((1, first), (2, second)):
                journal = ingestor.journal()
                assert sorted(journal.sites()) == owned(n)
                journal.close()
                for gateway in first.gateways:
                    if gateway.site in owned(n):
                        assert len(ingestor.segments(gateway)) == 40
                listed = ingestor.command("quarantine", "list")
                assert listed.stdout == "", "what is the other's does not even arrive"
        finally:
            for ingestor in (first, second):
                ingestor.process.kill()


def test_a_site_that_would_move_is_refused_clearly(tmp_path):
    first = both(tmp_path, servers.free_port())[0]
    first.head = "partitions = 2\npartition = 1\n"
    first.start()
    assert first.process.stop() == 0
    assert any(partition_of(site, 3) != 1 for site in owned(1))
    text = first.config.read_text()
    for division in ("partitions = 3\npartition = 1\n", "partitions = 2\npartition = 2\n"):
        first.config.write_text(text.replace(first.head, division))
        refused = first.command("run")
        assert refused.returncode == 2
        assert len(refused.stderr.splitlines()) == 1
        assert "holds site" in refused.stderr
        assert "as they were when it was begun" in refused.stderr


class Enrolling(Ingestor):
    """The first of two, that knows no gateway yet."""

    broker: servers.Process

    def __post_init__(self) -> None:
        super().__post_init__()
        self.authority = Authority.create(self.directory / "authority", now_ms)
        self.authority.add("server", "server")
        key, public = certificates.new_server_key()
        (self.directory / "api.pem").write_bytes(
            key + self.authority.issue("server", public, 30, [HOST])
        )
        self.head = "partitions = 2\npartition = 1\n"
        self.api_keys = f'cert_file = "{self.directory}/api.pem"\n'
        self.extra = f'[enrol]\nauthority = "{self.authority.folder}"\n'
        self.process._ready = lambda: servers.listens(self.api_port)

    def enrol(self, gateway: Gateway) -> None:
        """With a new code, as a gateway does it."""
        place = self.directory / gateway.site
        files = Files(place / "ca.pem", place / "gateway.pem", place / "receipt.key.pub")
        code = Code.new(secrets.token_bytes(16), self.authority.ca().sha256)
        name = f"{gateway.site}.{gateway.name}"
        self.authority.add(name, "gateway")
        self.authority.invite(name, code.mark, now_ms() + 60_000)
        url = f"https://{HOST}:{self.api_port}"
        its = (url, gateway.site, gateway.name, gateway.key, files)
        edge_agent.enrolment.Gateway(*its).enrol(code)


@pytest.fixture
def enrolling(tmp_path: Path) -> Iterator[Enrolling]:
    with servers.mosquitto(tmp_path / "mosquitto") as (broker, port):
        made = Enrolling(tmp_path / "cloud", port)
        made.broker = broker
        yield made
        made.process.kill()


async def test_a_site_that_is_enrolled_is_heard_at_once_and_at_every_later_link(
    enrolling: Enrolling, tmp_path: Path
) -> None:
    await asyncio.to_thread(enrolling.start)
    log = enrolling.process.log
    connected = "connected to the broker"
    await asyncio.to_thread(servers.wait_until, lambda: connected in log.read_text(), connected)
    gateways = [Gateway.new(tmp_path, f"gw-{site}", site=site) for site in owned(1)[:2]]

    async def send(gateway: Gateway, sealed: list[bytes]) -> None:
        await asyncio.wait_for(Sender(enrolling, gateway, sealed).send_all(), 60)
        assert enrolling.segments(gateway) == sealed

    await asyncio.to_thread(enrolling.enrol, gateways[0])
    sealed = [gateways[0].seal() for _ in range(3)]
    await send(gateways[0], sealed)
    enrolling.broker.kill()
    await asyncio.to_thread(enrolling.enrol, gateways[1])
    enrolling.broker.start()
    await send(gateways[1], [gateways[1].seal()])
    await send(gateways[0], [*sealed, gateways[0].seal()])


def test_nobody_is_enrolled_where_his_site_is_not_taken(enrolling: Enrolling, tmp_path) -> None:
    enrolling.start()
    [stranger, *_] = owned(2)
    gateway = Gateway.new(tmp_path, "gw-1", site=stranger)
    for _ in range(2):
        with pytest.raises(BadData, match=f"{stranger} is partition 2's of 2; this is 1: set url"):
            enrolling.enrol(gateway)
        assert enrolling.process.stop() == 0
        enrolling.start()  # no site of another's is in its journal
    assert list(enrolling.journal().sites()) == []


@pytest.mark.parametrize("partitions", [1, 2, 7, 64])
def test_every_site_has_one_partition_and_they_are_alike_in_size(partitions):
    owners = [partition_of(f"site-{n}", partitions) for n in range(2000)]
    assert set(owners) == set(range(1, partitions + 1))
    assert max(map(owners.count, set(owners))) < 2 * 2000 / partitions
