"""Tests of held-out cases compared with tasks by containment."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.records import HeldOutCase, find_leaks
from flywheel_mlflow.records.leakage import words_of

PAGE = (
    "Kestrel Drones | Annual Report 2024\n\nAfter the balance sheet date Kestrel Drones acquired Aeromap Surveys for "
    "12.3 million. A claim for damages was filed because of the collision above Lorne stadium."
)
DEAL = HeldOutCase(
    "deal",
    "What did Kestrel Drones pay for Aeromap Surveys?",
    answers=("12.3",),
    passages=(PAGE,),
    sources=("kestrel-2024-p13",),
)
CLAIM = HeldOutCase("claim", "Why was Kestrel Drones sued for damages?", answers=("the collision above Lorne stadium",))
JARGON = HeldOutCase(
    "jargon",
    "Headcount of Ostra Fisheries?",
    answers=("5,660",),
    terms=("headcount",),
    passages=("SUM(staff.people)",),
    sources=("staff_glossary.json",),
)
STORY = HeldOutCase("story", "A potter made 310 bowls, broke 22 and sold 90. How many bowls are left?", ("198",))
CHINESE = HeldOutCase("zh", "清河乳业面临的主要风险是什么？", answers=("饲料价格上涨",), terms=("毛利",))
CASES = (DEAL, CLAIM, JARGON, STORY, CHINESE)


def parts(task: Any, cases: tuple[HeldOutCase, ...] = CASES) -> set[tuple[str, str]]:
    """The parts of cases that stand in a task, as (case, part)."""
    return {(leak.case, leak.part) for leak in find_leaks(cases, {"t": task}).leaks}


@pytest.mark.parametrize(
    "text",
    [
        "Damages were claimed because of the collision above Lorne stadium.",
        "THE COLLISION, above Lorne Stadium!",
        {"cases": [{"expected": "the collision above Lorne stadium"}]},
    ],
)
def test_a_long_answer_that_stands_in_a_task_leaks(text: Any) -> None:
    """A long answer says enough by itself, wherever it stands."""
    assert ("claim", "answer") in parts({"payload": text})


@pytest.mark.parametrize(
    "text",
    [
        "Kestrel Drones acquired Aeromap Surveys for 12.3 million.",
        {"question": "Aeromap Surveys: what did Kestrel Drones give?", "answer": 12.3},
    ],
)
def test_a_short_answer_leaks_with_its_context(text: Any) -> None:
    """A number counts when the words of its question stand around it, in one text or in fields side by side."""
    assert ("deal", "answer") in parts({"payload": text})


@pytest.mark.parametrize(
    "text",
    [
        "Kernel Ltd paid 12.3 percent less for water.",
        ["Kestrel Drones flies.", "Nothing here. " * 40, "It is 12.3 degrees."],
        {"rows": [12.3, 5660, 198]},
    ],
)
def test_a_number_alone_is_no_leak(text: Any) -> None:
    """The same number in another context, or far from it, gives no answer away."""
    assert parts({"payload": text}) == set()


@pytest.mark.parametrize(
    "task",
    [
        {"synonyms": {"Headcounts": ["employees"]}},
        {"request": "Users say head count; they mean HEADCOUNT, the number of employees."},
        {"rules": [{"pattern": "^(?:headcount|capex)$"}]},
    ],
)
def test_a_task_that_defines_the_word_a_question_needs_leaks(task: Any) -> None:
    """As a key, in prose, or inside a pattern."""
    assert ("jargon", "term") in parts(task)


def test_a_definition_leaks_under_another_name() -> None:
    """A task may call it what it likes: the definition a question rests on is found by its content."""
    assert parts({"metrics": {"hands": {"expression": "sum( staff.people )"}}}) == {("jargon", "passage")}


@pytest.mark.parametrize(
    ("task", "part"),
    [
        ({"pages": [{"page": "kestrel-2024-p13", "text": "empty"}]}, "source"),
        ({"read": "see Kestrel 2024 P13"}, "source"),
        ({"pages": [{"page": "x-p01", "text": f"Another header\n\n{PAGE}\n\n- 1 -"}]}, "passage"),
    ],
)
def test_a_shared_source_leaks(task: Any, part: str) -> None:
    """A document is known by its name, and by its text under another name."""
    assert ("deal", part) in parts(task)


@pytest.mark.parametrize(
    "text",
    [
        STORY.question,
        "a potter made 310 bowls; broke 22, and sold 90 - how many bowls are left",
        "Please say: a potter made 310 bowls, broke 22 and sold 90. So how many bowls are left over?",
        "A potter made 310 bowls, dropped 22 and sold 90. How many bowls are left?",
        "Somebody asked yesterday: " + STORY.question.upper() + " Nobody knew.",
    ],
)
def test_a_question_rewritten_slightly_leaks(text: str) -> None:
    """Punctuation, case, a word exchanged and a few words around hide nothing."""
    assert ("story", "question") in parts({"payload": {"cases": [{"text": text}]}})


def test_a_story_leaks_with_other_numbers() -> None:
    """A passage without numbers is found whatever numbers stand between its words."""
    story = "Of pupils, percent walk. How many pupils walk?"
    told = HeldOutCase("s", "Of 300 pupils, 25 percent walk.", passages=(story,))
    assert parts("Of 480 pupils, 40 percent walk. How many pupils walk?", (told,)) == {("s", "passage")}


def test_chinese_is_compared_in_pairs_of_characters() -> None:
    """Question, answer and term are found in running Chinese, and other sentences are not."""
    text = "据报道，清河乳业面临的主要风险是饲料价格上涨，毛利下降。"
    assert parts(text) == {("zh", "question"), ("zh", "answer"), ("zh", "term")}
    assert parts("云山茶业聘请的审计机构是正衡事务所。") == set()


def test_another_case_of_the_same_form_is_no_leak() -> None:
    """Words that many cases share weigh little: a template in a task gives no single case away."""
    names = ("Luma Optics", "Ostra Fisheries", "Parvin Textiles", "Tessel Ceramics")
    cases = tuple(HeldOutCase(name, f"What did {name} pay for the company it bought in the spring?") for name in names)
    asked = "What did Meridian Rail pay for the company it bought in the spring?"
    assert parts(asked, cases) == set()
    assert parts(asked.replace("Meridian Rail", "Luma Optics"), cases) == {("Luma Optics", "question")}


def test_a_leak_says_where_and_how_much() -> None:
    """The report names task, path and share, counts what was compared, and each case once."""
    leakage = find_leaks(CASES, {"t-1": {"request": "Do."}, "t-2": {"payload": {"pages": [{"text": PAGE}]}}})
    (leak,) = (leak for leak in leakage.leaks if leak.part == "passage")
    assert (leak.text, leak.place, leak.share) == ("t-2", "payload.pages.0.text", 1.0)
    assert str(leak) == "passage of deal in t-2 at payload.pages.0.text (1.00)"
    assert (leakage.cases, leakage.texts, leakage.leaked, leakage.share) == (5, 2, ("claim", "deal"), 0.4)


def test_without_cases_nothing_is_known() -> None:
    """No cases, no share; no tasks, no leak."""
    assert find_leaks([], {"t": PAGE}).share is None
    assert find_leaks(CASES, {}).leaks == ()


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_any_json_is_compared(task: Any) -> None:
    """No task breaks the comparison, and every share lies between 0 and 1."""
    assert all(0 < leak.share <= 1 for leak in find_leaks(CASES, {"t": task}).leaks)


@given(st.text())
def test_any_question_is_found_in_itself(text: str) -> None:
    """A question of two words or more is wholly contained in a task that quotes it."""
    found = find_leaks([HeldOutCase("q", text)], {"t": {"text": f"({text})"}}).leaks
    assert [round(leak.share, 6) for leak in found] == ([1.0] if len(words_of(text)) > 1 else [])
