"""A bundle in which anything was changed is refused, and the place that was changed is named."""

import random
import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from calc_stream.verification import verify
from tests.unit.calc_stream_live.forged import KINDS, Change, _read, _resealed, _signed_anew
from tests.unit.calc_stream_live.proven import made, proven, stated
from wire.errors import BadData
from wire.segment.envelope import disclose, enclose
from wire.signing import PublicKey, SigningKey

MOST_BY_DEFAULT = 6


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


def test_a_segment_that_names_another_predecessor_is_refused_though_its_gateway_signed_it(
    tmp_path: Path,
) -> None:
    """A gateway that keeps two streams of one name, and an ingestor that shows the one or the other."""
    plant = proven(tmp_path)
    bundle = _read(made(plant, stated(plant, tmp_path / "calc", "Q")))
    segments = [
        at for at, its in enumerate(bundle.stretch, bundle.begin + 1) if its.kind == "segment"
    ]
    at = max(set(segments) & bundle.data.keys())
    assert at > segments[0]  # what comes before it is shown, too
    header, _, _, body = disclose(bundle.data[at])

    def told(prev: str) -> bytes:
        raw = enclose(msgspec.structs.replace(header, prev=prev), bytes(body), plant._key)
        return _resealed(_signed_anew(bundle, at, raw, plant.receipt_key))

    assert verify(told(header.prev), [plant.receipt_key.public])
    with pytest.raises(BadData, match=f"records/{at}.segment: .*does not go on from the segment"):
        verify(told("0" * 64), [plant.receipt_key.public])
