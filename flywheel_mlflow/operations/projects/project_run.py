"""Logs a project's run: gathers, checks against the contract, writes once at the end."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from flywheel_mlflow.base.canonical import short_digest
from flywheel_mlflow.base.errors import FlywheelError, InputError, UnknownName
from flywheel_mlflow.base.settings import Engine, read_settings
from flywheel_mlflow.evidence.flywheel import Flywheel, find_root, load_flywheel
from flywheel_mlflow.evidence.registry import RegistryEntry, register
from flywheel_mlflow.evidence.runs import (
    NO_RESOURCES,
    Check,
    CheckSeverity,
    Collected,
    ConsumedInterface,
    EvidenceKind,
    InterfaceVersion,
    Outcome,
    ProjectEvidence,
    Resources,
)
from flywheel_mlflow.feedback.tasks import Task
from flywheel_mlflow.operations.printable import Printable
from flywheel_mlflow.operations.projects.code_version import code_version_of
from flywheel_mlflow.operations.projects.evaluating import take_evaluation
from flywheel_mlflow.operations.projects.gathering import Gathering, as_check
from flywheel_mlflow.operations.projects.interface_data import given_data
from flywheel_mlflow.operations.projects.mlflow_names import DATA_FOLDER, OWN_FOLDER, MlflowNames
from flywheel_mlflow.operations.projects.own_files import write_own_files
from flywheel_mlflow.operations.projects.resources import ResourceMeter
from flywheel_mlflow.operations.projects.run_inputs import find_input
from flywheel_mlflow.operations.projects.suites import suite_checks
from flywheel_mlflow.operations.scratch import scratch_folder
from flywheel_mlflow.promises.contract import Contract

if TYPE_CHECKING:
    from flywheel_mlflow.records import DataFile, Measurement
    from flywheel_mlflow.records.references import Manifest
    from flywheel_mlflow.records.sharing import Progress
    from flywheel_mlflow.tracking import ActiveRun, StartedRun, Tracking

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoggedRun(Printable):
    """What became of a run: where it is, and whether the contract holds, seen at once.

    ``entry`` judges this run alone: what its consumers read is the assembly's business.
    ``findings`` are the checks that did not pass. ``repeated`` is True when the project had a
    valid run in this iteration already, so nothing was written. ``missing`` says which places the
    contract names hold nothing, so that these values are unknown.
    """

    run_id: str
    entry: RegistryEntry
    findings: tuple[Check, ...] = ()
    repeated: bool = False
    missing: tuple[str, ...] = ()

    def lines(self) -> Iterable[str]:
        """The run, whether others may build on it, and what to look at."""
        yield f"logged {self.entry.project_id} as run {self.run_id}"
        yield f"consumable: {'yes' if self.entry.consumable else 'no'}"
        yield from (f"  {reason}" for reason in self.entry.reasons)
        yield from (f"{check.outcome.value}: {check.name} {check.message}".rstrip() for check in self.findings)
        yield from (f"warning: {line}" for line in self.missing)

    def as_rows(self) -> list[dict[str, Any]]:
        """A row for each KPI."""
        return [
            {"kpi": item.kpi.name, "value": item.value, "target": item.kpi.target, "attainment": item.attainment}
            for item in self.entry.kpis
        ]


class ProjectRun(MlflowNames):
    """A project's run in the making; use it as a context manager.

    Where it ``activates``, it is MLflow's active run inside the block: what ``mlflow.log_metric``, autologging or an
    evaluation log there is evidence like the rest. Leaving the block writes everything and marks the run valid; places
    of the contract that hold nothing are logged as warnings (``warns``). An exception inside marks it
    FAILED with the reason on its page; a killed process leaves a run that is never counted.
    """

    def __init__(
        self,
        flywheel: Flywheel,
        project_id: str,
        iteration: int,
        tracking: Tracking,
        *,
        kind: EvidenceKind = EvidenceKind.MEASURED,
        resume: str | None = None,
        progress: Progress | None = None,
        warns: bool = True,
        activates: bool = False,
        variant: str = "",
    ) -> None:
        self.flywheel = flywheel
        self.contract: Contract = flywheel.contract(project_id)
        refuse_assembly(self.contract)
        self.iteration = check_iteration_number(iteration)
        self.kind = kind
        self.variant = self.contract.variant(variant)
        self.logged: LoggedRun | None = None
        self._tracking = tracking
        self._resume = resume
        self._progress = progress
        self._warns = warns
        self._gathering = Gathering(self.contract)
        self._data: dict[str, Path] = {}
        self._files: dict[str, tuple[DataFile, ...]] = {}
        self._measured: dict[str, Measurement] = {}
        self._manifests: dict[str, Manifest] = {}
        self._started: StartedRun | None = None
        self._code = code_version_of(flywheel.folders[self.contract.id])
        self._places: dict[ConsumedInterface, str] = {}
        self._activates = activates
        self._active: ActiveRun | None = None
        self._scratch = contextlib.ExitStack()
        self._meter: ResourceMeter | None = None

    @property
    def run_id(self) -> str:
        """The run's id on the server."""
        return self._open().run_id

    def __enter__(self) -> Self:
        self._started = self._tracking.runs.start(
            self.contract,
            self.iteration,
            self.kind,
            variant=self.variant,
            code_version=self._code,
            resume=self._resume,
        )
        if self._activates:
            self._meter = ResourceMeter()
            self._active = self._tracking.runs.active(self._started)
            try:
                self._active.begin()
            except BaseException as error:
                self._fail(error)
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._scratch:
            if error is None:
                try:
                    if self._active is not None:
                        self._active.end("FINISHED")
                    self._finish()
                    return
                except BaseException as late:
                    self._fail(late)
                    raise
            self._fail(error)

    def log_document(self, document: Mapping[str, Any], *, place: str = "the metrics document") -> None:
        """Log a nested metrics document, or what ``results.metrics_format`` says it is.

        KPIs and costs are read from it by the contract's paths.
        """
        self._gathering.add_results(document, place=place)

    def log_tasks(self, read: Iterable[str | Task]) -> None:
        """Log which tasks this run read: what an assembly counts as absorbed.

        The run keeps the documents of those given whole, so that later iterations can be handed them too; of a task
        given by its id alone only that it was read is known.
        """
        self._gathering.add_tasks(read)

    def log_check(
        self,
        name: str,
        outcome: bool | str | Outcome,
        *,
        message: str = "",
        severity: str | CheckSeverity = CheckSeverity.BLOCKING,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Log one finding; True and False mean passed and failed."""
        self._gathering.add_checks([as_check(name, outcome, message=message, severity=severity, details=details)])

    def log_checks(self, checks: Iterable[Check]) -> None:
        """Log findings another tool made."""
        self._gathering.add_checks(checks)

    def log_samples(self, kpi: str, values: Mapping[str, float]) -> None:
        """Log the outcome of each sample behind a KPI by sample id: True and False, or numbers.

        Two iterations that judged the same samples are then compared sample by sample, which tells far smaller
        losses from chance than two rates do. Ids are shown in no report; use no personal data for them.

        Raises:
            UnknownName: the contract declares no such KPI.
            InputError: given already, empty, too many, an id that cannot be kept, or a value that is not a number.
        """
        self._gathering.add_samples(kpi, values)

    def log_failures(self, kpi: str, failures: Mapping[str, str], *, interface: str | None = None) -> None:
        """Log what failed among the samples of a KPI, in words, by sample id: each becomes a feedback event.

        A text says what a person needs to see the fault: what was asked, what was expected, what came. ``interface``
        names the interface whose records have these ids. At most 200 of a KPI are kept. People and reports show these
        texts, and tasks may be made of them: never log a case that improvement is measured on.

        Raises:
            UnknownName: the contract declares no such KPI, or promises no such interface.
            InputError: given already, or an id or text that cannot be kept.
        """
        self._gathering.add_failures(kpi, failures, interface)

    def log_interface(
        self,
        name: str,
        path: str | Path | Any,
        *,
        card: str | Path | None = None,
        by_reference: bool = False,
        media: str | Path | None = None,
        engine: Engine = "local",
    ) -> InterfaceVersion:
        """Measure the data of a promised interface, and log this version of it.

        ``path`` is a file or folder; a data set of Hugging Face (``Dataset``, ``DatasetDict``, ``IterableDataset``), to
        be written as Parquet with its features, its splits as the field ``split``, files that it names taken from the
        folder ``media``; or an evaluation dataset of MLflow, to be written as JSON Lines.

        Data ``by_reference`` stay where they are: at an address (``s3://bucket/folder``, ``https://host/file``,
        ``hf://datasets/owner/name/folder``) or at a path that consumers share. They are measured there; the run keeps a
        manifest with size, tag and sha256 of every file, and whoever loads them gets those bytes or an error.
        The ``engine`` is ``local``, or ``ray``: the cluster of ``RAY_ADDRESS``, else one of this machine for the run.

        Raises:
            UnknownName: no such interface is promised. RecordError: the data cannot be read as what the contract says.
            InputError: an address without ``by_reference``, or one that is not taken: with credentials, say.
            SourceUnreachable: the address does not answer. ClusterUnreachable: Ray cannot be used.
        """
        from flywheel_mlflow import records
        from flywheel_mlflow.records.ray_engine import connected

        promise = self.contract.interface(name)
        if promise is None:
            raise UnknownName("interface", name, [item.name for item in self.contract.interfaces_out])
        given = given_data(self._tracking, self._scratch, promise, path, by_reference=by_reference, media=media)
        data = given if isinstance(given, Path) else given.data
        files = records.find_files(given, promise.format, media=bool(promise.media)) if isinstance(given, Path) else ()
        lying = None if isinstance(given, Path) else given.card
        self._scratch.enter_context(connected(engine))  # started by the first data, used by all
        folder = self.flywheel.folders[self.contract.id]
        measured = records.measure(
            data, promise, card=card or lying, progress=self._progress, engine=engine, folder=folder
        )
        if isinstance(given, Path):
            self._data[name], self._files[name] = given, files
            place = f"{DATA_FOLDER}/{name}" if given.is_dir() else f"{DATA_FOLDER}/{name}/{given.name}"
        else:
            self._manifests[name] = given.manifest(name, {file.name: file.digest for file in measured.files})
            place = self._manifests[name].place
        version = measured.interface_version(f"runs:/{self.run_id}/{place}")
        self._gathering.add_interface(version)
        required = self.contract.checks.required
        self._gathering.add_checks(suite_checks(promise, folder, data))
        self._gathering.add_checks((*measured.checks, *(item for item in measured.quiet if item.name in required)))
        self._measured[name] = measured
        return version

    def log_input(self, name: str, *, digest: str | None = None, release: str | None = None) -> InterfaceVersion:
        """Log that this run reads an interface: the version of this iteration unless told otherwise.

        Where its producer has no run in the iteration, the version is carried from an earlier one as far as the
        producer's contract allows, as ``collect`` carries it; the run's evidence names the iteration.

        ``release`` names the version a release pins (``production``, ``staging`` or a number), ``digest`` an exact
        one. Returns the version found; its data comes with ``fetch_input``.

        Raises:
            UnknownName: the contract does not declare the input, or it has no version with this digest.
            MissingVersion: there is no version that this run may read, with what to run.
            Refused: nothing is released there, or the release leaves the interface out.
            InputError: a data set of MLflow's own.
        """
        if not isinstance(name, str):
            raise InputError(
                "the name of an interface is wanted", hint="mlflow.log_input logs data sets of MLflow's own"
            )
        version, read = find_input(
            self.flywheel, self._tracking, self.contract, self.iteration, name, digest=digest, release=release
        )
        self._gathering.add_input(read)
        self._places[read] = version.uri
        return version

    def fetch_input(self, version: InterfaceVersion, folder: str | Path) -> Path:
        """The exact data of an input below ``folder``, compared with its digest.

        Raises:
            InputError: the data is not what the version says.
        """
        from flywheel_mlflow import records

        path = self._tracking.data.fetch(version, Path(folder))
        found = short_digest(records.content_digest(path))
        if found != version.digest:
            raise InputError(
                f"the data of {version.name} has digest {found}, the version says {version.digest}",
                where=version.uri,
                hint="the stored data was changed after it was logged: ask its producer",
            )
        return path

    def collected_before(self, most: int = 12) -> tuple[Collected, ...]:
        """What the server holds of the iterations before this one, oldest first, ``most`` at the most."""
        contracts = {name: item for name, item in self.flywheel.contracts.items() if not item.is_assembly}
        first = max(1, self.iteration - most)
        return tuple(self._tracking.collector.collect(contracts, turn) for turn in range(first, self.iteration))

    def _open(self) -> StartedRun:
        if self._started is None:
            raise InputError("the run has not started", hint="use it as `with project_run(...) as run:`")
        return self._started

    def _finish(self) -> None:
        from flywheel_mlflow.reports.links import Place, project_links, with_links
        from flywheel_mlflow.reports.note import project_note
        from flywheel_mlflow.tracking import LoggedValues, RunContent

        started, gathering = self._open(), self._gathering
        there = self._tracking.runs.logged(started) if self._activates or self._wrote else LoggedValues()
        gathering.add_logged(there.metrics)
        if self._activates:
            take_evaluation(self.flywheel, self._tracking, gathering, self.iteration, started.run_id, self._places)
        taken = self._taken()
        evidence = gathering.evidence(
            iteration=self.iteration,
            kind=self.kind,
            run_id=started.run_id,
            code_version=self._code,
            variant=self.variant,
            resources=taken,
        )
        self._refuse_changed_data()
        pages = self._tracking.server.about is not None
        links = project_links(Place(started.run_id, started.experiment_id, pages), self.contract.id, self.iteration)
        with scratch_folder() as folder:
            write_own_files(folder, gathering, self._measured, self._manifests, evidence)
            files = {OWN_FOLDER: folder} | {f"{DATA_FOLDER}/{name}": path for name, path in self._data.items()}
            content = RunContent(
                evidence=evidence,
                passed_checks=gathering.passed_checks(),
                metrics=gathering.metrics,
                params=gathering.params,
                tags=gathering.tags,
                files=files,
                there=there,
                places=self._places,
                note=with_links(links, project_note(self.contract, evidence), "the files of this run"),
            )
            evidence = self._tracking.runs.finish(started, self.contract, content)
        findings = tuple(check for check in gathering.checks if check.outcome is not Outcome.PASSED)
        self.logged = LoggedRun(
            started.run_id, judge(self.flywheel, evidence), findings, missing=gathering.missing_paths()
        )
        for line in self.logged.missing if self._warns else ():
            _LOG.warning("%s: %s", self.contract.id, line)

    def _taken(self) -> Resources:
        """What the block took, if the work was done in it."""
        if self._meter is None:
            return NO_RESOURCES
        counts = [item.version.rows for item in self._measured.values() if item.version.rows is not None]
        started = self._open()
        traced = self._active is not None and self._active.traced
        tokens = self._tracking.traces.tokens_of_run(started.experiment_id, started.run_id) if traced else None
        taken = replace(self._meter.read(sum(counts) if counts else None), tokens=tokens)
        self._gathering.add_resources(taken)
        return taken

    def _refuse_changed_data(self) -> None:
        """Refuse data rewritten after they were measured: what is uploaded would have another digest."""
        from flywheel_mlflow import records

        for name, before in self._files.items():
            promise = self.contract.interface(name)
            if not self._data[name].exists():
                raise InputError(
                    f"the data of {name} are gone",
                    where=str(self._data[name]),
                    hint="keep the files until the `with` block has ended: that is when they are uploaded",
                )
            media = promise is not None and bool(promise.media)
            if promise is not None and records.find_files(self._data[name], promise.format, media=media) != before:
                raise InputError(
                    f"the data of {name} changed after they were measured",
                    where=str(self._data[name]),
                    hint="log an interface once its files are final",
                )

    def _fail(self, error: BaseException) -> None:
        if self._started is None:
            return
        # The reason the run failed is what the caller must see; a server that is gone too
        # only means that the run stays RUNNING, which readers do not count either.
        if self._active is not None:
            with contextlib.suppress(FlywheelError):
                self._active.end("FAILED")
        with contextlib.suppress(FlywheelError):
            self._tracking.runs.fail(self._started, error)


def check_iteration_number(iteration: int) -> int:
    """``iteration`` if it is one.

    Raises:
        InputError: below 1, or so large that it must be a mistake.
    """
    if not 1 <= iteration <= 999_999:
        raise InputError(f"{iteration} is not an iteration", hint="iterations are counted 1, 2, 3 ...")
    return iteration


def refuse_assembly(contract: Contract) -> None:
    """Refuse the assembly layer where a project's run is asked for.

    Raises:
        InputError: the contract is the assembly layer's.
    """
    if contract.is_assembly:
        raise InputError(
            f"{contract.id} is the assembly layer: its evidence is its own checks", hint="run `flywheel assemble`"
        )


def judge(flywheel: Flywheel, evidence: ProjectEvidence) -> RegistryEntry:
    """The registry entry this evidence alone would give its project."""
    contract = flywheel.contract(evidence.project_id)
    found = register({contract.id: contract}, {contract.id: evidence}, {}, (), iteration=evidence.iteration)
    return found[contract.id]


def project_run(
    project: str | Path,
    iteration: int,
    *,
    variant: str = "",
    root: str | Path | None = None,
    tracking_uri: str | None = None,
    progress: Progress | None = None,
) -> ProjectRun:
    """Start a project's run; use it as a context manager. Inside the block it is MLflow's active run.

    Args:
        project: the project's folder or id.
        iteration: number of the iteration the run belongs to, from 1.
        variant: which of the contract's variants the run is of; the control if left out.
        root: the flywheel's folder; else found upward from the project's, else ``FLYWHEEL_ROOT``, else found upward
            from the working folder.
        tracking_uri: an MLflow server or store; else ``MLFLOW_TRACKING_URI``; else a database
            file under ``mlflow-data`` beside ``flywheel.yaml``.
        progress: called with the number of rows measured so far, and the share of the data they are, 0 to 1.

    Raises:
        UnknownName: no such project or variant.
        DocumentError: a contract or the blueprint has faults; all are listed.
        ServerError, StorageError: server or disk, when the run starts or ends.
    """
    from flywheel_mlflow.tracking import connect

    given = root or (project if Path(project).is_dir() else os.environ.get("FLYWHEEL_ROOT") or Path.cwd())
    flywheel = load_flywheel(find_root(Path(given).resolve()))
    settings = read_settings(flywheel.root, os.environ, tracking_uri=tracking_uri)
    tracking = connect(settings, flywheel.name, server_keys=flywheel.blueprint.releases.server_keys)
    project_id = flywheel.project_of(project)
    resume = tracking.runs.prepared(settings.run_id, settings.experiment_id, project_id)
    return ProjectRun(
        flywheel, project_id, iteration, tracking, resume=resume, progress=progress, activates=True, variant=variant
    )
