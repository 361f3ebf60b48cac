"""Keeps reviews and answers as documents, and reads them back by their digest."""

from __future__ import annotations

import re
from dataclasses import dataclass

from flywheel_mlflow.base.errors import UnknownName
from flywheel_mlflow.decisions.human_review import ReviewAnswers, ReviewPlan, answers_from_json, plan_from_json
from flywheel_mlflow.operations.deciding import Session
from flywheel_mlflow.operations.scratch import scratch_folder

_ID = re.compile(r"[a-z][a-z0-9_]{0,62}-[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class KeptPlan:
    """A review as it is kept: ``digest`` is the sha256 of its document."""

    plan: ReviewPlan
    run_id: str
    digest: str


def keep_plan(session: Session, plan: ReviewPlan) -> str:
    """Keep a review, the same one once; the run's id."""
    from flywheel_mlflow.tracking import FeedbackDocument
    from flywheel_mlflow.tracking.feedback import KIND_REVIEW, REVIEW_FILE

    note = f"{len(plan.items)} of {plan.pool} items of {plan.subject}, for people to look at."
    name = _run_name(plan.id)
    document = FeedbackDocument(KIND_REVIEW, plan.iteration, name, REVIEW_FILE, plan.text, note)
    return session.tracking.feedback.keep(document)


def _run_name(review: str) -> str:
    return f"human review {review}"


def find_plan(session: Session, review: str) -> KeptPlan:
    """A review by its id.

    Raises:
        UnknownName: no such review. InputError: its document is gone or was changed.
    """
    from flywheel_mlflow.tracking.feedback import KIND_REVIEW, REVIEW_FILE

    kept = session.tracking.feedback.kept(KIND_REVIEW, name=_run_name(review)) if _ID.fullmatch(review) else ()
    with scratch_folder() as folder:
        for item in kept:
            text = session.tracking.feedback.text(item.run_id, REVIEW_FILE, item.digest, folder)
            plan = plan_from_json(text, name=f"run {item.run_id}")
            if plan.id == review:
                return KeptPlan(plan, item.run_id, item.digest)
    raise UnknownName("review", review, (), where="`flywheel human-review status` shows them")


def keep_answers(session: Session, plan: ReviewPlan, document: ReviewAnswers) -> str:
    """Keep answers, the same ones once; the run's id."""
    from flywheel_mlflow.tracking import FeedbackDocument
    from flywheel_mlflow.tracking.feedback import ANSWERS_FILE, KIND_ANSWERS

    note = f"Answers of a person about {plan.subject}; that the person stands by them is said by the ledger."
    name = f"answers to {plan.id}"
    kept = FeedbackDocument(KIND_ANSWERS, plan.iteration, name, ANSWERS_FILE, document.text, note)
    return session.tracking.feedback.keep(kept)


def read_answers(session: Session, run_id: str, digest: str) -> ReviewAnswers:
    """Answers that were kept.

    Raises:
        InputError: they are gone, were changed, or are none.
    """
    from flywheel_mlflow.tracking.feedback import ANSWERS_FILE

    with scratch_folder() as folder:
        text = session.tracking.feedback.text(run_id, ANSWERS_FILE, digest, folder)
    return answers_from_json(text, name=f"run {run_id}")


def read_plan(session: Session, run_id: str, digest: str) -> ReviewPlan:
    """A review that was kept.

    Raises:
        InputError: it is gone, was changed, or is none.
    """
    from flywheel_mlflow.tracking.feedback import REVIEW_FILE

    with scratch_folder() as folder:
        text = session.tracking.feedback.text(run_id, REVIEW_FILE, digest, folder)
    return plan_from_json(text, name=f"run {run_id}")
