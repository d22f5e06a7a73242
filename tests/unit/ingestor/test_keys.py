"""Keys come, end, are revoked and follow one another; what they signed before stays good."""

import msgspec
import pytest

from ingestor import verify
from ingestor.intake import Post
from ingestor.keys import KeyRecord
from tests.unit.ingestor.conftest import Cloud, receipt_in
from tests.unit.ingestor.gateway import Gateway
from wire.errors import BadData
from wire.signing import SigningKey


def told(gateway: Gateway, **others: object) -> KeyRecord:
    return KeyRecord(gateway.site, gateway.name, str(gateway.key.public), **others)


def tell(cloud: Cloud, record: KeyRecord) -> bool:
    """Whether it was new."""
    [placed] = cloud.post(msgspec.json.encode(record), kind="key")
    return placed.new


def test_a_revoked_key_signs_nothing_more_and_its_past_stays(
    cloud: Cloud, gateway: Gateway
) -> None:
    before = gateway.seal()
    cloud.send(gateway, before)
    assert tell(cloud, told(gateway, revoked=True))
    taken = cloud.send(gateway, gateway.seal())
    assert not [s for s in taken.sayings if s.topic.endswith("rcpt")], "nothing is signed for"
    assert "is revoked" in cloud.quarantine.items()[0].reason
    assert cloud.segments() == [before]
    again = cloud.again()
    assert not verify.verify(again.journal, "s1").problem
    again.send(gateway, gateway.seal())
    assert again.segments() == [before], "a restart knows it, too"
    again.close()


def test_a_revocation_is_for_ever(cloud: Cloud, gateway: Gateway) -> None:
    tell(cloud, told(gateway, revoked=True))
    with pytest.raises(BadData, match="a revocation is for ever"):
        tell(cloud, told(gateway))
    assert not tell(cloud, told(gateway, revoked=True)), "and said once"


def test_an_ended_key_still_counts_for_readings_before_its_end(
    cloud: Cloud, gateway: Gateway
) -> None:
    first, second = gateway.seal(), gateway.seal()
    tell(cloud, told(gateway, until_ms=gateway.t_ms))  # the second's readings are of that moment
    assert receipt_in(cloud.send(gateway, first)).upto == 1
    cloud.send(gateway, second)
    assert cloud.segments() == [first]
    assert "not valid at the time of these readings" in cloud.quarantine.items()[0].reason
    tell(cloud, told(gateway, until_ms=gateway.t_ms + 1))
    assert receipt_in(cloud.send(gateway, second)).upto == 2


def test_a_second_key_goes_on_in_the_same_stream(cloud: Cloud, gateway: Gateway) -> None:
    first = gateway.seal()
    cloud.send(gateway, first)
    gateway.key = SigningKey(bytes(range(32)))
    unknown = gateway.seal()
    cloud.send(gateway, unknown)
    assert cloud.segments() == [first]
    tell(cloud, told(gateway))
    assert receipt_in(cloud.send(gateway, unknown)).upto == 2
    assert not verify.verify(cloud.journal, "s1").problem


def test_a_key_never_changes_hands(cloud: Cloud, gateway: Gateway) -> None:
    with pytest.raises(BadData, match="every gateway needs a key of its own"):
        tell(cloud, KeyRecord("s1", "gw-9", str(gateway.key.public)))
    own = KeyRecord("s1", "gw-1", str(gateway.key.public), holder="ingestor")
    with pytest.raises(BadData):
        tell(cloud, own)


def test_a_key_may_begin_a_site_and_nothing_else_may(cloud: Cloud, gateway: Gateway) -> None:
    other = Gateway(SigningKey(bytes([5] * 32)), site="s2")
    cloud.send(other, other.seal())
    assert cloud.segments("s2") == []
    record = msgspec.json.encode(told(other))
    [result] = cloud.intake.take([_key_post("s2", record)]).results
    assert not isinstance(result, BadData)
    cloud.send(other, other.copy().seal())
    assert cloud.journal.sites() == ["s1", "s2"]
    [result] = cloud.intake.take([_key_post("s1", record)]).results
    assert isinstance(result, BadData), "of one site for another"


@pytest.mark.parametrize("data", [b"", b"[" * 100_000, b'{"site":"s1"}', b"\xff"])
def test_what_is_no_key_record_is_refused(cloud: Cloud, gateway: Gateway, data: bytes) -> None:
    [result] = cloud.intake.take([_key_post("s1", data)]).results
    assert isinstance(result, BadData)


def _key_post(site: str, data: bytes) -> Post:
    return Post(site, "key", (data,))
