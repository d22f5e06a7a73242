"""Meters and gateways that answer an HTTP GET with a JSON document.

~~~toml
driver = "http_json"
url = "http://192.168.1.40"        # the profile's path is put behind it
timeout_ms = 3000
username = "admin"                 # Basic or Digest, whatever the meter asks for
# password_file = "/etc/wattprint/shelly.password"
# ca_file = "/etc/wattprint/plant-ca.pem"   # for https

[meter]
path = ""                          # instead of the profile's
channel = 0                        # for profiles with several channels
~~~
"""

import asyncio
import hashlib
import http.client
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import msgspec

from edge_agent.drivers import Answer, Cost, LinkLost, NoAnswer, NotThere, Refused, Wanted
from edge_agent.json_meter import JsonMeter
from edge_agent.line import Tally
from edge_agent.protocols.json_document import MAX_BYTES
from wire import tls
from wire.config import read_secret

PROTOCOL = "json"
_Hash = Callable[[str], str]
_BACK_OFF_S, _BACK_OFF_MAX_S = 0.5, 30.0
_TURN_S = 0.1  # a small device's usual time to answer
_WRITTEN = "/:?#[]@!$&'()*+,;=%~"  # what a path may hold as it is
_TRY_LATER = {408, 429, 500, 502, 503, 504}


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One device or gateway."""

    url: str
    timeout_ms: int = 3000
    username: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise ValueError("url must begin with http:// or https://")
        parts = urllib.parse.urlsplit(self.url)
        if not parts.hostname or parts.port == 0:
            raise ValueError("url names no host, or port 0")
        if self.timeout_ms < 1:
            raise ValueError("timeout_ms must be positive")


class Address(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which document of the device, and which of its channels."""

    path: str = ""
    channel: int = 0


@asynccontextmanager
async def connect(
    settings: Settings, random: Random, now_ms: Callable[[], int]
) -> AsyncIterator["HttpBus"]:
    """The device; every reading is a request of its own."""
    yield HttpBus(settings, random, now_ms)


def cost(_settings: Settings, _wanted: Wanted) -> Cost:
    """One request, however many values."""
    return Cost(1, _TURN_S)


class HttpBus:
    """One device, asked one thing at a time."""

    def __init__(self, settings: Settings, random: Random, now_ms: Callable[[], int]) -> None:
        self._settings, self._random, self._now_ms = settings, random, now_ms
        self._lock = asyncio.Lock()
        self._failures = 0
        self._retry_at = 0.0
        self._opener = _opener(settings)

    def meter(self, wanted: Wanted) -> "HttpMeter":
        """See edge_agent.drivers.Bus."""
        return HttpMeter(self, wanted, self._now_ms)

    async def get(self, path: str, tally: Tally) -> bytes:
        """The body at `path`. Raises NoAnswer, LinkLost or Refused."""
        loop = asyncio.get_running_loop()
        async with self._lock:
            if (wait_s := self._retry_at - loop.time()) > 0:
                place = self._settings.url
                raise LinkLost(f"{place} is down, next attempt in {wait_s:.1f} s", wait_s)
            tally.asked += 1
            began = loop.time()
            until = began + self._settings.timeout_ms / 1000
            try:
                body = await asyncio.to_thread(self._fetch, path, lambda: loop.time() > until)
            except LinkLost as exc:
                self._failures += 1
                highest_s = min(_BACK_OFF_MAX_S, _BACK_OFF_S * 2 ** min(self._failures, 10))
                wait_s = self._random.uniform(0, highest_s)
                self._retry_at = loop.time() + wait_s
                raise LinkLost(str(exc), wait_s) from exc
            except NoAnswer:
                tally.silent += 1
                raise
            tally.answered += 1
            tally.times_s.append(loop.time() - began)
            self._failures = 0
            return body

    def _fetch(self, path: str, is_late: Callable[[], bool]) -> bytes:
        """In a thread: the standard library's client blocks."""
        url = self._settings.url.rstrip("/") + urllib.parse.quote(path, safe=_WRITTEN)
        timeout_ms = self._settings.timeout_ms
        try:
            with self._opener.open(url, timeout=timeout_ms / 1000) as response:
                return _body(response, is_late)
        except urllib.error.HTTPError as exc:
            said = f"{url} answered {exc.code} {exc.reason}"
            if exc.code in _TRY_LATER:
                raise NoAnswer(said) from exc
            raise (NotThere if exc.code == 404 else Refused)(said, exc.code) from exc
        except TimeoutError as exc:
            raise NoAnswer(f"{url}: no answer in {timeout_ms} ms") from exc
        except urllib.error.URLError as exc:
            if isinstance(exc.reason, TimeoutError):
                raise NoAnswer(f"{url}: no answer in {timeout_ms} ms") from exc
            raise LinkLost(f"{url} cannot be reached: {exc.reason}") from exc
        except (OSError, http.client.HTTPException) as exc:
            raise LinkLost(f"{url}: {exc!r}") from exc
        except ValueError as exc:
            # What the library says of a header it does not understand, as of a way to log in.
            raise Refused(f"{url} asks for what is not known here: {exc}", 0) from exc


def _body(response: http.client.HTTPResponse, is_late: Callable[[], bool]) -> bytes:
    """A byte now and then must not hold up a bus. Raises TimeoutError."""
    body = b""
    while (piece := response.read1(MAX_BYTES + 1)) and len(body) <= MAX_BYTES:
        body += piece
        if is_late():
            raise TimeoutError
    return body


class HttpMeter:
    """See edge_agent.drivers.Meter."""

    rest_ms = 0

    def __init__(self, bus: HttpBus, wanted: Wanted, now_ms: Callable[[], int]) -> None:
        self.missed: list[str] = []
        self.tally = Tally()
        self._bus, self._now_ms = bus, now_ms
        self._meter = JsonMeter(wanted, wanted.address.channel)
        self._path = self._meter.path(wanted.address.path or self._meter.profile.path)

    @property
    def absent(self) -> frozenset[str]:
        """Optional quantities the last document did not have."""
        return self._meter.absent

    async def identify(self) -> dict[str, str]:
        """What the document says of the meter itself."""
        known = self._meter.profile.identity
        if known.serial is None and known.model is None:
            return {}
        return self._meter.identity(await self._bus.get(self._path, self.tally))

    async def read(self) -> AsyncIterator[Answer]:
        """One document, one answer."""
        body = await self._bus.get(self._path, self.tally)
        now_ms = self._now_ms()
        answer = self._meter.answer(body, now_ms)
        if not self._meter.was_told(answer.t_ms, now_ms):
            yield answer


class _Digest(urllib.request.HTTPDigestAuthHandler):
    """With the digest that newer devices ask for, and no other (RFC 7616)."""

    def get_algorithm_impls(self, algorithm: str) -> tuple[_Hash, Callable[[str, str], str]]:
        """The library's own, or SHA-256."""
        if algorithm != "SHA-256":
            return super().get_algorithm_impls(algorithm)

        def hashed(text: str) -> str:
            return hashlib.sha256(text.encode()).hexdigest()

        return hashed, lambda secret, data: hashed(f"{secret}:{data}")


def _opener(settings: Settings) -> urllib.request.OpenerDirector:
    """No proxy of the environment: a meter is a neighbour."""
    handlers: list[urllib.request.BaseHandler] = [
        urllib.request.ProxyHandler({}),
        urllib.request.HTTPSHandler(context=tls.trusting(settings.ca_file)),
    ]
    if settings.username:
        password = read_secret(settings.password_file) if settings.password_file else ""
        keys = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        keys.add_password(None, settings.url, settings.username, password)
        handlers += [
            urllib.request.HTTPBasicAuthHandler(keys),
            _Digest(keys),
        ]
    return urllib.request.build_opener(*handlers)
