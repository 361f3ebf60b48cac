"""Notes say the essential within MLflow's limit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from reports_flywheel import contract, contracts, evidence, evidence_of, small_assembly

from flywheel_mlflow.evidence.runs import Check, Outcome, SkippedRun
from flywheel_mlflow.reports.note import NOTE_LIMIT, assembly_note, project_note, stage_note
from flywheel_mlflow.reports.view import verdict_line


def test_gold(repository: Path) -> None:
    """The notes of the small flywheel are those that were read and approved."""
    found = contracts()
    notes = {
        "assembly_note": assembly_note(small_assembly()),
        "stage_note": stage_note(small_assembly().stage_runs[1]),
        "project_note": project_note(found["p02"], evidence(found)["p02"]),
    }
    for name, note in notes.items():
        assert note == (repository / f"tests/gold/report/{name}.md").read_text(encoding="utf-8")


def test_the_assembly_note_begins_with_the_verdict() -> None:
    """The first line is the verdict."""
    verdict = verdict_line(small_assembly())
    assert assembly_note(small_assembly()).splitlines()[0].replace("&lt;", "<") == f"**{verdict}**"


def test_a_long_project_note_is_cut_at_a_line_and_says_so() -> None:
    """With thousands of failed checks the note stays within the limit and names where the rest is."""
    found = contracts()["p01"]
    many = [Check(f"check number {number} | `x`", Outcome.FAILED) for number in range(3000)]
    note = project_note(found, evidence_of(found, *many))
    assert NOTE_LIMIT - 200 < len(note) <= NOTE_LIMIT
    *_, last, blank, tail = note.splitlines()
    assert last.endswith("failed")
    assert (blank, tail) == ("", "... more in the files of this run")


def test_a_line_without_end_is_cut() -> None:
    """Even a single line longer than the limit is cut with the tail intact."""
    found = contract(
        "p01",
        "x" * 250,
        "sources",
        "collect",
        interfaces_out=[{"name": "a", "title": "a", "format": "opaque", "schema": "opaque"}],
        kpis=[{"name": "k", "path": "k", "unit": "ratio", "direction": "higher"}],
        checks={"required": [f"{number:03d}" + "<" * 240 for number in range(100)]},
    )
    note = project_note(found, evidence_of(found))
    assert len(note) <= NOTE_LIMIT
    assert note.endswith("... more in the files of this run\n")


def test_an_assembly_of_any_size_fits() -> None:
    """Long titles and wide characters do not push the note over the limit."""
    titles = dict.fromkeys(("p01", "p02", "p03", "p10"), "数|<" * 80)
    assembly = small_assembly(titles, skipped=(SkippedRun("p01", "r" * 5000, "x" * 5000),))
    assert len(assembly_note(assembly)) <= NOTE_LIMIT
    wide = dict.fromkeys(titles, "<" * 2400)
    note = assembly_note(small_assembly(wide))
    assert len(note) <= NOTE_LIMIT
    assert note.endswith("... more in reports/p10_report.md\n")


def test_checks_that_never_ran_are_named() -> None:
    """A required check that is absent from the evidence is listed as not run, not as passed."""
    found = contracts()["p01"]
    note = project_note(found, evidence_of(found, Check("other", Outcome.PASSED)))
    assert "Required checks that did not run: `ready`." in note


def test_unknown_effort_is_unknown() -> None:
    """A project that states no effort has unknown effort in its note."""
    found = contracts()["p01"]
    silent = replace(evidence(contracts())["p01"], costs=evidence_of(found).costs)
    assert "Manual review: unknown, unknown." in project_note(found, silent)
