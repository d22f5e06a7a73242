"""A meter's commissioning in one sentence. Pure."""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from edge_agent.field import budget
from edge_agent.field.judgement import Check
from edge_agent.field.rounds import Round
from edge_agent.field.words import Text, quantity, say
from edge_agent.line import Tally

Outcome = Literal["good", "look", "bad"]

_MUCH = 0.01  # of the requests without a valid answer
_MOST_NAMED = 6


class Verdict(NamedTuple):
    """`good`: nothing to do; `look`: it works, and somebody should look; `bad`: it is not read."""

    outcome: Outcome
    reasons: tuple[Text, ...]


def verdict(
    failure: Text | None, first: Round | None, checks: Sequence[Check], tally: Tally, grade: str
) -> Verdict:
    """`failure`: why nothing was read; `first`: everything it knows; `tally`: of the later rounds."""
    if failure is not None or first is None:
        return Verdict("bad", (failure,) if failure is not None else ())
    if tally.asked and not tally.answered:
        return Verdict("bad", (say("it answered once, and then no more"),))
    doubts = (*_values(first), *(c.text for c in checks if c.level == "look"), *_line(tally))
    if doubts:
        return Verdict("look", doubts)
    if grade == "C":
        told = say(
            "its profile rests on a single source: compare these values with the meter's display"
        )
        return Verdict("look", (told,))
    text = say("it answers as its profile says, and what it says is plausible")
    return Verdict("good", (text,))


def _values(first: Round) -> Iterator[Text]:
    for row in first.odd[:_MOST_NAMED]:
        yield say(
            "{quantity} {value}: {why}",
            quantity=quantity(row.quantity),
            value=row.value,
            why=row.judgement,
        )
    if (more := len(first.odd) - _MOST_NAMED) > 0:
        yield say("and {n} more values", n=more)


def _line(tally: Tally) -> Iterator[Text]:
    failed = tally.asked - tally.answered
    if failed > _MUCH * tally.asked:
        yield say(
            "{failed} of {asked} requests ({share}) had no valid answer: cable, termination,"
            " or two meters at one address?",
            failed=failed,
            asked=tally.asked,
            share=budget.percent(failed / tally.asked),
        )
    if tally.stray > _MUCH * tally.asked:
        yield say(
            "answers came late, or noise did, {n} times: is timeout_ms too short?", n=tally.stray
        )
