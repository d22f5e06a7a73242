"""What an agent says of itself, and what a person makes of it."""

import stat

import msgspec
import pytest

from edge_agent import status
from edge_agent.clock import Instant
from edge_agent.field import status as command
from edge_agent.status import LinkStatus, StoreStatus
from tests.unit.edge_agent.agent_status import QUARTER_MS, T, agent, meter
from wire.errors import ConfigError


def test_an_agent_at_work_has_no_problems():
    assert list(status.problems(agent())) == []
    assert list(status.problems(agent({"m": meter(health="starting")}))) == []


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (agent({"m-1": meter(health="no answer in 500 ms")}), "m-1: no answer in 500 ms"),
        (agent(link=LinkStatus("b:1", False, T)), "no connection to the broker at b:1"),
        (agent(clock="unset"), "the clock is not set: nothing leaves the gateway before it is"),
        (agent(stuck=["bus line-a"]), "bus line-a hangs"),
        (
            agent(refused=["agent.toml: site: needs a restart"]),
            "the configuration was not read again: agent.toml: site: needs a restart",
        ),
        (
            agent(store=StoreStatus(900, T - 1_800_000)),
            "the oldest segment has waited 30 min for a receipt",
        ),
        (
            agent({"m-1": meter(quarters=[(0, 0, 900, 854), (QUARTER_MS, QUARTER_MS, 1, 1)])}),
            "m-1: of the last quarter of an hour 854 of 900 slots were read",
        ),
    ],
)
def test_each_problem_is_told_in_words(found, says):
    assert list(status.problems(found)) == [says]


def test_a_quarter_not_counted_from_its_beginning_accuses_nobody():
    part = meter(quarters=[(0, 600_000, 300, 10), (QUARTER_MS, QUARTER_MS, 100, 100)])
    assert list(status.problems(agent({"m": part}))) == []


def test_the_age_within_one_boot_does_not_depend_on_the_clock_being_set():
    found = agent(mono_ms=5_000_000)
    assert status.age_ms(found, Instant(T - 86_400_000, 5_004_000, "b1")) == 4_000
    assert status.age_ms(found, Instant(T + 60_000, 1_000, "b2")) == 60_000


def test_the_file_is_replaced_as_a_whole_and_read_back(tmp_path):
    path = tmp_path / status.FILE
    for found in (agent(), agent(pid=1)):
        status.replace(path, msgspec.json.encode(found), 0o600)
    assert status.load(tmp_path) == agent(pid=1)
    assert [file.name for file in tmp_path.iterdir()] == [status.FILE]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("text", "says"), [(None, "no agent has run with this state"), (b"{}", "is not a status this")]
)
def test_no_such_state_is_one_line(tmp_path, text, says):
    if text is not None:
        (tmp_path / status.FILE).write_bytes(text)
    with pytest.raises(ConfigError, match=says):
        status.load(tmp_path)


def test_the_headline_is_one_line_in_plain_words():
    found = agent({"a": meter(), "b": meter(health="no answer")}, stuck=["the store"])
    assert status.headline(found) == (
        "1 of 2 meters answer; connected to the broker at broker.example:8883;"
        " 3 segments wait for a receipt; the store hangs"
    )


@pytest.fixture
def typed(tmp_path, capsys):
    """Exit code, output and errors of the command, for a state with this status in it."""

    def type_(found, *words):
        (tmp_path / "agent.toml").write_text(
            f'site = "cq"\ngateway = "gw-1"\nstate = "{tmp_path}/state"\n'
            'receipt_key_file = "nowhere"\nbuses = {}\nmeters = {}\n'
        )
        (tmp_path / "state").mkdir()
        status.replace(tmp_path / "state" / status.FILE, msgspec.json.encode(found), 0o600)
        parser = command.argparse.ArgumentParser()
        command.add_arguments(parser)
        code = command.run(parser.parse_args(["--config", str(tmp_path / "agent.toml"), *words]))
        said = capsys.readouterr()
        return code, said.out, said.err

    return type_


def fresh(**said):
    """A status written just now, on this machine."""
    now = command.system_clock().now()
    said = {"t_ms": now.wall_ms, "mono_ms": now.mono_ms, "boot": now.boot, **said}
    store = said.pop("store", StoreStatus(3, now.wall_ms - 4000, 4_096_000, 12_000_000_000))
    return agent(store=store, **said)


def test_a_well_agent_is_shown_meter_by_meter(typed):
    code, out, err = typed(fresh())
    assert (code, err) == (0, "")
    (row,) = [line.split("  ") for line in out.splitlines() if line.startswith("m-1")]
    cells = [cell.strip() for cell in row if cell.strip()]
    assert cells == [
        *("m-1", "line-a", "ok", "7185 of 7200", "9", "4", "2", "41 ms", "55 ms"),
        *("99.8 %", "100.0 %"),
    ]
    assert "3 segments wait for a receipt" in out
    assert "4.1 MB, 12.0 GB free" in out


def test_a_dead_meter_is_shown_with_its_next_probe_and_why(typed):
    now_ms = command.system_clock().now().wall_ms
    dead = meter(
        health="no answer in 500 ms",
        probe_ms=now_ms + 90_500,
        error="no answer in 500 ms",
        error_ms=now_ms,
    )
    code, out, err = typed(fresh(meters={"m-1": meter(), "m-2": dead}))
    assert code == 1
    assert err == "edge-agent: m-2: no answer in 500 ms\n"
    (row,) = [line for line in out.splitlines() if line.startswith("m-2")]
    assert " silent " in row
    assert " in 90 s " in row
    assert row.endswith("no answer in 500 ms")


def test_a_stale_file_says_since_when(typed):
    now = command.system_clock().now()
    old = fresh(mono_ms=now.mono_ms - 31_000, t_ms=now.wall_ms - 31_000)
    code, _, err = typed(old)
    assert code == 1
    assert err.startswith("edge-agent: the agent is not running, or has hung, since 20")


def test_a_stopped_agent_is_said_to_be_stopped(typed):
    code, _, err = typed(fresh(running=False))
    assert code == 1
    assert err.startswith("edge-agent: the agent was stopped at 20")


def test_json_holds_everything_and_the_verdict(typed):
    code, out, err = typed(fresh(clock="unset"), "--json")
    assert (code, err) == (1, "")
    told = msgspec.json.decode(out)
    assert told["problems"] == ["the clock is not set: nothing leaves the gateway before it is"]
    assert told["status"]["meters"]["m-1"]["garbled"] == 4
    assert 0 <= told["age_ms"] < 10_000


def test_a_state_nobody_has_run_with_is_exit_code_2(tmp_path, monkeypatch, capsys):
    from edge_agent import __main__ as program

    (tmp_path / "agent.toml").write_text(
        f'site = "cq"\ngateway = "gw-1"\nstate = "{tmp_path}/state"\n'
        'receipt_key_file = "nowhere"\nbuses = {}\nmeters = {}\n'
    )
    argv = ["edge-agent", "status", "--config", str(tmp_path / "agent.toml")]
    monkeypatch.setattr("sys.argv", argv)
    assert program.main() == 2
    assert "no agent has run with this state" in capsys.readouterr().err
