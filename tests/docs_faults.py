"""Writes the table of faults in docs/projects.md from what the pipelines define: python tests/docs_faults.py."""

from __future__ import annotations

from pathlib import Path

from flywheel_mlflow.operations.projects.pipeline import PIPELINE_FILE, load_pipeline

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "projects.md"
HEAD = "| project | fault | what goes wrong, and what turns |\n|---|---|---|\n"


def fault_table() -> str:
    """One row for each fault of each pipeline, in the order of the projects."""
    rows = []
    for file in sorted(ROOT.glob(f"projects/*/{PIPELINE_FILE}")):
        project = file.parent.name.split("_")[0]
        faults = load_pipeline(file).faults
        rows += [f"| {project} | `{name}` | {text.replace('|', '/')} |\n" for name, text in faults.items()]
    return HEAD + "".join(rows)


def page_with(table: str) -> str:
    """The page with ``table`` at its end, where the table of faults stands."""
    return PAGE.read_text(encoding="utf-8").split(HEAD)[0].rstrip() + "\n\n" + table


if __name__ == "__main__":
    PAGE.write_text(page_with(fault_table()), encoding="utf-8")
