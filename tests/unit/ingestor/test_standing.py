"""Numbers of a source, and checkpoints that prove themselves."""

import random
from pathlib import Path

import msgspec
import pytest

from ingestor import standing
from ingestor.standing import Source
from tests.unit.ingestor.conftest import Cloud
from tests.unit.ingestor.gateway import Gateway


def test_a_source_is_contiguous_whatever_the_order_of_arrival() -> None:
    order = [*range(1, 60), 17, 18]
    random.Random(1).shuffle(order)
    source, seen = Source(), set()
    for n in order:
        source = source.after(n)
        seen.add(n)
        upto = next(m for m in range(100) if m + 1 not in seen)
        assert source.upto == upto
        missing = {n for low, high in source.gaps(59) for n in range(low, high + 1)}
        assert missing == set(range(1, 60)) - seen
    assert source == Source(59)


def test_a_checkpoint_of_another_journal_is_not_believed(cloud: Cloud, gateway: Gateway) -> None:
    cloud.send(gateway, gateway.seal())
    kept = cloud.intake.standings["s1"]
    path = cloud.directory / "kept.json"
    for chain, upto in ((kept.chain, 99), ("f" * 64, 1)):
        # A mark in the checkpoint shows whether it was used.
        marked = msgspec.structs.replace(kept, chain=chain, streams=dict(kept.streams))
        marked.streams["gw-1/aa"] = kept.streams["gw-1/aa"].after(99, "x", "")
        standing.save(path, {"s1": marked})
        restored = standing.restore(path, cloud.journal)["s1"]
        assert restored.streams["gw-1/aa"].upto == upto


def test_a_checkpoint_without_a_tree_is_not_believed(cloud: Cloud, gateway: Gateway) -> None:
    """As an earlier program left it."""
    cloud.send(gateway, gateway.seal())
    kept = cloud.intake.standings["s1"]
    path = cloud.directory / "kept.json"
    standing.save(path, {"s1": msgspec.structs.replace(kept, peaks=(), segments=99)})
    assert standing.restore(path, cloud.journal)["s1"] == kept


def test_a_torn_checkpoint_is_only_a_slower_start(cloud: Cloud, gateway: Gateway) -> None:
    cloud.send(gateway, gateway.seal())
    path: Path = cloud.directory / "kept.json"
    path.write_bytes(b'{"s1": {"si')
    assert standing.restore(path, cloud.journal)["s1"] == cloud.intake.standings["s1"]


def test_a_checkpoint_that_cannot_be_written_is_logged_and_nothing_else(
    cloud: Cloud, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    cloud.send(gateway, gateway.seal())
    path: Path = cloud.directory / "kept.json"
    (cloud.directory / "kept.json.part").mkdir()  # in its way, for root too
    standing.save(path, cloud.intake.standings)
    assert "kept.json cannot be written" in caplog.text
    assert not path.exists()
