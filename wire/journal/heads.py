"""Pure: signed tree heads, and proofs that stand on them. Whoever checks needs no journal.

Once a UTC day the ingestor appends a head to a site's journal (a record of kind `head`): the root of
the Merkle tree over all records before it. A leaf stands for what a record's chain value is the hash
of, so for its place, kind, key, time and the hash of its data.
"""

import base64
import hashlib
from collections.abc import Sequence

import msgspec

from wire.errors import BadData
from wire.journal import merkle
from wire.journal.record import Record, chained
from wire.signing import PublicKey, SigningKey

KIND = "head"


class TreeHead(msgspec.Struct, frozen=True):
    """The first `size` records of a site, signed by the ingestor's receipt key `key`.

    `day`: the UTC day it closes; `chain`: the chain value of record `size`; `peaks`: the roots of
    the tree's complete parts, the largest first, from which it goes on. Hashes are in hex.
    """

    site: str
    day: str
    size: int
    root: str
    chain: str
    time_ms: int
    peaks: tuple[str, ...]
    key: str = ""
    sig: str = ""


class Inclusion(msgspec.Struct, frozen=True, tag_field="proof", tag="inclusion"):
    """That a record is one of those a head stands for. The record comes without its data."""

    record: Record
    path: tuple[str, ...]
    head: TreeHead


class Consistency(msgspec.Struct, frozen=True, tag_field="proof", tag="consistency"):
    """That the journal of the later head begins with the whole journal of the earlier one."""

    old: TreeHead
    new: TreeHead
    path: tuple[str, ...]


def sign_head(head: TreeHead, key: SigningKey) -> TreeHead:
    """The head as `key` signs it; its `key` and `sig` are filled in."""
    named = msgspec.structs.replace(head, key=key.public.id)
    signature = base64.b64encode(key.sign(text_of(named))).decode()
    return msgspec.structs.replace(named, sig=signature)


def check_head(head: TreeHead, key: PublicKey) -> None:
    """Raises BadData unless `key` signed it and its peaks make its root."""
    where = f"tree head of {head.site}, {head.day}"
    if head.key != key.id:
        raise BadData(f"{where}: names key {head.key}, not {key.id}")
    try:
        key.check(head.sig, text_of(head))
    except BadData as exc:
        raise BadData(f"{where}: {exc}") from exc
    if merkle.root(_raw(head.peaks)).hex() != head.root or len(head.peaks) != head.size.bit_count():
        raise BadData(f"{where}: its peaks are not those of its root")


def check(proof: Inclusion | Consistency, key: PublicKey) -> None:
    """Raises BadData unless the proof holds and `key` signed the heads it stands on."""
    if isinstance(proof, Inclusion):
        record, head = proof.record, proof.head
        check_head(head, key)
        if record.site != head.site:
            raise BadData(f"a record of {record.site} is none of {head.site}")
        if hashlib.sha256(chained(record)).hexdigest() != record.chain:
            raise BadData("the record's chain value is not its own")
        check_path(proof)
        return
    old, new = proof.old, proof.new
    for head in (old, new):
        check_head(head, key)
    if old.site != new.site:
        raise BadData(f"a journal of {new.site} does not go on from one of {old.site}")
    check_growth(proof)


def check_growth(proof: Consistency) -> None:
    """Raises BadData unless the later tree begins with the earlier one, whoever signed them."""
    old, new = proof.old, proof.new
    roots = _raw([old.root, new.root])
    merkle.check_consistency(old.size, new.size, _raw(proof.path), *roots)


def check_path(proof: Inclusion) -> None:
    """Raises BadData unless the path leads from the record to the head's root, whoever signed that."""
    leaf, head = leaf_of(proof.record), proof.head
    place = proof.record.offset - 1, head.size
    merkle.check_inclusion(leaf, *place, _raw(proof.path), *_raw([head.root]))


def tree_after(head: TreeHead | None, leaves: Sequence[bytes]) -> merkle.Tree:
    """The tree that `head`, or nothing, and the leaves after it make."""
    if head is None:
        return merkle.Tree((), 0, leaves)
    return merkle.Tree(_raw(head.peaks), head.size, leaves)


def consistency(old: TreeHead, new: TreeHead, leaves: Sequence[bytes]) -> Consistency:
    """That `new` goes on from `old`, from the leaves between them. It is not checked."""
    path = tree_after(old, leaves).consistency(old.size, new.size)
    return Consistency(old, new, tuple(each.hex() for each in path))


def leaf_of(record: Record) -> bytes:
    """A record's leaf; its data may be missing."""
    return merkle.leaf_hash(chained(record))


def read_head(record: Record) -> TreeHead:
    """What a record of kind `head` says. Raises BadData."""
    try:
        return msgspec.json.decode(record.data, type=TreeHead)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise BadData(f"{record.site}: record {record.offset} is no tree head: {exc}") from exc


def read_proof(data: bytes) -> Inclusion | Consistency:
    """A proof as it was written. Raises BadData."""
    try:
        return msgspec.json.decode(data, type=Inclusion | Consistency)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise BadData(f"not a proof: {exc}") from exc


def text_of(head: TreeHead) -> bytes:
    """What is signed: a C2SP tlog-checkpoint whose other lines are our own. Raises BadData."""
    root = base64.b64encode(*_raw([head.root])).decode()
    own = f"day {head.day}\nchain {head.chain}\ntime {head.time_ms}\n"
    return f"wattprint/{head.site}\n{head.size}\n{root}\n{own}".encode()


def _raw(hashes: Sequence[str]) -> list[bytes]:
    """Written in the one way there is, so that no other text passes for the same."""
    try:
        found = [bytes.fromhex(each) for each in hashes]
    except ValueError as exc:
        raise BadData(f"not a hash in hex: {exc}") from exc
    if [each.hex() for each in found] != list(hashes):
        raise BadData("a hash is written in small hex digits")
    return found
