"""Every sentence an installer may read stands in both languages."""

import ast
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent import profiles
from edge_agent.field.chinese import CHINESE
from edge_agent.field.words import quantity, say


def said(root: Path) -> Iterator[str]:
    """The first word of every `say(...)` of the field commands."""
    for file in sorted((root / "edge_agent" / "field").glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                if node.func.id != "say":
                    continue
                first = node.args[0]
                for one in (first.body, first.orelse) if isinstance(first, ast.IfExp) else (first,):
                    assert isinstance(one, ast.Constant), f"{file}:{one.lineno} says what?"
                    yield str(one.value)


def parts(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def test_what_is_said_in_english_is_said_in_chinese_and_nothing_else(root: Path) -> None:
    english = set(said(root))
    assert len(english) > 80
    assert english == set(CHINESE)


@pytest.mark.parametrize("template", CHINESE)
def test_both_languages_tell_the_same_numbers(template: str) -> None:
    assert parts(CHINESE[template]) == parts(template)


def test_every_quantity_a_meter_can_tell_has_a_name_in_both() -> None:
    known = {
        name
        for profile in profiles.names()
        for name in profiles.load(profile, allow_unverified=True).meanings
    }
    assert {name for name in known if quantity(name).told("zh") == name} == set()
    assert quantity("voltage_l1_l2").told("en") == "Voltage L1 L2"
    assert quantity("voltage_l1_l2").told("zh") == "电压 L1-L2"
    assert quantity("active_energy_import").told("en") == "Active energy import"


def test_a_sentence_in_a_sentence_is_told_in_the_same_language() -> None:
    told = say("{one}, or {other}", one=say("interval_s to {every}", every=3), other="x")
    assert str(told) == "interval_s to 3, or x"
    assert told.told("zh") == "把 interval_s 改为 3，或x"
