"""Draws a difference of two samples: for every label, range of numbers or phrase two bars, before and now."""

from __future__ import annotations

from flywheel_mlflow.base.text import fit
from flywheel_mlflow.drawings.svg import Svg, drawing, element, text
from flywheel_mlflow.drift.pictures import Bar, Picture
from flywheel_mlflow.drift.wording import COLOURS, Tone

_WIDTH, _LABEL, _BARS, _ROW, _BAR, _TOP = 640, 250, 300, 34, 13, 44
_LABEL_CELLS, _TITLE_CELLS = 38, 80

#: What is drawn follows the reader's theme: a picture in a page cannot ask the page.
_STYLE = Svg(
    "text{font:13px system-ui,sans-serif;fill:#1f2328}.title{font-weight:bold}.share{font-size:11px}"
    f".before{{fill:#8c8c8c}}.now{{fill:{COLOURS[Tone.ATTENTION]}}}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}}"
)


def change_svg(picture: Picture, title: str) -> str:
    """The picture as an SVG document of its own; its bars have their numbers beside them."""
    top = max((max(bar.before, bar.now) for bar in picture.bars), default=0.0) or 1.0
    legend = [
        element("rect", kind=side, x=_LABEL + shift, y=24, width=12, height=12)
        + text(_LABEL + shift + 18, 35, side, kind="side")
        for side, shift in (("before", 0), ("now", 80))
    ]
    rows = [_row(bar, _TOP + _ROW * place, top) for place, bar in enumerate(picture.bars)]
    return drawing(
        _WIDTH,
        _TOP + _ROW * len(picture.bars) + 6,
        title,
        element("style", _STYLE),
        text(0, 14, fit(title, _TITLE_CELLS), kind="title"),
        *legend,
        *rows,
        kind="chart change",
    )


def told(picture: Picture) -> str:
    """The picture in words, for those who cannot see it."""
    return "; ".join(f"{bar.name}: {bar.before:.1%} before, {bar.now:.1%} now" for bar in picture.bars)


def _row(bar: Bar, y: float, top: float) -> Svg:
    label = text(_LABEL - 8, y + 17, fit(bar.name, _LABEL_CELLS), kind="name", anchor="end")
    return label + _bar("before", bar.before, y, top) + _bar("now", bar.now, y + _BAR, top)


def _bar(side: str, share: float, y: float, top: float) -> Svg:
    width = _BARS * share / top
    bar = element("rect", kind=side, x=_LABEL, y=y, width=width, height=_BAR - 1)
    return bar + text(_LABEL + width + 6, y + 11, f"{share:.1%}", kind="share")
