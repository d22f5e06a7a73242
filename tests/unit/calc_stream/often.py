"""How often a property is tried: a few times in every run, many times with `-m full`."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis.strategies import SearchStrategy


def often(quick: int, full: int, **strategies: SearchStrategy[Any]) -> Callable[[Any], Any]:
    """The property as a test with so many examples; it is called with what the strategies draw."""

    def made(holds: Callable[..., None]) -> Any:
        many = pytest.param(full, marks=[pytest.mark.full, pytest.mark.timeout(1800)])

        @pytest.mark.parametrize("examples", [quick, many])
        def test(examples: int) -> None:
            settings(max_examples=examples, deadline=None)(given(**strategies)(holds))()

        test.__name__, test.__doc__, test.__module__ = (
            holds.__name__,
            holds.__doc__,
            holds.__module__,
        )
        return test

    return made
