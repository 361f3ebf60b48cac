"""The links above notes: relative to the server that shows them, closed against what they hold, within the limit."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, unquote

from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.reports.links import (
    Place,
    assembly_links,
    gate_links,
    project_links,
    release_links,
    with_links,
)
from flywheel_mlflow.reports.note import NOTE_LIMIT

LINK = re.compile(r"\[([^\]]*)\]\(([^()\s]*)\)")
PLACE = Place("run2", "7", pages=False)
PAGES = Place("run2", "7", pages=True)
TABLE = "#/experiments/7/runs?workflowType=machine_learning&viewStateShareKey=flywheel-iterations"


def links(text: str) -> dict[str, str]:
    """Addresses by the words of their links; nothing may stand between the links but a dot."""
    assert set(LINK.sub("", text).split()) <= {"·"}
    return dict(LINK.findall(text))


def test_an_iteration_links_to_table_report_and_comparison() -> None:
    """The first iteration has nothing to be compared with; the second names the runs of both."""
    first = links(assembly_links(PLACE, TABLE, 1, None))
    assert list(first) == ["All iterations", "Report"]
    assert first["All iterations"] == f"./{TABLE}"
    assert first["Report"].startswith("./#/experiments/7/runs/run2/artifacts/reports/report.md?")
    second = links(assembly_links(PLACE, TABLE, 2, "run1"))
    asked = parse_qs(second["Compare with iteration 1"].partition("?")[2])
    assert asked["runs"] == ['["run1", "run2"]']
    assert asked["experiments"] == ['["7"]']


def test_pages_of_our_own_are_linked_only_where_a_server_shows_them() -> None:
    """Without the plugin no link leads below /flywheel; with it each note leads to its page."""
    for place, expected in (
        (PLACE, []),
        (PAGES, ["./flywheel/iterations/2", "./flywheel/releases/3", "./flywheel/releases"]),
    ):
        found = [
            *links(assembly_links(place, TABLE, 2, None)).values(),
            *links(gate_links(place, 3, "wheel", "gate.md")).values(),
            *links(release_links(place, "release/x", "flywheel.bundle", "d" * 64)).values(),
        ]
        assert [address for address in found if "/flywheel/" in address] == expected
    assert project_links(PLACE, "p05", 2) == ""
    assert links(project_links(PAGES, "p05", 2)) == {"Page of this project": "./flywheel/projects/p05?iteration=2"}


def test_a_release_links_to_the_runs_of_its_gates() -> None:
    """The filter finds the runs that carry the bundle's digest, whichever verdict they will hold."""
    found = links(release_links(PLACE, "release/x", "flywheel.bundle", "d" * 64))
    assert f"tags.`flywheel.bundle` = '{'d' * 64}'" in unquote(found["Verdicts of its gates"]).replace("+", " ")
    assert found["Bundle"].startswith("./#/experiments/7/runs/run2/artifacts/release/x/manifest.json?")


@given(st.text(), st.text(), st.text())
def test_names_cannot_leave_their_link(run_id: str, experiment: str, model: str) -> None:
    """Whatever stands in ids and names, there are as many links as with plain ones."""
    place = Place(run_id, experiment, pages=True)
    assert len(links(gate_links(place, 1, model, "gate.md"))) == 3


def test_a_long_note_is_cut_below_its_links() -> None:
    """The links stay whole, the note is cut at a line, and it says where the rest is."""
    line = assembly_links(PAGES, TABLE, 2, "run1")
    note = with_links(line, "word " * 20 + "\n" + "a line\n" * 2000, "there")
    assert len(note) <= NOTE_LIMIT
    assert note.startswith(f"{line}\n\nword")
    assert note.endswith("... more in there\n")
    assert with_links("", "note", "there") == "note"
