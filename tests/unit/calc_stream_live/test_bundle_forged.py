"""A bundle in which anything was changed is refused, and the place that was changed is named."""

import random
import re
from collections.abc import Callable

import pytest

from calc_stream.verification import verify
from tests.unit.calc_stream_live.forged import KINDS, Change
from tests.unit.calc_stream_live.proven import made, proven, stated
from wire.errors import BadData
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
