"""The only place that speaks MLflow: everything that crosses this wall is a value of ours."""

from __future__ import annotations

from dataclasses import dataclass

from flywheel_mlflow.settings import Settings
from flywheel_mlflow.tracking.adoption import Adopted, Adopter
from flywheel_mlflow.tracking.assemblies import (
    AssemblyContent,
    AssemblyStore,
    StageRunContent,
    WrittenAssembly,
)
from flywheel_mlflow.tracking.collector import Collector
from flywheel_mlflow.tracking.connection import open_client
from flywheel_mlflow.tracking.inputs import InterfaceData
from flywheel_mlflow.tracking.project_runs import ProjectRunWriter, RunContent, StartedRun

__all__ = [
    "Adopted",
    "Adopter",
    "AssemblyContent",
    "AssemblyStore",
    "Collector",
    "InterfaceData",
    "ProjectRunWriter",
    "RunContent",
    "StageRunContent",
    "StartedRun",
    "Tracking",
    "WrittenAssembly",
    "connect",
]


@dataclass(frozen=True, slots=True)
class Tracking:
    """The collaborators that work on one tracking server for one flywheel."""

    runs: ProjectRunWriter
    collector: Collector
    assemblies: AssemblyStore
    adopter: Adopter
    data: InterfaceData


def connect(settings: Settings, flywheel: str) -> Tracking:
    """Open the tracking server of ``settings``.

    Raises:
        ServerUnreachable: nobody answers, told within seconds.
        StorageError: a database file that cannot be made or opened.
    """
    client = open_client(settings)
    uri, root = settings.shown_uri, settings.artifact_root
    return Tracking(
        runs=ProjectRunWriter(client, uri=uri, flywheel=flywheel, actor=settings.actor, artifact_root=root),
        collector=Collector(client, uri=uri, flywheel=flywheel),
        assemblies=AssemblyStore(client, uri=uri, flywheel=flywheel, actor=settings.actor, artifact_root=root),
        adopter=Adopter(client, uri=uri, flywheel=flywheel),
        data=InterfaceData(client, uri=uri),
    )
