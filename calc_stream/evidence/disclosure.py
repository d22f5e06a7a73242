"""Pure: a figure disclosed field by field, to each as much as he is to know.

Each field is a leaf, the hash of its salt, name and value; the leaves in the order of names make a tree
(RFC 6962) whose root the calculator signs. Whoever gets a document sees the fields that are shown, and
of each other one its leaf alone. From that nothing can be guessed, for a salt has 128 bits that nobody
else knows. What all get is of one root, so nobody can be shown another figure unnoticed.
"""

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from calc_stream.evidence.bundle import pretty
from wire.errors import BadData
from wire.journal import merkle
from wire.signing import PublicKey, SigningKey

FORMAT = 1
Kind = Literal["footprint", "batch"]
SALT_BYTES = 16
Salted = Callable[[str], bytes]


class Commitment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The root over all fields of a figure, signed by the calculator's `key`. `id`: of a batch with its
    revision behind a stroke."""

    kind: Kind
    site: str
    id: str
    root: str
    key: str
    sig: str = ""


class Committed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The same with the salts of all fields: for those who have all of them, too."""

    commitment: Commitment
    salts: dict[str, str]


class Shown(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A field, and which leaf it is, counted from 0."""

    leaf: int
    name: str
    value: Any
    salt: str


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody gets. `leaves`: of all fields; `sig`: the calculator's, over all of the above."""

    format: int
    commitment: Commitment
    level: str
    to: str
    issued_ms: int
    shown: tuple[Shown, ...]
    leaves: tuple[str, ...]
    sig: str = ""


class Disclosed(msgspec.Struct, frozen=True):
    """A document that holds. `is_pinned`: whether whoever asked knew the key, else he has to."""

    document: Document
    key: str
    is_pinned: bool
    hidden: int


def fields_of(figure: object) -> dict[str, Any]:
    """Every field of a struct by name, in the order of names; what has parts, part by part."""
    found: dict[str, Any] = {}
    for name, value in msgspec.to_builtins(figure).items():
        if isinstance(value, dict) and value:
            found |= {f"{name}.{key}": part for key, part in value.items()}
        else:
            found[name] = value
    return dict(sorted(found.items()))


def commit(
    kind: Kind, site: str, id_: str, figure: object, salted: Salted, key: SigningKey
) -> Committed:
    """`salted`: the salt of a field."""
    fields = fields_of(figure)
    salts = {name: salted(name).hex() for name in fields}
    leaves = [leaf_of(salts[name], name, value) for name, value in fields.items()]
    bare = Commitment(kind, site, id_, root_of(leaves).hex(), str(key.public))
    signed = msgspec.structs.replace(bare, sig=_signed(key, _text(bare)))
    return Committed(signed, salts)


def disclose(
    committed: Committed,
    figure: object,
    shown: Callable[[str], bool],
    about: tuple[str, str, int],
    key: SigningKey,
) -> bytes:
    """The document for somebody. `shown`: whether he is to see a field; `about`: level, to, issued_ms."""
    fields, salts = fields_of(figure), committed.salts
    bare = Document(
        *(FORMAT, committed.commitment, *about),
        tuple(
            Shown(at, name, value, salts[name])
            for at, (name, value) in enumerate(fields.items())
            if shown(name)
        ),
        tuple(leaf_of(salts[name], name, value).hex() for name, value in fields.items()),
    )
    return pretty(msgspec.structs.replace(bare, sig=_signed(key, _whole(bare))))


def read_document(data: bytes, keys: Iterable[PublicKey] = ()) -> Disclosed:
    """Raises BadData that names what does not hold. `keys`: the calculator's, known from elsewhere."""
    try:
        told = msgspec.json.decode(data, type=Document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise BadData(f"no document that was disclosed: {exc}") from exc
    if told.format != FORMAT:
        raise BadData(f"format: {told.format} is not known here")
    if pretty(told) != data:
        raise BadData("is not written the way a document is")
    public, is_pinned = check_commitment(told.commitment, keys)
    if told.commitment.root != root_of(_raw(told.leaves)).hex():
        raise BadData("leaves: are not those of the root")
    _check_shown(told)
    _check("sig", public, told.sig, _whole(msgspec.structs.replace(told, sig="")))
    return Disclosed(told, public.id, is_pinned, len(told.leaves) - len(told.shown))


def check_commitment(told: Commitment, keys: Iterable[PublicKey] = ()) -> tuple[PublicKey, bool]:
    """(who signed it, whether that is one of `keys`). Raises BadData."""
    known = {key.id: key for key in keys}
    public = PublicKey.parse(told.key)
    if known and public.id not in known:
        raise BadData(f"commitment: is signed by {public.id}, none of the keys given")
    if str(public) != told.key:
        raise BadData("commitment: its key is not written the one way base64 has")
    _check("commitment", public, told.sig, _text(told))
    return public, bool(known)


def check_committed(told: Committed, figure: object) -> None:
    """Raises BadData unless the root is that of this very figure."""
    fields = fields_of(figure)
    if list(told.salts) != list(fields):
        raise BadData("its fields are not those of the figure")
    leaves = [leaf_of(told.salts[name], name, value) for name, value in fields.items()]
    if root_of(leaves).hex() != told.commitment.root:
        raise BadData("its root is not that of the figure")


def leaf_of(salt: str, name: str, value: object) -> bytes:
    return merkle.leaf_hash(msgspec.json.encode((salt, name, value), order="deterministic"))


def root_of(leaves: Sequence[bytes]) -> bytes:
    peaks: tuple[bytes, ...] = ()
    for size, leaf in enumerate(leaves):
        peaks = merkle.grown(peaks, size, leaf)
    return merkle.root(peaks)


def _check_shown(told: Document) -> None:
    before, name_before = -1, ""
    for each in told.shown:
        # In the order of names there is one leaf of a name: two could be shown each to somebody else.
        if not before < each.leaf < len(told.leaves) or each.name <= name_before:
            raise BadData(f"{each.name}: is not in its place")
        before, name_before = each.leaf, each.name
        if len(each.salt) != 2 * SALT_BYTES:
            raise BadData(f"{each.name}: a salt has {SALT_BYTES} bytes")
        if leaf_of(each.salt, each.name, each.value).hex() != told.leaves[each.leaf]:
            raise BadData(f"{each.name}: is not what the calculator signed")
    its = {each.name: each.value for each in told.shown}
    for name, value in _names(told.commitment).items():
        if its.get(name, value) != value:
            raise BadData(f"{name}: is not that of the commitment")


def _names(told: Commitment) -> Mapping[str, str]:
    """What the commitment says of the figure that is a field of it, too."""
    if told.kind == "footprint":
        return {"site": told.site, "id": told.id}
    return {"site": told.site, "batch": told.id.rpartition("/")[0]}


def _text(told: Commitment) -> bytes:
    hash_ = hashlib.sha256(told.id.encode()).hexdigest()  # a batch's id may hold any character
    return f"wattprint disclosure 1\n{told.kind}\n{told.site}\n{hash_}\n{told.root}\n".encode()


def _whole(bare: Document) -> bytes:
    return b"wattprint disclosed document 1\n" + pretty(bare)


def _signed(key: SigningKey, message: bytes) -> str:
    return base64.b64encode(key.sign(message)).decode()


def _check(where: str, public: PublicKey, sig: str, message: bytes) -> None:
    try:
        public.check(sig, message)
    except BadData as exc:
        raise BadData(f"{where}: {exc}") from exc


def _raw(leaves: Sequence[str]) -> list[bytes]:
    try:
        found = [bytes.fromhex(each) for each in leaves]
    except ValueError as exc:
        raise BadData(f"leaves: not a hash in hex: {exc}") from exc
    if [each.hex() for each in found] != list(leaves) or any(len(each) != 32 for each in found):
        raise BadData("leaves: a hash is 64 small hex digits")
    return found
