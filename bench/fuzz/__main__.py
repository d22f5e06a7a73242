"""Whether a decoder ever crashes, or takes damaged bytes for an answer.

`python -m bench.fuzz [--frames 200_000] [--only NAME] [--seed 1] [--json]`

Sound answers are damaged in every way of `damage.py`, each as often, and given to the decoder, every
fourth in two pieces, as a line does. `checked`: damaged in several places, and the check is right all the same. `wrong`:
something was taken that neither of the two answers which the bytes are made of says. The run fails on any exception but
BadData; on a wrong value after one turned bit, a burst or a cut; on a sound answer not found among
noise; and on more wrong values after other damage than the check's odds allow.

`unseen` is damage no decoder can know: what has no check of its own (Modbus TCP and JSON, where
TCP's has to do) shows none to its values, and an answer forged with its check is another answer. So
are two exchanged bytes where the check is a sum; no line exchanges bytes.
"""

import argparse
import json
import math
import sys
import time
from dataclasses import asdict, dataclass
from random import Random

from bench.fuzz import damage
from bench.fuzz.damage import Damage
from bench.fuzz.decoders import Decoder, all_decoders
from wire.errors import BadData

_IN_PLACE = (damage.bits, damage.stretch, *damage.UNGUARDED)
_SPREAD = 5  # standard deviations allowed above the expected number


@dataclass
class Count:
    """Of one kind of damage to one decoder's answers."""

    frames: int = 0
    checked: int = 0
    sound: int = 0
    unseen: int = 0
    wrong: int = 0
    refused: int = 0
    crashes: int = 0


@dataclass
class Found:
    """Of one decoder."""

    counts: dict[str, Count]
    crashes: list[str]
    took_s: float

    @property
    def by_chance(self) -> tuple[int, int]:
        """Frames damaged in more than one place, and the wrong values taken from them."""
        counts = [self.counts[kind.__name__] for kind in damage.BY_CHANCE]
        return sum(c.frames for c in counts), sum(c.wrong for c in counts)

    def problems(self, decoder: Decoder) -> list[str]:
        """What must not be."""
        told = list(self.crashes)
        for kind in damage.NEVER:
            if self.counts[kind.__name__].wrong:
                told.append(f"wrong values taken after {kind.__name__}")
        frames, wrong = self.by_chance
        expected = frames * decoder.odds
        if decoder.odds < 1 and wrong > expected + _SPREAD * math.sqrt(expected) + 1:
            told.append(f"{wrong} wrong values taken, {expected:.1f} allowed")
        around = self.counts["surrounded"]
        if decoder.burst and around.sound < around.frames:
            told.append(f"{around.frames - around.sound} sound answers hidden by noise")
        return told


def fuzz(decoder: Decoder, frames: int, seed: int) -> Found:
    """`frames` damaged answers, a part of them for each kind of damage."""
    found = Found({}, [], 0.0)
    began = time.process_time()
    for kind in damage.ALL:
        count = found.counts[kind.__name__] = Count()
        random = Random(f"{seed} {decoder.name} {kind.__name__}")
        for n in range(frames // len(damage.ALL)):
            frame, other = random.choice(decoder.pairs)
            data = kind(random, decoder, frame, other)
            cut = random.randrange(len(data) + 1) if n % 4 == 0 else len(data)
            try:
                _judge(decoder, kind, data, (frame, other), cut, count)
            except Exception as exc:  # the one thing that is looked for
                count.crashes += 1
                found.crashes.append(f"{kind.__name__}: {exc!r} of {data.hex(' ')}")
    found.took_s = time.process_time() - began
    return found


def _judge(
    decoder: Decoder, kind: Damage, data: bytes, sound: tuple[bytes, bytes], cut: int, count: Count
) -> None:
    count.frames += 1
    if kind in _IN_PLACE and decoder.burst and data not in sound:
        count.checked += decoder.seal(data) == data
    try:
        taken = decoder.take(data, cut)
    except BadData:
        count.refused += 1
        return
    if taken is None:
        return
    if any(taken == decoder.says[frame] for frame in sound):
        count.sound += 1
    elif kind in damage.UNGUARDED or decoder.is_told(data, taken):
        count.unseen += 1
    else:
        count.wrong += 1


def _show(decoder: Decoder, found: Found) -> None:
    frames = sum(count.frames for count in found.counts.values())
    print(f"{decoder.name}: {frames} frames in {found.took_s:.0f} s")
    names = ("frames", "checked", "sound", "unseen", "wrong", "refused", "crashes")
    print(f"  {'damage':11}" + "".join(f"{name:>10}" for name in names))
    for kind, count in found.counts.items():
        print(f"  {kind:11}" + "".join(f"{getattr(count, name):10}" for name in names))
    frames, wrong = found.by_chance
    if decoder.odds < 1:
        one_in = f"one in {frames // wrong}" if wrong else f"none of {frames}"
        print(f"  damaged in several places: {one_in} taken; allowed one in {1 / decoder.odds:.0f}")
    for problem in found.problems(decoder)[:5]:
        print(f"  FAULT {problem}")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--frames", type=int, default=200_000, help="for each decoder")
    parser.add_argument("--only", default="", help="decoders with this in their name")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    good = True
    for decoder in all_decoders(Random(arguments.seed)):
        if arguments.only not in decoder.name:
            continue
        found = fuzz(decoder, arguments.frames, arguments.seed)
        good = good and not found.problems(decoder)
        if arguments.json:
            print(json.dumps({"decoder": decoder.name, **asdict(found)}), flush=True)
        else:
            _show(decoder, found)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
