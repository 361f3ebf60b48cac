"""A flywheel of four projects for the tests of reports: a healthy, a troubled, a silent one, and the assembly layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flywheel_mlflow.assembly.assembly import Assembly, assemble
from flywheel_mlflow.assembly.recorded import RecordedAssembly
from flywheel_mlflow.evidence.flywheel import Flywheel, contracts_by_id
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
    SkippedRun,
    summarize_checks,
)
from flywheel_mlflow.promises.blueprint import Blueprint
from flywheel_mlflow.promises.contract import Contract

ENDED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOURS, COST = "estimated_manual_review_hours", "estimated_manual_review_cost_rmb"


def _stage(name: str, title: str) -> dict[str, Any]:
    milestone = {"id": f"{name}_done", "title": f"{title} closed", "owner": "data_team"}
    return {"id": name, "title": title, "goal": f"The {name} work is done.", "milestone": milestone}


def blueprint() -> Blueprint:
    """Three layers, three stages, three bottleneck rules."""
    rule = {"severity": "medium", "advice": "Look at the stage counts."}
    return Blueprint.model_validate(
        {
            "name": "small-flywheel",
            "title": "Small flywheel",
            "currency": "rmb",
            "deliverables": {"prefix": "p10"},
            "layers": [
                {"id": name, "title": name.capitalize(), "responsibilities": ["work"]}
                for name in ("sources", "models", "governance")
            ],
            "stages": [_stage("collect", "Collection"), _stage("train", "Training"), _stage("release", "Release")],
            "control_points": [],
            "boundaries": [],
            "teams": [{"id": "data_team", "title": "Data team", "responsibilities": ["data"]}],
            "mechanisms": [],
            "gates": [
                {
                    "id": "to_staging",
                    "to": "staging",
                    "criteria": [{"id": "green", "kind": "checks", "demand": "Every check passes."}],
                }
            ],
            "routing": [],
            "bottlenecks": [
                {"id": "thin_corpus", "title": "Thin corpus", "when": "p01.retention < 0.25", **rule},
                {"id": "weak_model", "title": "Weak model", "when": "p02.accuracy < 0.5", **rule},
                {"id": "slow_agent", "title": "Slow agent", "when": "p03.latency > 200", **rule},
            ],
            "scoring": {
                "weights": {"checks": 0.5, "kpis": 0.3, "contract": 0.2},
                "blocked_below": 0.5,
                "completed_from": 0.85,
                "severity_weights": {"low": 1, "medium": 2, "high": 3},
            },
        }
    )


def contract(project_id: str, title: str, layer: str, stage: str, **more: Any) -> Contract:
    """A contract with one required check named ``ready``."""
    return Contract.model_validate(
        {
            "id": project_id,
            "title": title,
            "owner": "data_team",
            "phase": stage,
            "layers": [layer],
            "stages": [stage],
            "deliverables": ["data"],
            "checks": {"required": ["ready"]},
            "costs": {"review_hours": HOURS, "review_cost": COST},
            "review": {"human": False},
            "carry": {"allowed": True},
        }
        | more
    )


def _kpi(name: str, unit: str, target: float, direction: str = "higher") -> dict[str, Any]:
    return {"name": name, "path": name, "unit": unit, "target": target, "direction": direction}


def contracts(titles: Mapping[str, str] | None = None) -> dict[str, Contract]:
    """The contracts by id; ``titles`` replaces titles, unparsed, with text no contract would admit too."""
    nested = {"review_hours": f"cost_analysis.{HOURS}", "review_cost": f"cost_analysis.{COST}"}
    found = contracts_by_id(
        [
            contract(
                "p01",
                "Corpus",
                "sources",
                "collect",
                interfaces_out=[{"name": "corpus", "title": "Clean text", "format": "jsonl"}],
                kpis=[_kpi("retention", "ratio", 0.2)],
            ),
            contract(
                "p02",
                "Model data",
                "models",
                "train",
                interfaces_out=[
                    {"name": "model_data", "title": "Training data", "format": "jsonl"},
                    {"name": "preferences", "title": "Pairs", "format": "jsonl"},
                ],
                interfaces_in=[{"name": "corpus", "fields": ["id", "licence"]}],
                kpis=[_kpi("accuracy", "ratio", 0.8), _kpi("rejected", "records", 10, "lower")],
                costs=nested,
            ),
            contract(
                "p03",
                "Agent data",
                "models",
                "train",
                interfaces_out=[{"name": "traces", "title": "Traces", "format": "opaque", "schema": "opaque"}],
                interfaces_in=[{"name": "corpus"}, {"name": "release_gate", "from_iteration": "previous"}],
                kpis=[_kpi("latency", "ms", 100, "lower")],
            ),
            contract(
                "p10",
                "Assembly",
                "governance",
                "release",
                registry_role="assembly_layer",
                interfaces_out=[
                    {"name": "release_gate", "title": "Gate", "format": "opaque", "schema": "opaque", "required": False}
                ],
                interfaces_in=[{"name": name} for name in ("corpus", "model_data", "preferences", "traces")],
                kpis=[_kpi("coverage", "ratio", 1.0)],
            ),
        ],
        currency="rmb",
    )
    renamed = {name: found[name].model_copy(update={"title": title}) for name, title in (titles or {}).items()}
    return {**found, **renamed}


def version(name: str, digest: str) -> InterfaceVersion:
    """A version of an interface whose rows have an id and content."""
    fields = (FieldType("content", "string", True), FieldType("id", "string", True))
    return InterfaceVersion(name, f"runs:/x/{name}", digest * 32, "5" * 32, fields, rows=1200, bytes=4096)


def evidence_of(contract: Contract, *checks: Check, **more: Any) -> ProjectEvidence:
    """Evidence of a measured run whose checks are the ones given."""
    values: dict[str, Any] = {
        "iteration": 2,
        "kind": EvidenceKind.MEASURED,
        "run_id": f"run-{contract.id}",
        "ended": ENDED,
        "contract_digest": contract.digest,
        "kpis": {},
        "checks": summarize_checks(checks, contract.checks.required),
        "interfaces_out": {},
        "evidence_digest": "e" * 64,
    }
    return ProjectEvidence(contract.id, **(values | more))


def evidence(found: Mapping[str, Contract]) -> dict[str, ProjectEvidence]:
    """Evidence of p01, in order, and p02, with a failed check, an unknown KPI and a stale input; none of p03."""
    ready = Check("ready", Outcome.PASSED)
    return {
        "p01": evidence_of(
            found["p01"],
            ready,
            Check("no_duplicates", Outcome.PASSED),
            kpis={"retention": KpiValue(0.1737, 3028)},
            interfaces_out={"corpus": version("corpus", "a")},
            costs=Costs(2.23, 267.0),
        ),
        "p02": evidence_of(
            found["p02"],
            ready,
            Check("pairs | <b>differ</b>", Outcome.FAILED),
            kpis={"accuracy": KpiValue(0.74), "rejected": KpiValue(None)},
            interfaces_out={"model_data": version("model_data", "b")},
            interfaces_in=(ConsumedInterface("corpus", "c" * 32),),
            costs=Costs(193.28, 23193.6),
        ),
    }


def own_evidence(found: Mapping[str, Contract]) -> ProjectEvidence:
    """The assembly layer's own checks, passed."""
    return evidence_of(
        found["p10"],
        Check("ready", Outcome.PASSED),
        kind=EvidenceKind.SELF,
        run_id=None,
        kpis={"coverage": KpiValue(1.0)},
    )


def flywheel(titles: Mapping[str, str] | None = None) -> Flywheel:
    """The flywheel itself, which lies in no folder."""
    found = contracts(titles)
    return Flywheel(Path("flywheel"), blueprint(), found, {name: Path("projects") / name for name in found})


def small_assembly(
    titles: Mapping[str, str] | None = None,
    *,
    changed: Mapping[str, ProjectEvidence] | None = None,
    without: tuple[str, ...] = (),
    previous: RecordedAssembly | None = None,
    skipped: tuple[SkippedRun, ...] = (SkippedRun("p03", "run-killed", "its run is still RUNNING"),),
) -> Assembly:
    """The assembly of iteration 2; ``changed`` adds or replaces evidence, ``without`` takes some away."""
    wheel = flywheel(titles)
    found = {**evidence(wheel.contracts), **(changed or {})}
    kept = {name: item for name, item in found.items() if name not in without}
    collected = Collected(2, kept, skipped)
    return assemble(wheel, collected, previous=previous, self_evidence=own_evidence(wheel.contracts))


def healthy_assembly() -> Assembly:
    """An assembly of which nothing is missing but the projects that have no evidence."""
    found = contracts()
    good = evidence(found)
    repaired = evidence_of(
        found["p02"],
        Check("ready", Outcome.PASSED),
        kpis={"accuracy": KpiValue(0.9), "rejected": KpiValue(4)},
        interfaces_out={name: version(name, "b") for name in ("model_data", "preferences")},
        interfaces_in=(ConsumedInterface("corpus", "a" * 32),),
    )
    traced = evidence_of(
        found["p03"],
        Check("ready", Outcome.PASSED),
        kpis={"latency": KpiValue(80)},
        interfaces_out={"traces": version("traces", "d")},
        interfaces_in=(ConsumedInterface("corpus", "a" * 32),),
    )
    licensed = version("corpus", "a")
    licensed = replace(licensed, fields=(*licensed.fields, FieldType("licence", "string", required=True)))
    corpus = replace(good["p01"], kpis={"retention": KpiValue(0.4, 3028)}, interfaces_out={"corpus": licensed})
    return small_assembly(changed={"p01": corpus, "p02": repaired, "p03": traced}, skipped=())
