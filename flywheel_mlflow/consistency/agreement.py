"""Checks that the pages people read agree with the data, and the data with what MLflow says now."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from flywheel_mlflow import deliverables as names
from flywheel_mlflow.canonical import plain
from flywheel_mlflow.consistency.checking import (
    ConsistencyCheck,
    another_name,
    another_number,
    edited,
    members,
    replaced,
    unequal,
)
from flywheel_mlflow.consistency.shapes import Entry, Evidence
from flywheel_mlflow.consistency.view import AssemblyView, parse
from flywheel_mlflow.contract import Contract
from flywheel_mlflow.documents import parse_json, value_at
from flywheel_mlflow.evidence import EvidenceKind, ProjectEvidence
from flywheel_mlflow.registry import RegistryEntry

#: The report lists the numbers it states, by metric name, in an HTML comment that no reader sees:
#: ``<!-- figures: {"flywheel.project_count": 15} -->``. The last one counts.
FIGURES = re.compile(r"<!--\s*figures:\s*(\{.*?\})\s*-->", re.DOTALL)
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)

#: What every report must state. The completion rate of stages is left to its two counts, which say more.
MUST_STATE = tuple(f"flywheel.{name}" for name in names.DASHBOARD_METRICS if name != "stage_completion_rate")


def _dashboard(view: AssemblyView) -> Iterator[str]:
    dashboard, metrics, where = view.dashboard, view.metrics, names.DASHBOARD
    yield from members(f"{where}: numbers", dashboard.numbers, names.DASHBOARD_METRICS)
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
        ("review_cost_rmb", view.costs.estimated_manual_review_cost_rmb),
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
    for name in MUST_STATE:
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


def _tracking(view: AssemblyView) -> Iterator[str]:
    live = view.now.registry
    yield from members(f"{names.REGISTRY} against MLflow", view.registry, live)
    for name, entry in view.registry.items():
        if name in live:
            yield from (f"{name}: {problem}" for problem in _entry(entry, live[name]))
    edges = sorted(_sorted_edges(plain(view.now.edges)))
    found = [edge.model_dump() for edge in view.architecture.interfaces]
    for edge in found:
        edge["missing"] = edge.pop("missing_fields")
    yield from unequal("interface edges", sorted(_sorted_edges(found)), edges)


def _sorted_edges(edges: list[dict[str, Any]]) -> list[str]:
    return [json.dumps(edge, sort_keys=True) for edge in edges]


def _entry(entry: Entry, live: RegistryEntry) -> Iterator[str]:
    evidence = live.evidence
    summary = evidence.checks if evidence else None
    for field, found, expected in (
        ("state", entry.state, live.state.value),
        ("consumable", entry.consumable, live.consumable),
        ("reasons", entry.reasons, live.reasons),
        ("not_consumable_for", sorted(entry.not_consumable_for.items()), sorted(live.barred.items())),
        ("notes", entry.notes, live.notes),
        ("passed_checks", entry.passed_checks, summary.passed if summary else None),
        ("total_checks", entry.total_checks, summary.total if summary else None),
        (
            "checks_not_passed",
            sorted(entry.checks_not_passed.items()),
            _outcomes(summary.not_passed if summary else {}),
        ),
        ("review hours", entry.estimated_manual_review_hours, evidence.costs.review_hours if evidence else None),
        ("review cost", entry.estimated_manual_review_cost_rmb, evidence.costs.review_cost_rmb if evidence else None),
    ):
        yield from unequal(field, found, expected)
    for name, outcome in entry.required_checks.items():
        known = summary.required.get(name) if summary else None
        yield from unequal(f"required check {name}", outcome, known.value if known else None)
    yield from _evidence(entry.evidence, evidence)
    for kpi in live.kpis:
        stated = entry.kpis.get(kpi.kpi.name)
        expected_kpi = [kpi.value, kpi.n, kpi.attainment]
        yield from unequal(
            f"KPI {kpi.kpi.name}", [stated.value, stated.n, stated.attainment] if stated else None, expected_kpi
        )
    yield from _versions(entry, live)


def _outcomes(outcomes: Any) -> list[tuple[str, str]]:
    return sorted((name, outcome.value) for name, outcome in outcomes.items())


def _evidence(found: Evidence | None, live: ProjectEvidence | None) -> Iterator[str]:
    if found is None or live is None:
        if found is not None or live is not None:
            yield f"evidence is {'there' if found else 'missing'}, MLflow says it is {'there' if live else 'missing'}"
        return
    for field, value in found.model_dump().items():
        yield from unequal(f"evidence.{field}", value, plain(getattr(live, field)))


def _versions(entry: Entry, live: RegistryEntry) -> Iterator[str]:
    stated = {item.name: item for item in entry.interfaces_out}
    for item in live.interfaces:
        found = stated.get(item.promise.name)
        if found is None:
            yield f"interface {item.promise.name} is missing"
            continue
        version = found.version.model_dump() if found.version else None
        expected = plain(item.version) if item.version else None
        if expected is not None:
            del expected["name"]
        if version != expected:
            yield f"interface {found.name}: the version is {version}, MLflow has {expected}"
        yield from unequal(f"interface {found.name}: change", found.change, item.change)
        yield from unequal(f"interface {found.name}: consumers", found.consumers, item.consumers)


def _other_run(document: Any, rng: random.Random) -> str | None:
    entries = [entry for entry in document if entry["evidence"]]
    if not entries:
        return None
    entry = rng.choice(entries)
    field = rng.choice(["run_id", "evidence_digest", "contract_digest"])
    entry["evidence"][field] = another_name(entry["evidence"][field], rng)
    return f"{field} of {entry['project_id']} is {entry['evidence'][field]}"


def _other_version(document: Any, rng: random.Random) -> str | None:
    versions = [item["version"] for entry in document for item in entry["interfaces_out"] if item["version"]]
    if not versions:
        return None
    version = rng.choice(versions)
    version["digest"] = another_name(version["digest"], rng)
    return f"digest of an interface is {version['digest']}"


def _world_moved(view: AssemblyView, rng: random.Random) -> tuple[str, AssemblyView] | None:
    """Behind the deliverables' back, MLflow now has another run of a project."""
    live = view.now.registry
    shown = {name: entry.evidence for name, entry in sorted(live.items()) if entry.evidence}
    if not shown:
        return None
    name = rng.choice(list(shown))
    moved = replace(live[name], evidence=replace(shown[name], run_id=another_name(shown[name].run_id, rng)))
    return f"MLflow has a newer run of {name}", replace(view, now=replace(view.now, registry={**live, name: moved}))


def _self_evidence(view: AssemblyView) -> Iterator[str]:
    own = view.now.flywheel.assembly_project
    for entry in view.registry_lines:
        kind = entry.evidence.kind if entry.evidence else None
        if kind is not None and (kind == EvidenceKind.SELF) != (own is not None and own.id == entry.project_id):
            yield f"the evidence of {entry.project_id} is {kind}: only the assembly itself rests on its own word"
    if own is not None:
        yield from _own_kpis(own, view)


def _own_kpis(own: Contract, view: AssemblyView) -> Iterator[str]:
    """Without self-evidence yet, as in the draft that the checks first see, the places alone must be there."""
    metrics, entry = parse(names.METRICS, view.text(names.METRICS)), view.registry.get(own.id)
    if entry is None:
        yield f"{own.id} is not registered"
        return
    for kpi in own.kpis:
        value = value_at(metrics, kpi.path)
        if value is None and not _is_there(metrics, kpi.path):
            yield f"{own.id}.{kpi.name}: {names.METRICS} has nothing at {kpi.path}"
        elif entry.evidence is not None:
            stated = entry.kpis.get(kpi.name)
            yield from unequal(f"{own.id}.{kpi.name}", stated.value if stated else None, value)


def _is_there(document: Any, path: str) -> bool:
    """Whether a path leads to a value that is known to be unknown, rather than to nothing."""
    *around, last = path.split(".")
    place = value_at(document, ".".join(around)) if around else document
    return isinstance(place, dict) and last in place


def _kpi_path_gone(view: AssemblyView, rng: random.Random) -> tuple[str, AssemblyView] | None:
    own = view.now.flywheel.assembly_project
    if own is None:
        return None
    path = rng.choice([kpi.path for kpi in own.kpis])

    def change(document: Any, _rng: random.Random) -> str | None:
        *around, last = path.split(".")
        place = value_at(document, ".".join(around)) if around else document
        del place[last]
        return f"{path} removed"

    return edited(names.METRICS, change)(view, rng)


def _own_word(document: Any, rng: random.Random) -> str | None:
    entries = [entry for entry in document if entry["evidence"] and entry["registry_role"] == "upstream"]
    if not entries:
        return None
    entry = rng.choice(entries)
    entry["evidence"]["kind"] = EvidenceKind.SELF.value
    return f"the evidence of {entry['project_id']} is its own word"


def _own_kpi(view: AssemblyView, rng: random.Random) -> tuple[str, AssemblyView] | None:
    own = view.now.flywheel.assembly_project

    def change(document: Any, rng: random.Random) -> str | None:
        entries = [entry for entry in document if own and entry["project_id"] == own.id and entry["evidence"]]
        if not entries:
            return None
        name = rng.choice(sorted(entries[0]["kpis"]))
        kpi = entries[0]["kpis"][name]
        kpi["value"] = another_number(kpi["value"], rng)
        return f"the KPI {name} of {entries[0]['project_id']} is {kpi['value']}"

    return edited(names.REGISTRY, change)(view, rng)


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
REGISTRY_AGREES_WITH_TRACKING = ConsistencyCheck(
    "registry_agrees_with_tracking",
    "the registry names the runs, digests, values and outcomes that MLflow has now",
    _tracking,
    (
        edited(names.REGISTRY, _other_run),
        edited(names.REGISTRY, _other_version),
        replaced(names.REGISTRY, key="project_id", field="consumable", value=lambda old, _rng: not old),
        _world_moved,
    ),
)
SELF_EVIDENCE_AGREES = ConsistencyCheck(
    "self_evidence_agrees",
    "only the assembly rests on its own word, and its KPIs are the numbers at their places in the metrics",
    _self_evidence,
    (edited(names.REGISTRY, _own_word), _kpi_path_gone, _own_kpi),
)
