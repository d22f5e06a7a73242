"""A product's figure by period: runs, breaks and restatements; and what somebody's limits make of it."""

import base64
from pathlib import Path

import msgspec
import pytest

from calc_stream.config import load_plan
from calc_stream.factors import load_method
from calc_stream.footprints.footprint import Doubted, Footprint
from calc_stream.footprints.grading import Thresholds, grade, load_thresholds
from calc_stream.footprints.period import named_period
from calc_stream.footprints.series import SignedSeries, check, series_of, sign
from tests.unit.calc_stream_live.footprints_sample import complete, sample
from wire.errors import BadData, ConfigError
from wire.signing import SigningKey

ZONE = "Asia/Shanghai"


def month(name: str, kg: str, *before: Footprint, **changes: object) -> Footprint:
    period = named_period(name, ZONE)
    ids = tuple(each.id for each in before)
    times = {"start_ms": period.start_ms, "end_ms": period.end_ms, "period": name}
    return sample(**{**times, "kg_co2e": kg, "supersedes": ids, **changes})


def test_months_that_were_counted_alike_are_one_run() -> None:
    months = [month("2026-09", "7"), month("2026-10", "6.3"), month("2026-11", "6.93")]
    (run,) = series_of("cq-wheel", "wheel-17", months, {}).runs
    assert [(p.period, p.kg_co2e, p.change_percent) for p in run.points] == [
        ("2026-09", "7", None),
        ("2026-10", "6.3", "-10"),
        ("2026-11", "6.93", "10"),
    ]
    assert (run.constant.every, run.constant.unit, run.breaks) == ("month", "piece", ())


def test_a_point_says_with_which_factors_it_was_counted() -> None:
    months = [month("2026-09", "7"), month("2026-10", "6", factors=sample().factors[:1])]
    (run,) = series_of("cq-wheel", "wheel-17", months, {}).runs
    assert [len(point.factors) for point in run.points] == [3, 1]
    assert run.points[1].factors == ("cn-grid-footprint-2024",)


def test_the_order_of_publishing_does_not_matter() -> None:
    months = [month("2026-09", "7"), month("2026-10", "6.3"), month("2026-11", "6.93")]
    one = series_of("cq-wheel", "wheel-17", months, {})
    assert series_of("cq-wheel", "wheel-17", months[::-1], {}) == one


def test_what_was_restated_stays_in_its_point_with_the_difference() -> None:
    first = month("2026-10", "7")
    second = month("2026-10", "7.5", first, cause="restated")
    third = month("2026-10", "6.9", second, cause="restated")
    (run,) = series_of("cq-wheel", "wheel-17", [first, second, third], {}).runs
    (point,) = run.points
    assert (point.id, point.kg_co2e) == (third.id, "6.9")
    assert [(s.id, s.kg_co2e, s.difference) for s in point.superseded] == [
        (first.id, "7", "0.5"),
        (second.id, "7.5", "-0.6"),
    ]


@pytest.mark.parametrize(
    ("changes", "breaks"),
    [
        ({"method": "pact3", "standard": "PACT Methodology v3"}, ("method", "standard")),
        ({"models": ("another",)}, ("models",)),
        ({"allocation": "setup=next; idle=pool; spread=mass/day"}, ("allocation",)),
        ({"gwp": "AR5"}, ("gwp",)),
        ({"unit": "kg"}, ("unit",)),
    ],
)
def test_what_was_counted_otherwise_is_another_run_and_says_why(
    changes: dict[str, object], breaks: tuple[str, ...]
) -> None:
    months = [month("2026-09", "7"), month("2026-10", "3", **changes)]
    before, after = series_of("cq-wheel", "wheel-17", months, {}).runs
    assert after.breaks == breaks
    assert [point.change_percent for point in (*before.points, *after.points)] == [None, None]


def test_months_and_days_do_not_stand_in_one_run() -> None:
    found = series_of("s", "p", [month("2026-10", "7"), month("2026-10-05", "8")], {})
    assert [run.constant.every for run in found.runs] == ["month", "day"]


def test_a_period_that_is_not_over_is_marked() -> None:
    whole = month("2026-10", "7")
    part = month("2026-11", "7", end_ms=named_period("2026-11", ZONE).end_ms - 1)
    (run,) = series_of("s", "p", [whole, part], {}).runs
    assert [point.running for point in run.points] == [False, True]


def test_a_signed_series_verifies_and_any_change_of_it_does_not() -> None:
    key = SigningKey.new()
    signed = sign(series_of("s", "p", [month("2026-10", "7")], {}), key)
    check(msgspec.json.decode(msgspec.json.encode(signed), type=SignedSeries), key.public)
    (run,) = signed.series.runs
    point = msgspec.structs.replace(run.points[0], kg_co2e="6.9")
    forged = msgspec.structs.replace(
        signed.series, runs=(msgspec.structs.replace(run, points=(point,)),)
    )
    for bad in (
        msgspec.structs.replace(signed, series=forged),
        msgspec.structs.replace(signed, signature=base64.b64encode(bytes(64)).decode()),
        msgspec.structs.replace(signed, signature="?"),
        msgspec.structs.replace(signed, key=str(SigningKey.new().public)),
    ):
        with pytest.raises(BadData):
            check(bad, key.public)


def test_the_guide_of_chongqing_is_refused_until_its_text_is_supplied() -> None:
    with pytest.raises(ConfigError, match="chongqing cannot be used: missing are the guide's text"):
        load_method("chongqing")


def test_a_calculator_that_is_to_count_by_that_guide_says_so_and_stops(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t")
    config = tmp_path / "calc.toml"
    config.write_text(
        f'state = "calc"\nsite = "s"\nmodel = "m.toml"\nmethod = "chongqing"\n[footprints]\n'
        f'[ingestor]\nurl = "http://127.0.0.1:9"\ntoken_file = "{tmp_path}/token"\n'
    )
    with pytest.raises(ConfigError, match="chongqing cannot be used"):
        load_plan(config)


GRADES = """
source = "limits of an example"
unit = "piece"
method = "gbt24067"
[[class]]
name = "A"
upto = "6.5"
[[class]]
name = "B"
upto = "7"
[[class]]
name = "C"
"""


def limits(tmp_path: Path, text: str = GRADES) -> Thresholds:
    path = tmp_path / "grades.toml"
    path.write_text(text)
    return load_thresholds(path)


@pytest.mark.parametrize(
    ("kg", "u95", "own", "possible", "sure"),
    [
        ("6.5", "0", "A", ("A",), True),  # up to and including
        ("6.6", "0.09", "B", ("B",), True),
        ("6.6", "0.1", "B", ("A", "B"), False),
        ("6.6", "0.5", "B", ("A", "B", "C"), False),
        ("7.001", "0.1", "C", ("B", "C"), False),
        ("99", "1", "C", ("C",), True),
        ("6.6", None, "B", ("B",), None),
    ],
)
def test_every_class_the_interval_touches_is_possible(
    tmp_path: Path, kg: str, u95: str | None, own: str, possible: tuple[str, ...], sure: bool | None
) -> None:
    figure = sample(kg_co2e=kg, u95=Doubted(None, u95, ()))
    found = grade(figure, limits(tmp_path))
    assert (found.grade, found.possible, found.sure) == (own, possible, sure)
    assert (found.intensity, found.u95, found.unit) == (kg, u95, "piece")
    assert (found.quality.batches, found.quality.factor_status) == (2, "secondary")


def test_above_the_last_limit_there_is_no_class(tmp_path: Path) -> None:
    text = GRADES.replace('[[class]]\nname = "C"\n', "")
    figure = sample(kg_co2e="7.05", u95=Doubted(None, "0.1", ()))
    found = grade(figure, limits(tmp_path, text))
    assert (found.grade, found.possible) == (None, ("B", ""))


def test_limits_from_the_cradle_take_purchased_inputs_and_no_draft(tmp_path: Path) -> None:
    text = GRADES.replace('unit = "piece"', 'unit = "piece"\nboundary = "cradle_to_gate"')
    assert grade(complete(), limits(tmp_path, text)).intensity == "179.85334285714"
    with pytest.raises(ConfigError, match="gate_to_gate: declare all purchased inputs"):
        grade(sample(), limits(tmp_path, text))


@pytest.mark.parametrize("changes", [{"unit": "kg"}, {"method": "pact3"}])
def test_limits_for_another_unit_or_method_are_refused(
    tmp_path: Path, changes: dict[str, str]
) -> None:
    (key,) = changes
    with pytest.raises(ConfigError, match=f"grade: {key}: the limits are for"):
        grade(sample(**changes), limits(tmp_path))


def test_limits_for_another_product_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="product"):
        grade(sample(), limits(tmp_path, 'product = "rim"\n' + GRADES))


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('upto = "7"', 'upto = "6.5"', r"class\[1\].upto: must be above"),
        ('upto = "7"', 'upto = "seven"', r"class\[1\].upto"),
        ('name = "B"\nupto = "7"', 'name = "B"', r"class\[1\].upto: is missing"),
        ('name = "C"', 'name = "A"', r"class\[0\].name"),
        ('unit = "piece"', "", "unit"),
        ('unit = "piece"', 'unit = "piece"\nlimit = 1', "limit"),
    ],
)
def test_limits_that_cannot_be_are_refused_by_file_and_key(
    tmp_path: Path, old: str, new: str, key: str
) -> None:
    with pytest.raises(ConfigError, match=f"grades.toml: {key}"):
        limits(tmp_path, GRADES.replace(old, new))
