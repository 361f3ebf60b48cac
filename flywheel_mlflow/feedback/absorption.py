"""What an iteration did with the tasks it was handed, and whether that helped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from flywheel_mlflow.contract import Contract
from flywheel_mlflow.drift import DriftReport, KpiVerdict
from flywheel_mlflow.evidence import KpiValue, ProjectEvidence
from flywheel_mlflow.feedback.tasks import AcceptedTask, TaskState


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
    says how ``helped`` was judged, or why it is unknown. ``theme`` is None for a task that came as a file and that no
    decision of the ledger stands behind.
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


@dataclass(frozen=True, slots=True)
class OpenTask:
    """A task that this iteration was to do and that none of its runs read, with the reason."""

    task: str
    project: str
    iteration: int
    category: str
    request: str
    why: str


@dataclass(frozen=True, slots=True)
class Absorption:
    """The tasks of an iteration: absorbed now, open, and ``kept`` (absorbed earlier and read again)."""

    absorbed: tuple[AbsorbedTask, ...] = ()
    open: tuple[OpenTask, ...] = ()
    kept: tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        """Whether there is anything to tell."""
        return bool(self.absorbed or self.open or self.kept)


#: Where nobody did anything.
NOTHING_ABSORBED = Absorption()


@dataclass(frozen=True, slots=True)
class Reflux:
    """The feedback so far, up to the end of an iteration's evidence: events taken in, and the ledger's tasks.

    ``taken_in`` is None where nobody counted.
    """

    state: TaskState = field(default_factory=TaskState)
    taken_in: int | None = None


#: Where nobody looked.
NO_REFLUX = Reflux()


def absorption(
    iteration: int,
    evidence: Mapping[str, ProjectEvidence],
    before: Mapping[str, ProjectEvidence],
    state: TaskState,
    contracts: Mapping[str, Contract],
    drift: DriftReport | None,
) -> Absorption:
    """What the runs of an iteration did with the tasks; a carried run belongs to an earlier one.

    ``before`` is the evidence of the iteration before, ``drift`` the comparison with it, which judges the KPIs.
    """
    fresh = {name: item for name, item in evidence.items() if item.carried_from is None}
    read = {task: name for name, item in fresh.items() for task in item.tasks}
    absorbed, kept = [], []
    for name, project in sorted(read.items()):
        task = state.tasks.get(name)
        if task is not None and task.absorbed is not None and task.absorbed.iteration < iteration:
            kept.append(name)
        else:
            absorbed.append(_absorbed(name, fresh[project], before.get(project), task, contracts[project], drift))
    for task in state.tasks.values():
        # What people did and said so in time.
        if task.id not in read and task.absorbed is not None and task.absorbed.iteration == iteration:
            contract = contracts.get(task.project)
            if contract is not None:
                absorbed.append(
                    _absorbed(task.id, evidence.get(contract.id), before.get(contract.id), task, contract, drift)
                )
    absorbed.sort(key=lambda item: item.task)
    return Absorption(tuple(absorbed), tuple(_open(iteration, fresh, read, state)), tuple(kept))


def _absorbed(
    name: str,
    now: ProjectEvidence | None,
    earlier: ProjectEvidence | None,
    task: AcceptedTask | None,
    contract: Contract,
    drift: DriftReport | None,
) -> AbsorbedTask:
    kpi = task.kpi if task else None
    before = earlier.kpis.get(kpi, KpiValue(None)) if earlier and kpi else KpiValue(None)
    after = now.kpis.get(kpi, KpiValue(None)) if now and kpi else KpiValue(None)
    said = task.absorbed.run_id if task and task.absorbed else None
    helped, why = _helped(contract.id, kpi, before, after, drift)
    return AbsorbedTask(
        task=name,
        project=contract.id,
        run_id=(now.run_id if now and name in now.tasks else said) or "",
        theme=task.theme if task else None,
        theme_iteration=task.theme_iteration if task else None,
        category=task.category if task else None,
        request=task.text if task else None,
        events=task.events if task else None,
        kpi=f"{contract.id}.{kpi}" if kpi else None,
        before=before.value,
        before_n=before.n,
        after=after.value,
        after_n=after.n,
        helped=helped,
        why=why,
    )


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
    iteration: int, fresh: Mapping[str, ProjectEvidence], read: Mapping[str, str], state: TaskState
) -> Iterator[OpenTask]:
    for task in state.due(iteration):
        done = task.absorbed is not None and task.absorbed.iteration <= iteration
        if task.id in read or done:
            continue
        if task.project not in fresh:
            why = f"{task.project} has no run of its own in this iteration"
        elif not task.payload:
            why = "it has no payload that a pipeline could read: people do it, and say so with `flywheel task absorb`"
        else:
            why = f"the run of {task.project} read no such task"
        yield OpenTask(task.id, task.project, task.iteration, task.category, task.text, why)


def absorbed_events(reflux: Reflux, absorbed: Iterable[AbsorbedTask]) -> int:
    """How many events the absorbed tasks answer: those the ledger knows, and those of this iteration."""
    now = {item.task for item in absorbed}
    return sum(task.events for task in reflux.state.tasks.values() if task.absorbed is not None or task.id in now)
