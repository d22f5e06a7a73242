"""SIGTERM under load: what is in hand is written and signed for, then the process ends well."""

import asyncio
import time

import pytest

from tests.integration import servers
from tests.integration.ingestor_process import Ingestor, Sender
from wire.journal import verify_chain

pytestmark = pytest.mark.mosquitto


async def test_a_stop_under_load_ends_soon_and_well_and_the_next_start_goes_on(tmp_path):
    with servers.mosquitto(tmp_path / "mosquitto") as (_, port):
        ingestor = Ingestor(tmp_path / "cloud", port)
        gateways = [ingestor.gateway(f"gw-{n}") for n in range(4)]
        senders = [Sender(ingestor, g, [g.seal() for _ in range(150)]) for g in gateways]
        await asyncio.to_thread(ingestor.start_connected)
        try:
            sending = [asyncio.create_task(sender.send_all(0.003)) for sender in senders]
            for _ in range(2):
                await asyncio.sleep(0.4)
                began = time.monotonic()
                assert await asyncio.to_thread(ingestor.process.stop) == 0
                assert time.monotonic() - began < 60  # of the 90 that systemd gives
                for gateway, sender in zip(gateways, senders, strict=True):
                    assert sender.receipted <= len(ingestor.segments(gateway))
                await asyncio.to_thread(ingestor.process.start)
            await asyncio.wait_for(asyncio.gather(*sending), 120)
            for gateway, sender in zip(gateways, senders, strict=True):
                assert ingestor.segments(gateway) == sender.sealed
            journal = ingestor.journal()
            verify_chain(journal.walk("s1"))
            journal.close()
            log = (ingestor.directory / "ingestor.log").read_text()
            assert '"level": "ERROR"' not in log
            assert "Traceback" not in log
        finally:
            ingestor.process.kill()
