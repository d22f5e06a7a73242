"""We ask a supplier by event; it answers at our own door; the answer stands for a purchased input."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from calc_stream.commands.pact_ask import ask
from calc_stream.pact.client import Host
from calc_stream.pact.events import Asked
from calc_stream.pact.settings import Partner
from calc_stream.pact.upstream import read_declaration
from tests.integration.servers import wait_until
from tests.unit.calc_stream_live.footprints_sample import complete
from tests.unit.calc_stream_pact.exchange import Server, delivering, offered
from tests.unit.calc_stream_pact.test_round_trip import PRODUCTS
from wire.errors import BadData

WHEEL = "urn:gtin:04012345678901"


@dataclass
class Both:
    """A buyer and its supplier, who have keys of each other."""

    buyer: Server
    supplier: Server
    partner: Partner  # the supplier, as the buyer has it

    def ask(self, **asked: Any) -> str:
        told = Asked(**{"status": "Active", **asked})
        return ask(self.buyer.office.pact, self.partner, told, self.buyer.outbox)

    def wait(self, id_: str) -> None:
        wait_until(lambda: self.buyer.outbox.is_open("castings", id_) is False, "it is answered")

    @property
    def files(self) -> list[Path]:
        return sorted(self.buyer.office.received.glob("*.json"))


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Both]:
    old = complete()
    new = complete(supersedes=(old.id,), cause="restated", good="211")
    for name in ("castings", "wheels"):
        (tmp_path / name).write_text(f"{name}-{name}\n")
    with ExitStack() as stack:
        buyer = stack.enter_context(offered(tmp_path / "buyer", callers=("castings",)))
        wheels = Partner(
            "wheels", ("wheel-17",), buyer.url, "castings", tmp_path / "castings", buyer.ca
        )
        supplier = stack.enter_context(
            offered(tmp_path / "theirs", old, new, callers=("wheels",), partners=[wheels])
        )
        yield Both(
            buyer,
            supplier,
            Partner("castings", None, supplier.url, "wheels", tmp_path / "wheels", supplier.ca),
        )


def test_an_answer_is_kept_as_if_it_had_been_fetched_and_stands_for_an_input(
    both: Both, tmp_path: Path
) -> None:
    id_ = both.ask(product_id=(WHEEL,), comment="for the wheels of 2026")
    assert both.buyer.outbox.is_open("castings", id_)
    with delivering(both.supplier):
        both.wait(id_)
    (file,) = both.files
    document = json.loads(file.read_text())
    assert document["status"] == "Active"  # superseded ones were not asked for
    (origin,) = map(json.loads, (file.parent / "fetched.jsonl").read_text().splitlines())
    assert (origin["sha256"], origin["id"]) == (file.stem, document["id"])
    assert origin["url"] == f"{both.supplier.url}/3/events"

    products = tmp_path / "products.toml"
    products.write_text(PRODUCTS.format(pcf=document["id"], document=file, unit="piece"))
    (bought,) = read_declaration(products).product[0].input
    assert bought.kg_co2e == document["pcf"]["pcfExcludingBiogenicUptake"]


def test_a_supplier_that_has_nothing_says_so_and_nothing_is_kept(
    both: Both, caplog: pytest.LogCaptureFixture
) -> None:
    id_ = both.ask(product_id=("urn:gtin:1",))
    with delivering(both.supplier):
        both.wait(id_)
    assert "castings has nothing for us: 'NotFound'" in caplog.text
    assert both.files == []


def test_a_question_that_is_refused_waits_for_no_answer(both: Both) -> None:
    with pytest.raises(BadData, match="is no criterion|answered 400"):
        both.ask(valid_on="soon")
    query = "SELECT COUNT(*) FROM asked"
    assert both.buyer.outbox._db.execute(query).fetchone() == (0,)


def test_what_an_answer_changes_under_a_known_id_is_refused(both: Both) -> None:
    id_ = both.ask(product_id=(WHEEL,))
    with delivering(both.supplier):
        both.wait(id_)
    (file,) = both.files
    document = json.loads(file.read_text())
    document["companyName"] = "Another"
    both.buyer.outbox.asked("castings", "again", 0)
    body = {
        "type": "org.wbcsd.pact.ProductFootprint.RequestFulfilledEvent.3",
        "specversion": "1.0",
        "id": "e",
        "source": "//castings",
        "time": "2026-11-26T00:00:00Z",
        "data": {"requestEventId": "again", "pfs": [document]},
    }
    secret = (both.partner.secret_file or Path()).with_name("castings").read_text().strip()
    host = Host(both.buyer.url, "castings", secret, both.buyer.ca)
    with pytest.raises(BadData, match="says something else than"):
        host.send(msgspec.json.encode(body))
    host.close()
    assert both.files == [file]
    assert both.buyer.outbox.is_open("castings", "again")
