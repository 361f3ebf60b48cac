"""Tests of the page of two iterations: it shows what differs, judged as drift judges it, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from console_cases import AT, LINKS, cells, compared_side, links, pairs, recorded, section, shown, texts
from dashboard_cases import ANA, HOSTILE, NOW
from hypothesis import given, settings
from hypothesis import strategies as st
from reports_flywheel import evidence_of, healthy_assembly, small_assembly, version

from flywheel_mlflow.decisions.releases import Release
from flywheel_mlflow.drift import KpiFound, KpiVerdict
from flywheel_mlflow.drift.flips import flips_of
from flywheel_mlflow.drift.wording import Tone
from flywheel_mlflow.evidence.runs import Check, FieldType, KpiValue, Outcome
from flywheel_mlflow.reports.pages.comparison import ComparisonFacts, comparison_page
from flywheel_mlflow.reports.pages.flipped import FlippedSamples
from flywheel_mlflow.reports.pages.frame import Page


def found(name: str, verdict: KpiVerdict, before: float | None = 0.9, now: float | None = 0.8, **more: Any) -> KpiFound:
    """Drift's verdict on a KPI."""
    values: Mapping[str, Any] = {"value": now, "reference": before, "tolerance": 0.02, "n": 50, "reference_n": 40}
    return KpiFound(f"p01.{name}", verdict, "because", "tolerance", "ratio", "higher", **{**values, **more})


def facts(**changed: Any) -> ComparisonFacts:
    """The healthy flywheel and the troubled one after it, with some of it changed."""
    plain = ComparisonFacts(
        first=compared_side(1, healthy_assembly()),
        second=compared_side(2, small_assembly()),
        kpis=(),
        judged="judged for a test",
        kept=False,
        listed=(recorded(1), recorded(2)),
    )
    return replace(plain, **changed)


def page(**changed: Any) -> Page:
    """The page of those two."""
    return comparison_page(facts(**changed), LINKS, AT)


def changed_version(*fields: FieldType, digest: str = "a", rows: int = 1200, records: str = "") -> Page:
    """The page of two iterations between which nothing but the version of the corpus changed."""
    before = replace(version("corpus", "a"), records_digest=records)
    after = replace(before, digest=digest * 32, rows=rows, fields=fields, schema_digest=str(len(fields)) * 32)
    first, second = (
        evidence_of(
            small_assembly().flywheel.contracts["p01"],
            Check("ready", Outcome.PASSED),
            kpis={"retention": KpiValue(0.1737, 3028)},
            interfaces_out={"corpus": item},
        )
        for item in (before, after)
    )
    return page(
        second=compared_side(2, small_assembly(changed={"p01": second})),
        first=compared_side(1, small_assembly(changed={"p01": first})),
    )


def test_equal_iterations_differ_in_nothing() -> None:
    """Two iterations that recorded the same have no section but the choice and the origin, and it is said."""
    same = page(first=compared_side(1), second=compared_side(2))
    assert [item.id for item in same.sections] == ["compare", "origin"]
    assert same.lead[0].text == "Nothing differs between the two."
    shown(same)


def test_one_assembly_is_compared_with_itself() -> None:
    """The same run twice is said to be one assembly."""
    one = compared_side(2)
    assert page(first=one, second=one).lead[0].text == "Nothing differs: both are the same assembly."


@pytest.mark.parametrize(
    ("verdict", "word", "tone"),
    [
        (KpiVerdict.REGRESSED, "worse", Tone.BAD),
        (KpiVerdict.IMPROVED, "better", Tone.GOOD),
        (KpiVerdict.WITHIN, "within noise", Tone.NONE),
        (KpiVerdict.INCONCLUSIVE, "cannot be told", Tone.UNKNOWN),
        (KpiVerdict.VANISHED, "vanished", Tone.BAD),
        (KpiVerdict.NEW, "new", Tone.NONE),
    ],
)
def test_a_kpi_is_judged_as_drift_judges_it(verdict: KpiVerdict, word: str, tone: Tone) -> None:
    """Every verdict of drift has its word, with values, tolerance and both sample sizes beside it."""
    rows = section(page(kpis=(found("retention", verdict),)), "kpis").tables[0].rows
    assert (rows[0][1].text, rows[0][1].tone) == (word, tone)
    assert [cell.text for cell in rows[0][3:7]] == ["0.9000", "0.8000", "0.0200", "40 \N{RIGHTWARDS ARROW} 50"]
    assert rows[0][0].href == AT.number("p01.retention")


def test_a_kpi_that_did_not_move_is_not_shown() -> None:
    """The same value from as many samples is no difference, whatever its verdict."""
    still = found("retention", KpiVerdict.WITHIN, 0.9, 0.9, n=40)
    assert "kpis" not in [item.id for item in page(kpis=(still,)).sections]


def test_a_change_is_drawn_with_its_interval() -> None:
    """Every KPI has its change on one scale, in words too; without a value on both sides it says so instead."""
    kpis = (
        found("a", KpiVerdict.REGRESSED, worse=0.1, low=0.05, high=0.15),
        found("b", KpiVerdict.VANISHED, now=None),
    )
    table = section(page(kpis=kpis), "kpis").tables[0]
    drawn = {row[0].text: row[2] for row in table.rows}
    assert drawn["p01.a"].drawing is not None
    assert drawn["p01.a"].drawing.label == "worse: -11.1 %, between -16.7 % and -5.6 %; may lose 2.2 %"
    assert drawn["p01.b"].text == "a value is unknown"
    shown(page(kpis=kpis))


def test_members_stand_below_their_suite() -> None:
    """A suite comes with those of its members that differ, wherever these would stand alone."""
    kpis = (
        found("all", KpiVerdict.WITHIN, members=2),
        found("law", KpiVerdict.REGRESSED, suite="p01.all"),
        found("art", KpiVerdict.WITHIN, 0.9, 0.9, n=40, suite="p01.all"),
        found("alone", KpiVerdict.IMPROVED),
    )
    names = [row[0] for row in texts(section(page(kpis=kpis), "kpis"))]
    assert names == ["p01.alone", "p01.all (suite of 2)", "\N{DOWNWARDS ARROW WITH TIP RIGHTWARDS} p01.law"]


def test_samples_are_shown_when_asked_for() -> None:
    """Unasked there is the choice alone; asked, what was lost and won, with words, records and traces as links."""
    kpi = found("retention", KpiVerdict.REGRESSED)
    (form,) = section(page(kpis=(kpi,)), "samples").filters
    assert [item.name for item in form.fields] == ["first", "second", "samples"]
    assert not section(page(kpis=(kpi,)), "samples").tables
    flipped = FlippedSamples(
        kpi,
        flips_of({"q1": 1.0, "q2": 0.0, "q3": 1.0, "q4": 1.0}, {"q1": 0.0, "q2": 1.0, "q3": 1.0}, higher=True),
        texts={"q1": "no answer"},
        interface="corpus",
        traces=({}, {"q1": "tr-1"}),
        runs=("a" * 32, "b" * 32),
    )
    whole = page(kpis=(kpi,), flipped=flipped)
    samples = section(whole, "samples")
    assert samples.notes[0].text == "p01.retention: 1 lost, 1 won, 1 the same, 1 only before, 0 only now."
    lost, won = samples.tables
    assert [cell.text for cell in lost.rows[0]] == ["q1", "1", "0", "no answer", "iteration 2"]
    assert lost.rows[0][0].href == AT.interface("corpus", record="q1")
    assert lost.rows[0][4].href == AT.ui_trace("2", "tr-1")
    assert [cell.text for cell in won.rows[0]] == ["q2", "0", "1", "", "no trace"]
    assert links(samples)["All outcomes of iteration 1"] == AT.ui_run("2", "a" * 32, "flywheel/samples/retention.json")
    shown(whole)


def test_unknown_samples_are_said() -> None:
    """Where nobody logged outcomes there is no table of none."""
    flipped = FlippedSamples(found("retention", KpiVerdict.REGRESSED), unknown="no outcomes of single samples")
    samples = section(page(kpis=(flipped.kpi,), flipped=flipped), "samples")
    assert samples.notes[0].tone is Tone.UNKNOWN
    assert not samples.tables


def test_a_release_can_be_compared() -> None:
    """A side that a release stands for has its name, and the choice offers releases beside iterations."""
    release = Release(7, 2, "c" * 32, "d" * 64, "release/d", ANA, NOW, 0)
    whole = page(second=replace(compared_side(2), release=7), releases=(release,))
    assert whole.title == "Iteration 1 and release 7, iteration 2"
    fields = {item.name: item for item in section(whole, "compare").filters[0].fields}
    assert fields["second"].value == "r7"
    assert [item.value for item in fields["second"].choices] == ["2", "1", "r7"]


def test_the_worst_kpi_comes_first() -> None:
    """What got worse stands before what got better, and the page says how many there are of each."""
    kpis = (found("a", KpiVerdict.IMPROVED), found("b", KpiVerdict.WITHIN), found("c", KpiVerdict.REGRESSED))
    whole = page(kpis=kpis)
    assert [row[0] for row in texts(section(whole, "kpis"))] == ["p01.c", "p01.a", "p01.b"]
    assert [(cell.text, cell.tone) for cell in whole.lead[0].also] == [
        ("1 worse", Tone.BAD),
        ("1 better", Tone.GOOD),
        ("1 within noise", Tone.NONE),
    ]
    assert section(whole, "kpis").notes[0].text == "judged for a test"


def test_what_stands_otherwise_is_named() -> None:
    """Stages, projects, edges and bottlenecks that differ are there with both sides; what does not is not."""
    whole = page()
    stages = {row[0]: row[1:3] for row in texts(section(whole, "stages"))}
    assert stages["Training"][0] == "completed"
    assert stages["Training"][1] != "completed"
    projects = {(row[0], row[1]): row[2:] for row in texts(section(whole, "projects"))}
    assert projects["p02", "consumable"][0] == "yes"
    assert projects["p03", "evidence"] == ["evidenced", "without evidence"]
    assert ("p01", "consumable") not in projects
    edges = {(row[0], row[1]): row[2:] for row in texts(section(whole, "lineage"))}
    assert edges["corpus", "p02"] == ["matched", "stale"]
    bottlenecks = {row[0]: row[1] for row in texts(section(whole, "bottlenecks"))}
    assert bottlenecks["Thin corpus"] == "fires now"
    shown(whole)


def test_projects_come_and_go() -> None:
    """A project that was registered on one side only is said to have come or gone."""
    few = compared_side(1)
    fewer = replace(few, record=replace(few.record, projects=few.record.projects[1:]))
    came = texts(section(page(first=fewer, second=compared_side(2)), "projects"))
    assert ["p01", "registered", "not there", "evidenced"] in came
    gone = texts(section(page(first=few, second=replace(fewer, recorded=recorded(2))), "projects"))
    assert ["p01", "registered", "evidenced", "not there"] in gone


def test_a_version_is_classed_by_its_schema() -> None:
    """MAJOR where a field is gone, MINOR where one came, PATCH where the data alone are others; with what it was."""
    content, name = FieldType("content", "string", True), FieldType("id", "string", True)
    extra = FieldType("score", "number", True)
    cases = {
        ("MAJOR", "content is gone"): changed_version(name),
        ("MINOR", "score was added"): changed_version(content, name, extra),
        ("PATCH", "the same"): changed_version(content, name, digest="9", rows=1300),
        ("PATCH", "same data, written anew"): changed_version(content, name, digest="9", records="r"),
        ("MAJOR", "content was string, is number"): changed_version(FieldType("content", "number", True), name),
        ("MAJOR", "content is no longer in every row"): changed_version(FieldType("content", "string", False), name),
    }
    for (word, told), whole in cases.items():
        row = next(row for row in texts(section(whole, "interfaces")) if row[0] == "corpus")
        assert (row[1], row[-1]) == (word, told)


def test_versions_come_and_go() -> None:
    """An interface with a version on one side only says so."""
    rows = {row[0]: row for row in texts(section(page(), "interfaces"))}
    assert rows["traces"][1:4] == ["no version any more", "d" * 12, "none"]
    back = page(first=compared_side(1), second=compared_side(2, healthy_assembly()))
    assert {row[0]: row[1] for row in texts(section(back, "interfaces"))}["traces"] == "first version"


def test_other_code_is_shown() -> None:
    """A project whose code or contract is another is named with both versions."""
    side = compared_side(2)
    projects = tuple(
        item.model_copy(
            update={
                "contract_digest": "f" * 64,
                "evidence": item.evidence.model_copy(update={"code_version": "c" * 40}),
            }
        )
        if item.project_id == "p01" and item.evidence
        else item
        for item in side.record.projects
    )
    whole = page(first=compared_side(1), second=replace(side, record=replace(side.record, projects=projects)))
    rows = {row[1]: row for row in texts(section(whole, "versions"))}
    assert rows["code"][2:] == ["unknown", "c" * 12]
    assert rows["contract"][3] == "f" * 12


def test_numbers_say_their_direction() -> None:
    """A number of the flywheel's own has a direction only where its definition has one; unknown is said."""
    whole = page()
    rows = {row[0]: row for row in texts(section(whole, "numbers"))}
    assert rows["consumable_count"][1] == "worse"
    assert "p02.accuracy" in rows  # a KPI nobody judged is still a number that moved
    judged = page(kpis=(replace(found("x", KpiVerdict.REGRESSED), subject="p02.accuracy"),))
    assert "p02.accuracy" not in [row[0] for row in texts(section(judged, "numbers"))]


def test_it_leads_to_mlflows_own_comparison() -> None:
    """One link opens MLflow's comparison of the two runs, one the review of the kept comparison where there is one."""
    origin = section(page(kept=True), "origin")
    assert links(origin)["MLflow's own comparison of these two runs"] == AT.ui_compare(
        [f"{turn:032x}" for turn in (1, 2)], ["1"]
    )
    assert links(origin)["The review of the comparison"] == AT.drift(2, 1)
    assert pairs(origin)["Iteration 1"].href == AT.ui_run("1", f"{1:032x}")
    assert "Nobody has compared them by `flywheel drift` yet" in links(section(page(), "origin"))


def test_doubtful_sides_are_said() -> None:
    """A side that contradicts itself, or whose files were changed, is named before anything that rests on it."""
    first, second = facts().first, facts().second
    doubtful = page(
        first=replace(first, recorded=replace(first.recorded, sound=False)), second=replace(second, genuine=False)
    )
    told = [cell.text for cell in doubtful.lead if cell.tone is Tone.BAD]
    assert "The assembly of iteration 1 contradicts itself." in told
    assert "The files of iteration 2 are not those that were assembled." in told


@settings(max_examples=20)
@given(st.text(max_size=60))
def test_any_text_leaves_the_page_well_formed(text: str) -> None:
    """Whatever people wrote into titles, the page stays a page."""
    shown(page(second=compared_side(2, small_assembly({"p02": text}))))


def test_hostile_reasons_are_text() -> None:
    """A reason that is a script is read as text, on either side."""
    side = compared_side(2)
    projects = tuple(item.model_copy(update={"reasons": (HOSTILE,)}) for item in side.record.projects)
    whole = page(first=compared_side(1), second=replace(side, record=replace(side.record, projects=projects)))
    assert "<script>alert(1)" in shown(whole).text
    assert any(HOSTILE in cell.text for cell in cells(section(whole, "projects")))
