"""Whatever stands in an event is understood or refused, and breaks nothing."""

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calc_stream.pact import events
from tests.unit.calc_stream_pact import published_schema
from wire.errors import BadData

_ANY = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
_NAMES = st.sampled_from(
    ["requestEventId", "pfs", "error", "pfIds", "productId", "validOn", "status", "comment", "x"]
)


@given(st.dictionaries(_NAMES, _ANY))
def test_data_of_any_kind_is_read_or_refused(data: dict[str, Any]) -> None:
    event = events.Event("Published", "1", "s", data)
    for read in (events.wanted, events.footprints, events.rejection, events.published):
        with suppress(BadData):
            read(event)


@given(
    st.dictionaries(st.sampled_from(["type", "id", "source", "time", "specversion", "data"]), _ANY)
)
def test_an_envelope_of_any_kind_is_read_or_refused(envelope: dict[str, Any]) -> None:
    with pytest.raises(BadData):
        events.read(msgspec.json.encode(envelope))


def test_ours_are_what_the_published_schema_wants_and_can_be_read_again() -> None:
    ids = ["3fa85f64-5717-4562-b3fc-2c963f66afa6"]
    body = events.made(events.Published(ids), "e1", "https://w.example.com/3/events", 0)
    published_schema.published.validate(msgspec.json.decode(body))
    event = events.read(body)
    assert (event.kind, event.id) == ("Published", "e1")
    assert events.published(event) == ids
