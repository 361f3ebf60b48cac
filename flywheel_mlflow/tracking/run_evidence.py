"""Reads the evidence in one run: its tags, metrics and dataset inputs, held against the digest it ended with."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.base.paths import metric_names
from flywheel_mlflow.base.storable import is_finite
from flywheel_mlflow.evidence.runs import (
    RESOURCE_UNITS,
    CheckSummary,
    ConsumedInterface,
    Costs,
    EvidenceKind,
    FieldType,
    InterfaceVersion,
    KpiValue,
    Outcome,
    ProjectEvidence,
    Resources,
)
from flywheel_mlflow.promises.contract import Contract, Kpi
from flywheel_mlflow.tracking import tags
from flywheel_mlflow.tracking.integrity import CoveredValues, changes_since

if TYPE_CHECKING:
    from mlflow.entities import Run

#: No run has more checks than this; a larger number is not a count.
MAX_COUNT = 1_000_000_000


class RunChanged(ValueError):
    """A run no longer holds what its digest was made of."""


def read_evidence(run: Run, contract: Contract, iteration: int, *, digest: str) -> ProjectEvidence:
    """The evidence in a run's tags, metrics and dataset inputs, held against their ``digest`` where there is one.

    Raises:
        RunChanged: a value is not the one the run ended with.
        ValueError: a tag or dataset that this product did not write like that.
    """
    labels, metrics = run.data.tags, run.data.metrics
    kind = EvidenceKind(labels.get(tags.EVIDENCE, EvidenceKind.ADOPTED.value))
    adopted = kind is EvidenceKind.ADOPTED
    outs, ins = read_interfaces(run)
    if digest:
        needed = _metrics_read(contract, adopted=adopted)
        now = CoveredValues.of(run.info.run_id, metrics, labels, outs, ins)
        if changes := changes_since(digest, run, now, needed):
            raise RunChanged(f"was changed after it ended: {changes}")
    promised = {item.name for item in contract.interfaces_out}
    return ProjectEvidence(
        project_id=contract.id,
        iteration=iteration,
        kind=kind,
        run_id=run.info.run_id,
        ended=datetime.fromtimestamp(run.info.end_time / 1000, UTC) if run.info.end_time else None,
        contract_digest=labels.get(tags.CONTRACT, ""),
        kpis={kpi.name: _kpi(kpi, metrics, adopted=adopted) for kpi in contract.kpis},
        checks=_checks(labels, metrics, contract.kept_checks),
        interfaces_out={name: version for name, version in sorted(outs.items()) if name in promised},
        interfaces_in=tuple(sorted(ins)),
        costs=_costs(contract, metrics, adopted=adopted),
        evidence_digest=digest,
        code_version=labels.get(tags.GIT_COMMIT, ""),
        tasks=_tasks(labels.get(tags.TASKS)),
        task_documents=labels.get(tags.TASK_DOCUMENTS, ""),
        variant=contract.variant(labels.get(tags.VARIANT, "")),
        resources=Resources(
            **{name: _finite(metrics.get(tags.RESOURCE_PREFIX + name)) for name in RESOURCE_UNITS},
            machine=labels.get(tags.MACHINE, ""),
        ),
    )


def _metrics_read(contract: Contract, *, adopted: bool) -> set[str]:
    """The keys of the metrics that evidence of this contract is read from."""
    ours = {kpi.name + suffix for kpi in contract.kpis for suffix in tags.KPI_SUFFIXES.values()}
    theirs = {name for use in contract.metric_paths() for name in metric_names(use.path)} if adopted else set()
    resources = {tags.RESOURCE_PREFIX + name for name in RESOURCE_UNITS}
    return ours | theirs | resources | tags.SUMMARY_METRICS | {tags.COST_PREFIX + contract.cost_name}


def _tasks(text: str | None) -> tuple[str, ...]:
    found = json.loads(text) if text else []
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise ValueError(f"the tag {tags.TASKS} is no list of tasks")
    return tuple(sorted(set(found)))


def _finite(value: float | None) -> float | None:
    """The number, or None: NaN and the infinities, which MLflow stores as 1.797e308, are no values."""
    return value if value is not None and is_finite(value) else None


def metric_of(ours: str, path: str | None, metrics: Mapping[str, float], *, adopted: bool) -> str | None:
    """The name of the metric that holds a value; None when none does.

    Runs of ours hold it under our name; one that another tool logged under the contract's path, or else under ours.
    """
    theirs = metric_names(path) if adopted and path is not None else ()
    return next((name for name in (*theirs, ours) if name in metrics), None)


def _kpi(kpi: Kpi, metrics: Mapping[str, float], *, adopted: bool) -> KpiValue:
    def read(suffix: str, path: str | None) -> float | None:
        name = metric_of(kpi.name + suffix, path, metrics, adopted=adopted)
        return None if name is None else _finite(metrics[name])

    value = read("", kpi.path)
    size = read(tags.SAMPLE_SIZE_SUFFIX, kpi.n_path)
    stderr = read(tags.STANDARD_ERROR_SUFFIX, kpi.stderr_path)
    return KpiValue(
        _whole(value), None if size is None or size < 0 else int(size), None if stderr is None or stderr < 0 else stderr
    )


def _costs(contract: Contract, metrics: Mapping[str, float], *, adopted: bool) -> Costs:
    hours = metric_of(tags.REVIEW_HOURS, contract.costs.review_hours, metrics, adopted=adopted)
    cost = metric_of(tags.COST_PREFIX + contract.cost_name, contract.costs.review_cost, metrics, adopted=adopted)
    return Costs(*(None if name is None else _finite(metrics[name]) for name in (hours, cost)))


def _whole(value: float | None) -> float | None:
    """A whole number as int: MLflow keeps every metric as a float, and 526 documents are not 526.0."""
    return int(value) if value is not None and value.is_integer() and abs(value) < 2**53 else value


def _checks(labels: Mapping[str, str], metrics: Mapping[str, float], required: Iterable[str]) -> CheckSummary:
    text = labels.get(tags.CHECKS)
    document = json.loads(text) if text else {}
    if not isinstance(document, dict) or not isinstance(document.get("outcomes", {}), dict):
        raise ValueError(f"the tag {tags.CHECKS} is not a check summary")
    outcomes = {str(name): Outcome(value) for name, value in document.get("outcomes", {}).items()}

    def count(key: str) -> int:
        value = metrics.get(key)
        if value is not None and not 0 <= value <= MAX_COUNT:
            raise ValueError(f"the metric {key} is {value:g}, which is no count")
        return 0 if value is None else int(value)

    return CheckSummary(
        passed=count(tags.CHECKS_PASSED),
        failed=count(tags.CHECKS_FAILED),
        skipped=count(tags.CHECKS_SKIPPED),
        error=count(tags.CHECKS_ERROR),
        warned=count(tags.CHECKS_WARNED),
        not_passed={name: outcome for name, outcome in outcomes.items() if outcome is not Outcome.PASSED},
        required={name: outcomes[name] for name in required if name in outcomes},
        digest=str(document.get("digest", "")),
    )


def read_interfaces(run: Run) -> tuple[dict[str, InterfaceVersion], set[ConsumedInterface]]:
    """The interface versions a run made, by name, and those it read, from its dataset inputs.

    Raises:
        ValueError: a dataset that this product did not write like that.
    """
    outs: dict[str, InterfaceVersion] = {}
    ins: set[ConsumedInterface] = set()
    for item in run.inputs.dataset_inputs if run.inputs else []:
        labels = {tag.key: tag.value for tag in item.tags}
        context, dataset = labels.get(tags.CONTEXT), item.dataset
        if context == tags.CONTEXT_IN:
            carried_from = labels.get(tags.CARRIED_FROM)
            ins.add(ConsumedInterface(dataset.name, dataset.digest, int(carried_from) if carried_from else None))
        elif context == tags.CONTEXT_OUT:
            outs[dataset.name] = _version(dataset, labels.get(tags.URI, ""))
    return outs, ins


def _version(dataset: Any, uri: str) -> InterfaceVersion:
    profile = json.loads(dataset.profile) if dataset.profile else {}
    schema = json.loads(dataset.schema) if dataset.schema else {}
    columns = schema.get("mlflow_colspec", []) if isinstance(schema, dict) else []
    if not isinstance(profile, dict) or not isinstance(columns, list):
        raise ValueError(f"the dataset {dataset.name} has no profile or schema of ours")
    try:
        fields = tuple(FieldType(str(col["name"]), str(col["type"]), bool(col["required"])) for col in columns)
    except (KeyError, TypeError) as error:
        raise ValueError(f"the schema of the dataset {dataset.name} cannot be read") from error
    return InterfaceVersion(
        name=dataset.name,
        uri=uri,
        digest=dataset.digest,
        schema_digest=str(profile.get("schema_digest", "")),
        fields=tuple(sorted(fields)),
        rows=_count(profile.get("rows")),
        bytes=_count(profile.get("bytes")),
        records_digest=str(profile.get("records_digest", "")),
        schema_format=_count(profile.get("schema_format")) or 1,
    )


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
