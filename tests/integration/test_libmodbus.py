"""Our driver and libmodbus, the C library most meters' tools stand on, over TCP and a serial line."""

import contextlib
import os
import pty
import select
import subprocess
import threading
import time
import tty
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from random import Random

import pytest

from edge_agent.drivers import NoAnswer, NotThere
from edge_agent.drivers.modbus import Settings, connect
from edge_agent.drivers.modbus.bus import ModbusBus
from tests.integration.servers import free_port

pytestmark = pytest.mark.libmodbus

SOURCE = Path(__file__).with_name("libmodbus_server.c")
UNIT = 17
HOLDING, INPUT = 3, 4
# Addresses that are answered wrongly; see the source.
ONE_TOO_FEW, NOT_NUMBERED, FOREIGN, LATE, IN_CRUMBS = 900, 910, 920, 930, 940


def now_ms() -> int:
    return 1_790_000_000_000


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = tmp_path_factory.mktemp("libmodbus") / "server"
    flags = ["-Wall", "-Wextra", "-Werror", "-I/usr/include/modbus"]
    subprocess.run(["cc", *flags, str(SOURCE), "-o", str(built), "-lmodbus"], check=True)
    return built


@contextlib.contextmanager
def serving(*argv: str | Path) -> Iterator[None]:
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == b"ready\n"
            yield
        finally:
            server.kill()


@contextlib.contextmanager
def cable() -> Iterator[tuple[str, str]]:
    """Two serial ports that hear each other."""
    masters, slaves = zip(pty.openpty(), pty.openpty(), strict=True)
    for slave in slaves:
        tty.setraw(slave)
    unplugged = threading.Event()

    def carry() -> None:
        while not unplugged.is_set():
            for heard in select.select(masters, (), (), 0.1)[0]:
                other = masters[1 - masters.index(heard)]
                os.write(other, os.read(heard, 256))

    carrier = threading.Thread(target=carry)
    carrier.start()
    try:
        yield os.ttyname(slaves[0]), os.ttyname(slaves[1])
    finally:
        unplugged.set()
        carrier.join()
        for end in (*masters, *slaves):
            os.close(end)


@pytest.fixture(params=["tcp", "rtu"])
async def bus(request: pytest.FixtureRequest, program: Path) -> AsyncIterator[ModbusBus]:
    with contextlib.ExitStack() as stack:
        if request.param == "tcp":
            port = free_port()
            stack.enter_context(serving(program, "tcp", str(port)))
            settings = Settings(transport="tcp", host="127.0.0.1", port=port, timeout_ms=500)
        else:
            meters, ours = stack.enter_context(cable())
            stack.enter_context(serving(program, "rtu", meters, "19200"))
            settings = Settings(transport="rtu", device=ours, baud=19200, timeout_ms=500)
        async with connect(settings, Random(1), now_ms) as bus:
            yield bus


only = pytest.mark.parametrize("bus", ["tcp"], indirect=True)


async def test_what_libmodbus_holds_is_read(bus: ModbusBus) -> None:
    assert await bus.read(UNIT, HOLDING, 100, 3) == (100, 101, 102)
    assert await bus.read(UNIT, INPUT, 0, 125) == tuple(range(1000, 1125))


async def test_what_it_refuses_is_told(bus: ModbusBus) -> None:
    with pytest.raises(NotThere, match="illegal data address"):
        await bus.read(UNIT, HOLDING, 999, 2)
    assert await bus.read(UNIT, HOLDING, 999, 1) == (999,)


async def test_an_answer_with_one_register_too_few_is_none(bus: ModbusBus) -> None:
    with pytest.raises(NoAnswer, match="no valid answer"):
        await bus.read(UNIT, HOLDING, ONE_TOO_FEW, 4)
    assert await bus.read(UNIT, HOLDING, 7, 4) == (7, 8, 9, 10)


async def test_an_answer_in_another_units_name_is_none(bus: ModbusBus) -> None:
    with pytest.raises(NoAnswer, match="no valid answer"):
        await bus.read(UNIT, HOLDING, FOREIGN, 1)
    assert await bus.read(UNIT, HOLDING, 7, 1) == (7,)


async def test_a_late_answer_is_not_taken_for_the_next(bus: ModbusBus) -> None:
    began = time.monotonic()
    with pytest.raises(NoAnswer, match="no answer in 500 ms"):
        await bus.read(UNIT, HOLDING, LATE, 1)
    assert await bus.read(UNIT, HOLDING, 7, 1) == (7,)
    assert time.monotonic() - began > 0.75, "the late one has come meanwhile"


@only
async def test_an_answer_without_its_number_is_none(bus: ModbusBus) -> None:
    with pytest.raises(NoAnswer, match="no valid answer"):
        await bus.read(UNIT, HOLDING, NOT_NUMBERED, 1)
    assert await bus.read(UNIT, HOLDING, 7, 1) == (7,)


@only
async def test_an_answer_in_crumbs_is_one(bus: ModbusBus) -> None:
    assert await bus.read(UNIT, HOLDING, IN_CRUMBS, 1) == (0x1234,)
