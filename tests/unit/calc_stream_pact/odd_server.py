"""A server that answers as it is told, for the client to meet."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from calc_stream.pact.client import Host


@dataclass
class Odd:
    """A server that answers what a test wants: one answer after the other, the last for ever."""

    url: str
    ca: Path
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    seen: list[tuple[str, str]] = field(default_factory=list)  # path and Authorization
    tokens: int = 0
    waits: list[float] = field(default_factory=list)
    provider: dict[str, str] = field(default_factory=dict)  # its OpenID configuration
    busy: int = 0  # so often no token is given

    def host(self, tries: bool = True) -> Host:
        wait = self.waits.append if tries else None
        return Host(self.url, "wheels", "a secret", self.ca, wait)

    def says(self, status: int, body: Any = b"", **headers: str) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answers.append((status, headers, data))

    @property
    def asked(self) -> list[str]:
        return [path for path, _ in self.seen if path.startswith("/3/")]


@contextmanager
def raw(odd: Odd, answer: Callable[[ssl.SSLSocket], None]) -> Iterator[Host]:
    """A server whose token is got in the usual way, and whose documents are these bytes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(odd.ca.with_name("server.pem"), odd.ca.with_name("server.key"))
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with suppress(OSError):  # the client goes away, or the test is over
                while True:
                    with context.wrap_socket(listening.accept()[0], server_side=True) as sock:
                        sock.recv(65536)
                        answer(sock)

        thread = threading.Thread(target=serve)
        thread.start()
        host = Host(f"https://127.0.0.1:{listening.getsockname()[1]}", "wheels", "s", odd.ca)
        host._token = "t"
        try:
            yield host
        finally:
            host.close()
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()
