"""Writes the console page of an iteration, and keeps it on the iteration's run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from flywheel_mlflow.assembly import RecordedAssembly
from flywheel_mlflow.canonical import sha256_text
from flywheel_mlflow.errors import FlywheelError, InputError, ServerUnreachable
from flywheel_mlflow.explanations import answer
from flywheel_mlflow.feedback.tasks import fold_tasks
from flywheel_mlflow.history import tell
from flywheel_mlflow.operations.assembling import assembly_digest
from flywheel_mlflow.operations.deciding import Desk, World, look, persistently
from flywheel_mlflow.operations.drifting import default_reference
from flywheel_mlflow.operations.scratch import scratch_folder
from flywheel_mlflow.releases import Explained
from flywheel_mlflow.reports.dashboard import DashboardView, build_dashboard, render_dashboard
from flywheel_mlflow.reports.dashboard_facts import DashboardFacts, DriftFacts, FeedbackFacts, LedgerFacts
from flywheel_mlflow.reports.dashboard_record import read_record
from flywheel_mlflow.writing import write_files

if TYPE_CHECKING:
    from flywheel_mlflow.feedback.recurring import Themes
    from flywheel_mlflow.tracking import Tracking

Found = TypeVar("Found")

PAGE = "dashboard.html"
#: Iterations whose numbers are drawn: a line of more is not read.
MOST_ITERATIONS = 12


@dataclass(frozen=True, slots=True)
class Reported:
    """A page and where it is; ``artifact`` is empty when the server keeps none, ``file`` None when none was asked."""

    iteration: int
    run_id: str
    view: DashboardView
    html: str
    artifact: str
    file: Path | None


def report_iteration(desk: Desk, iteration: int, *, out: Path | None = None, dry_run: bool = False) -> Reported:
    """Write the page of the newest assembly of an iteration, over an earlier one of the same assembly.

    Args:
        desk: the flywheel, the server, a clock.
        iteration: which one.
        out: a folder that gets the page too.
        dry_run: keep nothing on the server.

    Raises:
        InputError: the iteration was never assembled, or its deliverables cannot be read.
        StorageError: the folder cannot be written.
    """
    from flywheel_mlflow.tracking.assemblies import DASHBOARD_PAGE

    facts = collect_page_facts(desk, iteration)
    view = build_dashboard(facts)
    html = render_dashboard(view)
    if out is not None:
        write_files({PAGE: html}, out)
    if not dry_run:
        with scratch_folder() as folder:
            desk.tracking.artifacts.put(facts.run_id, {DASHBOARD_PAGE: html}, folder)
    return Reported(
        iteration, facts.run_id, view, html, "" if dry_run else DASHBOARD_PAGE, out / PAGE if out is not None else None
    )


def collect_page_facts(desk: Desk, iteration: int) -> DashboardFacts:
    """Everything a page about an iteration is computed from; what cannot be read is unknown, with the reason.

    Raises:
        InputError: the iteration was never assembled, or its deliverables cannot be read.
        ServerUnreachable: nobody answers.
    """
    tracking = desk.tracking
    sound = tracking.assemblies.recorded(iteration)
    recorded = sound or tracking.assemblies.recorded(iteration, contradictory=True)
    if recorded is None:
        raise InputError(
            f"iteration {iteration} was never assembled", hint=f"run `flywheel assemble --iteration {iteration}`"
        )
    with scratch_folder() as folder:
        files = tracking.assemblies.files(recorded.run_id, folder)
    ledger, world = _ledger(desk)
    return DashboardFacts(
        flywheel=desk.flywheel.name,
        title=desk.flywheel.blueprint.title,
        iteration=iteration,
        run_id=recorded.run_id,
        digest=recorded.digest,
        genuine=assembly_digest(files) == recorded.digest,
        sound=sound is not None,
        record=read_record(files),
        history=_history(tracking, recorded),
        drift=_drift(tracking, recorded, world),
        ledger=ledger,
        feedback=_feedback(tracking, iteration),
        now=desk.now(),
    )


def _history(tracking: Tracking, recorded: RecordedAssembly) -> dict[int, Mapping[str, float]]:
    earlier = tracking.assemblies.earlier(recorded.iteration, most=MOST_ITERATIONS - 1)
    return {item.iteration: item.metrics for item in (*earlier, recorded)}


def _known(step: Callable[[], Found]) -> tuple[Found | None, str]:
    """What a step finds, or why it finds nothing; a server nobody reaches is no finding."""
    try:
        return step(), ""
    except ServerUnreachable:
        raise
    except FlywheelError as error:
        return None, error.what


def _ledger(desk: Desk) -> tuple[LedgerFacts, World | None]:
    world, unknown = _known(lambda: persistently(desk, lambda: look(desk.tracking)))
    if world is None:
        return LedgerFacts(unknown=unknown), None
    events = world.ledger.events
    facts = LedgerFacts(
        state=world.state,
        aliases=world.aliases,
        risks=tuple(world.risks.values()),
        tasks=fold_tasks(events),
        story=tell(events),
        faults=tuple(fault.what for fault in world.ledger.faults),
    )
    return facts, world


def _drift(tracking: Tracking, recorded: RecordedAssembly, world: World | None) -> DriftFacts:
    found, unknown = _known(lambda: _comparison(tracking, recorded, world))
    return found or DriftFacts(unknown=unknown)


def _comparison(tracking: Tracking, recorded: RecordedAssembly, world: World | None) -> DriftFacts:
    """The comparison a reviewer would ask for: with the release in production, else with the iteration before.

    A release of a later iteration is no reference for an earlier one.
    """
    from flywheel_mlflow.drift import drift_report_from_json

    reference = default_reference(tracking, recorded.iteration, recorded.run_id)
    if reference is not None and reference.iteration >= recorded.iteration:
        reference = tracking.assemblies.recorded(recorded.iteration - 1) if recorded.iteration > 1 else None
    if reference is None:
        return DriftFacts(unknown="there is no earlier release in production and no iteration before")
    with scratch_folder() as folder:
        text = tracking.comparisons.text(recorded.run_id, reference.run_id, folder)
    if text is None:
        return DriftFacts(unknown=f"nobody has compared it with iteration {reference.iteration} yet")
    report = drift_report_from_json(text)
    return DriftFacts(report, answer(report, _explanations(world, recorded.run_id, sha256_text(text))))


def _explanations(world: World | None, run_id: str, drift: str) -> tuple[Explained, ...]:
    """What people answered for this very comparison, on any release of this assembly."""
    releases = world.state.releases.values() if world else ()
    return tuple(
        item for release in releases if release.run_id == run_id for item in release.explanations if item.drift == drift
    )


def _feedback(tracking: Tracking, iteration: int) -> FeedbackFacts:
    def step() -> FeedbackFacts:
        counts: Counter[str] = Counter()
        batches = tracking.feedback.batches(iteration)
        for batch in batches:
            counts.update(batch.counts)
        return FeedbackFacts(len(batches), dict(counts), _themes(tracking, iteration))

    found, unknown = _known(step)
    return found or FeedbackFacts(unknown=unknown)


def _themes(tracking: Tracking, iteration: int) -> Themes | None:
    """The themes of the iteration as they were looked at last; None while nobody looked for any."""
    from flywheel_mlflow.tracking.feedback import KIND_THEMES, THEMES_FILE

    kept = tracking.feedback.kept(KIND_THEMES, iteration)
    if not kept:
        return None
    from flywheel_mlflow.feedback.recurring import themes_from_json

    newest = kept[-1]
    with scratch_folder() as folder:
        text = tracking.feedback.text(newest.run_id, THEMES_FILE, newest.digest, folder)
    return themes_from_json(text, name=f"run {newest.run_id}")
