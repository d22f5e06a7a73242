"""`edge-agent report` on real lines and sockets: what is handed over and signed."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyModbusTCP.server import DataBank, ModbusServer

from edge_agent import __main__ as program
from simulators.faults import Fault, Faults
from tests.integration.meters_on_site import Load, configuration, line, line_a, model
from tests.integration.servers import free_port
from wire.signing import SigningKey

Report = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture
def report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Report:
    """Exit code, JSON and page of a report."""

    def type_(config: Path, *words: object) -> tuple[int, dict[str, Any], str]:
        out = tmp_path / "report"
        typed = ["edge-agent", "report", "--config", config, "--out", out, *words]
        monkeypatch.setattr(sys, "argv", [str(word) for word in typed])
        code = program.main()
        assert capsys.readouterr().out.split() == [f"{out}.json", f"{out}.html"]
        told = json.loads(out.with_suffix(".json").read_text())
        return code, told, out.with_suffix(".html").read_text()

    return type_


def of(told: dict[str, Any], name: str) -> dict[str, Any]:
    """What is said of one meter."""
    found: dict[str, Any] = {meter["meter"]: meter for meter in told["meters"]}[name]
    return found


def test_a_good_meter_is_told_with_everything_that_was_found(
    report: Report, tmp_path: Path
) -> None:
    config = configuration(tmp_path, line_a(tmp_path / "line"), press=(2, "eastron_sdm630"))
    key = SigningKey.load_or_create(tmp_path / "state" / "gateway.key")
    with line(tmp_path / "line", {2: "eastron_sdm630"}):
        code, told, _ = report(config, "--rounds", 4)
    press = of(told, "press")
    assert (code, told["good"]) == (0, True)
    assert (told["site"], told["gateway"], told["key_id"]) == ("cq", "gw-1", key.public.id)
    assert told["rounds"] == press["rounds"] == 4
    assert told["clock"] in ("synchronized", "assumed")
    assert press["outcome"] == "good"
    assert press["says"] == ["it answers as its profile says, and what it says is plausible"]
    assert press["identity"] == {"serial": "4711"}
    assert (press["profile"], press["grade"]) == ("eastron_sdm630", "A-")
    assert press["source"].startswith("volkszaehler/mbmd")
    assert {check["check"]: check["ok"] for check in press["checks"]} == {
        "sum": True,
        "product_l1": True,
        "product_l2": True,
        "product_l3": True,
        "sign": True,
        "balance": True,
    }
    voltage = press["values"][0]
    assert (voltage["quantity"], voltage["value"], voltage["unit"]) == ("voltage_l1", "230.2", "V")
    assert (press["line"]["asked"], press["line"]["answered"]) == (4, 4)
    assert press["line"]["median_ms"] > 20  # the wire alone takes longer
    (bus,) = told["buses"]
    assert (bus["bus"], bus["holds"]) == ("line-a", True)


def test_what_is_wrong_is_said_meter_by_meter(report: Report, tmp_path: Path) -> None:
    config = configuration(
        tmp_path,
        line_a(tmp_path / "line"),
        saw=(3, "carlo_gavazzi_em24_din"),
        grinder=(7, "eastron_sdm630"),
        light=(8, "eastron_sdm120"),
        mixer=(9, "eastron_sdm630"),
        air='unit_id = 5\nprofile = "suto_s401"\nrated_flow_per_h = "500"\nallow_unverified = true',
    )
    meters = {
        3: model("carlo_gavazzi_em24_din", load=Load(other={"active_power_l2": "-1093.4"})),
        5: "suto_s401",
        7: "carlo_gavazzi_em340",
        8: model("eastron_sdm120", "light", Load(phases=1)),
    }
    lossy = Faults([Fault("light", "silent", every=4)])
    with line(tmp_path / "line", meters, faults=lossy):
        code, told, _ = report(config, "--rounds", 3)
    assert (code, told["good"]) == (1, False)
    outcomes = {meter["meter"]: meter["outcome"] for meter in told["meters"]}
    assert outcomes == {
        "saw": "look",
        "grinder": "bad",
        "light": "look",
        "mixer": "bad",
        "air": "look",
    }
    assert [text.partition(":")[0] for text in of(told, "saw")["says"]] == [
        "the phases add up to 1093.4 W, the total says 3280.3 W",
        "L2 negative while others are positive",
    ]
    assert "it looks like carlo_gavazzi_em340" in of(told, "grinder")["says"][0]
    assert "the line itself is alive" in of(told, "mixer")["says"][0]
    assert re.search(r"\d of \d requests \(\d+ %\) had no valid", of(told, "light")["says"][-1])
    assert "single source: compare these values" in of(told, "air")["says"][0]
    assert of(told, "mixer")["line"]["silent"] == of(told, "mixer")["line"]["asked"] > 0


def test_the_ratio_set_in_the_meter_is_compared_with_the_sites(
    report: Report, tmp_path: Path
) -> None:
    bank, port = DataBank(), free_port()
    server = ModbusServer(host="127.0.0.1", port=port, no_block=True, data_bank=bank)
    server.start()
    bank.set_holding_registers(97, [2302, 2302, 2302, 500, 500, 500])
    bank.set_holding_registers(119, [5001])
    bank.set_holding_registers(141, [1, 60])  # PT and CT: Acrel ADL400
    bus = f'[buses.line-a]\ndriver = "modbus"\ntransport = "tcp"\nhost = "127.0.0.1"\nport = {port}'
    meter = 'unit_id = 1\nprofile = "acrel_adl400"\nct = "40"\nrated_power_w = 100000'
    _, told, _ = report(configuration(tmp_path, bus, lathe=meter), "--rounds", 1)
    server.stop()
    lathe = of(told, "lathe")
    assert (lathe["ct"], lathe["own_ratios"]) == ("40", {"ct": "60", "pt": "1"})
    assert "the meter is set to ct 60, the configuration says 40" in lathe["says"]
    assert lathe["outcome"] == "look"


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", ["Commissioning report", "to look at", "Voltage L1", "Installed by", "grade A-"]),
        ("zh", ["调试报告", "需检查", "电压 L1", "安装", "等级 A-", "互感器"]),
    ],
)
def test_the_page_needs_nothing_else_and_says_it_in_its_language(
    report: Report, tmp_path: Path, language: str, said: list[str]
) -> None:
    config = configuration(
        tmp_path,
        line_a(tmp_path / "line"),
        press=(2, "eastron_sdm630"),
        mixer=(9, "eastron_sdm630"),
    )
    meters = {2: model("eastron_sdm630", load=Load(other={"active_power": "20000"}))}
    with line(tmp_path / "line", meters):
        _, told, page = report(config, "--rounds", 1, "--language", language)
    assert page.startswith("<!doctype html>")
    assert all(text in page for text in said)
    assert told["meters"][0]["says"][0] in page
    assert not re.search(r"<script|<link|<img|@import|url\(|https?:", page)
    assert page.count("<section class=meter>") == 2


def test_no_key_is_made_for_a_report(report: Report, tmp_path: Path) -> None:
    config = configuration(tmp_path, line_a(tmp_path / "line"), press=(2, "eastron_sdm630"))
    with line(tmp_path / "line", {2: "eastron_sdm630"}):
        _, told, page = report(config, "--rounds", 1)
    assert told["key_id"] is None
    assert "none yet; edge-agent key makes one" in page
    assert not (tmp_path / "state").exists()


def test_what_a_meter_says_of_itself_cannot_write_into_the_page(
    report: Report, tmp_path: Path
) -> None:
    bank, port = DataBank(), free_port()
    server = ModbusServer(host="127.0.0.1", port=port, no_block=True, data_bank=bank)
    server.start()
    name = b"<b>&\"'x</b>".ljust(40, b"\0")
    bank.set_holding_registers(
        49, [int.from_bytes(name[n : n + 2], "big") for n in range(0, 40, 2)]
    )
    bus = f'[buses.line-a]\ndriver = "modbus"\ntransport = "tcp"\nhost = "127.0.0.1"\nport = {port}'
    config = configuration(tmp_path, bus, pm=(1, "schneider_pm5110"))
    _, told, page = report(config, "--rounds", 1)
    server.stop()
    assert of(told, "pm")["identity"]["model"] == "<b>&\"'x</b>"
    assert "<b>&" not in page
    assert "&lt;b&gt;&amp;" in page
