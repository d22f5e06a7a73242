"""Sentences with numbers in them, told in the language of whoever reads them.

A sentence is written where it is said, in English; `chinese.py` has the same in Chinese.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from edge_agent.field import chinese
from edge_agent.field.chinese import CHINESE
from wire.quantities import QUANTITIES

Language = Literal["en", "zh"]


class Text(NamedTuple):
    """One sentence: its words, and what stands between them."""

    template: str
    parts: Mapping[str, "str | Text"]

    def __str__(self) -> str:
        return self.told("en")

    def told(self, language: Language) -> str:
        """In that language."""
        template = _CHINESE[self.template] if language == "zh" else self.template
        inner = {
            key: part.told(language) if isinstance(part, Text) else part
            for key, part in self.parts.items()
        }
        return template.format(**inner)


def say(template: str, /, **parts: "str | int | Text") -> Text:
    """A sentence; its parts are texts already, or need no translation."""
    told = {key: part if isinstance(part, Text) else str(part) for key, part in parts.items()}
    return Text(template, told)


def quantity(name: str) -> Text:
    """What a person calls a quantity."""
    words = name.replace("_l", " L").replace("_", " ")
    return Text(words[0].upper() + words[1:], {})


_CHINESE = CHINESE | {quantity(name).template: chinese.quantity(name) for name in QUANTITIES}
