"""Writes the state directory of one machine: keys, and one configuration file a process.

What is written is what an installer would write by hand; the files are there to be read.
"""

import json
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wattprint.supervisor import module
from wire.errors import ConfigError
from wire.signing import SigningKey

SITE = "cq-demo"
GATEWAY = "gw-1"
_METER = (
    *("bus", "unit_id", "address", "profile", "interval_s", "quantities"),
    *("rated_power_w", "rated_flow_per_h"),
)


@dataclass(frozen=True)
class Ports:
    """Every port on this machine; all of them on the loopback address."""

    web: int
    api: int
    broker: int
    meters: int


@dataclass(frozen=True)
class Place:
    """The state directory and what stands where in it."""

    state: Path
    ports: Ports
    mosquitto: str | None

    def path(self, name: str) -> Path:
        return self.state / name

    @property
    def page(self) -> str:
        return f"http://localhost:{self.ports.web}"

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.ports.api}"

    @property
    def broker_table(self) -> str:
        protocol = "5" if self.mosquitto else "3.1.1"
        return (
            f'[broker]\nhost = "127.0.0.1"\nport = {self.ports.broker}\nprotocol = "{protocol}"\n'
        )


_PRODUCTS = """\
# What only people know of a company and its products; see calc_stream/footprints/declaration.py
[company]
name = "Demo Plant Chongqing"
domain = "demo-plant.example"
country = "CN"
subdivision = "CN-CQ"

[[product]]
id = "wheel-18"
name = "Aluminium wheel 18 in"
name_zh = "18 英寸铝车轮"
mass_kg = "12.4"

[[product]]
id = "bracket-7"
name = "Bracket no. 7"
name_zh = "7 号支架"
mass_kg = "1.6"

[[product]]
id = "housing-3"
name = "Gearbox housing no. 3"
name_zh = "3 号变速箱壳体"
mass_kg = "8.9"
"""


def find_mosquitto() -> str | None:
    """The broker's program, also where Debian keeps it off a user's PATH."""
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
    return shutil.which("mosquitto", path=path)


def write(place: Place) -> dict[str, Any]:
    """Write everything; returns what the simulated plant says of itself. Raises ConfigError."""
    for name in ("logs", "agent", "ingestor", "calc", "plant"):
        place.path(name).mkdir(parents=True, exist_ok=True)
    for key in ("receipt.key", "agent/gateway.key"):
        public = SigningKey.load_or_create(place.path(key)).public
        place.path(f"{key}.pub").write_text(f"{public}\n")
    place.path("plant.toml").write_text(_plant(place))
    described = _describe(place.path("plant.toml"))
    place.path("model.toml").write_text(described["model_toml"])
    place.path("agent.toml").write_text(_agent(place, described))
    place.path("ingestor.toml").write_text(_ingestor(place))
    _make_api_key(place)
    place.path("products.toml").write_text(_PRODUCTS)
    place.path("calc.toml").write_text(_calc(place))
    if place.mosquitto:
        place.path("mosquitto.conf").write_text(_mosquitto(place))
    return described


def _make_api_key(place: Place) -> None:
    """For the calculator and the summary, who have the key; the ingestor keeps its hash."""
    token, keys = place.path("api.token"), place.path("api.keys")
    if token.exists() and keys.exists():
        return
    keys.unlink(missing_ok=True)
    command = module("ingestor", "apikey", "new", "calculator", "--role", "operator,auditor")
    command += ["--config", str(place.path("ingestor.toml"))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigError(done.stderr.strip() or f"{keys}: ingestor apikey failed")
    token.unlink(missing_ok=True)
    token.touch(mode=0o600)
    token.write_text(done.stdout)


def _describe(plant: Path) -> dict[str, Any]:
    command = module("simulators", "describe", "--config", plant)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigError(done.stderr.strip() or f"{plant}: plant-sim describe failed")
    described: dict[str, Any] = json.loads(done.stdout)
    return described


def _plant(place: Place) -> str:
    return (
        f'site = "{SITE}"\nstate = "{place.path("plant")}"\nscenario = "demo_plant"\nseed = 7\n\n'
        f"{place.broker_table}\n"
        f'[tcp]\nhost = "127.0.0.1"\nport = {place.ports.meters}\n'
    )


def _agent(place: Place, described: dict[str, Any]) -> str:
    text = (
        f'site = "{SITE}"\ngateway = "{GATEWAY}"\nstate = "{place.path("agent")}"\n'
        f'receipt_key_file = "{place.path("receipt.key.pub")}"\npublish_interval_s = 1\n\n'
        f"{place.broker_table}"
    )
    for bus in described["buses"]:
        text += f'\n[buses.{bus["name"]}]\ndriver = "{bus["driver"]}"\n'
        if bus["driver"] == "modbus":
            text += f'transport = "{bus["kind"]}"\n'
        if bus["kind"] == "tcp":
            text += f'host = "{bus["host"]}"\nport = {bus["port"]}\n'
        else:
            text += f'device = "{bus["path"]}"\nbaud = {bus["baud"]}\nparity = "{bus["parity"]}"\n'
    return text + "".join(_meter(meter) for meter in described["meters"])


def _meter(meter: dict[str, Any]) -> str:
    """Every key as the plant describes it, where it means something to the agent."""
    text = f"\n[meters.{meter['name']}]\n"
    for key in _METER:
        if key in meter:
            text += f"{key} = {json.dumps(meter[key])}\n"
    if meter["ct"] != 1:
        text += f'ct = "{meter["ct"]}"\n'
    if meter["grade"] == "C":  # a simulated meter is what its profile says
        text += "allow_unverified = true\n"
    return text


def _ingestor(place: Place) -> str:
    text = (
        f'journal = "{place.path("journal.db")}"\nstate = "{place.path("ingestor")}"\n'
        f'receipt_key = "{place.path("receipt.key")}"\nheartbeat_s = 5\n\n{place.broker_table}\n'
        f'[api]\nhost = "127.0.0.1"\nport = {place.ports.api}\n'
        f'keys_file = "{place.path("api.keys")}"\n\n'
        f'[[gateways]]\nsite = "{SITE}"\ngateway = "{GATEWAY}"\n'
        f'public_key_file = "{place.path("agent/gateway.key.pub")}"\n\n'
        '[[sinks]]\nkind = "embedded"\n'
    )
    if url := os.environ.get("WATTPRINT_INFLUXDB_URL"):
        text += f'\n[[sinks]]\nkind = "influxdb"\nurl = "{url}"\n'
    return text


def _calc(place: Place) -> str:
    text = (
        f'journal = "{place.path("journal.db")}"\nstate = "{place.path("calc")}"\nsite = "{SITE}"\n'
        f'model = "{place.path("model.toml")}"\nmethod = "gbt24067"\nlateness_s = 5\n\n'
        f'[ingestor]\nurl = "http://127.0.0.1:{place.ports.api}"\n'
        f'token_file = "{place.path("api.token")}"\n\n'
        f'[web]\nhost = "127.0.0.1"\nport = {place.ports.web}\n\n'
        f'[footprints]\ndeclaration = "{place.path("products.toml")}"\nperiod = "day"\n\n'
        f"{place.broker_table}"
    )
    if url := os.environ.get("WATTPRINT_INFLUXDB_URL"):
        text += f'\n[influxdb]\nurl = "{url}"\n'
    return text


def _mosquitto(place: Place) -> str:
    # Queues far above any demo's need: Mosquitto drops silently what does not fit.
    # As root it would become another user, and then no longer be ended with whoever started it.
    user = pwd.getpwuid(os.getuid()).pw_name
    return (
        f"user {user}\n"
        f"listener {place.ports.broker} 127.0.0.1\nallow_anonymous true\npersistence false\n"
        "max_queued_messages 100000\nmax_inflight_messages 500\nlog_dest stderr\n"
    )
