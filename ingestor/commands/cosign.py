"""`ingestor cosign`: an auditor signs tree heads, each of which goes on from the last he signed.

Beside his key stands a small file with the last head of each site. It is what makes a second history
impossible to show him, so it belongs wherever the key does.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from ingestor import receipts
from ingestor.commands.posting import post, way_to
from wire.config import read_secret
from wire.errors import BadData, ConfigError
from wire.files import keep
from wire.journal import Reader, Remote, heads, open_reader
from wire.journal.cosigned import Cosignature, Seen, cosign, go_on
from wire.journal.heads import Consistency, TreeHead
from wire.signing import PublicKey, SigningKey

_TIMEOUT_S = 30.0
EXAMPLES = (
    "wattprint cosign --from https://plant:8421 --token-file auditor.token --key auditor.key --trust receipt.key.pub",
    "                                             every head since the last one, and hands the signatures in",
    "wattprint cosign head.json --key auditor.key --trust receipt.key.pub > head.cosigned    the first one",
    "wattprint cosign days.proof --key auditor.key > head.cosigned",
    "                                             a later one, with `wattprint journal consistency`",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The words after `cosign`."""
    what = "a tree head, or the proof that one goes on from the last; - is stdin"
    parser.add_argument("file", nargs="?", metavar="HEAD", help=what)
    parser.add_argument(
        "--key", type=Path, required=True, metavar="FILE", help="the auditor's; made where none is"
    )
    parser.add_argument(
        "--trust",
        action="append",
        default=[],
        metavar="KEY",
        help="the ingestor's public key or its file; needed once, and again when it changes",
    )
    parser.add_argument("--from", dest="url", metavar="URL", help="the ingestor's API")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="of the role auditor")
    parser.add_argument("--ca-file", type=Path, metavar="FILE", help="whom the API is trusted by")
    parser.add_argument("--site", metavar="SITE", help="default: all that the API has")


def run(arguments: argparse.Namespace, now_s: Callable[[], float] = time.time) -> int:
    """Raises ConfigError, TransientError, and BadData for a head that is not signed."""
    auditor = receipts.load_key(arguments.key)
    seen = _Seen(arguments.key.with_name(arguments.key.name + ".seen"))
    keys = [_key(told) for told in arguments.trust]
    if (arguments.file is None) == (arguments.url is None):
        raise ConfigError("cosign: give a file with a head or a proof, or --from")
    if arguments.url is None:
        told = _told(arguments.file)
        signed = _sign(told, auditor, seen, keys, now_s)
        print(msgspec.json.encode(signed).decode())
        return 0
    if arguments.token_file is None:
        raise ConfigError("--token-file: is missing; --from needs a key of the role auditor")
    there = Remote(arguments.url, arguments.token_file, arguments.ca_file)
    with closing(open_reader(there)) as journal:
        for site in [arguments.site] if arguments.site else journal.sites():
            for told in _since(journal, site, seen.of(site)):
                signed = _sign(told, auditor, seen, keys, now_s)
                _hand_in(there, signed)
                print(f"{site}: {signed.size} records signed by {signed.id}")
    return 0


def _sign(
    told: TreeHead | Consistency,
    auditor: SigningKey,
    seen: "_Seen",
    keys: list[PublicKey],
    now_s: Callable[[], float],
) -> Cosignature:
    """Remembered before it is signed: a kill in between leaves no signature that is forgotten."""
    head = told if isinstance(told, TreeHead) else told.new
    seen.put(head.site, go_on(seen.of(head.site), told, keys))
    return cosign(head, auditor, int(now_s()))


def _since(journal: Reader, site: str, last: Seen | None) -> Iterator[TreeHead | Consistency]:
    """The last head again, for its signature may not have arrived, and all after it, each proved
    from the records between them, every one of which is looked at. Raises BadData where it is gone."""
    signed = [heads.read_head(record) for record in journal.of_kind(site, heads.KIND)]
    if last is None:
        yield from signed[-1:]
        return
    before = last.head
    if all(head.size != before.size for head in signed):
        raise BadData(
            f"{site}: no head of {before.size} records is there; on {before.day} it was, and is signed:"
            " records were taken back"
        )
    for head in signed:
        if head.size < before.size:
            continue
        if head.size == before.size:
            yield head
            continue
        leaves = list(journal.leaves(site, before.size, head.size))
        yield heads.consistency(before, head, leaves)
        before = head


def _hand_in(there: Remote, signed: Cosignature) -> None:
    url = f"{there.url.rstrip('/')}/v1/journal/{signed.site}/cosignatures"
    headers = {"Authorization": f"Bearer {read_secret(there.key_file)}"}
    with way_to(there.url, there.ca_file, _TIMEOUT_S) as http:
        post(http, url, headers, msgspec.json.encode(signed))


class _Seen:
    """The last head of each site, in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last: dict[str, Seen] = {}
        if path.exists():
            try:
                self._last = msgspec.json.decode(path.read_bytes(), type=dict[str, Seen])
            except OSError as exc:
                raise ConfigError(f"{path}: cannot be read: {exc.strerror}") from exc
            except (msgspec.DecodeError, UnicodeDecodeError) as exc:
                cure = "without it nobody knows what was signed; take it back from a copy"
                raise ConfigError(f"{path}: {exc}; {cure}") from exc

    def of(self, site: str) -> Seen | None:
        return self._last.get(site)

    def put(self, site: str, its: Seen) -> None:
        self._last[site] = its
        try:
            keep(self._path, msgspec.json.format(msgspec.json.encode(self._last)))
        except OSError as exc:
            raise ConfigError(f"{self._path}: cannot be written: {exc.strerror}") from exc


def _told(name: str) -> TreeHead | Consistency:
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as exc:
        raise ConfigError(f"{name}: cannot be read: {exc.strerror}") from exc
    try:
        return msgspec.json.decode(data, type=TreeHead)
    except (msgspec.DecodeError, UnicodeDecodeError):
        proof = heads.read_proof(data)
    if not isinstance(proof, Consistency):
        raise BadData(f"{name}: proves a record, not that a head goes on from another")
    return proof


def _key(told: str) -> PublicKey:
    try:
        return PublicKey.parse(told if told.startswith("ed25519:") else read_secret(Path(told)))
    except BadData as exc:
        raise ConfigError(f"--trust: {told}: {exc}") from exc
