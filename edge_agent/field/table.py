"""A table in plain text."""

from collections.abc import Iterator, Sequence


def lines(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Header, rule and rows in columns as wide as their longest cell; the last one may run on."""
    widths = [max(len(row[n]) for row in (header, *rows)) for n in range(len(header))]
    rule = ["-" * width for width in widths]
    for row in (header, rule, *rows):
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(padded).rstrip()
