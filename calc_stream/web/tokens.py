"""Short words that say who somebody is, signed by a key of this machine: JWTs with EdDSA (RFC 8037).

A token stands for a key of the keys file and ends with it: it names the beginning of the key's hash.
"""

import base64
from collections.abc import Callable

import msgspec

from wire.callers import Caller, Callers
from wire.errors import BadData
from wire.signing import SigningKey

TOKEN_S = 900
SESSION_S = 12 * 3600
_HEAD = b'{"alg":"EdDSA","typ":"JWT"}'


class _Claims(msgspec.Struct, frozen=True):
    """`sub`: the caller's name; `key`: of the hash of its key; `exp`: until when, in s."""

    sub: str
    key: str
    exp: int


class Tokens:
    """Makes them and says whose they are."""

    def __init__(self, key: SigningKey, callers: Callers, now_ms: Callable[[], int]) -> None:
        self._key, self._callers, self._now_ms = key, callers, now_ms

    def made(self, caller: Caller, lasts_s: int) -> str:
        claims = _Claims(caller.name, _part(caller), self._now_ms() // 1000 + lasts_s)
        said = _text(_HEAD) + "." + _text(msgspec.json.encode(claims))
        return said + "." + _text(self._key.sign(said.encode()))

    def who(self, token: str) -> Caller | None:
        """Whose it is; None for a foreign or old one, or when its key was revoked or rotated."""
        claims = self._claims(token)
        caller = self._callers.named(claims.sub) if claims else None
        if claims is None or caller is None or _part(caller) != claims.key:
            return None
        return caller if self._now_ms() < claims.exp * 1000 else None

    def is_over(self, token: str) -> bool:
        """Whether it was one of ours, and its time is over."""
        claims = self._claims(token)
        return claims is not None and self._now_ms() >= claims.exp * 1000

    def _claims(self, token: str) -> _Claims | None:
        """What one of ours says."""
        said, _, signature = token.rpartition(".")
        head, _, body = said.partition(".")
        if head != _text(_HEAD):
            return None
        try:
            self._key.public.verify(_bytes(signature), said.encode())
            return msgspec.json.decode(_bytes(body), type=_Claims)
        except (BadData, ValueError):
            return None


def _part(caller: Caller) -> str:
    return caller.sha256[:16]


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
