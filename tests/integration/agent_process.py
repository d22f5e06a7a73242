"""A real agent process, and meters for it that note who asked them what, and when."""

import asyncio
import contextlib
import json
import os
import signal
import struct
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from tests.integration.servers import PATIENCE_S
from wire.signing import SigningKey

CLOUD_KEY = SigningKey(bytes(range(32)))
PROFILE = """
vendor = "V"
model = "M"
grade = "A"
source = "made for this test"
[limits]
max_hole = 20
[identity]
serial = { at = 200, fc = 3, as = "u16" }
[registers]
active_power = { at = 0, fc = 3, as = "u16", unit = "W" }
active_energy_import = { at = 10, fc = 3, as = "u16", unit = "kWh" }
"""


class Meters:
    """Modbus TCP meters of any unit number behind one port."""

    def __init__(self) -> None:
        self.port = 0
        self.asked: list[tuple[float, int, int, int]] = []  # (time, unit, address, count)
        self.connections = 0
        self.silent: set[int] = set()
        self.has_hole = False  # a read of more than one register is refused

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Meters"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self

    def slots(self, unit: int, every_s: float) -> list[int]:
        """The slots in which this unit's power was asked for, in order.

        The agent's clock may be a little ahead of ours; late it may be by nearly a slot.
        """
        asked_at = [t for t, asked, address, _ in self.asked if (asked, address) == (unit, 0)]
        return [int(t / every_s + 0.1) for t in asked_at]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while request := await reader.readexactly(12):
                unit, function, address, count = struct.unpack(">BBHH", request[6:])
                self.asked.append((time.time(), unit, address, count))
                if unit in self.silent:
                    continue
                if self.has_hole and count > 1:
                    said = struct.pack(">HBBB", 3, unit, function | 0x80, 2)
                else:
                    words = [(1000 + unit) if address == 200 else 7] * count
                    said = struct.pack(
                        f">HBBB{count}H", 3 + 2 * count, unit, function, 2 * count, *words
                    )
                writer.write(request[:4] + said)
        writer.close()


class AgentProcess:
    """`edge-agent run` in `folder`, with the configuration last written there."""

    def __init__(self, folder: Path, broker_port: int, **environ: str) -> None:
        self.folder, self.config = folder, folder / "agent.toml"
        self._log = folder / "agent.log"
        self._environ = {**os.environ, **environ}
        (folder / "receipt.pub").write_text(f"{CLOUD_KEY.public}\n")
        (folder / "model.toml").write_text(PROFILE)
        self.head: dict[str, object] = {
            "site": "cq",
            "gateway": "gw",
            "state": f"{folder}/state",
            "receipt_key_file": f"{folder}/receipt.pub",
            "publish_interval_s": 0.5,
        }
        self.broker_port = broker_port

    def write(
        self, buses: dict[str, dict[str, object]], meters: dict[str, dict[str, object]]
    ) -> None:
        """The configuration; a meter needs `bus` and `unit_id` only."""
        usual = {
            "profile": str(self.folder / "model.toml"),
            "rated_power_w": 4000,
            "interval_s": 1,
        }
        tables: dict[str, dict[str, object]] = {"": self.head, "broker": {"port": self.broker_port}}
        tables |= {f"buses.{name}": keys for name, keys in buses.items()}
        tables |= {f"meters.{name}": {**usual, **keys} for name, keys in meters.items()}
        self.config.write_text("".join(_table(name, keys) for name, keys in tables.items()))

    @asynccontextmanager
    async def running(self) -> AsyncIterator["AgentProcess"]:
        """Ends well, or the test fails."""
        with self._log.open("wb") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "edge_agent", "run", "--config", str(self.config)),
                env=self._environ,
                stderr=log,
            )
        try:
            yield self
            assert self.process.returncode is None, self.log()
        finally:
            if self.process.returncode is None:
                self.process.send_signal(signal.SIGTERM)
            code = await asyncio.wait_for(self.process.wait(), PATIENCE_S)
        assert code == 0, self.log()

    async def reload(self) -> None:
        """SIGHUP, until the log says what became of it."""
        before = self.log().count("reloaded: ")
        self.process.send_signal(signal.SIGHUP)
        await until(lambda: self.log().count("reloaded: ") > before)

    def log(self) -> str:
        return self._log.read_text()

    def said(self) -> list[str]:
        """The messages of its log."""
        lines = self.log().splitlines()
        return [json.loads(line)["message"] for line in lines if line.endswith("}")]


def _table(name: str, keys: Mapping[str, object]) -> str:
    """A TOML table of plain values, which JSON writes alike."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    return "\n".join([*([f"[{name}]"] if name else []), *lines, ""])


async def until(condition: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
    async with asyncio.timeout(patience_s):
        while not condition():
            await asyncio.sleep(0.05)
