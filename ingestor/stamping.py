"""Gets a time stamp (RFC 3161) for every tree head, and asks until it has it.

What is stamped is the SHA-256 of the head as the journal has it. The answer goes into the journal as it
came: whoever trusts the server's authority sees that the head was there at that time, whatever the
ingestor's clock says. A server that does not answer stops nothing.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor

import msgspec
import urllib3
from rfc3161_client import HashAlgorithm, TimestampRequestBuilder, decode_timestamp_response

from ingestor.api.bodies import Submit
from ingestor.attested import STAMP, Stamp, check_stamp
from ingestor.config import Timestamps
from ingestor.intake import Post
from wire.errors import BadData, TransientError
from wire.journal import Record, SqliteReader, heads

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 60.0
_MOST_RETRY_S = 3600.0
_AT_ONCE = 100
_GRANTED = 0
_ASKED = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}


class Stamping:
    """`thread`: one on which it may wait for the server; the journal is read there only, too."""

    def __init__(
        self,
        settings: Timestamps,
        open_journal: Callable[[], SqliteReader],
        submit: Submit,
        thread: Executor,
        look_every_s: float = _LOOK_EVERY_S,
    ) -> None:
        self._settings = settings
        self._open_journal = open_journal
        self._submit = submit
        self._thread = thread
        self._look_every_s = look_every_s
        self._journal: SqliteReader | None = None
        self._upto: dict[str, int] = {}  # all heads of a site up to this offset are stamped

    async def run(self) -> None:
        """Until it is cancelled."""
        loop, pause_s = asyncio.get_running_loop(), self._look_every_s
        while True:
            try:
                while (found := await loop.run_in_executor(self._thread, self._next)) is not None:
                    await self._submit(Post(found[0].site, STAMP, (found[1],)))
                pause_s = self._look_every_s
                await asyncio.sleep(self._look_every_s)
            except (TransientError, BadData) as exc:
                log.warning("time stamp: %s; trying again in %g s", exc, pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _MOST_RETRY_S)

    def _next(self) -> tuple[Record, bytes] | None:
        """The first head without a stamp, and the stamp for it. Raises TransientError or BadData."""
        head = self._unstamped()
        if head is None:
            return None
        answer = ask(self._settings, head.data)
        return head, msgspec.json.encode(Stamp(heads.read_head(head).size, answer))

    def _unstamped(self) -> Record | None:
        journal = self._journal = self._journal or self._open_journal()
        for site in journal.sites():
            while some := journal.some_of_kind(site, heads.KIND, self._upto.get(site, 0), _AT_ONCE):
                for head in some:
                    if journal.find(site, STAMP, str(heads.read_head(head).size)) is None:
                        return head
                    self._upto[site] = head.offset
        return None

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()


def ask(settings: Timestamps, data: bytes) -> bytes:
    """The server's answer for some data. Raises TransientError, or BadData for an answer that is none.

    The server's certificates are wanted in it; but some servers do not write several as DER has it,
    and theirs are asked for without.
    """
    try:
        return _asked(settings, data, True)
    except BadData as exc:
        if "InvalidSetOrdering" not in str(exc):
            raise
        return _asked(settings, data, False)


def _asked(settings: Timestamps, data: bytes, with_certificates: bool) -> bytes:
    builder = TimestampRequestBuilder().data(data).hash_algorithm(HashAlgorithm.SHA256)
    request = builder.cert_request(cert_request=with_certificates).build()
    status, answer = _sent(settings, request.as_bytes())
    if status != 200:
        raise TransientError(f"{settings.url}: answered {status} {answer[:200]!r}")
    try:
        found = decode_timestamp_response(answer)
        if found.status != _GRANTED:
            raise BadData(f"{settings.url}: not granted ({found.status}): {found.status_string}")
        if found.tst_info.nonce != request.nonce:
            raise BadData(f"{settings.url}: it is the answer to something else")
    except ValueError as exc:
        raise BadData(f"{settings.url}: not an answer of a time stamp server: {exc}") from exc
    check_stamp(answer, data)
    return answer


def _sent(settings: Timestamps, body: bytes) -> tuple[int, bytes]:
    trusted = str(settings.ca_file) if settings.ca_file else None
    try:
        with urllib3.PoolManager(
            retries=False, timeout=settings.timeout_s, ca_certs=trusted
        ) as http:
            answer = http.request("POST", settings.url, body=body, headers=_ASKED)
            return answer.status, answer.data
    except urllib3.exceptions.HTTPError as exc:
        raise TransientError(f"{settings.url}: {exc}") from exc
