"""Our driver on pseudo terminals, where a meter is late, noisy or wrong: a test for each guard."""

import asyncio
import contextlib
import os
import pty
import struct
import threading
import time
import tty
from collections.abc import Callable
from random import Random

import pytest

from edge_agent.drivers import LinkLost, NoAnswer
from edge_agent.drivers.modbus import Settings, connect
from edge_agent.line import Tally
from edge_agent.protocols.modbus import crc16
from tests.integration.servers import free_port


def now_ms() -> int:
    return 1_790_000_000_000


class Line:
    """The meters' end of a pty: a thread that hands every request (8 bytes) to the script."""

    def __init__(self, script: Callable[[bytes, "Line"], None]) -> None:
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        self.path, self._slave = os.ttyname(slave), slave
        self._script = script
        self.asked: list[bytes] = []
        self.ended: list[float] = []  # when each answer had been written
        self.began: list[float] = []  # when each request came
        self._thread = threading.Thread(target=self._run)

    def say(self, data: bytes) -> None:
        self.ended.append(time.monotonic())
        os.write(self.master, data)

    def __enter__(self) -> "Line":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._slave)  # with the driver's end closed too, the master reads EIO
        self._thread.join()
        os.close(self.master)

    def _run(self) -> None:
        buffer = b""
        with contextlib.suppress(OSError):
            while True:
                buffer += os.read(self.master, 256)
                while len(buffer) >= 8:
                    self.began.append(time.monotonic())
                    self.asked.append(buffer[:8])
                    self._script(buffer[:8], self)
                    buffer = buffer[8:]

    def settings(self, **change: object) -> Settings:
        given = {"device": self.path, "baud": 19200, "timeout_ms": 1000, **change}
        return Settings(transport="rtu", **given)  # type: ignore[arg-type]


def framed(request: bytes, *words: int, function: int | None = None) -> bytes:
    body = struct.pack(
        f">BBB{len(words)}H", request[0], function or request[1], 2 * len(words), *words
    )
    return body + crc16(body)


def address(request: bytes) -> int:
    return int.from_bytes(request[2:4], "big")


async def test_a_late_answer_is_not_taken_for_the_next_request() -> None:
    def late_for_100(request: bytes, line: Line) -> None:
        if address(request) == 100:
            time.sleep(0.75)  # the driver waits 500 ms and the wire time of 15 bytes
        line.say(framed(request, address(request)))

    with Line(late_for_100) as line:
        async with connect(line.settings(timeout_ms=500), Random(1), now_ms) as bus:
            with pytest.raises(NoAnswer):
                await bus.read(1, 3, 100, 1)
            assert await bus.read(1, 3, 200, 1) == (200,)
            assert await bus.read(1, 3, 300, 1) == (300,)


async def test_a_dead_meter_costs_its_neighbours_two_timeouts_once_and_then_one() -> None:
    def only_unit_1(request: bytes, line: Line) -> None:
        if request[0] == 1:
            line.say(framed(request, 8))

    dead, waits = Tally(), []
    with Line(only_unit_1) as line:
        async with connect(line.settings(timeout_ms=500), Random(1), now_ms) as bus:
            for _ in range(3):
                with pytest.raises(NoAnswer):
                    await bus.read(2, 3, 0, 1, tally=dead)
                assert await bus.read(1, 3, 0, 1) == (8,)
                waits.append(line.began[-1] - line.began[-2])
    assert waits[0] > 0.8  # two waits of 0.5 s; who listens may be late
    assert max(waits[1:]) < 0.8


async def test_who_met_its_neighbours_answer_with_a_late_one_is_waited_for_again() -> None:
    def both_at_once_the_third_time(request: bytes, line: Line) -> None:
        if request[0] == 1:
            line.say(b"\x5a" * 7 if len(line.asked) == 6 else framed(request, 8))

    late, waits = Tally(), []
    with Line(both_at_once_the_third_time) as line:
        async with connect(line.settings(timeout_ms=500), Random(1), now_ms) as bus:
            for n in range(4):
                with pytest.raises(NoAnswer):
                    await bus.read(2, 3, 0, 1, tally=late)
                with pytest.raises(NoAnswer) if n == 2 else contextlib.nullcontext():
                    assert await bus.read(1, 3, 0, 1) == (8,)
                waits.append(line.began[-1] - line.began[-2])
    assert max(waits[1:3]) < 0.8
    assert waits[3] > 0.8  # two waits of 0.5 s; who listens may be late


async def test_whose_late_answer_came_while_nobody_was_asked_is_waited_for_again() -> None:
    def late_the_second_time(request: bytes, line: Line) -> None:
        if len(line.asked) == 3:
            time.sleep(0.75)
        if request[0] == 1 or len(line.asked) == 3:
            line.say(framed(request, 8))

    late, waits = Tally(), []
    with Line(late_the_second_time) as line:
        async with connect(line.settings(timeout_ms=500), Random(1), now_ms) as bus:
            for n in range(3):
                with pytest.raises(NoAnswer):
                    await bus.read(2, 3, 0, 1, tally=late)
                await asyncio.sleep(0.5 if n == 1 else 0)
                assert await bus.read(1, 3, 0, 1) == (8,)
                waits.append(line.began[-1] - line.began[-2])
    assert late.stray == 1
    assert waits[2] > 0.8  # two waits of 0.5 s; who listens may be late


async def test_a_meter_asked_by_two_is_not_asked_by_the_second_before_its_late_answer_has_gone_by() -> (
    None
):
    def late_at_last(request: bytes, line: Line) -> None:
        if address(request) == 100 and len(line.asked) > 1:
            time.sleep(0.75)
        if address(request) == 200 or len(line.asked) > 1:
            line.say(framed(request, address(request)))

    first, second = Tally(), Tally()
    with Line(late_at_last) as line:
        async with connect(line.settings(timeout_ms=500), Random(1), now_ms) as bus:
            with pytest.raises(NoAnswer):
                await bus.read(1, 3, 100, 1, tally=first)
            await asyncio.sleep(0.6)
            nothing, value = await asyncio.gather(
                bus.read(1, 3, 100, 1, tally=first),
                bus.read(1, 3, 200, 1, tally=second),
                return_exceptions=True,
            )
    assert isinstance(nothing, NoAnswer)
    assert value == (200,)


async def test_a_dead_meter_itself_is_not_asked_before_its_late_answer_has_gone_by() -> None:
    def late_at_last(request: bytes, line: Line) -> None:
        if address(request) == 100 and len(line.asked) > 1:
            time.sleep(0.75)
            line.say(framed(request, 100))
        elif address(request) == 200:
            line.say(framed(request, 200))

    meter = Tally()
    with Line(late_at_last) as line:
        async with connect(line.settings(timeout_ms=500), Random(1), now_ms) as bus:
            for _ in range(2):
                with pytest.raises(NoAnswer):
                    await bus.read(1, 3, 100, 1, tally=meter)
            assert await bus.read(1, 3, 200, 1, tally=meter) == (200,)


async def test_the_answer_to_a_cancelled_caller_is_not_taken_for_the_next_request() -> None:
    def slow_for_100(request: bytes, line: Line) -> None:
        if address(request) == 100:
            time.sleep(0.3)
        line.say(framed(request, address(request)))

    with Line(slow_for_100) as line:
        async with connect(line.settings(timeout_ms=600), Random(1), now_ms) as bus:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(bus.read(1, 3, 100, 1), 0.05)
            assert await bus.read(1, 3, 200, 1) == (200,)


async def test_nobody_is_asked_while_a_meter_still_talks() -> None:
    def twice(request: bytes, line: Line) -> None:
        line.say(framed(request, address(request)))
        if address(request) == 100:
            for _ in range(10):  # its answer again, slowly
                time.sleep(0.004)
                line.say(b"\x01")

    with Line(twice) as line:
        settings = line.settings(min_gap_ms=200)
        async with connect(settings, Random(1), now_ms) as bus:
            assert await bus.read(1, 3, 100, 1) == (100,)
            assert await bus.read(1, 3, 200, 1) == (200,)
        quiet_s = line.began[1] - line.ended[-2]
    assert quiet_s >= 0.2


def _good(request: bytes) -> bytes:
    return framed(request, 4711)


SPOILT: dict[str, Callable[[bytes], bytes]] = {
    "a stray 00 before": lambda request: b"\x00" + _good(request),
    "a stray ff before": lambda request: b"\xff" + _good(request),
    "the echo of our own request": lambda request: request + _good(request),
    "noise behind": lambda request: _good(request) + b"\x55\xaa",
    "another function first": lambda request: framed(request, 9, function=4) + _good(request),
    "another length first": lambda request: framed(request, 9, 9) + _good(request),
    "another unit first": lambda request: framed(b"\x02" + request[1:], 9) + _good(request),
    "a broken check sum first": lambda request: framed(request, 9)[:-1] + b"\0" + _good(request),
}


@pytest.mark.parametrize("spoilt", SPOILT)
async def test_one_sound_answer_among_anything_else_is_found(spoilt: str) -> None:
    with Line(lambda request, line: line.say(SPOILT[spoilt](request))) as line:
        async with connect(line.settings(), Random(1), now_ms) as bus:
            assert await bus.read(1, 3, 100, 1) == (4711,)


@pytest.mark.parametrize("wrong", ["function", "length", "check sum"])
async def test_a_wrong_answer_alone_is_none(wrong: str) -> None:
    def false(request: bytes, line: Line) -> None:
        if wrong == "function":
            line.say(framed(request, 9, function=4))
        elif wrong == "length":
            line.say(framed(request, 9, 9))
        else:
            line.say(framed(request, 9)[:-2] + b"\x00\x00")

    with Line(false) as line:
        async with connect(line.settings(), Random(1), now_ms) as bus:
            with pytest.raises(NoAnswer, match="no valid answer"):
                await bus.read(1, 3, 100, 1)


@pytest.mark.parametrize(
    ("change", "least_s"),
    [
        pytest.param({"baud": 1200}, 3.5 * 11 / 1200, id="3.5 characters"),
        pytest.param({"min_gap_ms": 40}, 0.040, id="min_gap_ms of the bus"),
    ],
)
async def test_the_line_is_silent_before_each_request(
    change: dict[str, object], least_s: float
) -> None:
    with Line(lambda request, line: line.say(framed(request, 1))) as line:
        async with connect(line.settings(**change), Random(1), now_ms) as bus:
            for _ in range(5):
                await bus.read(1, 3, 0, 1)
        gaps = [began - ended for ended, began in zip(line.ended, line.began[1:])]
    assert len(gaps) == 4
    assert min(gaps) >= least_s


async def test_the_time_on_the_wire_is_not_the_meters() -> None:
    def slow(request: bytes, line: Line) -> None:
        time.sleep(0.25)  # 15 characters at 300 baud take 500 ms
        line.say(framed(request, 8))

    with Line(slow) as line:
        async with connect(line.settings(baud=300, timeout_ms=40), Random(1), now_ms) as bus:
            assert await bus.read(1, 3, 0, 1) == (8,)


async def test_a_meter_rests_between_its_own_requests_and_its_neighbours_do_not_wait() -> None:
    with Line(lambda request, line: line.say(framed(request, 1))) as line:
        async with connect(line.settings(), Random(1), now_ms) as bus:
            await bus.read(1, 3, 0, 1, rest_ms=500)
            await asyncio.gather(bus.read(1, 3, 0, 1, rest_ms=500), bus.read(2, 3, 0, 1))
    assert [request[0] for request in line.asked] == [1, 2, 1]
    assert line.began[2] - line.ended[0] > 0.4  # of 0.5; who listens may be late


async def test_a_port_that_vanishes_is_told_at_once() -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    settings = Settings(transport="rtu", device=os.ttyname(slave), timeout_ms=60_000)
    async with connect(settings, Random(1), now_ms) as bus:
        reading = asyncio.create_task(bus.read(1, 3, 0, 1))
        await asyncio.sleep(0.1)
        os.close(slave)
        os.close(master)
        began = time.monotonic()
        with pytest.raises(LinkLost):
            await reading
        assert time.monotonic() - began < 30


async def test_a_port_that_is_not_there_says_what_to_do() -> None:
    settings = Settings(transport="rtu", device="/dev/serial/by-id/none")
    async with connect(settings, Random(1), now_ms) as bus:
        with pytest.raises(LinkLost, match="is the adapter plugged in"):
            await bus.read(1, 3, 0, 1)


async def test_a_line_with_parity_works_on_a_pseudo_terminal() -> None:
    with Line(lambda request, line: line.say(framed(request, 8))) as line:
        async with connect(line.settings(parity="E"), Random(1), now_ms) as bus:
            assert await bus.read(1, 3, 0, 1) == (8,)


async def test_rtu_over_tcp_keeps_the_guards_of_rtu() -> None:
    gone = asyncio.Event()

    async def gateway(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while request := await reader.readexactly(8):
                if address(request) == 100:
                    await asyncio.sleep(0.75)
                writer.write(b"\xff" + framed(request, address(request)))
        writer.close()
        await writer.wait_closed()
        gone.set()

    port = free_port()
    server = await asyncio.start_server(gateway, "127.0.0.1", port)
    settings = Settings(
        transport="rtu_over_tcp", host="127.0.0.1", port=port, baud=19200, timeout_ms=500
    )
    async with connect(settings, Random(1), now_ms) as bus:
        with pytest.raises(NoAnswer):
            await bus.read(1, 3, 100, 1)
        assert await bus.read(1, 3, 200, 1) == (200,)
    await gone.wait()
    server.close()
