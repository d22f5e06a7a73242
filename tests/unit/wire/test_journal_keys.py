"""Whose signature counts, as the records of kind `key` say it."""

import msgspec
import pytest

from wire.errors import BadData
from wire.journal import GENESIS, Entry, link
from wire.journal.heads import TreeHead, sign_head
from wire.journal.keys import KeyRecord, KnownKeys
from wire.messages import Sample
from wire.segment import Place, read_header, seal
from wire.signing import SigningKey

FIRST, LAST = 1_795_000_000_000, 1_795_000_060_000
OWN, OTHERS = SigningKey(bytes([1] * 32)), SigningKey(bytes([2] * 32))
ONE_LEAF = "5a" * 32


def known(*told: KeyRecord) -> KnownKeys:
    keys, chain = KnownKeys(), GENESIS
    for offset, each in enumerate(told, 1):
        entry = Entry("key", str(offset), msgspec.json.encode(each))
        record = link(each.site, offset, entry, chain, FIRST)
        keys.add([record])
        chain = record.chain
    return keys


def key_of(gateway: str = "gw-1", key: SigningKey = OWN, **said: object) -> KeyRecord:
    told = KeyRecord("s1", gateway, str(key.public))
    return msgspec.structs.replace(told, **said)


def check(keys: KnownKeys, key: SigningKey = OWN, site: str = "s1") -> None:
    """A segment of gw-1 with readings from FIRST to LAST."""
    samples = [Sample("m", t_ms, {"active_energy_import": (1, -3)}) for t_ms in (FIRST, LAST)]
    place = Place(site, "gw-1", "aa", 1, GENESIS, "boot", "ntp")
    keys.check(*read_header(seal(place, samples, [], key)))


def check_head(keys: KnownKeys) -> None:
    """A head of LAST."""
    head = TreeHead("s1", "2026-11-18", 1, ONE_LEAF, "00" * 32, LAST, (ONE_LEAF,))
    keys.check_head(sign_head(head, OWN))


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (key_of("gw-2"), "belongs to gw-2, not to gw-1"),
        (key_of("", holder="ingestor"), "belongs to the ingestor, not to gw-1"),
        (key_of("gw-1", holder="ingestor"), "belongs to"),
        (key_of(site="s2"), "is not known for site s1"),
        (key_of(key=OTHERS), "is not known for site s1"),
        (key_of(revoked=True), "is revoked"),
        (key_of(from_ms=FIRST + 1), "not valid at the time"),
        (key_of(until_ms=LAST), "not valid at the time"),
        (key_of(until_ms=FIRST + 1), "not valid at the time"),
    ],
)
def test_a_segment_by_no_valid_key_of_its_own_gateway_is_refused(told: KeyRecord, why: str) -> None:
    with pytest.raises(BadData, match=why):
        check(known(told))


def test_a_key_covers_from_its_first_moment_to_before_its_last() -> None:
    check(known(key_of(from_ms=FIRST, until_ms=LAST + 1)))


def test_what_was_said_last_of_a_key_counts() -> None:
    check(known(key_of(until_ms=FIRST), key_of()))
    with pytest.raises(BadData, match="is revoked"):
        check(known(key_of(), key_of(revoked=True)))


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (key_of(), "not known as a key of the ingestor"),
        (key_of("", holder="ingestor", site="s2"), "not known as a key of the ingestor"),
        (key_of("", holder="ingestor", key=OTHERS), "not known as a key of the ingestor"),
        (key_of("", holder="ingestor", revoked=True), "is revoked"),
        (key_of("", holder="ingestor", from_ms=LAST + 1), "is not valid at"),
        (key_of("", holder="ingestor", until_ms=LAST), "is not valid at"),
    ],
)
def test_a_head_by_no_valid_key_of_the_ingestor_is_refused(told: KeyRecord, why: str) -> None:
    with pytest.raises(BadData, match=why):
        check_head(known(told))


def test_a_head_by_the_ingestors_key_is_taken() -> None:
    keys = known(key_of("", holder="ingestor", from_ms=LAST, until_ms=LAST + 1))
    check_head(keys)
    assert keys.is_ingestors("s1", OWN.public.id)
    assert not keys.is_ingestors("s2", OWN.public.id)
