"""The parts of the multimodal instruction factory: wording, reading back, judging, agreeing."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trials import PROJECTS, load_module

FOLDER = PROJECTS / "p13_mm_instruction"
words_module = load_module(FOLDER / "p13_words.py")
seeds = load_module(FOLDER / "p13_seeds.py")
judging = load_module(FOLDER / "p13_judge.py")
writing = load_module(FOLDER / "p13_writer.py")
WORDS = words_module.load_words(FOLDER / "data")

EVIDENCE = {"subject": "orange ball", "size": "wide", "light": "normal"}
EXAMPLES = {
    "shot_desc": EVIDENCE,
    "shot_reason": {"camera": "pan_left", "slide": "right"},
    "picture_desc": {"objects": "1 blue square|3 red circle"},
    "picture_reason": {"objects": "1 blue square|3 red circle", "total": "4"},
    "ocr": {"text": "NOTE 12 / TOTAL 9"},
}


def rng(name: str) -> random.Random:
    """A generator by name."""
    return random.Random(name)  # noqa: S311 - no secret


def score(response: str, language: str = "en") -> float:
    """The judge's points for a response about the example shot."""
    found: float = judging.judge(WORDS, "shot_desc", EVIDENCE, response, language)
    return found


@pytest.mark.parametrize("language", words_module.LANGUAGES)
@pytest.mark.parametrize("task", sorted(EXAMPLES))
def test_claims_survive_being_worded_in_both_languages(task: str, language: str) -> None:
    """Whatever sentence form is drawn, what was claimed is read back."""
    for number in range(8):
        text = WORDS.text(EXAMPLES[task], language, rng(f"{number}"))
        assert WORDS.claims_in(text, judging.SLOTS[task], language) == EXAMPLES[task]


@pytest.mark.parametrize("language", words_module.LANGUAGES)
def test_every_word_of_every_slot_is_told_from_the_others(language: str) -> None:
    """No value's words are part of another's: a ball is no balloon, a circle no square."""
    for slot in ("size", "light", "camera", "slide"):
        for value in WORDS.values[slot]:
            text = WORDS.text({slot: value}, language, rng(value))
            assert WORDS.claims_in(text, [slot], language) == {slot: value}
    for colour in WORDS.values["colour"]:
        for thing in WORDS.values["thing"]:
            text = WORDS.text({"subject": f"{colour} {thing}"}, language, rng(thing))
            assert WORDS.claims_in(text, ["subject"], language) == {"subject": f"{colour} {thing}"}


def test_a_text_that_claims_two_things_claims_nothing() -> None:
    """Contradictions are not resolved by guessing."""
    assert WORDS.claims_in("It is a wide shot. It is a medium shot.", ["size"], "en") == {}


@given(st.text(max_size=80))
def test_any_text_can_be_judged(text: str) -> None:
    """The judge gives 0 to 10 points to whatever it is shown."""
    assert 0 <= score(text) <= 10


def test_the_judge_rewards_truth_and_completeness_and_caps_lies() -> None:
    """Complete and true gets all points, half of it less, a wrong claim or repetition not enough to pass."""
    full = WORDS.text(EVIDENCE, "en", rng("a"))
    part = WORDS.text({"size": "wide"}, "en", rng("a"))
    lie = WORDS.text({**EVIDENCE, "size": "medium"}, "en", rng("a"))
    assert score(full) == 10
    assert judging.PASS_SCORE < score(part) < 10
    assert score(lie) <= judging.FLAW_CAP < judging.PASS_SCORE
    assert score(f"{part} {part}") <= judging.FLAW_CAP
    assert score("It is a nice shot.") < judging.PASS_SCORE
    assert score(full, "zh") < 10


def test_the_judge_decides_the_shipped_cases_as_stated() -> None:
    """All sixty cases: thirty in, thirty out."""
    cases = [json.loads(line) for line in (FOLDER / "data" / "judge_cases.jsonl").read_text().splitlines()]
    passed = [
        judging.judge(WORDS, case["task"], case["evidence"], case["response"], "en") >= judging.PASS_SCORE
        for case in cases
    ]
    assert passed == [case["let_in"] for case in cases]
    assert passed.count(True) == passed.count(False) == 30


def test_agreement_among_repetitions() -> None:
    """Three of four the same is 0.75; what most are silent about is no majority; nothing said agrees on nothing."""
    said = [{"size": "wide"}, {"size": "wide"}, {"size": "wide"}, {"size": "medium"}]
    assert judging.consistency(said, ["size"]) == (0.75, {"size": "wide"})
    assert judging.consistency([{"size": "wide"}, {}, {}, {}], ["size"]) == (0.25, {})
    assert judging.consistency([{}, {}], ["size"]) == (0.0, {})


@pytest.mark.parametrize(
    ("response", "error"),
    [
        ("A kite.", ""),
        ("这是全景。", ""),
        ("", "empty"),
        ("  ", "empty"),
        ("A {thing}.", "placeholder"),
        ("A kit{value", "placeholder"),
        ("A kite", "no_ending"),
        ("A kite. " * 80, "too_long"),
    ],
)
def test_broken_form_is_named(response: str, error: str) -> None:
    """Each break of format has a name, and a good response none."""
    assert judging.format_error(response) == error


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ("One red kite can be seen.", ""),
        ("Ask at +86 138 0000 0001.", "personal_data"),
        ("By the way, this must be the neighbour.", "blocked_phrase"),
        ("这个人大概叫小李。", "blocked_phrase"),
    ],
)
def test_unsafe_responses_are_blocked(response: str, reason: str) -> None:
    """Personal data and guesses at who somebody is are blocked, in both languages."""
    assert judging.unsafe(response, WORDS, {}) == reason


def seed(**more: Any) -> Any:
    """A seed about the example shot."""
    values = {"image": "f.png", "task": "shot_desc", "evidence": EVIDENCE, "record": "r", "licence": "CC0-1.0"}
    return seeds.Seed(**{**values, "split": "train", "aesthetic": 7.0, **more})


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"image": ""}, "no_image"),
        ({"licence": "unknown"}, "licence_unclear"),
        ({"evidence": {"size": "wide"}}, "not_measured"),
        ({"aesthetic": 5.1}, "too_plain"),
    ],
)
def test_a_seed_nobody_can_judge_is_left_out(more: dict[str, Any], reason: str) -> None:
    """Each lack leaves the seed out, under its own name."""
    passed, failed = seeds.pass_seeds([seed(), seed(**more)], judging.SLOTS)
    assert passed == [seed()]
    assert {name: count for name, count in failed.items() if count} == {reason: 1}


def writer(**rates: float) -> Any:
    """A writer that errs only as told."""
    return writing.Writer(WORDS, {**dict.fromkeys(WORDS.writer, 0.0), **rates})


def test_a_faultless_writer_gets_full_points() -> None:
    """Without errors every repetition agrees, and the answer claims the evidence."""
    tally = writing.Tally()
    found = writing.answer(writer(), seed(), {}, tally, rng("x"))
    assert found.response is not None
    assert (found.score, found.consistency, found.claims) == (10, 1, EVIDENCE)
    assert (tally.generated, tally.format_errors, tally.blocked) == (writing.REPETITIONS, 0, 0)


@pytest.mark.parametrize(
    ("rates", "reasons"),
    [
        ({"wrong_slot": 1.0}, {"inconsistent", "no_response_as_most_say", "judged_too_low"}),
        ({"unsafe": 1.0}, {"inconsistent"}),
        ({"broken_format": 1.0}, {"inconsistent"}),
        ({"drop_slot": 1.0}, {"inconsistent"}),
    ],
)
def test_a_bad_writer_gets_no_answer_in(rates: dict[str, float], reasons: set[str]) -> None:
    """Whatever a writer always does wrong, none of its answers is chosen, and the reason is given."""
    for name in "abcdef":
        found = writing.answer(writer(**rates), seed(), {}, writing.Tally(), rng(name))
        assert found.response is None
        assert found.reason in reasons


@pytest.mark.parametrize("task", sorted(EXAMPLES))
def test_a_wrong_value_is_another_value(task: str) -> None:
    """The writer's error is never the truth by chance."""
    for slot, value in EXAMPLES[task].items():
        for number in range(6):
            assert writer().another(slot, value, rng(f"{number}")) != value


def test_scripts_are_told_apart_whatever_is_quoted() -> None:
    """A Chinese sentence around an English quotation is Chinese; no letters are no Chinese."""
    assert words_module.han_share("文字是“NOTE 12”。") == 1
    assert words_module.han_share("It is a wide shot.") == 0
    assert words_module.han_share("123") == 0
