"""Takes what MLflow evaluated on a project's run as its evidence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.base.canonical import digest_of
from flywheel_mlflow.base.documents import parse_json
from flywheel_mlflow.base.errors import FlywheelError, MissingVersion
from flywheel_mlflow.evidence.evaluations import (
    EVALUATION_FILE,
    Evaluation,
    evaluated_kpis,
    evaluation_document,
    record_id,
    scorer_checks,
)
from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.evidence.lineage import producers
from flywheel_mlflow.evidence.runs import ConsumedInterface, InterfaceVersion
from flywheel_mlflow.operations.projects.gathering import Gathering
from flywheel_mlflow.operations.projects.run_inputs import find_input
from flywheel_mlflow.operations.scratch import scratch_folder
from flywheel_mlflow.promises.contract import Contract

if TYPE_CHECKING:
    from flywheel_mlflow.tracking import Tracking


def take_evaluation(
    flywheel: Flywheel,
    tracking: Tracking,
    gathering: Gathering,
    iteration: int,
    run_id: str,
    places: dict[ConsumedInterface, str],
) -> None:
    """Sample sizes and outcomes of the KPIs that `mlflow.genai.evaluate` gave a run, the interface whose records it
    judged, and a warning for each scorer that did not judge all. What the run was given by its own calls stays;
    ``places`` takes the URIs of what was read.
    """
    evaluation = tracking.evaluations.read(run_id)
    if evaluation is None:
        return
    found = evaluated_kpis(evaluation, gathering.contract, gathering.metrics)
    gathering.kpis = {**found.values, **gathering.kpis}
    gathering.samples = {**found.samples, **gathering.samples}
    gathering.add_checks(scorer_checks(evaluation))
    gathering.own_documents[EVALUATION_FILE] = evaluation_document(evaluation)
    given = {item.name for item in gathering.inputs}
    for read, uri in judged_interfaces(flywheel, tracking, gathering.contract, iteration, evaluation):
        if read.name not in given:
            gathering.add_input(read)
            places[read] = uri


def judged_interfaces(
    flywheel: Flywheel, tracking: Tracking, contract: Contract, iteration: int, evaluation: Evaluation
) -> Iterator[tuple[ConsumedInterface, str]]:
    """The evaluation interfaces that a project reads and whose records, all of them, were judged, with their places.

    The records decide, not a name: an evaluation of another version than the iteration's read none of them.
    """
    makers = producers(flywheel.contracts.values())
    for wanted in contract.interfaces_in:
        promise = flywheel.contracts[makers[wanted.name]].interface(wanted.name) if wanted.name in makers else None
        if promise is None or (promise.role, promise.format) != ("evaluation", "jsonl"):
            continue
        try:
            version, read = find_input(flywheel, tracking, contract, iteration, wanted.name, digest=None, release=None)
        except MissingVersion:
            continue
        if version.rows == evaluation.judged.records and _records_digest(tracking, version) == evaluation.judged.digest:
            yield read, version.uri


def _records_digest(tracking: Tracking, version: InterfaceVersion) -> str:
    """The digest of a version's records as evaluations name them; empty where they are no such records."""
    with scratch_folder() as folder:
        try:
            path = tracking.data.fetch(version, folder)
            return digest_of(sorted({record_id(row["inputs"], row["expectations"]) for row in _rows(path)}))
        except (FlywheelError, KeyError, TypeError, ValueError, RecursionError):
            return ""  # data of other shapes, or out of reach: nothing says that the evaluation read them


def _rows(path: Path) -> Iterator[Any]:
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    for file in files:
        with file.open(encoding="utf-8") as lines:
            yield from (parse_json(line, name=file.name) for line in lines if line.strip())
