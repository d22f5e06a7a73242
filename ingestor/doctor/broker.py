"""The broker: whether it lets us in, what it grants, and what it has dropped."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import suppress

from wire.errors import ConfigError
from wire.finding import Finding, bad, ok, warn
from wire.mqtt import Broker, Client
from wire.segment import MAX_SEGMENT

_WAIT_S = 5.0
_FIGURES_S = 2.0
_SYS = "$SYS/broker/"
_DROPPED = _SYS + "publish/messages/dropped"
_VERSION = _SYS + "version"


async def examine(broker: Broker, client_id: str) -> list[Finding]:
    """Connects under a name of its own: under the ingestor's it would throw the running one off."""
    name = f"{client_id}-doctor-{random.getrandbits(32):08x}"
    try:
        client = Client(broker, name, durable=False)
    except ConfigError as exc:
        return [bad("broker", str(exc), "correct the [broker] table")]
    async with client.running():
        with suppress(TimeoutError):
            async with asyncio.timeout(_WAIT_S):
                await client.connected.wait()
        if not client.connected.is_set():
            found = f"no connection to {broker} in {_WAIT_S:.0f} s"
            if client.problem:
                found += f": {client.problem}"
            cure = "start it, or correct host, port and credentials in [broker]"
            return [bad("broker", found, cure)]
        granted = client.granted
    figures = await _figures(broker, name)
    return [
        ok("broker", f"{broker} accepts us{f'; {v}' if (v := figures.get(_VERSION)) else ''}"),
        *_limits(granted),
        _dropped(figures.get(_DROPPED)),
    ]


def _limits(granted: dict[str, int]) -> Iterator[Finding]:
    """What an MQTT 5 broker says it does not do; one of 3.1.1 says nothing."""
    if not granted.get("RetainAvailable", 1):
        cure = "retain_available true: a gateway reads its last receipt when it connects"
        yield warn("broker, retained messages", "it keeps none", cure)
    if granted.get("MaximumQoS", 2) < 1:
        yield bad("broker, QoS", "it acknowledges nothing", "allow QoS 1")
    if (size := granted.get("MaximumPacketSize", MAX_SEGMENT)) < MAX_SEGMENT:
        cure = f"max_packet_size {MAX_SEGMENT + 65536}: after an outage segments are large"
        yield warn("broker, packets", f"none over {size} bytes", cure)
    if (window := granted.get("ReceiveMaximum", 65535)) < 20:
        cure = "max_inflight_messages 20 or more: else it paces gateways down"
        yield warn("broker, window", f"{window} messages in flight", cure)


def _dropped(told: str | None) -> Finding:
    what = "broker, queues"
    if told is None:
        return ok(what, "it does not tell us what it drops ($SYS); nothing is lost by that")
    if told.isdigit() and int(told):
        cure = "raise max_queued_messages and max_queued_bytes; is the ingestor often away?"
        found = f"{told} messages dropped since its start; gateways send them again"
        return warn(what, found, cure)
    return ok(what, "nothing dropped since its start")


async def _figures(broker: Broker, name: str) -> dict[str, str]:
    """What it says of itself, as far as it lets us hear."""
    client = Client(broker, name, subscribe=[_DROPPED, _VERSION], durable=False)
    found: dict[str, str] = {}
    async with client.running():
        with suppress(TimeoutError):
            async with asyncio.timeout(_FIGURES_S):
                async for message in client.messages():
                    found[message.topic] = message.payload.decode(errors="replace")[:100]
                    if len(found) == 2:
                        break
    return found
