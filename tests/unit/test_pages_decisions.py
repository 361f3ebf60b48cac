"""Tests of the pages about decisions: what each says first, what it refuses, and that hostile text stays text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from dashboard_cases import CLEAN, HOSTILE, LOST, PageReader, answered
from drift_cases import compared, logged, normal, profile, promise, side
from page_cases import (
    accept,
    board_facts,
    drift_facts,
    events_facts,
    explained,
    framed,
    gate_facts,
    ledger_of,
    priorities_facts,
    release_facts,
    releases_facts,
    result,
    risk_facts,
    risks_facts,
)
from releases_ledger import BO, MAKER, NOON, LedgerBuilder, release_blueprint, release_plan

from flywheel_mlflow.assembly.diff import InterfaceChange, NumberChange, ReleaseDiff
from flywheel_mlflow.base.errors import FlywheelError, InputError, Refused
from flywheel_mlflow.decisions.gate_facts import Verdict
from flywheel_mlflow.decisions.release_path import PathFacts, ReleasePath, release_path
from flywheel_mlflow.decisions.releases import Kind
from flywheel_mlflow.decisions.risk_paths import Propagation
from flywheel_mlflow.drift.wording import Tone
from flywheel_mlflow.evidence.owners import Owner, OwnerPerson
from flywheel_mlflow.feedback.absorption import Help
from flywheel_mlflow.operations.acts.forms import FORMS, fields_of
from flywheel_mlflow.reports.dashboard_blocks import Form, PathStep, Section
from flywheel_mlflow.reports.dashboard_facts import DriftFacts
from flywheel_mlflow.reports.pages.deciding import refusal_text, said
from flywheel_mlflow.reports.pages.drift import ExplainFacts, drift_page
from flywheel_mlflow.reports.pages.drift_filter import DriftFilter
from flywheel_mlflow.reports.pages.feedback import feedback_page
from flywheel_mlflow.reports.pages.feedback_events import Wanted, event_section
from flywheel_mlflow.reports.pages.frame import Page
from flywheel_mlflow.reports.pages.gate_verdict import gate_section
from flywheel_mlflow.reports.pages.priorities import priorities_page
from flywheel_mlflow.reports.pages.release import Asking, ComparedFacts, PinnedFacts, release_page
from flywheel_mlflow.reports.pages.release_diff import ReleaseDiffFacts, release_diff_page
from flywheel_mlflow.reports.pages.releases import Mending, WayBack, releases_page
from flywheel_mlflow.reports.pages.risk import risk_page
from flywheel_mlflow.reports.pages.risks import risks_page


def full_story() -> LedgerBuilder:
    """Release 1 in production, release 2 blocked and approved; an override, a risk, a task; every text hostile."""
    story = LedgerBuilder()
    story.reach(1)
    story.register(2)
    story.gate(2, verdict="BLOCK")
    story.approve(2, reason=HOSTILE)
    story.override(2, "production", reason=HOSTILE)
    story.open_risk(5, 5, title=HOSTILE, mitigation=HOSTILE)
    accept(story)
    return story


def diff_facts() -> ReleaseDiffFacts:
    """Two releases that differ in everything."""
    numbers = (
        NumberChange(HOSTILE, 0.9, 0.2, "worse", HOSTILE, "ratio", kpi=True),
        NumberChange("p01.n", 1.0, 2.0, "within noise", HOSTILE, HOSTILE, kpi=True),
        NumberChange("flywheel.mean_stage_score", 0.5, 0.6, "better", unit="score 0..1"),
    )
    found = ReleaseDiff(numbers, (InterfaceChange(HOSTILE, "gone", "d1 (5 rows)", "not there"),), ("p01",), True)
    story = full_story()
    return ReleaseDiffFacts(ledger_of(story), 1, 2, found, "", releases_facts(story).addresses)


def gated(story: LedgerBuilder) -> Page:
    """The page of a release whose gate to staging is told whole."""
    staging = gate_facts(story, 2, "staging", result=result(2))
    return release_page(release_facts(story, 2, gates=(staging, gate_facts(story, 2, "production"))))


PAGES: dict[str, Callable[[], Page]] = {
    "releases": lambda: releases_page(releases_facts(full_story())),
    "rollback": lambda: releases_page(releases_facts(full_story(), way_back=WayBack(1, 1, ("first", HOSTILE)))),
    "release": lambda: gated(full_story()),
    "release diff": lambda: release_diff_page(diff_facts()),
    "drift": lambda: drift_page(drift_facts(explained("p01"))),
    "drift to explain": lambda: drift_page(drift_facts(explain=ExplainFacts(1, HOSTILE))),
    "risks": lambda: risks_page(risks_facts(full_story())),
    "risk": lambda: risk_page(risk_facts(full_story(), f"R{full_story().ledger.events[-3].number}")),
    "feedback": lambda: feedback_page(board_facts(full_story())),
    "priorities": lambda: priorities_page(priorities_facts(full_story())),
}


def forms(page: Page) -> Iterator[Form]:
    """Every form of a page that acts."""
    return (form for section in page.sections for form in section.forms)


def lead(page: Page) -> list[tuple[Tone, str]]:
    """What a page says first."""
    return [(cell.tone, cell.text) for cell in page.lead]


@pytest.mark.parametrize("make", PAGES.values(), ids=PAGES)
def test_hostile_text_is_text(make: Callable[[], Page]) -> None:
    """Names, reasons and texts of events make no element, no attribute, and hide nothing; headings are in order."""
    html = framed(make())
    read = PageReader(html)
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in html
    assert "alert(1)" in read.text or "x onerror" in html
    assert not read.all("script")
    assert all(str(image["src"]).startswith("data:") for image in read.all("img"))
    assert not [name for _, attributes in read.elements for name in attributes if name.startswith(("on", "style"))]
    levels = [int(tag[1]) for tag, _ in read.elements if tag in ("h1", "h2", "h3")]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


@pytest.mark.parametrize("make", PAGES.values(), ids=PAGES)
def test_every_address_is_of_this_server(make: Callable[[], Page]) -> None:
    """Links, forms and frames lead below the server's prefix, whatever stands in a name; each id is there once."""
    read = PageReader(framed(make()))
    places = [place for tag in ("a", "form", "iframe") for item in read.all(tag) for place in _places(item)]
    assert [place for place in places if not str(place).startswith(("/ml/", "#"))] == []
    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    anchors = {str(item["href"])[1:] for item in read.all("a") if str(item.get("href", "")).startswith("#")}
    assert anchors <= set(ids)


def _places(attributes: object) -> list[str | None]:
    assert isinstance(attributes, dict)
    return [attributes[name] for name in ("href", "action", "src") if name in attributes]


@pytest.mark.parametrize("make", PAGES.values(), ids=PAGES)
def test_forms_send_what_acts_take(make: Callable[[], Page]) -> None:
    """Each form is one of the server's, sends fields its act knows, and all that it needs."""
    for form in forms(make()):
        if form.refused:
            continue
        act = form.action.rpartition("/")[2]
        takes, sent = fields_of(act), {field.name for field in form.fields}
        needed = {name for name, field in takes.items() if field.is_required()} | set(FORMS[act].needs)
        assert needed <= sent <= set(takes), (act, sent)


@pytest.mark.parametrize("make", PAGES.values(), ids=PAGES)
def test_nothing_can_be_sent_where_acts_are_off(make: Callable[[], Page]) -> None:
    """Without accounts no form posts anything, and the page says why."""
    read = PageReader(framed(make(), acts_off="there are no accounts"))
    assert all(form.get("method") == "get" for form in read.all("form"))
    assert "there are no accounts" in read.text


def test_production_is_told_first() -> None:
    """The page of releases begins with what consumers get; an open override is in red above it."""
    story = LedgerBuilder()
    story.reach(1)
    assert lead(releases_page(releases_facts(story))) == [
        (Tone.GOOD, "Release 1 of iteration 1 is in production."),
    ]
    story.override(1, "production")
    found = lead(releases_page(releases_facts(story)))
    assert found[0][0] is Tone.BAD
    assert "without a passing gate: the shop is on fire" in found[0][1]


def test_a_moved_alias_is_told() -> None:
    """An alias that is not where the ledger left it is in red, with what reconciling would mend."""
    story = LedgerBuilder()
    story.reach(1)
    ledger = ledger_of(story, aliases={"staging": 1, "production": 9})
    page = releases_page(releases_facts(story, ledger=ledger, mending=Mending(("put production back",))))
    assert (Tone.BAD, "production points to release 9, the ledger left it at release 1.") in lead(page)
    assert [form.button for form in forms(page) if form.action.endswith("reconcile")] == ["Reconcile"]
    assert "put production back" in PageReader(framed(page)).text


def test_a_rollback_is_sent_once_its_plan_is_known() -> None:
    """Before the plan nothing can be sent; with it the form names the very release that was looked at."""
    story = LedgerBuilder()
    story.reach(1)
    first = releases_page(releases_facts(story, way_back=WayBack(candidate=1)))
    assert not [form for form in forms(first) if form.action.endswith("rollback")]
    assert "/ml/flywheel/releases" in [form.action for section in first.sections for form in section.filters]
    planned = releases_page(releases_facts(story, way_back=WayBack(1, 1, ("let production point to release 1",))))
    (form,) = [form for form in forms(planned) if form.action.endswith("rollback")]
    assert next((field.name, field.value) for field in form.fields) == ("to", "1")
    refused = releases_page(releases_facts(story, way_back=WayBack(refused="ana may not roll back releases")))
    assert "ana may not roll back releases" in PageReader(framed(refused)).text


def test_unknown_is_said() -> None:
    """A ledger nobody can read, and one without a release, say so, with the next command; never that all is well."""
    unknown = releases_page(
        releases_facts(LedgerBuilder(), ledger=replace(ledger_of(LedgerBuilder()), unknown="the run is gone"))
    )
    assert lead(unknown)[0] == (Tone.UNKNOWN, "The ledger is unknown: the run is gone.")
    none = releases_page(releases_facts(LedgerBuilder()))
    assert "No release was made yet" in lead(none)[0][1]
    assert [command.line for section in none.sections for command in section.commands] == [
        "flywheel release create --iteration N"
    ]


def test_only_the_ledger_says_what_was_done() -> None:
    """``event`` shows the sentence of that event, if it is about this release; a number of another shows nothing."""
    story = LedgerBuilder()
    story.register(1)
    story.register(2)
    shown = release_page(release_facts(story, 2, event=1))
    assert [cell.text for cell in shown.said] == ["Event 1, by maker: Release 2 made from iteration 2."]
    assert release_page(release_facts(story, 2, event=0)).said == ()
    assert release_page(release_facts(story, 2, event=99)).said == ()
    assert said(ledger_of(story).story, 0, about=[1]) == ()


def test_a_verdict_stands_until_its_world_changes() -> None:
    """A PASS is told as standing; once its basis changed, or it ran out, the page says what to do instead."""
    story = LedgerBuilder()
    story.register(1)
    story.gate(1, verdict="PASS")
    standing = release_page(release_facts(story))
    assert (Tone.GOOD, "The gate to staging said PASS, and it still stands.") in lead(standing)
    late = gate_facts(story, 1, "staging", stopped="the verdict ran out on 2026-03-15 12:00 UTC")
    page = release_page(release_facts(story, gates=(late,)))
    assert lead(page)[-1] == (
        Tone.ATTENTION,
        "The gate to staging said PASS, and the verdict ran out on 2026-03-15 12:00 UTC.",
    )
    changed = gate_section(replace(late, changed=("the bundle",)), 1, release_facts(story).addresses)
    assert "Since the verdict the bundle changed: evaluate the gate again." in [note.text for note in changed.notes]


def test_every_criterion_is_told() -> None:
    """What stops the release comes first, with value, limit, n, linked evidence, and the next command."""
    story = LedgerBuilder()
    story.register(1)
    story.gate(1, verdict="BLOCK")
    section = gate_section(gate_facts(story, 1, "staging", result=result()), 1, release_facts(story).addresses)
    rows = section.tables[0].rows
    assert [row[0].text for row in rows] == ["kept", "signed", "green"]
    blocked = rows[0]
    assert blocked[4].text == "flywheel explain p01.kept --iteration 1"
    assert [cell.text for cell in blocked[5:8]] == ["0.5", "0.1", "40"]
    assert blocked[8].href == "/ml/#/runs/" + "a" * 32 + "?workflowType=machine_learning"
    assert [cell.href != "" for cell in blocked[8].also] == [True, False]
    assert rows[1][5].text == "unknown"


def test_an_unread_verdict_shows_no_criteria() -> None:
    """A report that is gone or is not the one in the ledger is said in red; nothing of it is shown."""
    story = LedgerBuilder()
    story.register(1)
    story.gate(1)
    facts = gate_facts(story, 1, "staging", unread="the report of run x is not the one the ledger names")
    section = gate_section(facts, 1, release_facts(story).addresses)
    assert section.tables == ()
    assert Tone.BAD in [note.tone for note in section.notes]


def test_the_reader_chooses_among_their_roles() -> None:
    """The forms offer the roles in which the act would not be refused; without one they say why in the first."""
    story = LedgerBuilder()
    story.register(1)
    page = release_page(release_facts(story))
    (approve,) = [form for form in forms(page) if form.action.endswith("approve")]
    (role,) = [field for field in approve.fields if field.name == "role"]
    assert [choice.value for choice in role.choices] == ["reviewer"]
    nobody = Asking({"reviewer": "maker made release 1"}, {}, "it is in production")
    page = release_page(release_facts(story, asking=nobody))
    refused = {form.action.rpartition("/")[2]: form.refused for form in forms(page)}
    assert refused["approve"] == "maker made release 1"
    assert refused["retire"] == "it is in production"
    assert "Not now: maker made release 1" in PageReader(framed(page)).text


def test_an_override_is_confirmed_on_the_page() -> None:
    """The form shows only while an override waits; who is not its second person reads why not."""
    story = LedgerBuilder()
    story.register(1)
    acts = {form.action.rpartition("/")[2] for form in forms(release_page(release_facts(story)))}
    assert "override-confirm" not in acts
    asking = Asking({}, {}, "it is in production", confirm="it names ben as the second person")
    found = {form.action.rpartition("/")[2]: form for form in forms(release_page(release_facts(story, asking=asking)))}
    assert found["override-confirm"].refused == "it names ben as the second person"
    asking = Asking({}, {}, "it is in production", confirm="")
    found = {form.action.rpartition("/")[2]: form for form in forms(release_page(release_facts(story, asking=asking)))}
    assert found["override-confirm"].refused == ""
    assert {field.name for field in found["override-confirm"].fields} == {"version", "reason"}


def test_an_approval_says_whether_it_counts() -> None:
    """The author's own approval is shown as not counting, with the reason, and as not verified."""
    story = LedgerBuilder()
    story.register(1)
    story.approve(1, actor=MAKER)
    story.approve(1, "guardian", actor=BO)
    page = release_page(release_facts(story))
    (section,) = [section for section in page.sections if section.id == "approvals"]
    counts = {row[0].text: row[2].text for row in section.tables[0].rows}
    assert counts["bo"] == "yes"
    assert counts["maker"].startswith("no: maker made the release")
    assert {row[3].text for row in section.tables[0].rows} == {"not verified"}


def test_a_rejected_release_says_by_whom() -> None:
    """The first thing a reader learns of a rejected release is who rejected it and why."""
    story = LedgerBuilder()
    story.register(1)
    story.write(Kind.REJECTED, {"version": 1, "role": "guardian", "reason": "it leaks"}, actor=BO)
    assert lead(release_page(release_facts(story)))[0] == (Tone.BAD, "Rejected by bo: it leaks.")


def test_a_lost_bundle_is_told() -> None:
    """A bundle that cannot be read is in red in place of what it pins."""
    story = LedgerBuilder()
    story.register(1)
    page = release_page(release_facts(story, pinned=PinnedFacts(unread="manifest.json is gone")))
    (section,) = [section for section in page.sections if section.id == "pins"]
    assert [(note.tone, note.text) for note in section.notes] == [
        (Tone.BAD, "Its bundle cannot be read: manifest.json is gone.")
    ]


def path_of(story: LedgerBuilder, facts: DriftFacts) -> ReleasePath:
    """The way of release 1 to a staging that asks about drift."""
    plan = release_plan()
    plan["gates"][0]["criteria"].append({"id": "same", "kind": "drift", "demand": "Nothing drifted."})
    release, basis = story.release(), story.basis(1)
    return release_path(
        "staging",
        PathFacts(release, basis, facts.answered, facts.unknown, "flywheel drift", (), None, "it was never evaluated"),
        release_blueprint(plan),
    )


def steps_of(story: LedgerBuilder, drift: DriftFacts, **changed: Any) -> dict[str, PathStep]:
    """The steps on the page of release 1, by title."""
    facts = release_facts(
        story, compared=ComparedFacts("iteration 1", 1, drift), path=path_of(story, drift), reader="ana", **changed
    )
    return {step.title: step for step in sections_of(release_page(facts))["path"].steps}


def test_the_way_has_one_step_after_the_other() -> None:
    """What is next is open, what comes later folded with a warning, a promotion is not offered before its time."""
    story = LedgerBuilder()
    story.register(1)
    steps = steps_of(story, answered(LOST))
    assert [step.state for step in steps.values()] == ["done", "next", "waiting", "waiting", "waiting"]
    assert [form.button for form in steps["Explain"].forms] == ["Explain 1 finding"]
    assert steps["Explain"].early == ""
    assert steps["Approve"].early
    assert "voids your approval" in steps["Approve"].warning
    assert steps["Promote"].forms == ()
    assert "You may do it; so may bo, maker" in [note.text for note in steps["Explain"].notes]


def test_explained_an_approval_is_next() -> None:
    """Once somebody explained what was found, approving is open, without a warning."""
    story = LedgerBuilder()
    story.register(1)
    steps = steps_of(story, answered(LOST, explained("p01")))
    assert steps["Approve"].state == "next"
    assert (steps["Approve"].early, steps["Approve"].warning) == ("", "")
    assert steps["Explain"].forms == ()


def test_without_a_comparison_the_way_says_what_to_run() -> None:
    """Evidence that is missing names the command, and who runs it where."""
    story = LedgerBuilder()
    story.register(1)
    notes = [note.text for note in steps_of(story, DriftFacts(unknown="nobody compared it yet"))["Evidence"].notes]
    assert notes[0] == "Nobody compared it yet"
    assert "at a terminal" in notes[1]
    assert notes[2] == "flywheel drift"


def test_drift_tells_its_verdict_first() -> None:
    """BLOCK with what is behind it; findings that people answered for are told apart from those left."""
    page = drift_page(drift_facts())
    assert lead(page)[0][0] is Tone.BAD
    assert lead(page)[0][1].startswith("BLOCK: ")
    (form,) = forms(page)
    assert [field.value for field in form.fields if field.name == "findings"] == ["p01.hit_rate"]
    after = drift_page(drift_facts(explained("p01")))
    assert lead(after)[1] == (Tone.ATTENTION, "With that it is PASS: 1 finding explained by ana, 0 left.")
    assert list(forms(after)) == []


def drifted_page(**changed: Any) -> Page:
    """The review of a comparison in which two signals of `corpus` changed, and a third did not."""
    before = profile(length=normal(400), clean=normal(400, seed=2), same=normal(400, seed=3))
    now = profile(length=normal(400, 2.0), clean=normal(400, 2.0, seed=2), same=normal(400, seed=3))
    sides = (
        side(turn, digests={"corpus": str(turn)}, data={"corpus": logged(found)})
        for turn, found in ((2, now), (1, before))
    )
    report = compared(*sides, made=promise("corpus"))
    return drift_page(drift_facts(found=answered(report), projects=("p01", "p02"), **changed))


def sections_of(page: Page) -> dict[str, Section]:
    """The sections of a page by id."""
    return {section.id: section for section in page.sections}


def test_findings_are_cards_with_their_pictures() -> None:
    """Each finding that stops a release has a card with its picture and a box that belongs to the form below."""
    page = drifted_page()
    (block, others) = sections_of(page)["findings"].cards
    assert {card.title.text for card in block.items} == {"corpus/length", "corpus/clean"}
    assert all(card.image is not None and card.tick is not None for card in block.items)
    assert not others.items
    whole = next(form for form in forms(page) if form.button == "Explain all 2 findings")
    assert [field.value for field in whole.fields if field.name == "findings"] == [
        card.title.text for card in block.items
    ]
    reader = PageReader(framed(page))
    boxes = [item for item in reader.all("input") if item.get("type") == "checkbox"]
    assert {item["form"] for item in boxes} == {form["id"] for form in reader.all("form") if "id" in form}


def test_the_card_of_a_kpi_leads_to_its_suspects() -> None:
    """A KPI that got worse is drawn over the iterations, and one click from who changed it between the two."""
    page = drift_page(drift_facts())
    (card,) = [item for block in sections_of(page)["findings"].cards for item in block.items]
    assert card.drawing is not None
    assert "p01.hit_rate by iteration: 1: " in card.drawing.svg
    (where,) = [note.href for note in card.notes if note.href]
    assert where.endswith("/numbers/p01.hit_rate?first=1&second=2#suspects")


def test_what_did_not_change_is_folded() -> None:
    """Unchanged signals stand behind their count, after those that changed."""
    told, quiet = sections_of(drifted_page())["distributions"].tables
    assert {row[0].text for row in told.rows} == {"corpus/length", "corpus/clean"}
    assert not told.folded
    assert "corpus/same" in {row[0].text for row in quiet.rows}
    assert quiet.folded
    assert quiet.caption == f"Quality signals without a change: {len(quiet.rows)}"


@pytest.mark.parametrize(
    ("chosen", "count"),
    [
        (DriftFilter("p01", makers={"corpus": "p01"}), 2),
        (DriftFilter("p02", makers={"corpus": "p01"}), 0),
        (DriftFilter(verdict="changed"), 2),
        (DriftFilter(verdict="better"), 0),
        (DriftFilter(kind="distribution"), 2),
        (DriftFilter(kind="kpi"), 0),
    ],
)
def test_a_reader_chooses_what_is_shown(chosen: DriftFilter, count: int) -> None:
    """By project, verdict and kind; only what is shown can be explained there, and the verdict is that of all."""
    page = drifted_page(filter=chosen)
    assert sum(len(block.items) for block in sections_of(page)["findings"].cards) == count
    assert any(form.button == "Explain all 2 findings" for form in forms(page)) is bool(count)
    assert lead(page)[0] == lead(drifted_page())[0]


def test_a_clean_comparison_passes() -> None:
    """PASS is told in green, and nothing is offered to explain."""
    page = drift_page(drift_facts(found=answered(CLEAN)))
    assert (lead(page)[0][0], lead(page)[0][1].split(":")[0]) in [(Tone.GOOD, "PASS"), (Tone.UNKNOWN, "INCONCLUSIVE")]
    assert list(forms(page)) == []


def test_drift_without_a_comparison_says_what_to_run() -> None:
    """No comparison is unknown, with the command that makes one; no report is embedded."""
    page = drift_page(drift_facts(found=DriftFacts(unknown="nobody has compared it yet"), report_file=False))
    assert lead(page) == [(Tone.UNKNOWN, "Nobody has compared it yet.")]
    lines = [command.line for section in page.sections for command in section.commands]
    assert lines == ["flywheel drift --iteration 2 --against 1"]
    assert all(section.embedded is None for section in page.sections)


def test_evidently_is_embedded_in_a_sandbox() -> None:
    """Its report is a frame of this server that may run scripts and nothing else; without the file there is none."""
    (frame,) = PageReader(framed(drift_page(drift_facts()))).all("iframe")
    assert frame["sandbox"] == "allow-scripts"
    assert frame["src"] == f"/ml/flywheel/drift/report?run={'a' * 32}&against={'b' * 32}"
    assert not PageReader(framed(drift_page(drift_facts(report_file=False)))).all("iframe")


def test_nobody_explains_without_a_release() -> None:
    """Where no release stands, or the reader holds no role, the page says so in place of the form's button."""
    page = drift_page(drift_facts(explain=ExplainFacts(None, "no release stands")))
    assert list(forms(page)) == []
    assert "no release stands" in PageReader(framed(page)).text
    page = drift_page(drift_facts(explain=ExplainFacts(1, refused="ana holds no role")))
    assert [form.refused for form in forms(page)] == ["ana holds no role"]


def test_overdue_risks_come_first() -> None:
    """An overdue high risk is in red before all others; closed ones are in a table of their own."""
    story = LedgerBuilder()
    story.open_risk(1, 1, title="small")
    story.open_risk(5, 5, title="late", due=(NOON - timedelta(days=1)).isoformat())
    page = risks_page(risks_facts(story))
    assert lead(page)[0] == (Tone.BAD, "1 risk is overdue: R1.")
    (opened,) = [section for section in page.sections if section.id == "open"]
    assert [row[2].text for row in opened.tables[0].rows] == ["late", "small"]
    assert [row[1].text for row in opened.tables[0].rows] == ["overdue", "open"]


def test_a_risk_tells_how_far_it_spreads() -> None:
    """Projects, layers, turns and interfaces are told; a risk that names no project is unknown, never harmless."""
    story = LedgerBuilder()
    name = f"R{story.open_risk(projects=['p01']).number}"
    text = PageReader(framed(risk_page(risk_facts(story, name)))).text
    assert "one iteration later" in text
    assert "corpus \N{RIGHTWARDS ARROW} index" in text
    nowhere = risk_page(risk_facts(story, name, path=Propagation((), (), ())))
    assert "Unknown: it names no project" in PageReader(framed(nowhere)).text


def test_only_its_owner_is_offered_to_close_a_risk() -> None:
    """The rule's own words stand in place of the button."""
    story = LedgerBuilder()
    name = f"R{story.open_risk().number}"
    page = risk_page(risk_facts(story, name, close_refused="bo does not own risk R0"))
    assert {form.action.rpartition("/")[2]: form.refused for form in forms(page)} == {
        "risk-update": "",
        "risk-close": "bo does not own risk R0",
    }


def test_two_releases_that_do_not_differ() -> None:
    """Nothing differs is said; releases that cannot be compared are unknown."""
    facts = diff_facts()
    same = release_diff_page(replace(facts, diff=ReleaseDiff((), (), (), False)))
    assert lead(same) == [(Tone.GOOD, "Releases 1 and 2 do not differ.")]
    gone = release_diff_page(replace(facts, diff=None, unknown="a bundle is gone"))
    assert lead(gone) == [(Tone.UNKNOWN, "They cannot be compared: a bundle is gone.")]
    assert release_diff_page(facts).lead[0].also[0].tone is Tone.BAD


def test_the_board_tells_what_nobody_takes() -> None:
    """Unroutable events, the share acted on and waiting themes are told first, each with its numbers."""
    found = lead(feedback_page(board_facts(LedgerBuilder())))
    assert found[0] == (Tone.ATTENTION, "4 events taken in; 1 of them no rule takes (25.0%).")
    assert "share acted on 50.0%" in found[1][1]
    assert found[2] == (Tone.ATTENTION, "2 of 2 themes wait for a decision.")


def test_a_theme_leads_to_its_priority() -> None:
    """The board says urgency and leverage, and links to the page that says where these come from."""
    page = feedback_page(board_facts(LedgerBuilder()))
    (section,) = [section for section in page.sections if section.id == "themes"]
    told = dict(zip(section.tables[0].columns, section.tables[0].rows[0], strict=True))
    assert (told["urgency"].text, told["leverage"].tone) == ("schedule", Tone.UNKNOWN)
    assert [cell.href for cell in section.links] == ["/ml/flywheel/feedback/priorities?iteration=2"]


def test_the_words_of_an_event_come_first() -> None:
    """What somebody said stands right after the event's id, before what was made of it."""
    table = event_section(events_facts()).tables[0]
    assert table.columns[:3] == ("event", "text", "goes to")
    assert [row[1].text for row in table.rows] == [HOSTILE, "x" * 5_000]
    assert [row[5].text for row in table.rows] == ["data_gap, unknown", "unknown, unknown"]


def test_what_became_a_task_is_not_offered() -> None:
    """Themes that are tasks can be neither queued nor declined; the task says whether it helped, before and after."""
    story = LedgerBuilder()
    accept(story)
    page = feedback_page(board_facts(story))
    themes = {
        choice.value
        for form in forms(page)
        for field in form.fields
        if field.name == "theme"
        for choice in field.choices
    }
    assert themes == {"p01-2"}
    (section,) = [section for section in page.sections if section.id == "tasks"]
    row = section.tables[0].rows[0]
    assert row[8].text == f"{Help.HELPED.value}: beyond noise"
    assert [cell.text for cell in row[9:12]] == ["0.5 (n = 40)", "0.75 (n = 80)", "p01.hit_rate"]


def test_events_are_paged() -> None:
    """A page tells which events of how many it shows, and leads to the next one with the same questions."""
    section = event_section(events_facts(wanted=Wanted("p01", "", "high", 2)))
    assert section.tables[0].caption == "Events 51 to 52 of 120"
    assert [note.href for note in section.notes] == [
        "/ml/flywheel/feedback?iteration=2&project=p01&severity=high&page=1",
        "/ml/flywheel/feedback?iteration=2&project=p01&severity=high&page=3",
    ]


def test_an_iteration_without_feedback_says_so() -> None:
    """No ingestion is unknown, with the command that takes one in; nothing looks like a good zero."""
    page = feedback_page(board_facts(LedgerBuilder(), ingestions=(), queues=None, events=None))
    assert lead(page) == [(Tone.UNKNOWN, "No feedback of iteration 2 was taken in yet.")]
    unread = feedback_page(board_facts(LedgerBuilder(), queues=None, events=None, unknown="events.parquet is gone"))
    assert lead(unread)[0] == (Tone.UNKNOWN, "Where the events go is unknown: events.parquet is gone.")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (InputError("no such thing", hint="look"), "no such thing; next: look"),
        (
            Refused("eve may not", rule="people only", value="eve", limit="ben, chen", hint="ask one of ben, chen"),
            "eve may not; rule: people only; next: ask one of ben, chen",
        ),
        (Refused("too late", rule="in time", value=0, limit=3), "too late; rule: in time; found: 0; demanded: 3"),
    ],
)
def test_a_refusal_says_who_and_how_much(error: FlywheelError, told: str) -> None:
    """Value and limit are told, unless they stand in the sentence, the rule or the hint already."""
    assert refusal_text(error) == told


def test_anybody_may_evaluate_a_gate() -> None:
    """The form says so, and that the verdict bears the reader's name."""
    (form,) = [form for form in forms(gated(full_story())) if form.button == "Evaluate"][:1]
    assert "with your name" in form.why
    assert "Anybody who may read this may do it, since it decides nothing." in form.why


def test_verdicts_of_a_gate_are_counted() -> None:
    """The first line of a gate says how many of its criteria say what."""
    story = LedgerBuilder()
    story.register(1)
    story.gate(1, verdict="INCONCLUSIVE")
    facts = gate_facts(story, 1, "staging", result=result(verdict=Verdict.INCONCLUSIVE))
    first = gate_section(facts, 1, release_facts(story).addresses).notes[0]
    assert first.text == "INCONCLUSIVE: 1 of 3 PASS, 2 of 3 INCONCLUSIVE."


def test_priorities_say_what_they_rest_on() -> None:
    """The page ranks by leverage, tells the four parts and their origins, and what a budget leaves out."""
    story = LedgerBuilder()
    accept(story)
    story.write(
        "cost_estimated",
        {"about": "p01-2", "cost": {"amount": 16.0, "unit": "h"}, "reuse": "asset", "reason": "as the last one"},
    )
    page = priorities_page(priorities_facts(story))
    text = PageReader(framed(page)).text
    for words in (
        "nobody named",
        "1 open without a cost",
        "2 finished, nobody told what was spent",
        "over by",
        "unknown",
    ):
        assert words in text
    assert "a long-term asset, says ana: as the last one" in text
    assert {form.action.rpartition("/")[2] for form in forms(page)} == {
        "task-estimate", "task-spend", "theme-queue", "theme-decline",
    }  # fmt: skip
    assert [tone for tone, _ in lead(page)] == [Tone.ATTENTION]


def test_nothing_to_rank_says_so() -> None:
    """Before the first assembly the page says that nothing is known, and offers no form about a candidate."""
    empty = priorities_facts(LedgerBuilder(), iteration=None, items=(), unread=(), tasks=())
    page = priorities_page(empty)
    assert lead(page)[-1][0] is Tone.UNKNOWN
    assert not list(forms(page))
    assert lead(priorities_page(priorities_facts(LedgerBuilder(), items=())))[-1][0] is Tone.GOOD


def test_the_board_names_who_answers() -> None:
    """Queues have the people with their contacts, events the people; what no rule takes has nobody."""
    owner = Owner("builders", "Builders", (OwnerPerson("bo", None, {"email": "bo@example.org", "chat": None}),))
    events = events_facts(owners={"p01": owner})
    page = feedback_page(board_facts(LedgerBuilder(), owners={"p01": owner}, events=events))
    sections = {section.id: section for section in page.sections}
    told = [row[3].text for row in sections["queues"].tables[0].rows]
    assert told == ["Builders: bo (email bo@example.org, chat kept in the environment)", ""]
    goes = [row[2] for row in sections["events"].tables[0].rows]
    assert [[cell.text for cell in item.also] for item in goes] == [["Builders: bo"], []]
