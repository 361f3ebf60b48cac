"""Prints reviews of data; every text in them may come from anybody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.base.canonical import plain
from flywheel_mlflow.base.text import visible
from flywheel_mlflow.cli.console import counted, open_console, print_json, say, table

if TYPE_CHECKING:
    from flywheel_mlflow.operations.releases.human_review import OpenedReview, PreparedAnswers
    from flywheel_mlflow.operations.releases.review_evidence import ReviewStatus


def opened(found: OpenedReview, *, dry_run: bool, as_json: bool) -> None:
    """A review that was opened."""
    if as_json:
        print_json({**plain(found), "dry_run": dry_run})
        return
    console, plan = open_console(), found.plan
    say(console, f"review {found.review}: {len(plan.items)} of {plan.pool} items of {plan.subject}")
    for question in plan.questions:
        say(console, f"  {question.name}: {visible(question.ask)} ({', '.join(question.answers)})")
    if dry_run:
        say(console, "nothing was written")
    elif not found.queues:
        say(console, "no queue of MLflow: reviewers fill in tables")
        say(console, f"next: each reviewer: flywheel human-review export {found.review}")
    else:
        people = f" for {', '.join(found.queues)}" if any(found.queues) else ""
        queues = counted(len(found.queues), "queue")
        say(console, f"{queues} in MLflow{people}, {counted(found.new_traces, 'new trace')}")
        say(console, f"next: each reviewer answers there, then: flywheel human-review submit {found.review}")


def statuses(found: Sequence[ReviewStatus], missing: Sequence[str], *, as_json: bool) -> None:
    """The reviews, and who has none."""
    if as_json:
        print_json({"reviews": [_document(item) for item in found], "without_review": list(missing)})
        return
    console = open_console()
    if found:
        columns = ("review", "iteration", "what", "finished", "nothing wrong", "agreement", "done in MLflow")
        console.print(table("reviews", columns, [_row(item) for item in found]))
    for status in found:
        for name, value in status.outcome.by_question.items():
            if value is not None:
                say(console, f"{status.plan.id}: agreement about {name}: {value:.2f}")
        for reviewer in status.reviewers:
            apart = f"; does not count: {reviewer.against}" if reviewer.against else ""
            told = f"{counted(reviewer.items, 'item')} on {reviewer.at:%Y-%m-%d %H:%M} UTC{apart}"
            say(console, f"{status.plan.id}: {reviewer.name}: {told}")
    if missing:
        say(console, f"needs a review and has none: {', '.join(missing)}")
    if not found:
        say(console, "no review was opened")
    if missing or not found:
        say(console, f"next: flywheel human-review open {missing[0] if missing else 'PROJECT'} --iteration N")
    elif waiting := [item.plan.id for item in found if item.outcome.finished < len(item.plan.items)]:
        say(console, f"next: each reviewer answers in MLflow, then flywheel human-review submit {waiting[-1]};")
        say(console, f"      or fills in the table of flywheel human-review export {waiting[-1]}")


def _row(status: ReviewStatus) -> tuple[object, ...]:
    outcome, plan = status.outcome, status.plan
    return (
        plan.id,
        plan.iteration,
        plan.subject,
        f"{outcome.finished}/{len(plan.items)}",
        "unknown" if outcome.share is None else f"{outcome.share:.1%}",
        "unknown" if outcome.agreement is None else f"{outcome.agreement:.2f}",
        ", ".join(f"{name} {queue.get('complete', 0)}".strip() for name, queue in status.queues.items()),
    )


def _document(status: ReviewStatus) -> dict[str, Any]:
    plan = {**plain(status.plan), "id": status.plan.id}
    return {**plain(status), "plan": plan, "share": status.outcome.share}


def exported(review: str, path: Path) -> None:
    """A table that was written."""
    console = open_console()
    say(console, f"wrote {path}: one row for each item, one column for each question")
    say(console, f"next: fill it in, then flywheel human-review submit {review} --table {path}")


def submitted(prepared: PreparedAnswers, answer: Mapping[str, Any] | None, *, as_json: bool) -> None:
    """Answers that somebody stands by, or would."""
    if as_json:
        print_json({**plain(prepared), "event": answer["event"] if answer else None})
        return
    console = open_console()
    missing = f", {prepared.missing} not or not wholly answered" if prepared.missing else ""
    say(console, f"{prepared.reviewer}: {counted(prepared.items, 'item')} of {prepared.subject}{missing}")
    say(console, f"written as event {answer['event']}" if answer else "nothing was written")
