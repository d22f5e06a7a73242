"""`plant-sim replay FILE`: serve recorded readings as meters, at any speed.

Every meter of the file answers under a number of its own on a TCP port or a serial line, with the
values exactly as recorded. What an agent must be told to read them goes to stdout, what happens to
stderr.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import TextIO

from edge_agent import profiles
from simulators.modbus_tcp import TcpPort
from simulators.parties import Fitted, parties
from simulators.replay import recording, told
from simulators.replay.recording import Recording
from simulators.replay.tape import Replayed, Tape
from simulators.replay.told import Cable, Models
from simulators.serial_bus import SerialLine, Wire
from wire.errors import ConfigError

_MOST = 247  # meters on one cable
_TELL_S = 5.0
_MADE = "replayed.toml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's words."""
    add = parser.add_argument
    add("file", type=Path, metavar="FILE", help="readings.jsonl (docs/records.md) or a .csv")
    add("--speed", type=_speed, default=Fraction(1), metavar="N", help="60: a minute in a second")
    add("--loop", action="store_true", help="begin again at the end; counters count on")
    add("--quantity", default="active_energy_import", help="what the registers of a .jsonl count")
    add("--profile", metavar="NAME", help="the meters' model; default: the file's, or a made one")
    add("--tcp", type=_place, default=("127.0.0.1", 5020), metavar="HOST:PORT", help="or the next")
    add("--line", type=Path, metavar="PATH", help="instead: a serial line that appears there")
    add("--baud", type=int, default=9600, help="of the line; default: 9600")
    add("--parity", choices=("N", "E", "O"), default="N", help="of the line; default: N")
    add("--state", type=Path, default=Path(".replay"), metavar="DIR", help="for a made profile")
    add("--receipt-key", type=Path, default=Path("receipt.key.pub"), help="for the agent.toml")


async def run(arguments: argparse.Namespace, now_ms: Callable[[], int]) -> None:
    """Serve until cancelled. Raises ConfigError."""
    found = recording.load(arguments.file, arguments.quantity)
    models = _models(found, arguments)
    cables = list(_cables(arguments, models))
    for line in _findings(arguments.file, found, models):
        print(f"plant-sim: {line}", file=sys.stderr)
    tape = Tape(found, now_ms(), arguments.speed, arguments.loop)
    async with asyncio.TaskGroup() as tasks:
        for cable in cables:
            fitted = [
                Fitted(meter, n, models[meter][1], Replayed(found.meters[meter], n, tape, now_ms))
                for n, meter in cable.meters.items()
            ]
            await _serve(cable, fitted, arguments, now_ms, tasks)
        key = arguments.receipt_key
        print(told.agent_toml(found, cables, models, arguments.speed, key), flush=True)
        await _tell_progress(tape, now_ms, sys.stderr)


def _models(found: Recording, arguments: argparse.Namespace) -> Models:
    """The name and the profile of each meter's model; one is made where nobody names any."""
    made = arguments.state.absolute() / _MADE
    names = {
        meter: arguments.profile or recorded.profile or str(made)
        for meter, recorded in found.meters.items()
    }
    if str(made) in names.values():
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_text(told.profile_toml(found), encoding="utf-8")
    loaded = {name: profiles.load(name, allow_unverified=True) for name in set(names.values())}
    models = {
        meter: (name, loaded[name])
        for meter, name in names.items()
        if found.meters[meter].series.keys() & loaded[name].meanings.keys()
    }
    if not models:
        raise ConfigError(f"{arguments.file}: no profile named here has any of its quantities")
    return models


def _cables(arguments: argparse.Namespace, models: Models) -> Iterator[Cable]:
    """The meters of each protocol, so many to a port as it has numbers for."""
    by_protocol: dict[str, list[str]] = {}
    for meter, (_, profile) in models.items():
        by_protocol.setdefault(profile.protocol, []).append(meter)
    if arguments.line and (len(by_protocol) > 1 or len(models) > _MOST):
        raise ConfigError(f"--line: carries one protocol and {_MOST} meters; use --tcp")
    host, port = arguments.tcp
    for protocol, meters in by_protocol.items():
        for at in range(0, len(meters), _MOST):
            table: dict[str, str | int] = {"driver": protocol}
            if arguments.line:
                transport = {"transport": "rtu"} if protocol == "modbus" else {}
                table |= {**transport, "device": str(arguments.line.absolute())}
                table |= {"baud": arguments.baud, "parity": arguments.parity}
            else:
                transport = {"transport": "tcp"} if protocol == "modbus" else {}
                table |= {**transport, "host": host, "port": port}
                port += 1
            numbered = dict(enumerate(meters[at : at + _MOST], 1))
            yield Cable(f"{protocol}-{at // _MOST + 1}", table, numbered)


async def _serve(
    cable: Cable,
    fitted: list[Fitted],
    arguments: argparse.Namespace,
    now_ms: Callable[[], int],
    tasks: asyncio.TaskGroup,
) -> None:
    if arguments.line:
        wire = Wire(arguments.baud, arguments.parity)
        line = SerialLine(arguments.line, wire, parties(fitted, "rtu"), now_ms)
        tasks.create_task(line.serve())
        return
    (party,) = parties(fitted, "tcp")
    gate = TcpPort(party, now_ms)
    host, port = str(cable.table["host"]), int(cable.table["port"])
    try:
        await gate.listen(host, port)
    except OSError as exc:
        where = f"{host}:{port}"
        raise ConfigError(f"--tcp: {where} cannot be opened: {exc.strerror}") from exc
    tasks.create_task(gate.serve())


def _findings(file: Path, found: Recording, models: Models) -> Iterator[str]:
    """What somebody who tries his own data wants to know first."""
    readings = sum(len(s.times_ms) for r in found.meters.values() for s in r.series.values())
    begin, end = _stamp(found.first_ms), _stamp(found.last_ms)
    yield f"{file}: {readings} readings of {len(found.meters)} meters, {begin} to {end}"
    for quality, count in sorted(found.left_out.items()):
        yield f"{count} {quality} readings are left out: no meter said them"
    for meter, quantity, lost, of in told.too_fine(found, models):
        yield f"{meter}: {lost} of {of} values of {quantity} are finer than {models[meter][0]}"
    for meter, recorded in found.meters.items():
        if meter not in models:
            yield f"{meter}: its model has none of its quantities; the meter is left out"
            continue
        name, profile = models[meter]
        for quantity in sorted(recorded.series.keys() - profile.meanings.keys()):
            yield f"{meter}: {name} has no {quantity}, which is left out"


async def _tell_progress(tape: Tape, now_ms: Callable[[], int], out: TextIO) -> None:
    """How far it is, now and then, until its end."""
    while True:
        passes, at_ms = tape.position(now_ms())
        percent = 100 * (at_ms - tape.first_ms) // max(1, tape.length_ms)
        again = f", round {passes + 1}" if passes else ""
        print(f"plant-sim: {percent:3} %  {_stamp(at_ms)}{again}", file=out, flush=True)
        if tape.is_over(now_ms()):
            print("plant-sim: at its end; the last values stand until Ctrl-C", file=out, flush=True)
            return
        await asyncio.sleep(max(0.1, min(_TELL_S, tape.left_s(now_ms()))))


def _stamp(t_ms: int) -> str:
    moment = datetime.fromtimestamp(t_ms / 1000, UTC)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _speed(text: str) -> Fraction:
    try:
        speed = Fraction(text)
    except (ValueError, ZeroDivisionError):
        speed = Fraction(0)
    if speed <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return speed


def _place(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is no HOST:PORT")
    return host, int(port)
