"""Figures of releases: what a gate demands, who approved, what was decided when, what differs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import plotly.graph_objects as go

from flywheel_mlflow.assembly.diff import ReleaseDiff
from flywheel_mlflow.assembly.history import LedgerLine
from flywheel_mlflow.decisions.approvals import JudgedApproval
from flywheel_mlflow.decisions.gate_facts import Verdict
from flywheel_mlflow.decisions.gates import GateResult
from flywheel_mlflow.drift.wording import WORDS, word_order
from flywheel_mlflow.figures import style
from flywheel_mlflow.tables.texts import UNKNOWN

_ROWS = {Verdict.PASS: style.GOOD_ROW, Verdict.BLOCK: style.BAD_ROW, Verdict.INCONCLUSIVE: style.OPEN_ROW}
_MARKS = {Verdict.PASS: "✓", Verdict.BLOCK: "✗", Verdict.INCONCLUSIVE: "?"}
#: Kinds of criteria that judge a number; one of these without a value is unknown.
_NUMERIC = frozenset({"coverage", "checks", "floor", "ceiling", "max_drop", "consistency"})
#: The kinds of decisions by the word that stands before their underscore, each on a line of the timeline.
_LINES: tuple[tuple[str, tuple[str, ...], str, str], ...] = (
    ("moves", ("promotion", "promoted", "rollback", "rolled", "move", "reconciled"), style.BLUE, "triangle-right"),
    ("gates", ("gate",), style.ORANGE, "square"),
    ("approvals and refusals", ("approved", "rejected", "override", "drift"), style.GREEN, "star"),
    ("releases", ("registered", "retired"), style.PURPLE, "circle"),
    ("risks", ("risk",), style.VERMILION, "diamond"),
)
_OTHER = ("other decisions", style.GREY, "x")
#: Differences shown; `flywheel release diff` has all of them.
MOST_DIFFERENCES = 40


def criteria(result: GateResult) -> go.Figure:
    """Every criterion of a gate, coloured and marked by its verdict; a value nobody knows is said to be unknown."""
    rows = [
        (
            f"{_MARKS[item.verdict]} {item.verdict.value}",
            item.id,
            item.demand,
            _number(item.value, UNKNOWN if item.kind in _NUMERIC else "no number"),
            _number(item.limit, "none"),
            item.reason,
            item.next,
        )
        for item in result.criteria
    ]
    return style.table(
        f"Release {result.version} to {result.to}: {result.verdict.value}, judged {_moment(result.at)}",
        ("verdict", "criterion", "demand", "value", "limit", "reason", "next"),
        rows,
        fills=[_ROWS[item.verdict] for item in result.criteria],
        widths=(16, 20, 30, 10, 9, 40, 34),
        none="this gate has no criterion",
    )


def approvals(found: Sequence[JudgedApproval], *, version: int) -> go.Figure:
    """Who said yes in which role, and whether it counts."""
    rows = [
        (
            "counts" if item.counts else "does not count",
            item.approval.actor.name,
            item.approval.role,
            "signed" if item.verified else "not verified",
            _moment(item.approval.at),
            _moment(item.until),
            item.approval.reason if item.counts else "; ".join(item.against),
        )
        for item in found
    ]
    return style.table(
        f"Approvals of release {version}",
        ("", "who", "role", "signature", "given", "ends", "reason, or what speaks against it"),
        rows,
        fills=[style.GOOD_ROW if item.counts else style.OPEN_ROW for item in found],
        widths=(14, 12, 18, 12, 18, 18, 44),
        none="nobody approved it yet",
    )


def timeline(story: Iterable[LedgerLine], *, version: int | None = None) -> go.Figure:
    """The decisions of the ledger over time, one line for each kind; ``version`` shows one release's alone."""
    told = [item for item in story if version is None or item.about == version]
    title = "Decisions" if version is None else f"Decisions about release {version}"
    if not told:
        return style.nothing(title, "nothing was decided yet")
    figure = go.Figure()
    lines = (*_LINES, (_OTHER[0], (), _OTHER[1], _OTHER[2]))
    for name, _, colour, symbol in lines:
        mine = [item for item in told if _line(item.kind) == name]
        if mine:
            figure.add_trace(
                go.Scatter(
                    x=[item.at for item in mine],
                    y=[name] * len(mine),
                    mode="markers+text",
                    name=name,
                    marker={"color": colour, "symbol": symbol, "size": 13},
                    text=[str(item.number) for item in mine],
                    textposition="top center",
                    hovertext=[
                        style.shown(f"{item.number}: {item.text} ({item.actor}, {item.level})") for item in mine
                    ],
                    hoverinfo="text+x",
                    showlegend=False,
                )
            )
    present = [name for name, *_ in lines if any(_line(item.kind) == name for item in told)]
    figure.update_yaxes(type="category", categoryorder="array", categoryarray=present[::-1])
    return style.framed(
        figure, f"{title}: numbers are those of the ledger's events", x="time (UTC)", y="kind of decision", height=420
    )


def differences(found: ReleaseDiff, *, before: int, after: int) -> go.Figure:
    """What differs between two releases: KPIs and other numbers, the worse first, then interfaces and contracts."""
    numbers = sorted(found.numbers, key=lambda item: (not item.kpi, word_order(item.word), item.name))
    rows: list[tuple[object, ...]] = [
        (item.word, item.name, _number(item.before), _number(item.after), item.why) for item in numbers
    ]
    fills = [style.ROWS[WORDS[item.word]] for item in numbers]
    rows += [(item.word, f"interface {item.name}", item.before, item.after, "") for item in found.interfaces]
    rows += [("changed", f"contract of {name}", "", "", "") for name in found.contracts]
    rows += [("changed", "blueprint", "", "", "")] if found.blueprint else []
    fills += [style.PLAIN_ROW] * (len(rows) - len(fills))
    more = f", the first {MOST_DIFFERENCES} of {len(rows)}" if len(rows) > MOST_DIFFERENCES else ""
    return style.table(
        f"What differs from release {before} to release {after}{more}",
        ("", "what", f"release {before}", f"release {after}", "why"),
        rows[:MOST_DIFFERENCES],
        fills=fills[:MOST_DIFFERENCES],
        widths=(14, 36, 26, 26, 40),
        none="the two releases do not differ",
    )


def _line(kind: str) -> str:
    word = kind.partition("_")[0]
    return next((name for name, words, *_ in _LINES if word in words), _OTHER[0])


def _number(value: float | None, otherwise: str = UNKNOWN) -> str:
    return otherwise if value is None else f"{value:.4g}"


def _moment(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M} UTC"
