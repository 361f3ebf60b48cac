"""Collects one iteration's evidence with one search, downloading no artifact."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.base.errors import ServerRefused
from flywheel_mlflow.base.paths import metric_names
from flywheel_mlflow.base.storable import is_finite
from flywheel_mlflow.evidence.runs import (
    CheckSummary,
    Collected,
    ConsumedInterface,
    Costs,
    EvidenceKind,
    FieldType,
    InterfaceVersion,
    KpiValue,
    Outcome,
    ProjectEvidence,
    SkippedRun,
)
from flywheel_mlflow.promises.contract import Contract, Kpi
from flywheel_mlflow.tracking import tags
from flywheel_mlflow.tracking.connection import pages, translated
from flywheel_mlflow.tracking.integrity import CoveredValues, changes_since
from flywheel_mlflow.tracking.places import MAX_AHEAD, EvidencePlaces, elsewhere, places_among

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

#: Runs per page: every page repeats the server's whole sort (measured on 3.17.2), so one page
#: should hold an iteration; this many runs weigh about 10 MB.
PAGE_SIZE = 1000

#: No run has more checks than this; a larger number is not a count.
MAX_COUNT = 1_000_000_000


#: A run that has been running for longer than this is told apart from one that is at work.
STALE_AFTER = timedelta(hours=24)
#: Runs of other experiments that are listed; others can log as many as they like.
MAX_STRANGERS = 100


class Collector:
    """Reads the evidence of one flywheel's projects from the tracking server; ``now`` is the clock."""

    def __init__(
        self,
        client: MlflowClient,
        *,
        uri: str,
        flywheel: str,
        page_size: int = PAGE_SIZE,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        note_address: Callable[[str, str], None] = lambda _run, _address: None,
    ) -> None:
        self._client = client
        self._uri = uri
        self._flywheel = flywheel
        self._page_size = page_size
        self._now = now
        self._note_address = note_address

    def collect(
        self, contracts: Mapping[str, Contract], iteration: int, *, only: frozenset[str] | None = None
    ) -> Collected:
        """The evidence of an iteration; a project without a run is carried forward where its contract allows.

        ``only`` asks for these projects alone, and searches no other project's experiment.

        One search finds the iteration. Only projects that are missing in it cost more: one
        search for each earlier iteration they may be carried from, over their experiments alone.
        Experiments that bear the flywheel's tag and hold no evidence cost one search, to tell of their runs.
        """
        places = self.places()  # a run logged since the last call may have brought a new one
        found = self._search(places, contracts, iteration, only)
        evidence = dict(found.evidence)
        skipped = [*found.skipped, *(self._strangers(places, contracts, iteration) if only is None else ())]
        wanted = {
            project_id: contract.carry.max_age
            for project_id, contract in contracts.items()
            if project_id not in evidence and contract.carry.allowed and not contract.is_assembly
        }
        age = 0
        while wanted and iteration - age > 1:
            age += 1
            wanted = {project_id: limit for project_id, limit in wanted.items() if limit >= age}
            if not wanted:
                break
            missing = {name: contracts[name] for name in wanted}
            earlier = self._search(places, missing, iteration - age, frozenset(wanted))
            skipped += earlier.skipped
            for project_id, item in earlier.evidence.items():
                evidence[project_id] = carried(item)
                del wanted[project_id]
        return Collected(iteration, dict(sorted(evidence.items())), tuple(sorted(skipped)))

    def evidence_of(self, run_id: str, contracts: Mapping[str, Contract]) -> ProjectEvidence | None:
        """The evidence of one run; None when there is no such run, or it does not count as evidence."""
        try:
            with translated(self._uri):
                run = self._client.get_run(run_id)
        except ServerRefused as error:
            if error.code not in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND", "INVALID_PARAMETER_VALUE"):
                raise
            return None
        turn = run.data.tags.get(tags.ITERATION, "")
        if not turn.isdecimal():
            return None
        found = fold([run], contracts, int(turn), flywheel=self._flywheel, places=self.places(), now=self._now())
        return next(iter(found.evidence.values()), None)

    def experiments(self) -> dict[str, str]:
        """The experiment of each project by project id, where a project has logged anything; one request."""
        return {project_id: experiment for experiment, project_id in self.places().projects.items()}

    def places(self) -> EvidencePlaces:
        """Where evidence lies, and which other experiments bear the flywheel's tag; one request."""
        with translated(self._uri):
            found = list(
                pages(
                    lambda token: self._client.search_experiments(
                        filter_string=f"tags.`{tags.NAME}` = '{self._flywheel}'",
                        max_results=self._page_size,
                        page_token=token,
                    )
                )
            )
        return places_among(found, self._flywheel)

    def unfinished(self) -> tuple[SkippedRun, ...]:
        """The runs of projects that have been running for longer than ``STALE_AFTER``; two requests."""
        experiments = self.places().experiments_of(None)
        before = int((self._now() - STALE_AFTER).timestamp() * 1000)
        if not experiments:
            return ()
        with translated(self._uri):
            runs = self._client.search_runs(
                experiments,
                filter_string=f"attributes.status = 'RUNNING' and attributes.start_time < {before}",
                max_results=MAX_STRANGERS,
            )
        return tuple(
            SkippedRun(run.data.tags.get(tags.PROJECT, "")[:80], run.info.run_id, _running(run, self._now()))
            for run in runs
            if run.data.tags.get(tags.NAME) == self._flywheel
        )

    def _search(
        self,
        places: EvidencePlaces,
        contracts: Mapping[str, Contract],
        iteration: int,
        projects: frozenset[str] | None,
    ) -> Collected:
        """The evidence of one iteration, over all experiments or those of some projects."""
        experiments = places.experiments_of(projects)
        with translated(self._uri), _cycle_collector_paused():
            runs = list(self._runs(experiments, iteration)) if experiments else []
        found = fold(runs, contracts, iteration, projects, flywheel=self._flywheel, places=places, now=self._now())
        read = {evidence.run_id for evidence in found.evidence.values()}
        for run in runs:
            if run.info.run_id in read:
                self._note_address(run.info.run_id, str(run.info.artifact_uri))
        return found

    def _strangers(
        self, places: EvidencePlaces, contracts: Mapping[str, Contract], iteration: int
    ) -> Iterator[SkippedRun]:
        """Runs of experiments that hold no evidence, and claim to."""
        if not places.others:
            return
        with translated(self._uri):
            runs = self._client.search_runs(
                list(places.others),
                filter_string=f"tags.`{tags.ITERATION}` = '{iteration}'",
                max_results=MAX_STRANGERS,
            )
        for run in runs:
            project_id = run.data.tags.get(tags.PROJECT, "")
            if project_id in contracts:
                name = places.others[run.info.experiment_id]
                yield SkippedRun(project_id, run.info.run_id, elsewhere(name, self._flywheel, project_id))
        if runs.token:
            names = ", ".join(sorted(name[:80] for name in places.others.values()))[:300]
            yield SkippedRun("", "", f"and more runs of experiments that bear this flywheel's tag: {names}")

    def _runs(self, experiments: list[str], iteration: int) -> Iterator[Run]:
        # The one selective clause: MLflow reads every run's row of the first tag named, so the
        # kind and the validity are judged here (measured on SQLite: 2.5 times slower otherwise).
        return pages(
            lambda token: self._client.search_runs(
                experiments,
                filter_string=f"tags.`{tags.ITERATION}` = '{iteration}'",
                max_results=self._page_size,
                order_by=["attributes.start_time DESC"],
                page_token=token,
            )
        )


@contextmanager
def _cycle_collector_paused() -> Iterator[None]:
    """Python's search for unreachable cycles, put off until the block ends.

    A hundred runs are some 70,000 objects that all live until they are read. While they come in,
    the collector walks them and everything MLflow imported again and again, and finds nothing:
    that was up to two thirds of the whole search (docs/benchmarks.md). What piles up is bounded by one search.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def carried(evidence: ProjectEvidence) -> ProjectEvidence:
    """The same evidence, marked as carried forward from its own iteration."""
    return replace(evidence, carried_from=evidence.iteration)


def fold(
    runs: Iterable[Run],
    contracts: Mapping[str, Contract],
    iteration: int,
    projects: frozenset[str] | None = None,
    *,
    flywheel: str,
    places: EvidencePlaces,
    now: datetime,
) -> Collected:
    """The newest valid run of each project, and every other run with the reason it does not count."""
    newest: dict[str, tuple[tuple[int, int, str], ProjectEvidence]] = {}
    skipped: list[SkippedRun] = []
    for run in _unique(runs):
        labels = run.data.tags
        if labels.get(tags.KIND) in (tags.KIND_ASSEMBLY, tags.KIND_STAGE):
            continue  # the assembly's own runs carry the iteration too
        project_id = labels.get(tags.PROJECT, "")
        if projects is not None and project_id not in projects:
            continue
        contract = contracts.get(project_id)
        reason = why_not(run, contract, flywheel, places, now)
        if reason or contract is None:
            skipped.append(SkippedRun(project_id[:80], run.info.run_id, reason or "no contract"))
            continue
        try:
            evidence = read_evidence(run, contract, iteration, digest=places.digest_of(run))
        except RunChanged as error:
            skipped.append(SkippedRun(project_id, run.info.run_id, str(error)))
            continue
        except (ValueError, OverflowError, OSError, RecursionError) as error:
            # What others write can be nested without end, or end in the year 5138.
            skipped.append(SkippedRun(project_id, run.info.run_id, f"unreadable: {str(error)[:300]}"))
            continue
        if evidence.ended is not None and evidence.ended > now + MAX_AHEAD:
            ahead = _for_people((evidence.ended - now).total_seconds())
            reason = f"ended {ahead} from now: its clock, or that of this machine, is wrong"
            skipped.append(SkippedRun(project_id, run.info.run_id, reason))
            continue
        rank = (run.info.end_time or 0, run.info.start_time or 0, run.info.run_id)
        if project_id in newest and newest[project_id][0] > rank:
            older = run.info.run_id
        else:
            older = newest[project_id][1].run_id if project_id in newest else None
            newest[project_id] = (rank, evidence)
        if older:
            skipped.append(SkippedRun(project_id, older, "superseded by a newer valid run"))
    return Collected(iteration, {key: item for key, (_, item) in sorted(newest.items())}, tuple(sorted(skipped)))


def _unique(runs: Iterable[Run]) -> Iterator[Run]:
    """Each run once: a run logged between two pages shifts them, and one comes again."""
    seen: set[str] = set()
    for run in runs:
        if run.info.run_id not in seen:
            seen.add(run.info.run_id)
            yield run


def why_not(run: Run, contract: Contract | None, flywheel: str, places: EvidencePlaces, now: datetime) -> str | None:
    """Why a run does not count as evidence, or None when it does."""
    labels = run.data.tags
    project_id = labels.get(tags.PROJECT, "")
    if contract is None:
        return f"no contract for project {project_id[:80]!r}" if project_id else f"no tag {tags.PROJECT}"
    if labels.get(tags.NAME) != flywheel:
        return f"belongs to the flywheel {labels.get(tags.NAME, 'unknown')[:80]}"
    if labels.get(tags.KIND) != tags.KIND_PROJECT:
        return f"of kind {labels.get(tags.KIND, 'unknown')[:20]}, not {tags.KIND_PROJECT}"
    if labels.get(tags.SCHEMA) != tags.SCHEMA_VERSION:
        return f"written in format {labels.get(tags.SCHEMA, 'unknown')[:20]}, this version reads {tags.SCHEMA_VERSION}"
    if not places.holds(run, project_id):
        name = places.names.get(run.info.experiment_id, run.info.experiment_id)
        return elsewhere(name, flywheel, project_id)
    if run.info.status == "RUNNING":
        return _running(run, now)
    if run.info.status != "FINISHED":
        cause = labels.get(tags.ERROR, "")
        return f"ended {run.info.status.lower()}" + (f": {cause[:300]}" if cause else "")
    if labels.get(tags.VALID) != tags.TRUE:
        return "finished, but never marked valid"
    return None


def _running(run: Run, now: datetime) -> str:
    age = now.timestamp() - (run.info.start_time or 0) / 1000
    if age < STALE_AFTER.total_seconds():
        return "still running, or its process died"
    return f"running for {_for_people(age)}: its process died, most likely"


def _for_people(seconds: float) -> str:
    for unit, length in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} seconds"


class RunChanged(ValueError):
    """A run no longer holds what its digest was made of."""


def read_evidence(run: Run, contract: Contract, iteration: int, *, digest: str) -> ProjectEvidence:
    """The evidence in a run's tags, metrics and dataset inputs, held against their ``digest`` where there is one.

    Raises:
        RunChanged: a value is not the one the run ended with.
        ValueError: a tag or dataset that this product did not write like that.
    """
    labels, metrics = run.data.tags, run.data.metrics
    kind = EvidenceKind(labels.get(tags.EVIDENCE, EvidenceKind.ADOPTED.value))
    adopted = kind is EvidenceKind.ADOPTED
    outs, ins = read_interfaces(run)
    if digest:
        needed = _metrics_read(contract, adopted=adopted)
        now = CoveredValues.of(run.info.run_id, metrics, labels, outs, ins)
        if changes := changes_since(digest, run, now, needed):
            raise RunChanged(f"was changed after it ended: {changes}")
    promised = {item.name for item in contract.interfaces_out}
    return ProjectEvidence(
        project_id=contract.id,
        iteration=iteration,
        kind=kind,
        run_id=run.info.run_id,
        ended=datetime.fromtimestamp(run.info.end_time / 1000, UTC) if run.info.end_time else None,
        contract_digest=labels.get(tags.CONTRACT, ""),
        kpis={kpi.name: _kpi(kpi, metrics, adopted=adopted) for kpi in contract.kpis},
        checks=_checks(labels, metrics, contract.kept_checks),
        interfaces_out={name: version for name, version in sorted(outs.items()) if name in promised},
        interfaces_in=tuple(sorted(ins)),
        costs=_costs(contract, metrics, adopted=adopted),
        evidence_digest=digest,
        code_version=labels.get(tags.GIT_COMMIT, ""),
        tasks=_tasks(labels.get(tags.TASKS)),
        task_documents=labels.get(tags.TASK_DOCUMENTS, ""),
    )


def _metrics_read(contract: Contract, *, adopted: bool) -> set[str]:
    """The keys of the metrics that evidence of this contract is read from."""
    ours = {kpi.name + suffix for kpi in contract.kpis for suffix in tags.KPI_SUFFIXES.values()}
    theirs = {name for use in contract.metric_paths() for name in metric_names(use.path)} if adopted else set()
    return ours | theirs | tags.SUMMARY_METRICS | {tags.COST_PREFIX + contract.cost_name}


def _tasks(text: str | None) -> tuple[str, ...]:
    found = json.loads(text) if text else []
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise ValueError(f"the tag {tags.TASKS} is no list of tasks")
    return tuple(sorted(set(found)))


def _finite(value: float | None) -> float | None:
    """The number, or None: NaN and the infinities, which MLflow stores as 1.797e308, are no values."""
    return value if value is not None and is_finite(value) else None


def metric_of(ours: str, path: str | None, metrics: Mapping[str, float], *, adopted: bool) -> str | None:
    """The name of the metric that holds a value; None when none does.

    Runs of ours hold it under our name; one that another tool logged under the contract's path, or else under ours.
    """
    theirs = metric_names(path) if adopted and path is not None else ()
    return next((name for name in (*theirs, ours) if name in metrics), None)


def _kpi(kpi: Kpi, metrics: Mapping[str, float], *, adopted: bool) -> KpiValue:
    def read(suffix: str, path: str | None) -> float | None:
        name = metric_of(kpi.name + suffix, path, metrics, adopted=adopted)
        return None if name is None else _finite(metrics[name])

    value = read("", kpi.path)
    size = read(tags.SAMPLE_SIZE_SUFFIX, kpi.n_path)
    stderr = read(tags.STANDARD_ERROR_SUFFIX, kpi.stderr_path)
    return KpiValue(
        _whole(value), None if size is None or size < 0 else int(size), None if stderr is None or stderr < 0 else stderr
    )


def _costs(contract: Contract, metrics: Mapping[str, float], *, adopted: bool) -> Costs:
    hours = metric_of(tags.REVIEW_HOURS, contract.costs.review_hours, metrics, adopted=adopted)
    cost = metric_of(tags.COST_PREFIX + contract.cost_name, contract.costs.review_cost, metrics, adopted=adopted)
    return Costs(*(None if name is None else _finite(metrics[name]) for name in (hours, cost)))


def _whole(value: float | None) -> float | None:
    """A whole number as int: MLflow keeps every metric as a float, and 526 documents are not 526.0."""
    return int(value) if value is not None and value.is_integer() and abs(value) < 2**53 else value


def _checks(labels: Mapping[str, str], metrics: Mapping[str, float], required: Iterable[str]) -> CheckSummary:
    text = labels.get(tags.CHECKS)
    document = json.loads(text) if text else {}
    if not isinstance(document, dict) or not isinstance(document.get("outcomes", {}), dict):
        raise ValueError(f"the tag {tags.CHECKS} is not a check summary")
    outcomes = {str(name): Outcome(value) for name, value in document.get("outcomes", {}).items()}

    def count(key: str) -> int:
        value = metrics.get(key)
        if value is not None and not 0 <= value <= MAX_COUNT:
            raise ValueError(f"the metric {key} is {value:g}, which is no count")
        return 0 if value is None else int(value)

    return CheckSummary(
        passed=count(tags.CHECKS_PASSED),
        failed=count(tags.CHECKS_FAILED),
        skipped=count(tags.CHECKS_SKIPPED),
        error=count(tags.CHECKS_ERROR),
        warned=count(tags.CHECKS_WARNED),
        not_passed={name: outcome for name, outcome in outcomes.items() if outcome is not Outcome.PASSED},
        required={name: outcomes[name] for name in required if name in outcomes},
        digest=str(document.get("digest", "")),
    )


def read_interfaces(run: Run) -> tuple[dict[str, InterfaceVersion], set[ConsumedInterface]]:
    """The interface versions a run made, by name, and those it read, from its dataset inputs.

    Raises:
        ValueError: a dataset that this product did not write like that.
    """
    outs: dict[str, InterfaceVersion] = {}
    ins: set[ConsumedInterface] = set()
    for item in run.inputs.dataset_inputs if run.inputs else []:
        labels = {tag.key: tag.value for tag in item.tags}
        context, dataset = labels.get(tags.CONTEXT), item.dataset
        if context == tags.CONTEXT_IN:
            carried_from = labels.get(tags.CARRIED_FROM)
            ins.add(ConsumedInterface(dataset.name, dataset.digest, int(carried_from) if carried_from else None))
        elif context == tags.CONTEXT_OUT:
            outs[dataset.name] = _version(dataset, labels.get(tags.URI, ""))
    return outs, ins


def _version(dataset: Any, uri: str) -> InterfaceVersion:
    profile = json.loads(dataset.profile) if dataset.profile else {}
    schema = json.loads(dataset.schema) if dataset.schema else {}
    columns = schema.get("mlflow_colspec", []) if isinstance(schema, dict) else []
    if not isinstance(profile, dict) or not isinstance(columns, list):
        raise ValueError(f"the dataset {dataset.name} has no profile or schema of ours")
    try:
        fields = tuple(FieldType(str(col["name"]), str(col["type"]), bool(col["required"])) for col in columns)
    except (KeyError, TypeError) as error:
        raise ValueError(f"the schema of the dataset {dataset.name} cannot be read") from error
    return InterfaceVersion(
        name=dataset.name,
        uri=uri,
        digest=dataset.digest,
        schema_digest=str(profile.get("schema_digest", "")),
        fields=tuple(sorted(fields)),
        rows=_count(profile.get("rows")),
        bytes=_count(profile.get("bytes")),
        records_digest=str(profile.get("records_digest", "")),
        schema_format=_count(profile.get("schema_format")) or 1,
    )


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
