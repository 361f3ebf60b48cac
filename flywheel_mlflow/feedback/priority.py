"""What speaks for doing something first: four parts of its benefit and its cost, each with where it comes from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from flywheel_mlflow.decisions.risks import HIGH_FROM, Risk
from flywheel_mlflow.feedback.candidates import Candidate
from flywheel_mlflow.feedback.costs import REUSE_WORDS, CostedTask, CostEstimate, Estimate, expected_cost
from flywheel_mlflow.promises.budgets import CostRules
from flywheel_mlflow.promises.routes import SCOPES, SEVERITIES

Urgency = Literal["block now", "schedule"]

#: What likelihood times impact can be at most: the risk exposure counts in shares of it.
WORST_RISK = 25
#: What a long-term asset counts for beside a one-time result: it is used at least once more.
ASSET, ONE_TIME = 2.0, 1.0


@dataclass(frozen=True, slots=True)
class Factor:
    """One number of a priority, None where nobody knows it, and where it comes from."""

    value: float | None
    origin: str


@dataclass(frozen=True, slots=True)
class Priority:
    """Why a candidate comes before another.

    The benefit has four parts: ``impact`` grows with scope, severity and how often it was seen, ``reach`` with the
    projects that gain, ``reuse`` tells a long-term asset from a one-time result, ``exposure`` grows with open risks.
    ``benefit`` is their product, ``leverage`` the benefit an hour of ``cost``; both are None as soon as a part is
    unknown.
    """

    subject: str
    impact: Factor
    reach: Factor
    reuse: Factor
    exposure: Factor
    cost: CostEstimate
    urgency: Urgency
    why: str

    @property
    def parts(self) -> Mapping[str, Factor]:
        """The four parts of the benefit, by name."""
        return {name: getattr(self, name) for name in ("impact", "reach", "reuse", "exposure")}

    @property
    def benefit(self) -> float | None:
        """The product of the four parts."""
        values = [part.value for part in self.parts.values()]
        return None if None in values else math.prod(value for value in values if value is not None)

    @property
    def leverage(self) -> float | None:
        """The benefit of an hour."""
        return _per(self.benefit, self.cost.value)

    @property
    def leverage_range(self) -> tuple[float, float] | None:
        """The leverage at the dearest and the cheapest it may get, None where the cost has no spread."""
        low, high = _per(self.benefit, self.cost.high), _per(self.benefit, self.cost.low)
        return None if low is None or high is None else (low, high)


def leverage_text(item: Priority) -> str:
    """The leverage with its range where the cost has a spread."""
    if item.leverage is None:
        return "unknown"
    spread = item.leverage_range
    told = f" ({spread[0]:.3g} to {spread[1]:.3g})" if spread and spread[0] != spread[1] else ""
    return f"{item.leverage:.3g}{told}"


def _per(benefit: float | None, hours: float | None) -> float | None:
    return None if benefit is None or not hours else benefit / hours


def prioritise(
    candidates: Iterable[Candidate],
    *,
    risks: Iterable[Risk],
    estimates: Mapping[str, Estimate],
    earlier: Iterable[CostedTask],
    rules: CostRules,
    now: datetime,
) -> tuple[Priority, ...]:
    """The priorities of candidates: what must stop at once first, then by leverage.

    Those whose cost nobody knows come behind the others, by benefit; those whose benefit nobody knows last.

    Args:
        candidates: what could be done.
        risks: all of the risk ledger; the open ones count.
        estimates: what people said about costs and reuse, by what it is about.
        earlier: the tasks there are, from whose costs others are estimated.
        rules: how costs are read.
        now: when that is, in UTC.
    """
    chosen, tasks = tuple(candidates), tuple(earlier)
    open_risks = [risk for risk in risks if risk.closed_at is None]
    found = []
    for item in chosen:
        mine = [risk for risk in open_risks if risk.id in item.risks or set(risk.projects) & set(item.projects)]
        urgency, why = _urgency(item, mine, now)
        stated = estimates.get(item.id)
        found.append(
            Priority(
                subject=item.id,
                impact=_impact(item),
                reach=Factor(1.0 + item.reach, f"1 + {item.reach} {item.reached}"),
                reuse=_reuse(item, stated),
                exposure=_exposure(item, mine),
                cost=expected_cost(stated, item.project, item.category, tasks, rules),
                urgency=urgency,
                why=why,
            )
        )
    counts = {item.id: item.count for item in chosen}
    return tuple(sorted(found, key=lambda item: (*_order(item), -counts[item.subject], item.subject)))


def _order(item: Priority) -> tuple[bool, bool, float, bool, float]:
    leverage, benefit = item.leverage, item.benefit
    return (
        item.urgency != "block now",
        leverage is None,
        -(leverage or 0.0),
        benefit is None,
        -(benefit or 0.0),
    )


def _impact(item: Candidate) -> Factor:
    if item.scope is None or item.severity is None:
        said = (("scope", item.scope), ("severity", item.severity))
        missing = " or ".join(f"a {word}" for word, found in said if found is None)
        return Factor(None, f"nothing states {missing}")
    scope, severity = SCOPES.index(item.scope) + 1, SEVERITIES.index(item.severity) + 1
    return Factor(
        scope * severity * (1 + math.log10(item.count)),
        f"widest scope {item.scope} ({scope}) x worst severity {item.severity} ({severity}) "
        f"x (1 + lg {item.count} {item.counted})",
    )


def _reuse(item: Candidate, stated: Estimate | None) -> Factor:
    if stated is not None and stated.reuse is not None:
        value = ASSET if stated.reuse == "asset" else ONE_TIME
        return Factor(value, f"{REUSE_WORDS[stated.reuse]}, says {stated.by}: {stated.reason}")
    if item.lasting:
        return Factor(ASSET, f"{REUSE_WORDS['asset']}: {item.lasting}")
    if item.scope == "single_sample":
        return Factor(ONE_TIME, f"{REUSE_WORDS['one_time']}: it is about single samples")
    return Factor(ONE_TIME, "at least a one-time result: nothing shows yet that it is used again")


def _exposure(item: Candidate, mine: list[Risk]) -> Factor:
    if not mine:
        return Factor(1.0, f"no open risk names {', '.join(item.projects) or 'what it is about'}")
    worst = max(mine, key=lambda risk: (risk.likelihood * risk.impact, risk.id))
    return Factor(
        1.0 + worst.likelihood * worst.impact / WORST_RISK,
        f"1 + {worst.likelihood} x {worst.impact} / {WORST_RISK} of the open risk {worst.id}",
    )


def _urgency(item: Candidate, mine: list[Risk], now: datetime) -> tuple[Urgency, str]:
    """What cannot wait for the next iteration: a boundary, a whole chain in trouble, a high risk nobody answered."""
    if item.kind == "theme" and item.severity == "high":
        if item.boundary:
            return "block now", "governance reports it, with high severity"
        if item.scope == "chain":
            return "block now", "it reaches a whole chain, with high severity"
    overdue = [risk.id for risk in mine if risk.is_overdue(now) and risk.likelihood * risk.impact >= HIGH_FROM]
    if overdue:
        return "block now", f"the high risk {overdue[0]} is overdue"
    return "schedule", "nothing in it must stop at once"
