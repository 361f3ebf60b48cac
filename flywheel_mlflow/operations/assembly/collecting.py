"""Collects one iteration's evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flywheel_mlflow.operations.projects.project_run import check_iteration_number

if TYPE_CHECKING:
    from flywheel_mlflow.decisions.variants import VariantChoice
    from flywheel_mlflow.evidence.flywheel import Flywheel
    from flywheel_mlflow.evidence.runs import Collected
    from flywheel_mlflow.tracking import Tracking


def collect_iteration(
    flywheel: Flywheel, tracking: Tracking, iteration: int, *, choices: tuple[VariantChoice, ...] | None = None
) -> Collected:
    """The evidence of one iteration, the assembly layer's own left out; ``choices`` as the collector takes them."""
    upstream = {name: contract for name, contract in flywheel.contracts.items() if not contract.is_assembly}
    return tracking.collector.collect(upstream, check_iteration_number(iteration), choices=choices)
