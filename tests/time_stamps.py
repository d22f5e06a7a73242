"""A time stamp server of one's own: OpenSSL's, behind HTTP. And an authority that made it."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

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
_EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


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
        (self.folder / "ext").write_text("extendedKeyUsage=critical,timeStamping\n")
        ca = ("-keyout", "ca.key", "-out", "ca.pem", "-days", "9", "-subj", "/CN=An authority")
        self.openssl("req", "-x509", *_EC, *ca)
        # The longer certificate, so that OpenSSL puts it where DER would not.
        name = "/CN=A time stamp server" + "".join(
            f"/OU={n} of a name that is long" for n in range(9)
        )
        its = ("-keyout", "tsa.key", "-out", "tsa.csr", "-subj", name)
        self.openssl("req", *_EC, *its)
        by = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "9")
        self.openssl("x509", "-req", "-in", "tsa.csr", *by, "-extfile", "ext", "-out", "tsa.pem")

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

    def openssl(self, *arguments: str) -> bytes:
        done = subprocess.run(
            ["openssl", *arguments], cwd=self.folder, capture_output=True, check=True
        )
        return done.stdout


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
