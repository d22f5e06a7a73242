"""Alarms to other systems by HTTP, signed as https://www.standardwebhooks.com has it.

A message waits on disk until its receiver answered 2xx, the oldest first, so they come in order; one
that nobody took for a day is given up. Nothing waits for this: it has a thread of its own.
"""

import asyncio
import base64
import hashlib
import hmac
import logging
from collections.abc import Callable

import msgspec
import urllib3

from calc_stream.config import Webhook
from calc_stream.web.alarm_book import AlarmBook
from wire.errors import ConfigError, TransientError

log = logging.getLogger(__name__)

_TIMEOUT_S = 10.0
_LOOK_S = 0.5
_BACKOFF_S = (1.0, 600.0)
_GIVE_UP_MS = 86_400_000


def signature(secret: bytes, identity: str, t_s: int, body: bytes) -> str:
    """The header `webhook-signature` of a message."""
    signed = f"{identity}.{t_s}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()


async def deliver(hook: Webhook, book: AlarmBook, site: str, now_ms: Callable[[], int]) -> None:
    """Until cancelled. Raises nothing: what fails is told in the log and tried again."""
    wait_s = _BACKOFF_S[0]
    with urllib3.PoolManager(retries=False, timeout=_TIMEOUT_S) as http:
        while True:
            waiting = await asyncio.to_thread(book.waiting, hook.url)
            if waiting is None:
                await asyncio.sleep(_LOOK_S)
                continue
            number, made_ms, body = waiting
            try:
                identity = f"{site}-{number}"
                secret = hook.secret()
                await asyncio.to_thread(_post, http, hook.url, secret, identity, now_ms(), body)
            except (TransientError, ConfigError) as exc:
                if wait_s == _BACKOFF_S[0]:
                    log.warning("webhook: %s; trying again", exc)
                if now_ms() - made_ms <= _GIVE_UP_MS:
                    await asyncio.sleep(wait_s)
                    wait_s = min(wait_s * 2, _BACKOFF_S[1])
                    continue
                log.error("webhook: %s took no alarm for a day: one is given up", hook.url)
            else:
                wait_s = _BACKOFF_S[0]
            await asyncio.to_thread(book.sent, number)


def _post(
    http: urllib3.PoolManager, url: str, secret: bytes, identity: str, t_ms: int, body: bytes
) -> None:
    t_s = t_ms // 1000
    headers = {
        "Content-Type": "application/json",
        "webhook-id": identity,
        "webhook-timestamp": str(t_s),
        "webhook-signature": signature(secret, identity, t_s, body),
    }
    try:
        answer = http.request("POST", url, body=body, headers=headers, redirect=False)
    except urllib3.exceptions.HTTPError as exc:
        raise TransientError(f"{url}: {exc}") from exc
    if not 200 <= answer.status < 300:
        said = msgspec.json.encode(answer.data[:200].decode(errors="replace")).decode()
        raise TransientError(f"{url}: answered {answer.status}: {said}")
