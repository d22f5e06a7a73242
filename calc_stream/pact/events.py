"""CloudEvents of PACT v3: judged when they come, made when they leave."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec

from calc_stream.core.decimals import instant
from calc_stream.pact import validator
from calc_stream.pact.filters import MOMENTS, WORDS, Criteria, asked
from calc_stream.pact.kinds import moment, uuid
from calc_stream.pact.model import Error, ProductFootprint
from wire.errors import BadData

MEDIA_TYPE = "application/cloudevents+json"
_NAMES = "org.wbcsd.pact.ProductFootprint."
Kind = Literal["RequestCreated", "RequestFulfilled", "RequestRejected", "Published"]
_TYPES: dict[str, Kind] = {
    f"{_NAMES}RequestCreatedEvent.3": "RequestCreated",
    f"{_NAMES}RequestFulfilledEvent.3": "RequestFulfilled",
    f"{_NAMES}RequestRejectedEvent.3": "RequestRejected",
    f"{_NAMES}PublishedEvent.3": "Published",
}
_MOST_TOLD = 5  # problems of a document, in one answer
_LONGEST = 1000  # characters of what is kept of an event beside its documents


class Event(msgspec.Struct, frozen=True):
    """One that came. `data` is judged by what reads it."""

    kind: Kind
    id: str
    source: str
    data: dict[str, Any]


class _Sent(msgspec.Struct, frozen=True):
    type: str
    specversion: str
    id: str
    source: str
    time: str
    data: Any


class Asked(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A request of ours: values of one name are alternatives, names are all to be met."""

    product_id: Sequence[str] = ()
    company_id: Sequence[str] = ()
    valid_on: str = ""
    status: str = ""
    comment: str = ""


class Fulfilled(msgspec.Struct, frozen=True, rename={"request": "requestEventId"}):
    """The answer to a request."""

    request: str
    pfs: Sequence[ProductFootprint]


class Rejected(msgspec.Struct, frozen=True, rename={"request": "requestEventId"}):
    """The answer to a request nothing fits."""

    request: str
    error: Error


class Published(msgspec.Struct, frozen=True, rename={"ids": "pfIds"}):
    """What is new."""

    ids: Sequence[str]


def read(body: bytes) -> Event:
    """Raises BadData."""
    found = validator.parse(body)
    if not isinstance(found, dict):
        raise BadData("an event is one JSON object")
    for name in ("type", "id", "source", "time", "specversion"):
        if not isinstance(found.get(name), str) or not found[name]:
            raise BadData(f"{name} is missing")
        if len(found[name]) > _LONGEST:
            raise BadData(f"{name} is longer than {_LONGEST} characters")
    if found["specversion"] != "1.0":
        raise BadData("specversion is 1.0")
    if found["type"] not in _TYPES:
        raise BadData(f"{found['type']!a:.90} is not handled; known: {', '.join(_TYPES)}")
    if not isinstance(found.get("data"), dict):
        raise BadData("data is missing, or is no object")
    return Event(_TYPES[found["type"]], found["id"], found["source"], found["data"])


def made(
    data: Asked | Fulfilled | Rejected | Published, id_: str, source: str, now_ms: int
) -> bytes:
    """One of ours, as it is sent."""
    type_ = f"{_NAMES}{_OF[type(data)]}Event.3"
    return msgspec.json.encode(_Sent(type_, "1.0", id_, source, instant(now_ms), data))


_OF: dict[type, Kind] = {
    Asked: "RequestCreated",
    Fulfilled: "RequestFulfilled",
    Rejected: "RequestRejected",
    Published: "Published",
}


def wanted(event: Event) -> Criteria:
    """What a request asks for. Raises BadData."""
    return asked(_pairs(event.data))


def _pairs(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in data.items():
        if name == "comment":
            continue
        if name in MOMENTS:
            if (fault := moment(value)) is not None:
                raise BadData(f"data.{name}: {fault[0]}; {fault[1]}")
            yield name, value
            continue
        values = value if isinstance(value, list) else [value]
        if name in WORDS and not (values and all(isinstance(each, str) for each in values)):
            raise BadData(f"data.{name}: is no list of texts with something in it")
        for each in values:
            yield name, str(each)


def request_of(event: Event) -> str:
    """The id of the request it answers. Raises BadData."""
    told = event.data.get("requestEventId")
    if not isinstance(told, str) or not told:
        raise BadData("data.requestEventId: is missing")
    return told


def footprints(event: Event) -> list[dict[str, Any]]:
    """What a partner answered, every document a good one. Raises BadData."""
    found = event.data.get("pfs")
    if not isinstance(found, list) or not found:
        raise BadData("data.pfs: is no list with something in it")
    wrong = [(n, p) for n, each in enumerate(found) for p in validator.problems(each)]
    if wrong:
        told = "; ".join(f"/data/pfs/{n}{problem}" for n, problem in wrong[:_MOST_TOLD])
        raise BadData(f"not good, in {len(wrong)} places: {told}")
    return found


def rejection(event: Event) -> Error:
    """Why a partner has nothing for us. Raises BadData."""
    try:
        return msgspec.convert(event.data.get("error"), Error)
    except msgspec.ValidationError as exc:
        raise BadData(f"data.error: {exc}") from exc


def published(event: Event) -> list[str]:
    """The ids a partner published. Raises BadData."""
    ids = event.data.get("pfIds")
    if not isinstance(ids, list) or not ids:
        raise BadData("data.pfIds: is no list with something in it")
    for place, each in enumerate(ids):
        if (fault := uuid(each)) is not None:
            raise BadData(f"data.pfIds/{place}: {fault[0]}; {fault[1]}")
    return ids
