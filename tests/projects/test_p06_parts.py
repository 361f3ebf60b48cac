"""The parts of the step supervision factory: reading steps, making traces, judging them by execution."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trials import PROJECTS, load_module

from flywheel_mlflow.base.errors import InputError

FOLDER = PROJECTS / "p06_prm"
verifier = load_module(FOLDER / "p06_verifier.py")
seeds = load_module(FOLDER / "p06_seeds.py")
traces = load_module(FOLDER / "p06_traces.py")
validation = load_module(FOLDER / "p06_validation.py")
records = load_module(FOLDER / "p06_records.py")

RIGHT, WRONG, UNREAD = verifier.Verdict.RIGHT, verifier.Verdict.WRONG, verifier.Verdict.UNREAD
PERCENT = {
    "name": "percent",
    "pattern": r"(?P<p>\d+)% of (?P<w>\d+) is (?P<claimed>\d+)$",
    "expression": "{p} * {w} / 100",
}


def math_seed() -> Any:
    """A problem of three steps, the first of a form the base rules do not read."""
    steps = (
        seeds.SeedStep("cut", "percent * price / 100", "percent", ("percent", "price")),
        seeds.SeedStep("each", "price - cut"),
        seeds.SeedStep("total", "each * count"),
    )
    return seeds.Seed("p06:x", "math", "t", "How much?", {"price": 80, "percent": 15, "count": 3}, steps)


def code_seed() -> Any:
    """A function of three lines with tests."""
    lines = ("def add(a, b):", "    total = a + b", "    return total")
    return seeds.Seed("p04:y", "code", "t", "Add.", {}, lines=lines, tests=("assert add(2, 3) == 5",))


def draw(name: str) -> random.Random:
    """A generator by name."""
    return random.Random(name)  # noqa: S311 - no secret


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("2 + 3 * 4 = 14", RIGHT),
        ("total: (2 + 3) * 4 = 21", WRONG),
        ("7 / 2 = 3.5", RIGHT),
        ("1 / 0 = 5", WRONG),
        ("15% of 80 is 12", UNREAD),
        ("so it is 12", UNREAD),
        ("", UNREAD),
        ("2 ** 9 = 512", UNREAD),
        ("9" * 400 + " = 1", UNREAD),
    ],
)
def test_execution_judges_what_a_rule_reads(text: str, verdict: Any) -> None:
    """Right and wrong come from execution; what no rule reads is neither."""
    assert verifier.verify_steps([text], verifier.BASE_RULES) == [verdict]


@pytest.mark.parametrize(
    "expression",
    ["__import__('os')", "a + 1", "open('x')", "2 ** 99", "sum", "'a' * 3", "[1 for _ in (1,)]", "1 if 1 else 2"],
)
def test_only_arithmetic_is_executed(expression: str) -> None:
    """Names, calls of other functions, powers and texts never reach execution."""
    assert not verifier.is_arithmetic(expression)


@given(st.text(max_size=60))
def test_any_text_is_read_or_not_but_never_breaks_the_reader(text: str) -> None:
    """Reading a step of any text gives checked arithmetic or nothing."""
    found = verifier.read_step(text, verifier.BASE_RULES)
    assert found is None or verifier.is_arithmetic(found.expression)


def test_a_rule_that_judges_its_cases_rightly_is_admitted() -> None:
    """With the rule the step is judged; the base rules stay."""
    cases = [{"text": "10% of 50 is 5", "valid": True}, {"text": "10% of 50 is 6", "valid": False}]
    admission = verifier.admit_rules([("t", {"rules": [PERCENT], "cases": cases})], verifier.BASE_RULES)
    assert admission.refused == {}
    assert [rule.name for rule in admission.rules] == ["percent", "arithmetic"]
    assert verifier.verify_steps(["15% of 80 is 12", "15% of 80 is 13"], admission.rules) == [RIGHT, WRONG]


@pytest.mark.parametrize(
    ("expression", "cases"),
    [
        ("{p} * {w}", [{"text": "10% of 50 is 5", "valid": True}]),
        ("{p} * {w} / 100", [{"text": "1 + 1 = 2", "valid": True}]),
    ],
)
def test_a_rule_that_misjudges_or_reads_none_of_its_cases_is_refused(expression: str, cases: list[Any]) -> None:
    """A wrong rule would spoil labels; a rule without a case is a rule nobody tried."""
    payload = {"rules": [{**PERCENT, "expression": expression}], "cases": cases}
    admission = verifier.admit_rules([("t", payload)], verifier.BASE_RULES)
    assert admission.rules == verifier.BASE_RULES
    assert set(admission.refused) == {"t/percent"}


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"rules": [PERCENT], "cases": [{"text": "x"}]},
        {"rules": [{"name": "x"}], "cases": []},
        {"rules": [{**PERCENT, "pattern": "("}], "cases": []},
        {"rules": [{**PERCENT, "pattern": "x" * 400}], "cases": []},
        {"rules": [{**PERCENT, "pattern": "(?P<p>x)"}], "cases": []},
        {"rules": [{**PERCENT, "expression": "{p.__class__}"}], "cases": []},
        {"rules": [{**PERCENT, "expression": "{p:>99}"}], "cases": []},
        {"rules": [{**PERCENT, "expression": "{"}], "cases": []},
    ],
)
def test_a_payload_of_another_shape_is_refused_with_its_task(payload: dict[str, Any]) -> None:
    """A task that is no set of rules stops the run and names itself."""
    with pytest.raises(InputError) as caught:
        verifier.admit_rules([("task-7", payload)], verifier.BASE_RULES)
    assert "task-7" in caught.value.diagnostics()


def test_three_traces_of_a_problem() -> None:
    """The correct one ends at the executed answer; the corrupted one has one error; the repaired one takes it back."""
    made, answers, unusable = traces.math_traces([math_seed()], draw, spoil=lambda _: False)
    positive, negative, repair = made
    assert answers == {"p06:x": 204}
    assert unusable == []
    assert [step.text for step in positive.steps] == ["15% of 80 is 12", "each: 80 - 12 = 68", "total: 68 * 3 = 204"]
    assert [step.kind for step in negative.steps].count("error") == 1
    assert [step.kind for step in repair.steps].count("repair") == 1
    assert len(repair.standing) == len(repair.steps) - 1
    assert (positive.expected, negative.expected, repair.expected) == (True, False, True)


def test_a_problem_whose_solution_does_not_run_is_left_out() -> None:
    """A division by zero gives no reference, hence no traces."""
    broken = replace(math_seed(), parameters={"price": 80, "percent": 15}, steps=(seeds.SeedStep("x", "price / 0"),))
    made, answers, unusable = traces.math_traces([broken], draw, spoil=lambda _: False)
    assert (made, answers, unusable) == ([], {}, [broken])


def test_a_corrupted_step_no_rule_reads_is_label_noise_until_a_rule_reads_it() -> None:
    """The right answer hides a wrong step from a verifier that cannot read it; with a rule the trace fails."""
    seed = math_seed()
    error = traces.Step("15% of 80 is 13", "error")
    rest = (traces.Step("each: 80 - 12 = 68", "solve"), traces.Step("total: 68 * 3 = 204", "solve"))
    negative = traces.Trace(seed, "negative", (error, *rest), 204.0)
    (blind,) = validation.judge_math([negative], {seed.id: 204.0}, verifier.BASE_RULES)
    assert (blind.passed, blind.as_expected, blind.mode) == (True, False, "outcome_only")
    assert not blind.confirmed(0)
    assert "no rule reads step 1" in blind.reason
    rule = verifier.make_rule(PERCENT["name"], PERCENT["pattern"], PERCENT["expression"], where="a test")
    (seeing,) = validation.judge_math([negative], {seed.id: 204.0}, (rule, *verifier.BASE_RULES))
    assert (seeing.passed, seeing.as_expected, seeing.mode) == (False, True, "process")
    assert seeing.confirmed(0)


def test_code_steps_are_judged_by_completing_them() -> None:
    """A wrong line fails with every later line; repaired, the trace passes again."""
    made = traces.code_traces([code_seed()], draw)
    positive, negative, repair = validation.judge_code(made)
    place = [step.kind for step in negative.trace.steps].index("error")
    assert positive.passed
    assert set(positive.verdicts) == {RIGHT}
    assert not negative.passed
    assert negative.verdicts == (RIGHT,) * place + (WRONG,) * (3 - place)
    assert repair.passed
    assert repair.verdicts[place : place + 2] == (WRONG, RIGHT)


def test_code_that_never_ends_is_wrong_not_hanging() -> None:
    """A corrupted line may loop for ever; the sandbox ends it."""
    seed = replace(code_seed(), lines=("def add(a, b):", "    while a == 9: pass", "    return a + b"))
    step = traces.Step("x", "error", 1, "    while a != 9: pass")
    (found,) = validation.judge_code([traces.Trace(seed, "negative", (step,), None)])
    assert found.verdicts == (WRONG,)


def test_equal_beginnings_are_one_sample_and_contradictions_none() -> None:
    """Traces share beginnings, which are supervised once; a content with both labels is left out."""
    made, answers, _ = traces.math_traces([math_seed()], draw, spoil=lambda _: False)
    judged = validation.judge_math(made, answers, verifier.BASE_RULES)
    found = records.supervision(judged)
    contents = [sample.content for sample in found.samples]
    assert len(contents) == len(set(contents)) < found.steps
    positive = judged[0]
    lie = replace(positive.trace, steps=tuple(replace(step, kind="error") for step in positive.trace.steps))
    twisted = validation.Judged(lie, (WRONG,) * 3, True)
    right = validation.Judged(positive.trace, (RIGHT,) * 3, True)
    assert records.supervision([right, twisted]).conflicting == 3
    assert records.supervision([right, twisted]).samples == ()


def test_lessons_become_problems_only_when_their_program_is_assignments() -> None:
    """A program with anything but assignments is no step-wise solution, and broken source is none at all."""

    def record(name: str, program: Any) -> dict[str, Any]:
        about = {"domain": "math", "seed": name, "question": "Q?", "program": program}
        return {"id": f"p04:{name}", "content": "c", "metadata": about, "split": "train"}

    good = record("a", "x = 3\ny = x * 2\nanswer = y")
    bad = [
        record("b", "import os\nanswer = 1"),
        record("c", "x ="),
        record("d", None),
        record("e", "x = 3\nanswer = x"),
    ]
    (found,) = seeds.lesson_seeds([good, *bad])
    assert (found.id, dict(found.parameters), [step.expression for step in found.steps]) == (
        "p04:a",
        {"x": 3},
        ["x * 2"],
    )


def test_counts_of_pictures_become_sums() -> None:
    """Three kinds of object make a problem of two steps; two kinds are too easy."""
    counts = {"blue square": 1, "red circle": 2, "red square": 3}
    about = {"object_counts": counts, "asset_id": "general-001"}
    wanted = {"id": "p03:g", "content": "c", "metadata": about, "split": "train"}
    easy = {**wanted, "metadata": {**about, "object_counts": {"red circle": 2, "red square": 1}}}
    (found,) = seeds.picture_seeds([wanted, easy])
    assert seeds.executed_values([found]) == [[3, 6]]


def test_every_wording_of_the_shipped_problems_claims_its_value() -> None:
    """Each step of the shipped problems ends with the value that execution gives."""
    rows = [json.loads(line) for line in (FOLDER / "data" / "problems.jsonl").read_text().splitlines()]
    own = seeds.own_seeds(rows)
    for seed, values in zip(own, seeds.executed_values(own), strict=True):
        known = dict(seed.parameters)
        for step, value in zip(seed.steps, values, strict=True):
            worded = seeds.word_step(step, known, value).removesuffix(" minutes")
            assert worded.endswith(f" {seeds.shown(value)}")
            known[step.name] = value
