"""What an installer sees."""

import io

import pytest

from edge_agent import profiles
from edge_agent.drivers import NoAnswer, NotThere, Wanted
from edge_agent.drivers.modbus import Address
from edge_agent.drivers.modbus.meter import ModbusMeter, ReadWords
from edge_agent.field import read as read_command
from edge_agent.field import table
from edge_agent.line import Tally


class Sdm120:
    """A bus on which unit 1 answers as the maker's document prints it, and has no model code."""

    async def read(
        self, unit: int, function: int, address: int, count: int, _rest_ms: int, _tally: Tally
    ) -> tuple[int, ...]:
        answers = {(4, 0): (0x4366, 0x3334), (4, 70): (0x0000, 0x0000), (3, 64512): (0, 4711)}
        if unit != 1 or address == 18:
            raise NoAnswer(f"unit {unit}: no answer in 500 ms")
        if (function, address) not in answers or len(answers[function, address]) != count:
            raise NotThere("exception 2", 2)
        return answers[function, address]


async def shown_of(read: ReadWords, profile: str, unit: int, *quantities: str) -> list[str]:
    """The lines of one `read`, without their padding."""
    wanted = Wanted("press", profiles.load(profile), Address(unit_id=unit), quantities)
    out = io.StringIO()
    await read_command.show(wanted, ModbusMeter(read, wanted, lambda: 0), out)
    return [" ".join(line.split()) for line in out.getvalue().splitlines()]


SDM120_ASKED = ("voltage_l1", "frequency", "apparent_power")


async def test_a_meter_is_shown_with_words_value_and_judgement() -> None:
    shown = await shown_of(Sdm120().read, "eastron_sdm120", 1, *SDM120_ASKED)
    implausible = "implausible: expected 45 to 65; profile, word order or wiring?"
    assert shown[:3] == [
        "press: Eastron SDM120-Modbus, unit_id 1",
        "serial 4711",
        "quantity where raw value judgement",
    ]
    assert shown[4:] == [
        "voltage_l1 0 4366 3334 230.2 V ok",
        f"frequency 70 0000 0000 0 Hz {implausible}",
        "apparent_power no answer",
    ]


async def test_a_register_the_meter_lacks_is_said_to_be_lacking() -> None:
    class WithoutExport:
        async def read(
            self, _unit: int, _function: int, address: int, count: int, _rest_ms: int, _tally: Tally
        ) -> tuple[int, ...]:
            if address != 62:
                raise NotThere("exception 2", 2)
            return (1234, 0)[:count]

    asked = ("active_energy_import", "active_energy_export")
    shown = await shown_of(WithoutExport().read, "carlo_gavazzi_em24_din", 1, *asked)
    assert shown[-2:] == [
        "active_energy_import 62 04d2 0000 123.4 kWh ok",
        "active_energy_export not on this meter",
    ]


async def test_a_meter_that_says_nothing_raises() -> None:
    with pytest.raises(NoAnswer, match="unit 2"):
        await shown_of(Sdm120().read, "eastron_sdm120", 2, *SDM120_ASKED)


@pytest.mark.parametrize(
    ("quantity", "value", "said"),
    [
        ("voltage_l1", (2302, -1), "ok"),
        ("voltage_l1", (0, 0), "implausible: expected 50 to 500"),
        ("power_factor", (101, -2), "implausible: expected -1 to 1"),
        ("active_power", (-5, 0), "ok"),
        ("active_energy_import", (-5, 0), "implausible: a counter below zero"),
        ("active_power", None, "the meter does not measure it"),
    ],
)
def test_judgement(quantity: str, value: tuple[int, int] | None, said: str) -> None:
    assert read_command.judgement(quantity, value).startswith(said)


def test_columns_are_as_wide_as_their_longest_cell() -> None:
    assert list(table.lines(("a", "b"), [("1", "22"), ("333", "")])) == [
        "a    b",
        "---  --",
        "1    22",
        "333",
    ]
