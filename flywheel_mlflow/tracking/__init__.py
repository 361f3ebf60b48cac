"""The only place that speaks MLflow: everything that crosses this wall is a value of ours.

Importing it imports neither MLflow nor the modules behind its names: a command loads those it uses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from flywheel_mlflow.base.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from flywheel_mlflow.decisions.variants import VariantChoice
    from flywheel_mlflow.tracking.active_run import ActiveRun
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
    from flywheel_mlflow.tracking.evaluation_datasets import EvaluationDatasets
    from flywheel_mlflow.tracking.evaluations import EvaluationReader
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
    from flywheel_mlflow.tracking.newest_runs import NewestRuns
    from flywheel_mlflow.tracking.notifications import NotificationStore
    from flywheel_mlflow.tracking.outcomes import OutcomeStore
    from flywheel_mlflow.tracking.profiles import LoggedProfiles
    from flywheel_mlflow.tracking.project_runs import LoggedValues, ProjectRunWriter, RunContent, StartedRun
    from flywheel_mlflow.tracking.releases import ModelView, ReleaseStore, VersionView
    from flywheel_mlflow.tracking.rest.transport import HttpTransport
    from flywheel_mlflow.tracking.review_queues import ReviewQueues
    from flywheel_mlflow.tracking.review_traces import ReviewTraces
    from flywheel_mlflow.tracking.run_files import RunFiles
    from flywheel_mlflow.tracking.run_places import RunPlaces
    from flywheel_mlflow.tracking.server_facts import ServerFacts
    from flywheel_mlflow.tracking.traces import TraceReader

__all__ = [
    "ActiveRun",
    "Adopted",
    "Adopter",
    "Artifacts",
    "AssemblyContent",
    "AssemblyStore",
    "BatchContent",
    "Collector",
    "ComparisonStore",
    "EvaluationDatasets",
    "EvaluationReader",
    "FeedbackDocument",
    "FeedbackStore",
    "GateRuns",
    "InterfaceData",
    "KeptDocument",
    "LedgerPlace",
    "LedgerStore",
    "LoggedProfiles",
    "LoggedValues",
    "ModelView",
    "NotificationStore",
    "OutcomeStore",
    "ProjectRunWriter",
    "ReleaseStore",
    "ReviewQueues",
    "ReviewTraces",
    "RunContent",
    "RunFiles",
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

#: Where each name lives.
_HOMES = {
    "ActiveRun": "active_run",
    "Adopted": "adoption",
    "Adopter": "adoption",
    "Artifacts": "artifacts",
    "AssemblyContent": "assemblies",
    "AssemblyStore": "assemblies",
    "BatchContent": "feedback",
    "Collector": "collector",
    "ComparisonStore": "comparisons",
    "EvaluationDatasets": "evaluation_datasets",
    "EvaluationReader": "evaluations",
    "FeedbackDocument": "feedback",
    "FeedbackStore": "feedback",
    "GateRuns": "gate_runs",
    "InterfaceData": "inputs",
    "KeptDocument": "feedback",
    "LedgerPlace": "ledger",
    "LedgerStore": "ledger",
    "LoggedProfiles": "profiles",
    "LoggedValues": "project_runs",
    "ModelView": "releases",
    "NotificationStore": "notifications",
    "OutcomeStore": "outcomes",
    "ProjectRunWriter": "project_runs",
    "ReleaseStore": "releases",
    "ReviewQueues": "review_queues",
    "ReviewTraces": "review_traces",
    "RunContent": "project_runs",
    "RunFiles": "run_files",
    "ServerFacts": "server_facts",
    "StageRunContent": "assemblies",
    "StartedRun": "project_runs",
    "StoredBatch": "feedback",
    "TraceReader": "traces",
    "VersionView": "releases",
    "WrittenAssembly": "assemblies",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


class Tracking:
    """The collaborators that work on one tracking server for one flywheel, each made on first use.

    ``resolve`` is as :class:`Artifacts` takes it, ``releases`` another release store than the usual one, ``client`` one
    that is open already, ``server_keys`` the keys of the servers whose seals on decisions count. Not with
    ``opens_addresses``, data by reference are never fetched: inside a server others would choose what it connects to.

    Raises:
        ServerUnreachable: nobody answers, told within seconds.
        StorageError: a database file that cannot be made or opened.
    """

    def __init__(
        self,
        settings: Settings,
        flywheel: str,
        *,
        client: MlflowClient | None = None,
        resolve: Callable[[str], str] | None = None,
        releases: ReleaseStore | None = None,
        server_keys: Iterable[str] = (),
        opens_addresses: bool = True,
    ) -> None:
        self.settings = settings
        self._flywheel = flywheel
        self._resolve = resolve
        self._releases = releases
        self._server_keys = frozenset(server_keys)
        self._opens_addresses = opens_addresses
        self._uri, self._root = settings.shown_uri, settings.artifact_root
        self._transport: HttpTransport | None = None
        self._about: dict[str, Any] | None = None
        self._client = client if client is not None else self._open()

    def _open(self) -> MlflowClient:
        """A client that reads without MLflow's import where it can."""
        if not self.settings.is_server:
            from flywheel_mlflow.tracking.reading.client import LateClient, ReadingClient
            from flywheel_mlflow.tracking.reading.databases import open_reader

            reader = open_reader(self.settings)
            if reader is not None:
                return cast("MlflowClient", ReadingClient(reader, LateClient(self.settings)))
            from flywheel_mlflow.tracking.connection import open_client

            return open_client(self.settings)
        from flywheel_mlflow.tracking.reading.client import LateClient
        from flywheel_mlflow.tracking.rest.client import RestClient
        from flywheel_mlflow.tracking.rest.probe import probe_server
        from flywheel_mlflow.tracking.rest.transport import HttpTransport

        self._transport = HttpTransport(self.settings)
        self._about = probe_server(self.settings, self._transport)
        return cast("MlflowClient", RestClient(self._transport, LateClient(self.settings)))

    @cached_property
    def runs(self) -> ProjectRunWriter:
        """Writes the runs of projects."""
        from flywheel_mlflow.tracking.project_runs import ProjectRunWriter

        return ProjectRunWriter(
            self._client,
            uri=self._uri,
            flywheel=self._flywheel,
            actor=self.settings.actor,
            artifact_root=self._root,
        )

    @cached_property
    def collector(self) -> Collector:
        """Collects the evidence of an iteration."""
        from flywheel_mlflow.tracking.collector import Collector

        note = self.artifacts.known  # what an assembly reads of a run then takes no request to find it
        return Collector(
            self._client, uri=self._uri, flywheel=self._flywheel, note_address=note, choices=self._variant_choices
        )

    def _variant_choices(self) -> tuple[VariantChoice, ...]:
        """Which variants the ledger says count; none where nothing was decided yet."""
        from flywheel_mlflow.decisions.variants import fold_variants

        model = self.releases.look()
        if model is None:
            return ()
        return fold_variants(self.ledger.read(model.pointed_ledger()).counted)

    @cached_property
    def assemblies(self) -> AssemblyStore:
        """Keeps assemblies."""
        from flywheel_mlflow.tracking.assemblies import AssemblyStore

        return AssemblyStore(
            self._client,
            self.artifacts,
            uri=self._uri,
            flywheel=self._flywheel,
            actor=self.settings.actor,
            artifact_root=self._root,
        )

    @cached_property
    def adopter(self) -> Adopter:
        """Adopts runs that others logged."""
        from flywheel_mlflow.tracking.adoption import Adopter

        return Adopter(self._client, uri=self._uri, flywheel=self._flywheel, artifact_root=self._root)

    @cached_property
    def data(self) -> InterfaceData:
        """Fetches the data of interfaces."""
        from flywheel_mlflow.tracking.inputs import InterfaceData

        return InterfaceData(self.artifacts, opens_addresses=self._opens_addresses)

    @cached_property
    def artifacts(self) -> Artifacts:
        """Moves artifacts."""
        from flywheel_mlflow.tracking.artifacts import Artifacts

        return Artifacts(self._client, uri=self._uri, resolve=self._resolve, transport=self._transport)

    @cached_property
    def ledger(self) -> LedgerStore:
        """Keeps the ledger."""
        from flywheel_mlflow.tracking.ledger import LedgerStore

        return LedgerStore(
            self._client,
            uri=self._uri,
            flywheel=self._flywheel,
            artifact_root=self._root,
            server_keys=self._server_keys,
        )

    @cached_property
    def notifications(self) -> NotificationStore:
        """Remembers what people were told."""
        from flywheel_mlflow.tracking.notifications import NotificationStore

        return NotificationStore(self._client, uri=self._uri, flywheel=self._flywheel, artifact_root=self._root)

    @cached_property
    def releases(self) -> ReleaseStore:
        """Keeps releases."""
        from flywheel_mlflow.tracking.releases import ReleaseStore

        return self._releases or ReleaseStore(self._client, uri=self._uri, flywheel=self._flywheel)

    @cached_property
    def gates(self) -> GateRuns:
        """Keeps the runs of gates."""
        from flywheel_mlflow.tracking.gate_runs import GateRuns

        return GateRuns(self._client, self.artifacts, uri=self._uri, flywheel=self._flywheel, artifact_root=self._root)

    @cached_property
    def server(self) -> ServerFacts:
        """Tells about the server."""
        from flywheel_mlflow.tracking.server_facts import ServerFacts

        return ServerFacts(self._client, self._transport, self.settings, flywheel=self._flywheel, about=self._about)

    @cached_property
    def newest_runs(self) -> NewestRuns:
        """Says whether runs were written since."""
        from flywheel_mlflow.tracking.newest_runs import NewestRuns

        return NewestRuns(self._client, uri=self._uri, flywheel=self._flywheel)

    @cached_property
    def run_places(self) -> RunPlaces:
        """Says what runs are."""
        from flywheel_mlflow.tracking.run_places import RunPlaces

        return RunPlaces(self._client, uri=self._uri, flywheel=self._flywheel)

    @cached_property
    def profiles(self) -> LoggedProfiles:
        """Reads the profiles that runs logged."""
        from flywheel_mlflow.tracking.profiles import LoggedProfiles

        return LoggedProfiles(self.artifacts)

    @cached_property
    def comparisons(self) -> ComparisonStore:
        """Keeps drift comparisons."""
        from flywheel_mlflow.tracking.comparisons import ComparisonStore

        return ComparisonStore(self._client, self.artifacts, uri=self._uri)

    @cached_property
    def feedback(self) -> FeedbackStore:
        """Keeps feedback."""
        from flywheel_mlflow.tracking.feedback import FeedbackStore

        return FeedbackStore(
            self._client,
            self.artifacts,
            uri=self._uri,
            flywheel=self._flywheel,
            actor=self.settings.actor,
            artifact_root=self._root,
        )

    @cached_property
    def evaluation_datasets(self) -> EvaluationDatasets:
        """Reads and extends evaluation datasets."""
        from flywheel_mlflow.tracking.evaluation_datasets import EvaluationDatasets

        return EvaluationDatasets(self._client, uri=self._uri)

    @cached_property
    def evaluations(self) -> EvaluationReader:
        """Reads evaluations."""
        from flywheel_mlflow.tracking.evaluations import EvaluationReader

        return EvaluationReader(self._client, uri=self._uri)

    @cached_property
    def outcomes(self) -> OutcomeStore:
        """Keeps the outcomes of experiments."""
        from flywheel_mlflow.tracking.outcomes import OutcomeStore

        return OutcomeStore(
            self._client, self.artifacts, uri=self._uri, flywheel=self._flywheel, actor=self.settings.actor
        )

    @cached_property
    def review_queues(self) -> ReviewQueues:
        """Opens review queues."""
        from flywheel_mlflow.tracking.review_queues import ReviewQueues

        return ReviewQueues(self._client, uri=self._uri)

    @cached_property
    def review_traces(self) -> ReviewTraces:
        """Reads what people answered about traces."""
        from flywheel_mlflow.tracking.review_traces import ReviewTraces

        return ReviewTraces(self._client, uri=self._uri, flywheel=self._flywheel)

    @cached_property
    def traces(self) -> TraceReader:
        """Reads traces."""
        from flywheel_mlflow.tracking.traces import TraceReader

        return TraceReader(self._client, uri=self._uri)


def connect(
    settings: Settings,
    flywheel: str,
    *,
    client: MlflowClient | None = None,
    resolve: Callable[[str], str] | None = None,
    releases: ReleaseStore | None = None,
    server_keys: Iterable[str] = (),
    opens_addresses: bool = True,
) -> Tracking:
    """Open the tracking server of ``settings``; arguments and errors are those of :class:`Tracking`."""
    return Tracking(
        settings,
        flywheel,
        client=client,
        resolve=resolve,
        releases=releases,
        server_keys=server_keys,
        opens_addresses=opens_addresses,
    )
