"""Where tokens are got, as OpenID Connect Discovery has it, and the schema of our extension."""

import base64

import msgspec
from fastapi import APIRouter, Response

from calc_stream.pact.extension import PATH, SCHEMA
from calc_stream.web.behind import json
from calc_stream.web.pact.office import Office


class _Provider(msgspec.Struct, frozen=True):
    issuer: str
    token_endpoint: str
    jwks_uri: str
    grant_types_supported: tuple[str, ...] = ("client_credentials",)
    response_types_supported: tuple[str, ...] = ("token",)
    subject_types_supported: tuple[str, ...] = ("public",)
    id_token_signing_alg_values_supported: tuple[str, ...] = ("EdDSA",)
    token_endpoint_auth_methods_supported: tuple[str, ...] = (
        *("client_secret_basic", "client_secret_post"),
    )


class _Key(msgspec.Struct, frozen=True):
    x: str
    kty: str = "OKP"
    crv: str = "Ed25519"
    use: str = "sig"
    alg: str = "EdDSA"


class _Keys(msgspec.Struct, frozen=True):
    keys: list[_Key]


def routes(office: Office) -> APIRouter:
    router = APIRouter()
    base = office.pact.base

    @router.get("/.well-known/openid-configuration")
    async def provider() -> Response:
        """For who does not know /auth/token."""
        keys = f"{base}/.well-known/jwks.json"
        return json(_Provider(base, f"{base}/auth/token", keys))

    @router.get("/.well-known/jwks.json")
    async def jwks() -> Response:
        """The public key tokens are signed with."""
        x = base64.urlsafe_b64encode(office.public.raw).rstrip(b"=").decode()
        return json(_Keys([_Key(x)]))

    @router.get(PATH)
    def schema() -> Response:
        """Anybody may read what our extension means."""
        return Response(SCHEMA.read_bytes(), media_type="application/schema+json")

    return router
