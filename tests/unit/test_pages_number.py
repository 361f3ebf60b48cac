"""Tests of the page of one number: its history, who may have changed it, what it rests on."""

from __future__ import annotations

from typing import Any

from console_cases import AT, LINKS, section, shown, texts
from dashboard_cases import HOSTILE, facts, in_production
from hypothesis import given, settings
from hypothesis import strategies as st

from flywheel_mlflow.drift.differences import Change, ChangeKind
from flywheel_mlflow.drift.suspects import Suspect
from flywheel_mlflow.drift.wording import Tone
from flywheel_mlflow.reports.pages.number import Localisation, NumberFacts, number_page


def about(name: str, between: Localisation | None = None, **changed: Any) -> NumberFacts:
    """A number of the small flywheel's second iteration."""
    return NumberFacts(name, facts(links=LINKS, **changed), between)


def suspect(project: str = "p01", suspicion: float = 0.7, **changed: Any) -> Suspect:
    """Somebody who may have changed it."""
    plain: dict[str, Any] = {
        "iteration": 2,
        "reference": 1,
        "lag": 0,
        "distance": 1,
        "through": ("corpus",),
        "changes": (Change(ChangeKind.CODE, "code", "a1 → b2", 1.0),),
        "why": "its own code changed",
        "next": ("git log --oneline -- projects/p01*",),
    }
    return Suspect(project=project, suspicion=suspicion, **{**plain, **changed})


def test_a_kpi_has_its_history() -> None:
    """Value, sample size and target first; then a line with the release in production, and the same in numbers."""
    page = number_page(about("p01.retention", ledger=in_production()), AT)
    assert page.lead[0].text.startswith("0.1737 in iteration 2, from 3,028 samples, target ≥")
    (chart,) = section(page, "history").charts[0].items
    assert chart.drawing.svg.count("<circle") == 2
    assert [row[:2] for row in texts(section(page, "history"))] == [["2", "0.1737"], ["1", "0.1000"]]
    assert page.trail[1].href == AT.project("p01")
    shown(page)


def test_a_number_leads_to_those_it_rests_on() -> None:
    """Every number of the tree but the first is a link to its own page."""
    rows = section(number_page(about("p01.score"), AT), "rests").tables[0].rows
    assert rows[0][0].href == ""
    assert {row[0].href for row in rows[1:]} >= {AT.number("p01.retention")}


def test_suspects_are_found_when_asked_for() -> None:
    """Unasked the newest two iterations are proposed; asked, each suspect says why, by what way, and what changed."""
    (form,) = section(number_page(about("p01.score"), AT), "suspects").filters
    assert [field.value for field in form.fields] == ["1", "2"]
    assert form.action == f"{AT.number('p01.score')}#suspects"
    found = Localisation(1, 2, (suspect(), suspect("p02", 0.29), suspect("p03", 0.001)), notes=("p02 was not read",))
    page = number_page(about("p01.score", found), AT)
    suspects = section(page, "suspects")
    (cards,) = suspects.cards
    assert [card.title.text for card in cards.items] == ["p01", "p02"]
    assert cards.caption.endswith("1 below 1% left out")
    assert cards.items[0].badge.text == "70% of the suspicion"
    assert [note.text for note in cards.items[0].notes] == [
        "Its own code changed.",
        "By way of corpus.",
        "code code: a1 → b2",
    ]
    assert cards.items[0].command.startswith("git log")
    assert suspects.notes[0].text == "p02 was not read"
    commands = [item.line for item in section(page, "commands").commands]
    assert commands == ["flywheel explain p01.score --iteration 2", "flywheel explain p01.score --between 1 2"]
    shown(page)


def test_nobody_is_named_without_evidence() -> None:
    """Why nobody can be named is said in place of suspects."""
    page = number_page(about("flywheel.review_hours", Localisation(1, 2, unknown="it rests on no project")), AT)
    note = section(page, "suspects").notes[0]
    assert (note.text, note.tone) == ("Nobody can be named: it rests on no project.", Tone.UNKNOWN)
    shown(page)


def test_a_first_iteration_has_no_suspects() -> None:
    """With nothing before it there is nothing to choose, and it is said."""
    first = about("p01.score", history={2: {}})
    assert not section(number_page(first, AT), "suspects").filters


@settings(max_examples=20)
@given(st.text(max_size=60))
def test_any_text_leaves_the_page_well_formed(text: str) -> None:
    """Whatever evidence says, it stays text."""
    for said in (text, HOSTILE):
        changes = (Change(ChangeKind.SIGNAL, said, said, 0.5),)
        found = Localisation(1, 2, (suspect(changes=changes, why=said, next=(said,)),), notes=(said,))
        shown(number_page(about("p01.score", found), AT))
