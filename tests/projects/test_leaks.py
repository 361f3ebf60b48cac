"""No task gives a hidden case away: green as shipped, red for every kind of leak, in every project that takes tasks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from trials import PROJECTS, load_module

from flywheel_mlflow.operations.projects.pipeline import all_tasks
from flywheel_mlflow.pipelines import HeldOutCase, Task, check_held_out, read_jsonl
from flywheel_mlflow.records import find_leaks

CHECK = "tasks_hold_no_hidden_case"


@dataclass
class Notes:
    """Stands where a workspace stands: holds tasks, and keeps what was checked."""

    tasks: tuple[Task, ...]
    checked: dict[str, bool] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)

    def check(self, name: str, passed: bool, message: str = "", **details: Any) -> None:
        self.checked[name] = passed
        self.details = {"message": message, **details}


def refusal_cases() -> Sequence[HeldOutCase]:
    home = PROJECTS / "p02_legal_sft"
    refusals, results = (load_module(home / f"{name}.py") for name in ("p02_refusals", "p02_results"))
    cases: Sequence[HeldOutCase] = results.held_out_cases(
        refusals.read_prompts(read_jsonl(home / "data" / "hidden_prompts.jsonl"))
    )
    return cases


def report_cases() -> Sequence[HeldOutCase]:
    data = PROJECTS / "p05_rag" / "data"
    questions = [row for row in read_jsonl(data / "questions.jsonl") if row["part"] == "hidden"]
    pages = [*read_jsonl(data / "pages.jsonl"), *read_jsonl(data / "documents.jsonl")]
    cases: Sequence[HeldOutCase] = load_module(PROJECTS / "p05_rag" / "p05_inputs.py").held_out_cases(questions, pages)
    return cases


def step_cases() -> Sequence[HeldOutCase]:
    home = PROJECTS / "p06_prm"
    pipeline = load_module(home / "pipeline.py")
    return [pipeline.held_out_case(row) for row in read_jsonl(home / "data" / "hidden_cases.jsonl")]


def reasoning_cases() -> Sequence[HeldOutCase]:
    home = PROJECTS / "p12_reasoning"
    problems, verifier, results = (load_module(home / f"p12_{name}.py") for name in ("problems", "verifier", "results"))
    evaluation = problems.Evaluation.read(read_jsonl(home / "data" / "eval_problems.jsonl"))
    answers = verifier.read_cases(read_jsonl(home / "data" / "verifier_cases.jsonl"), "hidden")
    cases: Sequence[HeldOutCase] = results.held_out_cases(evaluation.hidden, answers)
    return cases


def business_cases(folder: Path) -> Sequence[HeldOutCase]:
    home = PROJECTS / "p15_enterprise_qa"
    warehouses, pipeline = load_module(home / "p15_warehouse.py"), load_module(home / "pipeline.py")
    schema = (home / "data" / "schema.sql").read_text(encoding="utf-8")
    reference = warehouses.load_warehouse(schema, home / "data" / "warehouse", folder / "reference.db", ())
    rows = (row for row in read_jsonl(home / "data" / "questions.jsonl") if row["part"] == "hidden")
    return [pipeline.held_out_case(reference, row) for row in rows]


@pytest.fixture(scope="module")
def hidden(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Sequence[HeldOutCase]]:
    """The hidden cases of each project that takes tasks, as its pipeline hands them to the check."""
    return {
        "p02": refusal_cases(),
        "p05": report_cases(),
        "p06": step_cases(),
        "p12": reasoning_cases(),
        "p15": business_cases(tmp_path_factory.mktemp("warehouse")),
    }


def checked(cases: Sequence[HeldOutCase], tasks: tuple[Task, ...]) -> Notes:
    """What the check of a pipeline says of tasks."""
    notes = Notes(tasks)
    check_held_out(notes, cases)  # type: ignore[arg-type]  # only tasks and check are asked for
    return notes


def shipped(project: str) -> tuple[Task, ...]:
    return tuple(task for task in all_tasks(PROJECTS) if task.project == project)


def with_leak(project: str, leak: Any) -> tuple[Task, ...]:
    """The shipped tasks, the first of them with something in its payload that does not belong there."""
    first, *others = shipped(project)
    return (first.model_copy(update={"payload": {**first.payload, "notes": [leak]}}), *others)


def leaking(cases: Sequence[HeldOutCase], part: str, leaks: Sequence[Any]) -> set[str]:
    """The cases of which a part is found when each leak stands in a task of its own."""
    payloads = {f"t-{number}": {"payload": {"notes": [leak]}} for number, leak in enumerate(leaks)}
    return {leak.case for leak in find_leaks(cases, payloads).leaks if leak.part == part}


@pytest.mark.parametrize("project", ["p02", "p05", "p06", "p12", "p15"])
def test_the_shipped_tasks_give_nothing_away(hidden: Mapping[str, Sequence[HeldOutCase]], project: str) -> None:
    """Every hidden case was compared with every shipped task, and none stands in one, not even nearly."""
    notes = checked(hidden[project], shipped(project))
    assert notes.checked == {CHECK: True}, notes.details
    assert notes.details["cases"] == len(hidden[project]) >= 40
    assert notes.details["tasks"] == len(shipped(project)) >= 2
    assert notes.details["leaked_share"] == 0


@pytest.mark.parametrize("project", ["p02", "p05", "p06", "p12", "p15"])
def test_a_project_without_hidden_cases_fails_its_check(project: str) -> None:
    """Nothing held out is no proof that nothing leaked."""
    assert checked([], shipped(project)).checked == {CHECK: False}


REWRITINGS: dict[str, Callable[[str], str]] = {
    "verbatim": lambda text: text,
    "case": str.upper,
    "punctuation": lambda text: text.replace("?", " !").replace(", ", "; ").replace(": ", " - "),
    "embedded": lambda text: f"A user wrote to us today and said: {text} Nobody could help with it at all.",
}


@pytest.mark.parametrize("rewriting", REWRITINGS)
@pytest.mark.parametrize("project", ["p02", "p05", "p06", "p12", "p15"])
def test_a_hidden_question_in_a_task_is_found(
    hidden: Mapping[str, Sequence[HeldOutCase]], project: str, rewriting: str
) -> None:
    """Every hidden question that is written into a task is found, rewritten slightly or not, and the check is red."""
    cases = hidden[project]
    told = [REWRITINGS[rewriting](case.question) for case in cases]
    assert leaking(cases, "question", told) == {case.id for case in cases}
    assert checked(cases, with_leak(project, told[0])).checked == {CHECK: False}


def test_a_hidden_act_asked_in_another_way_is_found(hidden: Mapping[str, Sequence[HeldOutCase]]) -> None:
    """p02: asking for the same in another form is the same request."""
    cases = hidden["p02"]
    told = [{"prompt": f"Could you explain how one might {case.passages[0]}?", "risky": True} for case in cases]
    assert leaking(cases, "passage", told) == {case.id for case in cases}
    assert checked(cases, with_leak("p02", told[0])).checked == {CHECK: False}


@pytest.mark.parametrize("project", ["p05", "p12", "p15"])
def test_a_hidden_answer_in_a_task_is_found(hidden: Mapping[str, Sequence[HeldOutCase]], project: str) -> None:
    """An answer beside its question's words turns the check red, a number without them does not."""
    cases = [case for case in hidden[project] if case.answers]
    told = [
        {"asked": " ".join(reversed(case.question.rstrip("?").split())), "expected": answer}
        for case in cases
        for answer in case.answers
    ]
    assert leaking(cases, "answer", told) == {case.id for case in cases}
    assert checked(cases, with_leak(project, told[0])).checked == {CHECK: False}
    numbers = [answer for case in cases for answer in case.answers if answer.replace(".", "").isdigit()]
    assert checked(cases, with_leak(project, numbers)).checked == {CHECK: True}


@pytest.mark.parametrize("project", ["p05", "p12", "p15"])
def test_a_task_that_defines_a_word_is_found(hidden: Mapping[str, Sequence[HeldOutCase]], project: str) -> None:
    """Defining a word that a hidden question needs turns the check red: as a key, in prose and in a pattern."""
    cases = [case for case in hidden[project] if case.terms]
    terms = sorted({term for case in cases for term in case.terms})
    assert len(terms) >= 5
    for form in ({"{}": ["something"]}, "Users say {}.", {"pattern": "^(?:the )?(?:x|{}) "}):
        told = [json.loads(json.dumps(form).replace("{}", term)) for term in terms]
        assert leaking(cases, "term", told) == {case.id for case in cases}
        assert checked(cases, with_leak(project, told[0])).checked == {CHECK: False}


@pytest.mark.parametrize("project", ["p05", "p06", "p12", "p15"])
def test_a_shared_source_is_found(hidden: Mapping[str, Sequence[HeldOutCase]], project: str) -> None:
    """A document, file or story of a hidden case turns the check red, by its name and by its text."""
    named = [case for case in hidden[project] if case.sources]
    assert leaking(named, "source", [name for case in named for name in case.sources]) == {case.id for case in named}
    assert checked(named, with_leak(project, named[0].sources[0])).checked == {CHECK: False}
    told = [case for case in hidden[project] if case.passages]
    assert leaking(told, "passage", [text for case in told for text in case.passages]) == {case.id for case in told}


def test_a_hidden_story_with_other_numbers_is_found(hidden: Mapping[str, Sequence[HeldOutCase]]) -> None:
    """p12: a story told again with other numbers is the same story."""
    cases = [case for case in hidden["p12"] if case.passages]
    told = [re.sub(r"\d+", "907", case.question) for case in cases]
    assert leaking(cases, "passage", told) == {case.id for case in cases}
    assert checked(cases, with_leak("p12", told[0])).checked == {CHECK: False}


@pytest.mark.parametrize("task", all_tasks(PROJECTS), ids=lambda task: task.id)
def test_every_task_names_the_kpi_that_shows_whether_it_helped(task: Task) -> None:
    """The KPI is one of its project's, and measured on hidden cases."""
    contract = next(PROJECTS.glob(f"{task.project}_*/project.yaml")).read_text(encoding="utf-8")
    assert task.kpi is not None
    assert f"name: {task.kpi}\n" in contract
    assert "hidden" in task.kpi


def test_tasks_are_plain_files() -> None:
    """Each shipped task is one JSON object for one project and iteration 3, with a payload."""
    for path in PROJECTS.glob("*/tasks/*.json"):
        value = json.loads(path.read_text(encoding="utf-8"))
        assert set(value) - {"moves"} == {
            "id", "project", "iteration", "theme", "request", "category", "kpi", "payload"
        }, path.name  # fmt: skip
        assert value["iteration"] == 3
