"""Which model a meter is taken for, by the registers of every profile that ships."""

from fractions import Fraction

import pytest

from edge_agent import profiles
from edge_agent.drivers import NoAnswer, NotThere
from edge_agent.drivers.modbus.likeness import look_like
from edge_agent.profiles.modbus import Profile
from edge_agent.protocols.modbus import Request
from simulators.slaves.modbus import ModbusMeter
from tests.integration.meters_on_site import Load, model

MODELS = {
    name: profile
    for name in profiles.names()
    if isinstance(profile := profiles.load(name, allow_unverified=True), Profile)
}
# Their registers are the same, as far as they are known: which of them it is, only a person can see.
TWINS = [
    {"eastron_sdm120", "eastron_sdm230"},
    {"eastron_sdm54", "eastron_smart_x96_1a"},
    {"eastron_sdm630", "eastron_sdm72d_m_v2"},
    {"janitza_umg96rm", "weidmueller_em525", "janitza_b23"},
    {"siemens_pac2200", "siemens_pac3200"},
]


class Asked:
    """The read function of one meter, which counts."""

    def __init__(self, meter: ModbusMeter) -> None:
        self.meter, self.times, self.blocks = meter, 0, set[tuple[int, int, int]]()

    async def __call__(
        self, unit: int, function: int, address: int, count: int, _rest_ms: int
    ) -> tuple[int, ...]:
        self.times += 1
        self.blocks.add((function, address, count))
        answer = self.meter.answer(Request(unit, function, address, count), 0)
        if answer.exception is not None:
            raise NotThere("refused", answer.exception)
        return answer.words


@pytest.mark.parametrize("name", MODELS)
async def test_a_meter_is_taken_for_its_own_model_or_a_twin(name: str) -> None:
    asked = Asked(model(name))
    found = await look_like(asked, 1, MODELS)
    alike = next((twins for twins in TWINS if name in twins), {name})
    assert found.profiles[0] in alike
    assert name in found.profiles
    assert found.why
    assert asked.times == len(asked.blocks), "nothing is asked twice"
    assert asked.times < 80


async def test_what_a_meter_calls_itself_goes_before_what_it_looks_like() -> None:
    asked = Asked(model("abb_b23"))
    found = await look_like(asked, 1, MODELS)
    assert (found.profiles, found.sure) == (("abb_b23",), "certain")
    assert found.identity == {"serial": "4711", "model": "B23"}
    assert found.why.startswith("it says it is model B23; 230.2 V and 50.01 Hz where it has them")


async def test_another_name_in_its_place_rules_a_model_out() -> None:
    """An SDM630 has no code an SDM120 would have, and its registers are the SDM120's too."""
    code = {(3, 64514, 2): (0x0070, 0)}
    meter = model("eastron_sdm630")

    async def read(
        unit: int, function: int, address: int, count: int, rest_ms: int
    ) -> tuple[int, ...]:
        if (function, address, count) in code:
            return code[function, address, count]
        answer = meter.answer(Request(unit, function, address, count), 0)
        if answer.exception is not None:
            raise NotThere("refused", answer.exception)
        return answer.words

    found = await look_like(read, 1, MODELS)
    assert found.profiles[0] == "eastron_sdm630"
    assert not {"eastron_sdm120", "eastron_sdm72d_m_v2"} & set(found.profiles)


async def test_a_grid_that_is_none_is_no_likeness() -> None:
    dead = Load(other=dict.fromkeys(("voltage_l1", "voltage_l2", "voltage_l3", "frequency"), "0"))
    found = await look_like(Asked(model("carlo_gavazzi_em24_din", load=dead)), 1, MODELS)
    assert "carlo_gavazzi_em24_din" not in found.profiles


async def test_a_meter_that_refuses_everything_is_still_there() -> None:
    async def read(*_: int) -> tuple[int, ...]:
        raise NotThere("refused", 2)

    found = await look_like(read, 7, MODELS)
    assert (found.address, found.profiles) == ({"unit_id": 7}, ())
    assert found.why.startswith("it answered 0 of ")


async def test_a_meter_that_loses_every_other_request_is_known_all_the_same() -> None:
    asked = Asked(model("eastron_sdm630"))
    lost = 0

    async def read(
        unit: int, function: int, address: int, count: int, rest_ms: int
    ) -> tuple[int, ...]:
        nonlocal lost
        lost += 1
        if lost % 2:
            raise NoAnswer("no answer in 500 ms")
        return await asked(unit, function, address, count, rest_ms)

    assert (await look_like(read, 1, MODELS)).profiles[0] == "eastron_sdm630"


def test_the_load_is_a_plausible_one() -> None:
    load = Load()
    product = load.value("voltage_l1", 0) * load.value("current_l1", 0) * Fraction("0.95")
    assert load.value("active_power_l1", 0) == product
