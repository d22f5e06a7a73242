"""An authority, a real Mosquitto with the configuration it wrote, and certificates of all kinds."""

import argparse
import contextlib
import os
import pwd
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from ingestor.authority import Authority
from ingestor.commands import ca
from tests.conftest import find_program
from tests.integration import servers
from tests.integration.servers import Process
from wire.files import keep
from wire.mqtt import Broker
from wire.signing import SigningKey

DAY_MS = 86_400_000
HOST = "127.0.0.1"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Secured:
    """`broker` with two listeners; `authority` as the command line made it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.place = folder, folder / "authority"
        self.port, self.services_port = servers.free_port(), servers.free_port()
        ports = "--port", str(self.port), "--services-port", str(self.services_port)
        self.ca("init", "--host", HOST, *ports)
        self.authority = Authority(self.place, now_ms)
        # Only what a system's own mosquitto.conf says stands around it.
        whole = folder / "mosquitto.conf"
        user = pwd.getpwuid(os.getuid()).pw_name
        whole.write_text(
            f"user {user}\npersistence false\nlog_dest stderr\n"
            + (self.place / "broker/mosquitto.conf").read_text()
        )
        program = find_program("mosquitto") or "mosquitto"
        self.broker = Process(
            "mosquitto",
            [program, "-c", str(whole)],
            folder / "mosquitto.log",
            lambda: servers.listens(self.port) and servers.listens(self.services_port),
        )

    def ca(self, action: str, *words: str) -> None:
        """`wattprint ca ACTION …`"""
        parser = argparse.ArgumentParser()
        ca.add_arguments(parser)
        assert ca.run(parser.parse_args([action, str(self.place), *words])) == 0

    def reload(self) -> None:
        """The broker reads its lists again."""
        before = self.broker.log.read_text().count("Reloading config")
        child = self.broker._child
        assert child is not None
        child.send_signal(signal.SIGHUP)
        servers.wait_until(
            lambda: self.broker.log.read_text().count("Reloading config") > before, "the reload"
        )

    def gateway(self, name: str, site: str = "cq") -> Broker:
        """A gateway's way to the broker, its certificate made by hand."""
        self.ca("gateway", site, name, "--out", str(self.folder / f"{site}.{name}.pem"))
        return self.link(self.folder / f"{site}.{name}.pem")

    def system(self, name: str, site: str = "cq") -> Broker:
        """A plant system's way to the broker."""
        self.ca("system", site, name, "--out", str(self.folder / f"{site}.{name}.pem"))
        return self.link(self.folder / f"{site}.{name}.pem")

    def service(self, name: str) -> Broker:
        return self.link(self.place / "services" / f"{name}.pem", self.services_port)

    def link(self, cert: Path, port: int = 0) -> Broker:
        return Broker(HOST, port or self.port, ca_file=self.place / "ca.pem", cert_file=cert)

    def issued_in_the_past(self, name: str, days_ago: int, days: int) -> Path:
        """A certificate that began `days_ago` and was good for `days`."""
        then = Authority(self.place, lambda: now_ms() - days_ago * DAY_MS)
        then.add(name, "gateway")
        key = SigningKey.new()
        path = self.folder / f"{name}.then.pem"
        keep(path, key.pem + then.issue(name, key.public.raw, days))
        return path


@contextlib.contextmanager
def secured(folder: Path) -> Iterator[Secured]:
    """With its broker running."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Secured(folder)
    made.broker.start()
    try:
        yield made
    finally:
        made.broker.kill()
