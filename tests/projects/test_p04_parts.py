"""The parts of the textbook factory: verification, curriculum, reading."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from trials import PROJECTS, load_module

from flywheel_mlflow.base.errors import InputError

FOLDER = PROJECTS / "p04_textbook"
lessons = load_module(FOLDER / "p04_lessons.py")
verification = load_module(FOLDER / "p04_verification.py")
curriculum = load_module(FOLDER / "p04_curriculum.py")
reading = load_module(FOLDER / "p04_reading.py")

MATH_SEED = {
    "seed": "m",
    "domain": "math",
    "topic": "money",
    "difficulty": "core",
    "question": "{a} coins, {b} are spent. How many are left?",
    "steps": [["left", "a - b", "Take away."]],
}
CODE_SEED = {
    "seed": "c",
    "domain": "code",
    "topic": "lists",
    "difficulty": "intro",
    "entry_point": "above",
    "prompt": "returns the numbers greater than {k}",
    "solution": "def above(numbers):\n    return [n for n in numbers if n > {k}]",
}


def math_exercise(reference: str) -> Any:
    """A mathematical exercise whose program says 7."""
    return lessons.fill(MATH_SEED, {"id": "m1", "parameters": {"a": 10, "b": 3}, "reference": reference})


def code_exercise(*cases: list[Any]) -> Any:
    """A programming task with the given pairs of input and expected result."""
    return lessons.fill(CODE_SEED, {"id": "c1", "parameters": {"k": 4}, "reference": list(cases)})


def test_a_right_answer_is_verified_with_its_steps() -> None:
    """The values of the steps come from running the program."""
    (verdict,) = verification.verify([math_exercise("7")])
    assert (verdict.verified, verdict.values) == (True, ("7",))
    assert "left = a - b = 7" in lessons.math_lesson(math_exercise("7"), verdict.values)


def test_a_wrong_reference_is_not_verified() -> None:
    """An exercise whose reference differs from what its program computes fails, and says both."""
    (verdict,) = verification.verify([math_exercise("8")])
    assert not verdict.verified
    assert "8" in verdict.reason


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ([[1, 5], [9]], "AssertionError: "),
        ([[1, 5], None], "AssertionError: "),
    ],
)
def test_a_failing_test_is_not_verified(case: list[Any], reason: str) -> None:
    """A solution that does not return what a test expects is not verified."""
    (verdict,) = verification.verify([code_exercise(case)])
    assert (verdict.verified, verdict.reason) == (False, reason)


def test_tests_that_cannot_fail_verify_nothing() -> None:
    """A solution is not verified by tests that a function returning nothing passes as well."""
    weak = replace(code_exercise([[1, 5], [5]]), tests=("assert True",))
    (verdict,) = verification.verify([weak])
    assert verdict.reason == "the tests pass a function that does nothing"


def test_mutants_are_counted_by_what_tests_notice() -> None:
    """Tests with a case at the boundary notice more mutants than tests without."""
    sharp, blunt = verification.verify([code_exercise([[4, 5, 1], [5]]), code_exercise([[90], [90]])])
    assert sharp.verified
    assert blunt.verified
    assert sharp.rejected == sharp.mutants == 3
    assert blunt.rejected < blunt.mutants


def test_a_program_without_end_is_not_verified() -> None:
    """A program that does not end is stopped, and named so."""
    (verdict,) = verification.verify([replace(math_exercise("7"), program="while True: pass")])
    assert verdict.reason == "the limit of processor time was reached"


def test_a_stranger_to_both_domains_is_refused() -> None:
    """A seed of another domain is the data's fault, and named with its seed."""
    with pytest.raises(InputError, match="not of 'art'"):
        lessons.fill({**MATH_SEED, "domain": "art"}, {"id": "x", "parameters": {}, "reference": ""})


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("word " * 30 + "\nend", ()),
        ("word " * 30 + "\n{a} coins", ("open placeholder",)),
        ("few words", ("too short",)),
        ("word " * 30 + "\n:", ("no ending",)),
    ],
)
def test_the_audit_flags_bad_lessons(text: str, flags: tuple[str, ...]) -> None:
    """Open placeholders, missing explanations and cut endings are flagged."""
    assert lessons.audit(text) == flags


def test_topics_follow_their_prerequisites() -> None:
    """Whatever the order of the rows, nothing comes before what it builds on, and volumes stay together."""
    rows = [
        {"topic": "c", "volume": 2, "after": ["a"]},
        {"topic": "b", "volume": 1, "after": ["a"]},
        {"topic": "a", "volume": 1, "after": []},
    ]
    assert list(curriculum.order_topics(rows)) == ["a", "b", "c"]
    assert curriculum.taught_too_early(curriculum.order_topics(rows), ["b", "a", "c"]) == ["b"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a", 1, ["b"]), ("b", 1, ["a"])], "wait for each other"),
        ([("a", 1, ["b"]), ("b", 2, [])], "later volume"),
        ([("a", 1, ["z"])], "no such topics: z"),
    ],
)
def test_impossible_curricula_are_refused(rows: list[tuple[str, int, list[str]]], message: str) -> None:
    """Circles, later volumes and unknown topics are named."""
    with pytest.raises(InputError, match=message):
        curriculum.order_topics([{"topic": name, "volume": volume, "after": after} for name, volume, after in rows])


def test_a_leaflet_is_no_book() -> None:
    """A volume with too few lessons is not counted."""
    many = [(1, "sums")] * curriculum.MIN_LESSONS_PER_BOOK
    assert curriculum.books([*many, (2, "powers")]) == {1: {"sums": curriculum.MIN_LESSONS_PER_BOOK}}


def test_a_lesson_gets_the_document_that_shares_its_rare_words() -> None:
    """Reading goes by telling words, not by common ones; no shared word, no reading."""
    corpus = [{"id": f"d{number}", "content": f"the page {number}"} for number in range(8)]
    corpus.append({"id": "trains", "content": "the trains of the page"})
    library = reading.Library(corpus)
    assert library.reading("the trains leave").document == "trains"
    assert library.reading("zebra") is None
    assert library.holds(["The  PAGE 3", "page 9"]) == {"The  PAGE 3"}
