"""Reviews of data from Python: what the command `human-review` opens, shows and writes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from flywheel_mlflow.operations.deciding import Session
from flywheel_mlflow.operations.scripting.results import Table


class HumanReviewMethods:
    """People who look at data before it is released; that they stand by their answers is an act."""

    session: Session

    def open_human_review(
        self,
        project: str,
        iteration: int,
        *,
        items: int = 50,
        people: Iterable[str] = (),
        queue: bool = True,
        dry_run: bool = False,
    ) -> Table:
        """Draw records or traces of a project, and open queues of MLflow for reviewers where the server has some.

        Raises:
            UnknownName: no such project. MissingVersion, InputError, RecordError: there is nothing to draw.
        """
        from flywheel_mlflow.operations.releases.human_review import open_review

        found = open_review(self.session, project, iteration, items=items, people=people, queue=queue, dry_run=dry_run)
        row = {
            "review": found.review,
            "subject": found.plan.subject,
            "items": len(found.plan.items),
            "pool": found.plan.pool,
            "queues": len(found.queues),
            "people": ", ".join(found.people),
        }
        return Table(f"review {found.review} {'would be ' if dry_run else ''}opened", (row,))

    def human_reviews(self, *, project: str = "", iteration: int | None = None) -> Table:
        """The reviews that were opened and what their answers amount to; a note for each project that has none.

        Raises:
            UnknownName: no such project.
        """
        from flywheel_mlflow.operations.releases.review_evidence import review_statuses

        found, missing = review_statuses(self.session, project=project, iteration=iteration)
        rows = tuple(
            {
                "review": item.plan.id,
                "iteration": item.plan.iteration,
                "subject": item.plan.subject,
                "items": len(item.plan.items),
                "finished": item.outcome.finished,
                "share": item.outcome.share,
                "agreement": item.outcome.agreement,
                "people": ", ".join(reviewer.name for reviewer in item.reviewers),
            }
            for item in found
        )
        return Table(f"{len(rows)} reviews", rows, tuple(f"{name} needs a review and has none" for name in missing))

    def export_human_review(self, review: str, path: str | Path) -> Path:
        """Write a review as a table (CSV) to fill in.

        Raises:
            UnknownName: no such review. Refused: its items are not those that the draw gives.
            InputError: there is such a file. StorageError: the disk.
        """
        from flywheel_mlflow.operations.releases.human_review import write_review_table

        return write_review_table(self.session, review, Path(path))
