"""Takes what MLflow evaluated on a project's run as its evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flywheel_mlflow.evidence.evaluations import EVALUATION_FILE, evaluated_kpis, evaluation_document, scorer_checks
from flywheel_mlflow.operations.projects.gathering import Gathering

if TYPE_CHECKING:
    from flywheel_mlflow.tracking import Tracking


def take_evaluation(gathering: Gathering, tracking: Tracking, run_id: str) -> tuple[str, ...]:
    """Sample sizes and outcomes of the KPIs that `mlflow.genai.evaluate` gave a run, and a warning for each scorer that
    did not judge all; returns sentences for people. What the run was given by its own calls stays.
    """
    evaluation = tracking.evaluations.read(run_id)
    if evaluation is None:
        return ()
    found = evaluated_kpis(evaluation, gathering.contract, gathering.metrics)
    gathering.kpis = {**found.values, **gathering.kpis}
    gathering.samples = {**found.samples, **gathering.samples}
    gathering.add_checks(scorer_checks(evaluation))
    gathering.own_documents[EVALUATION_FILE] = evaluation_document(evaluation)
    return found.remarks
