"""A whole projection into a database that answers anything."""

import random
import re
import threading

import pytest

import wire.influxdb
from ingestor import projector as following
from ingestor.line_protocol import lines_of
from ingestor.projector import Cursors, Projector
from tests.contract.foreign import Foreign, serving, sink_for
from tests.integration import servers
from tests.unit.ingestor.conftest import Cloud
from tests.unit.ingestor.gateway import Gateway
from wire.journal import open_reader
from wire.messages import Sample
from wire.segment import open_segment

T_MS = 1_795_000_000_000
MOODS = ["well", "400", "413", "422", "429", "503", "500", "hang", "half", "401", "well"]


@pytest.mark.parametrize("api", ["v1", "v2"])
@pytest.mark.parametrize("seed", range(2))
def test_whatever_a_server_answers_good_lines_arrive_and_bad_ones_are_kept(
    cloud: Cloud, gateway: Gateway, api: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(is_hasty=True) as url:
        dice = random.Random(seed)
        # No waiting for a person here, and none that grows.
        monkeypatch.setattr(wire.influxdb, "_OPERATOR_PAUSE_S", 0.01)
        monkeypatch.setattr(following, "_BACKOFF_S", (0.01, 0.01))
        Foreign.version = ""
        Foreign.moods[:] = [dice.choice(MOODS) for _ in range(15)]
        names = ["m-0", "m-1", "bad", "m-2"]
        for n in range(40):
            samples = [
                Sample(name, T_MS + 1000 * n, {"active_power": (n, -1)})
                for name in names
                if name != "bad" or dice.random() < 0.2
            ]
            cloud.send(gateway, gateway.seal(samples))
        lines = {
            line
            for data in cloud.segments()
            for line in lines_of(open_segment(data)).splitlines(keepends=True)
        }
        bad = {line for line in lines if b"meter=bad" in line}
        assert len(bad) > 3
        sink = sink_for(url, cloud.directory, api=api, org="o", timeout_s=0.3)
        cursors = Cursors(cloud.directory / "cursors.db")
        journal = open_reader(cloud.directory / "journal.db")
        projector = Projector("db", sink, journal, cursors, cloud.quarantine, dice)
        thread = threading.Thread(target=projector.run)
        thread.start()
        head = cloud.journal.head("s1")[0]
        try:
            servers.wait_until(lambda: cursors.get("db", "s1") == head, "the projection")
        finally:
            projector.stop()
            thread.join(60)
        assert Foreign.kept == lines - bad
        # Lines that stand together may be kept together.
        kept = b"".join(item.data for item in cloud.quarantine.items())
        assert set(kept.splitlines(keepends=True)) == bad
        assert re.match(r"4(00|22) ", cloud.quarantine.items()[0].reason)
        cursors.close()
