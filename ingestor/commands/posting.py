"""What commands hand to an ingestor's API, and what its answer means for them."""

from pathlib import Path

import urllib3

from wire import tls
from wire.errors import BadData, ConfigError, TransientError


def way_to(url: str, ca_file: Path | None, timeout_s: float) -> urllib3.PoolManager:
    """Raises ConfigError for an address or a file that is none."""
    if not url.startswith(("http://", "https://")):
        raise ConfigError(f"{url}: must start with http:// or https://")
    trusts = tls.trusting(ca_file)
    return urllib3.PoolManager(retries=False, timeout=timeout_s, ssl_context=trusts)


def post(http: urllib3.PoolManager, url: str, headers: dict[str, str], data: bytes) -> None:
    """Returns when it is on disk there. Raises by what is to be done: ConfigError for a key or an
    address, TransientError, BadData for what will never be taken."""
    try:
        answer = http.request("POST", url, body=data, headers=headers)
    except urllib3.exceptions.HTTPError as exc:
        raise TransientError(f"{url}: {exc}") from exc
    if answer.status in (200, 201):
        return
    said = f"{url}: {answer.status}: {answer.data.decode(errors='replace')[:500]}"
    if answer.status in (401, 403, 404):
        raise ConfigError(said)
    if answer.status == 429 or answer.status >= 500:
        after = answer.headers.get("Retry-After", "")
        raise TransientError(said, float(after) if after.isdigit() else None)
    raise BadData(said)
