"""Who asks: a token got at /auth/token, over TLS. A key itself is shown there only."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Depends, Request

from calc_stream.web.pact.office import Office
from calc_stream.web.pact.refusals import Refusal, answer
from wire.callers import Caller


def admitted(office: Office) -> Any:
    """A dependency of a route; as a parameter's default it gives the Caller."""

    async def look(request: Request) -> Caller:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        tokens = office.guard.tokens
        if kind.lower() != "bearer" or tokens is None:
            raise Refusal(400, "send Authorization: Bearer with a token of /auth/token")
        caller = tokens.who(token)
        if caller is None:
            if tokens.is_over(token):
                raise Refusal(401, "this token is over: get another at /auth/token")
            office.guard.tried(request)
            raise Refusal(400, "this is no token of ours: get one at /auth/token")
        request.state.caller = caller
        office.guard.count(caller)
        if not caller.may("viewer"):
            raise Refusal(403, f"needs the role viewer; {caller.name} has not got it")
        return caller

    return Depends(look)


def over_tls(office: Office) -> Callable[..., Awaitable[Any]]:
    """Behind a proxy, which says so, what came to it in the clear is refused."""

    async def only(request: Request, go_on: Callable[[Request], Awaitable[Any]]) -> Any:
        proxied = office.pact.behind_proxy
        if proxied and request.headers.get("x-forwarded-proto", "").lower() != "https":
            return answer(400, "this is spoken over HTTPS only")
        return await go_on(request)

    return only
