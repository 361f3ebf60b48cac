"""Opens risks for what an iteration shows by itself: drift, themes that come back, late rhythms, rollbacks to make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, timedelta
from functools import partial

from flywheel_mlflow.assembly.deliverables import DRIFT
from flywheel_mlflow.assembly.recorded import RecordedAssembly
from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.decisions.rhythms import REVIEW, late
from flywheel_mlflow.decisions.risks import RiskKind
from flywheel_mlflow.decisions.rollback_conditions import PROPOSED
from flywheel_mlflow.drift import Verdict, drift_report_from_json
from flywheel_mlflow.evidence.lineage import producers
from flywheel_mlflow.feedback.findings import project_of
from flywheel_mlflow.feedback.recurring import Theme, Themes
from flywheel_mlflow.feedback.tasks import TaskState
from flywheel_mlflow.operations.assembly.rhythms import judge_rhythms
from flywheel_mlflow.operations.deciding import (
    LedgerSnapshot,
    NewEvent,
    Session,
    append_decision,
    begin,
    persistently,
    read_snapshot,
)
from flywheel_mlflow.operations.feedback.theming import known_themes, task_state
from flywheel_mlflow.operations.releases.rollback_conditions import judge_rollbacks
from flywheel_mlflow.operations.scratch import scratch_folder
from flywheel_mlflow.promises.routes import SEVERITIES

#: Days until somebody must have answered for what was found.
FOUND_DUE_DAYS = 30
#: Days until somebody must have answered for a rhythm that was not kept.
LATE_DUE_DAYS = 14
#: Likelihood and impact of what speaks for a rollback, and days until somebody must have answered for it.
GRAVE, PROPOSED_DUE_DAYS = 4, 1
#: What the risks of rhythms other than reviews are caused by.
RHYTHM = "rhythm"
#: Impact by the worst severity of a theme's events; likelihood is 4, because it did come back.
THEME_IMPACT = {"low": 2, "medium": 3, "high": 4}
CAME_BACK = 4
MAX_TITLE = 250


@dataclass(frozen=True, slots=True)
class Watched:
    """What was found for an iteration: ``written`` are the numbers of the new events, one for each finding."""

    iteration: int
    found: tuple[Mapping[str, object], ...]
    written: tuple[int, ...]


def watch_risks(session: Session, iteration: int, *, dry_run: bool = False) -> Watched:
    """Write down the risks an iteration shows; what is known for this iteration is not written again.

    Raises:
        InputError: the iteration has neither a valid assembly nor themes, so that there is nothing to look at.
    """
    recorded = session.tracking.assemblies.recorded(iteration)
    themes = known_themes(session.tracking, until=iteration).get(iteration)
    if recorded is None and themes is None:
        raise InputError(
            f"iteration {iteration} has no valid assembly, and no themes of feedback",
            hint=f"run `flywheel assemble --iteration {iteration}`",
        )
    snapshot = persistently(session, lambda: read_snapshot(session.tracking)) if dry_run else begin(session)
    bodies = [
        *(_drift(session, recorded) if recorded else ()),
        *(_themes(session, themes, task_state(snapshot)) if themes else ()),
        *(_budgets(session, recorded) if recorded else ()),
        *_late(session, iteration, snapshot),
        *_rollbacks(session, iteration, snapshot),
    ]
    fresh = [body for body in bodies if not _is_known(snapshot, body)]
    if dry_run:
        return Watched(iteration, tuple(fresh), ())
    written = [append_decision(session, partial(_draft, body))[0].number for body in fresh]
    return Watched(iteration, tuple(fresh), tuple(written))


def _draft(body: Mapping[str, object], _world: LedgerSnapshot) -> NewEvent:
    return NewEvent(RiskKind.SEEN, body)


def _is_known(snapshot: LedgerSnapshot | None, body: Mapping[str, object]) -> bool:
    same = [risk for risk in snapshot.risks.values() if risk.topic == body["topic"]] if snapshot else []
    return any(body["iteration"] in risk.iterations for risk in same)


def _body(session: Session, cause: str, topic: str, title: str, iteration: int, **more: object) -> dict[str, object]:
    due = (session.now() + timedelta(days=FOUND_DUE_DAYS)).replace(microsecond=0)
    told = " ".join("".join(char if char.isprintable() else " " for char in title).split())
    return {
        "cause": cause,
        "topic": topic,
        "title": told[:MAX_TITLE],
        "iteration": iteration,
        "likelihood": 3,
        "impact": 3,
        "due": due.isoformat(),
        "projects": [],
    } | more


def _drift(session: Session, recorded: RecordedAssembly) -> Iterator[dict[str, object]]:
    """One finding for each project with drift that blocks, from the newest assembly's own comparison."""
    with scratch_folder() as folder:
        text = session.tracking.artifacts.text(recorded.run_id, DRIFT, folder)
    if text is None:
        return
    told: dict[str, str] = {}
    makers = producers(session.flywheel.contracts.values())
    for finding in drift_report_from_json(text, name=DRIFT).findings:
        project = project_of(finding, session.flywheel.contracts, makers)
        if finding.verdict is Verdict.BLOCK and project is not None:
            told.setdefault(project, f"Drift of {project}: {finding.subject} {finding.text}")
    for project, title in told.items():
        owner = session.flywheel.contracts[project].owner
        yield _body(session, "drift", f"drift/{project}", title, recorded.iteration, owner=owner, projects=[project])


def _themes(session: Session, themes: Themes, state: TaskState) -> Iterator[dict[str, object]]:
    """One finding for each theme that was seen before, unless people declined it."""
    for theme in themes.themes:
        contract = session.flywheel.contracts.get(theme.project)
        declined = [item.kind for item in state.about(theme.id)][-1:] == ["declined"]
        if theme.seen_in and contract is not None and not declined:
            yield _body(
                session,
                "theme",
                f"theme/{theme.id}",
                f"Feedback came back, seen in {_turns(theme)} before: {theme.title} ({theme.id})",
                themes.iteration,
                owner=contract.owner,
                projects=[theme.project],
                likelihood=CAME_BACK,
                impact=_theme_impact(theme),
            )


def _turns(theme: Theme) -> str:
    noun = "iteration" if len(theme.seen_in) == 1 else "iterations"
    return f"{noun} {', '.join(map(str, theme.seen_in))}"


def _theme_impact(theme: Theme) -> int:
    """By the worst severity anybody stated; in the middle where nobody did."""
    worst = next((word for word in reversed(SEVERITIES) if theme.severities.get(word)), "medium")
    return THEME_IMPACT[worst]


def _late(session: Session, iteration: int, snapshot: LedgerSnapshot | None) -> Iterator[dict[str, object]]:
    """A finding for each rhythm that should have been held by now."""
    for item in late(judge_rhythms(session, snapshot)):
        due = (session.now() + timedelta(days=LATE_DUE_DAYS)).astimezone(UTC).replace(microsecond=0)
        cause, topic = RHYTHM, f"{RHYTHM}/{item.id}/{item.missed}"
        title = f"{item.title} is late for {item.missed}"
        if item.shown_by == REVIEW:
            cause, topic = REVIEW, f"{REVIEW}/{item.missed}"
            title = f"The review of {item.missed} is overdue ({item.title})"
        yield _body(session, cause, topic, title, iteration, owner=item.owner, due=due.isoformat())


def _budgets(session: Session, recorded: RecordedAssembly) -> Iterator[dict[str, object]]:
    """One finding for each budget of which the iteration's runs spent more than there is."""
    contracts = session.flywheel.contracts
    assembly = session.flywheel.assembly_project
    for budget in session.flywheel.blueprint.budgets.runs:
        share = recorded.metrics.get(f"budget.{budget.id}.share")
        answers = contracts.get(budget.project) if budget.project else assembly
        if share is None or share <= 1 or answers is None:
            continue
        title = f"The budget {budget.id} is spent to {share:.0%} ({budget.of.replace('_', ' ')} each {budget.per})"
        projects = [budget.project] if budget.project else []
        yield _body(
            session, "budget", f"budget/{budget.id}", title, recorded.iteration, owner=answers.owner, projects=projects
        )


def _rollbacks(session: Session, iteration: int, snapshot: LedgerSnapshot | None) -> Iterator[dict[str, object]]:
    """A finding for each declared condition under which production is to be taken back."""
    for item in judge_rollbacks(session, snapshot):
        if item.holds:
            title = f"Take back release {item.version}: {item.condition.title}. {item.text}"
            yield _body(
                session,
                PROPOSED,
                item.topic,
                title,
                iteration,
                owner=item.condition.owner,
                likelihood=GRAVE,
                impact=GRAVE,
                due=(session.now() + timedelta(days=PROPOSED_DUE_DAYS)).replace(microsecond=0).isoformat(),
            )
