"""The calculator hands its model and factors over until they are taken."""

import asyncio
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from calc_stream.config import load_plan
from calc_stream.handover import hand_over
from tests.integration.calculator_process import Calculator
from tests.integration.servers import PATIENCE_S
from tests.unit.calc_stream_live.plant import MODEL, SITE
from wire.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def receiver(answers: list[int]) -> Iterator[tuple[int, list[tuple[str, str, bytes]]]]:
    """A server that notes what is PUT to it and gives these answers in turn, then 200."""
    got: list[tuple[str, str, bytes]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, self.headers["Authorization"], body))
            self.send_response(answers.pop(0) if answers else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Silent."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1], got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def test_model_and_factors_are_handed_over_until_they_are_taken(tmp_path: Path) -> None:
    with receiver([503, 201, 201]) as (port, got):
        plan = load_plan(Calculator(tmp_path, port).config)
        await asyncio.wait_for(hand_over(plan), PATIENCE_S)
    assert [path for path, _, _ in got] == [
        f"/v1/{SITE}/model",
        f"/v1/{SITE}/model",
        f"/v1/{SITE}/factors",
    ]
    assert {token for _, token, _ in got} == {"Bearer secret"}
    assert got[1][2].decode() == MODEL
    assert got[2][2] == plan.factors.encode()


async def test_a_refused_model_is_for_a_person_to_change(tmp_path: Path) -> None:
    with receiver([422]) as (port, _):
        plan = load_plan(Calculator(tmp_path, port).config)
        with pytest.raises(ConfigError, match="422"):
            await asyncio.wait_for(hand_over(plan), PATIENCE_S)


async def test_an_authority_s_file_that_is_none_is_for_a_person_to_change(tmp_path: Path) -> None:
    config = Calculator(tmp_path).config
    named = config.read_text().replace("[web]", 'ca_file = "none.pem"\n[web]')
    config.write_text(named)
    with pytest.raises(ConfigError, match=r"none\.pem: cannot be read"):
        await asyncio.wait_for(hand_over(load_plan(config)), PATIENCE_S)
