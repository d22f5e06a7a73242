"""Every UTC day with a record is closed by a signed tree head."""

import base64
from itertools import pairwise

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ingestor.config import IngestorConfig, Plan
from ingestor.days import Days
from ingestor.orders import Orders
from ingestor.service import enter_keys, known_keys
from ingestor.standing import restore
from tests.unit.ingestor.conftest import Cloud
from tests.unit.ingestor.gateway import Gateway
from wire.journal import Record, heads, merkle
from wire.journal.heads import TreeHead, check_head, leaf_of, read_head
from wire.signing import SigningKey

DAY_MS = 86_400_000


def next_day(cloud: Cloud, days: int = 1) -> None:
    cloud.clock[0] += days * DAY_MS


def signed(cloud: Cloud) -> list[TreeHead]:
    return [read_head(record) for record in cloud.journal.of_kind("s1", "head")]


def root_of(records: list[Record]) -> str:
    return heads.tree_after(None, [leaf_of(r) for r in records]).root(len(records)).hex()


def test_the_first_record_of_a_day_comes_behind_the_head_of_the_day_before(
    cloud: Cloud, gateway: Gateway
) -> None:
    for _ in range(3):
        cloud.send(gateway, gateway.seal(), gateway.seal())
        next_day(cloud)
    cloud.send(gateway, gateway.seal())
    records = list(cloud.journal.walk("s1"))
    kinds = [record.kind for record in records]
    assert kinds == [
        "key",
        *["segment"] * 2,
        "key",
        *["head", *["segment"] * 2] * 2,
        "head",
        "segment",
    ]
    key = SigningKey.load_or_create(cloud.directory / "receipt.key").public
    for record in records:
        if record.kind == "head":
            head = read_head(record)
            check_head(head, key)
            before = records[: record.offset - 1]
            assert (head.size, head.chain) == (record.offset - 1, before[-1].chain)
            assert head.root == root_of(before)
            assert record.key == head.day
    assert [head.day for head in signed(cloud)] == ["2026-11-18", "2026-11-19", "2026-11-20"]


def test_what_is_signed_of_a_head_is_the_text_of_the_protocol(
    cloud: Cloud, gateway: Gateway
) -> None:
    """Checked by another library, as `docs/protocol.md` has it."""
    cloud.send(gateway, gateway.seal())
    next_day(cloud)
    cloud.intake.close_days()
    (head,) = signed(cloud)
    root = base64.b64encode(bytes.fromhex(head.root)).decode()
    text = (
        f"wattprint/s1\n{head.size}\n{root}\n"
        f"day 2026-11-18\nchain {head.chain}\ntime {head.time_ms}\n"
    )
    raw = SigningKey.load_or_create(cloud.directory / "receipt.key").public.raw
    Ed25519PublicKey.from_public_bytes(raw).verify(base64.b64decode(head.sig), text.encode())


def test_a_site_that_has_fallen_silent_is_closed_once(cloud: Cloud, gateway: Gateway) -> None:
    cloud.send(gateway, gateway.seal())
    cloud.intake.close_days()
    assert signed(cloud) == []
    next_day(cloud)
    for _ in range(3):
        cloud.intake.close_days()
    next_day(cloud, 2)
    cloud.intake.close_days()
    # The head itself is a record of its day; nothing came on the days between.
    assert [head.day for head in signed(cloud)] == ["2026-11-18", "2026-11-19"]


def test_a_gateway_configured_for_a_later_day_comes_behind_the_head_of_the_day_before(
    cloud: Cloud, gateway: Gateway
) -> None:
    cloud.send(gateway, gateway.seal())
    next_day(cloud)
    keys = known_keys(cloud.journal)
    standings = restore(cloud.directory / "none", cloud.journal)
    receipt_key = SigningKey.load_or_create(cloud.directory / "receipt.key")
    days = Days(cloud.journal, keys, receipt_key, lambda: cloud.clock[0])
    new = SigningKey.new().public
    config = IngestorConfig(cloud.directory, cloud.directory, cloud.directory)
    plan = Plan(config, [("s1", "gw-2", new), ("s2", "gw-3", new)], [])
    enter_keys(plan, Orders(cloud.directory / "orders"), cloud.journal, keys, standings, days)
    kinds = [record.kind for record in cloud.journal.walk("s1")]
    assert kinds == ["key", "segment", "key", "head", "key"]
    assert [head.day for head in signed(cloud)] == ["2026-11-18"]
    assert {told.gateway for told in keys.all()} == {"gw-1", "", "gw-2", "gw-3"}
    assert standings["s2"].offset == 1


def test_the_tree_goes_on_after_a_restart(cloud: Cloud, gateway: Gateway) -> None:
    for _ in range(3):
        cloud.send(gateway, gateway.seal())
        next_day(cloud)
        cloud = cloud.again()
        cloud.intake.close_days()
    records = list(cloud.journal.walk("s1"))
    assert [head.root for head in signed(cloud)] == [
        root_of(records[: h.size]) for h in signed(cloud)
    ]
    sizes = [head.size for head in signed(cloud)]
    assert all(a < b for a, b in pairwise(sizes))
    cloud.close()


def test_a_day_that_a_clock_lived_twice_is_closed_twice(cloud: Cloud, gateway: Gateway) -> None:
    cloud.send(gateway, gateway.seal())
    next_day(cloud)
    cloud.send(gateway, gateway.seal())
    next_day(cloud, -1)
    cloud.send(gateway, gateway.seal())
    next_day(cloud)
    cloud.send(gateway, gateway.seal())
    keys = [record.key for record in cloud.journal.of_kind("s1", "head")]
    assert keys == ["2026-11-18", "2026-11-18/2"]


def test_a_disk_that_fails_is_signed_for_later(
    cloud: Cloud, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    cloud.send(gateway, gateway.seal())
    next_day(cloud)
    cloud.journal._db.execute("PRAGMA query_only = ON")
    cloud.intake.close_days()
    assert "s1: the tree head is signed later" in caplog.text
    assert signed(cloud) == []
    cloud.journal._db.execute("PRAGMA query_only = OFF")
    cloud.intake.close_days()
    assert [head.day for head in signed(cloud)] == ["2026-11-18"]
    assert (
        merkle.root([bytes.fromhex(peak) for peak in signed(cloud)[0].peaks]).hex()
        == signed(cloud)[0].root
    )
