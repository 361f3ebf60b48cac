"""Finds the faults of a flywheel's files that only an assembly shows, before anything is assembled."""

from __future__ import annotations

from collections.abc import Iterable

from flywheel_mlflow.assembly import deliverables, filling
from flywheel_mlflow.assembly.assembly import assemble
from flywheel_mlflow.base.documents import Location, is_there, value_at
from flywheel_mlflow.base.errors import DocumentError
from flywheel_mlflow.base.paths import parse_path
from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.evidence.runs import Collected
from flywheel_mlflow.promises.contract import CONTRACT_FILE, SELF_GRADING, Contract, Costs, MetricUse, read_contract


def refuse_faulty(flywheel: Flywheel) -> None:
    """Refuse what loads and can never be assembled without contradiction.

    The numbers of the assembly layer are read from the assembly's own metrics. Which these are follows from the files
    alone: an iteration without any run has them all.

    Raises:
        DocumentError: every such fault, with its file and line. StorageError: a contract cannot be read again.
    """
    own = flywheel.assembly_project
    if own is None:
        return
    assembly = assemble(flywheel, Collected(1, {}))
    document = filling.metrics_document(assembly)
    numbers = deliverables.plain_document(deliverables.METRICS, document, currency=None)
    circular = _resting_on(own, assembly.metrics)
    wrong = {use: message for use in own.metric_paths() if (message := _fault(use.path, numbers, circular))}
    if wrong:
        folder = flywheel.folders[own.id]
        _, source = read_contract(folder, name=str((folder / CONTRACT_FILE).relative_to(flywheel.root)))
        raise DocumentError(
            [source.fault(_location(own, use), message) for use, message in wrong.items()],
            hint="the assembly layer's numbers are those of its own metrics, such as interface_mapping: see "
            f"{deliverables.METRICS} of an assembly",
        )


def _fault(path: str, numbers: object, circular: frozenset[str]) -> str | None:
    value = value_at(numbers, path)
    if not is_there(numbers, path):
        return f"the metrics of an assembly have nothing at {path}"
    if isinstance(value, bool) or not isinstance(value, int | float | None):
        return f"the metrics of an assembly have no number at {path}"
    if any(str(part) in circular or f"flywheel.{part}" in circular for part in parse_path(path)):
        return f"{path} rests on the assembly layer's own evidence, which is made of it"
    return None


def _resting_on(own: Contract, metrics: Iterable[str]) -> frozenset[str]:
    """The numbers that the assembly layer's own evidence changes: its own, those of its stages, what counts it too."""
    counted = {*SELF_GRADING, *(("review_hours", own.cost_name) if own.costs != Costs() else ())}
    stages = {f"stage.{stage}.score" for stage in own.stages}
    mine = (name for name in metrics if name.startswith(f"{own.id}."))
    return frozenset({*mine, *stages, *(f"flywheel.{name}" for name in counted)})


def _location(own: Contract, use: MetricUse) -> Location:
    if use.owner == "costs":
        return ("costs", use.key)
    return ("kpis", next(index for index, kpi in enumerate(own.kpis) if kpi.name == use.owner), use.key)
