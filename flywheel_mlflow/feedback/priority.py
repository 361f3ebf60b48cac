"""What speaks for doing a theme first: four factors, each with where it comes from, and their product."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from flywheel_mlflow.decisions.risks import HIGH_FROM, Risk
from flywheel_mlflow.evidence.lineage import Edge, reach
from flywheel_mlflow.feedback.recurring import Theme
from flywheel_mlflow.promises.routes import SCOPES, SEVERITIES

Urgency = Literal["block now", "schedule"]

#: What likelihood times impact can be at most: the risk exposure counts in shares of it.
WORST_RISK = 25


@dataclass(frozen=True, slots=True)
class Factor:
    """One number of a priority, None where nobody knows it, and where it comes from."""

    value: float | None
    origin: str


@dataclass(frozen=True, slots=True)
class Priority:
    """Why a theme comes before another.

    ``impact`` grows with scope, severity and number of events, ``reusability`` with the projects that profit,
    ``exposure`` with open risks, ``cost`` is effort in hours. ``benefit`` is the product of the first three,
    ``product`` the same per hour; both are None as soon as a part is unknown.
    """

    theme: str
    impact: Factor
    reusability: Factor
    exposure: Factor
    cost: Factor
    urgency: Urgency
    why: str

    @property
    def benefit(self) -> float | None:
        """Impact times reusability times exposure."""
        parts = (self.impact.value, self.reusability.value, self.exposure.value)
        return None if None in parts else math.prod(part for part in parts if part is not None)

    @property
    def product(self) -> float | None:
        """The benefit per hour of effort."""
        benefit, hours = self.benefit, self.cost.value
        return None if benefit is None or not hours else benefit / hours


def prioritise(
    themes: Iterable[Theme],
    *,
    edges: Iterable[Edge],
    risks: Iterable[Risk],
    hours: Mapping[str, float | None],
    now: datetime,
) -> tuple[Priority, ...]:
    """The priorities of themes: what must stop at once first, then by benefit, what is unknown last.

    ``edges`` are the interfaces between the projects, ``hours`` the manual review each project states.
    """
    declared, open_risks = tuple(edges), [risk for risk in risks if risk.closed_at is None]
    chosen = tuple(themes)
    downstream = {project: reach(declared, {project}) for project in {theme.project for theme in chosen}}
    found = []
    for theme in chosen:
        mine = [risk for risk in open_risks if theme.project in risk.projects]
        urgency, why = _urgency(theme, mine, now)
        found.append(
            Priority(
                theme=theme.id,
                impact=_impact(theme),
                reusability=_reusability(theme, downstream[theme.project]),
                exposure=_exposure(theme, mine),
                cost=_cost(theme, hours.get(theme.project)),
                urgency=urgency,
                why=why,
            )
        )
    sizes = {theme.id: len(theme.events) for theme in chosen}
    return tuple(sorted(found, key=lambda item: (*_order(item), -sizes[item.theme], item.theme)))


def _order(item: Priority) -> tuple[bool, bool, float]:
    return item.urgency != "block now", item.benefit is None, -(item.benefit or 0.0)


def _worst(counts: Mapping[str, int], order: tuple[str, ...]) -> str | None:
    return next((word for word in reversed(order) if counts.get(word)), None)


def _impact(theme: Theme) -> Factor:
    scope, severity = _worst(theme.scopes, SCOPES), _worst(theme.severities, SEVERITIES)
    count = len(theme.events)
    if scope is None or severity is None:
        missing = " or ".join(
            f"a {word}" for word, found in (("scope", scope), ("severity", severity)) if found is None
        )
        return Factor(None, f"no event states {missing}")
    value = (SCOPES.index(scope) + 1) * (SEVERITIES.index(severity) + 1) * (1 + math.log10(count))
    first = f"widest scope {scope} ({SCOPES.index(scope) + 1})"
    return Factor(value, f"{first} x worst severity {severity} ({SEVERITIES.index(severity) + 1}) x (1 + lg {count})")


def _reusability(theme: Theme, downstream: int) -> Factor:
    return Factor(1.0 + downstream, f"1 + {downstream} projects that build on {theme.project} in the same iteration")


def _exposure(theme: Theme, mine: list[Risk]) -> Factor:
    if not mine:
        return Factor(1.0, f"no open risk names {theme.project}")
    worst = max(mine, key=lambda risk: (risk.likelihood * risk.impact, risk.id))
    return Factor(
        1.0 + worst.likelihood * worst.impact / WORST_RISK,
        f"1 + {worst.likelihood} x {worst.impact} / {WORST_RISK} of the open risk {worst.id}",
    )


def _cost(theme: Theme, hours: float | None) -> Factor:
    if hours is None:
        return Factor(None, f"{theme.project} states no review hours")
    return Factor(hours, f"review hours {theme.project} states for one iteration")


def _urgency(theme: Theme, mine: list[Risk], now: datetime) -> tuple[Urgency, str]:
    """What cannot wait for the next iteration: a boundary, a whole chain in trouble, a high risk nobody answered."""
    if theme.severities.get("high"):
        if theme.sources.get("governance"):
            return "block now", "governance reports it, with high severity"
        if theme.scopes.get("chain"):
            return "block now", "it reaches a whole chain, with high severity"
    overdue = [risk.id for risk in mine if risk.is_overdue(now) and risk.likelihood * risk.impact >= HIGH_FROM]
    if overdue:
        return "block now", f"the high risk {overdue[0]} is overdue"
    return "schedule", "nothing in it must stop at once"
