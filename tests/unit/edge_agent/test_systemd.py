"""What a service manager hears on its socket: a real one."""

import os
import re
import socket
import time

import pytest

from edge_agent.systemd import Systemd


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    """A socket as systemd opens it, and the name it puts in the environment."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        if request.param == "path":
            name = str(tmp_path / "notify")
            sock.bind(name)
        else:
            name = f"@wattprint-test-{os.getpid()}"
            sock.bind("\0" + name[1:])
        yield sock, name


def test_every_word_is_one_datagram(manager):
    sock, name = manager
    environ = {"NOTIFY_SOCKET": name, "HOME": "/"}
    systemd = Systemd(environ)
    systemd.ready()
    assert sock.recv(1000) == b"READY=1"
    systemd.status("24 of 24 meters answer\nREADY=1")
    assert sock.recv(1000) == b"STATUS=24 of 24 meters answer READY=1", "a line stays one line"
    systemd.alive()
    assert sock.recv(1000) == b"WATCHDOG=1"
    systemd.stopping()
    assert sock.recv(1000) == b"STOPPING=1"
    assert environ == {"HOME": "/"}, "no child speaks in our name"


def test_a_reload_is_dated_on_the_monotonic_clock(manager):
    sock, name = manager
    before = time.monotonic_ns() // 1000
    Systemd({"NOTIFY_SOCKET": name}).reloading()
    said = re.fullmatch(rb"RELOADING=1\nMONOTONIC_USEC=(\d+)", sock.recv(1000))
    assert said
    assert before <= int(said[1]) <= time.monotonic_ns() // 1000


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_ours_only_if_it_names_us(tmp_path, environ, seconds):
    name = str(tmp_path / "notify")
    assert Systemd({"NOTIFY_SOCKET": name, **environ}).watchdog_s == seconds
    assert Systemd(dict(environ)).watchdog_s is None, "and only with a socket to say so"


@pytest.mark.parametrize("name", ["", "/nowhere/notify", "vsock:2:9999"])
def test_nobody_to_tell_is_no_failure(name):
    systemd = Systemd({"NOTIFY_SOCKET": name})
    for word in (systemd.ready, systemd.reloading, systemd.alive, systemd.stopping):
        word()
    systemd.status("well")
