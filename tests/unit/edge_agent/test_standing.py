"""Health of meters: what is an event, and what is remembered."""

from edge_agent.standing import Standings


class Told:
    """Standings on a clock of ours, and the events they told."""

    def __init__(self, *meters: str) -> None:
        self.now_ms = 1000
        self.events = []
        self.standings = Standings(lambda: self.now_ms, self.events.append)
        self.standings.change(meters)

    def note(self, *found: tuple[str, str]) -> list[tuple[str, str]]:
        for meter, health in found:
            self.now_ms += 10
            self.standings.note(meter, health)
        said = [(event.meter, event.event) for event in self.events]
        self.events.clear()
        return said


def test_a_meter_that_falls_silent_and_comes_back_is_two_events():
    told = Told("a", "b")
    assert told.note(("a", "ok"), ("b", "ok")) == []
    for again in ([("a", "silent")], []):
        assert told.note(("a", "no answer in 500 ms"), ("a", "no answer in 501 ms")) == again
    assert told.note(("a", "ok"), ("a", "ok")) == [("a", "back")]
    assert told.standings.health == {"a": "ok", "b": "ok"}


def test_one_lost_answer_is_no_event_and_neither_is_the_next_one():
    told = Told("a")
    assert told.note(("a", "ok"), ("a", "no answer"), ("a", "ok"), ("a", "no answer")) == []
    standing = told.standings.get("a")
    assert (standing.health, standing.since_ms) == ("no answer", told.now_ms)
    since_ms = told.now_ms
    assert told.note(("a", "no answer")) == [("a", "silent")]
    assert standing.since_ms == since_ms, "since the first"


def test_the_last_error_is_kept_with_its_time_after_it_is_over():
    told = Told("a")
    told.note(("a", "ok"), ("a", "no answer"), ("a", "wrong check sum"))
    failed_ms = told.now_ms
    told.note(("a", "ok"))
    standing = told.standings.get("a")
    assert (standing.error, standing.error_ms) == ("wrong check sum", failed_ms)
    assert (standing.health, standing.since_ms) == ("ok", told.now_ms)


def test_a_request_without_answer_in_a_good_round_is_remembered_and_no_event():
    told = Told("a")
    told.note(("a", "ok"))
    told.standings.missed("a", "registers 40 to 60: no answer")
    assert told.standings.get("a").error == "registers 40 to 60: no answer"
    assert told.events == []


def test_a_meter_that_never_answered_is_no_event_but_silent():
    told = Told("a")
    assert told.note(("a", "no answer")) == []
    assert told.standings.health == {"a": "no answer"}
    assert told.note(("a", "ok")) == [("a", "back")]


def test_a_removed_meter_is_gone_also_if_its_last_round_ends_later():
    told = Told("a", "b")
    told.note(("a", "ok"), ("b", "ok"))
    since_ms = told.standings.get("b").since_ms
    told.standings.change(["b", "c"])
    assert told.note(("a", "no answer")) == []
    assert told.standings.health == {"b": "ok", "c": "starting"}
    assert told.standings.get("b").since_ms == since_ms
