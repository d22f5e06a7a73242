"""`edge-agent scan`: name what answers on a serial port, in a network, or on a configured bus."""

import argparse
import asyncio
import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from random import Random

from edge_agent import config, drivers, profiles
from edge_agent.config import Plan
from edge_agent.drivers import LinkLost
from edge_agent.field import diagnosis, ports, targets
from edge_agent.field.found import Told
from edge_agent.field.sweep import Sweep, Target
from edge_agent.profiles import Profile
from wire.errors import ConfigError, TransientError

_MANY = 1024
_OF = {  # what else may be said with it
    "device": {"baud", "parity", "timeout_ms"},
    "network": {"port", "transport", "timeout_ms"},
    "bus": {"config"},
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's words."""
    parser.description = (
        "Look for meters and say which models they are. A scan reads and never writes. A serial"
        " line has one reader: stop the agent on this line first."
    )
    parser.epilog = (
        "examples:\n"
        "  edge-agent scan --device /dev/ttyUSB0\n"
        "  edge-agent scan --device /dev/ttyUSB0 --baud 9600,19200 --parity N,E --units 1-32\n"
        "  edge-agent scan --device /dev/ttyUSB0 --driver dlt645\n"
        "  edge-agent scan --network 192.168.1.0/24\n"
        "  edge-agent scan --network 192.168.1.7 --port 4001 --transport rtu_over_tcp\n"
        "  edge-agent scan --bus line-a --config agent.toml\n"
        "  wattprint scan --device /dev/ttyUSB0 --json\n\n"
        "without --baud and --parity, the factory settings of the known models are tried, the most\n"
        "frequent first; the first at which a meter answers is the last\n\n"
        "exit codes: 0 a meter was found; 1 none was, or the line cannot be used; 2 wrong words"
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--device", metavar="PORT", help="a serial port")
    where.add_argument(
        "--network", metavar="HOSTS", help="192.168.1.0/24, addresses or names, with commas"
    )
    where.add_argument("--bus", metavar="NAME", help="one under [buses] of the configuration")
    parser.add_argument("--config", type=Path, default=Path("agent.toml"), help="for --bus")
    parser.add_argument("--driver", default="modbus", metavar="NAME", help="default: modbus")
    parser.add_argument("--baud", type=_numbers, default=[], help="speeds of --device")
    parser.add_argument("--parity", type=_letters, default=[], help="N, E or O, of --device")
    parser.add_argument("--port", type=int, help="of --network; default for modbus: 502")
    parser.add_argument("--transport", help="in a network, of modbus; default: tcp")
    parser.add_argument(
        "--units",
        type=_range,
        metavar="1-32",
        help="addresses; default: 1-247 on a line; 1, 255 or 0 of a host",
    )
    parser.add_argument("--timeout-ms", type=int, help="for a meter to begin its answer")
    parser.add_argument("--json", action="store_true", help="one JSON object at the end, no bar")


def run(args: argparse.Namespace) -> int:
    """Exit code 0 if a meter was found, else 1. Raises ConfigError or TransientError."""
    _refuse_what_means_nothing(args)
    plan = config.load(args.config) if args.bus else None
    known = _profiles(args, plan)
    tried = _targets(args, plan, known)
    if args.network and len(tried) > _MANY:
        print(
            f"edge-agent: {len(tried)} hosts will be asked; is all of {args.network} yours?",
            file=sys.stderr,
        )
    told = Told(sys.stdout, sys.stderr, time.monotonic, known, as_json=args.json)
    sweep = Sweep(_driver(args, plan), known, told.progress, told.hit, Random(), _now_ms)
    try:
        asyncio.run(sweep.hosts(tried) if args.network else sweep.settings(tried))
    except KeyboardInterrupt:
        told.interrupted("stopped")
    except LinkLost as exc:
        if not told.hits:
            raise TransientError(f"{exc}{diagnosis.missing_port(exc)}") from exc
        told.interrupted(str(exc))
    told.end(sweep, tried)
    return 0 if told.hits else 1


def _refuse_what_means_nothing(args: argparse.Namespace) -> None:
    where = next((name for name in _OF if getattr(args, name)), None)
    if where is None:
        raise ConfigError(f"scan: say --device, --network or --bus; {ports.plugged_in()}")
    for name in ("baud", "parity", "port", "transport", "timeout_ms"):
        if getattr(args, name) and name not in _OF[where]:
            word = name.replace("_", "-")
            raise ConfigError(f"scan: --{word}: means nothing with --{where}")


def _driver(args: argparse.Namespace, plan: Plan | None) -> drivers.Driver:
    if plan is not None and args.bus in plan.buses:
        return plan.buses[args.bus][0]
    return drivers.load(args.driver)


def _profiles(args: argparse.Namespace, plan: Plan | None) -> dict[str, Profile]:
    """Every model of the driver's protocol, and the configuration's own."""
    known = {name: profiles.load(name, allow_unverified=True) for name in profiles.names()}
    for name, metered in plan.meters.items() if plan is not None else ():
        stated = plan.config.meters[name].get("profile") if plan is not None else None
        known.setdefault(str(stated or name), metered.wanted.profile)
    protocol = _driver(args, plan).PROTOCOL
    return {name: profile for name, profile in known.items() if profile.protocol == protocol}


def _targets(
    args: argparse.Namespace, plan: Plan | None, known: Mapping[str, Profile]
) -> list[Target]:
    if plan is not None:
        return [targets.configured(plan, args.bus, args.units)]
    if args.network:
        return targets.network(
            args.driver, args.network, args.port, args.transport, args.units, args.timeout_ms
        )
    return targets.serial_port(
        args.driver, args.device, args.baud, args.parity, args.units, args.timeout_ms, known
    )


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _letters(text: str) -> list[str]:
    found = text.upper().split(",")
    if not set(found) <= {"N", "E", "O"}:
        raise argparse.ArgumentTypeError("N, E or O, with commas")
    return found


def _range(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", text)
    if not match or int(match[1]) > int(match[2] or match[1]):
        raise argparse.ArgumentTypeError("an address or a range, as 1-32")
    return int(match[1]), int(match[2] or match[1])


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
