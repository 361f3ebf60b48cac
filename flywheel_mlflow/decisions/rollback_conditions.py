"""Judges the conditions under which production is to be taken back, on what was seen since it got where it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from flywheel_mlflow.base.rules import parse_rule
from flywheel_mlflow.decisions.risks import Risk
from flywheel_mlflow.promises.rollbacks import RollbackCondition
from flywheel_mlflow.promises.routes import SEVERITIES

#: What the risk of a proposed rollback is caused by, and what its topic begins with.
PROPOSED = "rollback_when"


@dataclass(frozen=True, slots=True)
class ProductionFacts:
    """What was seen since the release in production got there, at ``since`` (UTC).

    ``kpis`` are the numbers of runs that ended later, by full name. ``worse`` has for each project with such a run what
    the newest comparison says got worse; a project is missing where nobody compared it since. ``guardrails`` says for
    each experiment that was started since which of its guardrails got worse. ``unknown`` says why something is missing.
    """

    version: int
    since: datetime
    kpis: Mapping[str, float] = field(default_factory=dict)
    worse: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    guardrails: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    risks: tuple[Risk, ...] = ()
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class JudgedCondition:
    """A condition with what it says of the release in production: ``holds`` is None where that cannot be told."""

    condition: RollbackCondition
    version: int
    holds: bool | None
    text: str

    @property
    def topic(self) -> str:
        """Names the proposal in the risk ledger: another release is another one."""
        return f"{PROPOSED}/{self.condition.id}/release-{self.version}"

    @property
    def reason(self) -> str:
        """Why production is taken back, as the ledger keeps it."""
        return f"{self.condition.title} ({PROPOSED} {self.condition.id}): {self.text}"


def judge_conditions(conditions: Iterable[RollbackCondition], facts: ProductionFacts) -> tuple[JudgedCondition, ...]:
    """Every condition, in order. What nobody saw since the release got to production is unknown."""
    return tuple(JudgedCondition(item, facts.version, *_holds(item, facts)) for item in conditions)


def _holds(condition: RollbackCondition, facts: ProductionFacts) -> tuple[bool | None, str]:
    if condition.when is not None:
        return _by_kpis(condition.when, facts)
    if condition.drift is not None:
        return _by_drift(condition.drift, facts)
    if condition.guardrail is not None:
        worse = facts.guardrails.get(condition.guardrail)
        if worse is None:
            return None, facts.unknown or f"{condition.guardrail} was not started since release {facts.version}"
        return bool(worse), "; ".join(worse) or f"no guardrail of {condition.guardrail} is known to be worse"
    return _by_incidents(condition.incident or SEVERITIES[-1], facts)


def _by_kpis(text: str, facts: ProductionFacts) -> tuple[bool | None, str]:
    rule = parse_rule(text)
    known = {name: facts.kpis[name] for name in rule.metrics if name in facts.kpis}
    holds = rule.holds({name: known.get(name) for name in rule.metrics})
    told = ", ".join(f"{name} is {value:g}" for name, value in known.items())
    missing = ", ".join(name for name in rule.metrics if name not in known and name != rule.unless)
    if holds is None:
        why = facts.unknown or f"no run since release {facts.version} went to production has {missing}"
        return None, f"{told}; {why}" if told else why
    return holds, told


def _by_drift(projects: Iterable[str], facts: ProductionFacts) -> tuple[bool | None, str]:
    named = tuple(projects)
    worse = [line for name in named for line in facts.worse.get(name, ())]
    if worse:
        return True, "; ".join(worse[:3]) + (f"; and {len(worse) - 3} more" if len(worse) > 3 else "")
    missing = [name for name in named if name not in facts.worse]
    if missing:
        return None, facts.unknown or f"{', '.join(missing)}: not compared since release {facts.version}"
    return False, f"nothing of {', '.join(named)} got worse"


def _by_incidents(severity: str, facts: ProductionFacts) -> tuple[bool, str]:
    grave = SEVERITIES[SEVERITIES.index(severity) :]
    found = [
        risk
        for risk in facts.risks
        if risk.closed_at is None and risk.cause == "person" and risk.opened_at > facts.since and risk.severity in grave
    ]
    told = "; ".join(f"risk {risk.id}: {risk.title}" for risk in found[:3])
    return bool(found), told or f"nobody opened a {severity} risk since release {facts.version} went to production"


def proposals(risks: Iterable[Risk], production: int | None) -> tuple[Risk, ...]:
    """The open proposals to take back the release in production; those about another one are over."""
    end = f"/release-{production}"
    return tuple(
        risk for risk in risks if risk.cause == PROPOSED and risk.closed_at is None and risk.topic.endswith(end)
    )
