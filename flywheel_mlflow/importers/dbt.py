"""Reads dbt's `run_results.json`."""

from __future__ import annotations

import re
from typing import Any, Final, Literal

from pydantic import Field

from flywheel_mlflow.base.documents import parse_json
from flywheel_mlflow.evidence.runs import Check, CheckSeverity, Outcome
from flywheel_mlflow.importers.findings import Findings, text_of
from flywheel_mlflow.importers.shapes import Shape, read_shape

SOURCE: Final = "dbt"

_SCHEMA: Final = re.compile(r"/run-results/v(\d{1,3})\.json$")
# v4 (dbt 1.0) to v6 (dbt 1.8 and later) spell the four fields we read in the same way.
_VERSIONS: Final = range(4, 7)

Status = Literal[
    "success", "pass", "fail", "warn", "error", "runtime error", "skipped", "partial success", "no-op", "reused"
]
_OUTCOMES: Final[dict[Status, Outcome]] = {
    "success": Outcome.PASSED,
    "pass": Outcome.PASSED,
    "fail": Outcome.FAILED,
    "warn": Outcome.FAILED,  # dbt found rows and its author asked for a look, not a stop: see severity
    "error": Outcome.ERROR,
    "runtime error": Outcome.ERROR,
    "skipped": Outcome.SKIPPED,
    # Some batches of a microbatch model failed; dbt itself marks everything downstream as in error.
    "partial success": Outcome.FAILED,
    # Nothing was carried out in this invocation (1.10: no-op, 1.12: reused): no evidence, hence no pass.
    "no-op": Outcome.SKIPPED,
    "reused": Outcome.SKIPPED,
}


class _Metadata(Shape):
    dbt_schema_version: str


class _Batches(Shape):
    failed: list[Any] = Field(default_factory=list)


class _Node(Shape):
    unique_id: str
    status: Status
    message: Any = None
    failures: Any = None  # a count; adapters write a text here as well
    batch_results: _Batches | None = None


class _RunResults(Shape):
    metadata: _Metadata
    results: list[_Node]


def parse(text: str, *, name: str) -> tuple[Check, ...]:
    """The nodes of an invocation, named by their ``unique_id``; times are left out, so equal results stay equal.

    Raises:
        DocumentError: not JSON, not run results of schema v4 to v6, an unknown status word, a success
            with failed batches, or no result.
    """
    document = read_shape(_RunResults, parse_json(text, name=name, foreign=True), name=name)
    found = Findings(name, SOURCE)
    schema = _SCHEMA.search(document.metadata.dbt_schema_version)
    if schema is None or int(schema.group(1)) not in _VERSIONS:
        found.fault("metadata.dbt_schema_version", "not run results of schema v4, v5 or v6")
    for index, node in enumerate(document.results):
        _add(node, index, found)
    return found.checks()


def _add(node: _Node, index: int, found: Findings) -> None:
    outcome = _OUTCOMES[node.status]
    failed_batches = len(node.batch_results.failed) if node.batch_results else None
    # Counted failures are no contradiction: a test passes with some where error_if allows them.
    if outcome is Outcome.PASSED and failed_batches:
        found.fault(f"results[{index}]", f"the status is {node.status!r}, yet {failed_batches} batches failed")
    found.add(
        node.unique_id,
        outcome,
        message=text_of(node.message) or (node.failures if isinstance(node.failures, str) else ""),
        severity=CheckSeverity.WARNING if node.status == "warn" else CheckSeverity.BLOCKING,
        details={"status": node.status, "failures": node.failures, "failed_batches": failed_batches},
    )


def looks_like(value: dict[str, Any]) -> bool:
    """Whether a JSON object is meant to be run results of dbt."""
    metadata = value.get("metadata")
    return isinstance(metadata, dict) and "run-results" in str(metadata.get("dbt_schema_version", ""))
