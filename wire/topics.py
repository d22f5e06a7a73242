"""Topic names. The layout version is in the topic; ids are lower-case `[a-z0-9_-]`."""

import re
from dataclasses import dataclass
from functools import lru_cache

from wire.errors import BadData

ROOT = "wp/v1"
_ID = re.compile(r"[a-z0-9_-]{1,64}")
# Words that stand where a name would.
_TAKEN = {
    "event": "which is a topic beside the gateways'",
    "journal": "which is a place of the ingestor's API",
}
_METER = re.compile(r"[A-Za-z0-9._-]{1,128}")
# What a gateway's topic may end in: segments, receipts, health, requests to send again.
KINDS = ("seg", "rcpt", "state", "req")


@dataclass(frozen=True)
class GatewayTopic:
    """`wp/v1/<site>/<gateway>/<kind>`"""

    site: str
    gateway: str
    kind: str

    def __str__(self) -> str:
        return f"{ROOT}/{self.site}/{self.gateway}/{self.kind}"


def is_id(text: str) -> bool:
    """Whether `text` may name a site or a gateway."""
    return not id_problem(text)


def id_problem(text: str) -> str:
    """Why `text` names no site and no gateway; "" if it may."""
    if text in _TAKEN:
        return f"may not be `{text}`, {_TAKEN[text]}; take another name"
    return "" if _ID.fullmatch(text) else "is lower-case letters, digits, _ and -"


def source_problem(text: str) -> str:
    """Why `text` names no source of events with a topic of its own; "" if it may."""
    if text in KINDS:
        return f"may not be `{text}`, which ends topics of gateways; take another name"
    return "" if _METER.fullmatch(text) else "is letters, digits, . _ and -"


def client_id(site: str, gateway: str) -> str:
    """A gateway's name at the broker, also in its certificate; no id has a dot in it."""
    return f"{site}.{gateway}"


@lru_cache(maxsize=8192)  # asked of every table of every segment
def is_meter(text: str) -> bool:
    """Whether `text` may name a meter."""
    return _METER.fullmatch(text) is not None


def events(site: str, source: str | None = None) -> str:
    """Where a plant's system publishes production events: a source's own, or all sources'."""
    return f"{ROOT}/{site}/event" + (f"/{source}" if source else "")


def event_receipts(site: str, source: str) -> str:
    """Where the ingestor signs for production events of one source; retained."""
    return f"{ROOT}/{site}/event/rcpt/{source}"


def batch(site: str, batch_id: str) -> str:
    """Where the calculator publishes a batch's live footprint."""
    return f"{ROOT}/{site}/batch/{batch_id}"


def alarm(site: str, kind: str, alarm_id: str) -> str:
    """Where the calculator says that something needs a person; retained while it does."""
    return f"{ROOT}/{site}/alarm/{kind}/{alarm_id}"


def parse_gateway(topic: str) -> GatewayTopic:
    """Read a gateway's topic. Raises BadData."""
    parts = topic.split("/")
    if len(parts) != 5 or "/".join(parts[:2]) != ROOT or parts[4] not in KINDS:
        raise BadData(f"not a gateway topic: {topic}")
    if not (is_id(parts[2]) and is_id(parts[3])):
        raise BadData(f"bad site or gateway id in topic {topic}")
    return GatewayTopic(parts[2], parts[3], parts[4])


def parse_event(topic: str) -> tuple[str, str | None]:
    """The site of a production event topic, and the source whose own it is. Raises BadData."""
    parts = topic.split("/")
    if len(parts) not in (4, 5) or "/".join(parts[:2]) != ROOT or parts[3] != "event":
        raise BadData(f"not an event topic: {topic}")
    if not is_id(parts[2]):
        raise BadData(f"bad site id in topic {topic}")
    if len(parts) == 5 and source_problem(parts[4]):
        raise BadData(f"bad source in topic {topic}")
    return parts[2], parts[4] if len(parts) == 5 else None
