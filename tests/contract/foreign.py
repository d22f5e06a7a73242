"""Somebody else's database server, which answers by script what no test could make a real one say."""

import contextlib
import http.server
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import wire.config
from ingestor.sinks import influxdb


class Foreign(http.server.BaseHTTPRequestHandler):
    """Somebody else's server: `moods` are its next answers, then it is well. It keeps what a server
    of that mood keeps, and notes what it was asked."""

    moods: ClassVar[list[str]] = []
    kept: ClassVar[set[bytes]] = set()
    asked: ClassVar[list[tuple[str, str, str, bytes]]] = []
    answers: ClassVar[dict[tuple[str, str], tuple[int, bytes]]] = {}
    version: ClassVar[str] = "1.8.10"
    body: ClassVar[bytes] = b"{}"
    retry_after: ClassVar[str] = "7"
    lock = threading.Lock()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        self._note(body)
        if not self.path.startswith(("/write", "/api/v2/write")):
            self._say(*self.answers.get((self.command, self._place()), (404, b"{}")))
            return
        with self.lock:
            mood = self.moods.pop(0) if self.moods else "well"
        lines = body.splitlines(keepends=True)
        bad = {line for line in lines if b"meter=bad" in line}
        match mood:
            case "hang":
                time.sleep(0.6)
                self.close_connection = True
            case "half":
                self.kept.update(set(lines) - bad)
                self.send_response(204)
                self.wfile.write(b"HTTP/1.1 20")
                self.close_connection = True
            case "413" if len(lines) > 3:
                self._say(413)
            case "429" | "503" | "500" | "401" | "403" | "404":
                self._say(int(mood), self.body)
            case "422" if bad:
                self._say(422, b'{"code":"unprocessable entity","message":"field type conflict"}')
            case _ if bad:
                self.kept.update(set(lines) - bad)
                self._say(
                    400, b'{"error":"partial write: field type conflict dropped=%d"}' % len(bad)
                )
            case _:
                self.kept.update(lines)
                self._say(204)

    def do_GET(self) -> None:
        self._note(b"")
        self._say(*self.answers.get((self.command, self._place()), (204, b"")))

    def do_PATCH(self) -> None:
        self.do_POST()

    def _place(self) -> str:
        return self.path.partition("?")[0]

    def _note(self, body: bytes) -> None:
        self.asked.append((self.command, self.path, self.headers["Authorization"], body))

    def _say(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("X-Influxdb-Version", self.version)
        self.send_header("Content-Type", "application/json")
        if status in (429, 503):
            self.send_header("Retry-After", self.retry_after)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def serving(is_hasty: bool = False) -> Iterator[str]:
    """Its url; with nothing noted yet. `is_hasty`: who is told to come again may do so at once."""
    for noted in (Foreign.moods, Foreign.kept, Foreign.asked, Foreign.answers):
        noted.clear()
    Foreign.version, Foreign.body = "1.8.10", b"{}"
    Foreign.retry_after = "0" if is_hasty else "7"
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Foreign)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def sink_for(url: str, directory: Path, **told: object) -> influxdb.InfluxDB:
    (directory / "secret").write_text("secret")
    table = {"url": url, "password_file": str(directory / "secret"), **told}
    return influxdb.open_sink(wire.config.convert(table, influxdb.Settings, "t"), directory)
