"""Pure: what one record of the journal is, and how records are chained."""

import hashlib
from collections.abc import Iterable

import msgspec

from wire.errors import BadData

KINDS = ("segment", "event", "model", "factor", "key", "correction")
GENESIS = "0" * 64  # chain value before a site's first record


class Entry(msgspec.Struct, frozen=True):
    """What is to be appended. `key` is unique within its kind and site.

    A model or factor set that comes into force again after another one gets /2, /3 … behind its key.

    kind     key                          data
    segment  <gateway>/<stream>/<seq>     the sealed bytes, exactly as they came
    event    the event's id               the event as JSON
    model    SHA-256 of data              the site model, TOML
    factor   SHA-256 of data              the factor set in force, JSON
    key      the key's id                 {site, gateway, public_key, from_ms, until_ms, revoked}
    correction  <gateway>/<stream>/<seq>  a refused segment's place: {type: refused, …, hash, reason}
    correction  <source>/<n>              a known event told under another number: {type: renumbered, …}
    """

    kind: str
    key: str
    data: bytes


class Record(msgspec.Struct, frozen=True):
    """An entry in its place. `hash` is the SHA-256 of data, `chain` binds it to all before it."""

    site: str
    offset: int
    kind: str
    key: str
    hash: str
    prev: str
    chain: str
    t_ms: int
    data: bytes


def link(site: str, offset: int, entry: Entry, prev: str, t_ms: int) -> Record:
    """The record `entry` becomes at `offset`, after the record whose chain value is `prev`."""
    digest = hashlib.sha256(entry.data).hexdigest()
    chained = msgspec.json.encode((site, offset, entry.kind, entry.key, digest, prev, t_ms))
    chain = hashlib.sha256(chained).hexdigest()
    return Record(site, offset, entry.kind, entry.key, digest, prev, chain, t_ms, entry.data)


def verify_chain(records: Iterable[Record], prev: str = GENESIS, after: int = 0) -> tuple[int, str]:
    """Walk records from `after` on; (last offset, its chain value). Raises BadData at a break."""
    for record in records:
        if record.offset != after + 1:
            raise BadData(f"{record.site}: offset {record.offset} follows {after}")
        entry = Entry(record.kind, record.key, record.data)
        if link(record.site, record.offset, entry, prev, record.t_ms) != record:
            raise BadData(f"{record.site}: record {record.offset} is not what was appended")
        after, prev = record.offset, record.chain
    return after, prev
