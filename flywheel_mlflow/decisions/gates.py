"""Evaluates the gates of flywheel.yaml on evidence: each criterion says PASS, BLOCK or INCONCLUSIVE, and why."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from statistics import NormalDist
from typing import TypeGuard

from pydantic import TypeAdapter

from flywheel_mlflow.base.documents import read_json
from flywheel_mlflow.decisions.approvals import may_move
from flywheel_mlflow.decisions.gate_facts import Answer, GateFacts, Measured, Verdict, worst
from flywheel_mlflow.decisions.ledger import Identity
from flywheel_mlflow.decisions.releases import Basis
from flywheel_mlflow.promises.blueprint import Blueprint, Gate
from flywheel_mlflow.promises.criteria import Criterion
from flywheel_mlflow.promises.units import share_scale


@dataclass(frozen=True, slots=True)
class CriterionResult:
    """One criterion's verdict with all a reader needs to believe or to change it.

    ``evidence`` are run ids or file names; ``next`` is a command or an act.
    """

    id: str
    kind: str
    demand: str
    verdict: Verdict
    reason: str
    value: float | None = None
    limit: float | None = None
    n: int | None = None
    method: str = ""
    evidence: tuple[str, ...] = ()
    next: str = ""


@dataclass(frozen=True, slots=True)
class GateResult:
    """The verdict of one gate over one release; ``people`` explained its drift or approved it, and count."""

    gate: str
    to: str
    version: int
    verdict: Verdict
    basis: Basis
    at: datetime
    criteria: tuple[CriterionResult, ...] = field(default=())
    people: tuple[str, ...] = ()


_RESULT: TypeAdapter[GateResult] = TypeAdapter(GateResult)


def gate_result_from_json(text: str, *, name: str = "gate.json") -> GateResult:
    """The verdict in a text that a gate run keeps; ``name`` is where it comes from, for errors.

    Raises:
        DocumentError: it is no such document.
    """
    return read_json(_RESULT, text, name=name, hint="evaluate the gate again")


def evaluate(gate: Gate, facts: GateFacts, blueprint: Blueprint) -> GateResult:
    """The gate's verdict: the worst of its criteria.

    Boundaries are judged by the criteria that enforce them, whichever gate these stand in.
    """
    simple = [item for item in blueprint.criteria if item.kind != "boundary"]
    judged = {item.id: _judge(item, facts) for item in simple}
    results = tuple(
        _boundaries(item, judged, blueprint) if item.kind == "boundary" else judged[item.id] for item in gate.criteria
    )
    acts = _acts(gate, facts)
    awaited = sum(item.kind == "approval" and item.verdict is Verdict.INCONCLUSIVE for item in results)
    results += (_people(gate, acts, awaited, facts, blueprint),) if gate.distinct_people > 1 else ()
    return GateResult(
        gate=gate.id,
        to=gate.to,
        version=facts.release.version,
        verdict=worst(item.verdict for item in results),
        basis=facts.basis,
        at=facts.now,
        criteria=results,
        people=tuple(acts),
    )


def _acts(gate: Gate, facts: GateFacts) -> dict[str, list[str]]:
    """What each person did whose act counts, by name: explain the drift, approve in a role."""
    proven = {item.role for item in gate.criteria if item.verified}
    acts: dict[str, list[str]] = {name: ["explained drift"] for name in sorted(set(facts.explainers))}
    for item in facts.approvals:
        if item.counts and (item.verified or item.approval.role not in proven):
            acts.setdefault(item.approval.actor.name, []).append(f"approved as {item.approval.role}")
    return acts


def _people(
    gate: Gate, acts: Mapping[str, list[str]], awaited: int, facts: GateFacts, blueprint: Blueprint
) -> CriterionResult:
    """Whether enough different people decide; whoever promotes is one of them, and is not known yet.

    Approvals that are still ``awaited`` can come from others: until they are there, the gate asks for them alone.
    """
    least, version = gate.distinct_people, facts.release.version
    movers = {item.id for item in blueprint.people if may_move(blueprint, Identity(item.id))}
    others = sorted(movers - set(acts))
    told = (
        "; ".join(f"{name} {' and '.join(dict.fromkeys(what))}" for name, what in acts.items()) or "nobody decided yet"
    )
    holds = len(acts) + awaited >= least or (len(acts) + awaited == least - 1 and bool(others))
    if holds and len(acts) < least and not awaited:
        told += f"; {'one of ' if len(others) > 1 else ''}{', '.join(others)} must promote it"
    role = next((item.role for item in gate.criteria if item.role), None)
    return CriterionResult(
        id="distinct_people",
        kind="people",
        demand=f"At least {least} different people explain, approve and promote.",
        verdict=Verdict.PASS if holds else Verdict.INCONCLUSIVE,
        reason=told,
        value=float(len(acts)),
        limit=float(least),
        n=len(acts),
        next="" if holds else f"flywheel approve {version} --role {role or 'ROLE'} --reason '...', by somebody else",
    )


def _judge(criterion: Criterion, facts: GateFacts) -> CriterionResult:
    match criterion.kind:
        case "coverage" | "floor":
            return _limit(criterion, facts, at_least=True)
        case "ceiling":
            return _limit(criterion, facts, at_least=False)
        case "checks":
            return _checks(criterion, facts)
        case "max_drop":
            return _max_drop(criterion, facts)
        case "drift":
            command = compare_command(facts.release.iteration, facts.reference)
            return _answer(criterion, facts.drift.to(criterion), next_command=command)
        case "consistency":
            command = f"flywheel check --iteration {facts.release.iteration}"
            return _answer(criterion, facts.consistency, next_command=command)
        case "reproducible":
            command = f"flywheel assemble --iteration {facts.release.iteration}"
            return _answer(criterion, facts.reproducible, next_command=command)
        case "personal_data":
            command = f"flywheel collect --iteration {facts.release.iteration}"
            return _answer(criterion, facts.personal_data, next_command=command)
        case "experiment":
            name = criterion.experiment or ""
            found = facts.experiments.get(name, Answer(None, f"nobody asked about {name}"))
            return _answer(criterion, found, next_command=f"flywheel experiment status {name}")
        case "human_review":
            return _answer(criterion, facts.human_review(criterion), next_command="flywheel human-review status")
        case "approval":
            return _approval(criterion, facts)
        case _:
            return _risks(criterion, facts)


def compare_command(iteration: int, reference: str) -> str:
    """The command that compares an iteration with a reference (``release 3``, ``iteration 2``) and shows every finding.

    Without a reference the iteration after it is the first that can be compared.
    """
    if not reference:
        return f"flywheel assemble --iteration {iteration + 1}"
    kind, _, number = reference.partition(" ")
    return f"flywheel drift --iteration {iteration} --against {number if kind == 'iteration' else 'production'}"


def _limit(criterion: Criterion, facts: GateFacts, *, at_least: bool) -> CriterionResult:
    name = criterion.metric or ""
    found = facts.metrics.get(name, Measured(None))
    word = "at least" if at_least else "at most"
    if found.value is None or criterion.limit is None:
        verdict, reason = Verdict.INCONCLUSIVE, f"{name} is unknown in this release"
    else:
        holds = found.value >= criterion.limit if at_least else found.value <= criterion.limit
        verdict = Verdict.PASS if holds else Verdict.BLOCK
        reason = f"{name} is {found.value:g}, {word} {criterion.limit:g} is demanded"
    return _result(
        criterion,
        verdict,
        reason,
        value=found.value,
        n=found.n,
        method=f"{name} {word} {criterion.limit:g}" if criterion.limit is not None else "",
        evidence=_runs(found.run_id),
        next=f"flywheel explain {name} --iteration {facts.release.iteration}",
    )


def _checks(criterion: Criterion, facts: GateFacts) -> CriterionResult:
    if criterion.metric is None or criterion.limit is None:
        return _answer(criterion, facts.checks, next_command=f"flywheel collect --iteration {facts.release.iteration}")
    found = _limit(criterion, facts, at_least=True)
    if found.verdict is Verdict.PASS:
        return found
    return _result(
        criterion,
        found.verdict,
        f"{found.reason}; {facts.checks.text}",
        value=found.value,
        n=found.n,
        method=found.method,
        evidence=found.evidence or _runs(facts.checks.run_id),
        next=f"flywheel collect --iteration {facts.release.iteration}",
    )


def _max_drop(criterion: Criterion, facts: GateFacts) -> CriterionResult:
    name, limit = criterion.metric or "", criterion.limit or 0.0
    now, before = facts.metrics.get(name, Measured(None)), facts.reference_metrics.get(name, Measured(None))
    command = f"flywheel explain {name} --iteration {facts.release.iteration}"
    if not facts.reference:
        reason = "there is nothing to compare with: no release is in production and no iteration came before"
        return _result(criterion, Verdict.INCONCLUSIVE, reason, value=now.value, n=now.n, next=command)
    if now.value is None or before.value is None:
        whose = "this release" if now.value is None else facts.reference
        return _result(
            criterion, Verdict.INCONCLUSIVE, f"{name} is unknown in {whose}", value=now.value, n=now.n, next=command
        )
    if now.direction is None:
        reason = f"nobody has said whether {name} is better higher or lower, so nothing is a drop"
        return _result(criterion, Verdict.INCONCLUSIVE, reason, value=now.value, n=now.n, next="flywheel validate")
    sign = -1.0 if now.direction == "lower" else 1.0
    drop = sign * (before.value - now.value)
    word = "worse" if drop > 0 else "better"
    told = f"{name} was {before.value:g} in {facts.reference} and is {now.value:g}: {word} by {abs(drop):g}"
    runs = _runs(now.run_id, before.run_id)
    if criterion.confidence is None:
        verdict = Verdict.PASS if drop <= limit else Verdict.BLOCK
        return _result(
            criterion,
            verdict,
            f"{told}, worse by at most {limit:g} is allowed",
            value=now.value,
            n=now.n,
            method="plain difference",
            evidence=runs,
            next=command,
        )
    verdict, reason = _non_inferior(criterion.confidence, limit, now, before, sign)
    kind = "Newcombe interval" if _standard_error(now, before) is None else "normal interval"
    method = f"{kind} of the difference, {criterion.confidence:.0%}"
    return _result(
        criterion, verdict, f"{told}; {reason}", value=now.value, n=now.n, method=method, evidence=runs, next=command
    )


def _non_inferior(confidence: float, limit: float, now: Measured, before: Measured, sign: float) -> tuple[Verdict, str]:
    """Whether a value dropped by less than the margin, as far as its samples, or else its standard errors, can tell."""
    if now.value is None or before.value is None:
        return Verdict.INCONCLUSIVE, "one of the two is unknown"
    whole, error = share_scale(now.unit), _standard_error(now, before)
    if error is not None:
        half = NormalDist().inv_cdf((1 + confidence) / 2) * error
        low, high = before.value - now.value - half, before.value - now.value + half
    elif not _is_size(now.n) or not _is_size(before.n):
        return Verdict.INCONCLUSIVE, "the sample size of one of the two is unknown"
    elif whole is None or not (0 <= now.value <= whole and 0 <= before.value <= whole):
        return Verdict.INCONCLUSIVE, "it is no share of a sample, so no interval of a share fits it"
    else:
        from flywheel_mlflow.drift.intervals import newcombe_difference

        # No rounding to whole successes: 9.6 of 10 are not 10.
        successes, hits = before.value / whole * before.n, now.value / whole * now.n
        low, high = newcombe_difference(successes, before.n, hits, now.n, confidence=confidence)
        low, high = low * whole, high * whole
    least, most = (low, high) if sign > 0 else (-high, -low)
    if most <= limit:
        return Verdict.PASS, f"with its samples it is worse by {most:.3g} at the most, {limit:g} is allowed"
    if least > limit:
        return Verdict.BLOCK, f"with its samples it is worse by at least {least:.3g}, {limit:g} is allowed"
    return (
        Verdict.INCONCLUSIVE,
        f"with its samples it is worse by {least:.3g} to {most:.3g}, and {limit:g} lies within: measure more",
    )


def _standard_error(now: Measured, before: Measured) -> float | None:
    """The standard error of the difference; None where samples of a share say more, or one of the two is unknown."""
    counted = share_scale(now.unit) is not None and _is_size(now.n) and _is_size(before.n)
    if counted or now.stderr is None or before.stderr is None:
        return None
    return math.hypot(now.stderr, before.stderr)


def _is_size(n: int | None) -> TypeGuard[int]:
    from flywheel_mlflow.drift.intervals import MOST_SAMPLES

    return n is not None and 1 <= n <= MOST_SAMPLES


def _answer(criterion: Criterion, answer: Answer, *, next_command: str) -> CriterionResult:
    return _result(
        criterion,
        answer.verdict or Verdict.INCONCLUSIVE,
        answer.text,
        value=answer.value,
        n=answer.n,
        evidence=_runs(answer.run_id, *answer.more),
        next=answer.next or next_command,
    )


def _approval(criterion: Criterion, facts: GateFacts) -> CriterionResult:
    release, role = facts.release, criterion.role or ""
    command = f"flywheel approve {release.version} --role {role} --reason '...'"
    if release.rejected:
        who = release.rejected.actor.name
        reason = f"{who} rejected this release: {release.rejected.body.get('reason', '')}"
        return _result(criterion, Verdict.BLOCK, reason, next="flywheel release create --iteration ...")
    given = [item for item in facts.approvals if item.approval.role == role]
    counting = [item for item in given if item.counts and (item.verified or not criterion.verified)]
    if counting:
        names = ", ".join(item.approval.actor.name + ("" if item.verified else " (unverified)") for item in counting)
        until = min(item.until for item in counting)
        return _result(criterion, Verdict.PASS, f"approved by {names}, until {until:%Y-%m-%d}", n=len(counting))
    if not given:
        return _result(criterion, Verdict.INCONCLUSIVE, f"nobody has approved as {role} yet", next=command, n=0)
    last = given[-1]
    why = "; ".join(last.against) or "nobody vouches for the name, and this criterion demands a verified one"
    reason = f"the approval of {last.approval.actor.name} does not count: {why}"
    return _result(criterion, Verdict.INCONCLUSIVE, reason, next=command, n=0)


def _risks(criterion: Criterion, facts: GateFacts) -> CriterionResult:
    overdue = [item for item in facts.risks if item.severity == "high" and item.is_overdue(facts.now)]
    count = sum(item.closed_at is None for item in facts.risks)
    if overdue:
        told = "; ".join(f"{item.id} {item.title} (owner {item.owner}, due {item.due:%Y-%m-%d})" for item in overdue)
        return _result(
            criterion,
            Verdict.BLOCK,
            told,
            value=float(len(overdue)),
            n=count,
            next=f"flywheel risk show {overdue[0].id}",
        )
    return _result(criterion, Verdict.PASS, f"{count} open risks, no high one is overdue", value=0.0, n=count)


def _boundaries(criterion: Criterion, judged: Mapping[str, CriterionResult], blueprint: Blueprint) -> CriterionResult:
    told: list[str] = []
    commands: list[str] = []
    verdicts: list[Verdict] = []
    for boundary in blueprint.boundaries:
        found = [judged[name] for name in boundary.enforced_by if name in judged]
        verdict = worst(item.verdict for item in found)
        verdicts.append(verdict)
        if verdict is not Verdict.PASS:
            first = next((item for item in found if item.verdict is verdict), None)
            told.append(
                f"{boundary.id}: {first.id}: {first.reason}" if first else f"{boundary.id}: nothing enforces it"
            )
            commands.append(first.next if first else "flywheel validate")
    held = sum(verdict is Verdict.PASS for verdict in verdicts)
    return _result(
        criterion,
        worst(verdicts),
        "; ".join(told) or (f"all {held} boundaries hold" if verdicts else "flywheel.yaml names no boundary"),
        value=float(held),
        n=len(verdicts),
        next=commands[0] if commands else "",
    )


def _result(
    criterion: Criterion,
    verdict: Verdict,
    reason: str,
    *,
    value: float | None = None,
    n: int | None = None,
    method: str = "",
    evidence: tuple[str, ...] = (),
    next: str = "",  # noqa: A002 - the field's name
) -> CriterionResult:
    return CriterionResult(
        id=criterion.id,
        kind=criterion.kind,
        demand=criterion.demand,
        verdict=verdict,
        reason=reason,
        value=value,
        limit=criterion.limit,
        n=n,
        method=method,
        evidence=evidence,
        next="" if verdict is Verdict.PASS else next,
    )


def _runs(*run_ids: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(run_id for run_id in run_ids if run_id))
