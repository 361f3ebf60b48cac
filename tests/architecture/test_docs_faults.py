"""The documented faults are those the pipelines have."""

from __future__ import annotations

from pathlib import Path

from docs_faults import PAGE, fault_table

from flywheel_mlflow.operations.projects.pipeline import PIPELINE_FILE


def test_the_table_of_faults_is_current() -> None:
    """docs/projects.md ends with exactly the faults that can be injected."""
    assert PAGE.read_text(encoding="utf-8").endswith(fault_table()), "run python tests/docs_faults.py"


def test_every_upstream_project_has_a_pipeline_with_a_fault(repository: Path) -> None:
    """Fourteen of the fifteen projects run, and each can be made to go wrong."""
    files = sorted(repository.glob(f"projects/*/{PIPELINE_FILE}"))
    assert [file.parent.name[:3] for file in files] == [f"p{n:02d}" for n in range(1, 16) if n != 10]
    for file in files:
        assert f"| {file.parent.name[:3]} | `" in fault_table()
