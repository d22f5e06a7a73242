"""Why a line of a table is refused: in the words it always had, and as a code with values."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from calc_stream.alarms import Alarm, alarms
from calc_stream.core.state import SiteState
from calc_stream.site import Site
from calc_stream.web.effects import Wrong, effects_of
from calc_stream.web.problems import Problem
from calc_stream.web.sheets import Line, read_csv, read_json
from tests.unit.calc_stream_live.door import door
from tests.unit.calc_stream_live.plant import MODEL, T0, Plant, go_on, run_to_end
from wire.messages import MeterEvent, Sample
from wire.reasons import TEXTS, because

OFFICE = '[nodes.office]\nkind = "overhead"\n[[meters]]\nid = "m-o"\nfrom = "main"\nto = "office"\nunit = "kWh"\n'
# A line of a table after its id and its time, what is said against it, and how that is coded.
CASES: list[tuple[str, str, str, str, dict[str, str]]] = [
    ("start,node=press", "batch", "is missing", "missing", {}),
    (
        *("stop,node=press,batch=P,good=1", "good"),
        *("is not a known key of a stop event", "unknown_key", {"type": "stop"}),
    ),
    (
        *("state,node=press,state=resting", "state"),
        "must be one of producing, setup, cleaning, idle_in_order, fault, idle, standby, off, not"
        " 'resting'",
        "one_of",
        {
            "choices": "producing, setup, cleaning, idle_in_order, fault, idle, standby, off",
            "value": "resting",
        },
    ),
    (
        *("quantity,batch=Q,good=many,unit=piece", "good"),
        "'many' is not a decimal string such as \"12345.678\"",
        "no_decimal",
        {"value": "many", "problem": "'many' is not a decimal string such as \"12345.678\""},
    ),
    ("quantity,batch=Q,good=-1,unit=piece", "good", "may not be below zero", "below_zero", {}),
    ("start,node=press,batch=R,weight=0", "weight", "must be above zero", "zero", {}),
    (
        *("input,batch=Q,quantity=1,unit=piece", "of"),
        *("an input is `of` a batch or from a `lot`: one of the two", "of_or_lot", {}),
    ),
    (
        *("input,batch=Q,lot=I-1,from=scrap,quantity=1,unit=kg", "from"),
        *("is about batches; a lot has no scrap", "lot_scrap", {}),
    ),
    (
        *("lot,lot=I-2,unit=kg", "factor"),
        *("is missing: kgCO2e for one unit, or the `pcf` that tells it", "lot_factor", {}),
    ),
    (
        *("lot,lot=I-2,unit=kg,factor=2", "document"),
        *("is missing: where the supplier states the factor", "lot_document", {}),
    ),
    ("void,of=nobody", "of", "voids the unknown event 'nobody'", "voids_unknown", {"of": "nobody"}),
    ("void,of=x", "of", "voids itself", "voids_itself", {"of": "x"}),
    ("void,of=v", "of", "voids 'v', which is a void", "voids_void", {"of": "v"}),
    (
        *("start,node=nowhere,batch=R", "node", "'nowhere' is no node of the model", "no_node"),
        {"node": "nowhere"},
    ),
    (
        *("start,node=office,batch=R", "node"),
        *("office is of kind overhead: no batch or state there", "overhead", {"node": "office"}),
    ),
    (
        *("start,node=press,batch=S,product=bolt", "batch", "'S' is active on press", "active"),
        {"batch": "S", "node": "press"},
    ),
    (
        *("start,node=press,batch=P,product=bolt", "product"),
        *("batch 'P' makes 'wheel', not 'bolt'", "other_product"),
        {"batch": "P", "product": "wheel", "other": "bolt"},
    ),
    (
        *("quantity,batch=P,good=1,unit=kg", "unit"),
        *("batch 'P' is counted in 'piece', not 'kg'", "other_unit"),
        {"batch": "P", "unit": "piece", "other": "kg"},
    ),
    (
        *("input,batch=Q,of=P,quantity=1,unit=kg", "unit"),
        *("batch 'P' is counted in 'piece'", "counted_in", {"batch": "P", "unit": "piece"}),
    ),
    (
        *("input,batch=Q,of=S,quantity=1,unit=piece", "of"),
        *("batch 'S' was never counted", "never_counted", {"batch": "S"}),
    ),
    (
        *("input,batch=Q,of=P,quantity=9,unit=piece", "quantity"),
        *("draws more of 'P' than its good 2", "draws_more", {"batch": "P", "good": "2"}),
    ),
    (
        *("lot,lot=I-1,unit=kg,factor=3,document=d", "lot"),
        "'I-1' was told before and said something else; void that first",
        *("lot_told", {"lot": "I-1"}),
    ),
    (
        *("input,batch=Q,lot=I-1,quantity=1,unit=piece", "unit"),
        "lot 'I-1' is counted in 'kg', not 'piece'",
        *("lot_unit", {"lot": "I-1", "unit": "kg", "other": "piece"}),
    ),
    (
        *("input,batch=Q,lot=铝锭,quantity=1,unit=kg", "lot"),
        *("no record tells of the lot '\\u94dd\\u952d'", "no_lot", {"lot": "铝锭"}),
    ),
]
# Of what goes on to the ingestor: see its test of events, and that of the calculator's API beside it.
HANDED_ON = {"printable", "no_name", "numbered", "future", "past", "other_number"}
HANDED_ON |= {"too_large", "no_ingestor", "not_now", "not_allowed", "no_site"}
# What is told in the journal beside `begun`, when (s), and how alarms say what of it cannot be.
STANDING: list[tuple[str, int, list[tuple[str, str, dict[str, str]]]]] = [
    (
        *("swap,meter=m-9,closing=1,opening=0", 90),
        [("meter", "no_meter", {"meter": "m-9"}), ("t", "no_end", {"meter": "m-9"})],
    ),
    ("swap,meter=m,closing=1.2,opening=0", 30, [("t", "no_end", {"meter": "m"})]),
    ("swap,meter=m,closing=1.099,opening=0", 90, [("closing", "closing_low", {"meter": "m"})]),
    ("swap,meter=m,closing=1.2,opening=0.006", 90, [("opening", "opening_high", {"meter": "m"})]),
    (
        *("input,batch=P,of=Q,quantity=4,unit=piece", 96),
        [("of", "in_a_ring", {"batches": "'P', 'Q'"})],
    ),
    (
        *("input,batch=Q,of=P,quantity=1,unit=piece", 96),
        [("quantity", "draws_more", {"batch": "P", "good": "2"})],
    ),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with door(tmp_path_factory.mktemp("reasons")) as made:
        its = made.plant
        its.model(MODEL + OFFICE)
        its.factors()
        its.event("e1", 30, "start", node="press", batch="P", product="wheel")
        its.event("e2", 90, "stop", node="press", batch="P")
        its.event("e3", 90, "quantity", batch="P", good="2", unit="piece")
        its.event("e4", 90, "start", node="press", batch="Q", product="wheel")
        its.event("e5", 100, "stop", node="press", batch="Q")
        its.event("e6", 100, "start", node="press", batch="S")
        its.event("e7", 1, "lot", lot="I-1", unit="kg", factor="2", document="d")
        its.event("v", 2, "void", of="u")
        its.event("u", 2, "state", node="press", state="idle")
        its.read((0, 1000), (60, 1100))
        made.take()
        assert made.parts.engine.site is not None
        yield made.parts.engine.site


def tried(site: Site, said: str, id_: str = "x", t: str = "2026-11-21T08:03:20Z") -> list[Wrong]:
    """A table of one line."""
    told = {"id": id_, "t": t}
    kind, *pairs = said.split(",")
    told |= {"type": kind, **dict(pair.split("=") for pair in pairs)}
    table = ",".join(told) + "\n" + ",".join(told.values()) + "\n"
    return effects_of(site, read_csv(table.encode()))[0]


@pytest.mark.parametrize(("said", "key", "text", "code", "values"), CASES)
def test_a_line_is_refused_in_words_and_by_a_code(
    site: Site, said: str, key: str, text: str, code: str, values: dict[str, str]
) -> None:
    assert tried(site, said) == [Wrong(2, key, text, code, values)]


def test_times_and_ids_are_coded_too(site: Site) -> None:
    (wrong,) = tried(site, "stop,node=press,batch=P", t="21.11.2026 8:00")
    problem = "'21.11.2026 8:00' is not an instant with a zone such as 2026-11-21T08:00:00.000Z"
    values = {"value": "21.11.2026 8:00", "problem": problem}
    assert wrong == Wrong(2, "t", problem, "no_instant", values)
    (wrong,) = tried(site, "stop,node=press,batch=P", id_="e1")
    assert (wrong.key, wrong.code) == ("id", "told_before")


def test_an_event_told_before_that_is_contradicted_is_named(site: Site) -> None:
    (wrong,) = tried(site, "start,node=press,batch=S", t="2026-11-21T08:01:35Z")
    assert (wrong.line, wrong.event, wrong.code) == (0, "e6", "active")
    assert wrong.text == "e6: 'S' is active on press"


def test_every_code_is_told_by_some_line() -> None:
    told = {code for *_, code, _ in CASES} | {"no_instant", "told_before"}
    told |= {code for *_, wrong in STANDING for _, code, _ in wrong} | HANDED_ON
    assert told == set(TEXTS)


@pytest.mark.parametrize(
    ("table", "where", "code", "values"),
    [
        (b"id,t,kind\ne1,x,y\n", "line 1", "no_column", {"line": "1", "names": "kind"}),
        (b"id,t,type\n,2026,start\n", "line 2", "missing", {"line": "2", "key": "id"}),
        (b"id,t,type\ne1,2026,start,7\n", "line 2", "no_column", {"names": "column 4"}),
        ("id,t,type\n铝".encode("gb18030"), "events", "no_utf8", {}),
    ],
)
def test_a_table_that_cannot_be_read_says_where_and_by_which_code(
    table: bytes, where: str, code: str, values: dict[str, str]
) -> None:
    with pytest.raises(Problem) as refused:
        read_csv(table)
    (fault,) = refused.value.details.faults
    assert (fault.where, fault.code, fault.values | values) == (where, code, fault.values)
    assert fault.problem in refused.value.details.detail


@pytest.mark.parametrize(
    ("read", "body"),
    [(read_csv, b"id,t\n" + 10_001 * b"e\n"), (read_json, b"[" + 10_000 * b"0," + b"0]")],
)
def test_what_is_too_much_is_refused_before_a_line_of_it_is_looked_at(
    read: Callable[[bytes], list[Line]], body: bytes
) -> None:
    with pytest.raises(Problem) as refused:
        read(body)
    assert not refused.value.details.faults
    assert "more than 10000; send 1 to 10000 at once" in refused.value.details.detail


def begun(plant: Plant) -> None:
    """P whole into Q, four pieces of which are good; the registers went on elsewhere at 90 s."""
    plant.model()
    for batch, at, good in (("P", 10, "2"), ("Q", 30, "4")):
        plant.event(f"{batch}1", at, "start", node="press", batch=batch)
        plant.event(f"{batch}2", at + 10, "stop", node="press", batch=batch)
        plant.event(f"{batch}3", at + 10, "quantity", batch=batch, good=good, unit="piece")
    plant.event("Q4", 40, "input", batch="Q", of="P", quantity="2", unit="piece")
    plant.read((0, 1000), (60, 1100))
    ends = {"quantity": "active_energy_import", "closing": "1.150", "opening": "0.005"}
    after = Sample("m", T0 + 120_000, {"active_energy_import": (15, -3)})
    plant.segment([after], [MeterEvent("m", T0 + 90_000, "swap", ends)])


@pytest.mark.parametrize(("said", "at", "wrong"), STANDING)
def test_what_stands_in_the_journal_is_an_alarm_with_the_code_until_it_is_voided(
    tmp_path: Path, said: str, at: int, wrong: list[tuple[str, str, dict[str, str]]]
) -> None:
    def found() -> list[Alarm]:
        assert running.site is not None
        return [each for each in alarms(running.site, T0) if each.kind == "event"]

    plant = Plant(tmp_path)
    begun(plant)
    kind, *pairs = said.split(",")
    plant.event("x", at, kind, **dict(pair.split("=") for pair in pairs))
    running = run_to_end(plant, tmp_path / "calc")
    details = [{**values, "key": key, "code": code} for key, code, values in wrong]
    assert [(each.about, each.detail) for each in found()] == [("x", each) for each in details]
    key, code, values = wrong[0]
    assert found()[0].text == f"{key}: {because(code, **values)}"
    again = SiteState.from_bytes(running.site.state.to_bytes())
    assert again.problems() == running.site.state.problems()
    # What was told before is not held against who tells more.
    assert tried(running.site, "state,node=press,state=idle", id_="y") == []
    plant.event("v", 200, "void", of="x")
    go_on(running)
    assert found() == []
