"""Every decoder, a few thousand times: damaged answers are no answers. Millions: bench/fuzz."""

from dataclasses import replace
from random import Random

import pytest

from bench.fuzz.__main__ import fuzz
from bench.fuzz.decoders import Decoder, all_decoders

FRAMES = 6_500


@pytest.mark.parametrize("decoder", [*all_decoders(Random(2))], ids=lambda decoder: decoder.name)
def test_damage_never_passes_for_an_answer_nor_crashes(decoder: Decoder) -> None:
    found = fuzz(decoder, FRAMES, seed=2)
    assert found.problems(decoder) == []
    assert all(count.frames == FRAMES // len(found.counts) for count in found.counts.values())
    heard = sum(count.sound + count.unseen for count in found.counts.values())
    assert heard > FRAMES // 50, "what is sound is taken"


def test_a_decoder_that_looks_at_no_check_is_found_out() -> None:
    sound = next(d for d in all_decoders(Random(2)) if d.name == "modbus rtu")
    blind = replace(sound, find=lambda data: sound.find(sound.seal(data)))
    problems = fuzz(blind, 1_300, seed=2).problems(blind)
    assert "wrong values taken after bit" in problems


def test_a_decoder_that_crashes_is_found_out() -> None:
    sound = next(d for d in all_decoders(Random(2)) if d.name == "modbus rtu")
    hasty = replace(sound, find=lambda data: (data[24], 25) and sound.find(data))
    (first, *_) = fuzz(hasty, 130, seed=2).problems(hasty)
    assert "IndexError" in first
