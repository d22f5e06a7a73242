"""Who may do what: `needs("viewer")` before a route lets in whoever has a key with that role."""

from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from ingestor.api.problems import Problem, retry_after
from wire.callers import Caller, Callers, Role
from wire.limits import Limits

_BEARER = HTTPBearer(auto_error=False, description="A key made by `ingestor apikey new`.")


class Guard:
    """Keys, roles and limits. `tries` bounds how often an address may come with a wrong key."""

    def __init__(self, callers: Callers, requests: Limits, tries: Limits) -> None:
        self._callers = callers
        self._requests = requests
        self._tries = tries

    def admit(self, key: str, role: Role, address: str) -> Caller:
        """Whose key it is. Raises Problem unless it gives `role` and there is no hurry."""
        caller = self._callers.who(key) if key else None
        if caller is None:
            self._count(self._tries, address)
            what = "send a key that is known here: Authorization: Bearer <key>"
            raise Problem(401, what, headers={"WWW-Authenticate": "Bearer"})
        self._count(self._requests, caller.name)
        if not caller.may(role):
            has = ", ".join(caller.roles)
            raise Problem(403, f"needs the role {role}; {caller.name} has {has}")
        return caller

    def _count(self, limits: Limits, name: str) -> None:
        if wait_s := limits.wait_s(name):
            headers = retry_after(wait_s)
            raise Problem(429, f"{name} asks too often", headers=headers)


def needs(role: Role) -> Any:
    """A dependency of a route; as a parameter's default it gives the Caller."""

    async def admitted(
        request: Request,
        bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
    ) -> Caller:
        guard: Guard = request.app.state.guard
        address = request.client.host if request.client else ""
        return guard.admit(bearer.credentials if bearer else "", role, address)

    return Depends(admitted)
