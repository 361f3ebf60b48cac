"""The quarterly review as Markdown."""

from __future__ import annotations

from flywheel_mlflow.assembly.review import Review
from flywheel_mlflow.reports.rendering import render_markdown


def render_review(review: Review) -> str:
    """The review; every sentence with its source, what is unknown said so."""
    return render_markdown("review.md.j2", review=review, turns=", ".join(map(str, review.iterations)) or "none")
