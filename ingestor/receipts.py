"""Signed words to a gateway: «have everything of this stream up to here», «send these again»."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ingestor.streams import Stream
from wire import topics
from wire.errors import ConfigError
from wire.files import keep
from wire.messages import EventReceipt, Receipt, ResendRequest
from wire.signing import SigningKey
from wire.topics import GatewayTopic


@dataclass(frozen=True)
class Saying:
    """What is to be published. A later one with the same `about` takes its place."""

    about: str
    topic: str
    payload: bytes
    retain: bool


class Receipts:
    """Builds receipts and signs them."""

    def __init__(self, key: SigningKey, now_ms: Callable[[], int]) -> None:
        self._key = key
        self._now_ms = now_ms

    def of_stream(self, stream: Stream, gaps: Sequence[tuple[int, int]], offset: int) -> Saying:
        """The receipt for `stream`, all of which stands in its site's journal up to `offset`."""
        unsigned = Receipt(
            stream.site,
            stream.gateway,
            stream.stream,
            stream.upto,
            stream.head,
            journal=offset,
            key=self._key.public.id,
            time_ms=self._now_ms(),
            refused=list(stream.refused),
            gaps=list(gaps),
        )
        sig = base64.b64encode(self._key.sign(msgspec.json.encode(unsigned))).decode()
        signed = msgspec.structs.replace(unsigned, sig=sig)
        topic = str(GatewayTopic(stream.site, stream.gateway, "rcpt"))
        return Saying(f"{topic} {stream.stream}", topic, msgspec.json.encode(signed), retain=True)


def resend(stream: Stream, gap: tuple[int, int]) -> Saying:
    """The request to send these numbers again."""
    topic = str(GatewayTopic(stream.site, stream.gateway, "req"))
    request = ResendRequest(stream.stream, *gap)
    return Saying(f"{topic} {stream.stream}", topic, msgspec.json.encode(request), retain=False)


def of_events(site: str, receipt: EventReceipt) -> Saying:
    """The receipt for one source of production events."""
    topic = topics.event_receipts(site, receipt.source)
    payload = msgspec.json.encode(receipt)
    return Saying(f"{topic} {receipt.epoch}", topic, payload, retain=True)


def next_key(path: Path) -> Path:
    """Where the key is that will follow the receipt key in `path`."""
    return path.with_name(path.name + ".next")


def public_keys(path: Path) -> list[str]:
    """Those receipts are signed with, now and after the next change."""
    coming = next_key(path)
    files = [path, coming] if coming.exists() else [path]
    return [str(load_key(file).public) for file in files]


def load_key(path: Path) -> SigningKey:
    """The receipt key, made where there is none; its public half stands beside it as `.pub`."""
    key = SigningKey.load_or_create(path)
    beside = path.with_name(path.name + ".pub")
    try:
        if not beside.exists() or beside.read_text().strip() != str(key.public):
            keep(beside, f"{key.public}\n".encode(), 0o644)
    except OSError as exc:
        raise ConfigError(f"{beside}: cannot be written: {exc.strerror}") from exc
    return key
