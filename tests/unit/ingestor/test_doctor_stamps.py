"""The doctor looks for time stamps where tree heads are to have them."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from ingestor import config, doctor
from ingestor.attested import Stamp
from tests.time_stamps import Authority
from tests.unit.ingestor.conftest import Cloud
from tests.unit.ingestor.gateway import Gateway
from wire.finding import Finding
from wire.journal.heads import read_head
from wire.signing import SigningKey

HOUR_MS = 3_600_000
Stamped = Callable[[int, float], None]


@pytest.fixture
def stamped(cloud: Cloud, gateway: Gateway, tmp_path: Path) -> Stamped:
    """Three days' heads; `stamped(1, 2)` stamps the second of them two hours after it was signed."""
    for _ in range(3):
        cloud.send(gateway, gateway.seal())
        cloud.clock[0] += 24 * HOUR_MS
        cloud.intake.close_days()
    authority = Authority(tmp_path / "tsa")
    records = cloud.journal.of_kind("s1", "head")

    def stamp(number: int, hours: float) -> None:
        head = read_head(records[number])
        answer = authority.stamp(records[number].data, head.time_ms + round(hours * HOUR_MS))
        cloud.post(msgspec.json.encode(Stamp(head.size, answer)), kind="stamp")

    return stamp


def found(cloud: Cloud, hours_later: float, url: str = "http://t") -> Finding | None:
    """What is said of stamps, so long after the last head; asked before anything that takes a network."""
    place = cloud.directory
    public = SigningKey.load_or_create(place / "gw-1.key").public
    (place / "gw-1.pub").write_text(f"{public}\n")
    (place / "i.toml").write_text(
        f'journal = "{place}/journal.db"\nstate = "{place}"\nreceipt_key = "{place}/receipt.key"\n'
        f'[[gateways]]\nsite = "s1"\ngateway = "gw-1"\npublic_key_file = "{place}/gw-1.pub"\n'
        + (f'[timestamps]\nurl = "{url}"\n' if url else "")
    )
    now_ms = cloud.clock[0] + round(hours_later * HOUR_MS)
    for each in doctor.examine(config.load(place / "i.toml"), lambda: now_ms):
        if each.what == "time stamps of s1":
            return each
        if each.what == "receipt key":
            break
    return None


def test_heads_without_a_stamp_are_told_once_the_server_had_its_time(
    cloud: Cloud, stamped: Stamped
) -> None:
    stamped(1, 1)
    its = found(cloud, 1)
    assert its is not None
    assert (its.level, its.found) == ("warn", "a head has none; the first is of 2026-11-18")
    its = found(cloud, 3)
    assert its is not None
    assert its.found == "2 heads have none; the first is of 2026-11-18"
    assert "[timestamps] url" in its.cure
    stamped(0, 30)
    its = found(cloud, 1)
    assert its is not None
    said = "2 of 3 heads have one; 1 came more than a day later"
    assert (its.level, its.found) == ("ok", said)


def test_a_last_stamp_that_came_late_is_told(cloud: Cloud, stamped: Stamped) -> None:
    for number in range(3):
        stamped(number, 0.1)
    its = found(cloud, 48)
    assert its is not None
    assert (its.level, its.found) == ("ok", "3 of 3 heads have one")


def test_stamps_that_come_later_and_later_are_told(cloud: Cloud, stamped: Stamped) -> None:
    for number in range(3):
        stamped(number, 24.5)
    its = found(cloud, 48)
    assert its is not None
    assert (its.level, its.found) == ("warn", "the last came 24 h after its head")


def test_where_none_are_wanted_nothing_is_said(cloud: Cloud, stamped: Stamped) -> None:
    assert found(cloud, 48, url="") is None
