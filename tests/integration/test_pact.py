"""A running calculator offers what it published to other companies, and tells them of it."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from calc_stream.__main__ import main
from calc_stream.config import load_plan
from calc_stream.pact.client import Host
from calc_stream.pact.events import Fulfilled, made
from tests.integration.calculator_process import Calculator
from tests.integration.servers import free_port, listens, wait_until
from tests.unit.calc_stream_live.days import MODEL, Days
from tests.unit.calc_stream_pact.documents import good
from tests.unit.calc_stream_pact.exchange import Listener, certificates, listener, now_ms
from wire.callers import CallersFile
from wire.errors import ConfigError

PRODUCTS = """
[company]
name = "Example Wheels"
domain = "wheels.example.com"
country = "CN"
subdivision = "CN-CQ"
[[product]]
id = "wheel"
name = "Wheel"
mass_kg = "11.2"
inputs_complete = true
[[product.input]]
name = "Ingot"
amount = "12.1"
unit = "kg"
kg_co2e = "14.3"
supplier = "Example Aluminium"
source = "a database"
"""


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Days]:
    plant = Days(tmp_path)
    yield plant
    plant.writer.close()


def offering(folder: Path, partner: Listener) -> tuple[Calculator, int]:
    """A calculator with a door for others, and its port."""
    calculator, port = Calculator(folder), free_port()
    certificates(folder)
    key = CallersFile(folder / "pact.keys", lambda: "a-key").add("cars", ("viewer",), now_ms())
    (folder / "wheels.secret").write_text(key)
    (folder / "products.toml").write_text(PRODUCTS)
    (folder / "model.toml").write_text(MODEL)
    text = f"""
[footprints]
period = "day"
declaration = "{folder}/products.toml"
[pact]
url = "https://127.0.0.1:{port}"
host = "127.0.0.1"
port = {port}
keys_file = "{folder}/pact.keys"
cert_file = "{folder}/server.pem"
key_file = "{folder}/server.key"
[[pact.partners]]
name = "cars"
url = "{partner.url}"
client_id = "wheels"
secret_file = "{partner.secret}"
ca_file = "{partner.ca}"
notify = true
"""
    calculator.config.write_text(calculator.config.read_text() + text)
    return calculator, port


def fetched(folder: Path, port: int, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    ask = ["pact", "fetch", f"https://127.0.0.1:{port}", "--client-id", "cars", "--json"]
    ask += ["--secret-file", f"{folder}/wheels.secret", "--ca-file", f"{folder}/ca.pem"]
    assert main([*ask, "--into", f"{folder}/theirs"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_what_is_published_while_it_runs_is_told_and_can_be_fetched(
    tmp_path: Path, plant: Days, capsys: pytest.CaptureFixture[str]
) -> None:
    with listener(tmp_path / "cars") as partner:
        calculator, port = offering(tmp_path, partner)
        with calculator.running() as process:
            plant.first_day()
            event = partner.wait(lambda event: "Published" in event["type"])
            (first,) = fetched(tmp_path, port, capsys)
            assert event["data"]["pfIds"] == [first["id"]]
            assert (first["status"], first["per"]) == ("Active", "1 piece")
            calculated = calculator.get(f"/v1/footprints/{first['id']}")
            total = float(calculated["kg_co2e"]) + 12.1 * 14.3
            assert float(first["kg_co2e"]) == pytest.approx(total, rel=1e-12)
            with pytest.raises(httpx.TransportError):
                httpx.get(f"http://127.0.0.1:{port}/3/footprints")
            log = calculator.get("/v1/audit")["entries"]
            assert {("cars", "/3/footprints"), ("cars", "/auth/token")} <= {
                (entry.get("name"), entry["path"]) for entry in log
            }
        assert process.returncode == 0

        plant.told("quantity", 3.6, batch="A", good="2", scrap="0", unit="piece")
        with calculator.running():
            new = partner.wait(lambda event: event["data"]["pfIds"] != [first["id"]])
            (second,) = fetched(tmp_path, port, capsys)
        assert new["data"]["pfIds"] == [second["id"]]
        document = json.loads(Path(second["file"]).read_text())
        assert document["precedingPfIds"] == [first["id"]]
    assert len(partner.events) == 2


def test_a_port_that_is_taken_ends_the_calculator_with_the_key_to_change(
    tmp_path: Path, plant: Days
) -> None:
    with listener(tmp_path / "cars") as partner:
        calculator, port = offering(tmp_path, partner)
        with socket.create_server(("127.0.0.1", port)):
            done = calculator.command("run", "--config", str(calculator.config))
    assert done.returncode == 2
    assert f"pact.port: 127.0.0.1:{port} cannot be used" in done.stderr


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("https://127.0.0.1", "http://127.0.0.1", "pact.url: 'http://"),
        ("cert_file", "# cert_file", "pact.cert_file: is missing"),
        ("server.key", "ca.key", "pact.cert_file: "),
        ("pact.keys", "none.keys", "pact.keys_file: "),
        ('name = "cars"', 'name = "bikes"', "pact.partners[0].name: 'bikes' has no key"),
        ("client_id", "# client_id", "pact.partners[0].client_id: with url go"),
        ('ca_file = "', 'ca_file = "none', "pact.partners[0].ca_file: none"),
        ("[pact]", "[pact]\nbehind_proxy = true", "pact.behind_proxy: the proxy speaks TLS"),
        ("declaration =", "# declaration =", "footprints.declaration: is missing"),
    ],
)
def test_a_door_that_cannot_be_opened_so_is_refused_by_key(
    tmp_path: Path, old: str, new: str, why: str
) -> None:
    with listener(tmp_path / "cars") as partner:
        calculator, _ = offering(tmp_path, partner)
    text = calculator.config.read_text()
    calculator.config.write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        load_plan(calculator.config)
    assert str(caught.value).startswith(f"{calculator.config}: {why}")


def test_a_supplier_asked_by_event_answers_at_our_door(
    tmp_path: Path, plant: Days, capsys: pytest.CaptureFixture[str]
) -> None:
    del plant  # its journal is what the calculator follows
    with listener(tmp_path / "cars") as partner:
        calculator, port = offering(tmp_path, partner)
        ask = ["pact", "ask", "cars", "--config", str(calculator.config)]
        with calculator.running():
            wanted = good()["productIds"][0]
            assert main([*ask, "--product", wanted, "--comment", "for 2026"]) == 0
            assert "cars was asked: request" in capsys.readouterr().out
            (asked,) = partner.events
            assert asked["type"] == "org.wbcsd.pact.ProductFootprint.RequestCreatedEvent.3"
            assert asked["source"] == f"https://127.0.0.1:{port}/3/events"
            told = {"productId": [wanted], "status": "Active", "comment": "for 2026"}
            assert asked["data"] == told
            wait_until(lambda: listens(port), "our door")  # another one than the page's
            answer = Fulfilled(asked["id"], [good()])  # type: ignore[list-item]
            body = made(answer, "e1", f"{partner.url}/3/events", now_ms())
            secret = (tmp_path / "wheels.secret").read_text()
            host = Host(f"https://127.0.0.1:{port}", "cars", secret, tmp_path / "ca.pem")
            host.send(body)
            host.close()
        (kept,) = (tmp_path / "calc" / "received").glob("*.json")
    assert json.loads(kept.read_text()) == good()
    assert main([*ask[:2], "bikes", *ask[3:], "--product", wanted]) == 2
    assert "'bikes' is none with url; known: cars" in capsys.readouterr().err
    assert main([*ask, "--product", "4012345678901"]) == 2
    assert main(ask) == 2
    assert "--product or --company" in capsys.readouterr().err
