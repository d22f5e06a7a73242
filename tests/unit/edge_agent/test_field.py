"""What an installer sees."""

import io
from fractions import Fraction

import pytest

from edge_agent import profiles
from edge_agent.drivers import NoAnswer, NotThere, Wanted
from edge_agent.drivers.modbus import Address
from edge_agent.drivers.modbus.meter import ModbusMeter, ReadWords
from edge_agent.field import judgement, rounds, table
from edge_agent.field.judgement import Site
from edge_agent.field.shown import AsTable
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
    meter, out = ModbusMeter(read, wanted, lambda: 0), io.StringIO()
    shown = AsTable(out)
    shown.begin(wanted, await meter.identify())
    shown.round(await rounds.take(wanted, meter, Site()), 0)
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
        "no answer: unit 1: no answer in 500 ms",
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
        ("voltage_l1", "230.2", "ok"),
        ("voltage_l2", "0", "nothing there: is the phase connected, the fuse in?"),
        ("voltage_l1", "5.1", "implausible: expected 50 to 500; profile, word order or wiring?"),
        ("voltage_l1_l2", "398", "ok"),
        ("power_factor", "1.01", "implausible: expected -1 to 1"),
        ("active_power", "-5", "ok"),
        ("active_energy_import", "-5", "implausible: a counter below zero"),
        ("active_energy_import", "3e30", "implausible: word order?"),
        ("active_power", None, "the meter does not measure it"),
    ],
)
def test_judgement(quantity: str, value: str | None, said: str) -> None:
    number = None if value is None else Fraction(value)
    assert str(judgement.judge(quantity, number, Site())).startswith(said)


def test_power_above_what_the_load_can_draw_is_doubted() -> None:
    said = judgement.judge("active_power", Fraction(61_000), Site(rated_w=Fraction(50_000)))
    assert str(said) == "above rated_power_w (122 %): its rating, or ct and pt?"


def test_behind_voltage_transformers_the_primary_side_is_plausible() -> None:
    said = judgement.judge("voltage_l1", Fraction(5_774), Site(pt=Fraction(100)))
    assert str(said) == "ok"


def test_what_ct_and_pt_did_is_said() -> None:
    site = Site(Fraction(40), Fraction(2), frozenset({"current_l1", "active_power"}))
    assert str(judgement.judge("current_l1", Fraction(80), site)) == "ok, times ct 40"
    assert str(judgement.judge("active_power", Fraction(80), site)) == "ok, times ct·pt 80"


BARE = Site()


def checked(site: Site = BARE, **values: str) -> dict[str, tuple[str, str]]:
    """Level and text of each check of these values."""
    read = {quantity: Fraction(value) for quantity, value in values.items()}
    return {c.name: (c.level, str(c.text)) for c in judgement.checks(read, site)}


def test_phases_that_do_not_add_up_are_told_with_both_sums() -> None:
    powers = {"active_power_l1": "1000", "active_power_l2": "1100", "active_power_l3": "900"}
    assert checked(**powers, active_power="3040")["sum"][0] == "ok"
    assert checked(**powers, active_power="1000")["sum"] == (
        "look",
        "the phases add up to 3000 W, the total says 1000 W: profile, or a current transformer?",
    )


def test_a_power_that_is_no_product_of_voltage_and_current_is_told_with_the_factor() -> None:
    grid = {"voltage_l1": "230", "voltage_l2": "230", "voltage_l3": "230", "current_l1": "10"}
    good = checked(**grid, power_factor_l1="0.9", active_power_l1="2070")
    assert good["product_l1"] == ("ok", "L1: 2070 W agrees with U·I·cosφ, 2070 W")
    wrong = checked(**grid, power_factor_l1="0.9", active_power_l1="82800")
    assert wrong["product_l1"] == (
        "look",
        "L1: 82800 W, but U·I·cosφ is 2070 W (40 times): a transformer ratio, or the wrong"
        " register?",
    )


def test_without_a_power_factor_only_more_than_the_product_is_wrong() -> None:
    grid = {"voltage_l1": "230", "voltage_l2": "230", "voltage_l3": "230", "current_l1": "10"}
    assert checked(**grid, active_power_l1="900")["product_l1"][0] == "ok"
    assert checked(**grid, active_power_l1="9000")["product_l1"][0] == "look"


def test_a_meter_of_one_phase_is_compared_by_its_total() -> None:
    one = {"voltage_l1": "230", "current_l1": "10", "power_factor": "1"}
    assert checked(**one, active_power="2300")["product_l1"][0] == "ok"
    assert checked(**one, active_power="230")["product_l1"][0] == "look"


def test_one_negative_phase_is_a_transformer_turned_round() -> None:
    powers = {"active_power_l1": "1000", "active_power_l2": "-1000", "active_power_l3": "900"}
    level, told = checked(**powers, active_power="900")["sign"]
    assert level == "look"
    assert told.startswith("L2 negative while others are positive: is a current transformer turned")


def test_all_power_flowing_back_is_a_feed_in_or_wired_the_wrong_way() -> None:
    assert checked(active_power="-900")["sign"][1].startswith(
        "power flows back (-900 W): right for"
    )
    assert checked(active_power="900")["sign"] == ("ok", "power flows to the load")
    assert "sign" not in checked(active_power="3")


def test_a_missing_neutral_shows_in_the_voltages() -> None:
    assert checked(voltage_l1="231", voltage_l2="229", voltage_l3="233")["balance"][0] == "ok"
    assert checked(voltage_l1="231", voltage_l2="229", voltage_l3="380")["balance"][0] == "look"


def test_ratios_that_do_nothing_are_told() -> None:
    assert checked(Site(ct=Fraction(40)))["transformers"][0] == "look"
    level, told = checked(Site(secondary=frozenset({"active_power"})))["transformers"]
    assert (level, told) == (
        "ok",
        "ct and pt are 1: right only where the meter is connected without transformers",
    )


def test_the_meters_own_ratio_is_compared_with_the_configurations() -> None:
    site = Site(ct=Fraction(40), secondary=frozenset({"active_power"}))
    (wrong,) = judgement.ratios({"ct": Fraction(60)}, site)
    assert (wrong.level, str(wrong.text)) == (
        "look",
        "the meter is set to ct 60, the configuration says 40",
    )
    (right,) = judgement.ratios({"ct": Fraction(40)}, site)
    assert right.level == "ok"
    (plate,) = judgement.ratios({"ct": Fraction(60)}, Site())
    assert str(plate.text) == "the meter is set to ct 60: compare with the transformer's plate"


async def test_words_that_make_sense_the_other_way_round_are_told() -> None:
    class Turned(Sdm120):
        async def read(
            self, unit: int, function: int, address: int, count: int, rest_ms: int, tally: Tally
        ) -> tuple[int, ...]:
            words = await super().read(unit, function, address, count, rest_ms, tally)
            return words[::-1] if address == 0 else words

    shown = await shown_of(Turned().read, "eastron_sdm120", 1, "voltage_l1")
    assert shown[-1] == (
        "voltage_l1 0 3334 4366 0 V implausible, but 230.2 with its words the other way round:"
        " word order?"
    )


def test_columns_are_as_wide_as_their_longest_cell() -> None:
    assert list(table.lines(("a", "b"), [("1", "22"), ("333", "")])) == [
        "a    b",
        "---  --",
        "1    22",
        "333",
    ]
