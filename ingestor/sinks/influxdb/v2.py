"""What only influxdb-client does: the write path and the buckets of a 2.x."""

from typing import Any

import urllib3

from ingestor.sinks.influxdb.server import short
from wire.errors import ConfigError, TransientError
from wire.influxdb import judge


def refuse_without_org(api: str, org: str) -> None:
    """Raises ConfigError where /api/v2/write has no organization to go to."""
    if api == "v2" and not org:
        raise ConfigError('sinks.org: is missing; api = "v2" wants one, VictoriaMetrics takes any')


class Client:
    """Synchronous throughout: the library's batching writer loses data without a word."""

    def __init__(self, url: str, bucket: str, timeout_s: float, token: str, org: str) -> None:
        from influxdb_client.client.influxdb_client import InfluxDBClient
        from influxdb_client.client.write_api import SYNCHRONOUS
        from influxdb_client.domain.write_precision import WritePrecision

        self._url, self._bucket, self._org = url, bucket, org
        self._client: Any = InfluxDBClient(url, token, org=org, timeout=int(1000 * timeout_s))
        self._writing = self._client.write_api(write_options=SYNCHRONOUS)
        self._precision = WritePrecision.MS

    def write(self, lines: bytes) -> None:
        """Raises BadLines, TooBig and TransientError, as `judge` does."""
        self._asked(self._writing.write, self._bucket, self._org, lines, self._precision)

    def keep_bucket(self, retention_days: int) -> None:
        """Make the bucket if there is none; with a retention told, give it that one."""
        from influxdb_client.domain.bucket_retention_rules import BucketRetentionRules

        seconds = retention_days * 86_400
        rule: Any = BucketRetentionRules  # untyped, as all of the library
        rules = [rule(type="expire", every_seconds=seconds)] if seconds else []
        buckets = self._client.buckets_api()
        found = self._asked(buckets.find_bucket_by_name, self._bucket)
        if found is None:
            named = {"bucket_name": self._bucket, "retention_rules": rules, "org": self._org}
            self._asked(buckets.create_bucket, **named)
        elif rules and [rule.every_seconds for rule in found.retention_rules] != [seconds]:
            found.retention_rules = rules
            self._asked(buckets.update_bucket, found)

    def close(self) -> None:
        self._client.close()

    def _asked(self, call: Any, *arguments: Any, **named: Any) -> Any:
        from influxdb_client.rest import ApiException

        try:
            return call(*arguments, **named)
        except ApiException as exc:
            retry_after = exc.headers.get("Retry-After") if exc.headers else None
            judge(exc.status or 503, str(exc.body), retry_after)
        except urllib3.exceptions.HTTPError as exc:
            raise TransientError(f"{self._url}: {short(exc)}") from exc
        return None
