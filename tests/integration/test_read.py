"""`edge-agent read` on real pseudo terminals: what an installer sees, above all when it fails."""

import json
import os
import pty
import sys
import tty
from collections.abc import Callable
from pathlib import Path

import pytest
from pyModbusTCP.server import DataBank, ModbusServer

from edge_agent import __main__ as program
from edge_agent.field import diagnosis, ports
from edge_agent.line import LinkLost
from simulators.serial_bus import Wire
from tests.integration.meters_on_site import Load, configuration, line, line_a, model
from tests.integration.servers import free_port
from tests.integration.test_modbus_line import Line, framed

Read = Callable[..., tuple[int, str, str]]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Read:
    """Exit code, output and errors of reading a meter of a configuration."""

    def type_(config: Path, meter: str, *words: object) -> tuple[int, str, str]:
        typed = ["edge-agent", "read", meter, "--config", str(config), *map(str, words)]
        monkeypatch.setattr(sys, "argv", typed)
        code = program.main()
        said = capsys.readouterr()
        return code, said.out, said.err

    return type_


def test_a_meter_is_shown_with_its_values_and_how_they_go_together(
    read: Read, tmp_path: Path
) -> None:
    config = configuration(tmp_path, line_a(tmp_path / "line"), press=(2, "eastron_sdm630"))
    with line(tmp_path / "line", {2: "eastron_sdm630"}):
        code, out, said = read(config, "press", "--all")
    lines = [" ".join(one.split()) for one in out.splitlines()]
    assert (code, said) == (0, "")
    assert lines[:2] == ["press: Eastron SDM630-Modbus, unit_id 2", "serial 4711"]
    assert "voltage_l1 0 4366 3333 230.2 V ok" in lines
    assert "ok: the phases add up to the total: 3280.2 of 3280.4 W" in lines
    assert "ok: L1: 1093.4 W agrees with U·I·cosφ, 1093.45 W" in lines
    assert "ok: the phase voltages are alike: 230.2 to 230.2 V" in lines


def test_power_beyond_the_rating_is_told(read: Read, tmp_path: Path) -> None:
    config = configuration(tmp_path, line_a(tmp_path / "line"), press=(2, "eastron_sdm630"))
    meters = {2: model("eastron_sdm630", load=Load(other={"active_power": "40000"}))}
    with line(tmp_path / "line", meters):
        _, out, _ = read(config, "press")
    assert "40000 W      above rated_power_w (400 %): its rating, or ct and pt?" in out


def test_the_ratio_set_in_the_meter_is_shown_beside_the_sites(read: Read, tmp_path: Path) -> None:
    bank, port = DataBank(), free_port()
    server = ModbusServer(host="127.0.0.1", port=port, no_block=True, data_bank=bank)
    server.start()
    bank.set_holding_registers(141, [1, 60])  # PT and CT: Acrel ADL400
    bus = f'[buses.line-a]\ndriver = "modbus"\ntransport = "tcp"\nhost = "127.0.0.1"\nport = {port}'
    meter = 'unit_id = 1\nprofile = "acrel_adl400"\nct = "40"\nrated_power_w = 100000'
    _, out, _ = read(configuration(tmp_path, bus, lathe=meter), "lathe")
    server.stop()
    assert "look: the meter is set to ct 60, the configuration says 40\n" in out
    assert "ok: the meter and the configuration say pt 1\n" in out


def test_rounds_are_repeated_and_a_counter_tells_its_rise(read: Read, tmp_path: Path) -> None:
    config = configuration(tmp_path, line_a(tmp_path / "line"), press=(2, "eastron_sdm630"))
    with line(tmp_path / "line", {2: "eastron_sdm630"}):
        code, out, _ = read(config, "press", "--every", "100ms", "--count", 3)
    assert code == 0
    assert out.count("active_energy_import") == 3
    assert out.count("kWh  ok, +0\n") == 2
    assert out.splitlines()[-1].startswith("4 of 4 requests answered, the median in ")


def test_json_is_one_object_a_round(read: Read, tmp_path: Path) -> None:
    config = configuration(tmp_path, line_a(tmp_path / "line"), press=(2, "eastron_sdm630"))
    with line(tmp_path / "line", {2: "eastron_sdm630"}):
        code, out, _ = read(config, "press", "--every", "50ms", "--count", 2, "--json")
    rounds = [json.loads(one) for one in out.splitlines()]
    assert (code, len(rounds)) == (0, 2)
    assert rounds[0]["identity"] == {"serial": "4711"}
    values = {one["quantity"]: one for one in rounds[0]["values"]}
    energy = values["active_energy_import"]
    assert (energy["value"], energy["unit"], energy["ok"]) == ("12345.6", "kWh", True)
    assert energy["raw"] == "4640 e666"
    assert rounds[1]["t_ms"] > rounds[0]["t_ms"]


# --- nobody answers ------------------------------------------------------------------------------


def test_a_silent_meter_on_a_line_that_is_alive(read: Read, tmp_path: Path) -> None:
    config = configuration(
        tmp_path,
        line_a(tmp_path / "line"),
        press=(3, "eastron_sdm630"),
        saw=(5, "eastron_sdm630"),
        lathe=(4, "eastron_sdm630"),
    )
    with line(tmp_path / "line", {4: "eastron_sdm630"}):
        code, out, said = read(config, "press")
    assert (code, out) == (1, "")
    assert said == (
        "edge-agent: press: no answer from unit_id 3 at 19200 8N1; the line itself is alive: lathe"
        " (unit_id 4) answers; is this one powered, and is unit_id 3 right?\n"
    )


def test_a_silent_line_is_told_with_the_factory_setting(read: Read, tmp_path: Path) -> None:
    config = configuration(
        tmp_path,
        line_a(tmp_path / "line"),
        press=(3, "eastron_sdm120"),
        saw=(5, "eastron_sdm120"),
    )
    with line(tmp_path / "line", {3: "eastron_sdm120", 5: "eastron_sdm120"}, Wire(2400)):
        _, _, said = read(config, "press")
    assert said.endswith(
        "; the other meter on line-a does not answer either: power, wires, speed and"
        " parity? line-a is set to 19200 8N1, the profile's factory setting is 2400 8N1\n"
    )


def test_the_only_meter_of_a_line(read: Read, tmp_path: Path) -> None:
    config = configuration(tmp_path, line_a(tmp_path / "line", 9600), press=(3, "eastron_sdm630"))
    with line(tmp_path / "line", {}, Wire(9600)):
        _, _, said = read(config, "press")
    assert said.endswith(
        "; it is the only meter of line-a: power, wires, speed and parity, its address? line-a is"
        " set to 9600 8N1, as the model leaves its factory\n"
    )


def test_bytes_that_are_no_frame(read: Read, tmp_path: Path) -> None:
    with Line(lambda _, there: there.say(b"\xfe\x83\x11\x00")) as noisy:
        config = configuration(tmp_path, line_a(Path(noisy.path)), press=(3, "eastron_sdm120"))
        _, _, said = read(config, "press")
    assert "only fe 83 11 00" in said
    assert said.endswith(
        "bytes came but no valid frame: speed or parity? line-a is set to 19200 8N1, the profile's"
        " factory setting is 2400 8N1\n"
    )


def test_two_meters_with_one_address(read: Read, tmp_path: Path) -> None:
    """Both answer at once, as they left their factory; a neighbour is understood."""

    def both(request: bytes, there: Line) -> None:
        answers = [framed(request, word, 0) for word in (0x4366, 0x42C8)]
        clash = bytes(a & b for a, b in zip(*answers, strict=True))
        there.say(clash if request[0] == 1 else answers[0])

    with Line(both) as shared:
        config = configuration(
            tmp_path,
            line_a(Path(shared.path)),
            press=(1, "eastron_sdm630"),
            lathe=(2, "eastron_sdm630"),
        )
        _, _, said = read(config, "press")
    assert said.endswith(
        "; bytes came but no valid frame, and lathe (unit_id 2) answers on the same line: are there"
        " two meters with unit_id 1?\n"
    )


def test_an_adapter_that_echoes(read: Read, tmp_path: Path) -> None:
    with Line(lambda request, there: there.say(request)) as echoing:
        config = configuration(tmp_path, line_a(Path(echoing.path)), press=(3, "eastron_sdm630"))
        _, _, said = read(config, "press")
    assert said.startswith(
        "edge-agent: press: no answer from unit_id 3 at 19200 8N1 (the adapter echoes what it sends,"
        " which does no harm); it is the only meter of line-a"
    )
    assert "speed or parity?" not in said


# --- somebody else answers -------------------------------------------------------------------------


def test_a_meter_of_another_model_is_named(read: Read, tmp_path: Path) -> None:
    config = configuration(tmp_path, line_a(tmp_path / "line"), press=(3, "eastron_sdm630"))
    with line(tmp_path / "line", {3: "carlo_gavazzi_em24_din"}):
        code, _, said = read(config, "press")
    assert code == 1
    assert said.count("\n") == 1
    assert said.startswith("edge-agent: press: unit 3 at ")
    assert "answered exception 3 (illegal data value)" in said
    assert (
        "; it answers, but not as Eastron SDM630-Modbus: it looks like carlo_gavazzi_em24_din"
        " (likely: 230.2 V and 50 Hz where it has them"
    ) in said


def test_a_meter_that_says_it_is_another_model_is_named(read: Read, tmp_path: Path) -> None:
    config = configuration(tmp_path, line_a(tmp_path / "line"), press=(3, "carlo_gavazzi_em24_e1"))
    with line(tmp_path / "line", {3: "carlo_gavazzi_em340"}):
        _, _, said = read(config, "press")
    assert "says 1648 or 1649" in said
    assert "; it answers, but not as Carlo Gavazzi EM24-DIN E1 (Ethernet)" in said
    assert ": it looks like carlo_gavazzi_em340 (" in said


# --- the port -----------------------------------------------------------------------------------


def test_a_port_that_is_gone_is_told_with_those_that_are_there(tmp_path: Path) -> None:
    by_id = tmp_path / "by-id"
    by_id.mkdir()
    (by_id / "usb-FTDI_A").symlink_to("/dev/null")
    lost = LinkLost("/dev/ttyUSB0 cannot be opened")
    lost.__cause__ = FileNotFoundError(2, "No such file")
    assert diagnosis.missing_port(lost, by_id) == f"; plugged in: {by_id}/usb-FTDI_A"
    assert diagnosis.missing_port(lost, tmp_path / "none") == "; no serial adapter is plugged in"
    lost.__cause__ = PermissionError(13, "no")
    assert diagnosis.missing_port(lost, by_id) == ""


def test_a_port_is_known_by_the_name_that_stays_the_same(tmp_path: Path) -> None:
    by_id = tmp_path / "by-id"
    by_id.mkdir()
    master, slave = pty.openpty()
    tty.setraw(slave)
    (by_id / "usb-FTDI_A").symlink_to(os.ttyname(slave))
    assert ports.lasting(os.ttyname(slave), by_id) == str(by_id / "usb-FTDI_A")
    assert ports.lasting("/dev/null", by_id) == "/dev/null"
    os.close(master)
    os.close(slave)
