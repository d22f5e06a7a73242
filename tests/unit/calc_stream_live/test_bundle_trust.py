"""Whom whoever verifies a footprint's bundle trusts: time stamp servers and auditors."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from calc_stream.evidence.bundle import read_bundle
from calc_stream.evidence.bundle_file import pack, unpack
from calc_stream.evidence.stamps import authority
from calc_stream.verification import Verified, verify
from tests.time_stamps import Authority
from tests.unit.calc_stream_live.attested_days import AUDITOR, Sound, attested
from wire.errors import BadData
from wire.journal.cosigned import cosign
from wire.signing import SigningKey


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sound]:
    made = attested(tmp_path_factory.mktemp("days"))
    yield made
    made.plant.writer.close()


def test_a_stamp_of_after_the_period_began_shows_no_whole_period(sound: Sound) -> None:
    bundle = read_bundle(unpack(sound.data))
    head = msgspec.json.encode(bundle.heads[bundle.begin])
    for late_ms, why in ((0, ""), (1000, "which batches ended from .* on is not shown")):
        stamp = sound.tsa.stamp(head, sound.second.start_ms + late_ms)
        told = pack(replace(bundle, stamps={**bundle.stamps, bundle.begin: stamp}).files())
        assert verify(told).since  # whose stamp it is is not asked
        if not why:
            assert sound.verify(told).is_stamp_trusted
            continue
        with pytest.raises(BadData, match=f"heads/{bundle.begin}.tsr: was made at .*; {why}"):
            sound.verify(told)


def test_both_stamps_are_by_whom_one_trusts(sound: Sound, tmp_path: Path) -> None:
    """His server's own certificate may stand beside his root, where its answers lack it."""
    bundle, other = read_bundle(unpack(sound.data)), Authority(tmp_path / "other")
    ours = sound.tsa.ca.read_bytes()

    def judged(pem: bytes, *stamps: tuple[int, bytes]) -> Verified:
        told = pack(replace(bundle, stamps=bundle.stamps | dict(stamps)).files())
        return verify(told, [sound.plant.receipt_key.public], authority(pem))

    def stamp(size: int, tsa: Authority, with_certificate: bool = True) -> tuple[int, bytes]:
        head = bundle.heads[size]
        return size, tsa.stamp(msgspec.json.encode(head), head.time_ms, with_certificate)

    for size in (bundle.begin, bundle.end):
        with pytest.raises(
            BadData, match=rf"heads/{size}\.tsr: is no time stamp by whom you trust"
        ):
            judged(ours, stamp(size, other))
    bare = [stamp(size, sound.tsa, False) for size in (bundle.begin, bundle.end)]
    with pytest.raises(BadData, match="is no time stamp by whom you trust"):
        judged(ours, *bare)
    assert judged(ours + sound.tsa.certificate.read_bytes(), *bare).is_stamp_trusted


def test_whose_word_is_wanted_is_asked_for(sound: Sound, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other")
    keys = [sound.plant.receipt_key.public]
    with pytest.raises(BadData, match=r"heads/\d+.tsr: is no time stamp by whom you trust"):
        verify(sound.data, keys, authority(other.ca.read_bytes()))
    with pytest.raises(
        BadData, match=r"heads/\d+\.[0-9a-f]{16}\.json: is missing: .* did not sign"
    ):
        verify(sound.data, keys, (), [SigningKey.new().public])
    bundle = read_bundle(unpack(sound.data))
    of_the_first = (cosign(bundle.heads[bundle.begin], AUDITOR, 1),)
    with pytest.raises(BadData, match=rf"heads/{bundle.end}\..*: is missing: .* did not sign"):
        sound.verify(pack(replace(bundle, cosignatures=of_the_first).files()))
    found = verify(sound.data)
    assert (found.is_stamp_trusted, found.is_pinned) == (False, False)
    with pytest.raises(BadData, match="no certificate of an authority"):
        authority(other.certificate.read_bytes())
