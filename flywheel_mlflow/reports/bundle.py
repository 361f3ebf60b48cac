"""Renders the files of one assembly: data, report, charts and, once they ran, its own checks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flywheel_mlflow.assembly import deliverables, filling
from flywheel_mlflow.assembly.assembly import Assembly
from flywheel_mlflow.base.canonical import document_json
from flywheel_mlflow.evidence.runs import Check
from flywheel_mlflow.reports.charts import lineage_svg, stage_scores_svg
from flywheel_mlflow.reports.checks import junit_xml, results_document, test_report
from flywheel_mlflow.reports.markdown import render_report

STAGE_CHART = "reports/stage_scores.svg"
LINEAGE_CHART = "reports/lineage.svg"


def render_deliverables(
    assembly: Assembly, *, checks: Iterable[Check] | None = None, published: Mapping[str, float] | None = None
) -> dict[str, str]:
    """Every file of an assembly by the names of ``deliverables``; without ``checks`` those about them are left out."""
    files = filling.json_files(assembly)
    files[deliverables.REPORT] = render_report(assembly, published=published)
    files[STAGE_CHART] = stage_scores_svg(assembly)
    files[LINEAGE_CHART] = lineage_svg(assembly)
    if assembly.drift is not None:
        files[deliverables.DRIFT] = assembly.drift.to_json()
    if assembly.absorption.any:
        files[deliverables.TASKS] = document_json(filling.tasks_document(assembly))
    if checks is not None:
        found = tuple(checks)
        files[deliverables.TEST_RESULTS] = document_json(results_document(found))
        files[deliverables.TEST_REPORT] = test_report(found, assembly.iteration)
        files[deliverables.JUNIT] = junit_xml(found)
    return files
