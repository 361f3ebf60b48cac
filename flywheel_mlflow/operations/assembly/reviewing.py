"""Writes the quarterly review and says in the ledger that it was held."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from flywheel_mlflow.assembly import deliverables
from flywheel_mlflow.assembly.recorded import RecordedAssembly
from flywheel_mlflow.assembly.review import Review, Statement, Turn, review_quarter
from flywheel_mlflow.base.canonical import document_json, sha256_text
from flywheel_mlflow.base.documents import parse_json
from flywheel_mlflow.base.errors import DocumentError, InputError, Refused
from flywheel_mlflow.base.quarters import REVIEWED, Quarter, read_quarter
from flywheel_mlflow.base.writing import write_files
from flywheel_mlflow.drift import drift_report_from_json
from flywheel_mlflow.feedback.candidates import LOOKED_BACK
from flywheel_mlflow.feedback.priority import leverage_text
from flywheel_mlflow.operations.deciding import (
    LedgerSnapshot,
    NewEvent,
    Session,
    append_decision,
    begin,
    persistently,
    read_snapshot,
)
from flywheel_mlflow.operations.feedback.prioritising import rank, read_seen
from flywheel_mlflow.operations.feedback.theming import known_themes
from flywheel_mlflow.operations.scratch import scratch_folder
from flywheel_mlflow.reports.review import render_review

Value = TypeVar("Value")

#: Where the review lies among the artifacts of the newest assembly of its quarter.
FOLDER = "reviews"


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A review as it was written: its text, its files by name, the run that holds them (None: nothing was logged)."""

    review: Review
    text: str
    digest: str
    run_id: str | None


def write_review(session: Session, quarter: str, *, out: Path | None = None, dry_run: bool = False) -> Reviewed:
    """Write the review of a quarter, and log it with the newest assembly of that quarter.

    Raises:
        InputError: no such quarter, or it has neither an assembly nor a decision.
        StorageError: ``out`` cannot be written.
    """
    wanted = read_quarter(quarter)
    recorded = session.tracking.assemblies.between(wanted.start, wanted.end)
    snapshot = persistently(session, lambda: read_snapshot(session.tracking))
    review = review_quarter(
        session.flywheel.name,
        wanted,
        [_turn(session, item) for item in recorded],
        snapshot.ledger.counted if snapshot else (),
        snapshot.risks.values() if snapshot else (),
        _leverage(session, snapshot, wanted),
    )
    if not recorded and not any(wanted.holds(event.at) for event in (snapshot.ledger.counted if snapshot else ())):
        raise InputError(
            f"nothing was assembled or decided in {wanted}",
            hint="run `flywheel assemble --iteration N`, or name another quarter",
        )
    text = render_review(review)
    files = {f"{wanted}.md": text, f"{wanted}.json": document_json(review)}
    if out is not None:
        write_files(files, out)
    run_id = recorded[-1].run_id if recorded and not dry_run else None
    if run_id is not None:
        with scratch_folder() as folder:
            session.tracking.artifacts.put(run_id, {f"{FOLDER}/{name}": body for name, body in files.items()}, folder)
    return Reviewed(review, text, sha256_text(files[f"{wanted}.json"]), run_id)


def record_review(
    session: Session, quarter: str, *, run_id: str, digest: str, dry_run: bool = False
) -> dict[str, object]:
    """Say in the ledger that a quarter was reviewed.

    Raises:
        InputError: no such quarter. Refused: the run does not hold that review.
    """
    wanted = read_quarter(quarter)
    with scratch_folder() as folder:
        text = session.tracking.artifacts.text(run_id, f"{FOLDER}/{wanted}.json", folder)
    if text is None or sha256_text(text) != digest:
        raise Refused(
            f"run {run_id[:80]} does not hold this review of {wanted}",
            rule="a review is held when it is written down",
            hint=f"flywheel review --quarter {wanted}",
        )
    body = {"quarter": str(wanted), "run_id": run_id, "digest": digest}
    if dry_run:
        return {"event": None, "body": body}
    begin(session)
    event, _ = append_decision(session, lambda _: NewEvent(REVIEWED, body))
    return {"event": event.number, "body": body}


def _turn(session: Session, recorded: RecordedAssembly) -> Turn:
    with scratch_folder() as folder:
        files = session.tracking.assemblies.files(recorded.run_id, folder)

    def document(name: str, otherwise: Callable[[], Value]) -> Value:
        try:
            return parse_json(files[name], name=name) if name in files else otherwise()
        except DocumentError as error:
            raise InputError(f"{name} cannot be read", where=f"run {recorded.run_id}") from error

    drift = files.get(deliverables.DRIFT)
    return Turn(
        iteration=recorded.iteration,
        run_id=recorded.run_id,
        bottlenecks=document(deliverables.BOTTLENECKS, lambda: {"bottlenecks": [], "rules_not_decidable": []}),
        registry=tuple(document(deliverables.REGISTRY, list)),
        tasks=document(deliverables.TASKS, dict),
        drift=drift_report_from_json(drift, name=deliverables.DRIFT) if drift else None,
    )


def _leverage(session: Session, snapshot: LedgerSnapshot | None, quarter: Quarter) -> Statement | None:
    """The candidate of the highest leverage that waits for a decision, after the newest iteration.

    Urgency is judged at the quarter's end, or now while the quarter runs: nothing is overdue ahead of time.
    """
    tracking = session.tracking
    known = known_themes(tracking)
    iteration = max([*known, *([latest] if (latest := tracking.assemblies.latest_iteration()) else [])], default=None)
    if iteration is None:
        return None
    seen, _ = read_seen(tracking, tracking.assemblies.earlier(iteration + 1, most=LOOKED_BACK))
    themes = known[max(known)].themes if known else ()
    now = min(quarter.end, session.now())
    items = rank(session.flywheel, iteration, themes, seen, snapshot, now)
    first = next((item for item in items if item.waits), None)
    if first is None:
        return None
    candidate, priority = first.candidate, first.priority
    benefit = "unknown" if priority.benefit is None else f"{priority.benefit:.3g}"
    told = f"{candidate.kind} {candidate.id}, seen {candidate.count} times, benefit {benefit}"
    told += f", leverage {leverage_text(priority)}, {priority.urgency}: {candidate.title}"
    return Statement(told, f"priorities after iteration {iteration}")
