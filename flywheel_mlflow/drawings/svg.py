"""Writes SVG: every text in it is escaped, every length has one decimal, its colours are classes of the page."""

from __future__ import annotations

import math
from html import escape

from flywheel_mlflow.base.text import visible


class Svg(str):
    """Text that is SVG already: elements take it as it is, and escape every other text."""

    __slots__ = ()

    def __add__(self, other: str) -> Svg:
        """Both beside each other; what is not SVG is escaped."""
        return Svg(str.__add__(self, other if isinstance(other, Svg) else escape(visible(other))))


def element(name: str, *inside: str, **attributes: str | float | None) -> Svg:
    """An element; ``kind`` is its class, ``stroke_width`` becomes ``stroke-width``, what is None is left out."""
    given = "".join(
        f' {_name(key)}="{_value(value)}"' for key, value in attributes.items() if value is not None and value != ""
    )
    held = "".join(part if isinstance(part, Svg) else escape(visible(part)) for part in inside)
    return Svg(f"<{name}{given}>{held}</{name}>" if inside else f"<{name}{given}/>")


def text(x: float, y: float, content: str, kind: str = "tick", *, anchor: str | None = None) -> Svg:
    """A text at a place; ``anchor`` is ``middle`` or ``end`` where it does not start there."""
    return element("text", content, kind=kind, x=x, y=y, text_anchor=anchor)


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Svg:
    """A straight line."""
    return element("line", kind=kind, x1=x1, y1=y1, x2=x2, y2=y2)


def tooltip(content: str) -> Svg:
    """What a pointer over the element around it shows."""
    return element("title", content)


def drawing(width: float, height: float, label: str, *inside: Svg, kind: str, stretched: bool = False) -> str:
    """A whole drawing; ``label`` says in words what it shows, for those who do not see it.

    One without texts may be ``stretched`` to whatever room it gets.
    """
    return element(
        "svg",
        *inside,
        xmlns="http://www.w3.org/2000/svg",
        kind=kind,
        role="img",
        aria_label=visible(label),
        viewBox=f"0 0 {_value(width)} {_value(height)}",
        width=width,
        height=height,
        preserveAspectRatio="none" if stretched else None,
    )


def _name(key: str) -> str:
    return "class" if key == "kind" else key.replace("_", "-")


def _value(value: str | float) -> str:
    if isinstance(value, str):
        return escape(value)
    if not math.isfinite(value):
        raise ValueError(f"{value} is no length")
    return f"{value:.1f}".removesuffix(".0")
