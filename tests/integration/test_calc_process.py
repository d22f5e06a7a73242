"""The calculator as a process: what stops it, and what it leaves."""

import os
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from calc_stream.__main__ import main
from calc_stream.ledger.store import open_store
from tests import plain_http
from tests.integration.calculator_process import Calculator, Follower
from tests.integration.servers import PATIENCE_S
from tests.unit.calc_stream_live.plant import SITE, Plant

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    plant = Plant(tmp_path)
    yield plant
    plant.writer.close()


def test_what_a_person_must_change_is_one_line_and_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def typed(*words: str) -> tuple[int, str]:
        """Exit code and errors, without a process of its own each time."""
        return main(list(words)), capsys.readouterr().err

    calculator = Calculator(tmp_path)
    good = calculator.config.read_text()
    checked = calculator.command("check", "--config", str(calculator.config))
    assert checked.returncode == 0
    assert checked.stdout.startswith(f"{calculator.config}: good: ")
    for old, new, key in (
        ("lateness_s = 0", 'lateness_s = "x"', "lateness_s"),
        ("lateness_s = 0", 'method = "alchemy"', "alchemy"),
        ("lateness_s = 0", "tempo = 1", "tempo"),
        ('site = "cq-test"', 'site = "other"', "site"),
        ("[web]", "[engine]\nkind = 'perpetual'\n[web]", "perpetual"),
        (f"port = {calculator.port}", "port = 0", "web.port"),
        (f"port = {calculator.port}", "port = 65536", "web.port"),
        ('/token"', '/nowhere"', "ingestor.token_file"),
        ("[web]", f'[web]\nkeys_file = "{tmp_path}/none"', "web.keys_file"),
        ("[web]", f'[web]\nkeys_file = "{tmp_path}/token"', "web.keys_file"),
        ("[web]", '[[webhooks]]\nurl = "ftp://x"\nsecret_file = "x"\n[web]', "webhooks[0].url"),
        ("[web]", '[[webhooks]]\nurl = "http://x"\nsecret_file = "x"\n[web]', "secret_file"),
    ):
        assert old in good
        calculator.config.write_text(good.replace(old, new))
        code, errors = typed("check", "--config", str(calculator.config))
        assert code == 2
        assert key in errors
        assert errors.startswith("calc-stream: ")
        assert errors.count("\n") == 1
    calculator.config.write_text(good.replace("[web]", '[web]\nhost = "0.0.0.0"'))
    code, errors = typed("check", "--config", str(calculator.config))
    assert code == 0
    assert "web.keys_file: is missing" in errors
    calculator.config.write_text(good)
    model = tmp_path / "model.toml"
    model.write_text(model.read_text().replace("cn-grid-footprint", "cn-gird-footprint"))
    refused = calculator.command("check", "--config", str(calculator.config))
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"calc-stream: {model}: sources.grid.factor: ")
    for words in (
        ("export", "--ledger", str(tmp_path / "no"), "--format", "csv"),
        ("factors", "show", "nothing"),
    ):
        code, errors = typed(*words)
        assert (code, errors.count("\n")) == (2, 1)


def test_a_taken_port_is_said_in_one_line(tmp_path: Path) -> None:
    calculator = Calculator(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", calculator.port))
        taken.listen()
        refused = calculator.command("run", "--config", str(calculator.config))
    assert refused.returncode == 2
    assert "web.port" in refused.stderr.splitlines()[-1]
    assert "Traceback" not in refused.stderr


def test_sigterm_ends_it_cleanly_while_somebody_looks(plant: Plant, tmp_path: Path) -> None:
    calculator = Calculator(tmp_path)
    plant.example_4()
    process = calculator.start()
    calculator.reach(10)
    with plain_http.stream("GET", f"{calculator.base}/v1/live") as stream:
        Follower(stream.iter_lines()).next()
        os.kill(process.pid, signal.SIGTERM)
        _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert b"Traceback" not in errors
    # The file alone, without a -wal beside it, holds everything.
    (tmp_path / "copied").mkdir()
    shutil.copy(tmp_path / "calc" / "ledger.db", tmp_path / "copied")
    copied = open_store(tmp_path / "copied")
    assert copied.state(SITE)[0] == 10
    assert [row.batch for row in copied.rows(SITE)] == ["P", "Q"]
    assert not (tmp_path / "calc" / "ledger.db-wal").exists()
