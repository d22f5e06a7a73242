"""A time stamp server of one's own: OpenSSL's, behind HTTP. And an authority that made it."""

import hashlib
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_CONFIG = """[tsa]
default_tsa = it
[it]
serial = serial
signer_cert = tsa.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
"""
_POLICY = bytes.fromhex("06042a030401")  # 1.2.3.4.1
_SHA_256 = bytes.fromhex("0609608648016503040201")
# Whatever now is, and whenever the plants of the tests ran.
_SINCE, _UNTIL = datetime(2020, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)


@dataclass
class Authority:
    """`ca` is what is trusted; `certificate` the server's own."""

    folder: Path
    ca: Path = field(init=False)
    certificate: Path = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ca, self.certificate = self.folder / "ca.pem", self.folder / "tsa.pem"
        (self.folder / "tsa.cnf").write_text(_CONFIG)
        (self.folder / "serial").write_text("01\n")
        ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        ca = _named("An authority")
        # The longer certificate, so that OpenSSL puts it where DER would not.
        its = _named("A time stamp server", *(f"{n} of a name that is long" for n in range(9)))
        may = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        root = _certificate(ca, ca, ca_key).add_extension(x509.BasicConstraints(True, None), True)
        made = _certificate(its, ca, key).add_extension(may, True)
        _keep(self.ca, root.sign(ca_key, SHA256()))
        _keep(self.certificate, made.sign(ca_key, SHA256()))
        form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self.folder / "tsa.key").write_bytes(key.private_bytes(*form))

    def ships(self, *certificates: Path) -> None:
        """Answers hold these beside its own from now on, in OpenSSL's order, which is not DER's."""
        both = b"".join(path.read_bytes() for path in certificates)
        (self.folder / "chain.pem").write_bytes(both)
        (self.folder / "tsa.cnf").write_text(_CONFIG + "certs = chain.pem\n")

    def answer(self, query: bytes) -> bytes:
        """The answer (DER) to a query."""
        (self.folder / "query").write_bytes(query)
        args = ("-config", "tsa.cnf", "-queryfile", "query", "-out", "answer")
        self.openssl("ts", "-reply", *args)
        return (self.folder / "answer").read_bytes()

    def stamp(self, data: bytes, t_ms: int, with_certificate: bool = True) -> bytes:
        """The answer (DER) that it would have given at this time: OpenSSL's server knows only now."""
        at = f"{datetime.fromtimestamp(t_ms // 1000, UTC):%Y%m%d%H%M%SZ}".encode()
        hashed = _der(0x04, hashlib.sha256(data).digest())
        one = _der(0x02, b"\x01")
        imprint = _der(0x30, _der(0x30, _SHA_256, _der(0x05)), hashed)
        told = _der(0x30, one, _POLICY, imprint, one, _der(0x18, at))
        (self.folder / "told").write_bytes(told)
        by = ("-signer", "tsa.pem", "-inkey", "tsa.key", "-md", "sha256")
        what = ("-in", "told", "-econtent_type", "1.2.840.113549.1.9.16.1.4")
        form = ["-nodetach", "-binary", "-outform", "DER", "-out", "token"]
        form += [] if with_certificate else ["-nocerts"]
        self.openssl("cms", "-sign", "-cades", *by, *what, *form)
        granted = _der(0x30, _der(0x02, b"\x00"))
        return _der(0x30, granted, (self.folder / "token").read_bytes())

    def openssl(self, *arguments: str) -> bytes:
        done = subprocess.run(
            ["openssl", *arguments], cwd=self.folder, capture_output=True, check=True
        )
        return done.stdout


def _named(name: str, *units: str) -> x509.Name:
    unit = NameOID.ORGANIZATIONAL_UNIT_NAME
    return x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, name)]
        + [x509.NameAttribute(unit, each) for each in units]
    )


def _certificate(
    its: x509.Name, by: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    made = x509.CertificateBuilder(by, its, key.public_key(), x509.random_serial_number())
    return made.not_valid_before(_SINCE).not_valid_after(_UNTIL)


def _keep(path: Path, made: x509.Certificate) -> None:
    path.write_bytes(made.public_bytes(Encoding.PEM))


def _der(tag: int, *parts: bytes) -> bytes:
    inside = b"".join(parts)
    size = len(inside)
    if size < 128:
        return bytes([tag, size]) + inside
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(length)]) + length + inside


@contextmanager
def serving(authority: Authority, refusals: int = 0) -> Iterator[tuple[str, list[int]]]:
    """(its address, the status of each answer so far); the first `refusals` are 503."""
    given: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["Content-Type"] == "application/timestamp-query"
            status = 503 if len(given) < refusals else 200
            body = authority.answer(query) if status == 200 else b"later"
            given.append(status)
            self.send_response(status)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/tsr", given
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
