"""Why what was told cannot be: a code with values, for those who say it in their own words, and in ours."""

from string import Formatter
from typing import Any, NamedTuple

# `!a`: a stranger's text, shown as such.
TEXTS = {
    # of one line or event
    "missing": "is missing",
    "unknown_key": "is not a known key of a {type} event",
    "one_of": "must be one of {choices}, not {value!a}",
    "no_instant": "{problem}",
    "no_decimal": "{problem}",
    "below_zero": "may not be below zero",
    "zero": "must be above zero",
    "printable": "must be 1 to {most} printable characters",
    "no_name": "must be letters, digits, . _ and -",
    "numbered": "a sender's events have a source and n, from 1 to below 2**53, and perhaps an epoch",
    "future": "is more than a day in the future",
    "past": "is before the year 2000",
    "of_or_lot": "an input is `of` a batch or from a `lot`: one of the two",
    "lot_scrap": "is about batches; a lot has no scrap",
    "lot_factor": "is missing: kgCO2e for one unit, or the `pcf` that tells it",
    "lot_document": "is missing: where the supplier states the factor",
    # of an event beside others
    "told_before": "was told before and said something else",
    "other_number": "number {n} of {sender} is another event's; a sender that counts from 1 again names a"
    " new epoch",
    "voids_unknown": "voids the unknown event {of!a}",
    "voids_itself": "voids itself",
    "voids_void": "voids {of!a}, which is a void",
    "active": "{batch!a} is active on {node}",
    "other_product": "batch {batch!a} makes {product!a}, not {other!a}",
    "other_unit": "batch {batch!a} is counted in {unit!a}, not {other!a}",
    "counted_in": "batch {batch!a} is counted in {unit!a}",
    "never_counted": "batch {batch!a} was never counted",
    "draws_more": "draws more of {batch!a} than its good {good}",
    "in_a_ring": "batches pass everything round for ever: {batches}",
    "lot_told": "{lot!a} was told before and said something else; void that first",
    "lot_unit": "lot {lot!a} is counted in {unit!a}, not {other!a}",
    "no_lot": "no record tells of the lot {lot!a}",
    # of an event beside the model and what was read
    "no_node": "{node!a} is no node of the model",
    "overhead": "{node} is of kind overhead: no batch or state there",
    "no_meter": "{meter!a} is no meter of the model",
    "no_end": "{meter!a}: nothing is known there that ended a register and is not told already",
    "closing_low": "{meter!a}: is lower than the register read before",
    "opening_high": "{meter!a}: is higher than the register read after",
    # of a request as a whole, and of one that was handed on
    "too_large": "a body is at most {most} bytes",
    "no_ingestor": "the ingestor does not answer: {problem}",
    "not_now": "the ingestor cannot take anything now: {problem}",
    "not_allowed": "the ingestor does not know the calculator's key, or not as an operator's; see"
    " ingestor.token_file of the calculator's configuration",
    "no_site": "the ingestor does not know the site {site}; see ingestor.url of the calculator's configuration",
}
MOST_SHOWN = 60


def shown(value: object) -> str:
    """A stranger's value in a message: quoted, one line, not endless."""
    text = ascii(value)
    return text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN] + "..."


class Reason(NamedTuple):
    """`str` of it is the text."""

    code: str
    values: dict[str, str]

    def __str__(self) -> str:
        return _SAID.vformat(TEXTS[self.code], (), self.values)


def because(code: str, **values: str) -> Reason:
    """One of the codes above."""
    return Reason(code, values)


class _Said(Formatter):
    def convert_field(self, value: Any, conversion: Any) -> Any:
        return shown(value) if conversion == "a" else super().convert_field(value, conversion)


_SAID = _Said()
