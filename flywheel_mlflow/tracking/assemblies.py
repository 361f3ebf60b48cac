"""Writes and finds the assembly's runs: one parent for each iteration with a child for each stage."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from flywheel_mlflow.assembly.recorded import FinishedIteration, RecordedAssembly
from flywheel_mlflow.base.errors import FlywheelError, ServerRefused, StorageError
from flywheel_mlflow.base.settings import redacted
from flywheel_mlflow.base.writing import write_files
from flywheel_mlflow.evidence.runs import ConsumedInterface, InterfaceVersion
from flywheel_mlflow.tracking import tags
from flywheel_mlflow.tracking.artifacts import Artifacts
from flywheel_mlflow.tracking.connection import pages, translated
from flywheel_mlflow.tracking.dataset_inputs import log_datasets
from flywheel_mlflow.tracking.places import MAX_AHEAD
from flywheel_mlflow.tracking.project_runs import (
    end_run,
    ensure_experiment,
    log_batch,
    refuse_ended,
    storable,
    upload,
)
from flywheel_mlflow.tracking.reading.port import ALL
from flywheel_mlflow.tracking.views import ASSEMBLY_TITLE, ASSEMBLY_VIEWS, view_address

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

STATUS_PREFIX = tags.STATUS + "."

_LOG = logging.getLogger(__name__)

#: Where an assembly's own files lie; other folders of its run hold release bundles and drift comparisons.
ASSEMBLY_FOLDERS = ("console", "interfaces", "processed", "reports")

#: The page for people, written beside them afterwards: it tells later decisions too, so it is no part of an assembly,
#: of its digest, or of what its checks compare.
DASHBOARD_PAGE = "console/dashboard.html"

#: How many times more assemblies than iterations are looked through to find the newest valid one of each.
RUNS_AN_ITERATION = 10

#: Assemblies of one iteration that are looked through for a valid one, newest first.
MAX_ATTEMPTS = 100


@dataclass(frozen=True, slots=True)
class StageRunContent:
    """One stage's child run: its id, title, status, metrics by key, note in Markdown."""

    stage_id: str
    title: str
    status: str
    metrics: Mapping[str, float]
    note: str


@dataclass(frozen=True, slots=True)
class AssemblyContent:
    """All that an assembly's runs hold.

    ``causes`` say what each project's numbers rest on. ``digest`` is the sha256 over the deliverables; ``files`` maps
    artifact paths to text; ``valid`` is False when the assembly contradicts itself, and then readers do not count it.
    """

    iteration: int
    digest: str
    valid: bool
    project_id: str | None
    metrics: Mapping[str, float]
    causes: Mapping[str, str]
    note: str
    files: Mapping[str, str]
    stages: tuple[StageRunContent, ...]
    interfaces_out: tuple[InterfaceVersion, ...]
    interfaces_in: tuple[ConsumedInterface, ...]


@dataclass(frozen=True, slots=True)
class ShownRun:
    """What people read on the page of a run; ``maker`` is who made it by the store's own column, not by a tag."""

    run_id: str
    is_active: bool
    metrics: Mapping[str, float]
    params: Mapping[str, str]
    tags: Mapping[str, str]
    maker: str


@dataclass(frozen=True, slots=True)
class WrittenAssembly:
    """Where an assembly was written."""

    run_id: str
    experiment_id: str


class AssemblyStore:
    """The assembly experiment of one flywheel."""

    def __init__(
        self,
        client: MlflowClient,
        artifacts: Artifacts,
        *,
        uri: str,
        flywheel: str,
        actor: str,
        artifact_root: Path | None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._artifacts = artifacts
        self._now = now
        self._uri = uri
        self._flywheel = flywheel
        self._actor = actor
        self._artifact_root = artifact_root

    def experiment(self) -> str:
        """The id of the assembly's experiment, made when it is missing."""
        with translated(self._uri):
            return ensure_experiment(
                self._client, self._flywheel, None, ASSEMBLY_TITLE, self._artifact_root, views=ASSEMBLY_VIEWS
            )

    def experiment_id(self) -> str | None:
        """The id of the assembly's experiment; None before the first assembly."""
        with translated(self._uri):
            found = self._client.get_experiment_by_name(self._flywheel)
        return None if found is None else str(found.experiment_id)

    @staticmethod
    def table_address(experiment_id: str) -> str:
        """The table of iterations with our columns, below the address of the server's user interface."""
        return view_address(experiment_id)

    def recorded(self, iteration: int, *, contradictory: bool = False) -> RecordedAssembly | None:
        """What the newest valid assembly of an iteration said; None when there is none.

        ``contradictory`` takes one that contradicts itself as well, which no reader counts.
        """
        run = self._newest(iteration, {tags.TRUE, tags.FALSE} if contradictory else {tags.TRUE})
        return None if run is None else _recorded(run, iteration)

    def recorded_run(self, run_id: str, iteration: int) -> RecordedAssembly | None:
        """What the assembly of one run said; None when the run is gone."""
        try:
            with translated(self._uri):
                return _recorded(self._client.get_run(run_id), iteration)
        except ServerRefused as error:
            if error.code not in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"):
                raise
            return None

    def _has_ended(self, run: Run) -> bool:
        """Whether a run is over; one that claims to have ended in the time to come is not believed."""
        latest = _milliseconds(self._now() + MAX_AHEAD)
        return run.info.status != "RUNNING" and (run.info.end_time or 0) <= latest

    def _newest(self, iteration: int, marks: set[str]) -> Run | None:
        # The mark of validity, written last, says that the assembly is whole. FINISHED is not asked for:
        # under `mlflow run` the status follows the exit code, which is not 0 when a pipeline failed.
        with translated(self._uri):
            runs = self._of(iteration)
        return next((run for run in runs if run.data.tags.get(tags.VALID) in marks and self._has_ended(run)), None)

    def _of(self, iteration: int) -> list[Run]:
        """The runs of the assemblies of an iteration, whole or not, newest first."""
        experiment = self._client.get_experiment_by_name(self._flywheel)
        if experiment is None:
            return []
        found = self._client.search_runs(
            [experiment.experiment_id],
            filter_string=f"tags.`{tags.ITERATION}` = '{iteration}' and tags.`{tags.KIND}` = '{tags.KIND_ASSEMBLY}'",
            order_by=["attributes.end_time DESC"],
            max_results=MAX_ATTEMPTS,
        )
        return list(found)

    def earlier(
        self, iteration: int, *, most: int, ended_before: datetime | None = None
    ) -> tuple[RecordedAssembly, ...]:
        """The newest valid assembly of each of the last ``most`` iterations before one, oldest first.

        ``ended_before`` asks what these were at a moment in the past. Assemblies are read newest first until each
        iteration has one, at most :data:`RUNS_AN_ITERATION` times ``most``: ask for what lies far back with a moment.
        """
        missing = set(range(max(iteration - most, 1), iteration))
        limits = [f"attributes.end_time < {_milliseconds(ended_before)}"] if ended_before else []
        found: dict[int, RecordedAssembly] = {}
        with translated(self._uri):
            experiment = self._client.get_experiment_by_name(self._flywheel) if missing else None
            if experiment is None:
                return ()
            runs = pages(
                lambda token: self._client.search_runs(
                    [experiment.experiment_id],
                    filter_string=" and ".join([*limits, f"tags.`{tags.KIND}` = '{tags.KIND_ASSEMBLY}'"]),
                    order_by=["attributes.end_time DESC"],
                    max_results=most,
                    page_token=token,
                )
            )
            for run in islice(runs, most * RUNS_AN_ITERATION):
                number = run.data.tags.get(tags.ITERATION, "")
                turn = int(number) if number.isdecimal() else 0
                valid = run.data.tags.get(tags.VALID) == tags.TRUE and self._has_ended(run)
                if 0 < turn < iteration and turn not in found and valid:
                    found[turn] = _recorded(run, turn)
                    missing.discard(turn)
                if not missing:
                    break
        return tuple(found[turn] for turn in sorted(found)[-most:])

    def listed(self, *, most: int, ended_before: datetime | None = None) -> tuple[RecordedAssembly, ...]:
        """The assemblies that ended last, at most ``most``, newest first; a half-written one is left out.

        Reading one through MLflow costs some 15 ms: it brings every metric and input of a run (docs/benchmarks.md).
        """
        limits = [f"attributes.end_time < {_milliseconds(ended_before)}"] if ended_before else []
        with translated(self._uri):
            experiment = self._client.get_experiment_by_name(self._flywheel)
            if experiment is None:
                return ()
            runs = self._client.search_runs(
                [experiment.experiment_id],
                filter_string=" and ".join([*limits, f"tags.`{tags.KIND}` = '{tags.KIND_ASSEMBLY}'"]),
                order_by=["attributes.end_time DESC"],
                max_results=most,
            )
        return tuple(
            _recorded(run, int(run.data.tags[tags.ITERATION]))
            for run in runs
            if run.data.tags.get(tags.VALID) in (tags.TRUE, tags.FALSE)
            and run.data.tags.get(tags.ITERATION, "").isdecimal()
            and self._has_ended(run)
        )

    def between(self, start: datetime, end: datetime) -> tuple[RecordedAssembly, ...]:
        """The newest valid assembly of each iteration among those started from ``start`` until before ``end``."""
        with translated(self._uri):
            experiment = self._client.get_experiment_by_name(self._flywheel)
            if experiment is None:
                return ()
            runs = list(
                pages(
                    lambda token: self._client.search_runs(
                        [experiment.experiment_id],
                        filter_string=(
                            f"tags.`{tags.KIND}` = '{tags.KIND_ASSEMBLY}' and attributes.start_time >= "
                            f"{_milliseconds(start)} and attributes.start_time < {_milliseconds(end)}"
                        ),
                        order_by=["attributes.end_time DESC"],
                        max_results=MAX_ATTEMPTS,
                        page_token=token,
                    )
                )
            )
        found: dict[int, RecordedAssembly] = {}
        for run in runs:
            number = run.data.tags.get(tags.ITERATION, "")
            if number.isdecimal() and run.data.tags.get(tags.VALID) == tags.TRUE and self._has_ended(run):
                found.setdefault(int(number), _recorded(run, int(number)))
        return tuple(found[turn] for turn in sorted(found))

    def latest_iteration(self) -> int | None:
        """The iteration of the assembly that was started last; None when there is none."""
        with translated(self._uri):
            experiment = self._client.get_experiment_by_name(self._flywheel)
            if experiment is None:
                return None
            runs = self._client.search_runs(
                [experiment.experiment_id],
                filter_string=f"tags.`{tags.KIND}` = '{tags.KIND_ASSEMBLY}'",
                order_by=["attributes.start_time DESC"],
                max_results=MAX_ATTEMPTS,
            )
        whole = (run.data.tags for run in runs if tags.VALID in run.data.tags and self._has_ended(run))
        found = next((labels.get(tags.ITERATION, "") for labels in whole), "")
        return int(found) if found.isdecimal() else None

    def files(self, run_id: str, folder: Path) -> dict[str, str]:
        """The text artifacts of an assembly's run by path, downloaded below ``folder``."""
        found = {place: self._artifacts.texts(run_id, place, folder) for place in ASSEMBLY_FOLDERS}
        texts = {f"{place}/{name}": text for place, files in found.items() for name, text in files.items()}
        texts.pop(DASHBOARD_PAGE, None)
        return texts

    def shown(self, run_id: str) -> tuple[ShownRun, tuple[ShownRun, ...]]:
        """What the pages of an assembly's run and of its stages show, deleted ones too.

        Raises:
            ServerRefused: there is no such run.
        """
        with translated(self._uri):
            run = self._client.get_run(run_id)
            children = pages(
                lambda token: self._client.search_runs(
                    [run.info.experiment_id],
                    filter_string=f"tags.`{tags.PARENT}` = '{run_id}' and tags.`{tags.KIND}` = '{tags.KIND_STAGE}'",
                    run_view_type=ALL,
                    max_results=MAX_ATTEMPTS,
                    page_token=token,
                )
            )
            return _shown(run), tuple(_shown(child) for child in children)

    def write(
        self,
        content: AssemblyContent,
        *,
        resume: str | None = None,
        linked: Callable[[WrittenAssembly, str], str] | None = None,
    ) -> WrittenAssembly:
        """Write parent and children; the parent is marked valid last of all.

        ``resume`` is the run that ``mlflow run`` already made in this experiment. ``linked`` makes the parent's note
        from its place and the note in ``content``, which knows of no place.
        """
        experiment = self.experiment()
        labels = self._labels(content)
        with translated(self._uri):
            if resume is None:
                run = self._client.create_run(experiment, tags=labels)
            else:
                run = self._client.get_run(resume)
                refuse_ended(run)
            run_id = str(run.info.run_id)
        try:
            written = WrittenAssembly(run_id, experiment)
            note = linked(written, content.note) if linked else content.note
            with translated(self._uri):
                self._fill(written, run.info.artifact_uri, content, {**labels, tags.NOTE: note})
        except BaseException as error:
            self._fail(run_id, error)
            raise
        return written

    def _fill(
        self, written: WrittenAssembly, artifact_uri: str, content: AssemblyContent, labels: Mapping[str, str]
    ) -> None:
        run_id = written.run_id
        log_batch(self._client, run_id, content.metrics, {}, labels)
        log_datasets(self._client, run_id, self._located(content.interfaces_out, run_id), content.interfaces_in)
        self._upload(artifact_uri, content.files)
        # MLflow lists children newest first: written backwards, they stand in the order of the flywheel.
        for stage in reversed(content.stages):
            self._write_stage(written.experiment_id, run_id, content, stage)
        end_run(self._client, run_id, "FINISHED")
        self._client.set_tag(run_id, tags.VALID, tags.TRUE if content.valid else tags.FALSE)

    def _fail(self, run_id: str, error: BaseException) -> None:
        """Mark a half-written parent as failed; it never got the mark by which readers count it."""
        text = storable(" ".join(redacted(str(error)).split())[:2000])
        # The error that stopped the writing is what the caller must see.
        with suppress(FlywheelError), translated(self._uri):
            log_batch(self._client, run_id, {}, {}, {tags.ERROR: text})
            end_run(self._client, run_id, "FAILED")

    def mark_current(self, iteration: int) -> None:
        """Tell MLflow's tables which assembly of an iteration counts: the newest valid one, else the newest.

        The others are called superseded. That is for the eye: where it cannot be written, nothing else fails.
        """
        try:
            with translated(self._uri):
                runs = [run for run in self._of(iteration) if run.data.tags.get(tags.VALID) in (tags.TRUE, tags.FALSE)]
                valid = (run for run in runs if run.data.tags[tags.VALID] == tags.TRUE and self._has_ended(run))
                current = next(valid, next(iter(runs), None))
                for run in runs:
                    self._mark(run, iteration, counts=run is current)
        except FlywheelError as error:
            _LOG.info("the assemblies of iteration %s could not be marked: %s", iteration, error)

    def _mark(self, run: Run, iteration: int, *, counts: bool) -> None:
        name = f"iteration-{iteration:03d}" + ("" if counts else " superseded")
        labels = {tags.CURRENT: tags.TRUE if counts else tags.FALSE, tags.RUN_NAME: name}
        for key, value in labels.items():
            if run.data.tags.get(key) != value:
                self._client.set_tag(run.info.run_id, key, value)

    def mark_unchanged(self, run_id: str, iteration: int, same_as: str) -> None:
        """Say on a run that ``mlflow run`` made that it found nothing new to assemble."""
        with translated(self._uri):
            note = f"Nothing changed since run `{same_as}`: the same evidence gives the same assembly."
            labels = {
                tags.NAME: self._flywheel,
                tags.SAME_AS: same_as,
                tags.NOTE: note,
                tags.RUN_NAME: f"iteration-{iteration:03d}-unchanged",
            }
            log_batch(self._client, run_id, {}, {}, labels)

    def mark_finished(self, run_id: str, begun: datetime, ended: datetime) -> None:
        """Say on an assembly's run that `flywheel run` is done with its iteration."""
        with translated(self._uri):
            self._client.set_tag(run_id, tags.FINISHED, tags.write_span(begun, ended))

    def link(self, run_id: str, assembly: str) -> None:
        """Say on a run of another experiment, which ``mlflow run`` made, which run holds its assembly."""
        with translated(self._uri):
            self._client.set_tag(run_id, tags.ASSEMBLY_RUN, assembly)

    def _labels(self, content: AssemblyContent) -> dict[str, str]:
        labels = {
            tags.SCHEMA: tags.SCHEMA_VERSION,
            tags.NAME: self._flywheel,
            tags.KIND: tags.KIND_ASSEMBLY,
            tags.ITERATION: str(content.iteration),
            tags.ASSEMBLY_DIGEST: content.digest,
            tags.CAUSES: tags.write_pairs(content.causes),
            tags.RUN_NAME: f"iteration-{content.iteration:03d}",
            tags.USER: self._actor,
            tags.SOURCE_NAME: self._flywheel,
            tags.SOURCE_TYPE: "PROJECT",
        }
        if content.project_id:
            labels[tags.PROJECT] = content.project_id
            labels[tags.INTERFACES_OUT] = ",".join(item.name for item in content.interfaces_out)
        return labels | {STATUS_PREFIX + stage.stage_id: stage.status for stage in content.stages}

    def _write_stage(self, experiment: str, parent: str, content: AssemblyContent, stage: StageRunContent) -> None:
        labels = {
            tags.SCHEMA: tags.SCHEMA_VERSION,
            tags.NAME: self._flywheel,
            tags.KIND: tags.KIND_STAGE,
            tags.ITERATION: str(content.iteration),
            tags.STAGE: stage.stage_id,
            tags.STATUS: stage.status,
            tags.PARENT: parent,
            tags.RUN_NAME: f"iteration-{content.iteration:03d} {stage.title}",
            tags.USER: self._actor,
            tags.NOTE: stage.note,
        }
        run_id = self._client.create_run(experiment, tags=labels).info.run_id
        log_batch(self._client, run_id, stage.metrics, {}, {})
        end_run(self._client, run_id, "FINISHED")
        self._client.set_tag(run_id, tags.VALID, tags.TRUE if content.valid else tags.FALSE)

    def _located(self, versions: Iterable[InterfaceVersion], run_id: str) -> list[InterfaceVersion]:
        """The assembly's own interfaces, whose URI is a path inside the run, with the run in front."""
        return [replace(version, uri=f"runs:/{run_id}/{version.uri}") for version in versions]

    def _upload(self, artifact_uri: str, files: Mapping[str, str]) -> None:
        try:
            with tempfile.TemporaryDirectory(prefix="flywheel-") as folder:
                write_files(files, Path(folder))
                upload(artifact_uri, {"": Path(folder)}, self._client.tracking_uri)
        except OSError as error:
            raise StorageError(
                f"cannot store the deliverables: {error.strerror or error}",
                where=error.filename,
                hint="free some space, or point TMPDIR at another disk",
            ) from error


def _shown(run: Run) -> ShownRun:
    return ShownRun(
        run_id=str(run.info.run_id),
        is_active=bool(run.info.lifecycle_stage == "active"),
        metrics=dict(run.data.metrics),
        params=dict(run.data.params),
        tags=dict(run.data.tags),
        maker=str(run.info.user_id or ""),
    )


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _recorded(run: Run, iteration: int) -> RecordedAssembly:
    labels = run.data.tags
    return RecordedAssembly(
        iteration=iteration,
        run_id=run.info.run_id,
        digest=labels.get(tags.ASSEMBLY_DIGEST, ""),
        metrics=dict(run.data.metrics),
        statuses={
            key.removeprefix(STATUS_PREFIX): value for key, value in labels.items() if key.startswith(STATUS_PREFIX)
        },
        sound=labels.get(tags.VALID) == tags.TRUE,
        experiment_id=str(run.info.experiment_id),
        ended=datetime.fromtimestamp(run.info.end_time / 1000, UTC) if run.info.end_time else None,
        causes=tags.read_pairs(labels.get(tags.CAUSES, "")),
        finished=FinishedIteration(*span) if (span := tags.read_span(labels.get(tags.FINISHED, ""))) else None,
    )
