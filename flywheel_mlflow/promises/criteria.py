"""What one criterion of a gate demands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, StringConstraints, model_serializer, model_validator

from flywheel_mlflow.base.names import Identifier
from flywheel_mlflow.promises.review import ReviewDemand
from flywheel_mlflow.promises.strict import Finite, Flag, Strict, Text

CriterionKind = Literal[
    "coverage",
    "checks",
    "floor",
    "ceiling",
    "max_drop",
    "drift",
    "consistency",
    "reproducible",
    "personal_data",
    "human_review",
    "approval",
    "risks",
    "boundary",
    "experiment",
]

#: What each kind reads, and when it passes.
PASSES: Mapping[CriterionKind, tuple[str, str]] = {
    "floor": ("a number of the bundle", "it is at least the limit"),
    "coverage": ("a number of the bundle", "it is at least the limit"),
    "ceiling": ("a number of the bundle", "it is at most the limit"),
    "checks": ("the upstream checks of the bundle", "their pass rate reaches the limit"),
    "max_drop": (
        "the number in the bundle and in what it is compared with",
        (
            "it got worse by at most the limit; with `confidence`, when its samples (Newcombe interval of a share) "
            "or its standard errors show that"
        ),
    ),
    "drift": (
        "the comparison logged on the assembly's run",
        (
            "nothing got worse or changed, or every finding is explained; what tasks intended is confirmed; with "
            "`limit` so many changes are allowed; with `metric` only one KPI or suite counts"
        ),
    ),
    "consistency": ("the assembly's own checks, run again now", "all pass"),
    "personal_data": (
        "the personal data check of every interface the release holds",
        "each was looked at and holds none, or is exempt with a reason",
    ),
    "human_review": (
        "what people answered about each project that needs it",
        "enough people looked, agree, and found little wrong",
    ),
    "experiment": ("the decision about an experiment", "it was decided, not stopped, and its outcomes are the same"),
    "reproducible": ("the evidence, assembled again now", "the bytes are the same"),
    "approval": ("approvals in the role", "one counts; a rejection blocks"),
    "risks": ("the risk ledger", "no high risk is overdue"),
    "boundary": ("the criteria that enforce each boundary, of whatever gate", "all of them pass"),
}


class Criterion(Strict):
    """One demand of a gate."""

    id: Identifier
    kind: CriterionKind
    demand: Text = Field(description="The demand as a sentence.")
    metric: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$")] | None = None
    limit: Finite | None = Field(
        default=None,
        description="Of drift: how many changes are allowed that nobody can judge; 0 if left out. Of human_review: the "
        "least share of items in which nobody found anything wrong.",
    )
    role: Identifier | None = Field(default=None, description="Whose approvals, or whose answers, count.")
    confidence: Annotated[Finite, Field(gt=0.5, lt=1)] | None = Field(
        default=None,
        description="max_drop of a share with sample size or a value with standard error: demand non-inferiority. "
        "human_review: demand that the share holds for all items, not for those alone that were drawn.",
    )
    verified: Flag = Field(
        default=False,
        description="approval, human_review: only a name the tracking server vouches for, or the person's own "
        "signature, counts.",
    )
    experiment: Identifier | None = Field(default=None, description="Of experiment: the one that must be decided.")
    review: ReviewDemand | None = Field(default=None, description="human_review: how much must be looked at, by whom.")

    @model_validator(mode="after")
    def _has_what_its_kind_needs(self) -> Self:
        if self.kind in ("floor", "ceiling", "max_drop", "coverage") and (self.metric is None or self.limit is None):
            raise ValueError(f"a {self.kind} criterion needs a metric and a limit")
        if self.kind == "drift" and self.limit is not None and (self.metric or self.limit != int(max(0, self.limit))):
            raise ValueError("a drift criterion's limit counts changes that are allowed: 0, 1, 2 ..., and no metric")
        if self.kind == "approval" and self.role is None:
            raise ValueError("an approval criterion needs a role")
        if (self.kind == "experiment") != (self.experiment is not None):
            raise ValueError("an experiment criterion names its experiment, and no other criterion does")
        if self.kind not in ("approval", "human_review") and self.verified:
            raise ValueError("only an approval or human_review criterion can demand a verified name")
        if self.kind not in ("max_drop", "human_review") and self.confidence is not None:
            raise ValueError("only a max_drop or human_review criterion has a confidence")
        return self

    @model_validator(mode="after")
    def _says_what_review_it_wants(self) -> Self:
        if (self.kind == "human_review") != (self.review is not None):
            raise ValueError("a human_review criterion, and no other, says under `review` how much is looked at")
        if self.kind == "human_review" and (self.role is None or self.limit is None or not 0 < self.limit <= 1):
            raise ValueError("a human_review criterion needs a role and a limit above 0, at most 1")
        return self

    @model_serializer(mode="wrap")
    def _without_empty_demands(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Approvals rest on the digest of the gates: a demand that no gate makes must not void them.
        found: dict[str, Any] = handler(self)
        return {key: value for key, value in found.items() if key not in ("review", "experiment") or value is not None}
