"""The evidence that gates are evaluated on, and the verdicts they can give."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from flywheel_mlflow.decisions.approvals import JudgedApproval
from flywheel_mlflow.decisions.releases import Basis, Release
from flywheel_mlflow.decisions.risks import Risk
from flywheel_mlflow.evidence.provenance import Direction
from flywheel_mlflow.promises.criteria import Criterion


class Verdict(StrEnum):
    """What a criterion or a gate says; missing evidence is never a pass."""

    PASS = "PASS"  # noqa: S105 - a verdict, no password
    BLOCK = "BLOCK"
    INCONCLUSIVE = "INCONCLUSIVE"


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """BLOCK before INCONCLUSIVE before PASS; nothing at all is INCONCLUSIVE."""
    found = set(verdicts)
    for verdict in (Verdict.BLOCK, Verdict.INCONCLUSIVE):
        if verdict in found:
            return verdict
    return Verdict.PASS if found else Verdict.INCONCLUSIVE


@dataclass(frozen=True, slots=True)
class Measured:
    """A number a criterion reads: None is unknown; ``n`` the sample size.

    ``direction`` is the better one, None for neither; ``unit`` says whether the value is a share.
    """

    value: float | None
    n: int | None = None
    run_id: str = ""
    direction: Direction | None = None
    stderr: float | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A verdict another part of the product gave, None when it could not be given; ``text`` says it in words.

    ``next`` is what to do about it, where the criterion has no better command; ``more`` are runs beside ``run_id``.
    """

    verdict: Verdict | None
    text: str
    run_id: str = ""
    value: float | None = None
    n: int | None = None
    next: str = ""
    more: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DriftAnswer:
    """What a comparison says for a release: as a whole, and of each KPI and suite by its name.

    ``whole`` gives the answer where so many changes that nobody can judge are allowed.
    """

    whole: Callable[[int], Answer]
    kpis: Mapping[str, Answer] = field(default_factory=dict)

    @classmethod
    def always(cls, answer: Answer) -> DriftAnswer:
        """The same answer, however many changes are allowed."""
        return cls(lambda _changes: answer)

    def to(self, criterion: Criterion) -> Answer:
        """The answer to a drift criterion: about one KPI or suite if it names one, else about the whole."""
        if criterion.metric is not None:
            return self.kpis.get(criterion.metric, Answer(None, f"{criterion.metric} was not compared"))
        return self.whole(int(criterion.limit or 0))


@dataclass(frozen=True, slots=True)
class GateFacts:
    """All the evidence a gate is evaluated on, collected beforehand; ``now`` is the moment of judging.

    ``reference`` is what the release is compared with (``release 3``, ``iteration 2``), empty when there is nothing.
    ``explainers`` are the people whose explanations of its drift count.
    ``named`` are the projects the evidence names, by kind of criterion or by metric; no verdict depends on them.
    """

    release: Release
    basis: Basis
    metrics: Mapping[str, Measured]
    reference: str
    reference_metrics: Mapping[str, Measured]
    checks: Answer
    consistency: Answer
    reproducible: Answer
    drift: DriftAnswer
    approvals: tuple[JudgedApproval, ...]
    risks: tuple[Risk, ...]
    now: datetime
    named: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    explainers: tuple[str, ...] = ()
    personal_data: Answer = Answer(None, "nobody asked the interfaces")
    experiments: Mapping[str, Answer] = field(default_factory=dict)
    human_review: Callable[[Criterion], Answer] = lambda _: Answer(None, "nobody looked for answers of people")
