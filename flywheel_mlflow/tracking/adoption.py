"""Makes runs that some other tool logged count as a project's evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from flywheel_mlflow.base.canonical import document_json
from flywheel_mlflow.base.errors import InputError, ServerRefused, UnknownName
from flywheel_mlflow.base.names import REVIEW_COST
from flywheel_mlflow.evidence.evaluations import (
    EVALUATION_FILE,
    Evaluation,
    evaluated_kpis,
    evaluation_document,
)
from flywheel_mlflow.evidence.runs import ConsumedInterface, EvidenceKind, ProjectEvidence, SkippedRun
from flywheel_mlflow.promises.contract import Contract, MetricUse
from flywheel_mlflow.tracking import tags
from flywheel_mlflow.tracking.collector import PAGE_SIZE
from flywheel_mlflow.tracking.connection import pages, translated
from flywheel_mlflow.tracking.dataset_inputs import log_datasets
from flywheel_mlflow.tracking.evaluations import EvaluationReader
from flywheel_mlflow.tracking.integrity import CoveredValues, digest_of_values, value_tags
from flywheel_mlflow.tracking.places import Adoption
from flywheel_mlflow.tracking.project_runs import ensure_experiment, log_batch, project_labels, upload
from flywheel_mlflow.tracking.run_evidence import metric_of, read_interfaces
from flywheel_mlflow.tracking.views import project_views

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.store.entities import PagedList


@dataclass(frozen=True, slots=True)
class Adopted:
    """Which runs were tagged, and which were left alone with the reason.

    ``sources`` says for each path of the contract which metric of the runs holds the value; ``missing`` which paths
    lead to none in some of them. ``counts`` is the run that counts for the iteration once they are adopted, and
    ``collisions`` says which others it supersedes. ``evaluated`` says what is known of KPIs that MLflow evaluated.
    """

    run_ids: tuple[str, ...]
    left_alone: tuple[SkippedRun, ...]
    sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    counts: str | None = None
    collisions: tuple[str, ...] = ()
    evaluated: tuple[str, ...] = ()


class Adopter:
    """Adopts existing runs of a tracking server."""

    def __init__(self, client: MlflowClient, *, uri: str, flywheel: str, artifact_root: Path | None) -> None:
        self._client = client
        self._uri = uri
        self._flywheel = flywheel
        self._artifact_root = artifact_root
        self._evaluations = EvaluationReader(client, uri=uri)

    def adopt(
        self,
        experiment: str,
        filter_string: str,
        contract: Contract,
        iteration: int,
        *,
        present: ProjectEvidence | None = None,
        judged: Callable[[Evaluation], Iterable[tuple[ConsumedInterface, str]]] = lambda _: (),
        dry_run: bool = False,
    ) -> Adopted:
        """Tag the runs of ``experiment`` that match MLflow's ``filter_string``.

        ``present`` is the evidence that the iteration has without them. ``judged`` says which interfaces an evaluation
        read, with their places.

        Raises:
            UnknownName: no such experiment.
            InputError: MLflow cannot read the filter, nothing matches, or the experiment belongs to
                another flywheel.
        """
        found = self._experiment(experiment)
        taken: list[Run] = []
        left: list[SkippedRun] = []
        for run in self._matching(found, experiment, filter_string):
            reason = _why_not(run, contract, iteration)
            if reason:
                left.append(SkippedRun(contract.id, run.info.run_id, reason))
                continue
            taken.append(run)
        evaluated = {run.info.run_id: self._evaluated(run, contract, judged) for run in taken}
        if taken and not dry_run:
            with translated(self._uri):
                self._take(found, taken, contract, iteration, evaluated)
        return replace(
            _adopted(taken, left, contract, iteration, present),
            evaluated=tuple(f"{run_id}: {line}" for run_id, item in evaluated.items() for line in item.remarks),
        )

    def _evaluated(
        self,
        run: Run,
        contract: Contract,
        judged: Callable[[Evaluation], Iterable[tuple[ConsumedInterface, str]]],
    ) -> _Evaluated:
        """What MLflow evaluated on a run, as far as the contract asks for it."""
        evaluation = self._evaluations.of(run)
        if evaluation is None:
            return _Evaluated()
        found = evaluated_kpis(evaluation, contract, run.data.metrics)
        there = {
            kpi.name + suffix
            for kpi in contract.kpis
            for suffix, path in ((tags.SAMPLE_SIZE_SUFFIX, kpi.n_path), (tags.STANDARD_ERROR_SUFFIX, kpi.stderr_path))
            if metric_of(kpi.name + suffix, path, run.data.metrics, adopted=True)
        }
        return _Evaluated(
            {
                name: float(number)
                for kpi, value in found.values.items()
                for name, number in (
                    (kpi + tags.SAMPLE_SIZE_SUFFIX, value.n),
                    (kpi + tags.STANDARD_ERROR_SUFFIX, value.stderr),
                )
                if number is not None and name not in there
            },
            {f"samples/{kpi}.json": document_json(item) for kpi, item in found.samples.items()}
            | {EVALUATION_FILE: document_json(evaluation_document(evaluation))},
            dict(judged(evaluation)),
            found.remarks,
        )

    def newest_metrics(self, experiment: str, filter_string: str) -> tuple[str, dict[str, float]]:
        """The id and the metrics of the finished run that matches and ended last.

        Raises:
            UnknownName, InputError: as :meth:`adopt`, or none of those that match has finished.
        """
        runs = self._matching(self._experiment(experiment), experiment, filter_string)
        finished = [run for run in runs if run.info.status == "FINISHED"]
        if not finished:
            raise InputError(f"none of the {len(runs)} runs of {experiment} that match has finished")
        newest = max(finished, key=_rank)
        return newest.info.run_id, dict(newest.data.metrics)

    def _experiment(self, experiment: str) -> str:
        """The id of an experiment whose runs may be adopted."""
        with translated(self._uri):
            found = self._client.get_experiment_by_name(experiment)
            if found is None:
                names = [item.name for item in self._client.search_experiments(max_results=PAGE_SIZE)]
                raise UnknownName("experiment", experiment, names, where=self._uri)
            if experiment == self._flywheel:
                raise InputError(
                    f"the experiment {experiment} is the assembly's own",
                    hint="evidence lies in the projects' experiments, or in those of other tools",
                )
            owner = found.tags.get(tags.NAME, self._flywheel)
            if owner != self._flywheel:
                raise InputError(
                    f"the experiment {experiment} belongs to the flywheel {owner[:80]}",
                    where=self._uri,
                    hint="an experiment is evidence of one flywheel: copy the runs into another one",
                )
        return str(found.experiment_id)

    def _matching(self, experiment_id: str, experiment: str, filter_string: str) -> list[Run]:
        def page_after(token: str | None) -> PagedList[Run]:
            return self._client.search_runs(
                [experiment_id], filter_string=filter_string, max_results=PAGE_SIZE, page_token=token
            )

        try:
            with translated(self._uri):
                runs = list(pages(page_after))
        except ServerRefused as error:
            if error.code != "INVALID_PARAMETER_VALUE":
                raise
            raise InputError(
                f"MLflow cannot read the filter {filter_string!r}: {error.what.removeprefix('MLflow: ')}",
                hint="write it as in the search box of the MLflow UI, for example params.model = 'x'",
            ) from error
        if not runs:
            raise InputError(
                f"no run of {experiment} matches {filter_string!r}",
                hint="try the same filter in the search box of the MLflow UI",
            )
        return runs

    def _take(
        self,
        experiment_id: str,
        runs: Iterable[Run],
        contract: Contract,
        iteration: int,
        evaluated: Mapping[str, _Evaluated],
    ) -> None:
        """Tag the runs, and name each with its digest on the project's own experiment: that is what makes it count.

        What their evaluations say of KPIs is written beside it, so that collecting need not read their traces.

        Whoever may only write to the experiment of the runs cannot do the latter.
        """
        own = ensure_experiment(
            self._client,
            self._flywheel,
            contract.id,
            contract.title,
            self._artifact_root,
            views=project_views(contract),
        )
        labels = project_labels(self._flywheel, contract, iteration, EvidenceKind.ADOPTED)
        for run in runs:
            run_id = run.info.run_id
            made, read = read_interfaces(run)
            found = evaluated[run_id]
            read |= set(found.read)
            metrics = {**run.data.metrics, **found.metrics}
            values = CoveredValues.of(run_id, metrics, {**run.data.tags, **labels}, made, read)
            adoption = Adoption(contract.id, experiment_id, digest_of_values(values))
            self._keep(run, found.files)
            log_datasets(self._client, run_id, (), tuple(found.read), found.read)
            log_batch(self._client, run_id, found.metrics, {}, labels | value_tags(values))
            self._client.set_experiment_tag(own, f"{tags.ADOPTED_PREFIX}{run_id}", adoption.as_text())
            self._client.set_tag(run_id, tags.VALID, tags.TRUE)
        if experiment_id != own:
            self._client.set_experiment_tag(experiment_id, tags.NAME, self._flywheel)

    def _keep(self, run: Run, files: Mapping[str, str]) -> None:
        """Write texts into our folder of a run."""
        if not files:
            return
        with TemporaryDirectory() as scratch:
            for place, text in files.items():
                target = Path(scratch) / place
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text, encoding="utf-8")
            upload(run.info.artifact_uri, {"flywheel": Path(scratch)}, self._client.tracking_uri)


@dataclass(frozen=True, slots=True)
class _Evaluated:
    """What is written on a run about its evaluation, and what is said.

    That is metrics, texts by their place in our folder, and the interfaces it read with their URIs.
    """

    metrics: Mapping[str, float] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    read: Mapping[ConsumedInterface, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


def _adopted(
    taken: Sequence[Run],
    left: Sequence[SkippedRun],
    contract: Contract,
    iteration: int,
    present: ProjectEvidence | None,
) -> Adopted:
    """What became of the runs, with the metrics their values are read from."""
    sources: dict[str, tuple[str, ...]] = {}
    missing: list[str] = []
    for use in contract.metric_paths():
        names = [_source(use, contract, run) for run in taken]
        sources[str(use)] = tuple(sorted({name for name in names if name is not None}))
        if absent := names.count(None):
            missing.append(f"{use}: no metric {use.path} in {absent} of {len(taken)} runs")
    counts, collisions = _collisions(taken, contract.id, iteration, present)
    return Adopted(
        tuple(run.info.run_id for run in taken), tuple(left), sources, tuple(missing), counts, tuple(collisions)
    )


def _collisions(
    taken: Sequence[Run], project_id: str, iteration: int, present: ProjectEvidence | None
) -> tuple[str | None, list[str]]:
    """The run that counts for the iteration, and a sentence for each run it supersedes."""
    ends = {run.info.run_id: _rank(run) for run in taken}
    if present is not None and present.run_id and present.carried_from is None:
        ended = int(present.ended.timestamp() * 1000) if present.ended else 0
        ends.setdefault(present.run_id, (ended, 0, present.run_id))
    if not taken:
        return present.run_id if present else None, []
    newest = max(ends, key=lambda run_id: ends[run_id])
    return newest, [
        f"{run_id} does not count: {newest} ended later, and one run of {project_id} counts in iteration {iteration}"
        for run_id in sorted(ends, key=lambda run_id: ends[run_id], reverse=True)
        if run_id != newest
    ]


def _rank(run: Run) -> tuple[int, int, str]:
    return run.info.end_time or 0, run.info.start_time or 0, run.info.run_id


def _source(use: MetricUse, contract: Contract, run: Run) -> str | None:
    """The metric of a run that holds what a path of the contract asks for."""
    cost = contract.cost_name if use.key == REVIEW_COST else use.key
    ours = tags.COST_PREFIX + cost if use.owner == "costs" else use.owner + tags.KPI_SUFFIXES[use.key]
    return metric_of(ours, use.path, run.data.metrics, adopted=True)


def _why_not(run: Run, contract: Contract, iteration: int) -> str | None:
    if run.data.tags.get(tags.KIND) in (tags.KIND_ASSEMBLY, tags.KIND_STAGE):
        return "is a run of the assembly"
    owner = run.data.tags.get(tags.PROJECT)
    if owner and owner != contract.id:
        return f"belongs to {owner[:80]} already"
    if owner and run.data.tags.get(tags.EVIDENCE) != EvidenceKind.ADOPTED.value:
        return "was logged by the flywheel itself"
    counted = run.data.tags.get(tags.ITERATION, "") if owner else ""
    if counted not in ("", str(iteration)):
        # Tagging it anew would take the evidence away from an iteration that was assembled.
        return f"counts for iteration {counted[:20]} already"
    if run.info.status != "FINISHED":
        return f"is {run.info.status.lower()}, only finished runs are evidence"
    if not any(_source(use, contract, run) for use in contract.metric_paths() if use.key == "path"):
        # As evidence it would supersede runs that have some.
        return "holds no KPI of the contract: compare its metrics with the paths there"
    return None
