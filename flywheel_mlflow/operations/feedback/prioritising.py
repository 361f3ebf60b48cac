"""Ranks what could be done next: themes, contracts to unify, gates to strengthen, by leverage."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.assembly.deliverables import REGISTRY, read_document
from flywheel_mlflow.assembly.recorded import RecordedAssembly
from flywheel_mlflow.base.errors import DocumentError, InputError, UnknownName
from flywheel_mlflow.base.quarters import Quarter, quarter_of, read_quarter
from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.evidence.lineage import edges
from flywheel_mlflow.evidence.owners import owners_of
from flywheel_mlflow.feedback.candidates import (
    CONTRACT,
    GATE,
    LOOKED_BACK,
    Candidate,
    SeenIteration,
    contract_candidates,
    gate_candidates,
    theme_candidate,
)
from flywheel_mlflow.feedback.costs import QuarterSpending, budget_line
from flywheel_mlflow.feedback.ranking import Ranked
from flywheel_mlflow.feedback.recurring import Theme
from flywheel_mlflow.feedback.tasks import TaskState
from flywheel_mlflow.operations.deciding import LedgerSnapshot, read_snapshot
from flywheel_mlflow.operations.feedback.theming import known_themes, prioritised, task_state, theme_of
from flywheel_mlflow.operations.scratch import scratch_folder
from flywheel_mlflow.promises.budgets import CATEGORIES

if TYPE_CHECKING:
    from flywheel_mlflow.tracking import Tracking

#: Reads something that cannot change, or recalls it: a key that names it, and what reads it.
Recall = Callable[[tuple[str, ...], Callable[[], Any]], Any]


@dataclass(frozen=True, slots=True)
class Ranking:
    """What could be done after an iteration, the highest leverage first; ``unread``: what could not be looked at."""

    iteration: int
    items: tuple[Ranked, ...]
    unread: tuple[str, ...] = ()


def rank(
    flywheel: Flywheel,
    iteration: int,
    themes: Iterable[Theme],
    seen: Iterable[SeenIteration],
    snapshot: LedgerSnapshot | None,
    now: datetime,
) -> tuple[Ranked, ...]:
    """The candidates of an iteration, the highest leverage first; ``seen`` are its assemblies, the newest last."""
    declared, contracts = edges(flywheel.contracts, {}, {}), flywheel.contracts
    state = task_state(snapshot)
    risks = tuple(snapshot.risks.values()) if snapshot else ()
    candidates = {
        item.id: item
        for item in (
            *(theme_candidate(theme, declared) for theme in themes),
            *contract_candidates(contracts, declared, tuple(seen), iteration),
            *gate_candidates(risks, contracts, declared, iteration, answered=_answered(state)),
        )
    }
    owners = owners_of(flywheel.blueprint, contracts, (item.project for item in candidates.values()))
    found = []
    for item in prioritised(flywheel, candidates.values(), snapshot, now):
        decision = (state.about(item.subject) or (None,))[-1]
        task = state.tasks.get(decision.task) if decision and decision.task else None
        candidate = candidates[item.subject]
        found.append(Ranked(candidate, item, decision, task, owners.get(candidate.project or "")))
    return tuple(found)


def _answered(state: TaskState) -> dict[str, datetime]:
    """When the newest task for each theme or candidate was absorbed."""
    found: dict[str, datetime] = {}
    for task in state.tasks.values():
        if task.theme is not None and task.absorbed is not None:
            found[task.theme] = max(task.absorbed.at, found.get(task.theme, task.absorbed.at))
    return found


def read_ranking(flywheel: Flywheel, tracking: Tracking, *, now: datetime, iteration: int | None = None) -> Ranking:
    """What could be done after an iteration, the newest with themes or an assembly if none is named.

    Raises:
        InputError: it has neither.
    """
    known, latest = known_themes(tracking), tracking.assemblies.latest_iteration()
    wanted = iteration or max([*known, *([latest] if latest else [])], default=None)
    recorded = tracking.assemblies.earlier(wanted + 1, most=LOOKED_BACK) if wanted else ()
    if wanted is None or (wanted not in known and not any(item.iteration == wanted for item in recorded)):
        raise InputError(
            f"iteration {wanted} has neither themes of feedback nor an assembly" if wanted else "nothing to rank yet",
            hint=f"flywheel assemble --iteration {wanted or 1}; flywheel feedback themes --iteration {wanted or 1}",
        )
    seen, unread = read_seen(tracking, recorded)
    themes = known[wanted].themes if wanted in known else ()
    snapshot = read_snapshot(tracking)
    return Ranking(wanted, rank(flywheel, wanted, themes, seen, snapshot, now), unread)


def _read(_: tuple[str, ...], make: Callable[[], Any]) -> Any:
    return make()


def read_seen(
    tracking: Tracking, recorded: Iterable[RecordedAssembly], recall: Recall = _read
) -> tuple[tuple[SeenIteration, ...], tuple[str, ...]]:
    """What assemblies recorded about interfaces, in their order, and which of them cannot be read, with the reason."""
    seen: list[SeenIteration] = []
    unread: list[str] = []
    for item in recorded:
        try:
            seen.append(recall(("interfaces seen", item.run_id), lambda item=item: _seen(tracking, item)))  # type: ignore[misc]
        except DocumentError as error:
            unread.append(f"iteration {item.iteration}: {error.faults[0].message}")
        except InputError as error:
            unread.append(f"iteration {item.iteration}: {error.what}")
    return tuple(seen), tuple(unread)


def _seen(tracking: Tracking, recorded: RecordedAssembly) -> SeenIteration:
    with scratch_folder() as folder:
        text = tracking.artifacts.text(recorded.run_id, REGISTRY, folder)
    if text is None:
        raise InputError(f"{REGISTRY} is gone", where=f"run {recorded.run_id}")
    entries = read_document(REGISTRY, text, where=f"{REGISTRY} of run {recorded.run_id}")
    return SeenIteration(
        recorded.iteration,
        tuple(edge for entry in entries for edge in entry.interfaces_in),
        {out.name: out.version.fields for entry in entries for out in entry.interfaces_out if out.version is not None},
    )


def work_of(
    flywheel: Flywheel, tracking: Tracking, name: str, iteration: int | None, *, now: datetime
) -> Theme | Candidate:
    """A theme or another candidate by its id, as an iteration has it, the newest if none is named.

    Raises:
        UnknownName: there is none. InputError: the iteration has nothing to rank.
    """
    if not name.startswith((CONTRACT, GATE)):
        return theme_of(tracking, name, iteration)
    found = [item.candidate for item in read_ranking(flywheel, tracking, now=now, iteration=iteration).items]
    chosen = next((item for item in found if item.id == name), None)
    if chosen is None:
        others = [item.id for item in found if item.kind != "theme"]
        raise UnknownName("candidate", name, others, where="`flywheel task priorities` shows them")
    return chosen


#: The class of tasks that came as files and name none.
NO_CATEGORY = "not said"


def quarter_spending(flywheel: Flywheel, state: TaskState, *, now: datetime, quarter: str = "") -> QuarterSpending:
    """What the tasks of each class come to in a quarter, the present one if none is named, beside its budget.

    Raises:
        InputError: no such quarter.
    """
    wanted: Quarter = read_quarter(quarter) if quarter else quarter_of(now)
    rules, budget = flywheel.blueprint.cost_rules, flywheel.blueprint.budgets.at(wanted)
    limits = {name: rules.read(text, least=0) for name, text in budget.limits.items()} if budget else {}
    tasks = [task.costed for task in state.tasks.values()]
    names = [*CATEGORIES, *([NO_CATEGORY] if any(task.category is None for task in tasks) else [])]
    lines = [
        budget_line(
            name, limits.get(name), [task for task in tasks if (task.category or NO_CATEGORY) == name], wanted, rules
        )
        for name in names
    ]
    return QuarterSpending(str(wanted), budget.since if budget else None, tuple(lines))
