"""What the ingestor says of itself: how every site, stream, source and sink stands."""

import msgspec

from wire.messages import GatewayState

Range = tuple[int, int]


class StreamStatus(msgspec.Struct, frozen=True):
    """A gateway's stream: everything up to `upto` is decided on, `gaps` are missing, `lost` will never
    come, by the gateway's own word."""

    upto: int
    gaps: list[Range]
    lost: list[Range]


class SourceStatus(msgspec.Struct, frozen=True):
    """A source of production events (`name`, or `name/epoch`); `heartbeat_ms`: when it last said that
    it is alive."""

    upto: int
    gaps: list[Range]
    heartbeat_ms: int | None


class SinkStatus(msgspec.Struct, frozen=True):
    """A database: it has everything of the site's journal up to `offset`."""

    state: str
    offset: int


class SiteStatus(msgspec.Struct, frozen=True):
    """One site. What the journal adds up to; receipts, duplicates and refusals since the start."""

    offset: int
    segments: int
    readings: int
    events: int
    receipts: int
    duplicates: int
    quarantined: int
    refused: int
    streams: dict[str, StreamStatus]
    sources: dict[str, SourceStatus]
    gateways: dict[str, GatewayState]
    sinks: dict[str, SinkStatus]


class Status(msgspec.Struct, frozen=True):
    """The whole ingestor; `broker`: connected, or not."""

    broker: str
    sites: dict[str, SiteStatus]
