"""What Prometheus is given, read by the grammar of its text format and over a real socket.

The grammar is that of the Prometheus documentation, exposition formats, version 0.0.4: no client
library is among the tests' packages.
"""

import asyncio
import re
import stat

import pytest

from edge_agent import metrics
from tests.unit.edge_agent.agent_status import agent, meter

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="((?:[^"\\\n]|\\["\\n])*)"'
_SAMPLE = re.compile(
    rf"({_NAME})(?:\{{((?:{_LABEL})(?:,(?:{_LABEL}))*)\}})? ([+-]?[0-9]+(?:\.[0-9]+)?)"
)
_COMMENT = re.compile(rf"# (?:HELP ({_NAME}) [^\n]+|TYPE ({_NAME}) (counter|gauge))")


def parsed(text: str) -> dict[tuple[str, str], float]:
    """(metric, labels) -> value; fails where the text breaks the grammar or its order."""
    assert text.endswith("\n"), "the last line has a line feed too"
    values: dict[tuple[str, str], float] = {}
    types: dict[str, str] = {}
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("#"):
            comment = _COMMENT.fullmatch(line)
            assert comment, line
            if comment[2]:
                assert comment[2] not in types, "one TYPE for each metric, all its lines behind it"
                types[comment[2]] = comment[3]
            continue
        sample = _SAMPLE.fullmatch(line)
        assert sample, line
        assert sample[1] == list(types)[-1], "the lines of a metric stand together"
        assert (sample[1], sample[2] or "") not in values, f"{line}: told twice"
        values[sample[1], sample[2] or ""] = float(sample[5])
    assert all(name.endswith("_total") == (kind == "counter") for name, kind in types.items())
    return values


def test_every_meter_has_its_counters_with_meter_and_bus():
    found = agent({"m-1": meter(), "m-2": meter(bus="line-b", health="no answer", p50_ms=None)})
    values = parsed(metrics.text(found))
    one, two = 'meter="m-1",bus="line-a"', 'meter="m-2",bus="line-b"'
    assert values["wattprint_meter_up", one] == 1
    assert values["wattprint_meter_up", two] == 0
    assert values["wattprint_slots_due_total", one] == 3600
    assert values["wattprint_slots_answered_total", one] == 3590
    assert values["wattprint_requests_total", one] == 7200
    assert values["wattprint_garbled_total", one] == 4
    assert values["wattprint_stray_total", one] == 2
    assert values["wattprint_response_p99_seconds", one] == 0.055
    assert ("wattprint_response_p50_seconds", two) not in values, "nobody has measured it"


def test_the_gateways_own_figures_are_in_seconds_and_bytes():
    values = parsed(metrics.text(agent()))
    assert values["wattprint_gateway_info", 'site="cq",gateway="gw-1"'] == 1
    assert values["wattprint_cpu_seconds_total", ""] == 61.23
    assert values["wattprint_resident_memory_bytes", ""] == 45_000_000
    assert values["wattprint_segments_waiting", ""] == 3
    assert values["wattprint_broker_losses_total", ""] == 1


def test_a_name_with_quotes_stays_one_label():
    values = parsed(metrics.text(agent({'press "A"\\\n': meter()})))
    assert values["wattprint_meter_up", 'meter="press \\"A\\"\\\\\\n",bus="line-a"'] == 1


async def asked(path, request: bytes) -> tuple[str, str]:
    """(status line, body) of one answer."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(request)
    head, _, body = (await asyncio.wait_for(reader.read(), 60)).partition(b"\r\n\r\n")
    writer.close()
    lines = head.decode().split("\r\n")
    assert f"Content-Length: {len(body)}" in lines
    assert "Content-Type: text/plain; version=0.0.4; charset=utf-8" in lines
    return lines[0], body.decode()


async def test_a_get_on_the_socket_is_answered(tmp_path):
    path = tmp_path / "metrics.sock"
    async with metrics.serving(path, lambda: metrics.text(agent())):
        assert stat.S_ISSOCK(path.stat().st_mode)
        assert stat.S_IMODE(path.stat().st_mode) == 0o666, "the folder decides who may ask"
        said, body = await asked(path, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert said == "HTTP/1.1 200 OK"
        assert parsed(body)
        said, _ = await asked(path, b"POST /metrics HTTP/1.1\r\n\r\n")
        assert said == "HTTP/1.1 405 Method Not Allowed"
    assert not path.exists()


async def test_who_asks_nonsense_or_nothing_holds_nobody_up(tmp_path):
    path = tmp_path / "metrics.sock"
    async with metrics.serving(path, lambda: metrics.text(agent())):
        _, silent = await asyncio.open_unix_connection(path)
        _, rude = await asyncio.open_unix_connection(path)
        rude.write(b"x" * 200_000)
        said, _ = await asked(path, b"GET / HTTP/1.0\r\n\r\n")
        assert said == "HTTP/1.1 200 OK"
        silent.close()
        rude.close()
        await asyncio.sleep(0)


async def test_a_socket_left_by_a_killed_agent_is_taken_over_and_a_file_is_not(tmp_path):
    path = tmp_path / "metrics.sock"
    left = metrics.socket.socket(metrics.socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    async with metrics.serving(path, lambda: "x 1\n"):
        assert (await asked(path, b"GET / HTTP/1.0\r\n\r\n"))[1] == "x 1\n"
    path.write_text("mine\n")
    with pytest.raises(OSError, match="in use"):
        async with metrics.serving(path, lambda: "x 1\n"):
            pass
    assert path.read_text() == "mine\n"
