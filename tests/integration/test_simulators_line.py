"""The simulated serial line on real pseudo terminals: its time, its statistics, its ways to go wrong."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from edge_agent import profiles
from edge_agent.profiles.modbus import Profile
from edge_agent.protocols import dlt645
from edge_agent.protocols.dlt645 import Answer as Dlt645Answer
from edge_agent.protocols.modbus import Request, answer_length, find_answer, request_frame
from simulators.faults import Fault, Faults
from simulators.serial_bus import Passage, SerialLine, Wire
from simulators.slaves.dlt645 import Dlt645Meter, Dlt645Party
from simulators.slaves.modbus import ModbusMeter, ModbusParty
from tests.integration.serial_master import Master

UNITS = range(1, 11)
OpenLine = Callable[..., Awaitable[tuple[SerialLine, Master]]]


class Steady:
    """A meter that measures 230 of everything."""

    serial = 1

    def value(self, quantity: str, t_ms: int) -> Fraction:  # noqa: ARG002  a truth is asked so
        return Fraction(230)


def ten_meters() -> ModbusParty:
    model = profiles.load_as(Profile, "eastron_sdm630")
    return ModbusParty({n: ModbusMeter(f"m-{n}", model, Steady()) for n in UNITS}, "rtu")


def three_more() -> Dlt645Party:
    addresses = ("000000000161", "000000000162", "000000000263")
    return Dlt645Party([Dlt645Meter(f"d-{a[-2:]}", a, Steady()) for a in addresses])


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[OpenLine]:
    """A function that brings up a line, ten Modbus and three DL/T 645 meters, and a master."""
    running: list[tuple[asyncio.Task[None], Master]] = []

    async def bring_up(
        wire: Wire, *faults: Fault, tap: Callable[[Passage], None] | None = None
    ) -> tuple[SerialLine, Master]:
        parties = [ten_meters(), three_more()]
        made = SerialLine(tmp_path / "line", wire, parties, lambda: 0, Faults(faults), tap)
        serving = asyncio.create_task(made.serve())
        while not made.path.exists():
            await asyncio.sleep(0.01)
        running.append((serving, Master(made.path, wire.baud)))
        return made, running[-1][1]

    yield bring_up
    for serving, master in running:
        master.close()
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def read(master: Master, address: str, di: str = "00010000") -> Dlt645Answer:
    request = dlt645.read(address, di)
    return await master.poll(
        dlt645.request_frame(request),
        lambda data: dlt645.find_answer(data, request, "XXXXXX.XX ..."),
    )


async def poll(master: Master, request: Request) -> None:
    await master.poll(request_frame(request, "rtu"), lambda data: find_answer(data, request, "rtu"))


@pytest.mark.parametrize(
    ("parity", "stop_bits", "bits"), [("N", 1, 10), ("E", 1, 11), ("N", 2, 11)]
)
async def test_a_character_has_its_parity_and_stop_bits(line, parity, stop_bits, bits):
    _, master = await line(Wire(2400, parity, stop_bits, turn_ms=0))
    quiet_s = 8 * bits / 2400 + 3.5 * 11 / 2400
    whole_s, quickest_s, tries = quiet_s + 25 * bits / 2400, math.inf, 0
    while quickest_s >= whole_s + 0.03 and tries < 10:  # a busy machine can only add to a time
        data, times = await master.ask(Request(1, 4, 0, 10), 0.3, least=25)
        assert len(data) == 25
        for n, arrived in enumerate(times, 1):
            assert arrived >= quiet_s + n * bits / 2400 - 0.0005, n
        quickest_s, tries = min(quickest_s, times[-1]), tries + 1
    assert quickest_s < whole_s + 0.03


async def test_a_patient_master_violates_no_gap(line):
    made, master = await line(Wire(9600, turn_ms=0))
    asked = 10 * len(UNITS)
    for unit in 10 * [*UNITS]:
        await poll(master, Request(unit, 4, 0, 10))
    on_wire_s = (8 + 25) * 10 / 9600
    assert made.stats.requests == made.stats.answers == asked
    assert made.stats.busy_s == pytest.approx(asked * on_wire_s, rel=0.001)
    assert made.stats.collisions == made.stats.gap_violations == 0
    assert made.stats.least_gap_s >= 3.5 * 11 / 9600


async def test_a_hasty_master_is_counted(line):
    made, master = await line(Wire(9600, turn_ms=0))
    master.silence_s = 0.0
    for _ in range(500):  # who is late leaves a gap
        await poll(master, Request(1, 4, 0, 2))
        if made.stats.gap_violations > 10:
            break
    assert made.stats.gap_violations > 10
    assert made.stats.least_gap_s < 3.5 * 11 / 9600


async def test_a_request_written_in_pieces_has_no_gap_inside(line):
    made, master = await line(Wire(9600, turn_ms=0))
    frame = request_frame(Request(1, 4, 0, 2), "rtu")
    master.file.write(frame[:3])
    await asyncio.sleep(0.004)
    data, _ = await master.send(frame[3:], 0.1, least=9)
    assert len(data) == 9
    assert made.stats.gap_violations == 0


async def test_who_talks_into_an_answer_spoils_both(line):
    made, master = await line(Wire(1200, turn_ms=0))
    request = Request(1, 4, 0, 30)
    asked, second = request_frame(request, "rtu"), request_frame(Request(2, 4, 0, 2), "rtu")
    master.file.write(asked)
    await asyncio.sleep(0.3)  # the answer takes from 100 to 640 ms
    length = answer_length(request, "rtu")
    data, _ = await master.send(second, 0.5, least=length)
    assert len(data) == length
    assert find_answer(data, request, "rtu")[0] is None
    assert (made.stats.collisions, made.stats.answers) == (1, 1)
    assert made.stats.gap_violations == 1
    await poll(master, request)


async def test_a_late_answer_that_meets_the_next_request_spoils_it(line):
    made, master = await line(Wire(600, turn_ms=0), Fault("m-1", "late", every=1, delay_ms=50))
    late, second = Request(1, 4, 0, 30), Request(2, 4, 0, 2)
    assert (await master.ask(late, 0.15))[0] == b""  # it takes from 250 to 1330 ms
    length = answer_length(late, "rtu")
    data, _ = await master.ask(second, 1.3, least=length)
    assert len(data) == length
    assert find_answer(data, late, "rtu")[0] is None
    assert (made.stats.collisions, made.stats.answers) == (1, 1)


async def test_nobody_answers_for_a_unit_that_is_not_there(line):
    made, master = await line(Wire(19200, turn_ms=0))
    assert (await master.ask(Request(99, 4, 0, 2), 0.1))[0] == b""
    assert (made.stats.requests, made.stats.answers) == (1, 0)
    assert made.stats.busy_s == pytest.approx(8 * 10 / 19200)


async def test_an_echo_is_heard_before_the_answer(line):
    made, master = await line(Wire(19200, turn_ms=400), Fault("m-1", "echo", every=1))
    request = Request(1, 4, 0, 2)
    data, times = await master.ask(request, 0.5, least=8 + 9)
    assert data.startswith(request_frame(request, "rtu"))
    assert len(data) == 8 + 9
    assert times[7] < 0.3 < times[8]
    assert made.stats.answers == 1


async def test_a_slow_clock_stretches_an_answer_and_a_fast_one_shortens_it(line):
    drift = Fault("m-1", "drift", every=4, permille=40)
    _, master = await line(Wire(2400, turn_ms=0), drift)
    taken = [[], [], [], []]
    right = [pytest.approx(pace * 125 * 10 / 2400, abs=0.01) for pace in (1.04, 1.0, 0.96, 1.0)]
    for _ in range(10):  # a busy machine can only add to a time
        for each in taken:
            _, times = await master.ask(Request(1, 4, 0, 60), 0.6, least=125)
            each.append(times[-1] - 8 * 10 / 2400 - 3.5 * 11 / 2400)
        if [min(each) for each in taken] == right:
            break
    assert [min(each) for each in taken] == right


async def test_a_meter_that_answers_for_its_neighbour_is_heard_as_the_neighbour(line):
    _, master = await line(Wire(19200, turn_ms=0), Fault("m-1", "foreign", every=1))
    data, _ = await master.ask(Request(1, 4, 0, 2), 0.1, least=9)
    assert find_answer(data, Request(1, 4, 0, 2), "rtu")[0] is None
    assert find_answer(data, Request(2, 4, 0, 2), "rtu")[0] is not None


async def test_what_passed_can_be_looked_at(line):
    passed: list[Passage] = []
    _, master = await line(Wire(19200, turn_ms=0), tap=passed.append)
    request = Request(3, 4, 0, 2)
    data, _ = await master.ask(request, 0.1, least=9)
    assert [p.data for p in passed] == [request_frame(request, "rtu"), data]
    assert [p.is_answer for p in passed] == [False, True]
    assert all(a.end_s + 3.5 * 11 / 19200 <= b.begin_s + 1e-9 for a, b in pairwise(passed))


async def test_modbus_and_dlt645_meters_share_a_line(line):
    made, master = await line(Wire(9600, "E", turn_ms=0))
    for unit, address in ((1, "000000000161"), (7, "000000000162"), (10, "000000000263")):
        await poll(master, Request(unit, 4, 0, 10))
        answer = await read(master, address)
        assert (answer.address, answer.data.hex()) == (address, "00300200")
    assert made.stats.requests == made.stats.answers == 6
    assert made.stats.collisions == made.stats.gap_violations == 0


async def test_a_dlt645_meter_waits_20_ms_before_it_answers(line):
    _, master = await line(Wire(2400, "E", turn_ms=0))
    frame = dlt645.request_frame(dlt645.read("000000000161", "00010000"))
    data, times = await master.send(frame, 0.2, least=4 + 20)
    assert len(data) == 4 + 20
    assert times[0] >= (len(frame) + 1) * 11 / 2400 + 0.02 - 0.0005


async def test_two_meters_that_a_wildcard_wakes_spoil_each_others_answer(line):
    made, master = await line(Wire(9600, "E", turn_ms=0))
    anybody = dlt645.Request(dlt645.ANYONE, dlt645.READ_ADDRESS)
    data, _ = await master.send(dlt645.request_frame(anybody), 0.2, least=3 * 22)
    assert data
    assert dlt645.find_answer(data, anybody, "")[0] is None
    assert made.stats.collisions > 0
    answer = await read(master, "AAAAAAAA0263")
    assert answer.address == "000000000263"


async def test_nobody_answers_a_broadcast(line):
    made, master = await line(Wire(9600, "E", turn_ms=0))
    order = dlt645.request_frame(dlt645.freeze(dlt645.BROADCAST, None))
    assert (await master.send(order, 0.15))[0] == b""
    assert (made.stats.requests, made.stats.answers) == (1, 0)
    answer = await read(master, "000000000161", "05010101")
    assert answer.data[:4].hex() == "00300200"
