"""One meter over a bus that is a table of registers: what is asked, learned and told."""

from collections.abc import Callable

import pytest

from edge_agent import profiles
from edge_agent.counters import PATIENCE, Seen
from edge_agent.device import Device, Memory, bounds
from edge_agent.drivers import NoAnswer, NotThere, Wanted, WrongMeter
from edge_agent.drivers.modbus import Address
from edge_agent.drivers.modbus.meter import ModbusMeter
from edge_agent.line import Tally
from edge_agent.origins import origins
from wire.errors import BadData

T0 = 1_790_000_000_000
SERIAL = (3, 64512)
BLANK = Memory()


class Registers:
    """A bus with one meter: (function, address) -> word. A register not in it does not exist."""

    def __init__(self, words: dict[tuple[int, int], int]) -> None:
        self.words, self.silent = words, set[int]()
        self.asked: list[tuple[int, int]] = []
        self.before: dict[int, Callable[[], None]] = {}  # address -> what happens before its answer
        self.now_ms = T0

    async def read(
        self, _unit: int, function: int, address: int, count: int, _rest_ms: int, _tally: Tally
    ) -> tuple[int, ...]:
        self.asked.append((address, count))
        self.before.pop(address, lambda: None)()
        self.now_ms += 40
        if address in self.silent:
            raise NoAnswer("silent")
        places = [(function, a) for a in range(address, address + count)]
        if any(place not in self.words for place in places):
            raise NotThere("illegal data address", 2)
        return tuple(self.words[place] for place in places)


def pair(function: int, address: int, high: int, low: int) -> dict[tuple[int, int], int]:
    return {(function, address): high, (function, address + 1): low}


def em24(export: bool) -> Registers:
    words = {(4, a): 0 for a in range(80)} | {(3, a): 0x4142 for a in range(4864, 4871)}
    words |= {(4, 62): 1234, (4, 63): 0}
    return Registers(words | ({(4, a): 0 for a in range(80, 96)} if export else {}))


def device(
    bus: Registers,
    profile: str,
    *quantities: str,
    memory: Memory = BLANK,
    unit: int = 1,
    told: str = "",
) -> Device:
    wanted = Wanted("m", profiles.load(profile), Address(unit_id=unit), quantities)
    meter = ModbusMeter(bus.read, wanted, lambda: bus.now_ms)
    limits = bounds(wanted, 48_000)
    return Device("m", meter, lambda: bus.now_ms, limits, memory, origins(wanted), told)


async def test_each_request_is_a_sample_at_the_time_of_its_own_answer() -> None:
    bus = em24(export=True)
    meter = device(bus, "carlo_gavazzi_em24_din", "active_power", "active_energy_import")
    polled = await meter.poll()
    assert [(s.t_ms, s.values) for s in polled.samples] == [
        (T0 + 80, {"active_power": (0, -1)}),
        (T0 + 120, {"active_energy_import": (1234, -1)}),
    ]


async def test_an_export_register_an_em24_lacks_costs_only_itself() -> None:
    bus = em24(export=False)
    asked = ("active_energy_import", "active_energy_export", "reactive_energy_export")
    meter = device(bus, "carlo_gavazzi_em24_din", *asked)
    polled = await meter.poll()
    assert [list(s.values) for s in polled.samples] == [["active_energy_import"]]
    assert meter.meter.absent == {"active_energy_export", "reactive_energy_export"}
    bus.asked.clear()
    await meter.poll()
    assert bus.asked == [(62, 2)]


async def test_what_a_meter_lacked_when_it_came_up_is_asked_for_again_with_its_identity() -> None:
    bus = em24(export=False)
    meter = device(bus, "carlo_gavazzi_em24_din", "active_energy_import", "active_energy_export")
    await meter.poll()
    bus.words |= em24(export=True).words
    await meter.poll()
    assert meter.meter.absent == {"active_energy_export"}
    bus.now_ms += 3_700_000
    await meter.poll()
    assert meter.meter.absent == frozenset()


async def test_a_hole_the_meter_refuses_is_read_around_from_then_on() -> None:
    words = pair(4, 0, 0x4366, 0x3334) | pair(4, 6, 0, 0)
    bus = Registers(words)
    meter = device(bus, "eastron_sdm630", "voltage_l1", "current_l1")
    polled = await meter.poll()
    assert {q for s in polled.samples for q in s.values} == {"voltage_l1", "current_l1"}
    bus.asked.clear()
    await meter.poll()
    assert bus.asked == [(0, 2), (6, 2)]


async def test_a_mandatory_register_that_is_refused_is_an_error_that_names_it() -> None:
    bus = Registers(pair(4, 0, 0, 0))
    meter = device(bus, "eastron_sdm630", "voltage_l1", "active_energy_import")
    with pytest.raises(BadData, match=r"has active_energy_import: is this the right profile\?"):
        await meter.poll()


async def test_a_request_in_mid_round_without_answer_costs_only_its_own_values() -> None:
    bus = em24(export=True)
    bus.silent = {62}
    meter = device(bus, "carlo_gavazzi_em24_din", "active_power", "active_energy_import")
    assert [list(s.values) for s in (await meter.poll()).samples] == [["active_power"]]
    assert meter.meter.missed == ["silent"]
    bus.silent = {40}
    bus.asked.clear()
    with pytest.raises(NoAnswer):
        await meter.poll()
    assert len(bus.asked) == 1, "a dead meter is asked once a round"


async def test_a_round_that_failed_is_told_whole_by_the_next_one() -> None:
    bus = Registers(pair(*SERIAL, 0, 7) | pair(4, 0, 0, 0))
    bus.silent = {0}
    meter = device(bus, "eastron_sdm630", "voltage_l1")
    with pytest.raises(NoAnswer):
        await meter.poll()
    assert meter.memory == BLANK
    bus.silent = set()
    assert [e.event for e in (await meter.poll()).events] == ["identity"]


async def test_the_identity_is_told_once_and_read_again_each_hour() -> None:
    bus = Registers(pair(*SERIAL, 0, 7) | pair(4, 0, 0, 0))
    meter = device(bus, "eastron_sdm630", "voltage_l1")
    (event,) = (await meter.poll()).events
    assert (event.event, event.detail) == ("identity", {"serial": "7"})
    bus.asked.clear()
    assert (await meter.poll()).events == []
    assert bus.asked == [(0, 2)]
    bus.asked.clear()
    for _ in range(3_600 // 30 + 1):
        bus.now_ms += 30_000
        assert (await meter.poll()).events == []
    assert bus.asked.count((64512, 2)) == 1


async def test_a_clock_that_went_back_unnoticed_is_no_reason_to_take_somebody_else_for_the_meter() -> (
    None
):
    bus = Registers(pair(*SERIAL, 0, 7) | pair(4, 0, 0, 0))
    meter = device(bus, "eastron_sdm630", "voltage_l1")
    await meter.poll()
    bus.now_ms -= 7_200_000
    bus.asked.clear()
    await meter.poll()
    assert bus.asked == [(64512, 2), (0, 2)]


async def test_a_meter_back_from_an_absence_is_asked_who_it_is() -> None:
    bus = Registers(pair(*SERIAL, 0, 7) | pair(4, 0, 0, 0))
    meter = device(bus, "eastron_sdm630", "voltage_l1")
    await meter.poll()
    bus.now_ms += 61_000
    bus.asked.clear()
    await meter.poll()
    assert bus.asked == [(64512, 2), (0, 2)]
    bus.now_ms += 1_000
    bus.asked.clear()
    await meter.poll()
    assert bus.asked == [(0, 2)]


async def test_a_meter_silent_about_its_identity_alone_is_read_all_the_same() -> None:
    bus = Registers(pair(4, 0, 0, 0))
    bus.silent = {64512}
    meter = device(bus, "eastron_sdm630", "voltage_l1")
    for _ in range(2):
        with pytest.raises(NoAnswer):
            await meter.poll()
        assert len((await meter.poll()).samples) == 1
    bus.asked.clear()
    for _ in range(3):
        assert len((await meter.poll()).samples) == 1
    assert bus.asked == [(0, 2)] * 3, "and asked who it is again in an hour"


async def test_one_missed_identity_now_and_then_is_no_habit() -> None:
    bus = Registers(pair(*SERIAL, 0, 7) | pair(4, 0, 0, 0))
    meter = device(bus, "eastron_sdm630", "voltage_l1")
    for _ in range(3):
        bus.silent, bus.now_ms = {64512}, bus.now_ms + 3_700_000
        with pytest.raises(NoAnswer):
            await meter.poll()
        bus.silent = set()
        bus.asked.clear()
        await meter.poll()
        await meter.poll()
        assert bus.asked == [(0, 2), (64512, 2), (0, 2)]


async def test_a_dead_meter_is_asked_one_thing_each_round() -> None:
    bus = Registers({})
    bus.silent = {0, 64512}
    meter = device(bus, "eastron_sdm630", "voltage_l1")
    for rounds in range(1, 5):
        with pytest.raises(NoAnswer):
            await meter.poll()
        assert len(bus.asked) == rounds


async def test_another_serial_number_is_a_swap_also_over_a_restart() -> None:
    bus = Registers(pair(*SERIAL, 0, 7) | pair(4, 72, 0x4640, 0xE6B7))
    meter = device(bus, "eastron_sdm630", "active_energy_import")
    await meter.poll()
    exchanged = Registers(pair(*SERIAL, 0, 8) | pair(4, 72, 0x3F80, 0))
    exchanged.now_ms = bus.now_ms + 600_000
    restarted = device(exchanged, "eastron_sdm630", "active_energy_import", memory=meter.memory)
    told = []
    for _ in range(PATIENCE):
        polled = await restarted.poll()
        told += polled.events
    assert [e.event for e in told] == ["identity", "swap"]
    assert told[1].detail == {
        "quantity": "active_energy_import",
        "closing": "12345.679",
        "opening": "1",
    }
    assert [s.quality for s in polled.samples] == ["good"]


async def test_a_register_that_falls_is_asked_whose_it_is_before_it_is_a_reset() -> None:
    bus = Registers(pair(*SERIAL, 0, 7) | pair(4, 72, 0x4640, 0xE6B7))
    meter = device(bus, "eastron_sdm630", "active_energy_import")
    told = list((await meter.poll()).events)
    bus.words |= pair(*SERIAL, 0, 8)
    for kwh_float32 in (0x3F80, 0x3F81, 0x3F82, 0x3F83):
        bus.now_ms += 50_000
        bus.words |= pair(4, 72, kwh_float32, 0)
        told += (await meter.poll()).events
    assert [e.event for e in told] == ["identity", "identity", "swap"]
    assert [e.detail for e in told[:2]] == [{"serial": "7"}, {"serial": "8"}]


async def test_somebody_who_answered_for_a_while_leaves_nothing_to_book_when_the_meter_is_back() -> (
    None
):
    bus = Registers(pair(*SERIAL, 0, 7) | pair(4, 72, 0x4640, 0xE6B7))
    meter = device(bus, "eastron_sdm630", "active_energy_import")
    await meter.poll()
    bus.words |= pair(*SERIAL, 0, 8)
    for kwh_float32 in (0x3F80, 0x3F81, 0x3F82):
        bus.now_ms += 50_000
        bus.words |= pair(4, 72, kwh_float32, 0)
        await meter.poll()
    bus.now_ms += 30 * 86_400_000  # 34,560 kWh may have been drawn
    bus.words |= pair(*SERIAL, 0, 7) | pair(4, 72, 0x4640, 0xE6B7)
    polled = await meter.poll()
    assert [s.quality for s in polled.samples] == ["suspect"], "and not 12,344 kWh more"


async def test_a_doubt_that_lasts_asks_whose_it_is_once() -> None:
    bus = Registers(pair(*SERIAL, 0, 7) | pair(4, 72, 0x4640, 0xE6B7))
    meter = device(bus, "eastron_sdm630", "active_energy_import")
    await meter.poll()
    bus.words |= pair(4, 72, 0, 0)
    bus.asked.clear()
    for _ in range(5):
        await meter.poll()
    assert bus.asked.count((64512, 2)) == 1


async def test_a_clock_set_within_a_round_makes_no_reading_of_two_times() -> None:
    bus = em24(export=True)
    meter = device(bus, "carlo_gavazzi_em24_din", "active_power", "active_energy_import")
    await meter.poll()
    asked, hour = len(bus.asked), 3_600_000

    def set_clock() -> None:
        bus.now_ms += hour
        meter.clock_stepped(hour)

    bus.before = {62: set_clock}
    start = bus.now_ms + hour
    polled = await meter.poll()
    assert [s.t_ms - start for s in polled.samples] == [120, 160], "and not 40 and 80"
    assert len(bus.asked) - asked == 4, "it was asked once more"
    assert {s.quality for s in polled.samples} == {"good"}
    assert meter.memory.seen["active_energy_import"].t_ms == start + 160


async def test_a_clock_set_between_two_rounds_is_no_absence_and_no_jump() -> None:
    bus = Registers(pair(*SERIAL, 0, 7) | pair(4, 72, 0x4640, 0xE6B7))
    meter = device(bus, "eastron_sdm630", "active_energy_import")
    await meter.poll()
    bus.now_ms -= 3_600_000
    meter.clock_stepped(-3_600_000)
    bus.asked.clear()
    bus.now_ms += 50_000
    bus.words |= pair(4, 72, 0x4640, 0xE7B7)  # a quarter of a kWh more: 48 kW for 19 s
    polled = await meter.poll()
    assert [s.quality for s in polled.samples] == ["good"]
    assert (polled.events, bus.asked) == ([], [(72, 2)])


async def test_learning_more_of_the_same_meter_is_no_swap() -> None:
    bus = Registers(pair(*SERIAL, 0, 7) | pair(3, 64514, 0x20, 0) | pair(4, 72, 0x3F80, 0))
    seen = {"active_energy_import": Seen((1000, -3), T0 - 1_000)}
    memory = Memory({"serial": "7"}, seen)
    meter = device(bus, "eastron_sdm120", "active_energy_import", memory=memory)
    assert [e.event for e in (await meter.poll()).events] == ["identity"]
    assert meter.memory.identity == {"serial": "7", "model": "32"}


async def test_another_model_than_the_profile_describes_is_refused() -> None:
    words = pair(*SERIAL, 0, 7) | {(3, 64514): 0x84, (3, 64515): 0} | pair(4, 0, 0, 0)
    bus = Registers(words)
    with pytest.raises(WrongMeter, match="model reads '132'; the Eastron SDM120-Modbus says 32"):
        await device(bus, "eastron_sdm120", "voltage_l1").poll()


async def test_by_which_profile_a_meter_is_read_is_told_and_another_is_no_other_meter() -> None:
    bus = Registers(pair(*SERIAL, 0, 7) | pair(4, 72, 0x3F80, 0))
    first = device(bus, "eastron_sdm630", "active_energy_import", told="eastron_sdm630")
    (event,) = (await first.poll()).events
    assert event.detail == {"serial": "7", "profile": "eastron_sdm630"}
    again = device(
        bus, "eastron_sdm630", "active_energy_import", memory=first.memory, told="eastron_sdm630"
    )
    assert (await again.poll()).events == []
    other = device(bus, "eastron_sdm630", "active_energy_import", memory=again.memory, told="own")
    polled = await other.poll()
    assert [(e.event, e.detail["profile"]) for e in polled.events] == [("identity", "own")]
    assert [s.quality for s in polled.samples] == ["good"]


async def test_a_meter_without_identity_registers_is_read_all_the_same() -> None:
    bus = Registers(pair(4, 0, 0, 0))
    polled = await device(bus, "eastron_sdm630", "voltage_l1").poll()
    assert polled.events == []
    assert len(polled.samples) == 1


async def test_a_value_the_meter_does_not_measure_is_no_value() -> None:
    bus = Registers({(3, a): 0xFFFF for a in (*range(23296, 23302), 23340)})
    meter = device(bus, "abb_b23", "voltage_l1", "frequency")
    assert [s.values for s in (await meter.poll()).samples] == []


@pytest.mark.parametrize("serial", [0, 0xFFFF])
async def test_a_serial_number_that_was_never_set_or_not_yet_is_none(serial: int) -> None:
    bus = Registers(pair(*SERIAL, 0, 7) | pair(4, 72, 0x4640, 0xE6B7))
    meter = device(bus, "eastron_sdm630", "active_energy_import")
    await meter.poll()
    bus.words |= pair(*SERIAL, serial, serial)
    bus.now_ms += 3_700_000
    polled = await meter.poll()
    assert (polled.events, [s.quality for s in polled.samples]) == ([], ["good"])
    assert meter.memory.identity == {"serial": "7"}


async def test_the_register_of_another_unit_is_no_rise_of_the_one_before() -> None:
    bus = Registers(pair(4, 72, 0x4640, 0xE6B7))
    meter = device(bus, "eastron_sdm630", "active_energy_import")
    await meter.poll()
    bus.now_ms += 48 * 3_600_000  # 2304 kWh may have been drawn
    bus.words = pair(4, 72, 0x4650, 0xE6B7)  # 1024 kWh more
    told = await device(bus, "eastron_sdm630", "active_energy_import", memory=meter.memory).poll()
    assert [s.quality for s in told.samples] == ["good"]
    elsewhere = device(bus, "eastron_sdm630", "active_energy_import", memory=meter.memory, unit=2)
    told = [await elsewhere.poll() for _ in range(PATIENCE)]
    assert [s.quality for each in told for s in each.samples] == ["suspect", "suspect", "good"]
    ((event,),) = [each.events for each in told if each.events]
    assert event.event == "swap"
    assert (event.detail["closing"], event.detail["opening"]) == ("12345.679", "13369.679")
