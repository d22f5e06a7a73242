"""Every tree head gets a time stamp of a real server, and an auditor's signature, into the journal."""

import asyncio
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from ingestor import verify
from ingestor.attested import STAMP, Stamp
from ingestor.config import Timestamps
from ingestor.intake import Placed, Post
from ingestor.stamping import Stamping, ask
from tests.time_stamps import Authority, serving
from tests.unit.ingestor.conftest import Cloud
from tests.unit.ingestor.gateway import Gateway
from wire.errors import BadData, TransientError
from wire.journal import Entry, Record, open_file
from wire.journal.cosigned import cosign
from wire.journal.heads import TreeHead, read_head
from wire.signing import SigningKey

DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    return Authority(tmp_path_factory.mktemp("tsa"))


def two_days(cloud: Cloud, gateway: Gateway) -> None:
    for _ in range(2):
        cloud.send(gateway, gateway.seal())
        cloud.clock[0] += DAY_MS
        cloud.intake.close_days()


def of_kind(cloud: Cloud, kind: str) -> list[Record]:
    return cloud.journal.of_kind("s1", kind)


def stamped(cloud: Cloud, url: str, wanted: int) -> None:
    """Runs until so many stamps are in the journal."""

    async def submit(post: Post) -> list[Placed]:
        return cloud.post(*post.documents, kind=post.kind)

    async def until_there() -> None:
        with ThreadPoolExecutor(1) as thread:
            at = partial(open_file, cloud.directory / "journal.db")
            stamping = Stamping(Timestamps(url, timeout_s=60), at, submit, thread, 0.02)
            running = asyncio.create_task(stamping.run())
            while len(of_kind(cloud, STAMP)) < wanted:
                await asyncio.sleep(0.02)
                assert not running.done()
            await asyncio.sleep(0.1)
            running.cancel()
        stamping.close()

    asyncio.run(asyncio.wait_for(until_there(), 120))


def test_every_head_gets_one_stamp_however_often_the_server_fails(
    cloud: Cloud, gateway: Gateway, authority: Authority
) -> None:
    two_days(cloud, gateway)
    with serving(authority, refusals=3) as (url, given):
        stamped(cloud, url, 2)
    assert given == [503, 503, 503, 200, 200]
    heads = {read_head(record).size: record for record in of_kind(cloud, "head")}
    for record in of_kind(cloud, STAMP):
        (authority.folder / "head").write_bytes(heads.pop(int(record.key)).data)
        (authority.folder / "stamp").write_bytes(record.data)
        said = authority.openssl(
            *("ts", "-verify", "-data", "head", "-in", "stamp", "-CAfile", "ca.pem")
        )
        assert b"Verification: OK" in said
    assert heads == {}
    assert verify.verify(cloud.journal, "s1").problem == ""


def test_a_server_that_writes_its_chain_out_of_order_is_asked_without_it(
    tmp_path: Path, cloud: Cloud, gateway: Gateway
) -> None:
    theirs = Authority(tmp_path / "tsa")
    theirs.ships(theirs.ca)
    with serving(theirs) as (url, _):
        answer = ask(Timestamps(url), b"data")
    (theirs.folder / "data").write_bytes(b"data")
    (theirs.folder / "stamp").write_bytes(answer)
    its = ("ts", "-verify", "-data", "data", "-in", "stamp", "-CAfile", "ca.pem")
    with pytest.raises(subprocess.CalledProcessError):
        theirs.openssl(*its)
    assert b"OK" in theirs.openssl(*its, "-untrusted", "tsa.pem")


_SHA_256, _SHA_512 = (bytes.fromhex(f"06096086480165030402{n}") for n in ("01", "03"))


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (b"", b"", "it is the answer to something else"),  # an answer of before
        (sha256(b"data").digest(), sha256(b"other").digest(), "of something else than this"),
        (_SHA_256, _SHA_512, r"not granted \(2\)"),  # a hash it does not do
    ],
    ids=["answered before", "other data", "refused"],
)
def test_a_server_that_answers_something_else_is_not_believed(
    old: bytes, new: bytes, why: str, tmp_path: Path
) -> None:
    class Odd(Authority):
        before = b""

        def answer(self, query: bytes) -> bytes:
            if not old:
                self.before = self.before or super().answer(query)
                return self.before
            assert old in query
            return super().answer(query.replace(old, new))

    with serving(Odd(tmp_path / "tsa")) as (url, _):
        if not old:
            ask(Timestamps(url), b"data")
        with pytest.raises(BadData, match=why):
            ask(Timestamps(url), b"data")


def test_an_answer_that_is_none_is_not_kept(
    cloud: Cloud, gateway: Gateway, authority: Authority
) -> None:
    two_days(cloud, gateway)
    first, second = (read_head(record) for record in of_kind(cloud, "head"))
    with serving(authority) as (url, _):
        answer = ask(Timestamps(url), of_kind(cloud, "head")[0].data)
        with pytest.raises(TransientError, match="answered 503"), serving(authority, 1) as (no, _):
            ask(Timestamps(no), b"x")
    with pytest.raises(BadData, match="of something else than this tree head"):
        cloud.post(msgspec.json.encode(Stamp(second.size, answer)), kind="stamp")
    with pytest.raises(BadData, match="not an answer of a time stamp server"):
        cloud.post(msgspec.json.encode(Stamp(first.size, answer[:-1])), kind="stamp")
    with pytest.raises(BadData, match="has no tree head of 1 records"):
        cloud.post(msgspec.json.encode(Stamp(1, answer)), kind="stamp")
    assert of_kind(cloud, STAMP) == []
    again = [
        cloud.post(msgspec.json.encode(Stamp(first.size, answer)), kind="stamp") for _ in range(2)
    ]
    assert [placed[0].new for placed in again] == [True, False]


def test_an_auditors_signature_stands_beside_the_head_it_is_of(
    cloud: Cloud, gateway: Gateway
) -> None:
    two_days(cloud, gateway)
    auditor = SigningKey.new()
    heads = [read_head(record) for record in of_kind(cloud, "head")]
    told = cosign(heads[0], auditor, 1_795_000_000)
    other = msgspec.structs.replace(told, size=heads[1].size)
    changed = msgspec.structs.replace(told, time_s=told.time_s + 1)
    foreign = msgspec.structs.replace(told, public_key=str(SigningKey.new().public))
    for wrong, why in (
        (other, "is of another head"),
        (changed, "signature does not match"),
        (foreign, "signature does not match"),
        (msgspec.structs.replace(told, size=7777), "no tree head of 7777"),
        (msgspec.structs.replace(told, site="s2"), "is of s2, not of s1"),
    ):
        with pytest.raises(BadData, match=why):
            cloud.post(msgspec.json.encode(wrong), kind="cosignature")
    placed = [cloud.post(msgspec.json.encode(told), kind="cosignature")[0] for _ in range(2)]
    assert [each.new for each in placed] == [True, False]
    assert [r.key for r in of_kind(cloud, "cosignature")] == [
        f"{heads[0].size}/{auditor.public.id}"
    ]
    assert verify.verify(cloud.journal, "s1").problem == ""


@pytest.mark.parametrize("kind", ["stamp", "cosignature"])
def test_the_walk_through_the_journal_finds_one_in_anothers_place(
    kind: str, cloud: Cloud, gateway: Gateway, authority: Authority
) -> None:
    two_days(cloud, gateway)
    record = of_kind(cloud, "head")[0]
    if kind == "stamp":
        with serving(authority) as (url, _):
            entry = Entry(kind, "2", ask(Timestamps(url), record.data))
        why = "there is no tree head of 2 records before it"
    else:
        told = cosign(read_head(record), SigningKey.new(), 1)
        entry = Entry(kind, f"{told.size}/another", msgspec.json.encode(told))
        why = f"its key is {entry.key}"
    last = cloud.journal.append("s1", [entry])[0].offset
    found = verify.verify(cloud.journal, "s1")
    assert (found.last, why in found.problem) == (last - 1, True)


@pytest.mark.parametrize("kind", ["stamp", "cosignature"])
def test_the_walk_through_the_journal_finds_one_of_no_head(
    kind: str, cloud: Cloud, gateway: Gateway, authority: Authority
) -> None:
    two_days(cloud, gateway)
    head: TreeHead = read_head(of_kind(cloud, "head")[0])
    if kind == "stamp":
        with serving(authority) as (url, _):
            entry = Entry(kind, str(head.size), ask(Timestamps(url), b"something else"))
        why = "of something else than this tree head"
    else:
        auditor = SigningKey.new()
        forged = msgspec.structs.replace(cosign(head, auditor, 1), time_s=2)
        entry = Entry(kind, forged.key, msgspec.json.encode(forged))
        why = "signature does not match"
    last = cloud.journal.append("s1", [entry])[0].offset
    found = verify.verify(cloud.journal, "s1")
    assert found.last == last - 1
    assert why in found.problem
