"""Figures hold the numbers they were given, leave gaps for what is unknown, and show texts as texts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from drift_cases import compared, logged, normal, profile, side, signal
from hypothesis import given, settings
from hypothesis import strategies as st
from releases_ledger import NOON, LedgerBuilder

from flywheel_mlflow import figures
from flywheel_mlflow.assembly.diff import InterfaceChange, NumberChange, ReleaseDiff
from flywheel_mlflow.assembly.documents import BottleneckLine, BottlenecksFile, OpenRule
from flywheel_mlflow.assembly.history import LedgerLine, describe_events
from flywheel_mlflow.decisions.approvals import JudgedApproval
from flywheel_mlflow.decisions.gate_facts import Verdict
from flywheel_mlflow.decisions.gates import CriterionResult, GateResult
from flywheel_mlflow.drift import DataVerdict, DriftReport, KpiFound, KpiVerdict, SignalFound
from flywheel_mlflow.drift.pictures import Bar, Picture
from flywheel_mlflow.figures import style

HOSTILE = "<a href='javascript:alert(1)'>$x$ %{x} & <b>"
STORY = LedgerBuilder()
STORY.register()


def texts_of(figure: Any) -> str:
    """Everything a figure says, as plotly is handed it."""
    return str(figure.to_json()).encode().decode("unicode_escape", errors="replace")


def cells_of(figure: Any) -> list[list[str]]:
    """The columns of a table."""
    return [list(column) for column in figure.data[0].cells.values]


def criterion(verdict: Verdict, **more: Any) -> CriterionResult:
    """A criterion that reads a number."""
    return CriterionResult(**({"id": "c", "kind": "floor", "demand": "d", "verdict": verdict, "reason": "r"} | more))


def result_of(*criteria: CriterionResult) -> GateResult:
    """A gate's verdict over release 1."""
    return GateResult("to_staging", "staging", 1, Verdict.BLOCK, STORY.basis(1), NOON, criteria)


def drifted() -> DriftReport:
    """A comparison with one signal that moved, one that did not, and a KPI that fell."""
    before = profile(moved=normal(300, seed=1), stays=normal(300, seed=2))
    after = profile(moved=normal(300, 2.0, seed=3), stays=normal(300, seed=4))
    return compared(
        side(2, kpis={"hit_rate": 0.5}, digests={"corpus": "b"}, data={"corpus": logged(after)}),
        side(1, kpis={"hit_rate": 0.9}, digests={"corpus": "a"}, data={"corpus": logged(before)}),
    )


def test_a_line_has_a_gap_where_a_number_is_unknown() -> None:
    """An iteration without the number is None in the line, which is not joined across, and never 0."""
    figure = figures.numbers({1: {"a": 0.5}, 2: {}, 3: {"a": 0.7}}, ["a", "nowhere"], {"a": "ratio"})
    (line,) = figure.data
    assert list(line.y) == [0.5, None, 0.7]
    assert line.connectgaps is False
    assert line.hovertext[1] == "iteration 2: unknown"
    assert "nowhere" in figure.layout.title.text


def test_no_number_is_said() -> None:
    """Where no iteration knows any of the numbers, a sentence stands in place of the lines."""
    figure = figures.numbers({1: {}}, ["a"])
    assert not figure.data
    assert "none of these numbers is known" in figure.layout.annotations[0].text


def test_an_unknown_stage_score_has_no_bar_and_says_so() -> None:
    """Scores are bars; the missing one is None, with the word and the iteration at its place."""
    figure = figures.stage_scores({1: {"stage.one.score": 0.25}, 2: {}}, {"one": "First"})
    assert [list(bar.y) for bar in figure.data] == [[0.25], [None]]
    assert [note.text for note in figure.layout.annotations] == ["unknown in 2"]


def test_changed_kpis_are_drawn_by_verdict() -> None:
    """Better is right, worse is left, each with a symbol of its own; an unknown value is named and not drawn."""
    base = KpiFound("p01.a", KpiVerdict.IMPROVED, "", "", "ratio", "higher", 0.8, 0.4, worse=-0.4, low=-0.6, high=-0.2)
    worse = replace(base, subject="p01.b", verdict=KpiVerdict.REGRESSED, value=0.2, worse=0.2, low=None, high=None)
    gone = replace(base, subject="p01.c", verdict=KpiVerdict.VANISHED, value=None, worse=None)
    figure = figures.kpi_changes([base, worse, gone], iteration=2, against=1)
    better, regressed = figure.data
    assert (better.name, list(better.y), list(better.x)) == ("better", ["p01.a"], [pytest.approx(0.5)])
    assert list(better.error_x.array) == [pytest.approx(0.25)]
    assert list(better.error_x.arrayminus) == [pytest.approx(0.25)]
    assert (regressed.name, list(regressed.x)) == ("worse", [pytest.approx(-0.5)])
    assert better.marker.symbol != regressed.marker.symbol
    assert "p01.c (vanished)" in texts_of(figure)


def test_equal_kpis_are_not_drawn() -> None:
    """What does not differ leaves the figure with a sentence."""
    same = KpiFound("p01.a", KpiVerdict.WITHIN, "", "", "ratio", "higher", 0.4, 0.4, worse=0.0)
    assert "no KPI differs" in texts_of(figures.kpi_changes([same], iteration=2, against=1))


def test_bottlenecks_say_what_cannot_be_decided() -> None:
    """Rules that fired and rules that are open stand in one table; none at all is a sentence with the count."""
    fired = BottleneckLine(
        position=1,
        name="n",
        title="Few records",
        severity="high",
        rule="p01.a < 1",
        values={"p01.a": None},
        distance_from_limit=1,
        downstream_projects=2,
        rank=1,
        advice="",
    )
    unknown = OpenRule(name="other", rule="p02.b < 1", why="p02.b is unknown")
    found = BottlenecksFile(bottlenecks=(fired,), rules_not_decidable=(unknown,), rules_evaluated=2)
    assert cells_of(figures.bottlenecks(found, iteration=1))[0] == ["Few records", "other"]
    assert cells_of(figures.bottlenecks(found, iteration=1))[3] == ["p01.a = unknown", "p02.b is unknown"]
    assert "2 were evaluated" in texts_of(
        figures.bottlenecks(found.model_copy(update={"bottlenecks": (), "rules_not_decidable": ()}), iteration=1)
    )


def test_effects_and_p_values_are_those_of_the_report() -> None:
    """Every tested distribution has a point at its effect and at its adjusted p-value, and the line of the limit."""
    report = drifted()
    tested = {item.subject: item for item in report.distributions if item.effect is not None}
    assert tested
    points = {
        name: value for trace in figures.effects(report).data[:-1] for name, value in zip(trace.y, trace.x, strict=True)
    }
    assert points == {name: item.effect for name, item in tested.items()}
    figure = figures.p_values(report)
    drawn = {name: value for trace in figure.data for name, value in zip(trace.y, trace.x, strict=True)}
    assert drawn == {name: max(item.p or 0.0, 1e-30) for name, item in tested.items()}
    assert figure.layout.shapes[0].x0 == report.settings.false_alarms


def test_nothing_tested_is_said() -> None:
    """A comparison without a tested distribution has a sentence in place of points."""
    report = compared(side(2, kpis={"hit_rate": 0.5}), side(1, kpis={"hit_rate": 0.5}))
    assert "no distribution was tested" in texts_of(figures.effects(report))
    assert "no distribution was tested" in texts_of(figures.p_values(report))


def test_findings_are_listed_worst_first() -> None:
    """The table has the report's findings in its order, and says how many it leaves out."""
    report = drifted()
    assert cells_of(figures.worst_findings(report))[2] == [item.subject for item in report.findings]
    assert f"the first 1 of {len(report.findings)}" in texts_of(figures.worst_findings(report, most=1))


def test_distributions_are_shares_of_each_sample() -> None:
    """Bars of each side add up to 1, over the same bins, whatever the sizes of the samples."""
    figure = figures.distributions(
        "corpus/length", signal("length", [1.0, 2.0, 2.5]), signal("length", [9.0] * 4 + [None]), iteration=2, against=1
    )
    before, after = figure.data
    assert sum(before.y) == pytest.approx(1)
    assert sum(after.y) == pytest.approx(1)
    assert list(before.x) == list(after.x)
    assert sum(before.customdata) == 3
    assert sum(after.customdata) == 4


@settings(max_examples=30)
@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=40), st.lists(st.integers(-5, 5), max_size=40))
def test_every_sampled_number_is_in_a_bin(old: list[float], new: list[float]) -> None:
    """No value of either sample is lost, whatever the numbers are."""
    figure = figures.distributions("i/s", signal("s", old), signal("s", new), iteration=2, against=1)
    assert [sum(bars.customdata) for bars in figure.data] == [len(found) for found in (old, new) if found]


def test_labels_beyond_the_most_frequent_are_put_together() -> None:
    """Texts become labels; what is rarer than the first dozen is one bar more, and a missing side is said."""
    figure = figures.distributions("i/s", signal("s", [f"label {n}" for n in range(40)]), None, iteration=2, against=1)
    (bars,) = figure.data
    assert bars.x[-1] == "all others"
    assert sum(bars.y) == pytest.approx(1)
    assert "no sample is known" in texts_of(figure)
    assert "neither iteration" in texts_of(figures.distributions("i/s", None, None, iteration=2, against=1))


def test_a_change_is_drawn_as_bars_before_and_now() -> None:
    """Two bars for every label; without a picture the figure says why."""
    item = SignalFound(
        "i/s", "p01", DataVerdict.DRIFTED, "it changed", "", picture=Picture("labels", (Bar("a", 0.2, 0.7),))
    )
    figure = figures.change(item, iteration=2, against=1)
    assert [tuple(trace.x) for trace in figure.data] == [(0.2,), (0.7,)]
    assert "it changed" in texts_of(figures.change(replace(item, picture=None), iteration=2, against=1))


def test_criteria_are_coloured_and_marked_by_verdict() -> None:
    """Each verdict has a colour and a mark of its own, and a number nobody knows is unknown."""
    figure = figures.criteria(result_of(*(criterion(verdict) for verdict in Verdict)))
    verdicts, *_, values = cells_of(figure)[:4]
    assert sorted(verdicts) == ["? INCONCLUSIVE", "✓ PASS", "✗ BLOCK"]
    assert values == ["unknown"] * 3
    assert len(set(figure.data[0].cells.fill.color[0])) == 3
    assert cells_of(figures.criteria(result_of(criterion(Verdict.PASS, kind="approval"))))[3] == ["no number"]


def test_approvals_say_what_speaks_against_them() -> None:
    """One that counts shows its reason, one that does not shows why; none at all is a sentence."""
    story = LedgerBuilder()
    story.register()
    story.approve()
    (approval,) = story.release().approvals
    until = NOON + timedelta(days=1)
    good = JudgedApproval(approval, (), verified=True, forged=False, until=until)
    bad = replace(good, against=("it ran out",), verified=False)
    columns = cells_of(figures.approvals([good, bad], version=1))
    assert columns[0] == ["counts", "does not count"]
    assert columns[6] == ["it is good", "it ran out"]
    assert "nobody approved it yet" in texts_of(figures.approvals([], version=1))


def test_the_timeline_has_every_decision_once() -> None:
    """Each event is one point with its number; asked for one release, those of others are left out."""
    story = LedgerBuilder()
    story.reach(1)
    story.register(2)
    told = describe_events(story.ledger.events)
    numbers = [text for trace in figures.timeline(told).data for text in trace.text]
    assert sorted(map(int, numbers)) == [item.number for item in told]
    mine = [text for trace in figures.timeline(told, version=2).data for text in trace.text]
    assert mine == [str(item.number) for item in told if item.about == 2]
    assert "nothing was decided yet" in texts_of(figures.timeline([]))


def test_differences_put_the_worse_first() -> None:
    """Numbers that got worse lead, an unknown side is unknown, and interfaces and contracts follow."""
    found = ReleaseDiff(
        numbers=(NumberChange("a", 1.0, 2.0, "better"), NumberChange("b", 2.0, None, "vanished"),
                 NumberChange("c", 2.0, 1.0, "worse")),
        interfaces=(InterfaceChange("corpus", "other data", "old", "new"),),
        contracts=("p01",),
        blueprint=True,
    )  # fmt: skip
    columns = cells_of(figures.differences(found, before=1, after=2))
    assert columns[1] == ["c", "b", "a", "interface corpus", "contract of p01", "blueprint"]
    assert columns[3][1] == "unknown"
    empty = ReleaseDiff((), (), (), blueprint=False)
    assert "do not differ" in texts_of(figures.differences(empty, before=1, after=2))


def test_hostile_texts_stay_texts() -> None:
    """No name, reason or label reaches plotly as markup, link, template or formula."""
    told = LedgerLine(0, NOON, HOSTILE, "claimed", "gate", 1, HOSTILE)
    made = [
        figures.criteria(result_of(criterion(Verdict.BLOCK, reason=HOSTILE, demand=HOSTILE, next=HOSTILE))),
        figures.timeline([told]),
        figures.numbers({1: {HOSTILE: 1.0}}, [HOSTILE], {HOSTILE: HOSTILE}),
        figures.stage_scores({1: {}}, {"one": HOSTILE}),
        figures.distributions(HOSTILE, signal("s", [HOSTILE]), None, iteration=2, against=1),
    ]
    for figure in made:
        said = texts_of(figure)
        assert "<a" not in said
        assert "$x$" not in said
        assert "%{x}" not in said
        assert "&lt;a" in said


@given(st.text(alphabet="<>&$%{}ab \n\x00\u202e"))
def test_shown_text_holds_no_markup(text: str) -> None:
    """Nothing that plotly reads as a tag or a formula is left in a text."""
    assert not set(style.shown(text)) & set("<>$\n\x00\u202e")
