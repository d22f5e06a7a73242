"""HTTP to one server."""

import re
from typing import Any
from urllib.parse import urlencode

import orjson
import urllib3

from wire.errors import TransientError
from wire.influxdb import judge


class Server:
    """One server's database. May be used from several threads."""

    def __init__(
        self,
        url: str,
        database: str,
        timeout_s: float,
        retention_policy: str = "",
        username: str = "",
        password: str = "",
        api: str = "v1",
    ) -> None:
        self.url = url
        self.database = database
        # VictoriaMetrics makes a label of a database that comes by /write, and none of a bucket.
        self.labels = {"db": database} if api == "v1" else {}
        self._policy = {"rp": retention_policy} if retention_policy else {}
        timeout = urllib3.Timeout(connect=5.0, read=timeout_s)
        self._pool = urllib3.PoolManager(maxsize=3, retries=False, timeout=timeout)
        self._auth = {}
        if username or password:
            basic = f"{username or 'token'}:{password}"
            self._auth = dict(urllib3.make_headers(basic_auth=basic))
        self._product: str | None = None

    def request(
        self, method: str, path: str, fields: dict[str, str], body: bytes | None = None
    ) -> tuple[int, Any, bytes]:
        """(status, headers, body). Raises TransientError where there is no answer."""
        url = f"{self.url}{path}" + (f"?{urlencode(fields)}" if fields else "")
        try:
            answer = self._pool.request(method, url, body=body, headers=self._auth)
        except urllib3.exceptions.HTTPError as exc:
            raise TransientError(f"{self.url}: {short(exc)}") from exc
        return answer.status, answer.headers, answer.data

    def product(self) -> str:
        """Name and version of what answers, "" if it does not say. Raises TransientError."""
        if self._product is None:
            status, headers, _ = self.request("GET", "/ping", {})
            if status not in (200, 204):
                raise TransientError(f"{self.url}/ping answered {status}")
            version = str(headers.get("X-Influxdb-Version", "")).lstrip("v")
            is_victoria = not version and "X-Server-Hostname" in headers
            self._product = f"InfluxDB {version}" if version else "VictoriaMetrics" * is_victoria
        return self._product

    def is_victoria(self) -> bool:
        return self.product() == "VictoriaMetrics"

    def write(self, lines: bytes) -> None:
        fields = {"db": self.database, "precision": "ms", **self._policy}
        status, headers, body = self.request("POST", "/write", fields, lines)
        judge(status, body.decode(errors="replace"), headers.get("Retry-After"))

    def query(self, text: str, method: str = "GET") -> list[dict[str, Any]]:
        """The series of one InfluxQL statement. Raises TransientError, also for its own error."""
        fields = {"db": self.database, "epoch": "ms", "q": text, **self._policy}
        status, _, body = self.request(method, "/query", fields)
        try:
            answer = orjson.loads(body) if body else {}
        except orjson.JSONDecodeError as exc:
            raise TransientError(f"{self.url}: query answered {status}: {exc}") from exc
        if not isinstance(answer, dict):
            said = body[:100].decode(errors="replace")
            raise TransientError(f"{self.url}: is no InfluxDB: query answered {status}: {said}")
        # 200 says that there is an answer, not that the statement was any good.
        results = answer.get("results") or [{}]
        problem = answer.get("error") or results[0].get("error")
        if status != 200 or problem:
            raise TransientError(f"{self.url}: query answered {status}: {problem}")
        series: list[dict[str, Any]] = results[0].get("series", [])
        return series

    def close(self) -> None:
        self._pool.clear()


def short(exc: Exception) -> str:
    """A urllib3 error without the address of an object in it."""
    return re.sub(r"<[^>]*>[:\s]*", "", str(exc)) or type(exc).__name__
