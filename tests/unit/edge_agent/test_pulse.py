"""Which part of the agent hangs."""

from edge_agent.pulse import Pulse


def test_a_part_that_stops_counting_hangs_after_its_patience():
    pulse = Pulse()
    assert pulse.stuck({"disk": (1, 60.0), "bus a": (5, 600.0)}, 0.0) == []
    assert pulse.stuck({"disk": (1, 60.0), "bus a": (6, 600.0)}, 60.0) == []
    assert pulse.stuck({"disk": (1, 60.0), "bus a": (6, 600.0)}, 61.0) == ["disk"]


def test_it_works_again_once_it_counts_on():
    pulse = Pulse()
    pulse.stuck({"disk": (1, 60.0)}, 0.0)
    assert pulse.stuck({"disk": (1, 60.0)}, 100.0) == ["disk"]
    assert pulse.stuck({"disk": (2, 60.0)}, 110.0) == []
    assert pulse.stuck({"disk": (2, 60.0)}, 170.0) == []


def test_a_bus_that_was_removed_and_came_back_begins_anew():
    pulse = Pulse()
    pulse.stuck({"bus a": (1, 60.0)}, 0.0)
    pulse.stuck({}, 50.0)
    assert pulse.stuck({"bus a": (1, 60.0)}, 100.0) == []
