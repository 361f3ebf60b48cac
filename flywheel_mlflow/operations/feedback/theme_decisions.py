"""Applies a file of decisions to the themes of an iteration: accepts, queues and declines, safe to run again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from flywheel_mlflow.base.documents import Document, load_model
from flywheel_mlflow.base.errors import DocumentError, Fault, FlywheelError, InputError, Refused, UnknownName
from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.feedback.recurring import Theme
from flywheel_mlflow.feedback.tasks import Task, TaskState
from flywheel_mlflow.feedback.theme_decisions import ThemeChoice, ThemeChoices, matching_themes
from flywheel_mlflow.operations.deciding import Session, persistently, read_snapshot
from flywheel_mlflow.operations.feedback.handing import check_cost, check_kpi, check_moves, task_document
from flywheel_mlflow.operations.feedback.tasking import given_task, keep_task, task_of_theme
from flywheel_mlflow.operations.feedback.theming import find_themes, task_state

#: Does an act by name, here or by the server's plugin; answers with what was written.
Act = Callable[..., Mapping[str, Any]]

#: What a task says that was accepted before and must say the same now.
_SAME = ("project", "iteration", "request", "payload", "category", "kpi", "moves")


@dataclass(frozen=True, slots=True)
class DecidedTheme:
    """What became of one decision of a file.

    ``kind`` is accepted, queued or declined; ``theme`` is None where no single theme fits. ``event`` is the ledger's,
    None where nothing was written now: ``stands`` says that the ledger says so already, ``why`` why it was not decided.
    """

    line: int
    project: str
    words: tuple[str, ...]
    kind: str
    theme: str | None = None
    title: str = ""
    task: str | None = None
    events: int = 0
    event: int | None = None
    stands: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class _Choice:
    """A decision of a file with its line, and the task of its task file."""

    choice: ThemeChoice
    line: int
    given: Task | None

    @property
    def kind(self) -> str:
        return "accepted" if self.choice.accept else "queued" if self.choice.queue else "declined"


def decide_themes(
    session: Session, path: Path, found_in: int, act: Act, *, now: datetime, iteration: int | None = None,
    dry_run: bool = False,
) -> tuple[DecidedTheme, ...]:  # fmt: skip
    """Decide about the themes of an iteration as a file says, in its order.

    A decision that fits no theme, several, or one that another decision fits too, is told, and nothing of it is
    written; the others are. What the ledger says already is left as it is.

    Args:
        session: who acts, where.
        path: the file.
        found_in: the iteration whose feedback is meant.
        act: does an act by name.
        now: the time, for the priorities of themes.
        iteration: the iteration that shall do what is accepted; the one after ``found_in`` if left out.
        dry_run: write nothing.

    Raises:
        DocumentError: every fault of the file and the task files it names; nothing was written.
        InputError: no event of the iteration goes to any project.
    """
    choices = _read(path, session.flywheel)
    themes = find_themes(session.flywheel, session.tracking, found_in, now=now, dry_run=dry_run).themes.themes
    matches = [matching_themes(item.choice, themes) for item in choices]
    wanted = Counter(theme.id for found in matches for theme in found)
    state = task_state(persistently(session, lambda: read_snapshot(session.tracking)))
    ledger = _Ledger(session, act, state, iteration, dry_run)
    decided = []
    for item, found in zip(choices, matches, strict=True):
        plain = DecidedTheme(item.line, item.choice.project, item.choice.words, item.kind)
        if len(found) != 1 or wanted[found[0].id] > 1:
            decided.append(replace(plain, why=_unclear(found)))
            continue
        known = replace(plain, theme=found[0].id, title=found[0].title, events=len(found[0].events))
        try:
            decide = ledger.accept if item.given else ledger.put_off
            decided.append(decide(item, found[0], known))
        except (Refused, InputError) as error:
            decided.append(replace(known, why=error.what))
    return tuple(decided)


def _unclear(found: Sequence[Theme]) -> str:
    if not found:
        return "no theme fits"
    if len(found) == 1:
        return f"another decision fits {found[0].id} too"
    return f"{len(found)} themes fit: {', '.join(theme.id for theme in found)}"


@dataclass(frozen=True, slots=True)
class _Ledger:
    """Writes decisions about themes into the ledger, as far as it does not say the same already."""

    session: Session
    act: Act
    state: TaskState
    iteration: int | None
    dry_run: bool

    def put_off(self, item: _Choice, theme: Theme, known: DecidedTheme) -> DecidedTheme:
        """Queue or decline a theme."""
        reason = " ".join((item.choice.queue or item.choice.decline or "").split())
        latest = self.state.latest(theme.id, theme.iteration)
        if latest and (latest.kind, latest.reason) == (item.kind, reason):
            return replace(known, stands=True)
        if self.dry_run:
            return known
        name = "theme-queue" if item.choice.queue else "theme-decline"
        answer = self.act(name, theme=theme.id, reason=reason, iteration=theme.iteration)
        return replace(known, event=answer["event"])

    def accept(self, item: _Choice, theme: Theme, known: DecidedTheme) -> DecidedTheme:
        """Accept a theme as a task."""
        choice, given = item.choice, item.given
        task = task_of_theme(
            self.session,
            theme,
            category=choice.category or (given and given.category) or "",
            iteration=self.iteration,
            kpi=choice.kpi or "",
            moves=choice.moves,
            cost=choice.cost or (given and given.cost) or self._stated(theme),
            given=given,
        )
        known = replace(known, task=task.id)
        if task.id in self.state.tasks:
            before = task_document(self.session.tracking, self.state.tasks[task.id])
            changed = [name for name in _SAME if getattr(before, name) != getattr(task, name)]
            why = f"{task.id} was accepted with another {', '.join(changed)}" if changed else ""
            return replace(known, stands=not changed, events=len(before.events), why=why)
        prepared = keep_task(self.session, task, dry_run=self.dry_run)
        known = replace(known, events=len(prepared.task.events))
        if prepared.run_id is None:
            return known
        return replace(known, event=self.act("task-accept", run_id=prepared.run_id, digest=prepared.digest)["event"])

    def _stated(self, theme: Theme) -> str:
        """What people said the theme would cost; empty while nobody did."""
        found = self.state.estimates.get(theme.id)
        return found.cost.written if found and found.cost else ""


def _read(path: Path, flywheel: Flywheel) -> tuple[_Choice, ...]:
    """The decisions of a file, each with its task.

    Raises:
        DocumentError: every fault of the file, and of the task files it names, together.
    """
    found, document = load_model(path, ThemeChoices)
    faults: list[Fault] = []
    choices = []
    for place, choice in enumerate(found.decisions):
        where = ("decisions", place)
        given = _given(choice, where, path.parent, flywheel, document, faults)
        choices.append(_Choice(choice, document.line_of(where), given))
    if faults:
        raise DocumentError(faults, hint="correct the files, then decide again: nothing was written")
    return tuple(choices)


def _given(
    choice: ThemeChoice,
    where: tuple[str | int, ...],
    folder: Path,
    flywheel: Flywheel,
    document: Document,
    faults: list[Fault],
) -> Task | None:
    """The task of a decision that accepts; what is wrong with the decision is added to ``faults``."""

    def checked(key: str, check: Callable[[], Any]) -> Any:
        try:
            return check()
        except DocumentError as error:
            faults.extend([document.fault((*where, key), "the task file has faults"), *error.faults])
        except FlywheelError as error:
            faults.append(document.fault((*where, key), error.what))
        return None

    if choice.project not in flywheel.contracts:
        unknown = UnknownName("project", choice.project, flywheel.contracts)
        faults.append(document.fault((*where, "project"), unknown.what))
        return None
    if choice.accept is None:
        return None
    contract, file = flywheel.contract(choice.project), folder / choice.accept
    task: Task | None = checked("accept", lambda: given_task(file, contract))
    kpi, moves = choice.kpi or (task and task.kpi) or None, choice.moves or (task.moves if task else ())
    checked("kpi", lambda: check_kpi(contract, kpi))
    checked("moves", lambda: check_moves(flywheel, moves))
    checked("cost", lambda: check_cost(flywheel, choice.cost or (task.cost if task else None)))
    if task is not None and (choice.category or task.category) is None:
        faults.append(document.fault(where, "no category, neither here nor in the task file"))
    return task
