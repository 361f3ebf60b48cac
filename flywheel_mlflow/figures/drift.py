"""Figures of a comparison of two iterations: what drifted, how surely, by how much."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

import plotly.graph_objects as go

from flywheel_mlflow.drift import DataVerdict, DriftReport, Kind, SignalFound
from flywheel_mlflow.drift.distributions import values_of
from flywheel_mlflow.drift.wording import COLOURS, WORDS, compared_order, tone_of, word_of
from flywheel_mlflow.figures import style
from flywheel_mlflow.records.profiles import Signal

#: Findings and labels shown; the report has all of them.
MOST_FINDINGS = 15
MOST_LABELS = 12
#: Comparisons of one figure; drift.json has all of them.
MOST_SUBJECTS = 60
#: A p-value of 0 has no logarithm; what is smaller is drawn here, and its text says the number.
LEAST_P = 1e-30
_BINS = 30

#: The marks of the words that are drawn, in the order in which they are drawn over each other.
_SYMBOLS = {
    "no difference seen": "circle",
    "differs, too little to count": "circle-dot",
    "not tested": "circle-open",
    "as intended": "square",
    "changed": "diamond",
    "vanished": "x",
}


def effects(report: DriftReport) -> go.Figure:
    """The size of every tested difference, by interface and signal; the line at each is the size that counts."""
    title = f"Effect sizes, {_between(report)}"
    tested = _tested(report)
    if not tested:
        return style.nothing(title, _none(report))
    figure = go.Figure()
    for word, items in _grouped(tested):
        colour, symbol = COLOURS[WORDS[word]], _SYMBOLS[word]
        figure.add_trace(
            go.Scatter(
                x=[item.effect for item in items],
                y=[style.shown(item.subject, style.LABEL_WIDTH) for item in items],
                mode="markers",
                name=word,
                marker={"color": colour, "symbol": symbol, "size": 10},
                hovertext=[style.shown(_told(item)) for item in items],
                hoverinfo="text",
            )
        )
    limits = [item for item in tested if item.limit is not None]
    figure.add_trace(
        go.Scatter(
            x=[item.limit for item in limits],
            y=[style.shown(item.subject, style.LABEL_WIDTH) for item in limits],
            mode="markers",
            name="an effect from here on counts",
            marker={"color": style.BLACK, "symbol": "line-ns-open", "size": 12},
            hoverinfo="skip",
        )
    )
    return _by_subject(figure, title, "effect: Kolmogorov-Smirnov D or Cramer's V, 0..1", tested)


def p_values(report: DriftReport) -> go.Figure:
    """The adjusted p-value of every tested difference; left of the line a difference is no accident."""
    title = f"Adjusted p-values, {_between(report)}"
    tested = [item for item in _tested(report) if item.p is not None]
    if not tested:
        return style.nothing(title, _none(report))
    figure = go.Figure()
    for word, items in _grouped(tested):
        colour, symbol = COLOURS[WORDS[word]], _SYMBOLS[word]
        figure.add_trace(
            go.Scatter(
                x=[max(item.p or 0.0, LEAST_P) for item in items],
                y=[style.shown(item.subject, style.LABEL_WIDTH) for item in items],
                mode="markers",
                name=word,
                marker={"color": colour, "symbol": symbol, "size": 10},
                hovertext=[style.shown(_told(item)) for item in items],
                hoverinfo="text",
            )
        )
    limit = report.settings.false_alarms
    figure.add_vline(x=limit, line={"color": style.BLACK, "dash": "dash"}, annotation_text=f"{limit:g}")
    figure.update_xaxes(type="log", exponentformat="power")
    return _by_subject(figure, title, "p, adjusted for all comparisons (Benjamini-Hochberg), logarithmic", tested)


def worst_findings(report: DriftReport, *, most: int = MOST_FINDINGS) -> go.Figure:
    """What a reviewer must know, worst first, with its numbers and the command to look closer."""
    shown = report.findings[:most]
    more = f", the first {most} of {len(report.findings)}" if len(report.findings) > most else ""
    rows = [
        (
            word_of(item),
            item.kind.value,
            item.subject,
            item.text,
            "unknown" if item.n is None else item.n,
            item.next,
        )
        for item in shown
    ]
    return style.table(
        f"Findings, {_between(report)}: {report.verdict.value}{more}",
        ("outcome", "about", "subject", "what was found", "n", "look closer"),
        rows,
        fills=[style.ROWS[tone_of(item)] for item in shown],
        widths=(14, 12, 40, 42, 8, 34),
        none=f"nothing to report: {report.headline}",
    )


def distributions(
    subject: str, before: Signal | None, after: Signal | None, *, iteration: int, against: int
) -> go.Figure:
    """A signal before and after, from the samples logged with the two runs, as shares of each sample.

    Numbers become a histogram with the same bins for both, texts and booleans a bar for each label.
    """
    title = f"{subject}: iteration {against} before, iteration {iteration} after"
    old, new = values_of(before), values_of(after)
    if not old and not new:
        return style.nothing(title, "neither iteration logged a sample of it")
    sides = (
        (f"before, iteration {against} (n = {len(old):,})", old, style.SKY, ""),
        (f"after, iteration {iteration} (n = {len(new):,})", new, style.VERMILION, "/"),
    )
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (*old, *new))
    figure = go.Figure()
    if numeric:
        numbers = [float(value) for value in (*old, *new)]
        edges = _edges(numbers)
        for name, values, colour, pattern in sides:
            counts = _counts([float(value) for value in values], edges)
            _bars(
                figure,
                name,
                [(low + high) / 2 for low, high in pairwise(edges)],
                counts,
                colour,
                pattern,
            )
        figure.update_layout(barmode="overlay", bargap=0)
        figure.update_traces(opacity=0.65)
        axis = subject.rpartition("/")[2]
    else:
        labels = [label for label, _ in Counter(map(str, (*old, *new))).most_common(MOST_LABELS)]
        for name, values, colour, pattern in sides:
            found = Counter(map(str, values))
            rest = sum(found.values()) - sum(found[label] for label in labels)
            texts = [style.shown(label, style.LABEL_WIDTH) for label in labels] + (["all others"] if rest else [])
            _bars(figure, name, texts, [found[label] for label in labels] + ([rest] if rest else []), colour, pattern)
        figure.update_xaxes(type="category")
        axis = f"{subject.rpartition('/')[2]} (label)"
    figure.update_yaxes(tickformat=".0%", rangemode="tozero")
    figure = style.framed(figure, title, x=axis, y="share of the sampled rows", height=420)
    for name, values, *_ in sides:
        if not values:
            figure.add_annotation(
                text=style.shown(f"{name}: no sample is known"),
                showarrow=False,
                x=0.5,
                y=1.05,
                xref="paper",
                yref="paper",
            )
    return figure


def change(item: SignalFound, *, iteration: int, against: int) -> go.Figure:
    """What changed about a field: for every label, range of numbers or phrase its share of the rows, before and now."""
    title = f"{item.subject}: iteration {against} before, iteration {iteration} after"
    if item.picture is None or not item.picture.bars:
        return style.nothing(title, item.text or "there is nothing to draw")
    bars = item.picture.bars
    names = [style.shown(bar.name, style.LABEL_WIDTH) for bar in bars]
    figure = go.Figure()
    for name, shares, colour, pattern in (
        (f"before, iteration {against}", [bar.before for bar in bars], style.SKY, ""),
        (f"after, iteration {iteration}", [bar.now for bar in bars], style.VERMILION, "/"),
    ):
        figure.add_trace(
            go.Bar(
                x=shares,
                y=names,
                name=name,
                orientation="h",
                marker={"color": colour, "pattern": {"shape": pattern}},
                text=[f"{share:.1%}" for share in shares],
            )
        )
    figure.update_layout(barmode="group")
    figure.update_xaxes(tickformat=".0%", rangemode="tozero")
    figure.update_yaxes(type="category", categoryorder="array", categoryarray=list(reversed(names)))
    return style.framed(figure, title, x="share of the sampled rows", y="", height=220 + 44 * len(bars))


def _bars(
    figure: go.Figure, name: str, places: Sequence[float | str], counts: Sequence[int], colour: str, pattern: str
) -> None:
    total = sum(counts)
    if total:
        figure.add_trace(
            go.Bar(
                x=list(places),
                y=[count / total for count in counts],
                name=name,
                marker={"color": colour, "pattern": {"shape": pattern}},
                customdata=list(counts),
            )
        )


def _edges(values: Sequence[float]) -> list[float]:
    low, high = min(values), max(values)
    if low == high:
        return [low - 0.5, high + 0.5]
    if all(value == int(value) for value in values) and high - low < _BINS:
        return [low - 0.5 + step for step in range(int(high - low) + 2)]
    return [low + (high - low) * step / _BINS for step in range(_BINS + 1)]


def _counts(values: Iterable[float], edges: Sequence[float]) -> list[int]:
    last, width = len(edges) - 2, (edges[-1] - edges[0]) / (len(edges) - 1)
    found = Counter(min(last, max(0, math.floor((value - edges[0]) / width))) for value in values)
    return [found[place] for place in range(last + 1)]


def _tested(report: DriftReport) -> list[SignalFound]:
    """The comparisons that are drawn: the most telling ones, where there are many."""
    tested = [item for item in report.distributions if item.effect is not None and word_of(item) in _SYMBOLS]
    return sorted(tested, key=compared_order)[:MOST_SUBJECTS]


def _grouped(items: Sequence[SignalFound]) -> list[tuple[str, list[SignalFound]]]:
    groups = [(word, [item for item in items if word_of(item) == word]) for word in _SYMBOLS]
    return [(word, found) for word, found in groups if found]


def _told(item: SignalFound) -> str:
    p = "unknown" if item.p is None else f"{item.p:.3g}"
    effect = "unknown" if item.effect is None else f"{item.effect:.3f}"
    return (
        f"{item.subject}: {word_of(item)}; {item.effect_name} {effect}, p {p}; "
        f"{item.reference} → {item.value}; n {item.reference_n} → {item.n}"
    )


def _between(report: DriftReport) -> str:
    return f"iteration {report.iteration} against {report.reference.iteration}"


def _none(report: DriftReport) -> str:
    unchanged = report.count(Kind.DISTRIBUTION, DataVerdict.UNCHANGED)
    return f"no distribution was tested; {len(report.distributions)} were looked at, {unchanged} are the very same data"


def _by_subject(figure: go.Figure, title: str, axis: str, items: Sequence[SignalFound]) -> go.Figure:
    """One line a signal, those of one interface together; untested ones are counted in words."""
    subjects = sorted({style.shown(item.subject, style.LABEL_WIDTH) for item in items}, reverse=True)
    figure.update_yaxes(type="category", categoryorder="array", categoryarray=subjects)
    figure = style.framed(figure, title, x=axis, y="interface / signal", height=200 + 22 * len(subjects))
    figure.update_layout(legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0}, margin={"t": 100})
    return figure
