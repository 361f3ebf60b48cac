"""A small flywheel for tests of the core: documents to break, files to load, evidence to vary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from flywheel_mlflow.evidence.flywheel import Flywheel, contracts_by_id
from flywheel_mlflow.evidence.runs import (
    Check,
    Collected,
    EvidenceKind,
    FieldType,
    InterfaceVersion,
    KpiValue,
    Outcome,
    ProjectEvidence,
    summarize_checks,
)
from flywheel_mlflow.promises.blueprint import Blueprint
from flywheel_mlflow.promises.contract import Contract

ENDED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
READY = Check("ready", Outcome.PASSED)
FIELDS = (FieldType("content", "string", True), FieldType("id", "string", True), FieldType("note", "string", False))

Document = dict[str, Any]


class _Plain(yaml.SafeDumper):
    """Writes what occurs twice twice: our reader refuses aliases."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def blueprint_document() -> Document:
    """Two layers, two stages, one valve, one boundary, a gate of two criteria, two routes, two rules, two reviewers."""
    return deepcopy(
        {
            "name": "tiny-flywheel",
            "title": "Tiny flywheel",
            "currency": "EUR",
            "layers": [
                {"id": "sources", "title": "Sources", "responsibilities": ["collect"]},
                {"id": "governance", "title": "Governance", "responsibilities": ["permit"]},
            ],
            "stages": [_stage("first"), _stage("last") | {"enters_through": "valve"}],
            "control_points": [
                {"id": "valve", "title": "Valve", "before": ["last"], "question": "Good?", "criteria": ["green"]}
            ],
            "boundaries": [{"id": "privacy", "kind": "risk", "rule": "No names leave.", "enforced_by": ["green"]}],
            "teams": [{"id": "builders", "title": "Builders", "responsibilities": ["build"]}],
            "mechanisms": [{"id": "weekly", "title": "Weekly look", "owner": "builders", "cadence": "weekly"}],
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
            "routing": [
                _route("to_corpus", "missing text", "p01"),
                _route("to_users", "weak answer", "p02"),
            ],
            "bottlenecks": [
                _rule("thin", "p01.retention < 0.25", "high"),
                _rule("weak", "p02.accuracy < 0.8 or p03.latency > 200", "medium"),
            ],
            "scoring": {
                "weights": {"checks": 0.5, "kpis": 0.3, "contract": 0.2},
                "blocked_below": 0.3,
                "completed_from": 0.85,
                "severity_weights": {"low": 1, "medium": 2, "high": 4},
            },
            "risks": [{"id": "drain", "title": "Brain drain", "owner": "builders", "layers": ["sources"]}],
            "people": [{"id": "ana"}, {"id": "bo", "title": "Bo"}],
            "roles": [{"id": "reviewer", "title": "Reviewer", "people": ["ana", "bo"]}],
        }
    )


def _stage(name: str) -> Document:
    milestone = {"id": f"{name}_done", "title": f"{name} closed", "owner": "builders"}
    return {"id": name, "title": name.capitalize(), "goal": "Get it done.", "milestone": milestone}


def _route(name: str, words: str, to: str) -> dict[str, Any]:
    return {"id": name, "match": words, "when": [{"any_words": [words]}], "to": to, "why": "It is made there."}


def _rule(name: str, when: str, severity: str) -> Document:
    return {"id": name, "title": name.capitalize(), "when": when, "severity": severity, "advice": "Look closer."}


def kpi_document(name: str, **more: Any) -> Document:
    """A KPI at the path of its own name, higher is better, target 1."""
    return {"name": name, "path": name, "unit": "ratio", "direction": "higher", "target": 1.0} | more


def contract_document(project_id: str, **more: Any) -> Document:
    """A contract that holds: one interface ``<id>_data``, one KPI ``quality``, one required check ``ready``."""
    return deepcopy(
        {
            "id": project_id,
            "title": f"Project {project_id}",
            "owner": "builders",
            "phase": "building",
            "layers": ["sources"],
            "stages": ["first"],
            "deliverables": ["data"],
            "interfaces_out": [{"name": f"{project_id}_data", "title": "Data", "format": "jsonl"}],
            "kpis": [kpi_document("quality")],
            "checks": {"required": ["ready"]},
            "review": {"human": False, "controls": ["valve"]},
            "carry": {"allowed": True, "max_age": 2},
        }
        | more
    )


def contract(project_id: str, **more: Any) -> Contract:
    """A parsed contract."""
    return Contract.model_validate(contract_document(project_id, **more))


def contract_documents() -> dict[str, Document]:
    """p01 feeds p02 feeds p03; p03 hears of p10's gate one iteration later; p10 is the assembly and reads all."""
    costs = {"review_hours": "hours", "review_cost": "cost"}
    return {
        "p01": contract_document("p01", kpis=[kpi_document("retention", target=0.2)], costs=costs),
        "p02": contract_document(
            "p02",
            layers=["sources", "governance"],
            interfaces_in=[{"name": "p01_data", "fields": ["id", "content"]}],
            kpis=[kpi_document("accuracy"), kpi_document("size", required=True, unit="records")],
            costs=costs,
            weight=3,
        ),
        "p03": contract_document(
            "p03",
            stages=["last"],
            interfaces_in=[{"name": "p02_data"}, {"name": "p10_data", "from_iteration": "previous"}],
            kpis=[kpi_document("latency", direction="lower", target=100, unit="ms")],
        ),
        "p10": contract_document(
            "p10",
            layers=["governance"],
            stages=["last"],
            registry_role="assembly_layer",
            kpis=[kpi_document("quality", path="interface_mapping")],
            interfaces_out=[{"name": "p10_data", "title": "Gate", "format": "opaque", "schema": "opaque"}],
            interfaces_in=[{"name": "p01_data"}, {"name": "p02_data"}, {"name": "p03_data"}],
        ),
    }


def write_flywheel(
    root: Path,
    *,
    blueprint: Document | None = None,
    contracts: Mapping[str, Document] | None = None,
    parts: Mapping[str, Document] | None = None,
) -> Path:
    """The flywheel as files below ``root``; ``parts`` are files that the blueprint includes."""
    for name, document in (parts or {}).items():
        put(root / name, document)
    put(root / "flywheel.yaml", blueprint if blueprint is not None else blueprint_document())
    for name, document in (contract_documents() if contracts is None else contracts).items():
        put(root / "projects" / name / "project.yaml", document)
    return root


def dump(document: object) -> str:
    """YAML in the order given."""
    return yaml.dump(document, Dumper=_Plain, sort_keys=False, allow_unicode=True)


def put(path: Path, document: object) -> None:
    """A YAML file, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = document if isinstance(document, str) else dump(document)
    path.write_text(text, encoding="utf-8")


def small_flywheel(**scoring: Any) -> Flywheel:
    """The flywheel in memory; ``scoring`` replaces parts of the blueprint's scoring."""
    plan = blueprint_document()
    plan["scoring"] |= scoring
    documents = contract_documents().values()
    found = contracts_by_id((Contract.model_validate(item) for item in documents), currency=plan["currency"])
    folders = {name: Path("projects") / name for name in found}
    return Flywheel(Path("flywheel"), Blueprint.model_validate(plan), found, folders)


def version(name: str, digit: str = "a", fields: Iterable[FieldType] = FIELDS) -> InterfaceVersion:
    """A version of an interface whose digest repeats one digit."""
    return InterfaceVersion(name, f"runs:/x/{name}", digit * 32, "5" * 32, tuple(fields), rows=12, bytes=345)


def evidence_of(found: Contract, *checks: Check, **more: Any) -> ProjectEvidence:
    """Evidence that keeps every promise of a contract: each KPI on target, each interface versioned."""
    values: dict[str, Any] = {
        "iteration": 2,
        "kind": EvidenceKind.MEASURED,
        "run_id": f"run-{found.id}",
        "ended": ENDED,
        "contract_digest": found.digest,
        "kpis": {kpi.name: KpiValue(kpi.target) for kpi in found.kpis},
        "checks": summarize_checks(checks or (READY,), found.checks.required),
        "interfaces_out": {item.name: version(item.name) for item in found.interfaces_out},
        "evidence_digest": "e" * 64,
    }
    return ProjectEvidence(found.id, **(values | more))


def collected_of(wheel: Flywheel, *names: str, iteration: int = 2) -> Collected:
    """Evidence of the projects named, all upstream ones if none is."""
    wanted = names or [name for name, item in wheel.contracts.items() if not item.is_assembly]
    return Collected(iteration, {name: evidence_of(wheel.contracts[name]) for name in wanted})
