"""Takes runs that some other tool logged as a project's evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.operations.projects.project_run import check_iteration_number, refuse_assembly

if TYPE_CHECKING:
    from flywheel_mlflow.tracking import Adopted, Tracking


def adopt_runs(
    flywheel: Flywheel,
    tracking: Tracking,
    project: str,
    iteration: int,
    *,
    experiment: str,
    filter_string: str,
    dry_run: bool = False,
) -> Adopted:
    """Tag the runs of ``experiment`` that match MLflow's ``filter_string`` as a project's evidence.

    ``project`` is a project's folder or id.

    Raises:
        UnknownName: no such project or experiment.
        InputError: nothing matches, or the project is the assembly layer, whose evidence is its own checks.
        ServerRefused: MLflow cannot read the filter.
    """
    contract = flywheel.contract(flywheel.project_of(project))
    refuse_assembly(contract)
    return tracking.adopter.adopt(
        experiment, filter_string, contract, check_iteration_number(iteration), dry_run=dry_run
    )
