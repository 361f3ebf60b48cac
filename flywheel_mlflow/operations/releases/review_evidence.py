"""Reads what people answered about data: for a gate, and for whoever asks how far reviews are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from flywheel_mlflow.assembly.bundle import Bundle
from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.decisions.gate_facts import Answer
from flywheel_mlflow.decisions.human_review import (
    ReviewAnswers,
    ReviewedProject,
    ReviewOutcome,
    ReviewPlan,
    Submission,
    against,
    answers_fit,
    fold_submissions,
    judge_reviews,
    outcome_of,
    plan_from_json,
    unsettled,
)
from flywheel_mlflow.decisions.releases import Release
from flywheel_mlflow.operations.deciding import LedgerSnapshot, Session, persistently, read_snapshot
from flywheel_mlflow.operations.releases.review_documents import read_answers, read_plan
from flywheel_mlflow.operations.releases.review_drawing import record_subject, trace_subject
from flywheel_mlflow.operations.scratch import scratch_folder
from flywheel_mlflow.promises.blueprint import needs_human_review
from flywheel_mlflow.promises.contract import Contract
from flywheel_mlflow.promises.criteria import Criterion
from flywheel_mlflow.promises.review import ReviewDemand, questions_digest


@dataclass(frozen=True, slots=True)
class _Read:
    """A submission with its documents."""

    submission: Submission
    plan: ReviewPlan
    answers: ReviewAnswers


@dataclass(frozen=True, slots=True)
class _Subject:
    """What people look at for one project of a release; ``unknown`` says why it cannot be known."""

    contract: Contract
    subject: str
    unknown: str
    read: tuple[_Read, ...] = ()
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReleaseReviews:
    """The answers about a release, for the criteria of its gates."""

    answer: Callable[[Criterion], Answer]
    unsettled: tuple[str, ...]


def reviews_of_release(
    session: Session, snapshot: LedgerSnapshot, release: Release, bundle: Bundle
) -> ReleaseReviews | None:
    """What people answered about the data of a release; None where no gate asks."""
    criteria = [item for item in session.flywheel.blueprint.criteria if item.kind == "human_review"]
    if not criteria:
        return None
    subjects = [
        _subject(session, snapshot, contract, bundle)
        for contract in session.flywheel.contracts.values()
        if needs_human_review(session.flywheel.blueprint, contract)
        and any(pin.project == contract.id for pin in bundle.pins)
    ]
    counted = partial(_counted, session, snapshot, subjects, release.author.name)
    named = {name for item in criteria for name in unsettled(item, counted(item))}
    return ReleaseReviews(lambda criterion: judge_reviews(criterion, counted(criterion)), tuple(sorted(named)))


def _subject(session: Session, snapshot: LedgerSnapshot, contract: Contract, bundle: Bundle) -> _Subject:
    review = contract.review
    pins = [pin for pin in bundle.pins if pin.project == contract.id]
    if not review.questions:
        return _Subject(contract, "", "its contract asks reviewers nothing")
    if review.records_of:
        digest = next((pin.digest for pin in pins if pin.interface == review.records_of), None)
        if digest is None:
            return _Subject(contract, "", f"this release holds no {review.records_of} to look at")
        subject = record_subject(review.records_of, digest)
    else:
        subject = trace_subject(pins[0].run_id)
    read, unreadable = _submitted(session, snapshot, contract.id, subject, questions_digest(review.questions))
    return _Subject(contract, subject, "", read, unreadable)


def _submitted(
    session: Session, snapshot: LedgerSnapshot, project: str, subject: str, asked: str
) -> tuple[tuple[_Read, ...], tuple[str, ...]]:
    """The submissions about a subject, and whose cannot be read."""
    found: list[_Read] = []
    unreadable: list[str] = []
    for item in fold_submissions(snapshot.ledger.counted):
        if (item.project, item.subject, item.asked) != (project, subject, asked):
            continue
        try:
            plan = read_plan(session, item.plan_run_id, item.plan)
            answers = read_answers(session, item.run_id, item.digest)
        except InputError as error:
            unreadable.append(f"the answers of {item.actor.name} cannot be read: {error.what}")
            continue
        if (
            (plan.project, plan.subject, plan.asked) == (project, subject, asked)
            and (answers.reviewer, answers.plan) == (item.actor.name, item.plan)
            and answers_fit(plan, answers)
        ):
            found.append(_Read(item, plan, answers))
        else:
            unreadable.append(f"the answers of {item.actor.name} are about something else")
    return tuple(found), tuple(unreadable)


def _counted(
    session: Session, snapshot: LedgerSnapshot, subjects: list[_Subject], author: str, criterion: Criterion
) -> tuple[ReviewedProject, ...]:
    """The answers that count for a criterion."""
    return tuple(_reviewed(session, snapshot, item, author, criterion) for item in subjects)


def _reviewed(
    session: Session, snapshot: LedgerSnapshot, item: _Subject, author: str, criterion: Criterion
) -> ReviewedProject:
    if item.unknown:
        return ReviewedProject(item.contract.id, item.unknown)
    left_out = list(item.unreadable)
    counting: list[_Read] = []
    for read in item.read:
        why = _against(session, snapshot, read.submission, criterion, author)
        if why:
            left_out.append(why)
        else:
            counting.append(read)
    if not counting:
        told = "; ".join(left_out) or "nobody has submitted answers yet"
        return ReviewedProject(item.contract.id, told)
    # A larger draw begins with the smaller one.
    plan = max((read.plan for read in counting), key=lambda plan: len(plan.items))
    return ReviewedProject(
        item.contract.id,
        questions=item.contract.review.questions,
        pool=plan.pool,
        items=tuple(each.id for each in plan.items),
        answers={read.submission.actor.name: read.answers.answers for read in counting},
        left_out=tuple(left_out),
        runs=tuple(read.submission.run_id for read in counting),
    )


def _against(
    session: Session, snapshot: LedgerSnapshot, submission: Submission, criterion: Criterion, author: str
) -> str:
    event = snapshot.ledger.events[submission.number]
    return against(
        submission,
        event,
        criterion,
        author=author,
        flywheel=session.flywheel.name,
        blueprint=session.flywheel.blueprint,
    )


@dataclass(frozen=True, slots=True)
class Reviewer:
    """What one person submitted about a review: when, of how many items, and why it does not count, if so."""

    name: str
    at: datetime
    items: int
    against: str


@dataclass(frozen=True, slots=True)
class ReviewStatus:
    """How far a review is: its reviewers, and what their answers amount to.

    ``queues`` are MLflow's, items by person and status.
    ``counts`` says whether the answers are judged as a gate does, by the role it names; without such a gate all count.
    """

    plan: ReviewPlan
    reviewers: tuple[Reviewer, ...]
    outcome: ReviewOutcome
    counts: bool
    queues: Mapping[str, Mapping[str, int]]


def review_statuses(
    session: Session, *, project: str = "", iteration: int | None = None
) -> tuple[tuple[ReviewStatus, ...], tuple[str, ...]]:
    """The reviews that were opened, oldest first; and the projects that need one and have none.

    Raises:
        UnknownName: no such project.
    """
    from flywheel_mlflow.tracking.feedback import KIND_REVIEW, REVIEW_FILE

    wanted = session.flywheel.contract(project).id if project else ""
    plans: list[ReviewPlan] = []
    with scratch_folder() as folder:
        for kept in session.tracking.feedback.kept(KIND_REVIEW, iteration):
            text = session.tracking.feedback.text(kept.run_id, REVIEW_FILE, kept.digest, folder)
            plans.append(plan_from_json(text, name=f"run {kept.run_id}"))
    snapshot = persistently(session, lambda: read_snapshot(session.tracking))
    found = tuple(_status(session, snapshot, plan) for plan in plans if wanted in ("", plan.project))
    opened = {plan.project for plan in plans}
    missing = tuple(
        name
        for name, contract in session.flywheel.contracts.items()
        if needs_human_review(session.flywheel.blueprint, contract) and name not in opened and wanted in ("", name)
    )
    return found, missing


def _status(session: Session, snapshot: LedgerSnapshot | None, plan: ReviewPlan) -> ReviewStatus:
    criterion = next((item for item in session.flywheel.blueprint.criteria if item.kind == "human_review"), None)
    demand = (criterion.review if criterion else None) or ReviewDemand(reviewers=1)
    read = _submitted(session, snapshot, plan.project, plan.subject, plan.asked)[0] if snapshot else ()
    reviewers = tuple(
        Reviewer(
            item.submission.actor.name,
            item.submission.at,
            item.submission.items,
            _against(session, snapshot, item.submission, criterion, "") if criterion and snapshot else "",
        )
        for item in read
    )
    lacking = {item.name for item in reviewers if item.against}
    reviewed = ReviewedProject(
        plan.project,
        questions=plan.questions,
        pool=plan.pool,
        items=tuple(item.id for item in plan.items),
        answers={item.answers.reviewer: item.answers.answers for item in read if item.answers.reviewer not in lacking},
    )
    outcome = outcome_of(reviewed, reviewers=demand.reviewers, coefficient=demand.coefficient)
    experiment = session.tracking.collector.experiments().get(plan.project)
    queues = session.tracking.review_queues.progress(experiment, plan.id) if experiment else {}
    return ReviewStatus(plan, reviewers, outcome, criterion is not None, queues)
