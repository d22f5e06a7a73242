"""What a person reads when a line fails: the system's own errors, raised by the system."""

import errno
import os
import pty
import socket
import stat
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from edge_agent import failures
from edge_agent.drivers.modbus import Settings, connect
from edge_agent.line import LinkLost
from tests.integration.servers import free_port

ASKED = bytes.fromhex("01 03 00 00 00 02 c4 0b")


async def refusal(timeout_ms: int = 30_000, **where: object) -> str:
    """What a read of a line says that cannot be opened."""
    settings = Settings(timeout_ms=timeout_ms, **where)
    async with connect(settings, Random(1), lambda: 0) as bus:  # type: ignore[arg-type]
        with pytest.raises(LinkLost) as lost:
            await bus.read(1, 3, 0, 2)
    return str(lost.value)


async def test_a_port_nobody_listens_on() -> None:
    said = await refusal(transport="tcp", host="127.0.0.1", port=free_port())
    assert said.endswith("nobody listens there; is the port right, and the protocol switched on?")


async def test_a_host_whose_name_is_none() -> None:
    said = await refusal(transport="tcp", host="a" * 70 + ".example", port=502)
    assert said.endswith("that is no name a host can have")


async def test_a_speed_no_port_can_be_set_to() -> None:
    master, slave = pty.openpty()
    said = await refusal(transport="rtu", device=os.ttyname(slave), baud=12_345_678_901)
    assert said.endswith("which speeds does the adapter have?")
    os.close(master)
    os.close(slave)


async def test_a_host_with_two_addresses_that_both_refuse_is_told_the_same() -> None:
    said = await refusal(transport="tcp", host="localhost", port=free_port())
    assert "nobody listens there" in said
    assert "Errno" not in said


async def test_a_host_that_lets_every_packet_fall() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        others = [socket.create_connection(deaf.getsockname()) for _ in range(1)]
        said = await refusal(300, transport="tcp", host="127.0.0.1", port=deaf.getsockname()[1])
        for other in others:
            other.close()
    assert "cannot be reached in time: nothing came back in 300 ms; is the address right" in said


def test_a_name_nobody_knows() -> None:
    with pytest.raises(socket.gaierror) as unknown:
        socket.getaddrinfo("gateway", 502, flags=socket.AI_NUMERICHOST)  # asks no name server
    assert failures.why(unknown.value).startswith("nobody knows that host")


async def test_a_file_that_is_no_port(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert (await refusal(transport="rtu", device=str(tmp_path / "file"))).endswith(
        "that is no serial port"
    )


_OPENS_A_LINE = """
import asyncio, os, sys
from random import Random
from edge_agent.drivers.modbus import Settings, connect
from edge_agent.line import LinkLost
async def main():
    async with connect(Settings(transport="rtu", device=sys.argv[1]), Random(1), int) as bus:
        try:
            await bus.read(1, 3, 0, 2)
        except LinkLost as exc:
            print(exc)
if os.geteuid() == 0:
    os.setuid(65534)  # root may open anything
asyncio.run(main())
"""


def test_a_port_one_may_not_open(root: Path) -> None:
    master, slave = pty.openpty()
    path = os.ttyname(slave)
    mode = stat.S_IMODE(Path(path).stat().st_mode)
    Path(path).chmod(0)
    command = [sys.executable, "-c", _OPENS_A_LINE, path]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    Path(path).chmod(mode)
    os.close(master)
    os.close(slave)
    assert done.stdout.strip().endswith("no permission; the user must be in the group dialout")


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.EHOSTUNREACH, "nobody has that address; is the meter powered"),
        (errno.ENETUNREACH, "there is no way there; is the network up"),
        (errno.EBUSY, "the line is in use, perhaps by the running agent"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_what_the_system_says_is_said_in_words(number: int, says: str) -> None:
    assert failures.why(OSError(number, "x")).startswith(says)


def test_an_echo_is_called_one() -> None:
    assert "the adapter echoes it" in failures.account(ASKED, ASKED, 500, numbered=False)


@pytest.mark.parametrize(("numbered", "cause"), [(False, "speed or parity"), (True, "check sum")])
def test_bytes_that_are_no_answer_are_shown_with_what_may_have_spoilt_them(
    numbered: bool, cause: str
) -> None:
    said = failures.account(b"\xf8\x00\x1e", ASKED, 500, numbered=numbered)
    assert said.startswith("no valid answer in 500 ms, only f8 00 1e (another meter, ")
    assert cause in said


def test_nothing_is_called_nothing() -> None:
    assert failures.account(b"", ASKED, 500, numbered=False) == "no answer in 500 ms"
