"""Writes the console page of an iteration, and keeps it on the iteration's run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from flywheel_mlflow.assembly.history import describe_ledger
from flywheel_mlflow.assembly.recorded import RecordedAssembly
from flywheel_mlflow.base.canonical import sha256_text
from flywheel_mlflow.base.errors import FlywheelError, InputError
from flywheel_mlflow.base.writing import write_files
from flywheel_mlflow.decisions.explanations import answer, counting, spoken_for
from flywheel_mlflow.decisions.releases import Explained
from flywheel_mlflow.feedback.tasks import fold_tasks
from flywheel_mlflow.operations.assembly.assembling import assembly_digest
from flywheel_mlflow.operations.assembly.drifting import PRODUCTION
from flywheel_mlflow.operations.assembly.iterations import MOST_ITERATIONS, assemblies_before, newest_assemblies
from flywheel_mlflow.operations.deciding import LedgerSnapshot, Session, is_trouble, persistently, read_snapshot
from flywheel_mlflow.operations.reading.reader import Memory
from flywheel_mlflow.operations.scratch import scratch_folder
from flywheel_mlflow.reports.dashboard import DashboardView, build_dashboard, render_dashboard
from flywheel_mlflow.reports.dashboard_facts import DashboardFacts, DriftFacts, FeedbackFacts, LedgerFacts
from flywheel_mlflow.reports.dashboard_record import AssemblyRecord, read_record
from flywheel_mlflow.tables.links import NO_LINKS, Links

if TYPE_CHECKING:
    from flywheel_mlflow.drift import DriftReport
    from flywheel_mlflow.feedback.recurring import Themes
    from flywheel_mlflow.tracking import KeptDocument, Tracking

Found = TypeVar("Found")

PAGE = "dashboard.html"


@dataclass(frozen=True, slots=True)
class Reported:
    """A page and where it is; ``artifact`` is empty when the server keeps none, ``file`` None when none was asked."""

    iteration: int
    run_id: str
    view: DashboardView
    html: str
    artifact: str
    file: Path | None


def report_iteration(session: Session, iteration: int, *, out: Path | None = None, dry_run: bool = False) -> Reported:
    """Write the page of the newest assembly of an iteration, over an earlier one of the same assembly.

    Args:
        session: the flywheel, the server, a clock.
        iteration: which one.
        out: a folder that gets the page too.
        dry_run: keep nothing on the server.

    Raises:
        InputError: the iteration was never assembled, or its deliverables cannot be read.
        StorageError: the folder cannot be written.
    """
    from flywheel_mlflow.tracking.assemblies import DASHBOARD_PAGE

    facts = collect_page_facts(session, iteration)
    view = build_dashboard(facts)
    html = render_dashboard(view)
    if out is not None:
        write_files({PAGE: html}, out)
    if not dry_run:
        with scratch_folder() as folder:
            session.tracking.artifacts.put(facts.run_id, {DASHBOARD_PAGE: html}, folder)
    return Reported(
        iteration, facts.run_id, view, html, "" if dry_run else DASHBOARD_PAGE, out / PAGE if out is not None else None
    )


def collect_page_facts(session: Session, iteration: int) -> DashboardFacts:
    """Everything a page about an iteration is computed from; what cannot be read is unknown, with the reason.

    Raises:
        InputError: the iteration was never assembled, or its deliverables cannot be read.
        ServerUnreachable: nobody answers.
    """
    recorded = counted_assembly(session.tracking, iteration)
    earlier = assemblies_before(session.tracking, recorded, newest_assemblies(session.tracking))
    return persistently(session, lambda: gather_page_facts(session, recorded, earlier, Memory()))


def counted_assembly(tracking: Tracking, iteration: int) -> RecordedAssembly:
    """The newest valid assembly of an iteration, else the newest that contradicts itself.

    Raises:
        InputError: it was never assembled.
    """
    sound = tracking.assemblies.recorded(iteration)
    recorded = sound or tracking.assemblies.recorded(iteration, contradictory=True)
    if recorded is None:
        raise InputError(
            f"iteration {iteration} was never assembled", hint=f"run `flywheel assemble --iteration {iteration}`"
        )
    return recorded


def gather_page_facts(
    session: Session,
    recorded: RecordedAssembly,
    earlier: Iterable[RecordedAssembly],
    memory: Memory,
    *,
    links: Links = NO_LINKS,
) -> DashboardFacts:
    """Everything a page about one assembly is computed from, at most :data:`MOST_ITERATIONS` lie in its history.

    ``earlier`` are the assemblies of iterations before, oldest first; ``memory`` keeps what cannot change.

    Raises:
        InputError: the deliverables cannot be read.
        ServerUnreachable: nobody answers.
    """
    before = tuple(earlier)
    ledger, snapshot = read_ledger(session, memory)
    return replace(
        gather_record_facts(session, recorded, before, memory, links=links),
        drift=_drift(session, recorded, before, snapshot, memory),
        ledger=ledger,
        feedback=_feedback(session.tracking, recorded.iteration, memory),
    )


def gather_record_facts(
    session: Session,
    recorded: RecordedAssembly,
    earlier: Iterable[RecordedAssembly],
    memory: Memory,
    *,
    links: Links = NO_LINKS,
) -> DashboardFacts:
    """The same without drift, ledger and feedback, which are unknown in it.

    Raises:
        InputError: the deliverables cannot be read.
        ServerUnreachable: nobody answers.
    """
    read = read_assembly(session.tracking, recorded, memory)
    before = tuple(earlier)[-(MOST_ITERATIONS - 1) :]
    unread = "it was not asked for"
    return DashboardFacts(
        flywheel=session.flywheel.name,
        title=session.flywheel.blueprint.title,
        iteration=recorded.iteration,
        run_id=recorded.run_id,
        digest=recorded.digest,
        genuine=read.genuine,
        sound=recorded.sound,
        record=read.record,
        history={item.iteration: item.metrics for item in (*before, recorded)},
        drift=DriftFacts(unknown=unread),
        ledger=LedgerFacts(unknown=unread),
        feedback=FeedbackFacts(unknown=unread),
        now=session.now(),
        links=links,
    )


@dataclass(frozen=True, slots=True)
class ReadAssembly:
    """What an assembly recorded; ``genuine`` says whether its files still are those that were assembled."""

    record: AssemblyRecord
    genuine: bool


def read_assembly(tracking: Tracking, recorded: RecordedAssembly, memory: Memory) -> ReadAssembly:
    """An assembly's files; kept in ``memory`` once they have proved to be those that were assembled.

    Raises:
        InputError: a deliverable is missing, or is not what this package writes there.
    """

    def read() -> ReadAssembly:
        with scratch_folder() as folder:
            files = tracking.assemblies.files(recorded.run_id, folder)
        return ReadAssembly(read_record(files), assembly_digest(files) == recorded.digest)

    return memory.recall(("assembly", recorded.run_id, recorded.digest), read, keep=lambda found: found.genuine)


def _known(step: Callable[[], Found]) -> tuple[Found | None, str]:
    """What a step finds, or why it finds nothing; a server that is away or in trouble is no finding."""
    try:
        return step(), ""
    except FlywheelError as error:
        if is_trouble(error):
            raise
        return None, error.what


@dataclass(slots=True)
class _SeenWorld:
    """The snapshot a process read last: every word of it is compared with the server's again, so any will do."""

    snapshot: LedgerSnapshot | None = None


def read_ledger(session: Session, memory: Memory) -> tuple[LedgerFacts, LedgerSnapshot | None]:
    """What the ledger says now, and the snapshot it is part of; None when there is none, or it cannot be read.

    Raises:
        ServerUnreachable, ServerRefused: the server is away or in trouble.
    """
    seen = memory.recall(("world", session.flywheel.name), _SeenWorld)
    snapshot, unknown = _known(lambda: read_snapshot(session.tracking, known=seen.snapshot))
    seen.snapshot = snapshot
    if snapshot is None:
        return LedgerFacts(unknown=unknown), None
    if snapshot.ledger.faults:
        faults = tuple(fault.what for fault in snapshot.ledger.faults)
        return replace(_told(snapshot), aliases=snapshot.aliases, faults=faults), snapshot
    # Without a fault the head, the digest of the last event, stands for all of them: each holds that of the one before.
    told = memory.recall(("ledger", snapshot.ledger.head, snapshot.ledger.server_keys), partial(_told, snapshot))
    return replace(told, aliases=snapshot.aliases), snapshot


def _told(snapshot: LedgerSnapshot) -> LedgerFacts:
    return LedgerFacts(
        state=snapshot.state,
        risks=tuple(snapshot.risks.values()),
        tasks=fold_tasks(snapshot.ledger.counted),
        story=describe_ledger(snapshot.ledger),
    )


def _drift(
    session: Session,
    recorded: RecordedAssembly,
    earlier: Sequence[RecordedAssembly],
    snapshot: LedgerSnapshot | None,
    memory: Memory,
) -> DriftFacts:
    found, unknown = _known(lambda: _comparison(session, recorded, earlier, snapshot, memory))
    return found or DriftFacts(unknown=unknown)


@dataclass(frozen=True, slots=True)
class Against:
    """The assembly that an iteration is compared with."""

    iteration: int
    run_id: str


def reviewed_against(
    recorded: RecordedAssembly, earlier: Iterable[RecordedAssembly], snapshot: LedgerSnapshot | None
) -> Against | None:
    """The reference a reviewer would ask for: the release in production, else the iteration before; or nothing.

    A release of a later iteration is no reference for an earlier one.
    """
    version = snapshot.state.current[PRODUCTION] if snapshot else None
    if snapshot is not None and version is not None:
        release = snapshot.state.release(version)
        if release.iteration < recorded.iteration:
            return Against(release.iteration, release.run_id)
    sound = (item for item in earlier if item.sound and item.iteration == recorded.iteration - 1)
    return next((Against(item.iteration, item.run_id) for item in sound), None)


def _comparison(
    session: Session,
    recorded: RecordedAssembly,
    earlier: Sequence[RecordedAssembly],
    snapshot: LedgerSnapshot | None,
    memory: Memory,
) -> DriftFacts:
    reference = reviewed_against(recorded, earlier, snapshot)
    if reference is None:
        return DriftFacts(unknown="there is no earlier release in production and no iteration before")
    found = read_comparison(session.tracking, recorded.run_id, reference.run_id, memory)
    if found is None:
        return DriftFacts(unknown=f"nobody has compared it with iteration {reference.iteration} yet")
    report, digest = found
    return DriftFacts(report, answer(report, _explanations(session, snapshot, recorded.run_id, digest)))


def read_comparison(
    tracking: Tracking, run_id: str, reference_run_id: str, memory: Memory
) -> tuple[DriftReport, str] | None:
    """The kept comparison of two assemblies with the sha256 of its text; None when nobody compared them.

    Its text is read each time, since a comparison can be written again; a text is parsed once.

    Raises:
        DocumentError: it is no report, or does not follow from what it found.
    """
    from flywheel_mlflow.drift import drift_report_from_json

    with scratch_folder() as folder:
        text = tracking.comparisons.text(run_id, reference_run_id, folder)
    if text is None:
        return None
    digest = sha256_text(text)
    return memory.recall(("drift", digest), lambda: drift_report_from_json(text)), digest


def _explanations(session: Session, snapshot: LedgerSnapshot | None, run_id: str, drift: str) -> tuple[Explained, ...]:
    """What people answered for this very comparison and the release of this assembly, as far as it counts."""
    release = spoken_for(snapshot.state, run_id) if snapshot else None
    if snapshot is None or release is None:
        return ()
    return counting(release, drift, snapshot.ledger.events, session.flywheel.blueprint)


def _feedback(tracking: Tracking, iteration: int, memory: Memory) -> FeedbackFacts:
    def step() -> FeedbackFacts:
        counts: Counter[str] = Counter()
        batches, themes = tracking.feedback.of_iteration(iteration)
        for batch in batches:
            counts.update(batch.counts)
        return FeedbackFacts(len(batches), dict(counts), _themes(tracking, themes, memory))

    found, unknown = _known(step)
    return found or FeedbackFacts(unknown=unknown)


def read_themes(tracking: Tracking, iteration: int, memory: Memory) -> Themes | None:
    """The themes of an iteration as they were looked at last; None while nobody looked for any.

    Raises:
        InputError: they are gone, or not what was kept.
    """
    _, kept = tracking.feedback.of_iteration(iteration)
    return _themes(tracking, kept, memory)


def _themes(tracking: Tracking, kept: Sequence[KeptDocument], memory: Memory) -> Themes | None:
    if not kept:
        return None
    from flywheel_mlflow.feedback.recurring import themes_from_json
    from flywheel_mlflow.tracking.feedback import THEMES_FILE

    newest = kept[-1]

    def read() -> Themes:
        with scratch_folder() as folder:
            text = tracking.feedback.text(newest.run_id, THEMES_FILE, newest.digest, folder)
        return themes_from_json(text, name=f"run {newest.run_id}")

    return memory.recall(("themes", newest.run_id, newest.digest), read)
