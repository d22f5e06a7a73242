"""A published footprint that is not to be used any more: it stays, and says so wherever it is shown."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import httpx
import msgspec
import pypdfium2
import pytest

from calc_stream import exporters
from calc_stream.__main__ import main
from calc_stream.exporters import csv, statement
from calc_stream.footprints.footprint import Footprint, Withdrawn
from calc_stream.footprints.period import named_period
from calc_stream.footprints.series import SignedSeries, check, series_of, sign
from calc_stream.footprints.shelf import FILE, Shelf, open_shelf
from tests.unit.calc_stream_live.days import DAY_1, NOW, Days, Office
from tests.unit.calc_stream_live.door import Door, door
from tests.unit.calc_stream_live.footprints_sample import GRADES, complete, declaration, sample
from tests.unit.calc_stream_live.plant import SITE, T0
from tests.unit.calc_stream_live.test_kpi import month
from wire.errors import BadData
from wire.signing import SigningKey

WHY = "meter m was wired the wrong way round"
SAID = Withdrawn(NOW, WHY)


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    with closing(open_shelf(tmp_path)) as found:
        yield found


@pytest.fixture
def office(tmp_path: Path) -> Office:
    plant = Days(tmp_path)
    plant.first_day()
    return Office(plant)


def withdraw(office: Office, footprint: Footprint) -> None:
    with closing(office.shelf()) as shelf:
        shelf.withdraw(footprint.id, WHY, "li.wei", NOW)


def asked(office: Office) -> tuple[Footprint, bool]:
    with closing(office.store()) as store, closing(office.shelf()) as shelf:
        period = named_period(DAY_1, "Asia/Shanghai")
        return office.publisher(store, shelf).ask("wheel", period)


def test_it_stays_with_who_withdrew_it_when_and_why(tmp_path: Path, shelf: Shelf) -> None:
    shelf.add(sample())
    before = shelf.count("cq-wheel")
    made = shelf.withdraw(sample().id, f" {WHY} ", "li.wei", NOW)
    assert (made.id, made.by, made.withdrawn) == (sample().id, "li.wei", SAID)
    with closing(open_shelf(tmp_path)) as other:
        assert other.all("cq-wheel") == [sample()]
        assert other.withdrawn("cq-wheel") == {sample().id: made}
        assert other.withdrawn("elsewhere") == {}
        assert other.count("cq-wheel") == before + 1
        assert other.count("elsewhere") == 0


def test_what_happened_is_told_in_its_order(shelf: Shelf) -> None:
    first, second = sample(), sample(period="2026-11")
    third = sample(good="211", supersedes=(first.id,))
    shelf.add(first)
    shelf.add(second)
    gone = [shelf.withdraw(each.id, WHY, "li.wei", NOW) for each in (second, first)]
    shelf.add(third)
    shelf.add(sample(site="elsewhere"))
    assert shelf.history("cq-wheel") == [first, second, *gone, third]


def test_only_what_stands_is_withdrawn_and_once_and_with_a_reason(shelf: Shelf) -> None:
    first = sample()
    second = sample(good="211", supersedes=(first.id,))
    shelf.add(first)
    shelf.add(second)
    with pytest.raises(BadData, match=f"does not stand any more: {second.id} took its place"):
        shelf.withdraw(first.id, WHY, "li.wei", NOW)
    with pytest.raises(BadData, match="there is no footprint 'nobody'"):
        shelf.withdraw("nobody", WHY, "li.wei", NOW)
    for reason in ("", " ", "two\nlines", "x" * 501):
        with pytest.raises(BadData, match="reason: say why on one line, in 500 characters"):
            shelf.withdraw(second.id, reason, "li.wei", NOW)
    shelf.withdraw(second.id, "x" * 500, "li.wei", NOW)
    with pytest.raises(BadData, match="was withdrawn already: xxx"):
        shelf.withdraw(second.id, WHY, "li.wei", NOW)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE withdrawn SET data = '{}'",
        "DELETE FROM withdrawn",
        "INSERT OR REPLACE INTO withdrawn SELECT * FROM withdrawn",
    ],
)
def test_the_file_itself_refuses_change(tmp_path: Path, shelf: Shelf, statement: str) -> None:
    shelf.add(sample())
    shelf.withdraw(sample().id, WHY, "li.wei", NOW)
    with (
        closing(sqlite3.connect(tmp_path / FILE)) as db,
        pytest.raises(sqlite3.IntegrityError, match="a withdrawal is never"),
    ):
        db.execute(statement)


def test_a_file_of_before_there_were_withdrawals_keeps_what_is_in_it(
    tmp_path: Path, shelf: Shelf
) -> None:
    shelf.add(sample())
    shelf.close()
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        db.executescript("DROP TABLE withdrawn; PRAGMA user_version = 1;")
    with closing(open_shelf(tmp_path)) as later:
        assert later.history("cq-wheel") == [sample()]
        assert later.withdraw(sample().id, WHY, "li.wei", NOW).withdrawn == SAID


def test_the_calculator_does_not_publish_the_same_again(office: Office) -> None:
    (first,) = office.look()
    withdraw(office, first)
    assert office.look() == []


def test_the_next_figure_of_its_period_takes_its_place(office: Office) -> None:
    (first,) = office.look()
    withdraw(office, first)
    office.plant.told("quantity", 3.6, batch="C", good="5", scrap="0", unit="piece")
    (second,) = office.look()
    assert (second.cause, second.supersedes) == ("restated", (first.id,))


def test_by_hand_the_same_figure_is_published_again(office: Office) -> None:
    (first,) = office.look()
    assert asked(office) == (first, False)
    withdraw(office, first)
    again, new = asked(office)
    assert (again.kg_co2e, again.supersedes, new) == (first.kg_co2e, (first.id,), True)
    assert asked(office) == (again, False)


def test_a_point_of_the_series_says_so_and_nothing_is_compared_with_it(shelf: Shelf) -> None:
    september, october, november = (
        month(name, kg) for name, kg in (("2026-09", "7"), ("2026-10", "0.7"), ("2026-11", "7"))
    )
    months = [september, october, november]
    for each in months:
        shelf.add(each)
    plain = sign(series_of("cq-wheel", "wheel-17", months, {}), SigningKey.new())
    assert b"withdrawn" not in msgspec.json.encode(plain)  # so what was signed before verifies
    shelf.withdraw(october.id, WHY, "li.wei", NOW)
    withdrawn = shelf.withdrawn("cq-wheel")
    (run,) = series_of("cq-wheel", "wheel-17", months, withdrawn).runs
    assert [(p.id, p.withdrawn, p.change_percent) for p in run.points] == [
        (september.id, None, None),
        (october.id, SAID, None),
        (november.id, None, None),
    ]
    again = month("2026-10", "7.7", october)
    series = series_of("cq-wheel", "wheel-17", [*months, again], withdrawn)
    (run,) = series.runs
    assert [(p.withdrawn, p.change_percent) for p in run.points] == [
        (None, None),
        (None, "10"),
        (None, "-9.091"),
    ]
    assert [(old.id, old.withdrawn) for old in run.points[1].superseded] == [(october.id, SAID)]
    key = SigningKey.new()
    text = msgspec.json.encode(sign(series, key))
    check(msgspec.json.decode(text, type=SignedSeries), key.public)


def test_forms_of_what_is_in_force_leave_it_out_and_the_others_say_so(shelf: Shelf) -> None:
    gone, stands = complete(), complete(period="2026-11")
    shelf.add(gone)
    shelf.add(stands)
    shelf.withdraw(gone.id, WHY, "li.wei", NOW)
    export = exporters.published(shelf, "cq-wheel", None, declaration())
    assert (export.footprints, export.in_force) == ([gone, stands], [stands])
    document = json.loads(exporters.find("json").write(export, exporters.find("json").Settings()))
    assert document["withdrawn"] == {gone.id: {"t_ms": NOW, "reason": WHY}}
    head, first, second = csv.write(export, csv.Settings()).decode("utf-8-sig").splitlines()
    assert head.split(",")[9:12] == ["superseded", "withdrawn", "withdrawn_why"]
    assert first.split(",")[9:12] == ["false", "2026-11-25T12:00:00.000Z", WHY]
    assert second.split(",")[9:12] == ["false", "", ""]


@pytest.mark.parametrize(("lang", "mark"), [("en", "WITHDRAWN"), ("zh", "已撤回")])
def test_its_statement_says_so(lang: str, mark: str) -> None:
    whole = exporters.Export("footprints", "cq-wheel", 4790, [complete()], declaration())
    pages = {}
    for name, export in (("", whole), ("gone", replace(whole, withdrawn={complete().id: SAID}))):
        data = statement.write(export, statement.Settings(lang=lang))
        page = pypdfium2.PdfDocument(data)[0].get_textpage()
        pages[name] = " ".join(page.get_text_range().split())
    assert mark in pages["gone"]
    assert WHY in pages["gone"]
    assert mark not in pages[""]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Door]:
    with door(tmp_path, ("vera", "viewer"), ("otto", "operator")) as found:
        with closing(open_shelf(found.parts.plan.config.state)) as shelf:
            shelf.add(sample(site=SITE))
            shelf.add(sample(site=SITE, period="2026-11"))
        yield found


def withdrawing(client: httpx.Client, footprint: Footprint, reason: str = WHY) -> httpx.Response:
    return client.post(f"/v1/footprints/{footprint.id}/withdraw", json={"reason": reason})


def test_an_operator_withdraws_it_over_the_api_and_the_audit_log_has_it(opened: Door) -> None:
    gone, stands = sample(site=SITE), sample(site=SITE, period="2026-11")
    vera, otto = opened.client("vera-vera"), opened.client("otto-otto")
    path = f"/v1/products/{gone.product}/footprints"
    tag = vera.get(path).headers["ETag"]
    assert vera.get(f"/v1/footprints/{gone.id}/line").json()["withdrawn"] is None
    assert withdrawing(vera, gone).status_code == 403
    answer = withdrawing(otto, gone)
    said = {"t_ms": T0 + 240_000, "reason": WHY}
    assert (answer.status_code, answer.json()["withdrawn"]) == (200, said)
    assert vera.get(f"/v1/footprints/{gone.id}/line").json() == answer.json()
    listed = vera.get(path, headers={"If-None-Match": tag}).json()["footprints"]
    assert [each["withdrawn"] for each in listed] == [said, None]
    assert [each["successor"] for each in listed] == [None, None]
    standing = vera.get(path, params={"standing": True}).json()["footprints"]
    assert [each["id"] for each in standing] == [stands.id]
    series = vera.get(f"/v1/products/{gone.product}/kpi").json()["series"]
    assert [p.get("withdrawn") for p in series["runs"][0]["points"]] == [said, None]
    with closing(open_shelf(opened.parts.plan.config.state)) as shelf:
        assert shelf.withdrawn(SITE)[gone.id].by == "otto"
    assert f"{gone.id}: {WHY}" in (opened.parts.plan.config.state / "audit.jsonl").read_text()


def test_what_cannot_be_withdrawn_is_a_problem(opened: Door) -> None:
    otto, gone = opened.client("otto-otto"), sample(site=SITE)
    assert withdrawing(otto, sample(site="elsewhere")).status_code == 404
    assert withdrawing(otto, gone, " ").status_code == 422
    assert withdrawing(otto, gone).status_code == 200
    again = withdrawing(otto, gone)
    assert (again.status_code, "withdrawn already" in again.json()["detail"]) == (409, True)


def test_a_reason_with_what_nobody_sees_is_refused_and_it_stands(opened: Door) -> None:
    """Not as one that stands no more: who asked would think that it was withdrawn."""
    otto, stands = opened.client("otto-otto"), sample(site=SITE)
    answer = withdrawing(otto, stands, "wired\u200bwrong")
    assert (answer.status_code, answer.json()["detail"]) == (
        422,
        "reason: nobody sees U+200B in it: leave it out",
    )
    assert otto.get(f"/v1/footprints/{stands.id}/line").json()["withdrawn"] is None


def test_a_reason_of_several_lines_or_wide_spaces_is_told_on_one(opened: Door) -> None:
    reason = "m-7 was\nwired the\u3000wrong way"
    answer = withdrawing(opened.client("otto-otto"), sample(site=SITE), reason)
    assert answer.json()["withdrawn"]["reason"] == "m-7 was wired the wrong way"


def test_files_of_it_say_so_or_are_not_to_be_had(opened: Door) -> None:
    otto, gone = opened.client("otto-otto"), sample(site=SITE)
    withdrawing(otto, gone)
    path = f"/v1/footprints/{gone.id}/export"
    assert otto.get(path, params={"form": "json"}).json()["withdrawn"][gone.id]["reason"] == WHY
    refused = otto.get(path, params={"form": "openlca"})
    assert refused.status_code == 409
    assert f"openlca holds footprints in force; this one was withdrawn: {WHY}" in refused.text


def test_by_hand(office: Office, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (first,) = office.look()
    grades = tmp_path / "grades.toml"
    grades.write_text(GRADES)

    def told(*words: str, code: int = 0) -> str:
        assert main([*words, "--ledger", str(office.ledger)]) == code
        said = capsys.readouterr()
        return said.err if code else said.out

    assert "A" in told("grade", "wheel", "--thresholds", str(grades))
    said = told("footprint", "withdraw", first.id[:8], "--reason", WHY)
    assert said == told("footprint", "list")
    assert f": {WHY})" in said
    assert "(period, draft, withdrawn " in told("footprint", "show", first.id)
    listed = json.loads(told("footprint", "list", "--json"))
    assert [(each["id"], each["withdrawn"]["reason"]) for each in listed["withdrawn"]] == [
        (first.id, WHY)
    ]
    assert f"WITHDRAWN: {WHY}" in told("kpi", "wheel")
    refused = told("grade", "wheel", "--thresholds", str(grades), code=2)
    assert "no footprint of a period that is over stands; there are: none" in refused
    assert "withdrawn already" in told("footprint", "withdraw", first.id, "--reason", "x", code=2)
