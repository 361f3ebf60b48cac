"""Draws a difference of two samples: for every label, range of numbers or phrase two bars, before and now."""

from __future__ import annotations

from html import escape

from flywheel_mlflow.drift.pictures import Bar, Picture
from flywheel_mlflow.drift.wording import COLOURS, Tone

_WIDTH, _LABEL, _BARS, _ROW, _BAR, _TOP = 640, 250, 300, 34, 13, 44
_LABEL_CHARACTERS = 38

#: What is drawn follows the reader's theme: a picture in a page cannot ask the page.
_STYLE = (
    "text{fill:#1f2328}.before{fill:#8c8c8c}"
    f".now{{fill:{COLOURS[Tone.ATTENTION]}}}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}}"
)


def change_svg(picture: Picture, title: str) -> str:
    """The picture as an SVG document; its texts are escaped, its bars have their numbers beside them."""
    top = max((max(bar.before, bar.now) for bar in picture.bars), default=0.0) or 1.0
    height = _TOP + _ROW * len(picture.bars) + 6
    rows = "".join(_row(bar, place, top) for place, bar in enumerate(picture.bars))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'role="img" font-family="system-ui, sans-serif" font-size="13"><style>{_STYLE}</style>'
        f"<title>{escape(title)}</title>"
        f'<text x="0" y="14" font-weight="bold">{escape(_fit(title, 80))}</text>'
        f'<rect class="before" x="{_LABEL}" y="24" width="12" height="12"/><text x="{_LABEL + 18}" y="35">before</text>'
        f'<rect class="now" x="{_LABEL + 80}" y="24" width="12" height="12"/><text x="{_LABEL + 98}" y="35">now</text>'
        f"{rows}</svg>"
    )


def told(picture: Picture) -> str:
    """The picture in words, for those who cannot see it."""
    return "; ".join(f"{bar.name}: {bar.before:.1%} before, {bar.now:.1%} now" for bar in picture.bars)


def _row(bar: Bar, place: int, top: float) -> str:
    y = _TOP + _ROW * place
    drawn = _bar("before", bar.before, y, top) + _bar("now", bar.now, y + _BAR, top)
    label = escape(_fit(bar.name, _LABEL_CHARACTERS))
    return f'<text x="{_LABEL - 8}" y="{y + 17}" text-anchor="end">{label}</text>{drawn}'


def _bar(name: str, share: float, y: int, top: float) -> str:
    width = _BARS * share / top
    return (
        f'<rect class="{name}" x="{_LABEL}" y="{y}" width="{width:.1f}" height="{_BAR - 1}"/>'
        f'<text x="{_LABEL + width + 6:.1f}" y="{y + 11}" font-size="11">{share:.1%}</text>'
    )


def _fit(text: str, size: int) -> str:
    visible = "".join(char if char.isprintable() else " " for char in text)
    return visible if len(visible) <= size else visible[: size - 1] + "…"
