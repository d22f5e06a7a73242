"""An ingestor as a process of its own, and a gateway's sending side, for tests."""

import asyncio
import base64
import contextlib
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import msgspec

from tests import plain_http
from tests.integration import servers
from tests.integration.servers import Process
from tests.unit.ingestor.gateway import Gateway
from wire.callers import Caller, digest
from wire.journal import Reader, open_reader
from wire.messages import Receipt
from wire.mqtt import Broker, Client
from wire.signing import PublicKey

DAY_MS = 86_400_000


@dataclass
class Ingestor:
    """An ingestor process, its files, and the gateways it knows."""

    directory: Path
    broker_port: int
    extra: str = ""
    head: str = ""  # more keys before the first table
    api_keys: str = ""  # more of [api]
    api_port: int = field(default_factory=servers.free_port)
    gateways: list[Gateway] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        known = Caller("tester", ("admin",), digest("secret"), "2026-11-18")
        (self.directory / "api.keys").write_text(f"{known}\n")
        self.config = self.directory / "ingestor.toml"
        self.process = Process(
            "ingestor",
            [sys.executable, "-m", "ingestor", "run", "--config", str(self.config)],
            self.directory / "ingestor.log",
            lambda: servers.answers(f"{self.url}/health"),
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    def gateway(self, name: str, **others: str) -> Gateway:
        made = Gateway.new(self.directory, name, **others)
        (self.directory / f"{name}.pub").write_text(f"{made.key.public}\n")
        self.gateways.append(made)
        return made

    def configure(self) -> list[str]:
        """Write its configuration; its command."""
        place = self.directory
        text = (
            f'journal = "{place}/journal.db"\nstate = "{place}/state"\n'
            f'receipt_key = "{place}/receipt.key"\n{self.head}'
            f"[broker]\nport = {self.broker_port}\n[api]\nport = {self.api_port}\n"
            f'keys_file = "{place}/api.keys"\n{self.api_keys}[quarantine]\nmost = 1000\n'
        )
        for gateway in self.gateways:
            text += (
                f'[[gateways]]\nsite = "{gateway.site}"\ngateway = "{gateway.name}"\n'
                f'public_key_file = "{place}/{gateway.name}.pub"\n'
            )
        self.config.write_text(text + self.extra)
        return [sys.executable, "-m", "ingestor", "run", "--config", str(self.config)]

    def start(self) -> None:
        self.configure()
        self.process.start()

    def start_connected(self) -> None:
        """What is published before the first subscription, a broker throws away."""
        self.start()
        with self.client() as http:
            servers.wait_until(
                lambda: http.get("/v1/status").json()["broker"] == "connected", "the broker"
            )

    def client(self) -> httpx.Client:
        key = {"Authorization": "Bearer secret"}
        return plain_http.Client(base_url=self.url, headers=key, timeout=servers.PATIENCE_S)

    def journal(self) -> Reader:
        return open_reader(self.directory / "journal.db")

    def segments(self, gateway: Gateway) -> list[bytes]:
        journal = self.journal()
        records = journal.of_kind(gateway.site, "segment")
        journal.close()
        return [r.data for r in records if r.key.startswith(f"{gateway.name}/")]

    def command(self, *words: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "ingestor", *words, "--config", str(self.config)]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=servers.PATIENCE_S, check=False
        )


class Sender:
    """An agent's way of sending: everything again until a receipt covers it."""

    def __init__(self, ingestor: Ingestor, gateway: Gateway, sealed: list[bytes]) -> None:
        self.sealed = sealed
        self.receipted = 0
        self.receipts: list[Receipt] = []
        self._ingestor = ingestor
        self._gateway = gateway
        self._topic = gateway.topic.removesuffix("seg")
        self._again = asyncio.Event()
        self._client = Client(
            Broker(port=ingestor.broker_port),
            f"{gateway.site}.{gateway.name}",
            subscribe=[self._topic + "rcpt", self._topic + "req"],
        )

    async def send_all(self, pause_s: float = 0.0) -> None:
        """Returns when everything is receipted."""
        async with self._client.running():
            listening = asyncio.create_task(self._listen())
            try:
                while self.receipted < len(self.sealed) and not listening.done():
                    await self._offer(pause_s)
            finally:
                listening.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await listening

    async def _offer(self, pause_s: float) -> None:
        await self._client.connected.wait()
        begin = self.receipted
        for data in self.sealed[begin:]:
            await self._client.publish(self._topic + "seg", data)
            await asyncio.sleep(pause_s)
        self._again.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                while begin == self.receipted < len(self.sealed):
                    await asyncio.sleep(0.02)

    async def _listen(self) -> None:
        pinned = PublicKey.parse((self._ingestor.directory / "receipt.key.pub").read_text())
        journal = self._ingestor.journal()
        try:
            async for message in self._client.messages():
                message.ack()
                if message.topic.endswith("/rcpt"):
                    self._take(msgspec.json.decode(message.payload, type=Receipt), pinned, journal)
        finally:
            journal.close()

    def _take(self, receipt: Receipt, pinned: PublicKey, journal: Reader) -> None:
        unsigned = msgspec.json.encode(msgspec.structs.replace(receipt, sig=""))
        pinned.verify(base64.b64decode(receipt.sig), unsigned)
        site = self._gateway.site
        if receipt.upto and receipt.upto not in [refusal.seq for refusal in receipt.refused]:
            key = f"{receipt.gateway}/{receipt.stream}/{receipt.upto}"
            record = journal.find(site, "segment", key)
            assert record is not None, f"a receipt ahead of the journal: {receipt}"
            assert record.hash == receipt.head
        assert receipt.journal <= journal.head(site)[0]
        if receipt.upto:  # 0: nothing decided on yet
            assert receipt.head == self._gateway.hashes[receipt.upto - 1]
        self.receipted = max(self.receipted, receipt.upto)
        self.receipts.append(receipt)
