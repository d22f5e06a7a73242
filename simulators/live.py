"""Everything of the plant that runs: its meters on their ports and lines, and its MES."""

import asyncio
import logging
from collections.abc import Callable

from edge_agent import profiles
from simulators.config import Config
from simulators.faults import Faults
from simulators.instrument import Instrument
from simulators.mes import Mes
from simulators.modbus_tcp import TcpPort
from simulators.parties import Fitted, parties
from simulators.scenario import SOURCE, Scenario
from simulators.serial_bus import SerialLine, Wire
from wire import topics
from wire.errors import ConfigError
from wire.mqtt import Client

log = logging.getLogger(__name__)


def instruments(scenario: Scenario) -> list[Instrument]:
    """Every meter of the plant with its profile. Raises ProfileError."""
    return [
        Instrument(meter, profiles.load(meter.profile, allow_unverified=True), scenario)
        for meter in scenario.plant.meters
    ]


async def run(settings: Config, scenario: Scenario, now_ms: Callable[[], int]) -> None:
    """Answer and report until cancelled. Raises ConfigError where a TCP port is taken."""
    client = Client(
        settings.broker,
        f"plant-sim-{settings.site}",
        subscribe=[topics.event_receipts(settings.site, SOURCE)],
    )
    kept = settings.state / "receipted"
    mes = Mes(scenario, settings.site, client, kept, now_ms)
    async with client.running(), asyncio.TaskGroup() as tasks:
        await serve(settings, scenario, now_ms, tasks)
        tasks.create_task(mes.run())


async def serve(
    settings: Config, scenario: Scenario, now_ms: Callable[[], int], tasks: asyncio.TaskGroup
) -> None:
    """Bring every port and line of the plant up, in `tasks`."""
    faults = Faults(scenario.plant.faults, scenario.dice, scenario.t0_ms)
    meters = instruments(scenario)
    for name, port in scenario.plant.ports.items():
        here = [
            Fitted(i.meter.name, i.meter.unit_id, i.profile, faults.source(i.meter.name, i))
            for i in meters
            if i.meter.port == name
        ]
        spoken = parties(here, port.kind, scenario.t0_ms)
        if port.kind == "rtu":
            wire = Wire(port.baud, port.parity, turn_ms=port.turn_ms)
            line = SerialLine(settings.line(name), wire, spoken, now_ms, faults)
            tasks.create_task(line.serve())
            log.info("%d meters on %s at %d baud", len(here), line.path, port.baud)
            continue
        if len(spoken) != 1:
            raise ConfigError(f"ports.{name}: a TCP port carries meters of one protocol")
        number = settings.tcp_port(scenario.plant, name)
        try:
            gate = TcpPort(spoken[0], now_ms, faults)
            await gate.listen(settings.tcp.host, number)
        except OSError as exc:
            where = f"{settings.tcp.host}:{number}"
            raise ConfigError(f"tcp.port: {where} cannot be opened: {exc.strerror}") from exc
        tasks.create_task(gate.serve())
        log.info("%d meters on %s:%d", len(here), settings.tcp.host, number)
