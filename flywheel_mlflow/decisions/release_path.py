"""The way of a release to its next stage: what is done, what comes next and who may do it, what has to wait."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from flywheel_mlflow.decisions.approvals import JudgedApproval, may_move
from flywheel_mlflow.decisions.explanations import Answered
from flywheel_mlflow.decisions.gate_facts import Verdict
from flywheel_mlflow.decisions.ledger import Identity
from flywheel_mlflow.decisions.releases import STAGES, Basis, GateRecord, Release, ReleaseStage, ReleaseState
from flywheel_mlflow.promises.blueprint import Blueprint, Gate
from flywheel_mlflow.promises.criteria import Criterion


class StepName(StrEnum):
    """The steps in their order."""

    EVIDENCE = "evidence"
    EXPLAIN = "explain"
    APPROVE = "approve"
    EVALUATE = "evaluate"
    PROMOTE = "promote"


class StepState(StrEnum):
    """Where a step stands: the first that is not done is the next one, what comes after it has to wait."""

    DONE = "done"
    NEXT = "next"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class Step:
    """One step; ``text`` says what was done or what is missing, ``who`` may do it (empty for whoever may read).

    ``command`` is what somebody at a terminal runs where no page can do it; ``after`` names the step that a waiting one
    comes after.
    """

    name: StepName
    state: StepState
    text: str
    who: tuple[str, ...] = ()
    command: str = ""
    after: StepName | None = None


@dataclass(frozen=True, slots=True)
class ReleasePath:
    """The steps of ``version`` to the stage ``to``."""

    version: int
    to: str
    steps: tuple[Step, ...]

    @property
    def next(self) -> Step | None:
        """The step that can be done now; None once all are done."""
        return next((step for step in self.steps if step.state is StepState.NEXT), None)

    def step(self, name: StepName) -> Step:
        """The step of that name."""
        return next(step for step in self.steps if step.name is name)


@dataclass(frozen=True, slots=True)
class PathFacts:
    """What the way is worked out from.

    ``basis`` is what decisions rest on now. ``answered`` is the comparison with what people explained; None, with
    ``uncompared`` as the reason, when there is none. ``compare`` is the command that makes one. ``stopped`` says why
    the newest verdict cannot be acted on, empty when it can.
    """

    release: Release
    basis: Basis
    answered: Answered | None
    uncompared: str
    compare: str
    approvals: Collection[JudgedApproval]
    record: GateRecord | None
    stopped: str


def next_stage(state: ReleaseState, release: Release, blueprint: Blueprint) -> str | None:
    """The stage a release is on its way to; None for one that has arrived, was taken out, or has no gate before it."""
    stands = state.stage_of(release.version)
    if stands not in (ReleaseStage.CANDIDATE, ReleaseStage.STAGING):
        return None
    behind = STAGES[STAGES.index("staging") + 1 :] if stands is ReleaseStage.STAGING else STAGES
    return next((to for to in behind if to not in release.reached and blueprint.gate_to(to)), None)


def release_path(to: str, facts: PathFacts, blueprint: Blueprint) -> ReleasePath:
    """The five steps to ``to``, which has a gate; equal facts give equal paths."""
    gate = blueprint.gate_to(to)
    if gate is None:
        raise LookupError(to)
    first: StepName | None = None
    steps: list[Step] = []
    for step in _steps(gate, facts, blueprint):
        if step.state is StepState.DONE:
            steps.append(step)
        elif first is None:
            first = step.name
            steps.append(step)
        else:
            steps.append(replace(step, state=StepState.WAITING, after=first))
    return ReleasePath(facts.release.version, to, tuple(steps))


def _steps(gate: Gate, facts: PathFacts, blueprint: Blueprint) -> Iterator[Step]:
    yield _evidence(gate, facts)
    yield _explain(gate, facts, blueprint)
    yield _approve(gate, facts, blueprint)
    passed = facts.record is not None and not facts.stopped
    yield _evaluate(facts, passed=passed)
    movers = sorted(item.id for item in blueprint.people if may_move(blueprint, Identity(item.id)))
    others = _others(gate, facts, movers) if passed else tuple(movers)
    told = f"consumers of {gate.to} then get this release"
    yield Step(StepName.PROMOTE, StepState.NEXT, told, others)


def _others(gate: Gate, facts: PathFacts, movers: Iterable[str]) -> tuple[str, ...]:
    """Those whose promotion makes enough different people, by the gate's ``distinct_people``."""
    people = facts.record.people if facts.record else ()
    return tuple(name for name in movers if len({*people, name}) >= gate.distinct_people)


def _evidence(gate: Gate, facts: PathFacts) -> Step:
    """The comparison, where the gate asks for one, and what the newest verdict found about this very evidence."""
    drift = _asks(gate, "drift")
    if drift and facts.answered is None:
        return Step(StepName.EVIDENCE, StepState.NEXT, facts.uncompared, command=facts.compare)
    lacking = _lacking(gate, facts)
    if lacking:
        told = " ".join(item.demand for item in lacking)
        return Step(StepName.EVIDENCE, StepState.NEXT, f"not met: {told} Only better evidence mends that.")
    whole = _about_the_whole(gate)
    if whole and facts.answered is not None and _open_ended(whole, facts.answered):
        told = "the comparison is inconclusive: some of it could not be compared"
        return Step(StepName.EVIDENCE, StepState.NEXT, told, command=facts.compare)
    compared = f"compared with {facts.basis.reference}" if facts.basis.drift else "assembled"
    told = f"{compared}; the gate judges all of it when it is evaluated"
    if facts.record is not None and facts.record.basis == facts.basis:
        told = f"{compared}; it meets what the gate demands of it"
    return Step(StepName.EVIDENCE, StepState.DONE, told)


def _is_decided(item: Criterion) -> bool:
    """Whether people answer it by deciding; one KPI of the comparison, as all else, is answered by the evidence."""
    return item.kind == "approval" or (item.kind == "drift" and item.metric is None)


def _asks(gate: Gate, kind: str) -> tuple[Criterion, ...]:
    return tuple(item for item in gate.criteria if item.kind == kind)


def _about_the_whole(gate: Gate) -> tuple[Criterion, ...]:
    return tuple(item for item in _asks(gate, "drift") if item.metric is None)


def _lacking(gate: Gate, facts: PathFacts) -> tuple[Criterion, ...]:
    """The demands on the evidence that the newest verdict about the evidence of now found unmet."""
    record = facts.record
    if record is None or record.basis != facts.basis:
        return ()
    passed: Mapping[str, str] = record.criteria
    return tuple(
        item
        for item in gate.criteria
        if not _is_decided(item) and passed.get(item.id, Verdict.PASS.value) != Verdict.PASS.value
    )


def _allowed(drift: Iterable[Criterion]) -> int:
    """Changes nobody can judge that every criterion about the whole comparison lets pass."""
    return min((int(item.limit or 0) for item in drift), default=0)


def _open_ended(drift: Collection[Criterion], answered: Answered) -> bool:
    """Whether nothing is left to explain or to confirm, and the comparison still does not pass."""
    waiting = answered.left or answered.unconfirmed
    return not waiting and answered.for_release(_allowed(drift)) is not Verdict.PASS


def _explain(gate: Gate, facts: PathFacts, blueprint: Blueprint) -> Step:
    drift, answered = _about_the_whole(gate), facts.answered
    who = tuple(sorted({name for role in blueprint.roles for name in role.people}))
    if not drift:
        return Step(StepName.EXPLAIN, StepState.DONE, "this gate asks for no explanation")
    if answered is None:
        return Step(StepName.EXPLAIN, StepState.NEXT, "nothing is compared yet", who)
    if answered.for_release(_allowed(drift)) is Verdict.PASS:
        people = ", ".join(sorted({by.actor.name for _, by in answered.explained}))
        told = (
            f"{_counted(len(answered.explained), 'finding')} explained by {people}" if people else "nothing to explain"
        )
        return Step(StepName.EXPLAIN, StepState.DONE, told)
    waiting = [f"{_counted(len(answered.left), 'finding')} to explain"] if answered.left else []
    if answered.unconfirmed:
        waiting.append(f"{_counted(len(answered.unconfirmed), 'intended change')} to confirm")
    return Step(StepName.EXPLAIN, StepState.NEXT, ", ".join(waiting) or "nothing that somebody could explain", who)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _approve(gate: Gate, facts: PathFacts, blueprint: Blueprint) -> Step:
    asked = _asks(gate, "approval")
    if not asked:
        return Step(StepName.APPROVE, StepState.DONE, "this gate asks for no approval")
    given = {item.id: _counting(item, facts.approvals) for item in asked}
    lacking = list(dict.fromkeys(item.role or "" for item in asked if not given[item.id]))
    if not lacking:
        people = ", ".join(sorted({name for names in given.values() for name in names}))
        return Step(StepName.APPROVE, StepState.DONE, f"approved by {people}")
    author = facts.release.author.name
    who = {name for role in blueprint.roles if role.id in lacking for name in role.people if name != author}
    void = sorted({item.approval.actor.name for item in facts.approvals if item.against})
    was = f"; the approval of {', '.join(void)} does not count now" if void else ""
    return Step(
        StepName.APPROVE, StepState.NEXT, f"an approval as {' and '.join(lacking)} is missing{was}", tuple(sorted(who))
    )


def _counting(criterion: Criterion, approvals: Iterable[JudgedApproval]) -> list[str]:
    return [
        item.approval.actor.name
        for item in approvals
        if item.approval.role == criterion.role and item.counts and (item.verified or not criterion.verified)
    ]


def _evaluate(facts: PathFacts, *, passed: bool) -> Step:
    if passed and facts.record is not None:
        return Step(StepName.EVALUATE, StepState.DONE, f"{facts.record.verdict} (event {facts.record.number})")
    return Step(StepName.EVALUATE, StepState.NEXT, facts.stopped or "its gate was never evaluated")
