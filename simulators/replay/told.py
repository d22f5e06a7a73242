"""Pure: what an agent must be told to read a replay: a profile made for it, and an agent.toml."""

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from edge_agent.profiles import Meaning, Profile, factor, modbus
from simulators.parties import address
from simulators.replay.recording import Recording
from simulators.replay.tape import steepest
from simulators.slaves.modbus import step
from wire.quantities import QUANTITIES

_AT = 10  # the first register; the serial number stands before it
_SPARE = 2  # a margin on what the recording ever did
_LEAST_W = 1000
Models = Mapping[str, tuple[str, Profile]]  # by meter: the name of its profile, and the profile


class Cable(NamedTuple):
    """A bus of the agent: its name, its table's lines, and its meters by number."""

    name: str
    table: Mapping[str, str | int]
    meters: Mapping[int, str]


def profile_toml(recording: Recording) -> str:
    """A Modbus model whose registers hold every recorded value exactly."""
    decimals: dict[str, int] = {}
    for recorded in recording.meters.values():
        for quantity, series in recorded.series.items():
            decimals[quantity] = max(decimals.get(quantity, 0), series.decimals)
    lines = [
        'vendor = "wattprint"',
        'model = "replayed meter"',
        'grade = "A"',
        'source = "made for this recording by plant-sim replay"',
        "[identity]",
        'serial = { at = 0, as = "u32" }',
        "[registers]",
    ]
    for n, (quantity, digits_) in enumerate(sorted(decimals.items())):
        scale = f"0.{'0' * (digits_ - 1)}1" if digits_ else "1"
        unit = QUANTITIES[quantity].unit
        place = f'at = {_AT + 4 * n}, as = "i64", scale = "{scale}", unit = "{unit}"'
        lines.append(f"{quantity} = {{ {place} }}")
    return "\n".join(lines) + "\n"


def agent_toml(
    recording: Recording,
    cables: list[Cable],
    models: Models,
    speed: Fraction,
    receipt_key: Path,
) -> str:
    """An agent's configuration for the meters on `cables`."""
    lines = [
        'site = "replay"',
        'gateway = "gw-replay"',
        'state = "agent"',
        f'receipt_key_file = "{receipt_key}"    # the public key of your ingestor',
        "",
        "[broker]",
        'host = "127.0.0.1"',
        "port = 1883",
    ]
    for cable in cables:
        lines += ["", f"[buses.{cable.name}]"]
        lines += [f"{key} = {_quoted(value)}" for key, value in cable.table.items()]
        for number, meter in cable.meters.items():
            name, profile = models[meter]
            lines += ["", f"[meters.{_quoted(meter)}]", f'bus = "{cable.name}"']
            where = address(profile.protocol, number)
            lines += [f"{key} = {_quoted(value)}" for key, value in where.items()]
            lines.append(f"profile = {_quoted(name)}")
            lines += _about(recording, meter, profile, speed)
    return "\n".join(lines) + "\n"


def too_fine(recording: Recording, models: Models) -> Iterator[tuple[str, str, int, int]]:
    """(meter, quantity, how many of how many) values that the meter's model cannot show exactly."""
    for meter, (_, profile) in models.items():
        for quantity, series in recording.meters[meter].series.items():
            meaning = profile.meanings.get(quantity)
            if meaning is None:
                continue
            values = [series.at(t_ms) for t_ms in series.times_ms]
            lost = sum(value % _step(quantity, meaning, value) != 0 for value in values)
            if lost:
                yield meter, quantity, lost, len(values)


def _step(quantity: str, meaning: Meaning, value: Fraction) -> Fraction:
    if isinstance(meaning, modbus.Register):
        return step(quantity, meaning, value)
    return factor(quantity, meaning)


def _about(recording: Recording, meter: str, profile: Profile, speed: Fraction) -> list[str]:
    """What is read of a meter, and what can be believed of its counters."""
    recorded = recording.meters[meter]
    known = [quantity for quantity in recorded.series if quantity in profile.meanings]
    lines = [f"quantities = [{', '.join(map(_quoted, known))}]"]
    powers: list[Fraction] = []
    flows: list[Fraction] = []
    for quantity in known:
        if QUANTITIES[quantity].cumulative:
            rate = _SPARE * steepest(recorded, quantity, speed)
            is_energy = QUANTITIES[quantity].unit in ("kWh", "kvarh", "kVAh")
            (powers if is_energy else flows).append(rate * 1000 if is_energy else rate)
    if powers:
        lines.append(f"rated_power_w = {max(_LEAST_W, math.ceil(max(powers)))}    # at this speed")
    if flows:
        lines.append(f'rated_flow_per_h = "{max(1, math.ceil(max(flows)))}"    # at this speed')
    if profile.grade == "C":
        lines.append("allow_unverified = true")
    return lines


def _quoted(value: str | int) -> str:
    if isinstance(value, int):
        return str(value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
