"""The parts of the reasoning flywheel: problems, expressions, verifier, sampling."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trials import PROJECTS, load_module

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.feedback.tasks import Task
from flywheel_mlflow.operations.projects.pipeline import read_jsonl, read_tasks
from sandbox import run_programs

FOLDER = PROJECTS / "p12_reasoning"
problems = load_module(FOLDER / "p12_problems.py")
policies = load_module(FOLDER / "p12_policy.py")
verifying = load_module(FOLDER / "p12_verifier.py")
sampling = load_module(FOLDER / "p12_sampling.py")


def draws(*seed: object) -> random.Random:
    """A seeded generator."""
    return random.Random(str(seed))  # noqa: S311 - no secret


def problem(question: str, reference: int, name: str = "p") -> Any:
    """A word problem of the family ``f``."""
    return problems.MathProblem(name, "f", "math", question, Fraction(reference), "teaching_corpus")


@pytest.mark.parametrize(
    ("question", "numbers"),
    [
        ("12 eggs and 3.5 kg for 7 people.", ["12", "7/2", "7"]),
        ("Room b12 has no number, version 1.2.3 neither; 9 has.", ["9"]),
        ("No digits at all.", []),
    ],
)
def test_numbers_are_read_in_order(question: str, numbers: list[str]) -> None:
    """Numbers come in the order of the question; digits inside names are none."""
    assert [str(number) for number in problems.numbers_in(question)] == numbers


def test_siblings_look_alike() -> None:
    """Questions that differ in their numbers only are told as one, whatever they are."""
    evaluation = problems.Evaluation((problem("What is 3 plus 4?", 7),), ())
    assert evaluation.seen_in(["what is  80 plus 1?"]) == ["p"]
    assert evaluation.seen_in(["What is 3 minus 4?"]) == []


def test_lessons_without_an_answer_are_passed_over() -> None:
    """Records of other splits, or without question and answer, are no problems and no error."""
    whole = {"id": "a", "split": "train", "metadata": {"question": "2 + 2?", "answer": "4", "seed": "s"}}
    huge = {**whole, "metadata": {"question": "big?", "answer": "1e99999999"}}
    others = [{**whole, "split": "val"}, {**whole, "metadata": {}}, {"id": "b", "split": "train"}, huge]
    assert [item.id for item in problems.math_problems([whole, *others])] == ["a"]
    assert problems.code_problems([whole]) == []


def test_every_expression_computes_what_its_program_prints() -> None:
    """The exact value and the program run in the sandbox agree for each expression."""
    numbers = [Fraction(12), Fraction(5), Fraction(3)]
    done = run_programs([item.program(numbers[: item.size]) for item in policies.EXPRESSIONS])
    for item, execution in zip(policies.EXPRESSIONS, done, strict=True):
        value = item.value(numbers[: item.size])
        assert value is not None
        assert abs(Fraction(execution.output.strip()) - value) < verifying.TOLERANCE, item.text


def test_what_has_no_value_is_unknown() -> None:
    """Divisions by zero and monstrous powers have no value, and raise nothing."""
    by_text = {item.text: item for item in policies.EXPRESSIONS}
    assert by_text["a / b"].value([Fraction(1), Fraction(0)]) is None
    assert by_text["a * 2 ** b"].value([Fraction(1), Fraction(10**6)]) is None


def test_the_model_learns_what_it_is_told_and_transfers_it() -> None:
    """Trained on two kinds of problems, the model tells a third wording of each; untrained, it knows nothing."""
    by_text = {item.text: item for item in policies.EXPRESSIONS}
    examples = [
        policies.Example("There are 3 crates with 4 bottles each. How many in total?", by_text["a * b"]),
        policies.Example("A tank of 9 litres; 2 are drained. How many are left?", by_text["a - b"]),
    ]
    policy = policies.Policy(examples)
    assert policy.best("5 litres are drained of 8. How many litres are left?").text == "a - b"
    assert policy.best("There are 6 boxes with 7 nails each. How many?").text == "a * b"
    assert {chance for _, chance in policies.Policy([]).chances("1 and 2")} == {1 / 14}
    assert policy.best("no numbers") is None
    assert policy.sample("no numbers", draws(), 4) == []


def test_an_answer_that_only_one_sibling_confirms_is_luck() -> None:
    """Two and two are four by adding and by multiplying; the sibling tells which was meant."""
    family = [problem("2 rows of 2", 4), problem("3 rows of 4", 12)]
    adding, multiplying = (item for item in policies.EXPRESSIONS if item.text in {"a + b", "a * b"})
    assert policies.holds(adding, family[:1])
    assert not policies.holds(adding, family)
    assert policies.holds(multiplying, family)
    assert policies.explained(family) == multiplying


def test_the_first_verifier_judges_all_baseline_cases() -> None:
    """Plain numbers are read; words, lists, infinities and nonsense are not."""
    rows = list(read_jsonl(FOLDER / "data" / "verifier_cases.jsonl"))
    baseline = verifying.read_cases(rows, "baseline")
    assert len(baseline) == 18
    assert verifying.AnswerVerifier().misjudged(baseline) == []
    assert verifying.agreement(verifying.AnswerVerifier(), verifying.read_cases(rows, "hidden")) < 0.5


def test_tasks_close_the_gaps_and_open_none() -> None:
    """With the example tasks every baseline and reported case is judged rightly, and most hidden ones, but not all."""
    verifier, reported = verifying.verifier_of_tasks(read_tasks(FOLDER / "tasks", "p12", 3))
    rows = list(read_jsonl(FOLDER / "data" / "verifier_cases.jsonl"))
    hidden = verifying.read_cases(rows, "hidden")
    assert verifier.misjudged([*verifying.read_cases(rows, "baseline"), *reported]) == []
    assert 0 < len(verifier.misjudged(hidden)) < len(hidden) / 4
    assert not {case.given for case in reported} & {case.given for case in hidden}


@given(st.text(max_size=80))
def test_any_answer_is_read_or_not(answer: str) -> None:
    """Whatever a model writes, the verifier reads a number or none, and never raises."""
    verifier, _ = verifying.verifier_of_tasks(read_tasks(FOLDER / "tasks", "p12", 3))
    assert verifier.read(answer) is None or isinstance(verifier.read(answer), Fraction)


def task(**payload: Any) -> Task:
    """A task with a payload."""
    return Task(id="t1", project="p12", iteration=3, theme="gap", request="read it", payload=payload)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ({"rewrites": [{"pattern": "(a+)+$", "replace": ""}]}, "repeats a group"),
        ({"rewrites": [{"pattern": "(", "replace": ""}]}, "unterminated"),
        ({"rewrites": [{"pattern": "0", "replace": "\\7"}]}, "invalid group reference"),
        ({"cases": [{"given": "1", "reference": "one", "equal": True}]}, r"payload.cases.0.reference"),
        ({"program": "print(1)"}, r"payload.program"),
    ],
)
def test_a_faulty_task_is_refused(payload: dict[str, Any], message: str) -> None:
    """A payload that is not what the verifier understands, or a pattern that could run for ever, is refused."""
    with pytest.raises(InputError, match=message) as caught:
        verifying.verifier_of_tasks([task(**payload)])
    assert caught.value.where == "task t1"


def candidate(answer: str, program: str = "print(12)", *, form: bool = True) -> Any:
    """A candidate for a problem whose answer is 12."""
    by_text = {item.text: item for item in policies.EXPRESSIONS}
    trace = sampling.trace_of("because", program, answer, form=form)
    return sampling.Candidate(problem("3 rows of 4", 12), 1, program, answer, trace, by_text["a * b"])


@pytest.mark.parametrize(
    ("given", "reward", "passed"),
    [
        (candidate("12"), 1.0, True),
        (candidate("12", form=False), 0.8, True),
        (candidate("13"), 0.2, False),
        (candidate("12", "print(11)"), 0.2, False),
        (candidate("12", "1 / 0"), 0.2, False),
        (candidate("12", "print('twelve')", form=False), 0.0, False),
    ],
)
def test_the_reward_is_that_of_form_and_task(given: Any, reward: float, passed: bool) -> None:
    """Stated answer and executed program must both be right; the form alone is never enough."""
    (judged,) = sampling.verify([given], verifying.AnswerVerifier(), {})
    assert (judged.verdict.reward, judged.verdict.passed) == (reward, passed)


def test_selection_takes_the_best_two_and_no_luck() -> None:
    """Of one problem's candidates two different ones are selected at most, none rejected, none lucky."""
    traces = [replace(candidate("12"), number=number, trace=f"trace {number % 3}") for number in range(6)]
    good = verifying.Verdict(True, True, "")
    judged = [sampling.Judged(item, good) for item in traces]
    assert [item.candidate.number for item in sampling.select(judged)] == [0, 1]
    assert sampling.select([replace(item, lucky=True) for item in judged]) == []
    assert sampling.select([replace(item, verdict=verifying.Verdict(True, False, "wrong")) for item in judged]) == []


def test_broken_programs_differ_from_the_solution() -> None:
    """Each broken program changes one place, and fails tests that know the place."""
    solution = "def above(numbers):\n    return [n for n in numbers if n > 4]"
    broken = sampling.broken_programs(solution)
    assert len(broken) == 2
    code = problems.CodeProblem("c", "f", "above", "above", solution, ("assert above([4, 5]) == [5]",), "x")
    known = sampling.Candidate(code, 1, solution, "above", sampling.trace_of("t", solution, "above"))
    judged = sampling.verify(
        [known, *(replace(known, program=item) for item in broken)], verifying.AnswerVerifier(), {}
    )
    assert [item.verdict.task for item in judged] == [True, False, False]


def test_no_example_task_holds_a_hidden_problem() -> None:
    """The tasks know nothing of the problems the improvement is measured on."""
    tasks = "\n".join(path.read_text(encoding="utf-8") for path in (FOLDER / "tasks").glob("*.json"))
    assert json.loads(next(iter((FOLDER / "tasks").glob("*.json"))).read_text(encoding="utf-8"))["project"] == "p12"
    for row in read_jsonl(FOLDER / "data" / "eval_problems.jsonl"):
        assert row["question"] not in tasks
