"""What an iteration did with the tasks it was handed, and whether that helped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, TypeAdapter

from flywheel_mlflow.base.documents import read_json
from flywheel_mlflow.drift import DriftReport, KpiVerdict, TaskEffect
from flywheel_mlflow.evidence.runs import KpiValue, ProjectEvidence
from flywheel_mlflow.feedback.tasks import MAX_TOLD, AcceptedTask, Task, TaskState
from flywheel_mlflow.promises.contract import Contract


class Help(StrEnum):
    """Whether a task helped, by the KPI it names, on cases it does not hold."""

    HELPED = "helped"
    NOT_SHOWN = "no change shown"
    WORSE = "got worse"
    UNKNOWN = "unknown"


_HELP = {
    KpiVerdict.IMPROVED: Help.HELPED,
    KpiVerdict.WITHIN: Help.NOT_SHOWN,
    KpiVerdict.REGRESSED: Help.WORSE,
    KpiVerdict.VANISHED: Help.WORSE,
    KpiVerdict.INCONCLUSIVE: Help.UNKNOWN,
    KpiVerdict.NEW: Help.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class AbsorbedTask:
    """A task that a run of this iteration read for the first time.

    ``before`` and ``after`` are the named KPI in the iteration before and in this one, with their sample sizes; ``why``
    says how ``helped`` was judged, or why it is unknown. ``theme`` and ``request`` are None for a task of which neither
    the ledger nor its run kept a document; ``theme_iteration``, ``category`` and ``events`` where no decision of the
    ledger says them. ``moves`` are the findings it is meant to move.
    """

    task: str
    project: str
    run_id: str
    theme: str | None
    theme_iteration: int | None
    category: str | None
    request: str | None
    events: int | None
    kpi: str | None
    before: float | None
    before_n: int | None
    after: float | None
    after_n: int | None
    helped: Help
    why: str
    moves: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KeptTask:
    """A task absorbed earlier that the project's run here read too; ``kpi`` is its full name.

    Only the id is known of what earlier versions wrote.
    """

    task: str
    project: str | None = None
    kpi: str | None = None
    moves: tuple[str, ...] = ()
    absorbed_in: int | None = None


@dataclass(frozen=True, slots=True)
class LostTask:
    """A task absorbed earlier, not withdrawn, and not read by the project's run here: its gain is gone."""

    task: str
    project: str
    kpi: str | None
    moves: tuple[str, ...]
    absorbed_in: int
    why: str


@dataclass(frozen=True, slots=True)
class WithdrawnTask:
    """A task that stood withdrawn; ``absorbed_in`` is None when it never was absorbed. ``at`` is UTC."""

    task: str
    project: str
    kpi: str | None
    moves: tuple[str, ...]
    absorbed_in: int | None
    by: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class OpenTask:
    """A task that this iteration was to do and that none of its runs read, with the reason."""

    task: str
    project: str
    iteration: int
    category: str
    request: str
    why: str


if TYPE_CHECKING:
    _Kept = KeptTask
else:
    # Earlier versions wrote its id alone.
    _Kept = KeptTask | Annotated[str, AfterValidator(KeptTask)]


@dataclass(frozen=True, slots=True)
class Absorption:
    """The tasks of an iteration: absorbed now, open, kept, lost, and those that stand withdrawn."""

    absorbed: tuple[AbsorbedTask, ...] = ()
    open: tuple[OpenTask, ...] = ()
    kept: tuple[_Kept, ...] = ()
    lost: tuple[LostTask, ...] = ()
    withdrawn: tuple[WithdrawnTask, ...] = ()

    @property
    def any(self) -> bool:
        """Whether there is anything to tell."""
        return bool(self.absorbed or self.open or self.kept or self.lost or self.withdrawn)


_ABSORPTION = TypeAdapter(Absorption)

#: Where nobody did anything.
NOTHING_ABSORBED = Absorption()


@dataclass(frozen=True, slots=True)
class Reflux:
    """The feedback so far, up to the end of an iteration's evidence: events taken in, and the ledger's tasks.

    ``taken_in`` is None where nobody counted. ``documents`` are the tasks by id that runs of the iteration read and the
    ledger did not know by then.
    """

    state: TaskState = field(default_factory=TaskState)
    taken_in: int | None = None
    documents: Mapping[str, Task] = field(default_factory=dict)


#: Where nobody looked.
NO_REFLUX = Reflux()


def absorption(
    iteration: int,
    evidence: Mapping[str, ProjectEvidence],
    before: Mapping[str, ProjectEvidence],
    reflux: Reflux,
    contracts: Mapping[str, Contract],
    drift: DriftReport | None,
) -> Absorption:
    """What the runs of an iteration did with the tasks; a carried run absorbs nothing, and keeps what it read.

    ``before`` is the evidence of the iteration before, ``drift`` the comparison with it, which judges the KPIs.
    """
    state = reflux.state
    reader = {task: item for _, item in sorted(evidence.items()) for task in item.tasks}
    absorbed, kept = [], []
    for name, run in sorted(reader.items()):
        task = state.tasks.get(name) or reflux.documents.get(name)
        known = task.absorbed if isinstance(task, AcceptedTask) else None
        since = known.iteration if known and known.iteration < iteration else run.carried_from
        if since is None:
            absorbed.append(_absorbed(name, run, before.get(run.project_id), task, contracts[run.project_id], drift))
        else:
            kept.append(KeptTask(name, run.project_id, _kpi(task, run.project_id), task.moves if task else (), since))
    for task in state.tasks.values():
        # What people did and said so in time.
        contract = contracts.get(task.project)
        done = task.absorbed
        if contract and done and not done.read and done.iteration == iteration and task.id not in reader:
            absorbed.append(
                _absorbed(task.id, evidence.get(task.project), before.get(task.project), task, contract, drift)
            )
    return Absorption(
        absorbed=tuple(sorted(absorbed, key=lambda item: item.task)),
        open=tuple(_open(iteration, evidence, reader, state)),
        kept=tuple(kept),
        lost=tuple(_lost(iteration, evidence, reader, state)),
        withdrawn=tuple(_withdrawn(state)),
    )


def _kpi(task: AcceptedTask | Task | None, project: str) -> str | None:
    return f"{project}.{task.kpi}" if task and task.kpi else None


def _absorbed(
    name: str,
    now: ProjectEvidence | None,
    earlier: ProjectEvidence | None,
    task: AcceptedTask | Task | None,
    contract: Contract,
    drift: DriftReport | None,
) -> AbsorbedTask:
    kpi = task.kpi if task else None
    before = earlier.kpis.get(kpi, KpiValue(None)) if earlier and kpi else KpiValue(None)
    after = now.kpis.get(kpi, KpiValue(None)) if now and kpi else KpiValue(None)
    decided = task if isinstance(task, AcceptedTask) else None
    said = decided.absorbed.run_id if decided and decided.absorbed else None
    helped, why = _helped(contract.id, kpi, before, after, drift)
    return AbsorbedTask(
        task=name,
        project=contract.id,
        run_id=(now.run_id if now and name in now.tasks else said) or "",
        theme=task.theme if task else None,
        theme_iteration=decided.theme_iteration if decided else None,
        category=task.category if task else None,
        request=request_of(task) if task else None,
        events=decided.events if decided and not decided.from_file else None,
        kpi=_kpi(task, contract.id),
        before=before.value,
        before_n=before.n,
        after=after.value,
        after_n=after.n,
        helped=helped,
        why=why,
        moves=task.moves if task else (),
    )


def request_of(task: AcceptedTask | Task) -> str:
    """What a task asks for, as much of it as the ledger keeps."""
    return task.text if isinstance(task, AcceptedTask) else task.request[:MAX_TOLD]


def _helped(
    project: str, kpi: str | None, before: KpiValue, after: KpiValue, drift: DriftReport | None
) -> tuple[Help, str]:
    if kpi is None:
        return Help.UNKNOWN, "the task names no KPI"
    if before.value is None or after.value is None:
        side = "before" if before.value is None else "now"
        return Help.UNKNOWN, f"{project}.{kpi} has no value {side}"
    found = next((item for item in drift.kpis if item.subject == f"{project}.{kpi}"), None) if drift else None
    if found is None:
        return Help.UNKNOWN, "nobody compared it with the iteration before"
    return _HELP[found.verdict], f"{found.verdict.value}, by {found.method}" if found.method else found.verdict.value


def _open(
    iteration: int, evidence: Mapping[str, ProjectEvidence], reader: Mapping[str, ProjectEvidence], state: TaskState
) -> Iterator[OpenTask]:
    for task in state.due(iteration):
        done = task.absorbed is not None and task.absorbed.iteration <= iteration
        if task.id in reader or done or task.category is None:
            continue
        run = evidence.get(task.project)
        if run is None or run.carried_from is not None:
            why = f"{task.project} has no run of its own in this iteration"
        elif not task.payload:
            why = "it has no payload that a pipeline could read: people do it, and say so with `flywheel task absorb`"
        else:
            why = f"the run of {task.project} read no such task"
        yield OpenTask(task.id, task.project, task.iteration, task.category, task.text, why)


def _lost(
    iteration: int, evidence: Mapping[str, ProjectEvidence], reader: Mapping[str, ProjectEvidence], state: TaskState
) -> Iterator[LostTask]:
    """What people did leaves no trace in runs, and a project without any evidence is missing as a whole."""
    for task in sorted(state.tasks.values(), key=lambda item: item.id):
        done, run = task.absorbed, evidence.get(task.project)
        if task.withdrawn or not done or not done.read or done.iteration > iteration or task.id in reader or not run:
            continue
        which = "its run" if run.carried_from is None else f"its run carried from iteration {run.carried_from}"
        why = f"absorbed in iteration {done.iteration}, and {which} did not read it"
        yield LostTask(task.id, task.project, _kpi(task, task.project), task.moves, done.iteration, why)


def _withdrawn(state: TaskState) -> Iterator[WithdrawnTask]:
    for task in sorted(state.tasks.values(), key=lambda item: item.id):
        if task.withdrawn is not None:
            since = task.absorbed.iteration if task.absorbed else None
            kpi, gone = _kpi(task, task.project), task.withdrawn
            yield WithdrawnTask(task.id, task.project, kpi, task.moves, since, gone.by, gone.at, gone.reason)


def effects_known(reflux: Reflux) -> dict[str, TaskEffect]:
    """What every task is meant to do that the ledger or a run of the iteration describes, by id."""
    described: dict[str, AcceptedTask | Task] = {**reflux.documents, **reflux.state.tasks}
    return {
        name: TaskEffect(
            name,
            task.project,
            _kpi(task, task.project),
            task.moves,
            withdrawn=isinstance(task, AcceptedTask) and task.withdrawn is not None,
        )
        for name, task in described.items()
    }


def effects_recorded(recorded: Absorption) -> dict[str, TaskEffect]:
    """The same as an iteration's assembly recorded it."""
    groups: tuple[Iterable[AbsorbedTask | KeptTask | LostTask | WithdrawnTask], ...] = (
        recorded.absorbed,
        recorded.kept,
        recorded.lost,
        recorded.withdrawn,
    )
    return {
        item.task: TaskEffect(
            item.task, item.project or "", item.kpi, item.moves, withdrawn=isinstance(item, WithdrawnTask)
        )
        for group in groups
        for item in group
    }


def absorption_from_json(text: str, *, name: str) -> Absorption:
    """What an assembly recorded about its tasks; ``name`` is where the text comes from, for errors.

    Raises:
        DocumentError: it is no such document.
    """
    return read_json(_ABSORPTION, text, name=name, hint="assemble that iteration again")


def absorbed_events(reflux: Reflux, absorbed: Iterable[AbsorbedTask]) -> int:
    """How many events the absorbed tasks answer: those the ledger knows, and those of this iteration."""
    now = {item.task for item in absorbed}
    return sum(task.events for task in reflux.state.tasks.values() if task.absorbed is not None or task.id in now)
