"""The tree against values that others published.

Leaves, roots and inner nodes: the reference data of Certificate Transparency, as the public
`transparency-dev/merkle` has them (testonly/constants.go, after the C++ reference implementation's
merkletree tests). Which nodes make a proof: the worked example of RFC 6962, section 2.1.3.
"""

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.errors import BadData
from wire.journal import merkle
from wire.journal.merkle import (
    Tree,
    check_consistency,
    check_inclusion,
    grown,
    leaf_hash,
    node_hash,
)

GOLDEN = Path(__file__).parents[2] / "golden/merkle"
LEAVES = [
    bytes.fromhex(text)
    for text in (
        *("", "00", "10", "2021", "3031", "40414243", "5051525354555657"),
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = {
    0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    4: "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
# Of the tree of eight: level 0 are the leaves.
NODES = [
    [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "0298d122906dcfc10892cb53a73992fc5b9f493ea4c9badb27b791b4127a7fe7",
        "07506a85fd9dd2f120eb694f86011e5bb4662e5c415a62917033d4a9624487e7",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "4271a26be0d8a84f0bd54c8c302e7cb3a3b5d1fa6780a40bcce2873477dab658",
        "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
        "46f6ffadd3d06a09ff3c5860d2755c8b9819db7df44251788c7d8e3180de8eb1",
    ],
    [
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    ],
    [
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
]
# The letters of the RFC's figure of seven leaves: a … f and j are leaves, g, h and i pairs, k the first
# four, l the other three.
LETTERS = {
    **dict(zip("abcdefj", NODES[0], strict=False)),
    **dict(zip("ghi", NODES[1], strict=False)),
    "k": NODES[2][0],
    "l": node_hash(bytes.fromhex(NODES[1][2]), bytes.fromhex(NODES[0][6])).hex(),
}


def nodes(letters: str) -> list[bytes]:
    return [bytes.fromhex(LETTERS[letter]) for letter in letters]


def tree_of(leaves: list[bytes], known: int = 0) -> Tree:
    """A tree that has forgotten the first `known` leaves but for their peaks."""
    hashes = [leaf_hash(leaf) for leaf in leaves]
    peaks: tuple[bytes, ...] = ()
    for size in range(known):
        peaks = grown(peaks, size, hashes[size])
    return Tree(peaks, known, hashes[known:])


def test_known_leaves_nodes_and_roots():
    assert [leaf_hash(leaf).hex() for leaf in LEAVES] == NODES[0]
    assert node_hash(*map(bytes.fromhex, NODES[1][:2])).hex() == NODES[2][0]
    for size, expected in ROOTS.items():
        peaks: tuple[bytes, ...] = ()
        for at, leaf in enumerate(LEAVES[:size]):
            peaks = grown(peaks, at, leaf_hash(leaf))
        assert merkle.root(peaks).hex() == expected
        assert tree_of(LEAVES).root(size).hex() == expected


@pytest.mark.parametrize(("leaf", "path"), [(0, "bhl"), (3, "cgl"), (4, "fjk"), (6, "ik")])
def test_the_audit_paths_of_the_rfcs_example(leaf, path):
    assert tree_of(LEAVES[:7]).inclusion(leaf, 7) == nodes(path)
    root = bytes.fromhex(ROOTS[7])
    check_inclusion(leaf_hash(LEAVES[leaf]), leaf, 7, nodes(path), root)


@pytest.mark.parametrize(("old", "path"), [(3, "cdgl"), (4, "l"), (6, "ijk")])
def test_the_consistency_proofs_of_the_rfcs_example(old, path):
    assert tree_of(LEAVES[:7]).consistency(old, 7) == nodes(path)
    old_root = tree_of(LEAVES).root(old)
    check_consistency(old, 7, nodes(path), old_root, bytes.fromhex(ROOTS[7]))


@pytest.mark.parametrize("kept", [256, 2])
def test_an_independent_library_makes_the_same_roots_and_proofs(kept, monkeypatch):
    """Go's golang.org/x/mod/sumdb/tlog (v0.43.0) over the leaves d0, d1 … d69: of every size the
    root, the SHA-256 of all audit paths, and that of all consistency proofs, each with its length.
    Whether the tree is too small to keep nodes for its next proofs, or keeps them all."""
    monkeypatch.setattr(merkle, "_KEPT", kept)
    known = json.loads((GOLDEN / "tlog.json").read_text())
    leaves = [f"d{n}".encode() for n in range(len(known))]
    tree = tree_of(leaves)
    for size, expected in enumerate(known, 1):
        paths = [tree.inclusion(leaf, size) for leaf in range(size)]
        proofs = [tree.consistency(old, size) for old in range(1, size + 1)]
        assert [tree.root(size).hex(), digest(paths), digest(proofs)] == expected


def digest(proofs: list[list[bytes]]) -> str:
    parts = (b"".join(proof) + bytes([len(proof)]) for proof in proofs)
    return hashlib.sha256(b"".join(parts)).hexdigest()


@given(st.integers(1, 70), st.data())
def test_peaks_are_all_that_is_needed_of_what_lies_before(size, data):
    leaves = [f"d{n}".encode() for n in range(size)]
    known = data.draw(st.integers(0, size))
    whole, late = tree_of(leaves), tree_of(leaves, known)
    assert late.root(size) == whole.root(size)
    for leaf in range(known, size):
        assert late.inclusion(leaf, size) == whole.inclusion(leaf, size)
    for old in range(known, size + 1):
        assert late.consistency(old, size) == whole.consistency(old, size)


@given(st.integers(2, 70), st.data())
def test_a_proof_of_anything_else_is_refused(size, data):
    tree = tree_of([f"d{n}".encode() for n in range(size)])
    leaf = data.draw(st.integers(0, size - 1))
    path, root = tree.inclusion(leaf, size), tree.root(size)
    check_inclusion(leaf_hash(f"d{leaf}".encode()), leaf, size, path, root)
    at = data.draw(st.integers(0, len(path) - 1))
    turned = bytes([path[at][0] ^ 1]) + path[at][1:]
    wrong = [*path[:at], turned, *path[at + 1 :]]
    for bad in (wrong, path[:-1], [*path, path[0]], []):
        with pytest.raises(BadData):
            check_inclusion(leaf_hash(f"d{leaf}".encode()), leaf, size, bad, root)
    for other in (-1, size, leaf ^ 1):
        with pytest.raises(BadData):
            check_inclusion(leaf_hash(f"d{leaf}".encode()), other, size, path, root)


@given(st.integers(2, 70), st.data())
def test_a_history_that_was_rewritten_has_no_consistency_proof(size, data):
    leaves = [f"d{n}".encode() for n in range(size)]
    old = data.draw(st.integers(1, size - 1))
    changed = data.draw(st.integers(0, old - 1))
    tree, forged = tree_of(leaves), tree_of([*leaves[:changed], b"forged", *leaves[changed + 1 :]])
    check_consistency(old, size, tree.consistency(old, size), tree.root(old), tree.root(size))
    proof = forged.consistency(old, size)
    with pytest.raises(BadData):
        check_consistency(old, size, proof, tree.root(old), forged.root(size))
    with pytest.raises(BadData):
        check_consistency(size, old, [], tree.root(size), tree.root(old))
