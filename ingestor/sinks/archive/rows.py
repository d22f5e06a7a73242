"""Rows of an archive file, in columns: exact, each meter, quantity, quality and time once."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from ingestor.blocks import Columns, Kind

Key = tuple[str, str, str, int]  # meter, quantity, quality, exponent
Rows = dict[Key, Columns]  # two rows: times in ms, mantissas
_MOST = 2**63 - 1


def rows_of(meter: str, tables: Mapping[Kind, Columns]) -> Rows:
    """Of a meter's tables, see `ingestor.blocks.merged`."""
    return put_together(
        {(meter, quantity, quality, exponents[at]): table[[0, at + 1]]}
        for (quality, quantities, exponents), table in tables.items()
        for at, quantity in enumerate(quantities)
    )


def put_together(many: Iterable[Rows]) -> Rows:
    """In order of time; of two values at one time the lower. One exponent for each quantity, the
    least there is, so that every value keeps its last digit; what has too many digits for that
    keeps one of its own."""
    found: dict[tuple[str, str, str], list[tuple[int, Columns]]] = {}
    for rows in many:
        for (meter, quantity, quality, exponent), table in rows.items():
            found.setdefault((meter, quantity, quality), []).append((exponent, table))
    together: Rows = {}
    for key in sorted(found):
        for exponent, table in _at_like_exponents(found[key]):
            together[(*key, exponent)] = _in_order(table)
    return together


def cut(rows: Rows, meter: str, from_ms: int, to_ms: int) -> Rows:
    """Without a meter's rows in [from_ms, to_ms)."""
    left = {}
    for key, table in rows.items():
        stays = (table[0] < from_ms) | (table[0] >= to_ms) | (key[0] != meter)
        if stays.any():
            left[key] = table[:, stays]
    return left


def _at_like_exponents(parts: list[tuple[int, Columns]]) -> Iterator[tuple[int, Columns]]:
    while parts:
        least = min(exponent for exponent, _ in parts)
        here, rest = [], []
        for exponent, table in parts:
            fits = np.abs(table[1]) <= _MOST // 10 ** (exponent - least)
            here.append(_rescaled(table if fits.all() else table[:, fits], exponent - least))
            if not fits.all():
                rest.append((exponent, table[:, ~fits]))
        yield least, np.concatenate(here, axis=1)
        parts = rest


def _rescaled(table: Columns, digits: int) -> Columns:
    """By 19 digits and more nothing but zeros fits."""
    return table * np.array([[1], [10 ** min(digits, 18)]]) if digits else table


def _in_order(table: Columns) -> Columns:
    if np.all(table[0, 1:] > table[0, :-1]):
        return table
    table = table[:, np.lexsort((table[1], table[0]))]
    _, begins = np.unique(table[0], return_index=True)
    return np.asarray(table[:, begins])
