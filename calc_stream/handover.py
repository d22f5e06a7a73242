"""Hands this calculator's model and factors to the ingestor, which puts them into the journal.

Both are idempotent there: what is already the newest of its kind is not appended again.
"""

import asyncio
import logging

import urllib3

from calc_stream.config import Plan
from wire import tls
from wire.config import read_secret
from wire.errors import ConfigError, TransientError

log = logging.getLogger(__name__)

_BACKOFF_S = (0.3, 10.0)
_TIMEOUT_S = 10.0


async def hand_over(plan: Plan) -> None:
    """Until the ingestor has both. Raises ConfigError when it refuses one, or a file is none."""
    ingestor = plan.config.ingestor
    base = f"{ingestor.url.rstrip('/')}/v1/{plan.config.site}"
    documents = {"model": plan.model.text.encode(), "factors": plan.factors.encode()}
    wait_s = _BACKOFF_S[0]
    trusts = tls.trusting(ingestor.ca_file)
    with urllib3.PoolManager(retries=False, timeout=_TIMEOUT_S, ssl_context=trusts) as http:
        while documents:
            what = next(iter(documents))
            try:
                # Read each time: the ingestor may be the one that makes the file.
                token = read_secret(ingestor.token_file)
                await asyncio.to_thread(_put, http, f"{base}/{what}", documents[what], token)
            except TransientError as exc:
                if wait_s == _BACKOFF_S[0]:
                    log.warning("%s; trying again", exc)
                await asyncio.sleep(exc.retry_after_s or wait_s)
                wait_s = min(wait_s * 2, _BACKOFF_S[1])
            else:
                del documents[what]
                log.info("the ingestor has the %s", what)


def _put(http: urllib3.PoolManager, url: str, body: bytes, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    try:
        answer = http.request("PUT", url, body=body, headers=headers)
    except urllib3.exceptions.HTTPError as exc:
        raise TransientError(f"{url}: {exc}") from exc
    if answer.status in (200, 201):
        return
    detail = answer.data.decode(errors="replace").strip()
    if answer.status == 429 or answer.status >= 500:
        raise TransientError(f"{url}: {answer.status} {detail}")
    raise ConfigError(f"{url}: refused with {answer.status}: {detail}")
