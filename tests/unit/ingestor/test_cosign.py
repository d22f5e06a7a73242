"""An auditor signs heads that go on from the last he signed; to him a journal has one history."""

import json
import stat
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from ingestor.__main__ import main
from ingestor.commands.cosign import _since
from tests.unit.ingestor.conftest import Cloud
from tests.unit.ingestor.gateway import Gateway
from wire.errors import BadData
from wire.journal import heads, open_reader
from wire.journal.cosigned import Seen, check_cosignature, cosign, go_on, message, read_cosignature
from wire.journal.heads import TreeHead, read_head
from wire.signing import PublicKey, SigningKey

DAY_MS = 86_400_000
Say = Callable[..., tuple[int, str, str]]


def day(cloud: Cloud, gateway: Gateway, segments: int = 1) -> TreeHead:
    for _ in range(segments):
        cloud.send(gateway, gateway.seal())
    cloud.clock[0] += DAY_MS
    cloud.intake.close_days()
    return read_head(cloud.journal.of_kind("s1", "head")[-1])


def proof(cloud: Cloud, old: TreeHead, new: TreeHead) -> heads.Consistency:
    return heads.consistency(old, new, list(cloud.journal.leaves("s1", old.size, new.size)))


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    """`wattprint cosign` of something, as the auditor types it."""

    def typed(told: object, *words: str) -> tuple[int, str, str]:
        (tmp_path / "told").write_bytes(msgspec.json.encode(told))
        key = ("--key", str(tmp_path / "auditor.key"))
        monkeypatch.setattr(
            "sys.argv", ["ingestor", "cosign", str(tmp_path / "told"), *key, *words]
        )
        return (main(), *capsys.readouterr())

    return typed


@pytest.fixture
def trust(cloud: Cloud) -> tuple[str, str]:
    return "--trust", str(SigningKey.load_or_create(cloud.directory / "receipt.key").public)


def test_head_after_head_is_signed_and_remembered(
    cloud: Cloud, gateway: Gateway, say: Say, trust: tuple[str, str], tmp_path: Path
) -> None:
    first = day(cloud, gateway)
    code, out, _ = say(first, *trust)
    told = read_cosignature(out.encode())
    assert code == 0
    public = PublicKey.parse((tmp_path / "auditor.key.pub").read_text())
    assert str(check_cosignature(told, first)) == str(public)
    assert stat.S_IMODE((tmp_path / "auditor.key.seen").stat().st_mode) == 0o600
    second, third = day(cloud, gateway), day(cloud, gateway, 3)
    for old, new in ((first, second), (second, third)):
        code, out, _ = say(proof(cloud, old, new))  # whose key it must be is remembered
        assert code == 0
        check_cosignature(read_cosignature(out.encode()), new)
    assert say(third)[0] == 0  # once more the same
    seen = json.loads((tmp_path / "auditor.key.seen").read_text())
    assert seen["s1"]["head"]["size"] == third.size


def test_what_is_signed_is_the_message_of_a_tlog_cosignature() -> None:
    """The example of C2SP's tlog-cosignature, version 1."""
    checkpoint = (
        b"example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    )
    assert message(checkpoint, 1679315147) == (
        b"cosignature/v1\n"
        b"time 1679315147\n"
        b"example.com/behind-the-sofa\n"
        b"20852163\n"
        b"CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    )


def test_a_journal_forked_for_one_auditor_is_found_out(
    cloud: Cloud, gateway: Gateway, say: Say, trust: tuple[str, str], tmp_path: Path
) -> None:
    """The ingestor signs two journals that begin alike; both are whole, and its key is the right one."""
    first = day(cloud, gateway)
    assert say(first, *trust)[0] == 0
    (tmp_path / "fork").mkdir()
    cloud.journal._db.execute(f"VACUUM INTO '{tmp_path}/fork/journal.db'")
    (tmp_path / "fork/receipt.key").write_bytes((cloud.directory / "receipt.key").read_bytes())
    other = Cloud.open(tmp_path / "fork", [cloud.clock[0]])
    theirs = replace(gateway, wh=gateway.wh + 100)
    shown = day(cloud, gateway)
    assert say(proof(cloud, first, shown))[0] == 0
    same_size, later = day(other, theirs), day(other, theirs, 2)
    assert same_size.size == shown.size
    why = (
        f"two histories of s1: the {shown.size} records signed on {shown.day} are not the beginning"
    )
    for told in (
        proof(other, first, same_size),
        same_size,
        proof(other, same_size, later),
        msgspec.structs.replace(proof(other, same_size, later), old=shown),
    ):
        code, out, err = say(told)
        assert (code, out) == (1, "")
        assert why in err
    assert f"goes on from {first.size} records, not from" in say(proof(other, first, later))[2]
    assert say(proof(cloud, shown, day(cloud, gateway)))[0] == 0  # the true one goes on
    other.close()


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("nobody's key", "no key you trust: see --trust"),
        ("another time", "signature does not match"),
        ("without proof", "wattprint journal consistency 2026-11-18 2026-11-19"),
        ("an older one", "records; 5 are signed already"),
        ("a proof of a record", "proves a record"),
        ("no head", "not a proof"),
    ],
)
def test_what_is_not_signed(
    what: str, why: str, cloud: Cloud, gateway: Gateway, say: Say, trust: tuple[str, str]
) -> None:
    first, second = day(cloud, gateway), day(cloud, gateway)
    told: object = first
    words: tuple[str, ...] = ()
    if what == "without proof":
        say(first, *trust)
        told = second
    elif what == "an older one":
        say(second, *trust)
    elif what == "a proof of a record":
        record = cloud.journal.outline("s1", 1)
        assert record is not None
        told = heads.Inclusion(record, (), first)
    elif what == "another time":
        told, words = msgspec.structs.replace(first, time_ms=first.time_ms - 1), trust
    elif what == "no head":
        told = {"size": 1}
    code, out, err = say(told, *words)
    assert (code, out) == (1, "")
    assert why in err


def test_a_journal_that_was_taken_back_is_found_out(
    cloud: Cloud, gateway: Gateway, tmp_path: Path
) -> None:
    """To before what is signed: nothing in it is wrong, and nothing new is there to sign."""
    day(cloud, gateway)
    (tmp_path / "older").mkdir()
    cloud.journal._db.execute(f"VACUUM INTO '{tmp_path}/older/journal.db'")
    second = day(cloud, gateway)
    seen = Seen(second, ())
    assert list(_since(cloud.journal, "s1", seen)) == [second]
    with closing(open_reader(tmp_path / "older/journal.db")) as older:
        with pytest.raises(BadData, match=f"no head of {second.size} records is there"):
            list(_since(older, "s1", seen))
        assert len(list(_since(older, "s1", None))) == 1


def test_every_head_since_the_last_is_signed(cloud: Cloud, gateway: Gateway) -> None:
    """None of them alone: each goes on from the one before it."""
    first, second, third = (day(cloud, gateway) for _ in range(3))
    told = list(_since(cloud.journal, "s1", Seen(first, ())))
    news = [each if isinstance(each, TreeHead) else each.new for each in told]
    assert news == [first, second, third]
    key = SigningKey.load_or_create(cloud.directory / "receipt.key").public
    seen = Seen(first, (str(key),))
    for each in told:
        seen = go_on(seen, each, [])
    assert seen.head == third


def test_a_head_of_another_site_goes_on_from_nothing_here(cloud: Cloud, gateway: Gateway) -> None:
    first, key = day(cloud, gateway), SigningKey(bytes(32))
    other = heads.sign_head(msgspec.structs.replace(first, site="s2"), key)
    with pytest.raises(BadData, match="a journal of s2 does not go on from one of s1"):
        go_on(Seen(first, ()), other, [key.public])


def test_a_lost_memory_is_not_made_up(say: Say, tmp_path: Path) -> None:
    (tmp_path / "auditor.key.seen").write_text("{")
    code, _, err = say({})
    assert code == 2
    assert "without it nobody knows what was signed" in err


def test_a_signature_is_written_one_way(cloud: Cloud, gateway: Gateway) -> None:
    head = day(cloud, gateway)
    told = cosign(head, SigningKey(bytes(32)), 1_795_000_000)
    check_cosignature(told, head)
    last = told.sig[-3]
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    same = told.sig[:-3] + digits[digits.index(last) ^ 1] + "=="
    for wrong in (same, "no base64!", "é" * 88, told.sig + "="):
        with pytest.raises(BadData):
            check_cosignature(msgspec.structs.replace(told, sig=wrong), head)
