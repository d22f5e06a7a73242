"""A figure in which something that was metered is missing, or that is of part of its period, says so."""

import json
from pathlib import Path

import jsonschema_rs
import pypdfium2
import pytest

from calc_stream.__main__ import main
from calc_stream.datasets.line import line
from calc_stream.datasets.process import footprint_process
from calc_stream.exporters import Export, statement
from calc_stream.footprints.footprint import Footprint
from calc_stream.footprints.identity import content_id
from calc_stream.footprints.period import named_period
from calc_stream.pact import extension
from tests.unit.calc_stream_live.days import DAY_1, DAY_2, Days, Office
from tests.unit.calc_stream_live.footprints_sample import GRADES, complete, declaration, sample


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """Of A the first half hour was never read; B is whole; the second day runs."""
    plant = Days(tmp_path)
    plant.told("start", -0.5, node="press", batch="A", product="wheel")
    plant.meters(0.5, 1000, 1000)
    plant.told("stop", 0.5, node="press", batch="A")
    plant.told("quantity", 0.5, batch="A", good="10", scrap="1", unit="piece")
    plant.batch("B", 2, 81_001, 20_001, "13")
    plant.batch("C", 9, 57_300, 12_345, "2")
    plant.batch("D", 10, 57_300, 12_345, "2")
    plant.meters(11)
    (tmp_path / "grades.toml").write_text(GRADES)
    return Office(plant)


def test_a_footprint_names_its_incomplete_batches(office: Office) -> None:
    first, second = office.look()
    assert (first.incomplete, second.incomplete) == (("A",), ())
    assert sample(incomplete=("A",)).id != sample().id == content_id(sample(incomplete=()))


def test_by_hand_a_grade_is_of_a_period_that_is_over_and_says_what_is_missing(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = office.look()
    assert (first.period, second.period) == (DAY_1, DAY_2)

    def told(*words: str, code: int = 0) -> str:
        assert main([*words, "--ledger", str(office.ledger)]) == code
        said = capsys.readouterr()
        return said.err if code else said.out

    words = ("grade", "wheel", "--thresholds", str(office.plant.folder / "grades.toml"))
    said = json.loads(told(*words, "--json"))
    assert (said["footprint"], said["running"]) == (first.id, False)
    assert (said["quality"]["batches"], said["quality"]["incomplete_batches"]) == (2, 1)
    assert "2 batches (1 incomplete), factors" in told(*words)
    running = told(*words, "--period", DAY_2)
    assert f"wheel, {DAY_2} (running: the period was not over): A" in running
    assert "2 batches, factors" in running
    refused = told(*words, "--period", "2026-11", code=2)
    assert f"no footprint of '2026-11' stands; there are: {DAY_1}, {DAY_2}" in refused
    office.plant.meters(33)
    office.look()
    newest = json.loads(told(*words, "--json"))
    assert (newest["period"], newest["running"]) == (DAY_2, False)
    assert "incomplete    A: a meter was silent" in told("footprint", "show", first.id)
    assert "incomplete" not in told("footprint", "show", second.id)


@pytest.mark.parametrize(("before_ms", "is_running"), [(0, False), (1, True)])
def test_a_period_is_over_when_its_last_millisecond_is(before_ms: int, is_running: bool) -> None:
    end_ms = named_period("2026-10", "Asia/Shanghai").end_ms
    assert sample(end_ms=end_ms - before_ms).is_running == is_running


def page_of(footprint: Footprint) -> str:
    export = Export("footprints", "cq-wheel", 1, [footprint], declaration())
    pages = pypdfium2.PdfDocument(statement.write(export, statement.Settings()))
    return " ".join(pages[1].get_textpage().get_text_range().split())


def test_forms_for_others_say_how_many() -> None:
    whole, missing = complete(), complete(incomplete=("B-0101",))
    assert [line(each, False, None).incomplete_batches for each in (whole, missing)] == [0, 1]
    schema = json.loads(extension.SCHEMA.read_text())
    told = extension.told(missing)
    jsonschema_rs.validate(schema, told)
    assert (told["sample"]["batches"], told["sample"]["incompleteBatches"]) == (2, 1)
    assert "Incomplete batches 1 of 2: a meter has no readings" in page_of(missing)
    assert "Incomplete" not in page_of(whole)
    for each, completeness in ((whole, 1), (missing, 3)):
        process = footprint_process(each, None)
        assert process.quality is not None
        assert process.quality.completeness == completeness
        assert ("Incomplete batches: 1;" in process.said["treatment"].en) == (completeness == 3)
