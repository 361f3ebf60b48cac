"""Which theme a decision of a file is about, and what a decision must say."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from flywheel_mlflow.feedback.recurring import Theme
from flywheel_mlflow.feedback.theme_decisions import ThemeChoice, matching_themes

AT = datetime(2026, 10, 1, tzinfo=UTC)


def theme(name: str, *texts: str, project: str = "p01") -> Theme:
    return Theme(name, project, 1, texts[0], texts, (name,), (), {}, {}, {}, {}, AT, AT)


def choice(*words: str, **more: Any) -> ThemeChoice:
    return ThemeChoice.model_validate({"project": "p01", "words": words, "queue": "later"} | more)


THEMES = (
    theme("units", "unit behind not read: 42 km", "unit behind not read: 7 books"),
    theme("signs", "sign not read: = 7", "design not read"),
    theme("chinese", "这条 SQL 的口径不对"),
    theme("elsewhere", "unit behind not read", project="p02"),
)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("unit behind",), ["units"]),
        (("UNIT", "books"), ["units"]),
        (("42 km", "books"), []),  # they stand in two texts
        (("sign",), ["signs"]),
        (("not read",), ["units", "signs"]),
        (("口径",), ["chinese"]),
        (("ign",), []),  # no whole word
    ],
)
def test_words_must_stand_together_in_one_typical_text(words: tuple[str, ...], expected: list[str]) -> None:
    """Whole words, in any case and order, of the project's own themes."""
    assert [item.id for item in matching_themes(choice(*words), THEMES)] == expected


@pytest.mark.parametrize(
    "more",
    [
        {"queue": None},
        {"decline": "never"},
        {"category": "growth"},
        {"queue": None, "accept": "../task.json"},
        {"queue": None, "accept": "/task.json"},
        {"words": ()},
        {"theme": "p01-1234"},
    ],
)
def test_a_decision_says_one_thing(more: dict[str, Any]) -> None:
    """One of accept, queue and decline; what is accepted lies beside or below the file; unknown keys are refused."""
    with pytest.raises(ValidationError):
        choice("word", **more)
