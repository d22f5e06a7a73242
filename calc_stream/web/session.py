"""Who is there: a browser signs in with a key, a program gets a token for one."""

import base64
from typing import Annotated
from urllib.parse import parse_qs, unquote_plus

import msgspec
from fastapi import APIRouter, Query, Request, Response

from calc_stream.web.audit import Entry
from calc_stream.web.behind import Behind, json
from calc_stream.web.bodies import body_of
from calc_stream.web.described import Content, describe, of
from calc_stream.web.guard import COOKIE, Guard, needs
from calc_stream.web.paging import MOST_ROWS
from calc_stream.web.problems import Problem, bad_data
from calc_stream.web.tokens import SESSION_S, TOKEN_S
from wire.callers import Caller, Role

_MOST_BYTES = 4096
_FORM = "application/x-www-form-urlencoded"
# The page asks for one word; whoever has several roles can do what the first of these can.
_ORDER: tuple[Role, ...] = ("admin", "operator", "auditor", "viewer")


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    key: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Me(msgspec.Struct, frozen=True):
    """`open`: no key is asked for here; `role`: the one that may do most of `roles`."""

    name: str
    role: Role
    roles: tuple[Role, ...]
    open: bool


class Token(msgspec.Struct, frozen=True):
    """RFC 6749; `scope`: the key's roles."""

    access_token: str
    token_type: str
    expires_in: int
    scope: str


class _NoToken(msgspec.Struct, frozen=True):
    error: str
    error_description: str


class AuditLog(msgspec.Struct, frozen=True):
    """The newest first."""

    entries: list[Entry]


_READ = Entry(1_795_651_200_000, "li.wei", "10.0.0.7", "GET", "/v1/batches", 200)


def routes(behind: Behind, guard: Guard) -> APIRouter:
    router = APIRouter(tags=["access"])
    me_example = of(Me, Me("li.wei", "operator", ("operator",), False))

    @router.get("/v1/me", **describe(me_example))
    async def me(caller: Annotated[Caller, needs("viewer")]) -> Response:
        """Whose key this is."""
        role = next(role for role in _ORDER if role in caller.roles)
        return json(Me(caller.name, role, caller.roles, guard.is_open))

    @router.get(
        "/v1/audit",
        dependencies=[needs("auditor")],
        **describe(of(AuditLog, AuditLog([_READ]))),
    )
    def audit(limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 100) -> Response:
        """Who read or changed what, as far as it is kept here."""
        return json(AuditLog(behind.audit.newest(limit)))

    return router


def doors(guard: Guard) -> APIRouter:
    """Where nobody is known yet."""
    router = APIRouter(tags=["access"])
    key = of(Key, Key("the key"))

    @router.post(
        "/v1/session",
        **describe(takes=(key,), status=204, problems=(401, 403, 413, 429), is_open=True),
    )
    async def sign_in(request: Request) -> Response:
        """A cookie for a key, for a browser, for twelve hours or until the key ends."""
        if request.headers.get("x-requested-with") != "wattprint":
            raise Problem(403, "send X-Requested-With: wattprint")
        try:
            told = msgspec.json.decode(await body_of(request, _MOST_BYTES), type=Key)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise bad_data(f"session: {exc}") from exc
        if guard.callers is None or guard.tokens is None:
            return Response(None, 204)
        caller = guard.callers.who(told.key)
        if caller is None:
            guard.tried(request)
            raise Problem(401, "this key is not known here")
        request.state.caller = caller
        answer = Response(None, 204)
        _set(answer, request, guard.tokens.made(caller, SESSION_S), SESSION_S)
        return answer

    @router.delete("/v1/session", **describe(status=204, is_open=True))
    async def sign_out(request: Request) -> Response:
        """Takes the cookie back."""
        answer = Response(None, 204)
        _set(answer, request, "", 0)
        return answer

    return router


def token_door(guard: Guard) -> APIRouter:
    """Where a program gets a token for its key."""
    router = APIRouter(tags=["access"])
    form = Content(
        {
            "type": "object",
            "required": ["grant_type"],
            "properties": {
                "grant_type": {"const": "client_credentials"},
                "client_id": {"type": "string"},
                "client_secret": {"type": "string"},
            },
        },
        {"grant_type": "client_credentials", "client_id": "bi", "client_secret": "the key"},
        _FORM,
    )
    refused = of(_NoToken, _NoToken("invalid_client", "no such key"))

    @router.post(
        "/auth/token",
        **describe(
            of(Token, Token("eyJ…", "Bearer", TOKEN_S, "viewer")),
            takes=(form,),
            also={400: refused, 401: refused},
            problems=(413, 429),
            is_open=True,
        ),
    )
    async def token(request: Request) -> Response:
        """OAuth 2.0 client credentials: the id is the key's name, the secret the key."""
        fields = parse_qs((await body_of(request, _MOST_BYTES)).decode("latin-1"))
        if fields.get("grant_type") != ["client_credentials"]:
            return _no_token(400, "unsupported_grant_type", "grant_type is client_credentials")
        name, secret = _client(request, fields)
        caller = guard.callers.who(secret) if guard.callers and secret else None
        if caller is None or caller.name != name or guard.tokens is None:
            guard.tried(request)
            return _no_token(401, "invalid_client", "client_id is a key's name, client_secret it")
        request.state.caller = caller
        made = Token(guard.tokens.made(caller, TOKEN_S), "Bearer", TOKEN_S, " ".join(caller.roles))
        return json(made, headers={"Cache-Control": "no-store"})

    return router


def _client(request: Request, fields: dict[str, list[str]]) -> tuple[str, str]:
    """Name and key, by HTTP Basic or in the form (RFC 6749, 2.3.1)."""
    kind, _, told = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "basic":
        try:
            name, _, secret = base64.b64decode(told, validate=True).decode().partition(":")
        except ValueError:  # no base64, no text, or no ASCII to begin with
            return "", ""
        return unquote_plus(name), unquote_plus(secret)
    one = {key: values[0] for key, values in fields.items()}
    return one.get("client_id", ""), one.get("client_secret", "")


def _no_token(status: int, error: str, description: str) -> Response:
    headers = {"Cache-Control": "no-store"}
    if status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="wattprint"'
    return json(_NoToken(error, description), status, headers)


def _set(answer: Response, request: Request, value: str, lasts_s: int) -> None:
    secure = request.url.scheme == "https"
    answer.set_cookie(
        COOKIE, value, lasts_s, path="/", secure=secure, httponly=True, samesite="strict"
    )
