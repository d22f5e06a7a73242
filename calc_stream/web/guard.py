"""Who may do what: `needs("viewer")` before a route lets in whoever has that role.

A program sends its key, or a token it got for it, as `Authorization: Bearer`; a browser has a cookie
it got for a key. Each key has so many requests a second, each address so many tries of a wrong one.
Without a keys file the page is open: to look at for whoever reaches it, to change something only for a
browser on this very machine.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer

from calc_stream.web.problems import Problem, too_often
from calc_stream.web.tokens import Tokens
from wire.callers import Caller, Callers, Role
from wire.limits import Limits
from wire.signing import SigningKey

COOKIE = "wattprint_session"
_TRIES_PER_S, _TRIES = 1.0, 20  # of a wrong key or token, from one address
_BEARER = HTTPBearer(
    auto_error=False, description="A key made by `wattprint apikey new`, or a token got for it."
)
_COOKIE = APIKeyCookie(name=COOKIE, auto_error=False, description="Set by POST /v1/session.")
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
LOOKING = Caller("anybody", ("viewer",), "", "")
BESIDE = Caller("local", ("operator", "auditor"), "", "")


@dataclass(frozen=True)
class Guard:
    """All None where no key is asked for."""

    callers: Callers | None = None
    tokens: Tokens | None = None
    requests: Limits | None = None
    tries: Limits | None = None

    @property
    def is_open(self) -> bool:
        return self.callers is None

    def admit(self, request: Request, role: Role, bearer: str, cookie: str) -> Caller:
        """Who it is. Raises Problem unless that gives `role`."""
        caller = self._who(request, bearer, cookie)
        if caller is None:
            if bearer or cookie:
                self.tried(request)
            what = "send a key that is known here: Authorization: Bearer <key>, or sign in"
            raise Problem(401, what, headers={"WWW-Authenticate": "Bearer"})
        request.state.caller = caller
        self.count(caller)
        if not caller.may(role):
            cure = f"needs the role {role}; {caller.name} has {', '.join(caller.roles)}"
            raise Problem(403, cure)
        # A browser sends its cookie whoever asks it to; this header only for a page of ours.
        changes = request.method not in _READING and (self.is_open or not bearer)
        if changes and request.headers.get("x-requested-with") != "wattprint":
            raise Problem(403, "send X-Requested-With: wattprint, or a key")
        return caller

    def count(self, caller: Caller) -> None:
        """One more request of this caller. Raises Problem where there are too many."""
        if self.requests and (wait_s := self.requests.wait_s(caller.name)):
            raise too_often(caller.name, wait_s)

    def tried(self, request: Request) -> None:
        """A key that is not known came from there. Raises Problem where that happens too often."""
        address = request.client.host if request.client else ""
        if self.tries and (wait_s := self.tries.wait_s(address)):
            raise too_often(address, wait_s)

    def _who(self, request: Request, bearer: str, cookie: str) -> Caller | None:
        if self.callers is None or self.tokens is None:
            return BESIDE if _is_local(request) else LOOKING
        if bearer:
            return self.callers.who(bearer) or self.tokens.who(bearer)
        return self.tokens.who(cookie) if cookie else None


def keyed(
    keys_file: Path, key: SigningKey, requests: tuple[float, int], now_ms: Callable[[], int]
) -> Guard:
    """For those with a key of that file, each of them so many requests a second after so many at
    once. Raises ConfigError."""
    callers = Callers(keys_file)
    return Guard(
        callers,
        Tokens(key, callers, now_ms),
        Limits(*requests, time.monotonic),
        Limits(_TRIES_PER_S, _TRIES, time.monotonic),
    )


def needs(role: Role) -> Any:
    """A dependency of a route; as a parameter's default it gives the Caller."""

    async def admitted(
        request: Request,
        bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
        cookie: Annotated[str | None, Depends(_COOKIE)],
    ) -> Caller:
        guard: Guard = request.app.state.guard
        return guard.admit(request, role, bearer.credentials if bearer else "", cookie or "")

    return Depends(admitted)


def _is_local(request: Request) -> bool:
    """From this machine, and by a name of it: a foreign page may have its own name lead here."""
    try:
        near = request.client is not None and ip_address(request.client.host).is_loopback
        return near and urlsplit(f"//{request.headers.get('host', '')}").hostname in _HERE
    except ValueError:
        return False
