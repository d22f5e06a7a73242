"""Two ingestors share the sites of one broker: each takes its own, and nothing of the other's."""

import asyncio
from pathlib import Path

import pytest

from ingestor.partitions import partition_of
from tests.integration import servers
from tests.integration.ingestor_process import Ingestor, Sender

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
            await asyncio.wait_for(asyncio.gather(*(sending[site] for site in owned(1))), 30)
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


@pytest.mark.parametrize("partitions", [1, 2, 7, 64])
def test_every_site_has_one_partition_and_they_are_alike_in_size(partitions):
    owners = [partition_of(f"site-{n}", partitions) for n in range(2000)]
    assert set(owners) == set(range(1, partitions + 1))
    assert max(map(owners.count, set(owners))) < 2 * 2000 / partitions
