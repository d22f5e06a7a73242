"""Pure: what somebody has to look at, for by itself no figure of it comes or goes."""

from collections.abc import Container, Iterator, Sequence

from calc_stream.footprints.due import Rules, Standing, emptied, lines_of, taken_over
from calc_stream.footprints.footprint import Footprint

_DAY_MS = 86_400_000
_MOST_NAMES = 5


def astray(
    standing: Standing, newest: Sequence[Footprint], withdrawn: Container[str], rules: Rules
) -> Iterator[str]:
    """One line each: periods that are long over and wait for batches, and figures without any."""
    all_lines = lines_of(standing, rules.every)
    for lines in all_lines:
        if lines.open and standing.told_ms - lines.period.end_ms > _DAY_MS:
            names = ", ".join(lines.open[:_MOST_NAMES])
            yield f"{lines.product}, {lines.period.name}: waits for batches that do not settle: {names}"
    left = emptied(all_lines, standing, newest, rules.every)
    taken = {id_ for lines in all_lines for id_ in taken_over(lines, left)}
    for each in left:
        if each.id not in taken and each.id not in withdrawn:
            yield (
                f"{each.product}, {each.period}: footprint {each.id} stands, and none of its batches"
                " is of this product with good output any more: withdraw it, and tell those who have it"
            )
