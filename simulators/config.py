"""What `plant-sim` is told: where the plant's state, broker, port and lines are.

~~~toml
site = "demo"
state = ".demo/plant"            # t0 and receipts are kept here; the serial lines too
scenario = "demo_plant"          # one that comes with the package, or a path ending in .toml
seed = 7
# t0_ms = 1800000000000          # left out: the first start, then kept in `state`

[broker]
host = "127.0.0.1"
port = 1883

[tcp]                            # every port of kind tcp of the scenario
host = "127.0.0.1"
port = 5020                      # further ones count up from here

[lines]                          # where a serial line appears; left out: <state>/<name>
line-a = "/run/plant/line-a"
~~~
"""

from pathlib import Path

import msgspec

from edge_agent import profiles
from simulators import plant
from simulators.instrument import counted
from simulators.plant import CARRIERS, Plant
from wire import config, topics
from wire.errors import ProfileError
from wire.mqtt import Broker

KEPT = "run.json"
PROTOCOLS = ("modbus", "dlt645")


class Tcp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the plant's TCP ports listen."""

    host: str = "127.0.0.1"
    port: config.Port = 5020


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One `plant.toml`."""

    site: str
    state: Path
    scenario: str = "demo_plant"
    seed: int = 7
    t0_ms: int | None = None
    broker: Broker = Broker()
    tcp: Tcp = Tcp()
    lines: dict[str, Path] = {}

    def line(self, port: str) -> Path:
        """Where the serial line `port` appears."""
        return self.lines.get(port, self.state / port)

    def tcp_port(self, plant_: Plant, port: str) -> int:
        """The TCP port number of `port`: they count up in the scenario's order."""
        return self.tcp.port + [n for n, p in plant_.ports.items() if p.kind == "tcp"].index(port)


class Begun(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What makes a run of the plant: all truth is a function of these three."""

    t0_ms: int
    seed: int
    scenario: str


def load(path: Path) -> tuple[Config, Plant]:
    """The configuration and the plant it names, both judged. Raises ConfigError."""
    found = config.load(path, Config)
    if problem := topics.id_problem(found.site):
        raise config.refuse(path, "site", problem)
    scenario = plant.find(found.scenario)
    plant_ = plant.load(scenario)
    for line in set(found.lines) - {n for n, p in plant_.ports.items() if p.kind == "rtu"}:
        raise config.refuse(path, f"lines.{line}", "is no serial line of the scenario")
    for name, port in plant_.ports.items():
        if port.kind == "tcp" and found.tcp_port(plant_, name) > 65535:
            raise config.refuse(path, "tcp.port", f"leaves no port below 65536 for {name}")
    spoken: dict[str, str] = {}
    for meter in plant_.meters:
        key = f"meters.{meter.name}.profile"
        try:
            profile = profiles.load(meter.profile, allow_unverified=True)
        except ProfileError as exc:
            raise config.refuse(scenario, key, str(exc)) from exc
        if profile.protocol not in PROTOCOLS:
            raise config.refuse(scenario, key, f"no simulated meter speaks {profile.protocol}")
        if spoken.setdefault(meter.port, profile.protocol) != profile.protocol:
            raise config.refuse(scenario, key, f"the others on {meter.port} speak another protocol")
        carrier = plant_.carrier(meter)
        if not counted(profile, carrier):
            raise config.refuse(scenario, key, f"counts no {carrier} in {CARRIERS[carrier]}")
    return found, plant_


def begin(settings: Config, now_ms: int) -> Begun:
    """The run kept in the state folder, or a new one with t0 `now_ms`, which is then kept.

    Raises ConfigError where the folder holds a run of another plant.
    """
    t0_ms = now_ms if settings.t0_ms is None else settings.t0_ms
    kept = settings.state / KEPT
    if not kept.exists():
        fresh = Begun(t0_ms, settings.seed, settings.scenario)
        settings.state.mkdir(parents=True, exist_ok=True)
        kept.with_suffix(".new").write_bytes(msgspec.json.encode(fresh))
        kept.with_suffix(".new").replace(kept)
    begun_ = begun(settings.state)
    asked = Begun(settings.t0_ms or begun_.t0_ms, settings.seed, settings.scenario)
    if begun_ != asked:
        raise config.refuse(
            kept, "t0_ms, seed, scenario", "are of another run; empty the folder to begin anew"
        )
    return begun_


def begun(state: Path) -> Begun:
    """The run a state folder holds. Raises ConfigError."""
    try:
        return msgspec.json.decode((state / KEPT).read_bytes(), type=Begun)
    except (OSError, msgspec.DecodeError) as exc:
        raise config.refuse(state / KEPT, "(whole file)", f"holds no run: {exc}") from exc
