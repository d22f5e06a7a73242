"""Pictures of a statement as SVG: floats, for pictures only."""

import importlib
import io
from collections.abc import Sequence
from decimal import Decimal

from calc_stream.exporters.statement.markup import Markup, tag
from wire.errors import ConfigError

_COLOURS = ("#0b7a61", "#d08a2e", "#4a6fa5", "#8a8f98", "#7a4f8f")
_WIDTH, _DOTS_HIGH = 500.0, 46.0


def bar(parts: Sequence[tuple[str, str, str]]) -> Markup:
    """(name, exact, as shown): one bar, its parts in proportion, and a key to them."""
    amounts = [max(float(exact), 0.0) for _, exact, _ in parts]
    whole = sum(amounts) or 1.0
    drawn, at = [], 0.0
    for amount, colour in zip(amounts, _COLOURS, strict=False):
        wide = amount / whole * _WIDTH
        drawn.append(
            tag("rect", x=f"{at:.2f}", y="0", width=f"{wide:.2f}", height="14", fill=colour)
        )
        at += wide
    keys = [
        tag("span", tag("i", style=f"background: {colour}"), f"{name} {shown}")
        for (name, _, shown), colour in zip(parts, _COLOURS, strict=False)
    ]
    return Markup(_svg(drawn, 14) + tag("div", *keys, class_="key"))


def dots(values: Sequence[Decimal | None], mean: str) -> Markup:
    """Each batch on one scale from least to most, and a line where the mean is."""
    known = [float(value) for value in values if value is not None]
    middle = float(mean)
    least, most = min([*known, middle]), max([*known, middle])
    reach = (most - least) or 1.0

    def place(value: float) -> str:
        return f"{20 + (value - least) / reach * (_WIDTH - 40):.2f}"

    line = tag("line", x1=place(middle), x2=place(middle), y1="4", y2="28", stroke="#0b7a61")
    axis = tag("line", x1="20", x2=f"{_WIDTH - 20:.0f}", y1="16", y2="16", stroke="#b9c6c1")
    drawn = [axis, line]
    for value in known:
        drawn.append(
            tag("circle", cx=place(value), cy="16", r="3", fill="#4a6fa5", fill_opacity=".6")
        )
    for value, anchor in (
        ((least, "start"), (most, "end")) if most > least else ((middle, "middle"),)
    ):
        words = {"y": "42", "font_size": "9", "text_anchor": anchor, "fill": "#44525c"}
        drawn.append(tag("text", f"{value:.4g}", x=place(value), **words))
    return _svg(drawn, _DOTS_HIGH)


def qr(text: str) -> Markup:
    """Raises ConfigError where the library is not installed."""
    try:
        segno = importlib.import_module("segno")
    except ModuleNotFoundError as exc:
        raise ConfigError("statement: type  pip install 'wattprint[statement]'") from exc
    drawn = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        drawn, kind="svg", xmldecl=False, omitsize=True, border=2, nl=False
    )
    return Markup(drawn.getvalue().decode())


def _svg(drawn: Sequence[Markup], high: float) -> Markup:
    box = f"0 0 {_WIDTH:.0f} {high:.0f}"
    return tag("svg", *drawn, viewBox=box, xmlns="http://www.w3.org/2000/svg", width="100%")
