"""HTML from nested calls: everything that is not markup already is escaped."""

import html


class Markup(str):
    """Text that is HTML."""

    __slots__ = ()


def tag(name: str, *children: str | None, **attributes: str) -> Markup:
    """An element; children that are None are left out. `class_` is the attribute class."""
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(value)}"'
        for key, value in attributes.items()
    )
    inner = "".join(
        child if isinstance(child, Markup) else html.escape(child)
        for child in children
        if child is not None
    )
    return Markup(f"<{name}{told}>{inner}</{name}>")
