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
    from flywheel_mlflow.base.errors import (
        AssemblyError,
        ClusterUnreachable,
        DocumentError,
        FlywheelError,
        Inconclusive,
        InputError,
        MissingVersion,
        MonitoringError,
        RecordError,
        Refused,
        ServerError,
        ServerRefused,
        ServerUnreachable,
        SourceGone,
        SourceUnreachable,
        StorageError,
        UnknownName,
        WorkerLost,
    )
    from flywheel_mlflow.evidence.flywheel import Flywheel, load_flywheel
    from flywheel_mlflow.evidence.runs import Check, Outcome
    from flywheel_mlflow.operations.projects.loading import Consumable, LoadedInterface, interfaces, load
    from flywheel_mlflow.operations.projects.project_run import LoggedRun, ProjectRun, project_run
    from flywheel_mlflow.operations.projects.resolving import Resolved, resolve
    from flywheel_mlflow.operations.projects.sharing import pull
    from flywheel_mlflow.operations.scripting.opening import OpenFlywheel, open_flywheel
    from flywheel_mlflow.promises.blueprint import Blueprint
    from flywheel_mlflow.promises.contract import Contract, load_contract

__version__ = "0.1.0"

__all__ = [
    "AssemblyError",
    "Blueprint",
    "Check",
    "ClusterUnreachable",
    "Consumable",
    "Contract",
    "DocumentError",
    "Flywheel",
    "FlywheelError",
    "Inconclusive",
    "InputError",
    "LoadedInterface",
    "LoggedRun",
    "MissingVersion",
    "MonitoringError",
    "OpenFlywheel",
    "Outcome",
    "ProjectRun",
    "RecordError",
    "Refused",
    "Resolved",
    "ServerError",
    "ServerRefused",
    "ServerUnreachable",
    "SourceGone",
    "SourceUnreachable",
    "StorageError",
    "UnknownName",
    "WorkerLost",
    "__version__",
    "interfaces",
    "load",
    "load_contract",
    "load_flywheel",
    "open_flywheel",
    "project_run",
    "pull",
    "resolve",
]

#: Where each public name lives; they are loaded on first use, because the models cost the
#: command line a tenth of a second that `flywheel --help` does not need.
_HOMES = {
    "AssemblyError": "base.errors",
    "ClusterUnreachable": "base.errors",
    "Blueprint": "promises.blueprint",
    "Check": "evidence.runs",
    "Consumable": "operations.projects.loading",
    "Contract": "promises.contract",
    "DocumentError": "base.errors",
    "Flywheel": "evidence.flywheel",
    "FlywheelError": "base.errors",
    "Inconclusive": "base.errors",
    "InputError": "base.errors",
    "LoadedInterface": "operations.projects.loading",
    "LoggedRun": "operations.projects.project_run",
    "MissingVersion": "base.errors",
    "MonitoringError": "base.errors",
    "OpenFlywheel": "operations.scripting.opening",
    "Outcome": "evidence.runs",
    "ProjectRun": "operations.projects.project_run",
    "RecordError": "base.errors",
    "Refused": "base.errors",
    "Resolved": "operations.projects.resolving",
    "ServerError": "base.errors",
    "ServerRefused": "base.errors",
    "ServerUnreachable": "base.errors",
    "SourceGone": "base.errors",
    "SourceUnreachable": "base.errors",
    "StorageError": "base.errors",
    "UnknownName": "base.errors",
    "WorkerLost": "base.errors",
    "interfaces": "operations.projects.loading",
    "load": "operations.projects.loading",
    "load_contract": "promises.contract",
    "load_flywheel": "evidence.flywheel",
    "open_flywheel": "operations.scripting.opening",
    "project_run": "operations.projects.project_run",
    "pull": "operations.projects.sharing",
    "resolve": "operations.projects.resolving",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
