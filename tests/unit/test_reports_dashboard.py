"""Tests of the console page: what it concludes, and that it stays a page whatever it is fed."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from dashboard_cases import BEN, HOSTILE, LOST, NOW, PageReader, answered, facts, healthy, in_production, override, risk
from drift_cases import compared, kpi, logged, normal, profile, promise, side
from hypothesis import given, settings
from hypothesis import strategies as st
from reports_flywheel import healthy_assembly, small_assembly

from flywheel_mlflow.assembly import deliverables
from flywheel_mlflow.base.canonical import canonical_json
from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.decisions.releases import Explained, ReleaseState
from flywheel_mlflow.drift import TaskEffect
from flywheel_mlflow.drift.wording import Tone
from flywheel_mlflow.reports.bundle import render_deliverables
from flywheel_mlflow.reports.dashboard import DashboardView, build_dashboard, render_dashboard
from flywheel_mlflow.reports.dashboard_blocks import READERS
from flywheel_mlflow.reports.dashboard_facts import DashboardFacts, DriftFacts, LedgerFacts
from flywheel_mlflow.reports.dashboard_health import Health, health
from flywheel_mlflow.reports.dashboard_page import MOST_CELLS, page_style
from flywheel_mlflow.reports.dashboard_record import read_record
from flywheel_mlflow.tables.cells import spark


def page(view_facts: DashboardFacts) -> PageReader:
    """The page of some facts, read back."""
    return PageReader(render_dashboard(build_dashboard(view_facts)))


def reasons(found: Health, tone: Tone) -> str:
    """The reasons of one tone as one text."""
    return "; ".join(reason.text for reason in found.reasons if reason.tone is tone)


def test_what_is_known_and_good_is_healthy() -> None:
    """Completed stages, consumable projects, no bottleneck, a passed comparison, a release in production."""
    found = health(healthy())
    assert (found.word, found.tone) == ("Healthy", Tone.GOOD)
    assert {reason.tone for reason in found.reasons} == {Tone.GOOD}


BAD: dict[str, dict[str, Any]] = {
    "contradicts": {"sound": False},
    "not those that were assembled": {"genuine": False},
    "1 KPI worse": {"drift": answered(LOST)},
    "open override": {"ledger": in_production(override(NOW + timedelta(days=1)))},
    "points to 2": {"ledger": in_production(aliases={"production": 2})},
    "has faults": {"ledger": in_production(faults=("event 3 was edited",))},
    "1 risk overdue": {"ledger": in_production(risks=(risk(3, due=NOW - timedelta(days=1), weight=5),))},
}


@pytest.mark.parametrize("told", BAD)
def test_one_bad_thing_makes_it_not_healthy(told: str) -> None:
    """Each of the things that must not be, alone, turns the verdict; the page says it and what to run."""
    found = health(healthy(**BAD[told]))
    assert found.word == "Not healthy"
    assert told in reasons(found, Tone.BAD)
    assert told in page(healthy(**BAD[told])).text


ATTENTION: dict[str, dict[str, Any]] = {
    "no release is in production": {"ledger": LedgerFacts(state=ReleaseState({1: in_production().state.releases[1]}))},  # type: ignore[union-attr]
    "1 high": {"ledger": in_production(risks=(risk(3, due=NOW + timedelta(days=1), weight=5),))},
    "1 risk overdue": {"ledger": in_production(risks=(risk(3, due=NOW - timedelta(days=1)),))},
    "1 finding explained by people, 0 left": {
        "drift": answered(LOST, Explained(3, NOW, BEN, "", ("p01.hit_rate",), "wanted"))
    },
}


@pytest.mark.parametrize("told", ATTENTION)
def test_what_waits_for_somebody_needs_attention(told: str) -> None:
    """Each of the things somebody must look at, alone, keeps the flywheel from being healthy."""
    found = health(healthy(**ATTENTION[told]))
    assert found.word == "Needs attention"
    assert told in reasons(found, Tone.ATTENTION)


def test_what_tasks_intended_leaves_a_flywheel_healthy() -> None:
    """A change that a task declared and its KPI confirms is told, waits for a confirmation, and is no alarm."""
    made = promise("corpus", kpis=[kpi("hit_rate")])
    before, after = (
        side(
            number,
            digests={"corpus": str(number)},
            data={"corpus": logged(profile(x=normal(100, shift, seed=number)))},
            tasks=["more"] if shift else [],
        )
        for number, shift in ((1, 0.0), (2, 2.0))
    )
    tasks = {"more": TaskEffect("more", "p01", "p01.hit_rate", ("corpus",))}
    found = health(healthy(drift=answered(compared(after, before, made=made, tasks=tasks))))
    assert found.word == "Healthy"
    assert "1 as intended" in reasons(found, Tone.GOOD)
    assert "a release asks to confirm the 1 change as intended" in reasons(found, Tone.GOOD)


UNKNOWN: dict[str, dict[str, Any]] = {
    "governance unknown: the ledger is gone": {"ledger": LedgerFacts(unknown="the ledger is gone")},
    "regression risk unknown: nobody compared it": {"drift": DriftFacts(unknown="nobody compared it")},
}


@pytest.mark.parametrize("told", UNKNOWN)
def test_what_is_unknown_is_never_healthy(told: str) -> None:
    """Missing evidence is said to be missing, and is no pass."""
    found = health(healthy(**UNKNOWN[told]))
    assert found.word == "Cannot be told"
    assert told in reasons(found, Tone.UNKNOWN)


def test_the_stages_and_projects_decide() -> None:
    """The small flywheel's troubles are named: its stages, its projects that are not consumable, its open rules."""
    found = health(facts())
    words = " ".join(reason.text for reason in found.reasons)
    assert "projects not consumable" in words
    assert "bottleneck" in words
    assert found.tone is not Tone.GOOD
    assert [Tone.BAD, Tone.ATTENTION, Tone.UNKNOWN, Tone.GOOD].index(found.reasons[0].tone) <= 2


def test_an_override_is_red_until_its_risk_is_closed() -> None:
    """One that has run out still shows while its risk is open, and no longer once somebody closed it."""
    past = override(NOW - timedelta(days=1))
    still = in_production(past, risks=(risk(7, due=NOW + timedelta(days=9)),))
    assert "open override" in reasons(health(healthy(ledger=still)), Tone.BAD)
    done = in_production(past, risks=(risk(7, due=NOW, closed=True),))
    assert health(healthy(ledger=done)).word == "Healthy"


def test_next_commands_answer_the_reasons() -> None:
    """Every open reason with a command is a line, each once; then what brings the iteration forward."""
    view = build_dashboard(healthy(drift=answered(LOST)))
    lines = [command.line for command in view.sections[-1].commands]
    assert lines == ["flywheel explain p01.hit_rate --between 1 2", "flywheel release create --iteration 2"]


def test_the_page_is_whole_and_fetches_nothing() -> None:
    """One file: no script, no address outside, a policy that allows the page's own style alone."""
    html = render_dashboard(build_dashboard(facts()))
    found = PageReader(html)
    assert not found.all("script")
    assert not found.all("link")
    assert {a["href"][:1] for a in found.all("a") if a["href"]} == {"#"}
    assert not re.search(r"https?://(?!www\.w3\.org)", html)
    assert not any(name.startswith("on") or name == "style" for _, attributes in found.elements for name in attributes)
    (policy,) = (item for item in found.all("meta") if item.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in (policy["content"] or "")


def test_the_page_can_be_read_by_everybody() -> None:
    """Landmarks, headings in order, tables with captions and heads of rows, drawings in words, anchors that lead."""
    found = page(facts())
    names = [name for name, _ in found.elements]
    assert all(names.count(name) == 1 for name in ("h1", "header", "main", "nav", "footer"))
    levels = [int(name[1]) for name in names if re.fullmatch("h[1-6]", name)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert names.count("caption") == names.count("table")
    assert all(head.get("scope") in ("col", "row") for head in found.all("th"))
    assert all("aria-label" in drawing or "aria-labelledby" in drawing for drawing in found.all("svg"))
    ids = [attributes["id"] for _, attributes in found.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {(a["href"] or "")[1:] for a in found.all("a")} <= set(ids)


def test_every_section_serves_a_reader() -> None:
    """Each reader has a view of the same page, smaller than the whole and with what to do next."""
    view = build_dashboard(facts())
    for reader in READERS:
        mine = [section.id for section in view.sections if reader in section.readers]
        assert "commands" in mine
        assert len(mine) < len(view.sections)
        assert f'[data-readers~="{reader}"]' in page_style()
    assert all(set(section.readers) <= set(READERS) and section.readers for section in view.sections)


def test_hostile_text_is_text() -> None:
    """Markup in titles, owners and reasons shows as it was written; nothing of it becomes an element."""
    titles = {"p01": HOSTILE, "p02": HOSTILE}
    bad = replace(override(NOW + timedelta(days=1)), reason=HOSTILE)
    owned = replace(risk(3, due=NOW), owner=HOSTILE, title=HOSTILE)
    found = facts(small_assembly(titles), ledger=in_production(bad, risks=(owned,), unknown=""))
    html = render_dashboard(build_dashboard(found))
    shown = PageReader(html)
    assert "<script>alert(1)</script>" in shown.text
    assert not shown.all("script")
    assert not shown.all("img")
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in html


def test_an_edited_graph_is_drawn_as_far_as_it_is_known() -> None:
    """Edges of projects nobody registered, and states nobody knows, are left out of the drawing, and told below it."""
    plain = facts()
    edge = plain.record.edges[0]
    odd = (edge.model_copy(update={"producer": HOSTILE}), edge.model_copy(update={"state": HOSTILE}))
    shown = page(replace(plain, record=replace(plain.record, edges=(*plain.record.edges, *odd))))
    assert len(shown.all("path")) == len(page(plain).all("path"))
    assert not shown.all("script")
    assert HOSTILE.partition("\N{RIGHT-TO-LEFT OVERRIDE}")[0] in shown.text


def test_a_name_of_ten_thousand_letters_is_cut() -> None:
    """The page stays a page; the cut is shown, and the whole name is in the JSON."""
    long = "x" * 10_000
    view = build_dashboard(facts(ledger=in_production(risks=(replace(risk(3, due=NOW), title=long),))))
    html = render_dashboard(view)
    assert "x" * (MOST_CELLS - 1) + "\N{HORIZONTAL ELLIPSIS}" in html
    assert "x" * (MOST_CELLS + 1) not in html
    assert long in str(view.document())


@settings(max_examples=20, deadline=None)
@given(st.text(max_size=60))
def test_any_text_leaves_the_page_well_formed(text: str) -> None:
    """Whatever a risk is called, tags nest and no element comes from it."""
    plain = page(facts(ledger=in_production(risks=(replace(risk(3, due=NOW), title="a", owner="b"),))))
    found = page(facts(ledger=in_production(risks=(replace(risk(3, due=NOW), title=text, owner=text),))))
    assert [name for name, _ in found.elements] == [name for name, _ in plain.elements]


def test_a_gap_in_a_line_is_said() -> None:
    """An unknown value is said as unknown, never as zero."""
    found = spark("rate", "ratio", {1: 0.5, 2: 0.75, 3: None, 4: 1.0}).series
    assert found is not None
    assert found.label == "rate by iteration: 1: 0.5000, 2: 0.7500, 3: unknown, 4: 1.0000"


def test_a_kpi_says_what_changed() -> None:
    """Its value now, before, the difference with its direction, and what the comparison said."""
    view = build_dashboard(facts())
    (kpis,) = (section for section in view.sections if section.id == "kpis")
    (row,) = (row for row in kpis.tables[1].rows if row[0].text == "p01.retention")
    assert row[2].text.endswith(("better", "worse"))
    assert row[4].text == "0.1000"


def test_equal_facts_give_equal_pages() -> None:
    """Nothing but the facts is in the page: the clock is one of them."""
    assert render_dashboard(build_dashboard(facts())) == render_dashboard(build_dashboard(facts()))


def test_the_json_says_the_same() -> None:
    """The view as a document has a format version, the verdict, and of drawings the words alone."""
    document: Any = build_dashboard(healthy()).document()
    assert document["format_version"] == 1
    assert document["executive"]["verdict"]["text"] == "Healthy"
    assert "<svg" not in canonical_json(document)
    assert document["executive"]["stages"][0]["bar"]["label"].startswith("Score of")


@pytest.mark.parametrize("name", [deliverables.REGISTRY, deliverables.RUNS, deliverables.ARCHITECTURE])
@pytest.mark.parametrize("text", ["{", "[1]", '[{"a": 1, "a": 2}]', None])
def test_a_record_that_is_none_is_refused(name: str, text: str | None) -> None:
    """A deliverable that is missing, broken or of another shape is bad input, told with its name."""
    files = dict(render_deliverables(healthy_assembly()))
    if text is None:
        del files[name]
    else:
        files[name] = text
    with pytest.raises(InputError) as raised:
        read_record(files)
    assert name in str(raised.value)


def _luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1, 2], ids=["light", "dark", "print"])
def test_every_colour_can_be_read(scheme: int) -> None:
    """Text has a contrast of at least 4.5 on what it stands on (WCAG 2.2 AA), light, dark and on paper."""
    blocks = re.findall(r":root \{(.*?)\}", page_style(), re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", blocks[scheme]))
    pairs = [(text, back) for text in ("ink", "soft", "link") for back in ("paper", "sheet")]
    pairs += [(tone, f"{tone}-back") for tone in ("good", "attention", "unknown", "bad")]
    for text, back in pairs:
        high, low = sorted((_luminance(colours[text]), _luminance(colours[back])), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5, (text, back)


def test_views_are_values() -> None:
    """A page's view is frozen and all of it is text: a template has nothing to compute."""
    view = build_dashboard(facts())
    assert isinstance(view, DashboardView)
    with pytest.raises(AttributeError):
        view.title = "another"  # type: ignore[misc]
