"""A bundle in which anything was changed is refused, and the place that was changed is named."""

import hashlib
import random
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec
import pytest

from calc_stream.verification import verify
from tests.unit.calc_stream_live.forged import (
    KINDS,
    STRANGER,
    Change,
    opened,
    resealed,
    signed_anew,
)
from tests.unit.calc_stream_live.plant import SITE, T0
from tests.unit.calc_stream_live.proven import (
    ProvenPlant,
    made,
    proven,
    stated,
    today,
    yesterday,
)
from wire.errors import BadData, ConfigError
from wire.journal import heads
from wire.journal.keys import KeyRecord
from wire.segment import Place
from wire.segment.envelope import disclose, enclose
from wire.segment.gap import Gap, seal_gap
from wire.signing import PublicKey, SigningKey

MOST_BY_DEFAULT = 6
# Of another kind than a refusal, though it names a segment's place.
_ANOTHER = b'{"type": "renumbered", "gateway": "gw-1", "stream": "s1", "seq": 12, "id": "e", "source": "s", "n": 1}'


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, SigningKey]:
    """(a bundle that holds, the ingestor's key)"""
    folder = tmp_path_factory.mktemp("proven")
    plant = proven(folder)
    data = made(plant, stated(plant, folder / "calc", "Q"))
    assert verify(data, [plant.receipt_key.public]).row.batch == "Q"
    return data, plant.receipt_key


def unnoticed(changes: list[Change], key: PublicKey) -> list[str]:
    """What passed, or was found in another place than its own."""
    return unnoticed_by(changes, lambda data: verify(data, [key]))


def unnoticed_by(changes: list[Change], judge: Callable[[bytes], object]) -> list[str]:
    """The same by another judge."""
    found = []
    for change in changes:
        try:
            judge(change.data)
        except BadData as exc:
            if not re.match(change.place, str(exc)):
                found.append(f"{change.what}: {change.place!r} expected, not: {exc}")
        else:
            found.append(f"{change.what}: passed")
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_is_found_where_it_was_made(kind: str, sound: tuple[bytes, SigningKey]) -> None:
    data, key = sound
    changes = [change for change in KINDS[kind](data, key) if change.data != data]
    assert changes
    some = random.Random(7).sample(changes, min(len(changes), MOST_BY_DEFAULT))
    assert unnoticed(some, key.public) == []


@pytest.mark.full
def test_every_change_is_found_where_it_was_made(sound: tuple[bytes, SigningKey]) -> None:
    data, key = sound
    changes = [
        change for kind in KINDS.values() for change in kind(data, key) if change.data != data
    ]
    print(f"{len(changes)} changes of {len(KINDS)} kinds")
    assert len(changes) >= 200
    assert unnoticed(changes, key.public) == []


class Dropping(ProvenPlant):
    """Its ingestor leaves segments out of the journal, and says in their place whatever it likes."""

    def __init__(self, folder: Path, dropped: Iterable[int]) -> None:
        self.dropped: dict[int, bytes] = dict.fromkeys(dropped, b"")
        self.instead: Callable[[], tuple[str, str, bytes]] | None = None
        super().__init__(folder)

    def hash_of(self, seq: int) -> str:
        return hashlib.sha256(self.dropped[seq]).hexdigest()

    def gap(
        self,
        first: int,
        last: int,
        stream: str = "s1",
        head: str | None = None,
        key: SigningKey | None = None,
    ) -> bytes:
        """The gateway's own word that these are lost."""
        place = Place(SITE, "gw-1", stream, first, "0" * 64, "boot", "ntp")
        gap = Gap(last, head or self.hash_of(last), "the disk broke")
        return seal_gap(place, gap, T0, key or self._key)

    def refusal(self, seq: int, hash_: str | None = None) -> bytes:
        """The ingestor's."""
        told = {"gateway": "gw-1", "stream": "s1", "seq": seq, "reason": "odd"}
        return msgspec.json.encode({"type": "refused", **told, "hash": hash_ or self.hash_of(seq)})

    def _append(self, kind: str, key: str, data: bytes) -> None:
        seq = int(key.rpartition("/")[2]) if kind == "segment" else 0
        if seq not in self.dropped:
            super()._append(kind, key, data)
            return
        self.dropped[seq] = data
        if seq == max(self.dropped) and self.instead is not None:
            super()._append(*self.instead())


@pytest.mark.parametrize(
    ("dropped", "instead", "problem"),
    [
        ("12", None, "segment gw-1/s1/13: follows 11, and nothing says"),
        ("12", lambda p: ("gap", "gw-1/s1/12", p.gap(12, 12, "s0")), "12: is of gw-1/s0"),
        ("12", lambda p: ("gap", "gw-1/s1/12", p.gap(12, 12, head="0" * 64)), "13: does not go on"),
        ("12", lambda p: ("gap", "gw-1/s1/12", p.gap(12, 12, key=STRANGER)), "is not known for"),
        ("12", lambda p: ("gap", "gw-1/s1/12", p.gap(12, 12)), ""),
        ("12 13", lambda p: ("gap", "gw-1/s1/12", p.gap(12, 13)), ""),
        ("12 13", lambda p: ("gap", "gw-1/s1/13", p.gap(12, 13)), "13: follows 11, and nothing"),
        ("12 13", lambda p: ("gap", "gw-1/s1/12", p.gap(13, 13)), "a gap from 13 to 13"),
        ("12 13", lambda p: ("gap", "gw-1/s1/13", p.gap(13, 13)), "13: follows 11, and nothing"),
        ("12", lambda p: ("correction", "gw-1/s1/12", p.refusal(12)), ""),
        ("12", lambda p: ("correction", "gw-1/s1/12", p.refusal(12, "0" * 64)), "13: does not go"),
        ("12 13", lambda p: ("correction", "gw-1/s1/12", p.refusal(13)), "is of gw-1/s1/13"),
        ("12 13", lambda p: ("correction", "gw-1/s1/13", p.refusal(13)), "13: follows 11, and no"),
        ("12", lambda _: ("correction", "gw-1/s1/12", _ANOTHER), "segment gw-1/s1/13: follows 11"),
    ],
)
def test_a_segment_that_the_journal_never_had_is_missed(
    dropped: str,
    instead: Callable[[Dropping], tuple[str, str, bytes]] | None,
    problem: str,
    tmp_path: Path,
) -> None:
    """Unless it is said what became of every one: a refusal is the ingestor's word, a gap the gateway's."""
    plant = Dropping(tmp_path, map(int, dropped.split()))
    yesterday(plant)
    if instead is not None:
        plant.instead = partial(instead, plant)
    today(plant)
    row = stated(plant, tmp_path / "calc", "Q")
    if problem:
        with pytest.raises(ConfigError, match=problem):
            made(plant, row)
    else:
        assert verify(made(plant, row), [plant.receipt_key.public]).row == row


def test_before_the_first_record_of_a_journal_a_stream_has_nothing(tmp_path: Path) -> None:
    """Where the journal is shown whole, no segment can have been in what is not shown."""
    plant = Dropping(tmp_path, [1])
    yesterday(plant)
    today(plant)
    row = stated(plant, tmp_path / "calc", "Q")
    assert verify(made(plant, row)).row == row
    with pytest.raises(ConfigError, match="segment gw-1/s1/2: follows 0, and nothing says"):
        made(plant, row, whole=True)


class _ToldLate(ProvenPlant):
    """Its gateway's second key is told at the end of the day."""

    def close_day(self) -> None:
        told = KeyRecord(SITE, "gw-1", str(self._key.public))
        if self._standing.segments > 3:
            self._append("key", f"{self._key.public.id}", msgspec.json.encode(told))
        super().close_day()


def test_a_key_counts_from_where_the_journal_told_it(tmp_path: Path) -> None:
    plant = _ToldLate(tmp_path)
    yesterday(plant)
    plant._key = SigningKey.new()
    today(plant)
    assert plant.writer.find(SITE, "key", plant._key.public.id) is not None
    with pytest.raises(ConfigError, match=f"key {plant._key.public.id} is not known for site"):
        made(plant, stated(plant, tmp_path / "calc", "Q"))


def test_a_segment_that_names_another_predecessor_is_refused_though_its_gateway_signed_it(
    tmp_path: Path,
) -> None:
    """A gateway that keeps two streams of one name, and an ingestor that shows the one or the other."""
    plant = proven(tmp_path)
    bundle = opened(made(plant, stated(plant, tmp_path / "calc", "Q")))
    segments = [
        at for at, its in enumerate(bundle.stretch, bundle.begin + 1) if its.kind == "segment"
    ]
    at = max(set(segments) & bundle.data.keys())
    assert at > segments[0]  # what comes before it is shown, too
    header, _, _, body = disclose(bundle.data[at])

    def told(prev: str) -> bytes:
        raw = enclose(msgspec.structs.replace(header, prev=prev), bytes(body), plant._key)
        return resealed(signed_anew(bundle, at, raw, plant.receipt_key))

    assert verify(told(header.prev), [plant.receipt_key.public])
    with pytest.raises(BadData, match=f"records/{at}.segment: .*does not go on from the segment"):
        verify(told("0" * 64), [plant.receipt_key.public])


def test_where_no_key_is_given_only_one_of_the_sites_own_ingestor_may_sign(tmp_path: Path) -> None:
    """Others are in the journal, too: a gateway's, and of another site's ingestor."""
    plant = ProvenPlant(tmp_path)
    elsewhere = SigningKey.new()
    told = KeyRecord("elsewhere", "", str(elsewhere.public), holder="ingestor")
    plant._append("key", elsewhere.public.id, msgspec.json.encode(told))
    yesterday(plant)
    today(plant)
    bundle = opened(made(plant, stated(plant, tmp_path / "calc", "Q")))
    for key in (plant._key, elsewhere):
        signed = {size: heads.sign_head(head, key) for size, head in bundle.heads.items()}
        with pytest.raises(BadData, match="no ingestor's key that is shown"):
            verify(resealed(replace(bundle, heads=signed)))
