"""The PACT server of somebody else: a token, lists page by page, single footprints, events.

HTTPS only, its certificate checked. The secret goes to its token endpoint, the token to its own host;
neither follows a redirect.
"""

import base64
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import urllib3

from calc_stream.pact import validator
from calc_stream.pact.events import MEDIA_TYPE
from wire import tls
from wire.errors import BadData, ConfigError, TransientError

_TIMEOUT_S = 30.0  # without a byte
_WHOLE_S = 300.0  # until an answer is there, however many bytes come
_MOST_PAGES = 10_000
_MOST_BYTES = 64 * 1024 * 1024
_TRIES = 5
_LONGEST_S = 60.0
# RFC 8288: a target and its parameters, whose quoted values may hold commas, too.
_LINK = re.compile(r"""<([^>]*)>((?:\s*;\s*[^\s=;,"]+(?:\s*=\s*(?:"[^"]*"|[^\s;,"]*))?)*)""")
_REL = re.compile(r""";\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]*))""", re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    """What came back, whole."""

    status: int
    headers: Mapping[str, str]
    data: bytes


class Host:
    """Raises ConfigError for what a person must change, TransientError for what may go again,
    BadData for answers that are none. Not for two threads at once."""

    def __init__(
        self,
        url: str,
        client_id: str,
        secret: str,
        ca_file: Path | None = None,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        """`sleep`: how to wait between tries; None: one try only."""
        if not _is_https(url) or {*urlsplit(url)[3:]} != {""}:
            raise ConfigError(f"{url!a}: must start with https:// and name a server")
        self._base = url.rstrip("/")
        basic = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
        self._client = {"Authorization": f"Basic {basic}", "Accept": "application/json"}
        self._sleep = sleep
        self._token = ""
        trusts = tls.trusting(ca_file)
        self._http = urllib3.PoolManager(retries=False, timeout=_TIMEOUT_S, ssl_context=trusts)

    def list(self, criteria: Sequence[tuple[str, str]] = ()) -> Iterator[dict[str, Any]]:
        """Every footprint that fits, page after page."""
        query = f"?{urlencode(criteria)}" if criteria else ""
        url, seen = f"{self._base}/3/footprints{query}", set()
        for _ in range(_MOST_PAGES):
            seen.add(url)
            answer = self._asked("GET", url)
            data = self._data(url, answer)
            if not isinstance(data, list):
                raise BadData(f"{url}: data is no list")
            yield from data
            following = _next(answer.headers.get("link", ""))
            if following is None:
                return
            url = _joined(url, following)
            if urlsplit(url)[:2] != urlsplit(self._base)[:2] or url in seen:
                raise BadData(f"{url!a}: is no further page of {self._base}")
        raise BadData(f"{self._base}: has more than {_MOST_PAGES} pages")

    def get(self, id_: str) -> Any:
        """One footprint."""
        url = f"{self._base}/3/footprints/{id_}"
        return self._data(url, self._asked("GET", url))

    def send(self, event: bytes) -> None:
        """Until it is taken."""
        self._asked("POST", f"{self._base}/3/events", event)

    def close(self) -> None:
        self._http.clear()

    def _asked(self, method: str, url: str, body: bytes | None = None) -> Answer:
        """An answer that is a good one, with tries as often as `sleep` allows."""
        wait_s = 1.0
        for left in reversed(range(_TRIES)):
            try:
                return self._once(method, url, body)
            except TransientError as exc:
                if self._sleep is None or not left:
                    raise
                told_s = min(exc.retry_after_s or 0, _LONGEST_S)
                self._sleep(max(told_s, wait_s * random.uniform(0.5, 1)))
                wait_s *= 2
        raise AssertionError("the last try returns or raises")

    def _once(self, method: str, url: str, body: bytes | None) -> Answer:
        known = bool(self._token)
        self._token = self._token or self._new_token()
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = MEDIA_TYPE
        answer = self._http_once(method, url, headers, body)
        if answer.status in (400, 401) and known:
            self._token = self._new_token()  # it may have come to its end: once more with a new one
            headers["Authorization"] = f"Bearer {self._token}"
            answer = self._http_once(method, url, headers, body)
        if answer.status == 200:
            return answer
        told = f"{url}: answered {answer.status}: {_said(answer.data)}"
        if answer.status in (202, 429) or answer.status >= 500:
            raise TransientError(told, _seconds(answer.headers.get("retry-after")))
        if answer.status in (401, 403):
            raise ConfigError(told)
        raise BadData(told)

    def _new_token(self) -> str:
        url = self._token_url()
        headers = {**self._client, "Content-Type": "application/x-www-form-urlencoded"}
        answer = self._http_once("POST", url, headers, b"grant_type=client_credentials")
        told = f"{url}: answered {answer.status}: {_said(answer.data)}"
        if answer.status >= 500 or answer.status == 429:
            raise TransientError(told, _seconds(answer.headers.get("retry-after")))
        if answer.status != 200:
            raise ConfigError(f"{told}; are client id and secret those it gave?")
        found = _json(url, answer.data)
        token = found.get("access_token") if isinstance(found, dict) else None
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise BadData(f"{url}: answered without an access_token")
        return token

    def _token_url(self) -> str:
        """The one its OpenID configuration names, else the one every server has."""
        where = f"{self._base}/.well-known/openid-configuration"
        answer = self._http_once("GET", where, {"Accept": "application/json"})
        if answer.status == 200:
            found = _json(where, answer.data)
            named = found.get("token_endpoint") if isinstance(found, dict) else None
            if isinstance(named, str) and _is_https(named):
                return named
        return f"{self._base}/auth/token"

    def _http_once(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None = None
    ) -> Answer:
        try:
            answer = self._http.request(
                method, url, body=body, headers=headers, redirect=False, preload_content=False
            )
            try:
                data = _body(url, answer)
            except BaseException:
                answer.close()
                raise
            answer.release_conn()
        except urllib3.exceptions.SSLError as exc:
            raise ConfigError(f"{url}: {exc}; is ca_file that of its authority?") from exc
        except urllib3.exceptions.HTTPError as exc:
            raise TransientError(f"{url}: {exc}") from exc
        except ValueError as exc:
            raise BadData(f"{url!a}: cannot be asked: {exc!a}") from exc
        return Answer(answer.status, answer.headers, data)

    def _data(self, url: str, answer: Answer) -> Any:
        found = _json(url, answer.data)
        if not isinstance(found, dict) or "data" not in found:
            raise BadData(f"{url}: answered without data")
        return found["data"]


def _is_https(url: str) -> bool:
    """Whether others could be asked there: what a server names may be anything."""
    try:
        parts = urlsplit(url)
        is_whole = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return parts.scheme == "https" and is_whole and url.isascii() and url.isprintable()


def _joined(url: str, following: str) -> str:
    try:
        found = urljoin(url, following)
    except ValueError:
        found = ""
    if not _is_https(found):
        raise BadData(f"{following!a:.90}: is no further page of {url}")
    return found


def _body(url: str, answer: urllib3.BaseHTTPResponse) -> bytes:
    """Nobody fills the memory, and nobody keeps us for ever with a byte now and then."""
    data, until_s = bytearray(), time.monotonic() + _WHOLE_S
    while piece := answer.read1(65536, decode_content=True):
        data += piece
        if len(data) > _MOST_BYTES:
            raise BadData(f"{url}: answered more than {_MOST_BYTES} bytes")
        if time.monotonic() > until_s:
            raise TransientError(f"{url}: the answer was not whole after {_WHOLE_S:g} s")
    return bytes(data)


def _json(url: str, data: bytes) -> Any:
    try:
        return validator.parse(data, _MOST_BYTES)
    except BadData as exc:
        raise BadData(f"{url}: the answer {exc}") from exc


def _next(header: str) -> str | None:
    """The target of rel="next" (RFC 8288)."""
    for target, parameters in _LINK.findall(header):
        rel = _REL.search(parameters)
        if rel and "next" in (rel[1] or rel[2] or "").lower().split():
            return str(target)
    return None


def _said(data: bytes) -> str:
    return ascii(data[:300].decode(errors="replace"))


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isdecimal() else None
