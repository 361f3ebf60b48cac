"""What all figures share: colours, text that stays text, tables."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

import plotly.graph_objects as go

from flywheel_mlflow.base.text import fit
from flywheel_mlflow.drift.wording import Tone

#: Okabe and Ito's colours, which people with any colour vision tell apart (jfly.uni-koeln.de/color, 2008).
BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, YELLOW, BLACK = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#F0E442",
    "#000000",
)
GREY = "#8C8C8C"
SERIES = (BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, BLACK, GREY)
#: Backgrounds of a row, light enough for black text, by what it says.
GOOD_ROW, BAD_ROW, OPEN_ROW, PLAIN_ROW = "#D5E8F5", "#F9DCC8", "#FBF3C2", "#FFFFFF"
ROWS = {
    Tone.NONE: PLAIN_ROW,
    Tone.GOOD: GOOD_ROW,
    Tone.INTENDED: "#F3E1EC",
    Tone.ATTENTION: "#FBE6BF",
    Tone.UNKNOWN: OPEN_ROW,
    Tone.BAD: BAD_ROW,
}
#: Columns of text in a cell; names and reasons are other people's, and of any length.
CELL_WIDTH = 240
LABEL_WIDTH = 60
#: Pixels of a table around its rows, of a row around its lines, of a line; letters in a line across all columns.
_AROUND, _PADDING, _LINE, _LETTERS = 120, 8, 16, 140


def shown(text: object, cells: int = CELL_WIDTH) -> str:
    """Any text as itself: plotly reads a part of HTML in texts, and formulas between dollar signs."""
    found = fit(text, cells)
    for char, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("$", "&#36;"), ("%{", "%&#123;")):
        found = found.replace(char, entity)
    return found


def folded(text: object, letters: int = 18) -> str:
    """A label on several lines."""
    return "<br>".join(shown(line) for line in wrap(fit(text, LABEL_WIDTH), letters))


def framed(figure: go.Figure, title: str, *, x: str = "", y: str = "", height: int | None = None) -> go.Figure:
    """The figure with its title, what its axes show with their units, and the look of all others."""
    figure.update_layout(
        title={"text": shown(title), "x": 0.01, "xanchor": "left"},
        template="plotly_white",
        height=height,
        font={"size": 13, "color": BLACK},
        margin={"l": 60, "r": 30, "t": 60, "b": 50},
        legend={"orientation": "h", "yanchor": "top", "y": -0.18, "x": 0},
    )
    figure.update_xaxes(title_text=shown(x), automargin=True)
    figure.update_yaxes(title_text=shown(y), automargin=True)
    return figure


def nothing(title: str, why: str) -> go.Figure:
    """A figure that says in words why there is nothing to draw."""
    figure = go.Figure()
    figure.add_annotation(text=shown(why), showarrow=False, x=0.5, y=0.5, xref="paper", yref="paper", font={"size": 15})
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    return framed(figure, title, height=180)


def table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    fills: Sequence[str] | None = None,
    widths: Sequence[int] | None = None,
    none: str = "there is none",
) -> go.Figure:
    """A table of texts that may come from anybody; ``fills`` are the backgrounds of its rows."""
    if not rows:
        return nothing(title, none)
    cells = [[shown(cell) for cell in column] for column in zip(*rows, strict=True)]
    colours = [list(fills or [PLAIN_ROW] * len(rows))] * len(columns)
    figure = go.Figure(
        go.Table(
            columnwidth=list(widths) if widths else None,
            header={
                "values": [f"<b>{shown(name)}</b>" for name in columns],
                "align": "left",
                "fill_color": "#E8E8E8",
                "font": {"color": BLACK, "size": 13},
            },
            cells={
                "values": cells,
                "align": "left",
                "fill_color": colours,
                "font": {"color": BLACK, "size": 12},
                "height": 24,
            },
        )
    )
    figure = framed(figure, title, height=_AROUND + sum(_height(row, widths) for row in rows))
    return figure.update_layout(margin={"l": 10, "r": 10, "t": 60, "b": 10})


def _height(row: Sequence[object], widths: Sequence[int] | None) -> int:
    """About how many pixels a row takes in a notebook of usual width: plotly folds texts and does not tell."""
    shares = widths or [1] * len(row)
    letters = [max(6, _LETTERS * share // sum(shares)) for share in shares]
    lines = max(-(-min(len(str(cell)), CELL_WIDTH) // room) for cell, room in zip(row, letters, strict=True))
    return _PADDING + _LINE * max(1, lines)
