"""The transformers' ratios a Modbus meter was told, read from the registers its documents name."""

from fractions import Fraction

import pytest

from edge_agent import profiles
from edge_agent.drivers import KnowsRatios, NotThere, Wanted
from edge_agent.drivers.modbus import Address
from edge_agent.drivers.modbus.meter import ModbusMeter
from edge_agent.line import Tally
from wire.errors import ProfileError


def meter(profile: str, words: dict[int, int]) -> ModbusMeter:
    """A meter of that model with these holding registers, and no other."""

    async def read(
        _unit: int, function: int, address: int, count: int, _rest_ms: int, _tally: Tally
    ) -> tuple[int, ...]:
        asked = range(address, address + count)
        if function != 3 or not words.keys() >= set(asked):
            raise NotThere("exception 2", 2)
        return tuple(words[at] for at in asked)

    known = profiles.load(profile, allow_unverified=True)
    wanted = Wanted("m", known, Address(unit_id=1), ("active_power",))
    return ModbusMeter(read, wanted, lambda: 0)


@pytest.mark.parametrize(
    ("profile", "words", "told"),
    [
        ("acrel_adl400", {141: 1, 142: 60}, {"ct": Fraction(60), "pt": Fraction(1)}),
        # Tenths, low word first.
        (
            "carlo_gavazzi_em24_din",
            {4396: 400, 4397: 0, 4398: 10, 4399: 0},
            {"ct": Fraction(40), "pt": Fraction(1)},
        ),
        ("chint_dtsu666", {6: 40, 7: 10}, {"ct": Fraction(40), "pt": Fraction(1)}),
        ("schneider_pm5110", {2029: 250, 2030: 5}, {"ct": Fraction(50)}),
    ],
)
async def test_ratios_are_read_where_the_makers_say(
    profile: str, words: dict[int, int], told: dict[str, Fraction]
) -> None:
    made = meter(profile, words)
    assert isinstance(made, KnowsRatios)
    assert await made.ratios() == told


async def test_what_a_variant_lacks_or_nobody_set_is_no_ratio() -> None:
    assert await meter("acrel_adl400", {142: 0}).ratios() == {}
    assert await meter("eastron_sdm630", {}).ratios() == {}


def test_a_scale_that_is_none_is_refused() -> None:
    with pytest.raises(ProfileError, match=r"^made: ratios\.ct: is a number, and scale a positive"):
        profiles.parse(
            'vendor = "V"\nmodel = "M"\ngrade = "A"\nsource = "s"\n'
            'ratios.ct = { at = 1, as = "u16", scale = "none" }\n'
            'registers.active_power = { at = 0, as = "u16", unit = "W" }\n',
            "made",
        )
