"""Collects one iteration's evidence with one search, downloading no artifact."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from flywheel_mlflow.base.errors import ServerRefused
from flywheel_mlflow.decisions.variants import VariantChoice, counting_variant
from flywheel_mlflow.evidence.runs import (
    Collected,
    ProjectEvidence,
    SkippedRun,
)
from flywheel_mlflow.promises.contract import Contract
from flywheel_mlflow.tracking import tags
from flywheel_mlflow.tracking.connection import pages, translated
from flywheel_mlflow.tracking.places import MAX_AHEAD, EvidencePlaces, elsewhere, places_among
from flywheel_mlflow.tracking.run_evidence import RunChanged, read_evidence

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

#: Runs per page: every page repeats the server's whole sort (measured on 3.17.2), so one page
#: should hold an iteration; this many runs weigh about 10 MB.
PAGE_SIZE = 1000


#: A run that has been running for longer than this is told apart from one that is at work.
STALE_AFTER = timedelta(hours=24)
#: Runs of other experiments that are listed; others can log as many as they like.
MAX_STRANGERS = 100


class Collector:
    """Reads the evidence of one flywheel's projects from the tracking server.

    ``now`` is the clock; ``choices`` reads which variants the ledger says count, and is asked where contracts
    declare some.
    """

    def __init__(
        self,
        client: MlflowClient,
        *,
        uri: str,
        flywheel: str,
        page_size: int = PAGE_SIZE,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        note_address: Callable[[str, str], None] = lambda _run, _address: None,
        choices: Callable[[], tuple[VariantChoice, ...]] = tuple,
    ) -> None:
        self._client = client
        self._uri = uri
        self._flywheel = flywheel
        self._page_size = page_size
        self._now = now
        self._note_address = note_address
        self._choices = choices

    def collect(
        self,
        contracts: Mapping[str, Contract],
        iteration: int,
        *,
        only: frozenset[str] | None = None,
        choices: tuple[VariantChoice, ...] | None = None,
    ) -> Collected:
        """The evidence of an iteration; a project without a run is carried forward where its contract allows.

        ``only`` asks for these projects alone, and searches no other project's experiment; ``choices`` are what
        :meth:`choices` says, where that was asked already.

        One search finds the iteration. Only projects that are missing in it cost more: one
        search for each earlier iteration they may be carried from, over their experiments alone.
        Experiments that bear the flywheel's tag and hold no evidence cost one search, to tell of their runs.
        """
        places = self.places()  # a run logged since the last call may have brought a new one
        if choices is None:
            choices = self.choices(contracts if only is None else {name: contracts[name] for name in only})
        found = self._search(places, contracts, iteration, only, choices)
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
            earlier = self._search(places, missing, iteration - age, frozenset(wanted), choices)
            skipped += earlier.skipped
            for project_id, item in earlier.evidence.items():
                evidence[project_id] = carried(item)
                del wanted[project_id]
        return Collected(iteration, dict(sorted(evidence.items())), tuple(sorted(skipped)), found.variants)

    def choices(self, contracts: Mapping[str, Contract]) -> tuple[VariantChoice, ...]:
        """What the ledger says of the variants of these contracts; read only where some declare any."""
        return self._choices() if any(item.variants for item in contracts.values()) else ()

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
        alone = (item for variants in found.variants.values() for item in variants.values())
        return next(iter((*found.evidence.values(), *alone)), None)

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
        choices: tuple[VariantChoice, ...],
    ) -> Collected:
        """The evidence of one iteration, over all experiments or those of some projects."""
        experiments = places.experiments_of(projects)
        with translated(self._uri), _cycle_collector_paused():
            runs = list(self._runs(experiments, iteration)) if experiments else []
        found = fold(
            runs,
            contracts,
            iteration,
            projects,
            flywheel=self._flywheel,
            places=places,
            now=self._now(),
            choices=choices,
        )
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
    choices: tuple[VariantChoice, ...] = (),
) -> Collected:
    """The newest valid run of each project, and every other run with the reason it does not count.

    Of a project with variants it is the newest of the variant that counts: the one in ``choices``, or the control.
    """
    newest: dict[tuple[str, str], tuple[tuple[int, int, str], ProjectEvidence]] = {}
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
        key = (project_id, evidence.variant)
        if key in newest and newest[key][0] > rank:
            older = run.info.run_id
        else:
            older = newest[key][1].run_id if key in newest else None
            newest[key] = (rank, evidence)
        if older:
            skipped.append(SkippedRun(project_id, older, "superseded by a newer valid run"))
    variants: dict[str, dict[str, ProjectEvidence]] = {}
    for (project_id, variant), (_, evidence) in sorted(newest.items()):
        variants.setdefault(project_id, {})[variant] = evidence
    counted = {name: counting_variant(name, contracts[name].variants or ("",), choices, iteration) for name in variants}
    for name, found in variants.items():
        skipped += (
            SkippedRun(name, item.run_id or "", f"of variant {variant}; {counted[name]} counts")
            for variant, item in found.items()
            if variant != counted[name]
        )
    return Collected(
        iteration,
        {name: found[counted[name]] for name, found in variants.items() if counted[name] in found},
        tuple(sorted(skipped)),
        {name: found for name, found in variants.items() if contracts[name].variants},
    )


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
