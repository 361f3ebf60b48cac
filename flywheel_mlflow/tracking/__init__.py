"""The only place that speaks MLflow: everything that crosses this wall is a value of ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flywheel_mlflow.settings import Settings
from flywheel_mlflow.tracking.adoption import Adopted, Adopter
from flywheel_mlflow.tracking.artifacts import Artifacts
from flywheel_mlflow.tracking.assemblies import (
    AssemblyContent,
    AssemblyStore,
    StageRunContent,
    WrittenAssembly,
)
from flywheel_mlflow.tracking.collector import Collector
from flywheel_mlflow.tracking.comparisons import ComparisonStore
from flywheel_mlflow.tracking.connection import greet, open_client
from flywheel_mlflow.tracking.feedback import (
    BatchContent,
    FeedbackDocument,
    FeedbackStore,
    KeptDocument,
    StoredBatch,
)
from flywheel_mlflow.tracking.gate_runs import GateRuns
from flywheel_mlflow.tracking.inputs import InterfaceData
from flywheel_mlflow.tracking.ledger import LedgerPlace, LedgerStore
from flywheel_mlflow.tracking.profiles import LoggedProfiles
from flywheel_mlflow.tracking.project_runs import ProjectRunWriter, RunContent, StartedRun
from flywheel_mlflow.tracking.releases import ModelView, ReleaseStore, VersionView
from flywheel_mlflow.tracking.server_facts import ServerFacts
from flywheel_mlflow.tracking.traces import PulledTraces, TraceReader

__all__ = [
    "Adopted",
    "Adopter",
    "Artifacts",
    "AssemblyContent",
    "AssemblyStore",
    "BatchContent",
    "Collector",
    "ComparisonStore",
    "FeedbackDocument",
    "FeedbackStore",
    "GateRuns",
    "InterfaceData",
    "KeptDocument",
    "LedgerPlace",
    "LedgerStore",
    "LoggedProfiles",
    "ModelView",
    "ProjectRunWriter",
    "PulledTraces",
    "ReleaseStore",
    "RunContent",
    "ServerFacts",
    "StageRunContent",
    "StartedRun",
    "StoredBatch",
    "TraceReader",
    "Tracking",
    "VersionView",
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
    artifacts: Artifacts
    ledger: LedgerStore
    releases: ReleaseStore
    gates: GateRuns
    server: ServerFacts
    profiles: LoggedProfiles
    comparisons: ComparisonStore
    feedback: FeedbackStore
    traces: TraceReader


def connect(settings: Settings, flywheel: str, *, resolve: Callable[[str], str] | None = None) -> Tracking:
    """Open the tracking server of ``settings``; ``resolve`` as :class:`Artifacts` takes it.

    Raises:
        ServerUnreachable: nobody answers, told within seconds.
        StorageError: a database file that cannot be made or opened.
    """
    about = greet(settings)
    client = open_client(settings)
    uri, root = settings.shown_uri, settings.artifact_root
    artifacts = Artifacts(client, uri=uri, resolve=resolve)
    return Tracking(
        runs=ProjectRunWriter(client, uri=uri, flywheel=flywheel, actor=settings.actor, artifact_root=root),
        collector=Collector(client, uri=uri, flywheel=flywheel),
        assemblies=AssemblyStore(
            client, artifacts, uri=uri, flywheel=flywheel, actor=settings.actor, artifact_root=root
        ),
        adopter=Adopter(client, uri=uri, flywheel=flywheel),
        data=InterfaceData(artifacts),
        artifacts=artifacts,
        ledger=LedgerStore(client, uri=uri, flywheel=flywheel, artifact_root=root),
        releases=ReleaseStore(client, uri=uri, flywheel=flywheel),
        gates=GateRuns(client, artifacts, uri=uri, flywheel=flywheel, artifact_root=root),
        server=ServerFacts(client, settings, flywheel=flywheel, about=about),
        profiles=LoggedProfiles(artifacts),
        comparisons=ComparisonStore(client, artifacts, uri=uri),
        feedback=FeedbackStore(client, artifacts, uri=uri, flywheel=flywheel, actor=settings.actor, artifact_root=root),
        traces=TraceReader(client, uri=uri),
    )
