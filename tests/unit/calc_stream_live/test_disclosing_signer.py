"""What is disclosed is judged even where the calculator itself would sign something else."""

import base64
import hashlib
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from calc_stream.disclosing import TYPES, open_discloser
from calc_stream.evidence import disclosure
from calc_stream.evidence.bundle import pretty, read_bundle
from calc_stream.evidence.bundle_file import pack, unpack
from calc_stream.evidence.disclosure import (
    Commitment,
    Committed,
    Document,
    Shown,
    commit,
    disclose,
    leaf_of,
    read_document,
    root_of,
)
from calc_stream.evidence.levels import load_levels, shown_at
from calc_stream.verification import verify
from tests.unit.calc_stream_live.footprints_sample import sample
from tests.unit.calc_stream_live.plant import SITE
from tests.unit.calc_stream_live.proven_days import ProvenDays, bundled, published
from wire.errors import BadData
from wire.signing import SigningKey

SECRETS = bytes(range(32))


def test_a_signer_cannot_show_a_field_that_is_not_under_the_root(tmp_path: Path) -> None:
    """Not even the calculator: its signature on the document does not make a leaf."""
    discloser = open_discloser(tmp_path, lambda _: SECRETS)
    committed, other = discloser.committed(sample()), msgspec.structs.replace(sample(), kg_co2e="1")
    forged = disclose(committed, other, lambda _: True, ("auditor", "x", 1), discloser.key)
    with pytest.raises(BadData, match="leaves: are not those of the root"):
        read_document(forged)


def test_a_signer_cannot_have_two_fields_of_one_name(tmp_path: Path) -> None:
    """Of which each would be shown to somebody else, under one root."""
    discloser = open_discloser(tmp_path, lambda _: SECRETS)
    public = shown_at(load_levels(TYPES), "footprint", "public")
    honest = msgspec.json.decode(discloser.document(sample(), public, "x", "y", 1), type=Document)
    last, salt = honest.shown[-1], "0" * 32
    leaf = leaf_of(salt, last.name, "better")
    leaves = (*honest.leaves, leaf.hex())
    twice = (*honest.shown, Shown(len(honest.leaves), last.name, "better", salt))
    root = root_of([bytes.fromhex(each) for each in leaves]).hex()
    signed = _signed_anew(honest, discloser.key, root, shown=twice, leaves=leaves)
    with pytest.raises(BadData, match=f"{last.name}: is not in its place"):
        read_document(signed)


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("format", "format: 2 is not known here"),
        ("site", "site: is not that of the commitment"),
        ("id", "id: is not that of the commitment"),
        ("salt", "id: a salt has 16 bytes"),
        ("short leaf", "leaves: a hash is 64 small hex digits"),
        ("large leaf", "leaves: a hash is 64 small hex digits"),
    ],
)
def test_a_signer_must_keep_to_the_form(what: str, why: str, tmp_path: Path) -> None:
    """What the calculator signs of itself is judged like anybody's."""
    discloser = open_discloser(tmp_path, lambda _: SECRETS)
    buyer = shown_at(load_levels(TYPES), "footprint", "buyer")
    honest = msgspec.json.decode(discloser.document(sample(), buyer, "x", "y", 1), type=Document)
    changes: dict[str, object] = {}
    if what == "format":
        changes = {"format": 2}
    elif what in ("site", "id"):
        other = msgspec.structs.replace(honest.commitment, **{what: "another"})
        changes = {"commitment": other}
    elif what == "salt":
        (its,) = (each for each in honest.shown if each.name == "id")
        salted = msgspec.structs.replace(its, salt="00")
        leaf = leaf_of("00", its.name, its.value).hex()
        shown = tuple(salted if each is its else each for each in honest.shown)
        changes = {"shown": shown, "leaves": _with_leaf(honest, its.leaf, leaf)}
    else:
        last = honest.leaves[-1]
        odd = last[:-2] if what == "short leaf" else last.upper()
        changes = {"leaves": _with_leaf(honest, len(honest.leaves) - 1, odd)}
    told = msgspec.structs.replace(honest, **changes)
    root = root_of([bytes.fromhex(each) for each in told.leaves]).hex()
    with pytest.raises(BadData, match=why):
        read_document(_signed_anew(told, discloser.key, root))


def _with_leaf(told: Document, at: int, leaf: str) -> tuple[str, ...]:
    return (*told.leaves[:at], leaf, *told.leaves[at + 1 :])


def test_what_is_signed_is_told_apart_from_all_else_the_key_signs(tmp_path: Path) -> None:
    """Checked by another library over the bytes themselves: a root is signed with kind, site and id."""
    discloser = open_discloser(tmp_path, lambda _: SECRETS)
    figure = sample()
    its = discloser.committed(figure).commitment
    id_ = hashlib.sha256(figure.id.encode()).hexdigest()
    text = f"wattprint disclosure 1\nfootprint\n{figure.site}\n{id_}\n{its.root}\n"
    public = Ed25519PublicKey.from_public_bytes(discloser.key.public.raw)
    public.verify(base64.b64decode(its.sig), text.encode())
    data = discloser.document(figure, lambda _: True, "auditor", "x", 1)
    told = msgspec.json.decode(data, type=Document)
    bare = data.replace(f'"sig": "{told.sig}"'.encode(), b'"sig": ""')
    public.verify(base64.b64decode(told.sig), b"wattprint disclosed document 1\n" + bare)


def _signed_anew(told: Document, key: SigningKey, root: str, **changes: object) -> bytes:
    bare = msgspec.structs.replace(told.commitment, root=root, sig="")
    sealed = msgspec.structs.replace(bare, sig=_sig(key, disclosure._text(bare)))
    made = msgspec.structs.replace(told, commitment=sealed, sig="", **changes)
    return pretty(msgspec.structs.replace(made, sig=_sig(key, disclosure._whole(made))))


def _sig(key: SigningKey, message: bytes) -> str:
    return base64.b64encode(key.sign(message)).decode()


def test_no_two_figures_share_a_salt(tmp_path: Path) -> None:
    """Else whoever sees a field of one could try out what the other hides."""
    discloser = open_discloser(tmp_path, lambda _: SECRETS)
    one = sample()
    others = (msgspec.structs.replace(one, **{name: "another"}) for name in ("id", "site"))
    salts = [salt for each in (one, *others) for salt in discloser.committed(each).salts.values()]
    assert len(set(salts)) == len(salts)


def test_the_root_in_a_bundle_is_that_of_its_figure(tmp_path: Path) -> None:
    """Whose figure it is, by name and by every field, and that its key signed that."""
    plant = ProvenDays(tmp_path)
    plant.two_days()
    first, second = published(plant)
    bundle = read_bundle(unpack(bundled(plant, second)))
    discloser = open_discloser(tmp_path / "calc", lambda _: SECRETS)
    honest = discloser.committed(second)
    its = honest.commitment

    def judged(told: Committed) -> Commitment | None:
        return verify(pack(replace(bundle, disclosed=pretty(told)).files())).disclosed

    def named(*name: str) -> Committed:
        kind = "batch" if name[0] == "batch" else "footprint"
        salted = honest.salts.__getitem__
        return commit(kind, *name[1:], second, lambda n: bytes.fromhex(salted(n)), discloser.key)

    assert judged(honest) == its
    assert judged(named("footprint", SITE, second.id)) == its
    strangers = msgspec.structs.replace(its, key=str(SigningKey.new().public))
    for told, why in (
        (discloser.committed(first), "its root is not that of the figure"),
        (msgspec.structs.replace(honest, salts={**honest.salts, "good": "00"}), "its root is not"),
        (msgspec.structs.replace(honest, salts={"good": "00"}), "its fields are not those"),
        (msgspec.structs.replace(honest, commitment=strangers), "signature does not match"),
        (named("batch", SITE, second.id), "is of another figure"),
        (named("footprint", "elsewhere", second.id), "is of another figure"),
        (named("footprint", SITE, first.id), "is of another figure"),
    ):
        with pytest.raises(BadData, match=f"disclosed.json: .*{why}"):
            judged(told)
    plant.writer.close()
