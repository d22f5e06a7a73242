"""Pure: what one record of the journal is, and how records are chained."""

import hashlib
from collections.abc import Iterable

import msgspec

from wire.errors import BadData

KINDS = (
    *("segment", "event", "model", "factor", "key", "correction", "head", "gap", "reading"),
    *("stamp", "cosignature", "heartbeat"),
)
GENESIS = "0" * 64  # chain value before a site's first record


class Entry(msgspec.Struct, frozen=True):
    """What is to be appended. `key` is unique within its kind and site.

    What comes again gets /2, /3 … behind its key: a model or factor set in force once more after
    another one, a later word about a key, a day lived twice by a clock that was set.

    kind     key                          data
    segment  <gateway>/<stream>/<seq>     the sealed bytes, exactly as they came
    event    the event's id               the event as JSON
    model    SHA-256 of data              the site model, TOML
    factor   SHA-256 of data              the factor set in force, JSON
    key      the key's id                 {site, gateway, public_key, from_ms, until_ms, revoked, holder}
    head     the UTC day, 2026-11-25      the signed tree head of all records before it, see `heads.py`
    stamp    <size of the head>           a TimeStampResp of RFC 3161 over the head's data, DER
    cosignature  <size>/<key id>          an auditor's signature beside a head's, see `cosigned.py`
    heartbeat  <source>[/<epoch>]/<UTC ms>  a sender's heartbeat once all it counts is here, one a while
    reading  the statement's id           a manual reading, delivery or bill, see `wire/statements.py`
    gap      <gateway>/<stream>/<seq>     the gap record in the place of this number and more
    correction  <gateway>/<stream>/<seq>  a refused segment's place: {type: refused, …, hash, reason}
    correction  <source>/<n>              a known event told under another number: {type: renumbered, …}
    correction  the statement's id        a correction or void of readings, with its reason
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


def chained(record: Record) -> bytes:
    """What a record's chain value is the hash of, and what its leaf in the tree stands for."""
    place = (record.site, record.offset, record.kind, record.key)
    return msgspec.json.encode((*place, record.hash, record.prev, record.t_ms))


def link(site: str, offset: int, entry: Entry, prev: str, t_ms: int) -> Record:
    """The record `entry` becomes at `offset`, after the record whose chain value is `prev`."""
    digest = hashlib.sha256(entry.data).hexdigest()
    loose = Record(site, offset, entry.kind, entry.key, digest, prev, "", t_ms, entry.data)
    chain = hashlib.sha256(chained(loose)).hexdigest()
    return msgspec.structs.replace(loose, chain=chain)


def check_link(record: Record, after: int, prev: str) -> None:
    """Raises BadData unless `record` follows offset `after`, whose chain value is `prev`."""
    if record.offset != after + 1:
        raise BadData(f"{record.site}: offset {record.offset} follows {after}")
    entry = Entry(record.kind, record.key, record.data)
    if link(record.site, record.offset, entry, prev, record.t_ms) != record:
        raise BadData(f"{record.site}: record {record.offset} is not what was appended")


def verify_chain(records: Iterable[Record], prev: str = GENESIS, after: int = 0) -> tuple[int, str]:
    """Walk records from `after` on; (last offset, its chain value). Raises BadData at a break."""
    for record in records:
        check_link(record, after, prev)
        after, prev = record.offset, record.chain
    return after, prev
