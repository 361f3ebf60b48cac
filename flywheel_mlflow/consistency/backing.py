"""Checks of what stands behind the registry: the runs that MLflow has now, or the assembly's own word."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from flywheel_mlflow.assembly import deliverables as names
from flywheel_mlflow.assembly.documents import Entry, Evidence
from flywheel_mlflow.assembly.filling import variant_line
from flywheel_mlflow.base.canonical import plain
from flywheel_mlflow.base.documents import is_there, value_at
from flywheel_mlflow.base.paths import parse_path
from flywheel_mlflow.consistency.checking import (
    ConsistencyCheck,
    another_name,
    another_number,
    edited,
    members,
    replaced,
    unequal,
)
from flywheel_mlflow.consistency.view import AssemblyView, parse
from flywheel_mlflow.evidence.registry import RegistryEntry
from flywheel_mlflow.evidence.runs import EvidenceKind, ProjectEvidence
from flywheel_mlflow.promises.contract import Contract


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
        ("review cost", entry.estimated_manual_review_cost, evidence.costs.review_cost if evidence else None),
    ):
        yield from unequal(field, found, expected)
    for name, outcome in entry.required_checks.items():
        known = summary.required.get(name) if summary else None
        yield from unequal(f"required check {name}", outcome, known.value if known else None)
    yield from _evidence(entry.evidence, evidence)
    for kpi in live.kpis:
        stated = entry.kpis.get(kpi.kpi.name)
        expected_kpi = [kpi.value, kpi.n, kpi.stderr, kpi.attainment]
        yield from unequal(
            f"KPI {kpi.kpi.name}",
            [stated.value, stated.n, stated.stderr, stated.attainment] if stated else None,
            expected_kpi,
        )
    yield from _versions(entry, live)
    yield from unequal(
        "variants", plain(entry.variants), plain([variant_line(run, live) for run in live.variants.values()])
    )


def _outcomes(outcomes: Any) -> list[tuple[str, str]]:
    return sorted((name, outcome.value) for name, outcome in outcomes.items())


def _evidence(found: Evidence | None, live: ProjectEvidence | None) -> Iterator[str]:
    if found is None or live is None:
        if found is not None or live is not None:
            yield f"evidence is {'there' if found else 'missing'}, MLflow says it is {'there' if live else 'missing'}"
        return
    for field, value in found.model_dump(mode="json").items():
        yield from unequal(f"evidence.{field}", value, plain(getattr(live, field)))


def _versions(entry: Entry, live: RegistryEntry) -> Iterator[str]:
    stated = {item.name: item for item in entry.interfaces_out}
    for item in live.interfaces:
        found = stated.get(item.promise.name)
        if found is None:
            yield f"interface {item.promise.name} is missing"
            continue
        version = found.version.model_dump(mode="json") if found.version else None
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
        if not is_there(metrics, kpi.path):
            yield f"{own.id}.{kpi.name}: {names.METRICS} has nothing at {kpi.path}"
        elif entry.evidence is not None:
            stated = entry.kpis.get(kpi.name)
            yield from unequal(f"{own.id}.{kpi.name}", stated.value if stated else None, value)


def _kpi_path_gone(view: AssemblyView, rng: random.Random) -> tuple[str, AssemblyView] | None:
    own = view.now.flywheel.assembly_project
    if own is None:
        return None
    path = rng.choice([kpi.path for kpi in own.kpis])

    def change(document: Any, _rng: random.Random) -> str | None:
        *around, last = parse_path(path)
        del value_at(document, around)[last]
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
