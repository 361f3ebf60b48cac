"""What people said about data, and what that says to a gate.

Nothing that the makers of the data can write counts. The items are drawn by a hash of the version they are of, so that
nobody picks them; answers count as a decision of the ledger by somebody who holds the role that the gate names.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from pydantic import TypeAdapter

from flywheel_mlflow.base.canonical import canonical_json, document_json, sha256_text
from flywheel_mlflow.base.documents import read_json
from flywheel_mlflow.base.signing import Signature, is_signed
from flywheel_mlflow.decisions.agreement import gwet_ac1, krippendorff_alpha
from flywheel_mlflow.decisions.approvals import holds_role, is_verified, key_of
from flywheel_mlflow.decisions.event_values import whole, word
from flywheel_mlflow.decisions.gate_facts import Answer, Verdict
from flywheel_mlflow.decisions.ledger import Event, Identity, unwitnessed
from flywheel_mlflow.promises.blueprint import Blueprint
from flywheel_mlflow.promises.criteria import Criterion
from flywheel_mlflow.promises.review import MAX_ITEMS, Question, ReviewDemand, questions_digest

Value = TypeVar("Value")

#: The kind of the event by which a reviewer stands by answers.
SUBMITTED = "human_review_submitted"
#: Projects that are named in one verdict; more are counted.
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """A record or trace to look at: its id, and the sha256 of what reviewers are shown of it."""

    id: str
    digest: str


@dataclass(frozen=True, slots=True)
class ReviewPlan:
    """What was drawn to be looked at: the first ``items`` of the ``pool``, in the order of the draw.

    ``subject`` is ``INTERFACE@DIGEST`` or ``traces@RUN_ID``. The same draw and questions are the same plan.
    """

    project: str
    iteration: int
    subject: str
    pool: int
    questions: tuple[Question, ...]
    items: tuple[ReviewItem, ...]

    @property
    def id(self) -> str:
        """Its name for people."""
        return f"{self.project}-{sha256_text(canonical_json([self.subject, self.questions, self.items]))[:8]}"

    @property
    def text(self) -> str:
        """The document that is kept."""
        return document_json(self)

    @property
    def asked(self) -> str:
        """The digest of its questions."""
        return questions_digest(self.questions)


@dataclass(frozen=True, slots=True)
class ReviewAnswers:
    """What one person answered, by item and question; ``plan`` is the sha256 of the plan's document."""

    review: str
    plan: str
    reviewer: str
    answers: Mapping[str, Mapping[str, str]]
    comments: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The document that is kept."""
        return document_json(self)


_PLAN: TypeAdapter[ReviewPlan] = TypeAdapter(ReviewPlan)
_ANSWERS: TypeAdapter[ReviewAnswers] = TypeAdapter(ReviewAnswers)


def plan_from_json(text: str, *, name: str) -> ReviewPlan:
    """The plan in a document.

    Raises:
        DocumentError: it is none.
    """
    return read_json(_PLAN, text, name=name, hint="flywheel human-review open")


def answers_from_json(text: str, *, name: str) -> ReviewAnswers:
    """The answers in a document.

    Raises:
        DocumentError: they are none.
    """
    return read_json(_ANSWERS, text, name=name, hint="submit them again: flywheel human-review submit")


def answers_fit(plan: ReviewPlan, document: ReviewAnswers) -> bool:
    """Whether every answer is one of a question of the plan, about an item of it; and there is one."""
    asked = {question.name: question.answers for question in plan.questions}
    known = {item.id for item in plan.items}
    return bool(document.answers) and all(
        item in known and all(name in asked and answer in asked[name] for name, answer in given.items())
        for item, given in document.answers.items()
    )


def draw(subject: str, pool: Iterable[tuple[str, Value]], count: int) -> tuple[tuple[tuple[str, Value], ...], int]:
    """The first ids of a pool, each with its value, in the order of a hash of subject and id; and the pool's size.

    A larger draw begins with the smaller one. Memory holds what is drawn.
    """
    size = 0

    def ranked() -> Iterator[tuple[str, str, int, Value]]:
        nonlocal size
        for size, (name, value) in enumerate(pool, start=1):
            yield sha256_text(f"{subject}\0{name}"), name, size, value

    found = heapq.nsmallest(min(count, MAX_ITEMS), ranked(), key=lambda item: item[:3])
    return tuple((name, value) for _, name, _, value in found), size


@dataclass(frozen=True, slots=True)
class Submission:
    """Answers that somebody stands by, as the ledger has them; ``plan`` and ``digest`` are sha256 of documents."""

    number: int
    at: datetime
    actor: Identity
    project: str
    subject: str
    asked: str
    review: str
    plan_run_id: str
    plan: str
    run_id: str
    digest: str
    items: int
    signature: Signature | None


def fold_submissions(events: Iterable[Event]) -> tuple[Submission, ...]:
    """The submissions that stand: the newest of each person about each subject and its questions."""
    found: dict[tuple[str, ...], Submission] = {}
    for event in events:
        if event.kind != SUBMITTED:
            continue
        try:
            item = _submission(event)
        except (KeyError, TypeError, ValueError):
            continue  # the audit tells events that decide nothing
        key = (item.actor.name, item.project, item.subject, item.asked)
        found.pop(key, None)
        found[key] = item
    return tuple(found.values())


def _submission(event: Event) -> Submission:
    body = event.body
    names = ("project", "subject", "asked", "review", "plan_run_id", "plan", "run_id", "digest")
    texts = {name: word(body[name]) for name in names}
    signed = body.get("signature")
    signature = None if signed is None else Signature(word(signed["public_key"]), word(signed["value"]))
    return Submission(event.number, event.at, event.actor, **texts, items=whole(body["items"]), signature=signature)


def submission_statement(flywheel: str, project: str, subject: str, digest: str) -> str:
    """What a person who submits says, and signs: one line of canonical JSON."""
    words = {"decision": "human_review", "flywheel": flywheel, "project": project, "subject": subject}
    return canonical_json({**words, "answers": digest})


def against(
    submission: Submission, event: Event, criterion: Criterion, *, author: str, flywheel: str, blueprint: Blueprint
) -> str:
    """Why somebody's answers do not count for a release made by ``author``; empty where they do."""
    name, role = submission.actor.name, criterion.role or ""
    key = key_of(blueprint, name)
    statement = submission_statement(flywheel, submission.project, submission.subject, submission.digest)
    signed = key is not None and is_signed(statement, submission.signature, [key])
    if key is not None and not signed:
        return f"{name} signs decisions, and these answers are not signed"
    if unwitnessed([event], blueprint.releases.server_keys):
        return f"they claim that a server vouches for {name}, and no known server sealed them"
    if not holds_role(blueprint, name, role):
        return f"{name} does not hold the role {role}"
    if name == author:
        return f"{name} made the release"
    if criterion.verified and not (signed or is_verified(blueprint, event)):
        return f"nobody vouches for the name {name}"
    return ""


@dataclass(frozen=True, slots=True)
class ReviewedProject:
    """What people answered about the data of one project of a release.

    ``unknown`` says why nothing can be known of it, empty where something can. ``answers`` are those of each person, by
    item and question, kept by ``runs``; ``left_out`` says whose do not count and why.
    """

    project: str
    unknown: str = ""
    questions: tuple[Question, ...] = ()
    pool: int = 0
    items: tuple[str, ...] = ()
    answers: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReviewOutcome:
    """What the answers about a project amount to.

    ``finished`` counts items from the start of the draw on, up to the first that is not finished; ``good`` those of
    them in which nobody found anything wrong. ``agreement`` is about whether something is wrong with an item, which is
    what a gate goes by; ``by_question`` is about the answers to each question. Both are None where they are unknown.
    ``people`` are those who answered.
    """

    finished: int
    good: int
    agreement: float | None
    by_question: Mapping[str, float | None]
    people: tuple[str, ...]

    @property
    def share(self) -> float | None:
        """The share of finished items in which nothing was found wrong; None of none."""
        return self.good / self.finished if self.finished else None


def outcome_of(review: ReviewedProject, *, reviewers: int, coefficient: str = "alpha") -> ReviewOutcome:
    """What answers amount to where an item is finished by so many different people."""
    good = {question.name: frozenset(question.good) for question in review.questions}
    judged: dict[str, list[Mapping[str, str]]] = {
        item: [answers[item] for answers in review.answers.values() if good.keys() <= answers.get(item, {}).keys()]
        for item in review.items
    }
    fine = {
        item: [all(answers[name] in allowed for name, allowed in good.items()) for answers in given]
        for item, given in judged.items()
    }
    finished = 0
    while finished < len(review.items) and len(judged[review.items[finished]]) >= reviewers:
        finished += 1
    agreed: Callable[[list[list[Any]], int], float | None] = (
        gwet_ac1 if coefficient == "ac1" else lambda items, _: krippendorff_alpha(items)
    )
    return ReviewOutcome(
        finished,
        sum(all(fine[item]) for item in review.items[:finished]),
        agreed(list(fine.values()), 2),
        {
            question.name: agreed(
                [[answers[question.name] for answers in given] for given in judged.values()], len(question.answers)
            )
            for question in review.questions
        },
        tuple(sorted(name for name, answers in review.answers.items() if answers.keys() & judged.keys())),
    )


def judge_reviews(criterion: Criterion, reviews: Iterable[ReviewedProject]) -> Answer:
    """What the answers about all projects say to a gate: PASS, BLOCK, or no verdict where too little is known.

    BLOCK where enough people looked, agree, and find too much wrong in one project.
    """
    looked = list(reviews)
    judged = [_judged(criterion, review) for review in looked]
    if not judged:
        return Answer(None, "no project of this release needs human review")
    told = sorted(judged, key=lambda item: (item.verdict is Verdict.PASS, item.verdict is None))
    more = f"; and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
    verdicts = {item.verdict for item in judged}
    verdict = Verdict.BLOCK if Verdict.BLOCK in verdicts else None if None in verdicts else Verdict.PASS
    shares = [item.value for item in judged if item.value is not None]
    return Answer(
        verdict,
        "; ".join(item.text for item in told[:_SHOWN]) + more,
        value=min(shares) if len(shares) == len(judged) else None,
        n=min(item.n or 0 for item in judged),
        next=told[0].next,
        more=tuple(run for review in looked for run in review.runs),
    )


def unsettled(criterion: Criterion, reviews: Iterable[ReviewedProject]) -> tuple[str, ...]:
    """The projects whose answers do not pass."""
    return tuple(item.project for item in reviews if _judged(criterion, item).verdict is not Verdict.PASS)


def _judged(criterion: Criterion, review: ReviewedProject) -> Answer:
    demand, limit = criterion.review or ReviewDemand(reviewers=1), criterion.limit or 0.0
    if review.unknown:
        return Answer(None, f"{review.project}: {review.unknown}")
    found = outcome_of(review, reviewers=demand.reviewers, coefficient=demand.coefficient)
    least = min(demand.items, review.pool)
    apart = f" ({'; '.join(review.left_out)})" if review.left_out else ""
    by = f" by {', '.join(found.people)}" if found.people else ""
    told = f"{review.project}: {found.finished} of {least} items finished{by}{apart}"
    verdict: Verdict | None = None
    if not found.finished or found.finished < least:
        short = len(review.items) < least
        told += f"; only {len(review.items)} were drawn" if short else f", {_people(demand.reviewers)} for each"
        return Answer(None, told, value=found.share, n=found.finished)
    told += f", nothing wrong in {found.good / found.finished:.1%}"
    if lacking := _disagreement(demand, found):
        told += f"; {lacking}"
    else:
        verdict, reason = _share_verdict(criterion, found, review.pool)
        told += f", {limit:.1%} is demanded{reason}"
    return Answer(verdict, told, value=found.share, n=found.finished)


def _people(count: int) -> str:
    return "one person" if count == 1 else f"{count} different people"


def _disagreement(demand: ReviewDemand, found: ReviewOutcome) -> str:
    """Why the answers cannot be relied on; empty where they can."""
    if demand.agreement is None:
        return ""
    name = {"alpha": "Krippendorff's alpha", "ac1": "Gwet's AC1"}[demand.coefficient]
    if found.agreement is None:
        return f"{name} is unknown: where nobody sees a difference, nothing shows that anybody looked"
    if found.agreement >= demand.agreement:
        return ""
    known = {question: value for question, value in found.by_question.items() if value is not None}
    least = f", least about {min(known, key=known.__getitem__)}" if known else ""
    return f"reviewers do not agree{least}: {name} is {found.agreement:.3g}, {demand.agreement:g} is demanded"


def _share_verdict(criterion: Criterion, found: ReviewOutcome, pool: int) -> tuple[Verdict | None, str]:
    limit, share = criterion.limit or 0.0, found.good / found.finished
    if criterion.confidence is None or found.finished >= pool:
        return (Verdict.PASS if share >= limit else Verdict.BLOCK), ""
    from flywheel_mlflow.drift.intervals import wilson_interval

    low, high = wilson_interval(found.good, found.finished, confidence=criterion.confidence)
    told = f"; of all {pool} it is {low:.1%} to {high:.1%} ({criterion.confidence:.0%})"
    if low >= limit:
        return Verdict.PASS, told
    return (Verdict.BLOCK if high < limit else None), told
