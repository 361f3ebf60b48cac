"""Lets people look at a project's data: draws what they look at, opens the queue, takes in what they answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flywheel_mlflow.base.canonical import digest_of, parsed_json, plain, sha256_text
from flywheel_mlflow.base.errors import InputError, Refused, StorageError
from flywheel_mlflow.base.signing import Signature, SigningKey
from flywheel_mlflow.decisions.human_review import (
    SUBMITTED,
    ReviewAnswers,
    ReviewPlan,
    answers_fit,
    fold_submissions,
    submission_statement,
)
from flywheel_mlflow.feedback.review_table import comment_faults, read_table, write_table
from flywheel_mlflow.operations.deciding import (
    LedgerSnapshot,
    NewEvent,
    Session,
    append_decision,
    begin,
    persistently,
    read_snapshot,
)
from flywheel_mlflow.operations.releases.decisions import refuse_unsigned
from flywheel_mlflow.operations.releases.review_documents import find_plan, keep_answers, keep_plan, read_answers
from flywheel_mlflow.operations.releases.review_drawing import cut, draw_again, draw_items
from flywheel_mlflow.promises.review import MAX_ITEMS


@dataclass(frozen=True, slots=True)
class OpenedReview:
    """A review that was opened; ``queues`` are MLflow's by person, empty where the server has none or nobody wants any.

    ``people`` are those who are asked; ``new_traces`` counts records that are shown as traces from now on.
    """

    review: str
    plan: ReviewPlan
    run_id: str | None
    people: tuple[str, ...]
    queues: Mapping[str, str] = field(default_factory=dict)
    new_traces: int = 0


@dataclass(frozen=True, slots=True)
class PreparedAnswers:
    """Answers about to be submitted; ``run_id`` is None while their document is not kept.

    ``missing`` counts items of which a question is not answered.
    """

    review: str
    reviewer: str
    project: str
    subject: str
    items: int
    missing: int
    digest: str
    run_id: str | None


@dataclass(frozen=True, slots=True)
class SubmittedAnswers:
    """A submission as it was written; ``event`` is None for a dry run."""

    event: int | None
    body: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class _Given:
    answers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    comments: Mapping[str, str] = field(default_factory=dict)


def open_review(
    session: Session,
    project: str,
    iteration: int,
    *,
    items: int = 50,
    people: Iterable[str] = (),
    queue: bool = True,
    dry_run: bool = False,
) -> OpenedReview:
    """Draw records or traces of a project for people to look at, and open their queues; safe to run again.

    Args:
        session: who acts, where.
        project: whose data; its contract says which, and what is asked.
        iteration: the iteration whose data is meant.
        items: how many; a larger draw begins with the smaller one, and keeps its answers in MLflow.
        people: who is asked; those who hold the role that gates ask for, if left out.
        queue: open a queue of MLflow for each of them, where the server has queues.
        dry_run: write nothing.

    Raises:
        UnknownName: no such project. MissingVersion: it has no such data in that iteration.
        InputError: its contract asks no questions, there is nothing to look at, or data that are not what was logged.
        RecordError: data that cannot be read as records.
    """
    if not 1 <= items <= MAX_ITEMS:
        raise InputError(f"{items} items", hint=f"between 1 and {MAX_ITEMS}")
    contract = session.flywheel.contract(project)
    if not contract.review.questions:
        raise InputError(
            f"the contract of {contract.id} asks reviewers nothing", hint="write `questions` under `review` there"
        )
    drawn = draw_items(session, contract, iteration, items)
    if not drawn.shown:
        raise InputError(f"{drawn.subject} holds nothing to look at", hint=f"flywheel collect --iteration {iteration}")
    plan = ReviewPlan(contract.id, iteration, drawn.subject, drawn.pool, contract.review.questions, drawn.items)
    chosen = tuple(dict.fromkeys(people)) or _reviewers(session)
    if dry_run:
        return OpenedReview(plan.id, plan, None, chosen)
    run_id = keep_plan(session, plan)
    experiment = session.tracking.runs.experiment(contract)
    if not queue or not session.tracking.review_queues.are_offered(experiment):
        return OpenedReview(plan.id, plan, run_id, chosen)
    new, traces = 0, [item.id for item in plan.items]
    if contract.review.records_of:
        new = session.tracking.review_traces.show_records(experiment, plan.project, plan.subject, drawn.shown)
        traces = [session.tracking.review_traces.id_of(plan.subject, item.id) for item in plan.items]
    opened = session.tracking.review_queues.open(experiment, plan.id, plan.questions, chosen, traces)
    return OpenedReview(plan.id, plan, run_id, chosen, opened, new)


def _reviewers(session: Session) -> tuple[str, ...]:
    """Who holds the roles whose answers gates count."""
    plan = session.flywheel.blueprint
    roles = [item.role for item in plan.criteria if item.kind == "human_review" and item.role]
    return tuple(dict.fromkeys(name for role in roles for name in plan.people_of(role)))


def export_table(session: Session, review: str) -> str:
    """The table of a review as CSV, with what whoever asks has submitted already; what is shown is drawn anew.

    Raises:
        UnknownName: no such review. Refused: its items are not those that the draw gives.
    """
    found = find_plan(session, review)
    drawn = draw_again(session, found.plan)
    given = _submitted(session, found.plan)
    shown = {item: parsed_json(plain(value)) for item, value in drawn.shown.items()}
    return write_table(found.plan, shown, given.answers, given.comments)


def write_review_table(session: Session, review: str, path: Path) -> Path:
    """The same as a new file.

    Raises:
        InputError: there is a file of that name: somebody may have filled it in. StorageError: it cannot be written.
    """
    text = export_table(session, review)
    try:
        with path.open("x", encoding="utf-8-sig", newline="") as stream:  # by the mark Excel knows UTF-8
            stream.write(text)
    except FileExistsError as error:
        raise InputError("there is such a file already", where=str(path), hint="name another one with --out") from error
    except OSError as error:
        raise StorageError(f"cannot write the file: {error.strerror or error}", where=str(path)) from error
    return path


def _submitted(session: Session, plan: ReviewPlan) -> _Given:
    """What whoever acts has submitted about the same subject and questions."""
    snapshot = persistently(session, lambda: read_snapshot(session.tracking))
    for item in fold_submissions(snapshot.ledger.counted) if snapshot else ():
        if (item.actor.name, item.project, item.subject, item.asked) == (
            session.actor.name, plan.project, plan.subject, plan.asked,
        ):  # fmt: skip
            found = read_answers(session, item.run_id, item.digest)
            return _Given(found.answers, found.comments)
    return _Given()


def prepare_answers(
    session: Session, review: str, *, table: Path | None = None, known_as: str = "", dry_run: bool = False
) -> PreparedAnswers:
    """Keep the document of somebody's answers, from a table or from MLflow; nothing is submitted yet.

    What was to be looked at is drawn again, from the data: a review whose items somebody picked is refused.

    Args:
        session: who acts, where.
        review: its id.
        table: the table that was filled in; what MLflow has, if left out.
        known_as: the name under which MLflow has the answers, if it is another one.
        dry_run: keep nothing.

    Raises:
        UnknownName: no such review. DocumentError: every fault of the table.
        InputError: there is no answer. Refused: items that nobody drew, or traces that show something else.
    """
    found = find_plan(session, review)
    draw_again(session, found.plan)
    if table is not None:
        filled = read_table(_bytes(table), found.plan, name=str(table))
        given = _Given(filled.answers, filled.comments)
    else:
        given = _answered(session, found.plan, (known_as or session.actor.name).lower())
    if not given.answers:
        where = str(table) if table else f"review {review}"
        hint = (
            "fill in the columns of the questions" if table else "answer in MLflow, or name another person: --known-as"
        )
        raise InputError("there is no answer", where=where, hint=hint)
    document = ReviewAnswers(review, found.digest, session.actor.name, given.answers, given.comments)
    whole = sum(len(answers) == len(found.plan.questions) for answers in given.answers.values())
    return PreparedAnswers(
        review,
        session.actor.name,
        found.plan.project,
        found.plan.subject,
        items=len(given.answers),
        missing=len(found.plan.items) - whole,
        digest=sha256_text(document.text),
        run_id=None if dry_run else keep_answers(session, found.plan, document),
    )


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StorageError(f"cannot read the file: {error.strerror or error}", where=str(path)) from error


def _answered(session: Session, plan: ReviewPlan, who: str) -> _Given:
    """What somebody answered in MLflow about the items of a review."""
    contract = session.flywheel.contract(plan.project)
    experiment = session.tracking.runs.experiment(contract)
    traces = session.tracking.review_traces
    if contract.review.records_of:
        seen = traces.of_records(experiment, plan.subject, plan.questions)
        items = {traces.id_of(plan.subject, item.id): item for item in plan.items}
    else:
        seen = traces.answered(experiment, plan.subject.partition("@")[2], plan.questions)
        items = {item.id: item for item in plan.items}
    answers: dict[str, Mapping[str, str]] = {}
    comments: dict[str, str] = {}
    for trace in seen:
        item = items.get(trace.id)
        if item is None or who not in trace.answers:
            continue
        shown = trace.shown if contract.review.records_of or trace.shown is None else cut(trace.shown)
        if shown is None or digest_of(shown) != item.digest:
            raise Refused(
                f"the trace {trace.id} does not show {item.id[:80]}",
                rule="people answer about what was drawn",
                hint="somebody wrote it before; use the table: flywheel human-review export",
            )
        answers[item.id] = trace.answers[who]
        if who in trace.comments and not any(comment_faults(trace.comments[who])):
            comments[item.id] = trace.comments[who]
    return _Given(answers, comments)


def sign_answers(session: Session, prepared: PreparedAnswers, key: SigningKey) -> Signature:
    """The signature of answers that are about to be submitted."""
    return key.sign(submission_statement(session.flywheel.name, prepared.project, prepared.subject, prepared.digest))


def submit_answers(
    session: Session, run_id: str, digest: str, *, signature: Signature | None = None, dry_run: bool = False
) -> SubmittedAnswers:
    """Stand by answers that were prepared; they replace what the same person said of the same subject.

    Raises:
        InputError: their document is gone, was changed, or says what nobody was asked.
        Refused: they are somebody else's, or the signature is missing or wrong.
    """
    document = read_answers(session, run_id, digest)
    found = find_plan(session, document.review)
    plan = found.plan
    if document.reviewer != session.actor.name:
        raise Refused(
            f"these are the answers of {document.reviewer[:80]}",
            rule="everybody stands by their own answers",
            value=session.actor.name,
            limit=document.reviewer,
        )
    if found.digest != document.plan or not answers_fit(plan, document):
        raise InputError("the answers are not about the items and questions of the review", where=f"run {run_id}")
    statement = submission_statement(session.flywheel.name, plan.project, plan.subject, digest)
    refuse_unsigned(session, statement, signature)
    body: dict[str, object] = {
        "project": plan.project,
        "iteration": plan.iteration,
        "subject": plan.subject,
        "asked": plan.asked,
        "review": plan.id,
        "plan_run_id": found.run_id,
        "plan": found.digest,
        "run_id": run_id,
        "digest": digest,
        "items": len(document.answers),
    }
    body |= {"signature": plain(signature)} if signature else {}

    def choose(_: LedgerSnapshot) -> NewEvent:
        return NewEvent(SUBMITTED, body)

    if dry_run:
        return SubmittedAnswers(None, body)
    begin(session)
    event, _ = append_decision(session, choose)
    return SubmittedAnswers(event.number, body)
