"""The assembly layer of an LLM data flywheel, on top of MLflow.

    import flywheel_mlflow

    with flywheel_mlflow.project_run("projects/p05_rag", iteration=1) as run:
        run.log_metrics({"queries": 60, "retrieval_hit_rate": 0.93})
        run.log_check("page_index_non_empty", True)
        run.log_interface("knowledge_index", "results/index.json")

Importing this package imports nothing heavy; the first use of a name does.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flywheel_mlflow.blueprint import Blueprint
    from flywheel_mlflow.contract import Contract, load_contract
    from flywheel_mlflow.errors import FlywheelError
    from flywheel_mlflow.evidence import Check, Outcome
    from flywheel_mlflow.flywheel import Flywheel, load_flywheel
    from flywheel_mlflow.operations.opening import OpenFlywheel, open_flywheel
    from flywheel_mlflow.operations.project_run import ProjectRun, project_run
    from flywheel_mlflow.operations.resolving import Resolved, resolve

__version__ = "0.1.0"

__all__ = [
    "Blueprint",
    "Check",
    "Contract",
    "Flywheel",
    "FlywheelError",
    "OpenFlywheel",
    "Outcome",
    "ProjectRun",
    "Resolved",
    "__version__",
    "load_contract",
    "load_flywheel",
    "open_flywheel",
    "project_run",
    "resolve",
]

#: Where each public name lives; they are loaded on first use, because the models cost the
#: command line a tenth of a second that `flywheel --help` does not need.
_HOMES = {
    "Blueprint": "blueprint",
    "Check": "evidence",
    "Contract": "contract",
    "Flywheel": "flywheel",
    "FlywheelError": "errors",
    "OpenFlywheel": "operations.opening",
    "Outcome": "evidence",
    "ProjectRun": "operations.project_run",
    "Resolved": "operations.resolving",
    "load_contract": "contract",
    "load_flywheel": "flywheel",
    "open_flywheel": "operations.opening",
    "project_run": "operations.project_run",
    "resolve": "operations.resolving",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
