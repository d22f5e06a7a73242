"""`edge-agent scan` on real pseudo terminals and sockets."""

import json
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pyModbusTCP.server import DataBank, ModbusServer

from edge_agent import __main__ as program
from edge_agent.protocols.modbus import crc16, find_request
from simulators.serial_bus import Wire
from tests.integration.meters_on_site import configuration, line, line_a
from tests.integration.servers import free_port
from tests.integration.test_modbus_line import Line

Scan = Callable[..., tuple[int, str, str]]
QUICK = ("--timeout-ms", "150")


@pytest.fixture
def scan(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Scan:
    """Exit code, output and errors of a scan."""

    def type_(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["edge-agent", "scan", *map(str, words)])
        code = program.main()
        said = capsys.readouterr()
        return code, said.out, said.err

    return type_


def test_meters_of_several_models_are_named_as_they_come(scan: Scan, tmp_path: Path) -> None:
    meters = {2: "eastron_sdm630", 3: "carlo_gavazzi_em24_din", 6: "abb_b23"}
    with line(tmp_path / "line", meters) as passed:
        code, out, _ = scan(
            "--device", tmp_path / "line", "--baud", 19200, "--units", "1-7", *QUICK
        )
    told = out.partition("\nFor the configuration:")[0].splitlines()
    assert code == 0
    assert [one.partition(" on ")[0] for one in told] == [
        f"unit_id {unit} at 19200 8N1" for unit in meters
    ]
    assert "likely Eastron SDM630-Modbus, profile eastron_sdm630, or " in told[0]
    assert "serial 4711 (230.2 V and 50.01 Hz where it has them, " in told[0]
    assert "likely Carlo Gavazzi EM24-DIN (RS485), profile carlo_gavazzi_em24_din, " in told[1]
    assert "certain ABB B23 / B24, profile abb_b23, " in told[2]
    assert "(it says it is model B23; " in told[2]
    # A scan reads and never writes: everything it put on the wire is a whole read request.
    asked = [one.data for one in passed if not one.is_answer]
    assert asked
    assert all(find_request(data, "rtu")[1] == len(data) == 8 for data in asked)


def test_the_tables_at_the_end_are_a_configuration_once_the_site_has_its_say(
    scan: Scan, tmp_path: Path
) -> None:
    with line(tmp_path / "line", {2: "acrel_adl400", 5: "suto_s401"}):
        _, out, _ = scan("--device", tmp_path / "line", "--baud", 19200, "--units", "1-5", *QUICK)
    text = out.partition("For the configuration:\n\n")[2]
    found = tomllib.loads(text)
    assert found["buses"]["line-1"] == {
        "driver": "modbus",
        "transport": "rtu",
        "device": str(tmp_path / "line"),
        "baud": 19200,
        "parity": "N",
    }
    assert found["meters"]["m-line-1-2"]["ct"] == "1"
    assert found["meters"]["m-line-1-5"]["allow_unverified"] is True
    config = configuration(tmp_path, text)
    filled = text.replace("rated_power_w = 0", "rated_power_w = 5000").replace('= "0"', '= "160"')
    assert [program.config.problems(config)[n].args[0].split(": ")[1] for n in (0, 1)] == [
        "meters.m-line-1-2.rated_power_w",
        "meters.m-line-1-5.rated_flow_per_h",
    ]
    assert program.config.problems(configuration(tmp_path, filled)) == []


def test_the_first_setting_at_which_somebody_answers_is_the_last(
    scan: Scan, tmp_path: Path
) -> None:
    with line(tmp_path / "line", {1: "eastron_sdm120"}, Wire(2400, turn_ms=10)):
        code, out, _ = scan(
            *("--device", tmp_path / "line", "--baud", "9600,2400,1200", "--units", "1-2"),
            *("--json", *QUICK),
        )
    told = json.loads(out)
    assert (code, told["looked"]) == (0, 4)  # two units at 9600, two at 2400
    assert told["found"][0]["table"]["baud"] == 2400
    assert told["found"][0]["address"] == {"unit_id": 1}
    assert tomllib.loads(told["toml"])["meters"]["m-line-1-1"]["profile"] == "eastron_sdm120"


def test_without_a_speed_the_factory_settings_are_tried(scan: Scan, tmp_path: Path) -> None:
    with line(tmp_path / "line", {}):
        code, _, said = scan("--device", tmp_path / "line", "--units", "1", *QUICK)
    assert code == 1
    assert said.startswith("edge-agent: no meter found at 9600 8N1 on ")
    for setting in ("19200 8N1", "2400 8N1"):
        assert f"; {setting} on" in said
    assert "9600 8E1 on" in said  # a pseudo terminal has no parity, and may refuse to set it
    assert "are A and B the right way round" in said


def test_bytes_that_are_no_frame_are_told_with_speed_and_parity(scan: Scan) -> None:
    with Line(lambda _, there: there.say(b"\xfe\x83\x11\x00")) as noisy:
        code, _, said = scan("--device", noisy.path, "--baud", 9600, "--units", "1-2", *QUICK)
    assert code == 1
    assert f"bytes came but no valid frame at 9600 8N1 on {noisy.path}: speed or parity?" in said


def test_an_adapter_that_echoes_is_told_to_work(scan: Scan) -> None:
    with Line(lambda request, there: there.say(request)) as echoing:
        code, _, said = scan("--device", echoing.path, "--baud", 9600, "--units", "1-2", *QUICK)
    assert code == 1
    assert "the adapter echoes what it sends, so it works" in said


def test_a_meter_nobody_knows_is_told_to_be_there(scan: Scan) -> None:
    def refuses(request: bytes, there: Line) -> None:
        if request[0] == 2:
            refusal = bytes((2, request[1] | 0x80, 2))
            there.say(refusal + crc16(refusal))

    with Line(refuses) as strange:
        code, out, _ = scan("--device", strange.path, "--baud", 9600, "--units", "1-3", *QUICK)
    assert code == 0
    assert (
        f"unit_id 2 at 9600 8N1 on {strange.path}: answers, but no known model looks like it" in out
    )
    assert 'profile = ""                   # no known model looks like it' in out


# --- in a network ------------------------------------------------------------------------------


@pytest.fixture
def sdm120() -> Iterator[int]:
    """The port of a meter that minds no unit number, by a server none of us wrote."""
    bank, port = DataBank(), free_port()
    server = ModbusServer(host="127.0.0.1", port=port, no_block=True, data_bank=bank)
    server.start()
    bank.set_input_registers(0, [0x4366, 0x3334])  # 230.2 V: Eastron's protocol document
    bank.set_input_registers(70, [0x4248, 0x0000])  # 50 Hz
    bank.set_holding_registers(64512, [0, 4711, 0x0020])  # serial, and the SDM120's model code
    yield port
    server.stop()


def test_of_a_network_the_hosts_that_answer_are_named(scan: Scan, sdm120: int) -> None:
    code, out, said = scan("--network", "127.0.0.0/29", "--port", sdm120)
    assert (code, said) == (0, "")
    assert out.startswith(
        f"unit_id 1 at 127.0.0.1:{sdm120}: certain Eastron SDM120-Modbus, profile eastron_sdm120,"
        " serial 4711, model 32 (it says it is model 32; 230.2 V and 50 Hz where it has them"
    )
    assert out.count("unit_id 1 at") == 1
    assert tomllib.loads(out.partition("configuration:\n\n")[2])["buses"]["127-0-0-1"] == {
        "driver": "modbus",
        "transport": "tcp",
        "host": "127.0.0.1",
        "port": sdm120,
    }


def test_a_meter_that_minds_no_unit_number_is_one_meter(scan: Scan, sdm120: int) -> None:
    code, out, _ = scan("--network", "127.0.0.1", "--port", sdm120, "--units", "1-20", "--json")
    told = json.loads(out)
    assert code == 0
    assert [one["address"] for one in told["found"]] == [{"unit_id": 1}]


def test_hosts_that_refuse_are_counted(scan: Scan) -> None:
    code, out, said = scan("--network", "127.0.0.1,127.0.0.2", "--port", free_port())
    assert (code, out) == (1, "")
    assert said == (
        "edge-agent: no meter found: of 2 hosts 0 took the connection, 2 refused it, 0 did not"
        " answer\n"
    )


def test_many_hosts_are_asked_for_once_more(scan: Scan) -> None:
    _, _, said = scan("--network", "127.0.0.0/21", "--port", free_port())
    assert said.startswith("edge-agent: 2046 hosts will be asked; is all of 127.0.0.0/21 yours?\n")


# --- on a bus of the configuration, and wrong words ----------------------------------------------


def test_on_a_configured_bus_only_strangers_are_pasted(scan: Scan, tmp_path: Path) -> None:
    config = configuration(tmp_path, line_a(tmp_path / "line"), m_press_1=(2, "eastron_sdm630"))
    with line(tmp_path / "line", {2: "eastron_sdm630", 4: "abb_b23"}):
        code, out, _ = scan("--bus", "line-a", "--config", config, "--units", "1-5")
    assert code == 0
    assert "unit_id 2 at 19200 8N1 on line-a (m-press-1): likely Eastron SDM630-Modbus" in out
    assert tomllib.loads(out.partition("configuration:\n\n")[2]) == {
        "meters": {
            "m-line-a-4": {
                "bus": "line-a",
                "unit_id": 4,
                "profile": "abb_b23",
                "rated_power_w": 0,
            }
        }
    }


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "scan: say --device, --network or --bus; "),
        (("--network", "10.0.0.0/33"), "scan: --network: 10.0.0.0/33 is no network, as "),
        (("--network", "10.0.0.0/8"), "scan: --network: 10.0.0.0/8 has more than 65536 addresses"),
        (("--network", "h", "--baud", "9600"), "scan: --baud: means nothing with --network"),
        (("--device", "x", "--port", "502"), "scan: --port: means nothing with --device"),
        (("--device", "x", "--driver", "nothing"), "there is no driver 'nothing'; known: "),
        (("--device", "x", "--driver", "http_json"), "scan: --driver: http_json has no line; "),
        (("--network", "h", "--driver", "dlt645"), "scan: bus: port must be 1 to 65535"),
    ],
)
def test_wrong_words_are_one_line(scan: Scan, words: tuple[str, ...], says: str) -> None:
    code, out, said = scan(*words)
    assert (code, out, said.count("\n")) == (2, "", 1)
    assert said.startswith(f"edge-agent: {says}")


def test_a_port_that_is_not_there_is_told_with_those_that_are(scan: Scan, tmp_path: Path) -> None:
    code, _, said = scan("--device", tmp_path / "none")
    assert code == 1
    assert "there is no such line; is the adapter plugged in?" in said
    assert said.rstrip().endswith("plugged in") or "plugged in: /dev/serial/by-id/" in said
