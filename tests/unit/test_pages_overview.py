"""Tests of the overview and of the pages of iterations: what they say, and where they lead."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from console_cases import AT, LINKS, links, pairs, record_of, recorded, section, shown, texts
from dashboard_cases import HOSTILE, LOST, NOW, answered, facts, in_production, override, risk
from hypothesis import given, settings
from hypothesis import strategies as st
from reports_flywheel import small_assembly

from flywheel_mlflow.drift.wording import Tone
from flywheel_mlflow.reports.dashboard_facts import DashboardFacts, FeedbackFacts, LedgerFacts
from flywheel_mlflow.reports.pages.emptiness import nothing_assembled
from flywheel_mlflow.reports.pages.iterations import IterationsFacts, compare_section, iteration_page, iterations_page
from flywheel_mlflow.reports.pages.overview import overview_page
from flywheel_mlflow.tracking.views import view_address


def linked(**changed: Any) -> DashboardFacts:
    """The facts of the small flywheel as the server has them."""
    return replace(facts(**changed), links=LINKS)


def test_the_overview_leads_to_every_part() -> None:
    """From the overview one click reaches every other part of the console, and MLflow."""
    reader = shown(overview_page(linked(), AT))
    reached = {str(item["href"]) for item in reader.all("a")}
    parts = (AT.iterations(), AT.projects(), AT.interfaces(), AT.drift(), AT.feedback(), AT.risks(), AT.releases())
    assert {*parts, AT.ui(), AT.iteration(2), AT.release(1)} <= reached
    assert "Needs attention" in reader.text or "Not healthy" in reader.text


def test_the_overview_names_what_is_not_consumable() -> None:
    """A project others cannot build on stands on the overview with its reason, linked to its page."""
    page = overview_page(linked(), AT)
    found = section(page, "registry")
    out = [item for item in facts().record.projects if not item.consumable]
    assert [row[0] for row in texts(found)] == [item.project_id for item in out]
    assert found.tables[0].rows[0][0].href == AT.project(out[0].project_id)
    assert pairs(found)["Consumable"].text == f"{4 - len(out)} of 4"


def test_the_overview_shows_open_overrides_in_red() -> None:
    """An override that still runs is told where releases are told, as bad."""
    page = overview_page(linked(ledger=in_production(override(NOW + timedelta(days=1)))), AT)
    found = pairs(section(page, "releases"))["Open override"]
    assert found.tone is Tone.BAD
    assert "it had to go out" in found.text


def test_the_overview_shows_the_first_risks_due() -> None:
    """Of many open risks those due first are shown, the number of the others is said, closed ones are not there."""
    open_ones = tuple(risk(number, due=NOW + timedelta(days=number)) for number in range(1, 9))
    page = overview_page(linked(ledger=in_production(risks=(*open_ones, risk(9, due=NOW, closed=True)))), AT)
    found = section(page, "risks")
    assert [row[0] for row in texts(found)] == ["R1", "R2", "R3", "R4", "R5"]
    assert "3 more" in found.tables[0].caption
    assert found.tables[0].rows[0][0].href == AT.risk("R1")


def test_the_overview_shows_what_got_worse() -> None:
    """A finding nobody answered for stands on the overview, with the link to its review."""
    page = overview_page(linked(drift=answered(LOST)), AT)
    found = section(page, "drift")
    assert any("p01.hit_rate" in row[0] for row in texts(found))
    assert links(found) == {"The review of the comparison": AT.drift()}


@pytest.mark.parametrize("part", ["releases", "risks"])
def test_an_unknown_ledger_is_said(part: str) -> None:
    """A ledger that cannot be read is unknown on the overview, never empty."""
    page = overview_page(linked(ledger=LedgerFacts(unknown="it is gone")), AT)
    (note,) = section(page, part).notes
    assert (note.text, note.tone) == ("Unknown: it is gone.", Tone.UNKNOWN)
    assert not section(page, part).tables


def test_unknown_feedback_is_said() -> None:
    """Feedback that cannot be read is unknown, none taken in is said, and counts are shown."""
    cases = {
        "Feedback unknown: it is gone.": FeedbackFacts(unknown="it is gone"),
        "No feedback of this iteration was taken in.": FeedbackFacts(),
        "2 ingestions of feedback.": FeedbackFacts(2, {"events": 30}),
    }
    for told, found in cases.items():
        assert section(overview_page(linked(feedback=found), AT), "feedback").notes[0].text == told


def test_an_empty_flywheel_says_what_to_run() -> None:
    """Before the first assembly a page says that nothing was judged, and how to get there."""
    reader = shown(nothing_assembled("Small flywheel", "overview"))
    assert "Nothing was assembled yet" in reader.text
    assert "flywheel assemble --iteration 1" in reader.text


def listed(**changed: Any) -> IterationsFacts:
    """Three iterations, the first of which contradicts itself."""
    values = {"flywheel.mean_stage_score": 0.5, "flywheel.consumable_count": 2.0, "flywheel.project_count": 4.0}
    plain = IterationsFacts(
        listed=(recorded(3, values), recorded(2, values), recorded(1, {}, sound=False)),
        metrics=record_of().metrics,
        releases={2: (1, 4)},
    )
    return replace(plain, **changed)


def test_every_iteration_is_listed() -> None:
    """Newest first, with its numbers, the newest release made of it, and the run behind it; unknown is said."""
    page = iterations_page(listed(), LINKS, AT)
    shown(page)
    rows = section(page, "iterations").tables[0].rows
    assert [row[0].href for row in rows] == [AT.iteration(3), AT.iteration(2), AT.iteration(1)]
    assert [row[2].text for row in rows] == ["agree", "agree", "contradict"]
    assert [row[3].text for row in rows] == ["0.5000", "0.5000", "unknown"]
    assert [row[4].text for row in rows] == ["2 of 4", "2 of 4", "unknown"]
    assert [row[7].text for row in rows] == ["none", "release 4 (+1 more)", "none"]
    assert rows[0][-1].href == AT.ui_run("1", f"{3:032x}")
    assert page.lead[0].tone is Tone.BAD


def test_a_line_over_iterations_has_a_gap() -> None:
    """The line of a number says what it was in every iteration, and that it was unknown in one."""
    found = section(iterations_page(listed(), LINKS, AT), "numbers")
    row = next(row for row in found.tables[0].rows if row[0].text == "mean stage score")
    assert row[2].drawing is not None
    assert row[2].drawing.label == "mean stage score by iteration: 1: unknown, 2: 0.5000, 3: 0.5000"


def test_iterations_lead_to_mlflows_own_pages() -> None:
    """MLflow's comparison of all shown, its table of runs, and older iterations where there are some."""
    found = links(section(iterations_page(listed(older="2026-03-01T00:00:00+00:00"), LINKS, AT), "iterations"))
    runs = [f"{turn:032x}" for turn in (3, 2, 1)]
    assert found["MLflow's own comparison of all shown"] == AT.ui_compare(runs, ["1"])
    assert found["Older iterations"] == AT.iterations("2026-03-01T00:00:00+00:00")
    alone = links(section(iterations_page(listed(listed=(recorded(1),)), LINKS, AT), "iterations"))
    assert list(alone) == ["MLflow's table of all iterations"]
    assert list(alone.values()) == [f"{AT.prefix}/{view_address('1')}"], "the saved view with the flywheel's columns"


def test_unknown_releases_are_said() -> None:
    """With a ledger that cannot be read no iteration is said to have no release."""
    found = section(iterations_page(listed(unknown="it is gone", releases={}), LINKS, AT), "iterations")
    assert found.notes[0].tone is Tone.UNKNOWN
    assert {row[7].text for row in found.tables[0].rows} == {"unknown"}


def test_two_iterations_can_be_chosen() -> None:
    """The form asks for two of those shown, the newest and the one before at first."""
    (form,) = compare_section(listed().listed, AT).filters
    assert form.action == AT.compare()
    assert [field.value for field in form.fields] == ["2", "3"]
    assert [choice.value for choice in form.fields[0].choices] == ["3", "2", "1"]


def test_an_iteration_is_told_whole() -> None:
    """The page of an iteration has the sections of the static page, with links, and where it comes from."""
    page = iteration_page(linked(), AT)
    shown(page)
    names = [item.id for item in page.sections]
    assert names[:2] == ["stages", "bottlenecks"]
    assert {"kpis", "registry", "lineage", "drift", "feedback", "risks", "releases", "commands", "origin"} <= set(names)
    assert links(section(page, "kpis")) == {"What differs from iteration 1": AT.compare(1, 2)}
    assert pairs(section(page, "origin"))["Assembly run"].href == AT.ui_run("1", "a" * 32)
    assert section(page, "registry").tables[0].rows[0][0].href == AT.project("p01")


def test_changed_files_are_said() -> None:
    """Files that are no longer those that were assembled are told where the page says what it is made of."""
    found = pairs(section(iteration_page(linked(genuine=False), AT), "origin"))["Its files"]
    assert found.tone is Tone.BAD


def test_a_page_that_leaves_the_server_has_no_links() -> None:
    """Without addresses nothing on the page of an iteration leads anywhere."""
    from flywheel_mlflow.reports.dashboard import build_dashboard

    view = build_dashboard(facts())
    found = [cell for part in view.sections for table in part.tables for row in table.rows for cell in row]
    assert {cell.href for cell in found} == {""}


@settings(max_examples=20)
@given(st.text(max_size=60))
def test_any_text_leaves_the_pages_well_formed(text: str) -> None:
    """Whatever stands in titles and reasons, the pages stay pages, and their links stay links of this server."""
    assembly = small_assembly({"p02": text})
    found = linked(assembly=assembly, ledger=in_production(override(NOW + timedelta(days=1))))
    for page in (overview_page(found, AT), iteration_page(found, AT)):
        shown(page)


def test_hostile_names_are_text() -> None:
    """A title that is a script is read as text."""
    found = linked(assembly=small_assembly({"p01": HOSTILE, "p02": HOSTILE, "p03": HOSTILE}))
    for page in (overview_page(found, AT), iteration_page(found, AT)):
        assert "<script>alert(1)" in shown(page).text
