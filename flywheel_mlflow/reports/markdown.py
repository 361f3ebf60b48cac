"""Writes the report of an assembly as Markdown for the reader of a review."""

from __future__ import annotations

from collections.abc import Mapping

from flywheel_mlflow.assembly.assembly import Assembly
from flywheel_mlflow.reports.escaping import Markdown
from flywheel_mlflow.reports.rendering import render_markdown
from flywheel_mlflow.reports.view import build_view

#: The charts lie beside the report; it links them by these names.
STAGE_CHART = "stage_scores.svg"
LINEAGE_CHART = "lineage.svg"


def render_report(assembly: Assembly, published: Mapping[str, object] | None = None) -> str:
    """The report; equal assemblies give equal text.

    Args:
        assembly: what is reported.
        published: totals somebody published for the same projects, by our names for them
            (``review_hours``, ``review_cost``); the report says whether and why ours differ.

    The last line is a comment that lists every metric the text states.
    """
    return render_markdown(
        "report.md.j2",
        view=build_view(assembly, published),
        stage_chart=Markdown(STAGE_CHART),
        lineage_chart=Markdown(LINEAGE_CHART),
    )
