"""Meters an installer finds in front of a cabinet: on a line with its speed, beside the test."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from edge_agent import profiles
from edge_agent.profiles.modbus import Profile
from simulators.faults import Faults
from simulators.serial_bus import Passage, SerialLine, Wire
from simulators.slaves.modbus import ModbusMeter, ModbusParty
from wire.signing import SigningKey

_SHOWN = {
    "voltage": "230.2",
    "current": "5",
    "frequency": "50.01",
    "power": "0.95",
}
_OF_A_PHASE = {"active": "1093.45", "apparent": "1151", "reactive": "359.4"}
_PHASES = ("_l1", "_l2", "_l3")


@dataclass(frozen=True)
class Load:
    """What a meter measures: so many phases of 5 A at power factor 0.95, unless told otherwise."""

    serial: int = 4711
    phases: int = 3
    other: Mapping[str, str] = field(default_factory=dict)

    def value(self, quantity: str, _t_ms: int) -> Fraction:
        """See simulators.slaves.Source."""
        if quantity in self.other:
            return Fraction(self.other[quantity])
        kind, _, rest = quantity.partition("_")
        if rest.startswith("energy"):
            return Fraction("12345.6")
        if kind == "voltage" and rest.count("_l"):
            return Fraction("398.7")
        if kind in _OF_A_PHASE:
            return Fraction(_OF_A_PHASE[kind]) * (1 if rest[-3:] in _PHASES else self.phases)
        return Fraction(_SHOWN.get(kind, "1"))


def modbus(meters: Mapping[int, str | ModbusMeter]) -> ModbusParty:
    """Meters by unit; a profile's name is a meter of that model with a `Load`."""
    made = {
        unit: meter if isinstance(meter, ModbusMeter) else model(meter, f"unit {unit}")
        for unit, meter in meters.items()
    }
    return ModbusParty(made, "rtu")


def model(profile: str, name: str = "meter", load: Load = Load()) -> ModbusMeter:
    """A meter of that model."""
    known = profiles.load_as(Profile, profile, allow_unverified=True)
    return ModbusMeter(name, known, load)


@contextmanager
def line(
    path: Path,
    meters: Mapping[int, str | ModbusMeter],
    wire: Wire = Wire(19200),  # noqa: B008  it cannot be changed
    faults: Faults | None = None,
) -> Iterator[list[Passage]]:
    """The line at `path` while the block runs, with what passes on it."""
    passed: list[Passage] = []
    ready = threading.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        made = SerialLine(path, wire, [modbus(meters)], lambda: 0, faults, passed.append)
        loop.call_later(0, ready.set)
        await made.serve()

    def run() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(serving)
        loop.close()

    serving = loop.create_task(serve())
    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(60)
    try:
        yield passed
    finally:
        loop.call_soon_threadsafe(serving.cancel)
        thread.join()


def configuration(folder: Path, buses: str, **meters: tuple[int, str] | str) -> Path:
    """An `agent.toml`: tables of buses, and meters of line-a by name: unit and profile, or a table."""
    public = SigningKey.load_or_create(folder / "receipt.key").public
    (folder / "receipt.key.pub").write_text(f"{public}\n")
    text = (
        f'site = "cq"\ngateway = "gw-1"\nstate = "{folder}/state"\n'
        f'receipt_key_file = "{folder}/receipt.key.pub"\n{buses}\n'
    )
    for name, meter in meters.items():
        rest = meter
        if isinstance(meter, tuple):
            unit, profile = meter
            rest = f'unit_id = {unit}\nprofile = "{profile}"\nrated_power_w = 10000'
        text += f'[meters.{name.replace("_", "-")}]\nbus = "line-a"\n{rest}\n'
    path = folder / "agent.toml"
    path.write_text(text)
    return path


def line_a(device: Path, baud: int = 19200, **more: object) -> str:
    """The table of a Modbus line."""
    rest = "".join(f"{key} = {value!r}\n".replace("'", '"') for key, value in more.items())
    return (
        f'[buses.line-a]\ndriver = "modbus"\ntransport = "rtu"\ndevice = "{device}"\n'
        f"baud = {baud}\ntimeout_ms = 300\n{rest}"
    )
