"""Content: how much of each source is in a flow, exactly, in whole numbers over a denominator."""

from typing import NamedTuple

import numpy as np

from calc_stream.core.whole import Whole, add, floor_div, gcd, lcm, mul


class Content(NamedTuple):
    """parts[source] / whole quanta of each source, row by row; absent sources are zero."""

    parts: dict[str, Whole]
    whole: Whole

    def times(self, weights: Whole) -> "Content":
        """The content times whole numbers."""
        return Content({s: mul(part, weights) for s, part in self.parts.items()}, self.whole)

    def over(self, divisors: Whole) -> "Content":
        """The content divided by positive whole numbers, in lowest terms."""
        divisors = mul(self.whole, divisors)
        common = divisors
        for part in self.parts.values():
            common = gcd(common, part)
        if (common == 1).all():
            return Content(self.parts, divisors)
        parts = {source: floor_div(part, common) for source, part in self.parts.items()}
        return Content(parts, floor_div(divisors, common))


def together(contents: list[Content], rows: int) -> Content:
    """The sum of contents."""
    if len(contents) == 1:
        return contents[0]
    divisors = common_whole([content.whole for content in contents], rows)
    parts: dict[str, Whole] = {}
    for content in contents:
        factor = None if content.whole is divisors else floor_div(divisors, content.whole)
        for source, part in content.parts.items():
            part = part if factor is None else mul(part, factor)
            parts[source] = add(parts[source], part) if source in parts else part
    return Content(parts, divisors)


def common_whole(wholes: list[Whole], rows: int) -> Whole:
    """The least common denominator; the very same column when there is only one."""
    distinct = list({id(column): column for column in wholes}.values())
    if not distinct:
        return np.ones(rows, dtype=np.int64)
    result = distinct[0]
    for column in distinct[1:]:
        result = lcm(result, column)
    return result
