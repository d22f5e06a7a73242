"""The printed statement says what the footprint says, in either language, and carries it along."""

import json
import re
from dataclasses import replace
from pathlib import Path

import msgspec
import pypdfium2
import pytest
import zxingcpp

from calc_stream.exporters import Export, statement
from calc_stream.exporters.statement import pages
from calc_stream.footprints.footprint import Doubted, Footprint
from tests.unit.calc_stream_live.footprints_sample import complete, declaration, sample
from wire import config
from wire.errors import ConfigError

FOLDER = Path(statement.__file__).parent
TEXTS = config.load(FOLDER / "texts.toml", dict[str, dict[str, str]])
UNKNOWN = Doubted(None, None, ("m-3",))


def export(*footprints: Footprint, superseded: frozenset[str] = frozenset()) -> Export:
    return Export("footprints", "cq-wheel", 4790, footprints, declaration(), superseded)


def printed(export: Export, lang: str) -> list[str]:
    """The text of each page, white space as one space."""
    pdf = pypdfium2.PdfDocument(statement.write(export, statement.Settings(lang=lang)))
    return [" ".join(page.get_textpage().get_text_range().split()) for page in pdf]


def test_two_pages_in_english_and_what_stands_on_them() -> None:
    first, second = printed(export(sample()), "en")
    for text in (
        "DRAFT",
        "Aluminium wheel 17 in (wheel-17)",
        "6.823 kg CO2e per piece ± 0.075 (95 %",
        "Exactly as computed: 6.82334285714 kg CO2e per piece",
        "Gate to gate: all energy used at the site",
        "2026-10-01 to 2026-11-01 (not included) Asia/Shanghai",
        "pools are spread by machine hours, each day",
        "2 batches, 210 piece good output, 3 scrap",
        "grid (electricity) 1340.00 kWh electricity, life cycle 774.12",
    ):
        assert text in first, text
    for text in (
        "Metered here, of kg CO2e 99.80 %",
        "cn-grid-footprint-2024 (CN 2024) 0.5777 kgCO2e/kWh",
        "second hand",
        sample().id,
        "none yet stands for these records",
    ):
        assert text in second, text


def test_in_chinese_every_word_is_chinese_but_names() -> None:
    first, second = printed(export(sample()), "zh")
    for text in ("产品碳足迹实测声明", "17 英寸铝车轮", "草稿", "门到门", "合格产出 210 件"):
        assert text in first, text
    assert "本厂计量比例（按 kg CO2e） 99.80 %" in second
    words = {text for text in TEXTS["en"].values() if len(text.split()) > 2 and "{" not in text}
    assert not [text for text in words if text in first + second]


def test_with_purchased_inputs_the_figure_is_the_whole_and_its_doubt_the_sites() -> None:
    first, _ = printed(export(complete()), "en")
    assert "179.9 kg CO2e per piece of it 6.823 at the site ± 0.075" in first
    assert "the purchased inputs state no uncertainty" in first
    assert "Aluminium ingot 12.1 kg 173.0 Example Aluminium" in first
    assert "DRAFT" not in first


def test_a_meter_of_no_class_leaves_the_doubt_open() -> None:
    first, second = printed(export(sample(u95=UNKNOWN)), "en")
    assert "uncertainty not known: m-3 without class or certificate" in first
    assert "Energy, half of the 95 % interval not known" in second


def test_each_figure_stands_by_its_own_name() -> None:
    its = complete(by_market="5.5", supersedes=(sample().id,))
    first, second = printed(export(its), "en")
    for text in (
        "By location 6.823 kg CO2e per piece",
        "By market (contracts) 5.500 kg CO2e per piece",
        "Valid 2026-11-01 to 2027-11-01 (not included)",
        "with purchased inputs 173.0",
    ):
        assert text in first, text
    for text in (
        "Energy, half of the 95 % interval ± 0.064 kWh per piece",
        "CO2e, half of the 95 % interval ± 0.075 kg CO2e per piece",
        f"Takes the place of {sample().id}",
        "Batches, least to most 6.646 to 7.019 kg CO2e per piece",
    ):
        assert text in second, text


def test_a_share_that_is_not_quite_all_is_not_shown_as_all() -> None:
    its = sample(measured_share="0.999996", traceable_share="1", primary_data_share="0")
    _, second = printed(export(its), "en")
    assert "Measured, not interpolated 99.99 %" in second
    assert "By meters with a valid certificate, of energy 100.00 %" in second
    assert "Primary data (activity and factor), of kg CO2e 0.00 %" in second


def test_each_batch_is_a_dot_between_the_least_and_the_most() -> None:
    html = pages.document(export(sample()), "en")
    dots = re.findall(r'<circle cx="([0-9.]+)"', html)
    # 7.01888 and 6.64558 kg; the mean lies between them.
    assert dots == ["480.00", "20.00"]


def test_a_doubt_that_no_meter_explains_names_none() -> None:
    first, _ = printed(export(sample(u95=Doubted("0.06", None, ()))), "en")
    assert "kg CO2e per piece uncertainty not known Exactly" in first


def test_inputs_of_which_some_are_unknown_are_shown_as_not_counted() -> None:
    partly = complete(draft=True, boundary="gate_to_gate", upstream_kg_co2e=None)
    first, _ = printed(export(partly), "en")
    assert "Purchased inputs known so far, per piece: not all, and not counted" in first
    assert "6.823 kg CO2e per piece ± 0.075" in first
    assert "with purchased inputs 173" not in first


def test_by_contract_and_by_place_are_not_both_counted() -> None:
    columns = {"life_cycle": "774.118", "life_cycle_market": "600"}
    grid = msgspec.structs.replace(sample().sources[1], columns=columns)
    first, _ = printed(export(sample(sources=(sample().sources[0], grid))), "en")
    assert "for comparison: electricity, life cycle 774.12" in first
    assert "; electricity, life cycle, by contract 600.00" in first


def test_a_period_that_ends_within_a_day_says_when() -> None:
    until = sample().end_ms - 20 * 86_400_000 + 3_600_000
    first, _ = printed(export(sample(cause="asked", end_ms=until)), "en")
    assert "2026-10-01 to 2026-10-12 01:00:00 (not included) Asia/Shanghai" in first


def test_one_that_was_superseded_says_so() -> None:
    old = complete()
    first, _ = printed(export(old, superseded=frozenset({old.id})), "en")
    assert "SUPERSEDED" in first


def test_the_qr_code_holds_footprint_and_evidence_and_the_footprint_is_attached() -> None:
    its = complete()
    data = statement.write(export(its), statement.Settings())
    pdf = pypdfium2.PdfDocument(data)
    [code] = zxingcpp.read_barcodes(pdf[1].render(scale=4).to_pil())
    assert code.text == f"wattprint:1:{its.id}:4790:{its.evidence.basis}:0:"
    assert pdf.count_attachments() == 1
    attached = pdf.get_attachment(0)
    assert attached.get_name() == f"{its.id}.json"
    assert msgspec.json.decode(bytes(attached.get_data()), type=Footprint) == its


def test_the_same_footprints_give_the_same_bytes() -> None:
    both = export(sample(), complete())
    first = statement.write(both, statement.Settings())
    assert len(pypdfium2.PdfDocument(first)) == 4
    assert statement.write(both, statement.Settings()) == first


def test_what_people_declare_is_text_and_fetches_nothing() -> None:
    told = declaration()
    evil = '<img src="http://127.0.0.1:9/x.png"><b>17</b> & co'
    product = msgspec.structs.replace(told.product[0], name=evil)
    declared = msgspec.structs.replace(told, product=(product,))
    first, _ = printed(replace(export(sample()), declaration=declared), "en")
    assert evil in first


def test_without_footprints_it_says_so() -> None:
    assert printed(export(), "zh") == ["产品碳足迹实测声明 尚未发布此项碳足迹。 1 / 1"]


def test_without_a_chinese_font_it_says_what_to_install(monkeypatch, tmp_path: Path) -> None:
    listing = tmp_path / "fc-list"
    listing.write_text("#!/bin/sh\nexit 0\n")
    listing.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(ConfigError, match="apt install fonts-noto-cjk"):
        statement.write(export(sample()), statement.Settings(lang="zh"))


def test_every_text_is_there_in_both_languages_and_used() -> None:
    english, chinese = TEXTS["en"], TEXTS["zh"]
    assert {key for key in english if key not in chinese} == set()
    assert {key for key in chinese if key not in english and not key.startswith("unit_")} == set()
    for key, text in chinese.items():
        fields = set(re.findall(r"{(\w+)}", text))
        assert fields == set(re.findall(r"{(\w+)}", english.get(key, text))), key
    said = set(re.findall(r"""["'](\w+)["']""", (FOLDER / "pages.py").read_text()))
    by_value = {"verified", "secondary", "gate_to_gate"}
    made = ("because_", "column_", "rule_", "window_", "unit_")
    assert {key for key in english if not key.startswith(made)} - said == by_value


def test_numbers_for_people_are_never_in_powers_of_ten() -> None:
    assert [pages.rounded(text) for text in ("0.00001234", "123456.7", "0", "-0.5", "9.9996")] == [
        "0.00001234",
        "123457",
        "0",
        "-0.5000",
        "10.000",
    ]


def test_a_company_may_be_undeclared() -> None:
    bare = Export("footprints", "cq-wheel", 4790, [sample()])
    first, _ = printed(bare, "en")
    assert "wheel-17" in first
    assert "Company" not in first
    assert json.loads(msgspec.json.encode(sample()))["product"] == "wheel-17"
