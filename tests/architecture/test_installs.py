"""One distribution, several installs: the gateway's is small and has nothing it does not need."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIMIT_MB = 25
NOT_ON_A_GATEWAY = ("numpy", "fastapi", "influxdb_client", "uvicorn", "pydantic", "amqtt", "orjson")


def run(*command: str | Path, **options: object) -> str:
    done = subprocess.run(
        [str(c) for c in command], capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # From a copy: building must not depend on anything that only lies about in a checkout.
    source = tmp_path_factory.mktemp("source") / "wattprint"
    listed = run("git", "ls-files", "-co", "--exclude-standard", cwd=ROOT).splitlines()
    for name in listed:
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, source)
    (found,) = out.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def gateway(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    venv = tmp_path_factory.mktemp("gateway") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", venv)
    pip = (sys.executable, "-m", "pip", "--python", venv / "bin/python", "install", "--quiet")
    run(*pip, "--require-hashes", "-r", ROOT / "locks/edge.txt")
    run(*pip, "--no-deps", wheel)
    return venv


def test_the_agent_runs_with_nothing_but_its_own_extra(gateway, tmp_path):
    for name in NOT_ON_A_GATEWAY:
        done = subprocess.run(
            [gateway / "bin/python", "-c", f"import {name}"], capture_output=True, check=False
        )
        assert done.returncode != 0, f"{name} is on the gateway"
    # Away from the checkout, so that only what is installed can be found.
    clean = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    assert "eastron_sdm630" in run(
        gateway / "bin/edge-agent", "profiles", "list", cwd=tmp_path, env=clean
    )
    config = tmp_path / "agent.toml"
    (tmp_path / "receipt.pub").write_text("ed25519:" + "A" * 43 + "=\n")
    config.write_text(
        f'site = "s"\ngateway = "g"\nstate = "{tmp_path}/state"\n'
        f'receipt_key_file = "{tmp_path}/receipt.pub"\n'
        '[broker]\nport = 1\n[buses.b]\ndriver = "modbus"\ntransport = "tcp"\nhost = "127.0.0.1"\n'
        'port = 1\n[meters.m]\nbus = "b"\nunit_id = 1\nprofile = "eastron_sdm630"\n'
        "rated_power_w = 1000\n"
    )
    assert "1 meter on 1 bus" in run(
        gateway / "bin/edge-agent", "check", "--config", config, cwd=tmp_path, env=clean
    )
    process = subprocess.Popen(
        [gateway / "bin/edge-agent", "run", "--config", config],
        cwd=tmp_path,
        env=clean,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        process.wait(timeout=4)
    except subprocess.TimeoutExpired:
        process.terminate()
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 0, errors
    assert (tmp_path / "state/store.db").exists()
    assert "Traceback" not in errors


def test_the_gateways_install_is_small(gateway):
    (site,) = gateway.glob("lib/python*/site-packages")
    # A file counts with the blocks it takes: that is what fills a gateway's flash.
    size = sum(f.stat().st_blocks * 512 for f in site.rglob("*") if f.is_file())
    assert size / 1e6 < LIMIT_MB


def test_the_wheel_ships_profiles_factors_and_the_page(wheel):
    import zipfile

    names = zipfile.ZipFile(wheel).namelist()
    for wanted in ("edge_agent/profiles/eastron_sdm630.toml", "calc_stream/web/static/index.html"):
        assert wanted in names
    assert any(name.startswith("calc_stream/factors/") and name.endswith(".toml") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "bench/"))]
