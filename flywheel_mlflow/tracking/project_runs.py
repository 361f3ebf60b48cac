"""Writes one project's run in a few batched requests, the mark of validity last."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from flywheel_mlflow.base.canonical import canonical_json
from flywheel_mlflow.base.errors import FlywheelError, InputError
from flywheel_mlflow.base.settings import redacted
from flywheel_mlflow.base.storable import MAX_TAG_LENGTH
from flywheel_mlflow.evidence.runs import (
    CheckSummary,
    ConsumedInterface,
    EvidenceKind,
    Outcome,
    ProjectEvidence,
)
from flywheel_mlflow.promises.contract import Contract
from flywheel_mlflow.tracking import tags
from flywheel_mlflow.tracking.active_run import ActiveRun
from flywheel_mlflow.tracking.connection import translated
from flywheel_mlflow.tracking.dataset_inputs import log_datasets
from flywheel_mlflow.tracking.integrity import CoveredValues, digest_of_values, value_tags
from flywheel_mlflow.tracking.run_files import RunFiles
from flywheel_mlflow.tracking.views import View, furnish, project_views, view_tags

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

Value = TypeVar("Value", str, float)

#: Names of the checks are kept in one tag so that collecting reads no artifact; this much of
#: the tag's 8,000 characters is spent on them before passed ones are left out.
MAX_CHECKS_TAG = 6000


@dataclass(frozen=True, slots=True)
class StartedRun:
    """A run that exists on the server and is not finished."""

    run_id: str
    experiment_id: str
    artifact_uri: str


@dataclass(frozen=True, slots=True)
class LoggedValues:
    """The newest value of each metric, and the params, that a run has on the server already."""

    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunContent:
    """What a finished project run holds besides its identity.

    ``metrics`` are finite numbers by key, ``params`` strings by key; ``files`` maps an artifact
    path to a local file or folder; ``note`` is Markdown for the run's page; ``there`` was written before;
    ``places`` are the URIs of the interfaces read.
    """

    evidence: ProjectEvidence
    passed_checks: tuple[str, ...]
    metrics: Mapping[str, float]
    params: Mapping[str, str]
    tags: Mapping[str, str]
    files: Mapping[str, Path]
    note: str
    there: LoggedValues = field(default_factory=LoggedValues)
    places: Mapping[ConsumedInterface, str] = field(default_factory=dict)


class ProjectRunWriter:
    """Starts, finishes and fails the runs of one flywheel's projects."""

    def __init__(
        self, client: MlflowClient, *, uri: str, flywheel: str, actor: str, artifact_root: Path | None
    ) -> None:
        self._client = client
        self._uri = uri
        self._flywheel = flywheel
        self._actor = actor
        self._artifact_root = artifact_root

    def start(
        self,
        contract: Contract,
        iteration: int,
        kind: EvidenceKind,
        *,
        variant: str = "",
        code_version: str = "",
        resume: str | None = None,
    ) -> StartedRun:
        """Create the run, visible as running from now on; ``resume`` names one that exists already."""
        labels = self._labels(contract, iteration, kind, variant, code_version)
        experiment = self.experiment(contract)
        with translated(self._uri):
            if resume is not None:
                run = self._client.get_run(resume)
                refuse_ended(run)
                self._log(resume, {}, {}, labels)
            else:
                run = self._client.create_run(experiment, tags=labels)
        return StartedRun(run.info.run_id, run.info.experiment_id, run.info.artifact_uri)

    def experiment(self, contract: Contract) -> str:
        """The id of a project's experiment, made when it is missing."""
        with translated(self._uri):
            return ensure_experiment(
                self._client,
                self._flywheel,
                contract.id,
                contract.title,
                self._artifact_root,
                views=project_views(contract),
            )

    def prepared(self, run_id: str | None, experiment_id: str | None, project_id: str) -> str | None:
        """The run that ``mlflow run`` made for this project: it lies in the project's experiment, or is not ours."""
        if run_id is None or experiment_id is None:
            return None
        with translated(self._uri):
            found = self._client.get_experiment_by_name(f"{self._flywheel}/{project_id}")
        return run_id if found is not None and found.experiment_id == experiment_id else None

    def active(self, run: StartedRun) -> ActiveRun:
        """The run as MLflow's active one, when that is begun."""
        return ActiveRun(self._client, run, self._uri)

    def files(self, run: StartedRun) -> RunFiles:
        """Writes artifacts on the run at once, under the names MLflow gives that."""
        return RunFiles(self._client, run.run_id, self._uri)

    def log_at_step(self, run: StartedRun, metrics: Mapping[str, float], step: int) -> None:
        """Write metrics on the run at once, as one point of their histories."""
        with translated(self._uri):
            log_batch(self._client, run.run_id, metrics, {}, {}, step=step)

    def logged(self, run: StartedRun) -> LoggedValues:
        """What was logged on the run so far, by us or through MLflow; one request."""
        with translated(self._uri):
            data = self._client.get_run(run.run_id).data
        return LoggedValues(data.metrics, data.params)

    def finish(self, run: StartedRun, contract: Contract, content: RunContent) -> ProjectEvidence:
        """Write everything, end the run, then mark it valid: readers count it only after that.

        Returns the evidence with the digest of what collecting will read.

        Raises:
            InputError: a value was logged through MLflow already, and is another one.
        """
        evidence = content.evidence
        identity = project_labels(self._flywheel, contract, evidence.iteration, evidence.kind, evidence.variant)
        labels = {**content.tags, tags.CHECKS: checks_tag(evidence.checks, content.passed_checks)}
        if evidence.tasks:
            labels[tags.TASKS] = canonical_json(evidence.tasks)
        if evidence.resources.machine:
            labels[tags.MACHINE] = evidence.resources.machine
        if evidence.task_documents:
            labels[tags.TASK_DOCUMENTS] = evidence.task_documents
        metrics = {**content.metrics, **summary_metrics(contract, evidence)}
        written = _not_there("metric", metrics, content.there.metrics)
        values = CoveredValues.of(
            run.run_id,
            metrics,
            identity | labels,
            evidence.interfaces_out,
            evidence.interfaces_in,
        )
        digest = digest_of_values(values)
        params = _not_there("param", {**content.params, tags.EVIDENCE_DIGEST: digest}, content.there.params)
        # Its identity once more: whoever may log on the run may have written over it meanwhile.
        labels |= {**identity, **value_tags(values), tags.NOTE: content.note}
        with translated(self._uri):
            self._log(run.run_id, written, params, labels)
            log_datasets(
                self._client, run.run_id, evidence.interfaces_out.values(), evidence.interfaces_in, content.places
            )
            upload(run.artifact_uri, content.files, self._client.tracking_uri)
            end_run(self._client, run.run_id, "FINISHED")
            self._client.set_tag(run.run_id, tags.VALID, tags.TRUE)
        return replace(evidence, evidence_digest=digest)

    def fail(self, run: StartedRun, error: BaseException) -> None:
        """Mark the run failed, with the reason on its page."""
        reason = error.diagnostics() if isinstance(error, FlywheelError) else f"{type(error).__name__}: {error}"
        text = storable(" ".join(redacted(reason).split())[:2000])
        with translated(self._uri):
            note = "**Failed.** `" + text.replace("`", "'") + "`"
            self._log(run.run_id, {}, {}, {tags.ERROR: text, tags.VALID: tags.FALSE, tags.NOTE: note})
            end_run(self._client, run.run_id, "FAILED")

    def _labels(
        self, contract: Contract, iteration: int, kind: EvidenceKind, variant: str, code_version: str
    ) -> dict[str, str]:
        labels = project_labels(self._flywheel, contract, iteration, kind, variant) | {
            tags.RUN_NAME: f"{contract.id}-iteration-{iteration:03d}" + (f"-{variant}" if variant else ""),
            tags.USER: self._actor,
            tags.SOURCE_NAME: contract.id,
            tags.SOURCE_TYPE: "PROJECT",
        }
        return labels | ({tags.GIT_COMMIT: code_version} if code_version else {})

    def _log(
        self, run_id: str, metrics: Mapping[str, float], params: Mapping[str, str], labels: Mapping[str, str]
    ) -> None:
        log_batch(self._client, run_id, metrics, params, labels)


def _not_there(kind: str, values: Mapping[str, Value], there: Mapping[str, Value]) -> dict[str, Value]:
    """The values that are not on the run yet: a second point of the same metric would only lengthen its history.

    Raises:
        InputError: one is there with another value. Which of two metrics counts depends on their steps and times.
    """
    for name, value in values.items():
        if name in there and there[name] != value:
            raise InputError(
                f"the {kind} {name} is {value} here, and {there[name]} was logged through MLflow",
                hint="log it once, or under another name",
            )
    return {name: value for name, value in values.items() if name not in there}


def upload(artifact_uri: str, files: Mapping[str, Path], tracking_uri: str) -> None:
    """Upload files and folders to a run's artifacts, by place below ``artifact_uri``.

    ``MlflowClient.log_artifact`` reads the whole run back to learn the address, which whoever
    made the run knows: one request saved.
    """
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    repository = get_artifact_repository(artifact_uri, tracking_uri=tracking_uri)
    for place, path in files.items():
        if path.is_dir():
            repository.log_artifacts(str(path), place or None)  # type: ignore[no-untyped-call]  # MLflow's
        else:
            repository.log_artifact(str(path), place or None)  # type: ignore[no-untyped-call]  # MLflow's


def project_labels(
    flywheel: str, contract: Contract, iteration: int, kind: EvidenceKind, variant: str = ""
) -> dict[str, str]:
    """The tags by which a run is found as a project's evidence, all but the mark of validity."""
    return ({tags.VARIANT: variant} if variant else {}) | {
        tags.SCHEMA: tags.SCHEMA_VERSION,
        tags.NAME: flywheel,
        tags.KIND: tags.KIND_PROJECT,
        tags.ITERATION: str(iteration),
        tags.PROJECT: contract.id,
        tags.PHASE: contract.phase,
        tags.OWNER: contract.owner,
        tags.CONTRACT: contract.digest,
        tags.INTERFACES_OUT: ",".join(item.name for item in contract.interfaces_out),
        tags.EVIDENCE: kind.value,
    }


def ensure_experiment(
    client: MlflowClient,
    flywheel: str,
    project_id: str | None,
    title: str,
    artifact_root: Path | None,
    *,
    part: str | None = None,
    views: tuple[View, ...] = (),
) -> str:
    """The id of a project's experiment (of the assembly's for None), made when it is missing.

    ``part`` names another experiment of the flywheel that holds no project's evidence (its ledger, say); the
    collector passes it by. ``views`` are those its page in MLflow's user interface opens with.
    """
    from mlflow.exceptions import MlflowException

    name = f"{flywheel}/{project_id or part}" if project_id or part else flywheel
    found = client.get_experiment_by_name(name)
    if found is None:
        labels = {tags.NAME: flywheel, tags.NOTE: title, **view_tags(views)}
        if project_id:
            labels[tags.PROJECT] = project_id
        if part:
            labels[tags.KIND] = part
        location = (artifact_root / name.replace("/", "_")).as_uri() if artifact_root else None
        try:
            client.create_experiment(name, artifact_location=location, tags=labels)
        except MlflowException as error:
            # Somebody else made it between the two calls; two writers may start together.
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        found = client.get_experiment_by_name(name)
    if found is None or found.lifecycle_stage != "active":
        raise InputError(
            f"the experiment {name} is deleted",
            hint="restore it in the MLflow UI, or give the flywheel another name in flywheel.yaml",
        )
    owner = found.tags.get(tags.NAME)
    if owner is None:
        # `mlflow run --experiment-name` makes an experiment without our tags, and the
        # collector finds experiments by them.
        client.set_experiment_tag(found.experiment_id, tags.NAME, flywheel)
        if project_id:
            client.set_experiment_tag(found.experiment_id, tags.PROJECT, project_id)
    elif owner != flywheel:
        raise InputError(
            f"the experiment {name} belongs to the flywheel {owner[:80]}",
            hint="give this flywheel another name in flywheel.yaml",
        )
    if views:
        furnish(client, found, title, views)
    return str(found.experiment_id)


def log_batch(
    client: MlflowClient,
    run_id: str,
    metrics: Mapping[str, float],
    params: Mapping[str, str],
    labels: Mapping[str, str],
    *,
    step: int = 0,
) -> None:
    """One request for metrics, params and tags (more only beyond MLflow's limit of 100 tags).

    Raises:
        InputError: a tag longer than MLflow keeps, which it would cut without a word.
    """
    from mlflow.entities import Metric, Param, RunTag

    for key, value in labels.items():
        if len(value) > MAX_TAG_LENGTH:
            raise InputError(f"the tag {key} has {len(value)} characters, at most {MAX_TAG_LENGTH} are kept")
    now = int(time.time() * 1000)
    client.log_batch(
        run_id,
        metrics=[Metric(key, value, now, step) for key, value in metrics.items()],
        params=[Param(key, value) for key, value in params.items()],
        tags=[RunTag(key, value) for key, value in labels.items()],
    )


def refuse_ended(run: Run) -> None:
    """Refuse to write on a run that has ended: its evidence may have been read already.

    Raises:
        InputError: the run named by the environment is not running.
    """
    if run.info.status not in ("RUNNING", "SCHEDULED"):
        raise InputError(
            f"the run {run.info.run_id} has ended ({run.info.status.lower()})",
            hint="unset MLFLOW_RUN_ID, which names it",
        )


def end_run(client: MlflowClient, run_id: str, status: str) -> None:
    """End a run with one request.

    ``MlflowClient.set_terminated`` reads the whole run back first and prints links; the store
    below it does just the update (one request instead of two, counted on 3.17.2).
    """
    from mlflow.entities import RunStatus

    store = client._tracking_client.store  # noqa: SLF001 - see above
    store.update_run_info(run_id, RunStatus.from_string(status), int(time.time() * 1000), None)


def summary_metrics(contract: Contract, evidence: ProjectEvidence) -> dict[str, float]:
    """Check counts, costs, sample sizes and standard errors as metrics."""
    summary = evidence.checks
    found: dict[str, float | None] = {
        tags.CHECKS_PASSED: summary.passed,
        tags.CHECKS_FAILED: summary.failed,
        tags.CHECKS_SKIPPED: summary.skipped,
        tags.CHECKS_ERROR: summary.error,
        tags.CHECKS_WARNED: summary.warned,
        tags.REVIEW_HOURS: evidence.costs.review_hours,
        tags.COST_PREFIX + contract.cost_name: evidence.costs.review_cost,
    }
    found |= {tags.RESOURCE_PREFIX + name: value for name, value in evidence.resources.numbers().items()}
    for name, kpi in evidence.kpis.items():
        found[name] = kpi.value
        found[name + tags.SAMPLE_SIZE_SUFFIX] = kpi.n
        found[name + tags.STANDARD_ERROR_SUFFIX] = kpi.stderr
    return {key: float(value) for key, value in found.items() if value is not None}


def checks_tag(summary: CheckSummary, passed: tuple[str, ...]) -> str:
    """The outcome of every check by name, as compact JSON that fits a tag.

    When the names do not fit, passed checks the contract does not require are left out, then
    the rest is cut and ``more`` says how many are missing.
    """
    not_passed = {name: outcome.value for name, outcome in sorted(summary.not_passed.items())}
    required = {name: outcome.value for name, outcome in summary.required.items()}
    full = dict.fromkeys(passed, Outcome.PASSED.value) | required | not_passed
    for outcomes in (full, required | not_passed):
        text = canonical_json({"digest": summary.digest, "outcomes": outcomes, "more": 0})
        if len(text) <= MAX_CHECKS_TAG:
            return text
    kept: dict[str, str] = {}
    room = MAX_CHECKS_TAG - 200
    ordered = list((required | not_passed).items())
    for name, outcome in ordered:
        room -= len(json.dumps(name, ensure_ascii=False)) + len(outcome) + 4
        if room < 0:
            break
        kept[name] = outcome
    return canonical_json({"digest": summary.digest, "outcomes": kept, "more": len(ordered) - len(kept)})


def storable(text: str) -> str:
    """The text without what a database cannot keep: PostgreSQL refuses NUL, UTF-8 lone surrogates."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
