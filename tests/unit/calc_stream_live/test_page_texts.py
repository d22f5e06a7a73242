"""The page's dictionary: both languages whole, every text used, every use known."""

import json
import re
from pathlib import Path

import pytest

from wire.reasons import TEXTS

WEB = Path(__file__).parents[3] / "calc_stream" / "web"
SOURCE, STATIC = WEB / "page" / "src", WEB / "static"
LANGUAGES = ("en", "zh")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_ASKED = re.compile(r"\bt\(\s*\"([^\"]+)\"")
_ASKED_OF_TWO = re.compile(r"\bt\((?:[^()]|\([^()]*\))*?\? \"([^\"]+)\" : \"([^\"]+)\"")
_FAMILIES = re.compile(
    r"\b(?:name|maybe)\(\s*\"([^\"]+)\"|\bt\(`([a-z_]+)\.\$\{|<Badge kind=\"([a-z]+)\""
)
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
# Names and symbols that are the same in both languages.
_SAME = {"column.mass", "method.gbt24067", "method.pact3", "method.cbam"}


# Names of namespaces, and where a library's errors are explained: said, never asked.
_SAID = {
    *("http://www.w3.org/2000/svg", "http://www.w3.org/1999/xhtml", "http://www.w3.org/1999/xlink"),
    *("http://www.w3.org/1998/Math/MathML", "http://www.w3.org/2000/xmlns/"),
}


def texts(language: str) -> dict[str, str]:
    found: dict[str, str] = json.loads((SOURCE / "texts" / f"{language}.json").read_text("utf-8"))
    return found


def code() -> str:
    files = sorted([*SOURCE.rglob("*.ts"), *SOURCE.rglob("*.svelte")])
    assert len(files) > 40
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def test_every_language_the_page_offers_has_its_texts() -> None:
    offered = re.findall(r"(\w+): \{ tag:", code())
    assert sorted(offered) == sorted(LANGUAGES)
    assert sorted(path.stem for path in (SOURCE / "texts").glob("*.json")) == sorted(LANGUAGES)


def test_both_languages_have_the_same_keys() -> None:
    english, chinese = texts("en"), texts("zh")
    assert len(english) > 100
    assert sorted(english) == sorted(chinese)


def test_both_languages_fill_in_the_same_values() -> None:
    english, chinese = texts("en"), texts("zh")
    for key, text in english.items():
        assert sorted(_PLACEHOLDER.findall(text)) == sorted(_PLACEHOLDER.findall(chinese[key])), key


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_key_stands_twice_in_a_dictionary(language: str) -> None:
    def once(pairs: list[tuple[str, str]]) -> dict[str, str]:
        keys = [key for key, _ in pairs]
        assert sorted(keys) == sorted(set(keys))
        return dict(pairs)

    text = (SOURCE / "texts" / f"{language}.json").read_text(encoding="utf-8")
    json.loads(text, object_pairs_hook=once)


def test_chinese_is_chinese_and_english_is_english() -> None:
    for key, text in texts("zh").items():
        assert text.strip(), key
        assert key in _SAME or _CHINESE.search(text), f"{key}: not translated: {text}"
    for key, text in texts("en").items():
        assert text.strip(), key
        assert not _CHINESE.search(text), f"{key}: {text}"


def test_every_text_the_page_asks_for_is_there_and_no_other() -> None:
    source = code()
    asked = set(_ASKED.findall(source))
    asked |= {key for pair in _ASKED_OF_TWO.findall(source) for key in pair}
    families = {next(filter(None, found)) for found in _FAMILIES.findall(source)}
    known = set(texts("en"))
    assert asked - known == set(), "asked for and nowhere told"
    assert {f for f in families if not any(k.startswith(f + ".") for k in known)} == set()
    unused = {key for key in known - asked if key.split(".")[0] not in families}
    assert unused == set(), "told and never asked for"


def test_the_words_of_the_records_have_names() -> None:
    """Every state, health, quality and counter event the records know is said in words."""
    words = {
        "state": "producing setup cleaning idle_in_order idle standby off fault",
        "batch": "live provisional closed settled restated incomplete",
        "health": "ok late silent",
        "quality": "good interpolated backfilled suspect estimated",
        "event": "swap rollover reset jump zero_glitch step_back turns_unknown identity out_of_range"
        " silent back clock_step clock_behind undated store_full readings_thinned readings_lost cycle_lost segment_lost"
        " store_damaged reload start stop state quantity input void",
        "alarm": "closure silent unmapped residual record event doubt reset clock gap over_limit"
        " certificate",
        "account": "pool residual export",
    }
    known = texts("en")
    for family, names in words.items():
        for name in names.split():
            assert f"{family}.{name}" in known


def test_every_reason_the_api_gives_a_code_for_is_worded_from_its_values() -> None:
    told = {code: set(_PLACEHOLDER.findall(text.replace("!a", ""))) for code, text in TEXTS.items()}
    for code in ("no_instant", "no_decimal"):  # which say what was told, too
        told[code].add("value")
    told |= {"no_utf8": set(), "no_column": {"names", "known"}}  # of a table as a whole
    known = texts("en")
    assert {key for key in known if key.startswith("reason.")} == {
        f"reason.{code}" for code in told
    }
    for code, values in told.items():
        assert set(_PLACEHOLDER.findall(known[f"reason.{code}"])) <= values, code


def test_data_never_becomes_markup() -> None:
    source = code()
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "@html"):
        assert way not in source
    # What a chart shows beside the pointer is drawn on its canvas.
    assert source.count("tooltip: {") == source.count('renderMode: "richText"') > 0


def test_the_page_asks_nobody_but_its_own_server() -> None:
    pages = [*STATIC.rglob("*.html"), *STATIC.rglob("*.css"), *STATIC.rglob("*.js")]
    assert len(pages) > 10
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "//cdn" not in text, page.name
        told = set(re.findall(r"https?://[\w./-]+", text.replace("https://svelte.dev/e/", "")))
        assert told <= _SAID, page.name


def test_the_lock_names_packages_and_hashes_and_no_registry() -> None:
    lock = json.loads((WEB / "page" / "package-lock.json").read_text("utf-8"))
    packages = {name: told for name, told in lock["packages"].items() if name}
    assert len(packages) > 50
    for name, told in packages.items():
        assert "resolved" not in told, name
        assert told["integrity"].startswith("sha512-"), name
