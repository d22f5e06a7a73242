"""Renews the gateway's certificate in its last third. What fails is tried again; collecting and
keeping go on whatever becomes of it."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from edge_agent.clock import Clock
from edge_agent.config import AgentConfig
from edge_agent.enrolment import Files, Gateway, is_due
from wire import certificate
from wire.config import refuse
from wire.errors import BadData, ConfigError, TransientError
from wire.signing import PublicKey, SigningKey

log = logging.getLogger(__name__)

_LOOK_S = (900.0, 3600.0)  # a fleet whose certificates are of one day does not come at once


def enrolling(settings: AgentConfig, name: str | Path = "configuration") -> Gateway:
    """Who asks for certificates, and where they are kept. Raises ConfigError.

    `name`: of the file these settings are from.
    """
    broker = settings.broker
    if settings.enrol is None:
        raise refuse(name, "enrol", 'is missing: [enrol] url = "https://host:port"')
    if broker.ca_file is None or broker.cert_file is None:
        raise refuse(name, "broker", "needs ca_file and cert_file: what comes is kept there")
    if broker.key_file is not None:
        problem = "leave it out: cert_file will hold the key, so that they change together"
        raise refuse(name, "broker.key_file", problem)
    return Gateway(
        settings.enrol.url,
        settings.site,
        settings.gateway,
        SigningKey.load_or_create(settings.state / "gateway.key"),
        Files(broker.ca_file, broker.cert_file, settings.receipt_key_file),
    )


class Renewal:
    """`learned` is told the receipt keys of each new certificate."""

    def __init__(
        self,
        settings: AgentConfig,
        clock: Clock,
        random: Random,
        learned: Callable[[Sequence[PublicKey]], None],
        look_s: tuple[float, float] = _LOOK_S,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._random = random
        self._learned = learned
        self._look_s = look_s
        self._problem = ""

    async def run(self) -> None:
        """Look now and then, until cancelled. Does nothing where nobody is to be asked."""
        while self._settings.enrol is not None:
            try:
                await asyncio.to_thread(self._look)
                self._problem = ""
            except (TransientError, BadData, ConfigError) as exc:
                if str(exc) != self._problem:
                    log.warning("the certificate was not renewed: %s", exc)
                self._problem = str(exc)
            await asyncio.sleep(self._random.uniform(*self._look_s))

    def _look(self) -> None:
        gateway = enrolling(self._settings)
        if not is_due(certificate.load(gateway.files.cert), self._clock.now_ms()):
            return
        got = gateway.renew()
        log.info("the certificate was renewed; it is good until %s", got.until)
        text = gateway.files.receipt_keys.read_text()
        self._learned([PublicKey.parse(line) for line in text.splitlines()])
