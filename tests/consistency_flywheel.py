"""Assemblies to check: of a small flywheel with a bit of everything, and of the one this repository ships."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from flywheel_mlflow import importers
from flywheel_mlflow.assembly.assembly import Assembly, assemble
from flywheel_mlflow.base.documents import parse_json, read_text
from flywheel_mlflow.consistency import AssemblyView, run_checks
from flywheel_mlflow.evidence.flywheel import Flywheel, contracts_by_id, load_flywheel
from flywheel_mlflow.evidence.runs import (
    Check,
    Collected,
    ConsumedInterface,
    Costs,
    EvidenceKind,
    FieldType,
    InterfaceVersion,
    KpiValue,
    Outcome,
    ProjectEvidence,
    summarize_checks,
)
from flywheel_mlflow.operations.projects.gathering import Gathering
from flywheel_mlflow.operations.projects.self_evidence import self_evidence
from flywheel_mlflow.promises.blueprint import Blueprint
from flywheel_mlflow.promises.contract import Contract
from flywheel_mlflow.reports.bundle import render_deliverables
from flywheel_mlflow.tables.texts import format_value

ROOT = Path(__file__).resolve().parent.parent
ENDED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SOURCES = {"pipeline.py": "def clean(text: str) -> str:\n    return text.strip()\n", "empty.py": ""}


def blueprint() -> Blueprint:
    """Two layers, two stages, one control point, two boundaries, two teams, three bottleneck rules."""
    stage = {"goal": "Get it done."}
    return Blueprint.model_validate(
        {
            "name": "small",
            "title": "Small flywheel",
            "currency": "EUR",
            "layers": [
                {"id": "sources", "title": "Sources", "responsibilities": ["collect"]},
                {"id": "governance", "title": "Governance", "responsibilities": ["permit"]},
            ],
            "stages": [
                stage | {"id": "first", "title": "First", "milestone": _milestone("first", "builders")},
                stage
                | {
                    "id": "last",
                    "title": "Last",
                    "milestone": _milestone("last", "keepers"),
                    "enters_through": "valve",
                },
            ],
            "control_points": [
                {"id": "valve", "title": "Valve", "before": ["last"], "question": "Good?", "criteria": ["green"]}
            ],
            "boundaries": [
                {"id": "own_word", "kind": "ownership", "rule": "Owners state results.", "enforced_by": ["green"]},
                {"id": "privacy", "kind": "risk", "rule": "No names leave.", "enforced_by": ["green", "signed"]},
            ],
            "teams": [
                {"id": "builders", "title": "Builders", "responsibilities": ["build"]},
                {"id": "keepers", "title": "Keepers", "responsibilities": ["keep"]},
            ],
            "mechanisms": [{"id": "weekly", "title": "Weekly look", "owner": "keepers", "cadence": "weekly"}],
            "gates": [
                {
                    "id": "to_staging",
                    "to": "staging",
                    "criteria": [
                        {"id": "green", "kind": "checks", "demand": "Every check passes."},
                        {"id": "signed", "kind": "approval", "demand": "Somebody signs.", "role": "reviewer"},
                    ],
                }
            ],
            "routing": [],
            "bottlenecks": [
                _rule("thin", "p01.retention < 0.25", "high"),
                _rule("weak", "p02.accuracy < 0.8 and p02.coverage > 0", "medium"),
                _rule("fine", "p01.retention < 0.01", "low"),
                _rule("open", "p03.latency > 200", "low"),
            ],
            "scoring": {
                "weights": {"checks": 0.5, "kpis": 0.3, "contract": 0.2},
                "blocked_below": 0.3,
                "completed_from": 0.85,
                "severity_weights": {"low": 1, "medium": 2, "high": 3},
            },
            "risks": [{"id": "drain", "title": "Brain drain", "owner": "keepers", "layers": ["sources"]}],
            "people": [{"id": "ana"}],
            "roles": [{"id": "reviewer", "title": "Reviewer", "people": ["ana"]}],
        }
    )


def _milestone(stage: str, owner: str) -> dict[str, str]:
    return {"id": f"{stage}_done", "title": f"{stage} closed", "owner": owner}


def _rule(name: str, when: str, severity: str) -> dict[str, str]:
    return {"id": name, "title": name.capitalize(), "when": when, "severity": severity, "advice": "Look closer."}


def _kpi(name: str, target: float, *, direction: str = "higher", path: str = "") -> dict[str, Any]:
    return {"name": name, "path": path or name, "unit": "ratio", "target": target, "direction": direction}


def _contract(project_id: str, owner: str, layers: list[str], stages: list[str], **more: Any) -> Contract:
    return Contract.model_validate(
        {
            "id": project_id,
            "title": f"Project {project_id}",
            "owner": owner,
            "phase": "building" if owner == "builders" else "keeping",
            "layers": layers,
            "stages": stages,
            "deliverables": [f"{project_id}_data"],
            "checks": {"required": ["ready"]},
            "review": {"human": True, "controls": ["valve"]},
            "carry": {"allowed": True, "max_age": 3},
        }
        | more
    )


def contracts() -> dict[str, Contract]:
    """A producer, a consumer, a project in two stages that has no run, and the assembly layer."""
    opaque = {"format": "opaque", "schema": "opaque", "title": "Files"}
    return contracts_by_id(
        [
            _contract(
                "p01",
                "builders",
                ["sources"],
                ["first"],
                interfaces_out=[{"name": "corpus", "title": "Text", "format": "jsonl", "role": "training"}],
                kpis=[_kpi("retention", 0.2), _kpi("noise", 0.1, direction="lower")],
            ),
            _contract(
                "p02",
                "builders",
                ["sources", "governance"],
                ["last"],
                weight=2.0,
                interfaces_out=[opaque | {"name": "index"}],
                interfaces_in=[
                    {"name": "corpus", "fields": ["id", "licence"]},
                    {"name": "advice", "from_iteration": "previous", "required": False},
                ],
                kpis=[_kpi("accuracy", 0.9), _kpi("coverage", 0.5)],
            ),
            _contract(
                "p03",
                "keepers",
                ["governance"],
                ["first", "last"],
                interfaces_out=[opaque | {"name": "advice"}],
                interfaces_in=[{"name": "corpus"}, {"name": "index"}],
                kpis=[_kpi("latency", 100, direction="lower")],
            ),
            _contract(
                "p04",
                "keepers",
                ["governance"],
                ["last"],
                registry_role="assembly_layer",
                interfaces_out=[opaque | {"name": "project_registry"}],
                interfaces_in=[{"name": name} for name in ("corpus", "index", "advice")],
                kpis=[_kpi("projects", 4, path="project_count"), _kpi("mapping", 1, path="interface_mapping")],
                review={"human": False},
            ),
        ]
    )


def evidence(wheel: Mapping[str, Contract]) -> dict[str, ProjectEvidence]:
    """A run of this iteration with two checks of one name that did not pass, and a carried run."""
    ready = Check("ready", Outcome.PASSED)
    corpus = _version("corpus", "a", (FieldType("id", "string", True), FieldType("licence", "string", False)))
    first = [ready, Check("odd", Outcome.SKIPPED), Check("rows", Outcome.FAILED), Check("rows", Outcome.ERROR)]
    return {
        "p01": _evidence(
            wheel["p01"],
            first,
            kpis={"retention": KpiValue(0.1737, 3028), "noise": KpiValue(0.3)},
            interfaces_out={"corpus": corpus},
            costs=Costs(2.25, 267.1),
        ),
        "p02": _evidence(
            wheel["p02"],
            [ready, Check("fast", Outcome.PASSED)],
            kpis={"accuracy": KpiValue(0.7), "coverage": KpiValue(0.75, 20)},
            interfaces_out={"index": _version("index", "b", ())},
            interfaces_in=(ConsumedInterface("corpus", "a" * 32),),
            costs=Costs(0.1, None),
            carried_from=1,
        ),
    }


def _version(name: str, digit: str, fields: tuple[FieldType, ...]) -> InterfaceVersion:
    rows = 12 if fields else None
    return InterfaceVersion(name, f"runs:/1/{name}", digit * 32, "5" * 32, fields, rows=rows, bytes=96)


def _evidence(contract: Contract, checks: list[Check], **more: Any) -> ProjectEvidence:
    return ProjectEvidence(
        contract.id,
        iteration=2,
        kind=EvidenceKind.MEASURED,
        run_id=f"run-{contract.id}",
        ended=ENDED,
        contract_digest=contract.digest,
        checks=summarize_checks(checks, contract.checks.required),
        evidence_digest=contract.id * 21,
        **more,
    )


def small_flywheel() -> Flywheel:
    """The small flywheel, which lies in no folder."""
    found = contracts()
    return Flywheel(Path("small"), blueprint(), found, {name: Path("projects") / name for name in found})


def settled(wheel: Flywheel, collected: Collected, before: Collected | None = None) -> AssemblyView:
    """The view of an assembly that holds its own checks' outcome, its files as they were rendered."""
    own: ProjectEvidence | None = None
    for _ in range(4):
        now = assemble(wheel, collected, before=before, self_evidence=own)
        view = view_of(now)
        found = self_evidence(now, run_checks(view))
        if found == own:
            return view
        own = found
    raise AssertionError("the checks depend on their own outcome")


def view_of(now: Assembly) -> AssemblyView:
    """The view of an assembly whose files are as they were rendered."""
    files = render_deliverables(now)
    return AssemblyView(files=files, now=now, rendered=files, sources=SOURCES, format_value=format_value)


@cache
def small_view() -> AssemblyView:
    """The small flywheel in its second iteration."""
    wheel = small_flywheel()
    found = evidence(wheel.contracts)
    earlier = {"p01": replace(found["p01"], iteration=1, run_id="run-0", ended=ENDED - timedelta(days=3))}
    return settled(wheel, Collected(2, found), Collected(1, earlier))


@cache
def empty_view() -> AssemblyView:
    """The small flywheel before any project ran."""
    return settled(small_flywheel(), Collected(1, {}))


@cache
def shipped_view() -> AssemblyView:
    """The flywheel of this repository with its published figures, its own sources left out."""
    wheel = load_flywheel(ROOT)
    found = {name: _published(wheel, contract) for name, contract in wheel.contracts.items() if _is_published(contract)}
    return settled(wheel, Collected(1, found))


def _is_published(contract: Contract) -> bool:
    return contract.results.published is not None and not contract.is_assembly


def _published(wheel: Flywheel, contract: Contract) -> ProjectEvidence:
    results = contract.results
    folder = wheel.folders[contract.id] / (results.published or "")
    gathering = Gathering(contract)
    metrics = read_text(folder / results.metrics)
    gathering.add_document(parse_json(metrics, name=results.metrics), place=results.metrics)
    checks = read_text(folder / results.checks)
    gathering.add_checks(importers.published.parse(checks, name=results.checks))
    found = gathering.evidence(iteration=1, kind=EvidenceKind.PUBLISHED, run_id=f"run-{contract.id}", code_version="")
    return replace(found, ended=ENDED)


def large_view(count: int) -> AssemblyView:
    """A flywheel of ``count`` upstream projects in a chain, each with a run."""
    base = contracts()["p01"]
    projects: list[Contract] = [contracts()["p04"].model_copy(update={"interfaces_in": ()})]
    for number in range(count):
        wanted = [{"name": f"made_{number - 1}"}] if number else []
        projects.append(
            Contract.model_validate(
                base.model_dump(by_alias=True)
                | {
                    "id": f"q{number:03d}",
                    "stages": ["last" if number % 2 else "first"],
                    "layers": ["governance" if number % 2 else "sources"],
                    "interfaces_in": wanted,
                    "interfaces_out": [{"name": f"made_{number}", "title": "Made", "format": "jsonl"}],
                }
            )
        )
    found = contracts_by_id(projects)
    plan = blueprint().model_copy(update={"bottlenecks": ()})
    ran = {
        name: _evidence(
            contract, [Check("ready", Outcome.PASSED)], kpis={"retention": KpiValue(0.5)}, interfaces_out={}
        )
        for name, contract in found.items()
        if not contract.is_assembly
    }
    return settled(Flywheel(Path("large"), plan, found, {}), Collected(1, ran))
