"""Codes and requests for certificates, as anybody may type or send them."""

import msgspec
import pytest

from wire.enrolment import Code, Request, ask, read
from wire.errors import BadData
from wire.signing import SigningKey

OWN, TLS = SigningKey(bytes([1] * 32)), SigningKey(bytes([2] * 32))


def test_a_request_that_both_keys_signed_is_read() -> None:
    request = read(ask("s1", "gw-1", OWN, TLS))
    assert (request.site, request.gateway, request.key) == ("s1", "gw-1", str(OWN.public))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"site": "s2"}, "signature does not match"),
        ({"tls_key": str(OWN.public)}, "signature does not match"),
        ({"sig": ""}, "signature does not match"),
        ({"sig": "?"}, "is not base64"),
        ({"sig": "é" * 88}, "is not base64"),
        ({"tls_sig": "é" * 88}, "is not base64"),
        ({"key": "é"}, "not a public key"),
    ],
)
def test_what_its_keys_did_not_sign_is_refused(changes: dict[str, str], why: str) -> None:
    honest = msgspec.json.decode(ask("s1", "gw-1", OWN, TLS), type=Request)
    with pytest.raises(BadData, match=why):
        read(msgspec.json.encode(msgspec.structs.replace(honest, **changes)))


@pytest.mark.parametrize("text", ["", "ABCD", "é" * 52, "1" * 52])
def test_what_is_no_code_is_refused(text: str) -> None:
    with pytest.raises(BadData, match="13 groups of four letters and digits"):
        Code.parse(text)
