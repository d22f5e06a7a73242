"""Pure: time stamps (RFC 3161) over tree heads, and whether somebody trusted made them.

The server's certificates count as they were at the time of the stamp; no clock is asked.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime

import msgspec
from cryptography.x509 import (
    Certificate,
    ExtendedKeyUsage,
    ExtensionNotFound,
    load_pem_x509_certificates,
)
from cryptography.x509.oid import ExtendedKeyUsageOID
from rfc3161_client import VerificationError, Verifier, VerifierBuilder, decode_timestamp_response

from wire.errors import BadData
from wire.journal.heads import TreeHead


def authority(pem: bytes) -> list[Certificate]:
    """Whom to trust: roots, and as far as answers lack them what is between, and a server's own.

    Raises BadData.
    """
    try:
        found = load_pem_x509_certificates(pem)
    except ValueError as exc:
        raise BadData(f"holds no certificates in PEM form: {exc}") from exc
    if not any(_is_root(each) for each in found):
        raise BadData("holds no certificate of an authority, which is signed by itself")
    return found


def stamped(answer: bytes, head: TreeHead, trusted: Sequence[Certificate] = ()) -> datetime:
    """When the head was there. Raises BadData unless the stamp is of it, and made by somebody trusted.

    Without `trusted` it is not asked who made it.
    """
    digest = hashlib.sha256(msgspec.json.encode(head)).digest()
    try:
        found = decode_timestamp_response(answer)
        info = found.tst_info
        if info.message_imprint.message != digest:
            raise BadData("is a time stamp of something else than this head")
        if trusted:
            _verifier(trusted).verify(found, digest)
    except (ValueError, VerificationError) as exc:
        raise BadData(f"is no time stamp by whom you trust: {exc}") from exc
    return info.gen_time


def _verifier(trusted: Sequence[Certificate]) -> Verifier:
    builder = VerifierBuilder()
    for each in trusted:
        if _is_root(each):
            builder = builder.add_root_certificate(each)
        elif _is_server(each):
            builder = builder.tsa_certificate(each)
        else:
            builder = builder.add_intermediate_certificate(each)
    return builder.build()


def _is_root(certificate: Certificate) -> bool:
    return certificate.issuer == certificate.subject


def _is_server(certificate: Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(ExtendedKeyUsage).value
    except ExtensionNotFound:
        return False
    return ExtendedKeyUsageOID.TIME_STAMPING in usage
