"""A demo plant with a fixed beginning."""

import pytest

from simulators import plant
from simulators.plant import Plant
from simulators.scenario import Scenario

T0_MS = 1_800_000_000_000


@pytest.fixture(scope="session")
def demo() -> Plant:
    return plant.load(plant.find("demo_plant"))


@pytest.fixture(scope="session")
def scenario(demo: Plant) -> Scenario:
    return Scenario(demo, 7, T0_MS)
