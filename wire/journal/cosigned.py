"""Pure: an auditor's signature beside an ingestor's, on a tree head he saw and checked.

An ingestor can sign two histories and show each to somebody else. Whoever signs only heads that go on
from the last one he signed cannot be shown both; and a head that carries his signature is of the
history he was shown. What is signed is a C2SP tlog-cosignature of version 1.
"""

import base64

import msgspec

from wire.errors import BadData
from wire.journal.heads import Consistency, TreeHead, check_growth, check_head, text_of
from wire.signing import PublicKey, SigningKey

KIND = "cosignature"


class Cosignature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """That at `time_s` (Unix) the holder of `public_key` knew no later head of the site than this one,
    and that it goes on from all he had signed before."""

    site: str
    size: int
    root: str
    time_s: int
    public_key: str
    sig: str = ""

    @property
    def id(self) -> str:
        """Of the key. Raises BadData."""
        return PublicKey.parse(self.public_key).id

    @property
    def key(self) -> str:
        """The journal's key for it. Raises BadData."""
        return f"{self.size}/{self.id}"


class Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an auditor remembers of a site: the last head he signed, and whose signature it must have."""

    head: TreeHead
    keys: tuple[str, ...]


def go_on(seen: Seen | None, told: TreeHead | Consistency, keys: list[PublicKey]) -> Seen:
    """What is remembered once the newest head of `told` is signed.

    Raises BadData for a head that no key of the ingestor signed, and for one that does not go on from
    the last: then there are two histories.
    """
    new = told if isinstance(told, TreeHead) else told.new
    trusted = {key.id: key for key in keys}
    trusted |= {key.id: key for key in map(PublicKey.parse, seen.keys if seen else ())}
    if new.key not in trusted:
        raise BadData(
            f"the head of {new.day} is signed by {new.key}, no key you trust: see --trust"
        )
    check_head(new, trusted[new.key])
    if seen is not None:
        _check_follows(seen.head, told)
    return Seen(new, tuple(str(key) for key in trusted.values()))


def cosign(head: TreeHead, key: SigningKey, time_s: int) -> Cosignature:
    """The head as `key` signs it, too."""
    bare = Cosignature(head.site, head.size, head.root, time_s, str(key.public))
    signature = key.sign(message(text_of(head), time_s))
    return msgspec.structs.replace(bare, sig=base64.b64encode(signature).decode())


def check_cosignature(told: Cosignature, head: TreeHead) -> PublicKey:
    """Whose it is. Raises BadData unless it is a signature of this very head."""
    if (told.site, told.size, told.root) != (head.site, head.size, head.root):
        raise BadData(f"is of another head than that of {head.day}")
    public = PublicKey.parse(told.public_key)
    if str(public) != told.public_key:
        raise BadData("its key is not written the one way base64 has")
    public.check(told.sig, message(text_of(head), told.time_s))
    return public


def read_cosignature(data: bytes) -> Cosignature:
    """Raises BadData."""
    try:
        return msgspec.json.decode(data, type=Cosignature)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise BadData(f"not a cosignature: {exc}") from exc


def message(checkpoint: bytes, time_s: int) -> bytes:
    """What is signed of a checkpoint."""
    return f"cosignature/v1\ntime {time_s}\n".encode() + checkpoint


def _check_follows(last: TreeHead, told: TreeHead | Consistency) -> None:
    new = told if isinstance(told, TreeHead) else told.new
    if new.site != last.site:
        raise BadData(f"a journal of {new.site} does not go on from one of {last.site}")
    if new.size < last.size:
        raise BadData(
            f"the head of {new.day} is of {new.size} records; {last.size} are signed already"
        )
    if new.size == last.size:
        if new.root != last.root:
            raise BadData(_two_histories(last, new))
        return
    if isinstance(told, TreeHead):
        raise BadData(
            f"a proof is needed that the head of {new.day} goes on from that of {last.day}: "
            f"wattprint journal consistency {last.day} {new.day}"
        )
    if (told.old.size, told.old.root) != (last.size, last.root):
        if told.old.size == last.size:
            raise BadData(_two_histories(last, told.old))
        raise BadData(f"the proof goes on from {told.old.size} records, not from {last.size}")
    try:
        check_growth(Consistency(last, new, told.path))
    except BadData as exc:
        raise BadData(f"{_two_histories(last, new)}: {exc}") from exc


def _two_histories(last: TreeHead, other: TreeHead) -> str:
    return (
        f"there are two histories of {last.site}: the {last.size} records signed on {last.day} are "
        f"not the beginning of what the head of {other.day} stands for"
    )
