"""Tests of the pages of projects: promise, evidence, and what hangs on them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from console_cases import AT, LINKS, cells, links, pairs, section, shown, texts
from dashboard_cases import HOSTILE, NOW, facts, in_production, risk
from hypothesis import given, settings
from hypothesis import strategies as st
from reports_flywheel import contracts, small_assembly

from flywheel_mlflow.drift.wording import Tone
from flywheel_mlflow.feedback.tasks import AcceptedTask, TaskState, Withdrawn
from flywheel_mlflow.promises.thresholds import DriftSettings
from flywheel_mlflow.reports.dashboard_facts import DashboardFacts
from flywheel_mlflow.reports.dashboard_record import RecordedCheck
from flywheel_mlflow.reports.pages.explained import explanation_table
from flywheel_mlflow.reports.pages.project import ProjectFacts, project_page, promised_project_page
from flywheel_mlflow.reports.pages.projects import projects_page, promised_projects_page
from flywheel_mlflow.tables.cells import Cell

TEAMS = {"data_team": "Data team"}


def linked(**changed: Any) -> DashboardFacts:
    """The facts of the small flywheel as the server has them."""
    return replace(facts(**changed), links=LINKS)


def about(project_id: str, **changed: Any) -> ProjectFacts:
    """What the page of a project is made of, with some of it changed."""
    plain = ProjectFacts(project_id, contracts().get(project_id), linked(), (), "nobody asked", TEAMS, DriftSettings())
    return replace(plain, **changed)


def check(name: str, outcome: str, severity: str = "blocking", message: str = "") -> RecordedCheck:
    """One check as a run logged it."""
    return RecordedCheck(name, outcome, severity, message)


def test_open_tasks_stand_first() -> None:
    """What is asked of a project and not done yet is told before its numbers, the first due first, late ones marked."""

    def asked(number: int, iteration: int, **changed: Any) -> AcceptedTask:
        plain = AcceptedTask(
            f"T-{number}", "slow", 1, "p01", iteration, "growth", "answer sooner", (), None, 1, 0, False, "r", "d", 1,
            NOW, "ana",
        )  # fmt: skip
        return replace(plain, **changed)

    gone = asked(4, 1, withdrawn=Withdrawn(NOW, "ana", "no use"))
    for open_ones, told, tone in (
        ((asked(1, 5), asked(2, 3)), "2 open tasks, the first for iteration 3: answer sooner", Tone.NONE),
        ((asked(1, 2),), "1 open task, the first for iteration 2: answer sooner", Tone.ATTENTION),
    ):
        tasks = TaskState({task.id: task for task in (*open_ones, gone, asked(5, 1, project="p02"))})
        page = project_page(about("p01", page=linked(ledger=in_production(tasks=tasks))), AT)
        assert page.lead[-1] == Cell(told, tone, href="#feedback")
    assert not TaskState({gone.id: gone}).open_for("p01")


def test_every_project_is_listed() -> None:
    """With its evidence, checks, targets reached, score and whether others may build on it; unknown is said."""
    page = projects_page(linked(), contracts(), AT)
    shown(page)
    rows = {row[0].text.split()[0]: row for row in section(page, "projects").tables[0].rows}
    assert list(rows) == ["p01", "p02", "p03", "p10"]
    assert [cell.text for cell in rows["p01"][3:6]] == ["measured", "2 of 2", "0 of 1"]
    assert rows["p01"][3].href == AT.ui_run("2", "run-p01")
    assert rows["p02"][8].text == "no"
    assert [cell.text for cell in rows["p03"][3:5]] == ["without evidence", "unknown"]
    assert page.lead[0].tone is Tone.ATTENTION


def test_a_contract_that_came_later_is_listed() -> None:
    """A project of today's files that the iteration does not know is there, and said not to be part of it."""
    more = contracts() | {"p77": contracts()["p01"].model_copy(update={"id": "p77"})}
    row = section(projects_page(linked(), more, AT), "projects").tables[0].rows[-1]
    assert (row[0].href, row[3].text) == (AT.project("p77"), "not part of this iteration")
    assert len(row) == len(section(projects_page(linked(), more, AT), "projects").tables[0].columns)
    page = project_page(about("p77", contract=more["p77"]), AT)
    assert page.lead[0].tone is Tone.UNKNOWN
    shown(page)


def test_before_the_first_assembly_contracts_alone_speak() -> None:
    """An empty flywheel lists its projects and interfaces as promised, and says what to run."""
    whole = promised_projects_page(contracts(), AT)
    assert section(whole, "projects").tables[0].rows[0][0].href == AT.project("p01")
    one = promised_project_page(contracts()["p02"], TEAMS, AT)
    assert pairs(section(one, "promise"))["Owner"].text == "Data team (data_team)"
    for page in (whole, one):
        assert "flywheel assemble" in shown(page).text


def test_the_tolerance_is_the_one_a_comparison_applies() -> None:
    """Where the contract states none the default is shown, never 0.0000; an exception is told as one."""

    def tolerance(**rule: Any) -> str:
        rules = [{"kpi": "p01.retention", "why": "it is noisy"} | rule] if rule else []
        page = project_page(about("p01", drift=DriftSettings.model_validate({"kpis": rules})), AT)
        table = section(page, "kpis").tables[0]
        return table.rows[0][table.columns.index("tolerance")].text

    assert tolerance() == "5 % (default)"
    assert tolerance(relative_tolerance=0.75) == "75 % (flywheel.yaml)"
    assert tolerance(tolerance=0.02) == "0.0200 (flywheel.yaml)"
    assert tolerance(judged=False) == "5 % (default), not judged"


def test_a_project_is_told_whole() -> None:
    """Promise, KPIs, checks, interfaces both ways, evidence, stages, bottlenecks, score, feedback, risks, commands."""
    page = project_page(about("p02"), AT)
    shown(page)
    names = ["promise", "kpis", "checks", "interfaces", "evidence", "stages", "bottlenecks", "score"]
    assert [item.id for item in page.sections] == [*names, "feedback", "risks", "commands"]
    assert any("Not consumable" in cell.text for cell in page.lead)
    found = section(page, "interfaces").tables
    assert [row[0].href for row in found[0].rows] == [AT.interface("model_data"), AT.interface("preferences")]
    assert found[0].rows[1][2].tone is Tone.UNKNOWN
    read = found[1].rows[0]
    assert [cell.text for cell in read[:5]] == ["corpus", "p01", "id, licence", "licence", "stale"]
    assert read[3].tone is Tone.BAD


def test_kpis_stand_beside_their_promise() -> None:
    """Value, line over the iterations, sample size, target, tolerance and attainment; an unknown value is no zero."""
    rows = {row[0].text: row for row in section(project_page(about("p02"), AT), "kpis").tables[0].rows}
    accuracy, rejected = rows["accuracy"], rows["rejected"]
    assert accuracy[1].text == "0.7400"
    assert accuracy[5].text == "not stated"
    assert accuracy[6].text == "\N{GREATER-THAN OR EQUAL TO} 0.8000"
    assert accuracy[8].text == "0.9250"
    assert (rejected[1].text, rejected[8].text, rejected[8].tone) == ("unknown", "unknown", Tone.UNKNOWN)
    assert pairs(section(project_page(about("p02"), AT), "kpis"))["Attain their target"].text == "0 of 2"


def test_checks_that_did_not_pass_come_first() -> None:
    """Failures with their messages before what passed; a warning is no failure; a long list of passes is folded."""
    passed = tuple(check(f"fine {number}", "passed") for number in range(20))
    checks = (
        *passed,
        check("odd", "failed", "warning"),
        check("left", "skipped"),
        check("bad", "failed", message="why"),
    )
    page = project_page(about("p02", checks=checks, checks_unknown=""), AT)
    _, bad, good = section(page, "checks").tables
    assert [row[0].text for row in bad.rows] == ["odd", "bad", "left"]
    assert [row[1].tone for row in bad.rows] == [Tone.ATTENTION, Tone.BAD, Tone.UNKNOWN]
    assert bad.rows[1][3].text == "why"
    assert good.folded
    assert not bad.folded


def test_unknown_checks_fall_back_to_the_registry() -> None:
    """Where the file of the checks cannot be read, those the registry names are shown, and the reason is said."""
    found = section(project_page(about("p02", checks_unknown="the file is gone"), AT), "checks")
    assert found.notes[0].tone is Tone.UNKNOWN
    assert ["pairs | <b>differ</b>", "failed"] in texts(found)
    assert ["ready", "passed"] in texts(found)


def test_its_evidence_leads_to_mlflow() -> None:
    """The run behind the entry and the table of its experiment are one click away; no run is said."""
    found = section(project_page(about("p01"), AT), "evidence")
    assert pairs(found)["Run"].href == AT.ui_run("2", "run-p01")
    assert links(found) == {"MLflow's table of this project's runs": AT.ui_iterations("2")}
    assert section(project_page(about("p03"), AT), "evidence").notes[0].tone is Tone.UNKNOWN


def test_a_changed_contract_is_said() -> None:
    """A promise that changed after the assembly is told as today's, and one that is gone as gone."""
    other = contracts()["p01"].model_copy(update={"title": "Another"})
    changed = project_page(about("p01", contract=other), AT)
    assert "changed after" in section(changed, "promise").notes[0].text
    gone = project_page(about("p01", contract=None), AT)
    assert gone.title == "p01 Corpus"
    assert any("No file promises this project" in cell.text for cell in gone.lead)
    shown(gone)


def test_bottlenecks_and_risks_are_its_own() -> None:
    """Only rules that read its numbers, and risks that name it, stand on the page of a project."""
    mine = replace(risk(1, due=NOW + timedelta(days=3)), projects=("p01",))
    other = replace(risk(2, due=NOW + timedelta(days=3)), projects=("p02",))
    page = project_page(about("p01", page=linked(ledger=in_production(risks=(mine, other)))), AT)
    assert [row[0] for row in texts(section(page, "risks"))] == ["R1"]
    assert [row[0] for row in texts(section(page, "bottlenecks"))] == ["Thin corpus"]
    left = section(project_page(about("p03"), AT), "bottlenecks").tables[1].rows
    assert [row[0].text for row in left] == ["slow_agent"]


def test_the_score_is_explained_to_the_run() -> None:
    """The tree behind the score ends in the run its numbers were read from."""
    table = explanation_table(linked().record, "p01.score", LINKS)
    names = [row[0].text for row in table.rows]
    assert names[0] == "p01.score"
    assert any(name.endswith("p01.retention") for name in names)
    assert AT.ui_run("2", "run-p01") in {row[3].href for row in table.rows}
    assert explanation_table(linked().record, "p01.nothing", LINKS).rows == ()


def test_an_explanation_ends() -> None:
    """Recorded numbers that rest on each other in a circle are told once."""
    record = linked().record
    circle = dict(record.metrics)
    circle["p01.score"] = circle["p01.score"].model_copy(update={"inputs": ("p01.kpi_attainment",)})
    circle["p01.kpi_attainment"] = circle["p01.kpi_attainment"].model_copy(update={"inputs": ("p01.score",)})
    assert len(explanation_table(replace(record, metrics=circle), "p01.score", LINKS).rows) == 3


@settings(max_examples=20)
@given(st.text(max_size=60))
def test_any_text_leaves_the_pages_well_formed(text: str) -> None:
    """Whatever a run wrote as the name or message of a check, the page stays a page."""
    shown(project_page(about("p02", checks=(check(text, "failed", text, text),), checks_unknown=""), AT))


def test_hostile_texts_are_text() -> None:
    """A check and a title that are scripts are read as text."""
    found = linked(assembly=small_assembly({"p02": HOSTILE}))
    page = project_page(
        about("p02", page=found, contract=None, checks=(check(HOSTILE, "failed"),), checks_unknown=""), AT
    )
    assert shown(page).text.count("<script>alert(1)") >= 2
    assert any(cell.text == HOSTILE for cell in cells(section(page, "checks")))
