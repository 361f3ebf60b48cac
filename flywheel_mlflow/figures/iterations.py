"""Figures of iterations: numbers over time, what differs between two, stages, bottlenecks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from flywheel_mlflow.assembly.documents import BottlenecksFile
from flywheel_mlflow.drift import KpiFound
from flywheel_mlflow.drift.wording import COLOURS, WORDS, word_of
from flywheel_mlflow.figures import style
from flywheel_mlflow.tables.texts import UNKNOWN, format_value, with_unit

#: The marks of the words that are drawn, in the order in which they are drawn over each other.
_SYMBOLS = {
    "within noise": "circle",
    "cannot be told": "diamond-open",
    "as intended": "square",
    "better": "triangle-up",
    "worse": "triangle-down",
}
_COLUMNS = 3
_ROW_HEIGHT = 210


def numbers(
    history: Mapping[int, Mapping[str, float]], names: Sequence[str], units: Mapping[str, str] | None = None
) -> go.Figure:
    """A small line for each number over the iterations; an iteration that does not know it is a gap.

    Args:
        history: numbers by iteration, oldest first.
        names: which of them.
        units: their units by name.
    """
    title = "Numbers over the iterations"
    known = [name for name in names if any(name in found for found in history.values())]
    if not known:
        return style.nothing(title, "none of these numbers is known in any iteration")
    rows = -(-len(known) // _COLUMNS)
    headings = [style.shown(name.removeprefix("flywheel."), style.LABEL_WIDTH) for name in known]
    figure = make_subplots(rows=rows, cols=_COLUMNS, subplot_titles=headings, vertical_spacing=0.35 / rows)
    turns = list(history)
    for place, name in enumerate(known):
        values = [history[turn].get(name) for turn in turns]
        unit = (units or {}).get(name, "")
        texts = [f"iteration {turn}: {with_unit(value, unit)}" for turn, value in zip(turns, values, strict=True)]
        row, column = place // _COLUMNS + 1, place % _COLUMNS + 1
        line = go.Scatter(
            x=turns,
            y=values,
            name=style.shown(name),
            mode="lines+markers",
            connectgaps=False,
            line={"color": style.BLUE},
            hovertext=[style.shown(text) for text in texts],
            hoverinfo="text",
        )
        figure.add_trace(line, row=row, col=column)
        figure.update_yaxes(title_text=style.shown(unit), row=row, col=column)
        # One tick an iteration, also where a number is unknown: the axes of all lines agree.
        figure.update_xaxes(tickvals=turns, range=[turns[0] - 0.3, turns[-1] + 0.3], row=row, col=column)
        if place >= len(known) - _COLUMNS:
            figure.update_xaxes(title_text="iteration", row=row, col=column)
    unknown = [name for name in names if name not in known]
    said = f" (unknown in all of them: {', '.join(unknown)})" if unknown else ""
    figure.update_layout(
        title={"text": style.shown(title + said), "x": 0.01},
        template="plotly_white",
        showlegend=False,
        height=90 + _ROW_HEIGHT * rows,
        margin={"l": 50, "r": 20, "t": 80, "b": 50},
    )
    return figure


def kpi_changes(found: Iterable[KpiFound], *, iteration: int, against: int) -> go.Figure:
    """Every KPI that differs between two iterations, by the share that it got better or worse.

    The line is the confidence interval, where a sample size is known. KPIs with an unknown value are named, not drawn.
    """
    title = f"KPIs of iteration {iteration} that differ from iteration {against}"
    items = [item for item in found if item.value != item.reference]
    drawn = [item for item in items if item.worse is not None and word_of(item) in _SYMBOLS]
    left = [item for item in items if item not in drawn]
    if not drawn:
        return style.nothing(title, "no KPI differs" if not left else _untold(left))
    drawn.sort(key=_better)
    figure = go.Figure()
    for word in _SYMBOLS:
        mine = [item for item in drawn if word_of(item) == word]
        if mine:
            figure.add_trace(_points(mine, word, COLOURS[WORDS[word]]))
    figure.add_vline(x=0, line={"color": style.BLACK, "width": 1})
    figure.update_yaxes(
        type="category", categoryorder="array", categoryarray=[style.shown(item.subject) for item in drawn]
    )
    figure = style.framed(
        figure,
        title,
        x="change as a share of the larger of both values; right of 0 is better",
        height=190 + 22 * len(drawn),
    )
    figure.update_layout(legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0}, margin={"t": 100, "b": 90})
    if left:
        figure.add_annotation(
            text=style.shown(_untold(left)),
            showarrow=False,
            x=0,
            y=0,
            yshift=-70,
            xref="paper",
            yref="paper",
            xanchor="left",
        )
    return figure


def _points(items: Sequence[KpiFound], word: str, colour: str) -> go.Scatter:
    centres = [_better(item) for item in items]
    # What it lost at most is what it gained at least.
    ends = [(item.gain(item.high), item.gain(item.low)) for item in items]
    below = [0.0 if low is None else max(0.0, centre - low) for centre, (low, _) in zip(centres, ends, strict=True)]
    above = [0.0 if high is None else max(0.0, high - centre) for centre, (_, high) in zip(centres, ends, strict=True)]
    return go.Scatter(
        x=centres,
        y=[style.shown(item.subject) for item in items],
        mode="markers",
        name=word,
        marker={"color": colour, "symbol": _SYMBOLS[word], "size": 11},
        error_x={"type": "data", "symmetric": False, "array": above, "arrayminus": below, "color": colour},
        hovertext=[style.shown(f"{item.subject}: {_told(item)}") for item in items],
        hoverinfo="text",
    )


def _told(item: KpiFound) -> str:
    return f"{with_unit(item.reference, item.unit)} → {with_unit(item.value, item.unit)}, {word_of(item)}"


def _better(item: KpiFound) -> float:
    return item.gain(item.worse) or 0.0


def _untold(items: Sequence[KpiFound]) -> str:
    told = ", ".join(f"{item.subject} ({word_of(item)})" for item in items[:6])
    return f"not drawn, a value is unknown: {told}" + (f" and {len(items) - 6} more" if len(items) > 6 else "")


def stage_scores(history: Mapping[int, Mapping[str, float]], titles: Mapping[str, str]) -> go.Figure:
    """The score of every stage in every iteration; an unknown one has no bar and says so.

    Args:
        history: numbers by iteration, oldest first.
        titles: titles of the stages by id, in the flywheel's order.
    """
    figure = go.Figure()
    labels = [style.folded(title) for title in titles.values()]
    for place, (turn, found) in enumerate(history.items()):
        values = [found.get(f"stage.{stage}.score") for stage in titles]
        figure.add_trace(
            go.Bar(
                x=labels,
                y=values,
                name=f"iteration {turn}",
                marker={"color": style.SERIES[place % len(style.SERIES)]},
                text=[format_value(value, "score 0..1") for value in values],
                textposition="outside",
                cliponaxis=False,
            )
        )
        for label, value in zip(labels, values, strict=True):
            if value is None:
                figure.add_annotation(
                    x=label, y=0, text=f"{UNKNOWN} in {turn}", showarrow=False, yanchor="bottom", textangle=-90
                )
    figure.update_layout(barmode="group")
    figure.update_yaxes(range=[0, 1.1])
    figure.update_xaxes(type="category")
    return style.framed(figure, "Stage scores", x="stage", y="score, 0..1", height=460)


def bottlenecks(found: BottlenecksFile, *, iteration: int) -> go.Figure:
    """The bottleneck rules that fired, most pressing first, then those that could not be decided."""
    rows: list[tuple[object, ...]] = [
        (
            item.title,
            item.severity,
            item.rule,
            ", ".join(
                f"{name} = {UNKNOWN if value is None else format(value, 'g')}" for name, value in item.values.items()
            ),
            item.downstream_projects,
        )
        for item in found.bottlenecks
    ]
    fills = [style.BAD_ROW] * len(rows)
    rows += [(item.name, UNKNOWN, item.rule, item.why, UNKNOWN) for item in found.rules_not_decidable]
    fills += [style.OPEN_ROW] * len(found.rules_not_decidable)
    return style.table(
        f"Bottlenecks of iteration {iteration}",
        ("bottleneck", "severity", "rule", "values, or why it cannot be decided", "projects downstream"),
        rows,
        fills=fills,
        widths=(26, 10, 34, 34, 12),
        none=f"no bottleneck rule fired; {found.rules_evaluated} were evaluated",
    )
