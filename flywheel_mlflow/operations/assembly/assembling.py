"""Collects and assembles one iteration, and writes the deliverables on the server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from flywheel_mlflow import consistency
from flywheel_mlflow.assembly.assembly import Assembly, assemble
from flywheel_mlflow.assembly.deliverables import REPORT, stored, stored_name
from flywheel_mlflow.assembly.recorded import RecordedAssembly
from flywheel_mlflow.assembly.track_record import NO_RECORD, TrackRecord, decided_until, track_record
from flywheel_mlflow.base.canonical import digest_of, sha256_text
from flywheel_mlflow.base.documents import parse_json, read_text, value_at
from flywheel_mlflow.base.errors import AssemblyError, InputError
from flywheel_mlflow.base.names import REVIEW_COST
from flywheel_mlflow.base.settings import Engine
from flywheel_mlflow.base.writing import write_files
from flywheel_mlflow.decisions.ledger import Event
from flywheel_mlflow.decisions.variants import fold_variants
from flywheel_mlflow.drift import DriftReport, causes_of
from flywheel_mlflow.evidence.flywheel import PROJECTS_FOLDER, Flywheel
from flywheel_mlflow.evidence.runs import Check, Collected, CommonIds, Outcome, Overlap, ProjectEvidence
from flywheel_mlflow.feedback.absorption import NO_REFLUX, Reflux, effects_known
from flywheel_mlflow.feedback.tasks import fold_tasks
from flywheel_mlflow.operations.assembly.budgeting import earlier_runs
from flywheel_mlflow.operations.assembly.collecting import collect_iteration
from flywheel_mlflow.operations.assembly.common_ids import find_common_ids
from flywheel_mlflow.operations.assembly.contamination import find_overlaps
from flywheel_mlflow.operations.assembly.drifting import compare_evidence
from flywheel_mlflow.operations.assembly.validating import refuse_faulty
from flywheel_mlflow.operations.deciding import read_snapshot
from flywheel_mlflow.operations.feedback.handing import unknown_documents
from flywheel_mlflow.operations.projects.self_evidence import own_files, self_evidence
from flywheel_mlflow.reports.bundle import render_deliverables
from flywheel_mlflow.reports.links import Place, assembly_links, with_links
from flywheel_mlflow.reports.note import assembly_note, stage_note
from flywheel_mlflow.tables.texts import format_value

if TYPE_CHECKING:
    from flywheel_mlflow.tracking import AssemblyContent, Tracking, WrittenAssembly

PUBLISHED_FILE = "published_projects.json"
#: The assembly's own checks judge an assembly that contains their result. Two rounds settle
#: it; more means that a check depends on its own outcome.
MAX_ROUNDS = 4


@dataclass(frozen=True, slots=True)
class IterationInputs:
    """What the server holds about an iteration and the one before."""

    collected: Collected
    before: Collected | None
    previous: RecordedAssembly | None
    overlaps: tuple[Overlap, ...] = ()
    common_ids: tuple[CommonIds, ...] = ()
    drift: DriftReport | None = None
    record: TrackRecord = NO_RECORD
    reflux: Reflux = NO_REFLUX
    earlier_runs: tuple[ProjectEvidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Assembled:
    """An assembly with its checks, its files, and where it was written.

    ``table`` is the address of all iterations below that of the server's user interface; ``pages`` says whether the
    server shows the flywheel's own pages too.
    ``unchanged`` means that the newest assembly of the iteration has the same bytes, so no
    second run was made; ``run_id`` is then that one's.
    """

    assembly: Assembly
    checks: tuple[Check, ...]
    files: Mapping[str, str]
    digest: str
    run_id: str
    experiment_id: str
    table: str
    pages: bool
    unchanged: bool

    @property
    def contradictions(self) -> tuple[Check, ...]:
        """The assembly's own checks that did not pass."""
        return tuple(check for check in self.checks if check.outcome is not Outcome.PASSED)


def gather(
    flywheel: Flywheel, tracking: Tracking, iteration: int, *, compared: bool = True, engine: Engine = "local"
) -> IterationInputs:
    """Everything on the server that an assembly of ``iteration`` rests on.

    ``compared`` False leaves the comparison with the iteration before out, for answers that do not need it. The
    ``engine`` looks for evaluation data in training data.
    """
    snapshot = read_snapshot(tracking)
    choices = fold_variants(snapshot.ledger.counted) if snapshot else ()
    before = collect_iteration(flywheel, tracking, iteration - 1, choices=choices) if iteration > 1 else None
    collected = collect_iteration(flywheel, tracking, iteration, choices=choices)
    previous = tracking.assemblies.recorded(iteration - 1) if iteration > 1 else None
    ended = max((item.ended for item in collected.evidence.values() if item.ended), default=None)
    # The ledger as it was when this iteration's evidence ended; later decisions belong to later iterations.
    decided = decided_until(snapshot.ledger.events, ended) if snapshot else ()
    reflux = _reflux(tracking, decided, ended, collected)
    drift = None
    if compared and before is not None and before.evidence and collected.evidence:
        drift = compare_evidence(flywheel, tracking, collected, before, previous, tasks=effects_known(reflux))
    return IterationInputs(
        collected,
        before,
        previous,
        find_overlaps(flywheel, tracking, collected, engine=engine),
        find_common_ids(flywheel, tracking, collected),
        drift,
        track_record(decided),
        reflux,
        earlier_runs(flywheel, tracking, collected, before, choices),
    )


def _reflux(tracking: Tracking, decided: tuple[Event, ...], ended: datetime | None, collected: Collected) -> Reflux:
    """The feedback as it was then; counts of ingestions stand on their runs, so no event is read."""
    batches = tracking.feedback.batches()
    taken = [batch.counts.get("events", 0) for batch in batches if ended is not None and batch.at <= ended]
    state = fold_tasks(decided)
    return Reflux(state, sum(taken), unknown_documents(tracking, collected.evidence.values(), state))


@dataclass(frozen=True, slots=True)
class AssembledFiles:
    """An assembly that contains the outcome of its own checks, with its files by the names they are stored under."""

    assembly: Assembly
    checks: tuple[Check, ...]
    files: Mapping[str, str]


def settle(flywheel: Flywheel, gathered: IterationInputs, sources: Mapping[str, str | None]) -> AssembledFiles:
    """Assemble until the checks of the assembly agree with the evidence they are in it.

    Raises:
        AssemblyError: they never do, which is a defect of a check.
    """
    published = published_totals(flywheel)
    own: ProjectEvidence | None = None
    for _ in range(MAX_ROUNDS):
        current = assemble(
            flywheel,
            gathered.collected,
            before=gathered.before,
            previous=gathered.previous,
            self_evidence=own,
            overlaps=gathered.overlaps,
            common_ids=gathered.common_ids,
            drift=gathered.drift,
            record=gathered.record,
            reflux=gathered.reflux,
            earlier_runs=gathered.earlier_runs,
        )
        draft = render_deliverables(current, published=published)
        view = consistency.AssemblyView(
            files=draft, now=current, rendered=draft, sources=sources, format_value=format_value
        )
        checks = consistency.run_checks(view)
        found = self_evidence(current, checks)
        if found == own or found is None:
            files = render_deliverables(current, checks=checks, published=published) | own_files(current)
            return AssembledFiles(current, checks, stored(files, flywheel.blueprint.deliverables.prefix))
        own = found
    raise AssemblyError(
        f"the assembly's own checks do not settle within {MAX_ROUNDS} rounds",
        hint="a check depends on its own outcome: report this as a defect",
    )


def published_totals(flywheel: Flywheel) -> dict[str, float] | None:
    """The totals the published assembly stated, where the flywheel ships them; else None."""
    path = flywheel.root / PROJECTS_FOLDER / PUBLISHED_FILE
    own = flywheel.assembly_project
    if own is None or not path.is_file():
        return None
    document = parse_json(read_text(path), name=str(path))
    entries = document.get("projects", []) if isinstance(document, dict) else []
    metrics = next((item.get("metrics") for item in entries if item.get("project_id") == own.id), None)
    names = {"review_hours": "review_hours", REVIEW_COST: own.cost_name}
    found = {key: value_at(metrics, f"estimated_manual_{name}") for key, name in names.items()}
    return {name: float(value) for name, value in found.items() if isinstance(value, int | float)} or None


def assembly_digest(files: Mapping[str, str]) -> str:
    """sha256 over the names and contents of an assembly's files."""
    return digest_of({name: sha256_text(text) for name, text in files.items()})


def assemble_iteration(
    flywheel: Flywheel,
    tracking: Tracking,
    iteration: int,
    *,
    sources: Mapping[str, str | None],
    out: Path | None = None,
    force: bool = False,
    resume: str | None = None,
    resume_experiment: str | None = None,
    engine: Engine = "local",
) -> Assembled:
    """Assemble an iteration and write it on the server, unless the same is there already.

    Args:
        flywheel: what was promised.
        tracking: the server.
        iteration: which one.
        sources: Python sources by relative path, which one of the checks compiles.
        out: a folder that gets the deliverables too.
        force: write a run even when nothing changed.
        resume: the run ``mlflow run`` made; used as the parent when ``resume_experiment`` is
            the assembly's experiment.
        resume_experiment: the experiment that run lies in.
        engine: what looks for evaluation data in training data, this machine or Ray.

    Raises:
        DocumentError: a fault of the files that `flywheel validate` tells too.
        InputError: the iteration has no evidence.
    """
    refuse_faulty(flywheel)
    gathered = gather(flywheel, tracking, iteration, engine=engine)
    if not gathered.collected.evidence:
        raise InputError(
            f"iteration {iteration} has no evidence to assemble",
            hint="log the projects' runs first: `flywheel log`, `flywheel run-projects`, or assemble with --log",
        )
    settled = settle(flywheel, gathered, sources)
    digest = assembly_digest(settled.files)
    if out is not None:
        write_files(settled.files, out)
    experiment = tracking.assemblies.experiment()
    parent = resume if resume_experiment == experiment else None
    present = tracking.assemblies.recorded(iteration, contradictory=True)
    if present is not None and present.digest == digest and not force:
        if parent is not None:
            tracking.assemblies.mark_unchanged(parent, iteration, present.run_id)
        run_id, unchanged = present.run_id, True
    else:
        linked = partial(_linked, tracking, iteration, gathered.previous, _report(settled))
        written = tracking.assemblies.write(_content(settled, digest), resume=parent, linked=linked)
        run_id, unchanged = written.run_id, False
        tracking.assemblies.mark_current(iteration)
    if resume is not None and parent is None:
        tracking.assemblies.link(resume, run_id)
    return Assembled(
        assembly=settled.assembly,
        checks=settled.checks,
        files=settled.files,
        digest=digest,
        run_id=run_id,
        experiment_id=experiment,
        table=tracking.assemblies.table_address(experiment),
        pages=tracking.server.about is not None,
        unchanged=unchanged,
    )


def _linked(
    tracking: Tracking,
    iteration: int,
    previous: RecordedAssembly | None,
    report: str,
    written: WrittenAssembly,
    note: str,
    *,
    pages: bool | None = None,
) -> str:
    has_pages = tracking.server.about is not None if pages is None else pages
    place = Place(written.run_id, written.experiment_id, has_pages, report)
    table = tracking.assemblies.table_address(written.experiment_id)
    return with_links(assembly_links(place, table, iteration, previous.run_id if previous else None), note, report)


def _report(settled: AssembledFiles) -> str:
    return stored_name(REPORT, settled.assembly.flywheel.blueprint.deliverables.prefix)


def possible_notes(
    tracking: Tracking, recorded: RecordedAssembly, gathered: IterationInputs, settled: AssembledFiles
) -> tuple[frozenset[str], dict[str, str]]:
    """The notes that an assembly's run can have, and those of its stages by id.

    Its links depend on whether the server had pages of ours when it was written.
    """
    from flywheel_mlflow.tracking import WrittenAssembly

    content = _content(settled, "")
    written = WrittenAssembly(recorded.run_id, recorded.experiment_id)
    linked = partial(_linked, tracking, content.iteration, gathered.previous, _report(settled), written, content.note)
    notes = {stage.stage_id: stage.note for stage in content.stages}
    return frozenset(linked(pages=pages) for pages in (True, False)), notes


def _content(settled: AssembledFiles, digest: str) -> AssemblyContent:
    from flywheel_mlflow.tracking import AssemblyContent, StageRunContent

    assembly = settled.assembly
    own = assembly.flywheel.assembly_project
    entry = assembly.registry.get(own.id) if own else None
    evidence = entry.evidence if entry else None
    values = {name: metric.value for name, metric in assembly.metrics.items()}
    return AssemblyContent(
        iteration=assembly.iteration,
        digest=digest,
        valid=bool(settled.checks) and all(check.outcome is Outcome.PASSED for check in settled.checks),
        project_id=own.id if own else None,
        metrics={name: float(value) for name, value in values.items() if value is not None},
        causes={name: causes_of(item) for name, item in assembly.collected.evidence.items()},
        note=assembly_note(assembly),
        files=settled.files,
        stages=tuple(
            StageRunContent(
                stage_id=run.stage.id,
                title=run.stage.title,
                status=run.status.value,
                metrics={"score": float(run.score)} if run.score is not None else {},
                note=stage_note(run),
            )
            for run in assembly.stage_runs
        ),
        interfaces_out=tuple(evidence.interfaces_out.values()) if evidence else (),
        interfaces_in=evidence.interfaces_in if evidence else (),
    )
