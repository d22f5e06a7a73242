"""The page's dictionary: both languages whole, every text used, every use known."""

import json
import re
from pathlib import Path

import pytest

STATIC = Path(__file__).parents[3] / "calc_stream" / "web" / "static"
LANGUAGES = ("en", "zh")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_ASKED_IN_HTML = re.compile(r'data-t(?:-title|-label)?="([^"]+)"')
_ASKED_IN_CODE = re.compile(r'\bt\("([^"]+)"')
_FAMILIES_IN_CODE = re.compile(r'\bname\("([^"]+)"|\bt\(`([a-z_]+)\.\$\{')
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
# Names and symbols that are the same in both languages.
_SAME = {"column.mass", "method.gbt24067", "method.pact3", "method.cbam"}


def texts(language: str) -> dict[str, str]:
    found: dict[str, str] = json.loads((STATIC / "texts" / f"{language}.json").read_text("utf-8"))
    return found


def code() -> str:
    files = sorted(STATIC.glob("*.js"))
    assert len(files) > 5
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def test_every_language_the_page_offers_has_its_texts() -> None:
    html = (STATIC / "index.html").read_text(encoding="utf-8")
    offered = re.findall(r'data-language="(\w+)"', html)
    assert sorted(offered) == sorted(LANGUAGES)
    assert sorted(path.stem for path in (STATIC / "texts").glob("*.json")) == sorted(LANGUAGES)


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

    text = (STATIC / "texts" / f"{language}.json").read_text(encoding="utf-8")
    json.loads(text, object_pairs_hook=once)


def test_chinese_is_chinese_and_english_is_english() -> None:
    for key, text in texts("zh").items():
        assert text.strip(), key
        assert key in _SAME or _CHINESE.search(text), f"{key}: not translated: {text}"
    for key, text in texts("en").items():
        assert text.strip(), key
        assert not _CHINESE.search(text), f"{key}: {text}"


def test_every_text_the_page_asks_for_is_there_and_no_other() -> None:
    html = (STATIC / "index.html").read_text(encoding="utf-8")
    source = code()
    asked = set(_ASKED_IN_HTML.findall(html)) | set(_ASKED_IN_CODE.findall(source))
    families = {a or b for a, b in _FAMILIES_IN_CODE.findall(source)}
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
        "alarm": "closure silent unmapped residual record event doubt reset clock",
        "account": "pool residual export",
    }
    known = texts("en")
    for family, names in words.items():
        for name in names.split():
            assert f"{family}.{name}" in known


def test_data_never_becomes_markup() -> None:
    source = code()
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert way not in source


def test_the_page_asks_nobody_but_its_own_server() -> None:
    pages = [*STATIC.rglob("*.html"), *STATIC.rglob("*.css"), *STATIC.rglob("*.js")]
    assert len(pages) > 10
    for page in pages:
        text = page.read_text(encoding="utf-8").replace('"http://www.w3.org/2000/svg"', "")
        assert "//cdn" not in text, page.name
        assert not re.search(r"https?://", text), page.name
