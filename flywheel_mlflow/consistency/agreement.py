"""Checks that the pages people read, dashboard or report, say what the data says."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from typing import Any

from flywheel_mlflow.assembly import deliverables as names
from flywheel_mlflow.base.documents import parse_json
from flywheel_mlflow.consistency.checking import (
    ConsistencyCheck,
    another_name,
    another_number,
    edited,
    members,
    replaced,
    unequal,
)
from flywheel_mlflow.consistency.view import AssemblyView

#: The report lists the numbers it states, by metric name, in an HTML comment that no reader sees:
#: ``<!-- figures: {"flywheel.project_count": 15} -->``. The last one counts.
FIGURES = re.compile(r"<!--\s*figures:\s*(\{.*?\})\s*-->", re.DOTALL)
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


def _repeated(view: AssemblyView) -> tuple[str, ...]:
    """The numbers the dashboard repeats."""
    return (*names.DASHBOARD_METRICS, view.now.flywheel.blueprint.cost_name)


def _must_state(view: AssemblyView) -> tuple[str, ...]:
    """What every report must state. The completion rate of stages is left to its two counts, which say more."""
    return tuple(f"flywheel.{name}" for name in _repeated(view) if name != "stage_completion_rate")


def _dashboard(view: AssemblyView) -> Iterator[str]:
    dashboard, metrics, where = view.dashboard, view.metrics, names.DASHBOARD
    yield from members(f"{where}: numbers", dashboard.numbers, _repeated(view))
    for name, value in dashboard.numbers.items():
        yield from unequal(f"{where}: {name}", value, metrics.numbers.get(name))
        yield from unequal(f"{where}: {name} (explained)", value, metrics.value(f"flywheel.{name}"))
    for field in ("format_version", "flywheel", "iteration"):
        yield from unequal(f"{where}: {field}", getattr(dashboard, field), getattr(metrics, field))
    for line in dashboard.stages:
        yield from unequal(f"{where}: score of {line.stage}", line.score, metrics.value(f"stage.{line.stage}.score"))
    found = view.bottlenecks.bottlenecks
    yield from unequal(f"{where}: first_bottlenecks", dashboard.first_bottlenecks, [item.name for item in found[:3]])
    listed = [f"{item.name}({item.severity})" for item in found]
    yield from unequal(f"{names.METRICS}: bottlenecks", metrics.bottlenecks, listed)


def _dashboard_counts(view: AssemblyView) -> Iterator[str]:
    dashboard, entries, where = view.dashboard, view.registry_lines, names.DASHBOARD
    for field, expected in (
        ("project_count", len(entries)),
        ("evidenced_count", sum(entry.evidence is not None for entry in entries)),
        ("consumable_count", sum(entry.consumable for entry in entries)),
        ("milestone_done_count", sum(line.status == "done" for line in view.milestones)),
        ("bottleneck_count", len(view.bottlenecks.bottlenecks)),
        ("review_hours", view.costs.estimated_manual_review_hours),
        (view.now.flywheel.blueprint.cost_name, view.costs.estimated_manual_review_cost),
    ):
        yield from unequal(f"{where}: {field}", dashboard.numbers.get(field), expected)
    titles = {stage.stage_id: stage.title for stage in view.stage_plan}
    yield from unequal(
        f"{where}: stages",
        [[line.stage, line.title, line.status, line.score] for line in dashboard.stages],
        [[run.stage_id, titles.get(run.stage_id), run.status, run.score] for run in view.runs],
    )
    barred = {entry.project_id: entry.reasons for entry in entries if not entry.consumable}
    yield from members(f"{where}: not_consumable", dashboard.not_consumable, barred)
    for name, reason in dashboard.not_consumable.items():
        if name in barred:
            yield from unequal(f"{where}: why not {name}", reason, next(iter(barred[name]), None))


def stated_figures(text: str) -> dict[str, Any] | None:
    """The numbers a report says that it states, by metric name; None without the comment.

    Raises:
        DocumentError: the comment does not hold JSON.
    """
    found = FIGURES.findall(text)
    if not found:
        return None
    figures: dict[str, Any] = parse_json(found[-1], name=f"{names.REPORT} (figures)")
    return figures


def _report(view: AssemblyView) -> Iterator[str]:
    text, metrics = view.text(names.REPORT), view.metrics.metrics
    figures = stated_figures(text)
    if figures is None:
        yield f"{names.REPORT} does not list the figures it states"
        return
    for name in _must_state(view):
        if name not in figures:
            yield f"{names.REPORT} does not state {name}"
    visible = COMMENT.sub("", text)
    for name, value in figures.items():
        line = metrics.get(name)
        if line is None:
            yield f"{names.REPORT} states {name}, which is no metric"
            continue
        yield from unequal(f"{names.REPORT}: {name}", value, line.value)
        shown = view.format_value(line.value, line.unit)
        if not _whole(shown).search(visible):
            yield f"{names.REPORT}: {name} is {shown}, which no sentence or table says"


def _whole(shown: str) -> re.Pattern[str]:
    """A number as a whole: 15 is neither in 150, 15.2, 3.15 or 1,015, nor is it -15."""
    return re.compile(rf"(?<![\w.,])(?<![\s(|]-){re.escape(shown)}(?!\w|[.,]\d)")


def _wrong_figure(view: AssemblyView, rng: random.Random) -> tuple[str, AssemblyView] | None:
    text = view.text(names.REPORT)
    figures = stated_figures(text)
    if not figures:
        return None
    name = rng.choice(sorted(figures))
    figures[name] = another_number(figures[name], rng)
    start, end = list(FIGURES.finditer(text))[-1].span(1)
    changed = text[:start] + json.dumps(figures) + text[end:]
    return f"{names.REPORT}: {name} is stated as {figures[name]}", view.with_file(names.REPORT, changed)


def _unsaid_figure(view: AssemblyView, rng: random.Random) -> tuple[str, AssemblyView] | None:
    """Rub a number out of the visible text, wherever it stands as a whole."""
    text, metrics = view.text(names.REPORT), view.metrics.metrics
    names_ = sorted(name for name in stated_figures(text) or {} if name in metrics)
    if not names_:
        return None
    name = rng.choice(names_)
    line = metrics[name]
    shown = view.format_value(line.value, line.unit)
    comments = iter(COMMENT.findall(text))
    visible = _whole(shown).sub("...", COMMENT.sub("\0", text))
    changed = re.sub("\0", lambda _: next(comments), visible)
    return f"{names.REPORT}: {shown} ({name}) rubbed out", view.with_file(names.REPORT, changed)


def _other_figure_in_metrics(view: AssemblyView, rng: random.Random) -> tuple[str, AssemblyView] | None:
    figures = sorted(stated_figures(view.text(names.REPORT)) or {})

    def change(document: Any, rng: random.Random) -> str | None:
        known = [name for name in figures if name in document["metrics"]]
        if not known:
            return None
        line = document["metrics"][rng.choice(known)]
        line["value"] = another_number(line["value"], rng)
        return f"a number that the report states is {line['value']}"

    return edited(names.METRICS, change)(view, rng)


def _other_dashboard_number(document: Any, rng: random.Random) -> str:
    name = rng.choice(names.DASHBOARD_METRICS)
    document[name] = another_number(document[name], rng)
    return f"{name} is {document[name]}"


def _other_iteration(document: Any, rng: random.Random) -> str:
    document["iteration"] = another_number(document["iteration"], rng)
    return f"iteration is {document['iteration']}"


def _other_dashboard_count(document: Any, rng: random.Random) -> str:
    name = rng.choice(["project_count", "evidenced_count", "consumable_count", "milestone_done_count"])
    document[name] = another_number(document[name], rng)
    return f"{name} is {document[name]}"


def _promoted(document: Any, rng: random.Random) -> str | None:
    if not document["not_consumable"]:
        return None
    name = rng.choice(sorted(document["not_consumable"]))
    del document["not_consumable"][name]
    return f"{name} is no longer listed as not consumable"


DASHBOARD_MATCHES_METRICS = ConsistencyCheck(
    "dashboard_matches_metrics",
    "every number of the executive dashboard is that of the metrics",
    _dashboard,
    (
        edited(names.DASHBOARD, _other_dashboard_number),
        replaced(names.DASHBOARD, "stages", key="stage", field="score", value=another_number),
        edited(names.DASHBOARD, _other_iteration),
    ),
)
DASHBOARD_AGREES_WITH_REGISTRY = ConsistencyCheck(
    "dashboard_agrees_with_registry",
    "the dashboard counts and lists what registry, stage runs, milestones and costs hold",
    _dashboard_counts,
    (
        edited(names.DASHBOARD, _other_dashboard_count),
        edited(names.DASHBOARD, _promoted),
        replaced(names.DASHBOARD, "stages", key="stage", field="status", value=another_name),
        replaced(names.REGISTRY, key="project_id", field="consumable", value=lambda old, _rng: not old),
    ),
)
REPORT_AGREES_WITH_METRICS = ConsistencyCheck(
    "report_agrees_with_metrics",
    "every number the report lists as stated is that of the metrics, and stands in the text people read",
    _report,
    (_wrong_figure, _unsaid_figure, _other_figure_in_metrics),
)
