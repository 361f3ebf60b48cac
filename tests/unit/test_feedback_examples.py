"""The shipped rules on labelled examples, and the trying itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from feedback_columns import router

from flywheel_mlflow.base.errors import DocumentError, InputError, UnknownName
from flywheel_mlflow.evidence.flywheel import Flywheel, load_flywheel
from flywheel_mlflow.feedback.examples import read_examples, scores, try_examples
from flywheel_mlflow.operations.feedback.routing import RulesTried, try_rules

FLOOR = 0.9
#: What rules that only know words they were given reach on sentences nobody showed them (docs/feedback.md).
HELD_OUT_RECALL = 0.7


@pytest.fixture(scope="module")
def flywheel(repository: Path) -> Flywheel:
    return load_flywheel(repository)


@pytest.fixture(scope="module")
def tried(flywheel: Flywheel) -> tuple[RulesTried, ...]:
    return try_rules(flywheel, [])


def test_there_are_examples_of_every_project_in_several_languages(
    flywheel: Flywheel, tried: tuple[RulesTried, ...]
) -> None:
    """At least 200 to write rules with, ten for each project and three languages; some nobody should get."""
    written, held_out = tried
    assert not written.held_out
    assert held_out.held_out
    assert len(written.tried) >= 200
    expected = {score.to: score.expected for score in written.scores}
    assert all(expected[project_id] >= 10 for project_id in flywheel.contracts)
    assert expected["unroutable"] >= 10
    assert sum(total >= 10 for _, total in written.languages.values()) >= 3
    assert {score.to for score in held_out.scores} == set(flywheel.contracts) | {"unroutable"}


def test_the_rules_are_right_about_the_examples(tried: tuple[RulesTried, ...]) -> None:
    """Every project's precision and recall reach the floor."""
    assert tried[0].below(FLOOR) == ()


def test_the_rules_rarely_send_unseen_sentences_astray(tried: tuple[RulesTried, ...]) -> None:
    """On held-out sentences nearly all that is routed goes right; what the rules do not know waits in the queue."""
    pooled = tried[1].pooled
    assert pooled.precision is not None
    assert pooled.recall is not None
    assert pooled.precision >= FLOOR
    assert pooled.recall >= HELD_OUT_RECALL


@pytest.mark.parametrize(
    ("text", "to"),
    [
        ("risk refusal gap", "p02"),
        ("chart misread", "p05"),
        ("page retrieval error", "p05"),
        ("tool call mess", "p07"),
        ("regression", "p08"),
        ("version lost", "p08"),
        ("privacy trigger", "p09"),
    ],
)
def test_the_published_examples_go_where_the_chapter_says(
    text: str, to: str, flywheel: Flywheel, tmp_path: Path
) -> None:
    """Each of the published routes."""
    path = tmp_path / "one.jsonl"
    path.write_text(json.dumps({"text": text, "to": to, "lang": "en"}))
    assert try_rules(flywheel, [path])[0].tried[0].right


RULES = router(
    {"id": "chart", "to": "p05", "when": [{"any_words": ["chart"]}]},
    {"id": "law", "to": "p02", "when": [{"any_words": ["law"]}]},
)


def examples(tmp_path: Path, *lines: dict[str, Any]) -> Path:
    path = tmp_path / "examples.jsonl"
    path.write_text("\n".join(json.dumps({"lang": "en"} | line) for line in lines))
    return path


def test_precision_and_recall_are_counted_for_each_project(tmp_path: Path) -> None:
    """What went astray costs the one precision and the other recall; nothing got is unknown, not zero."""
    path = examples(
        tmp_path,
        {"text": "chart", "to": "p05"},
        {"text": "chart of the law", "to": "p02"},
        {"text": "law", "to": "p02"},
        {"text": "x", "to": "p01"},
        {"text": "y", "to": "unroutable"},
    )
    found = try_examples(RULES, read_examples([path]))
    rates = {score.to: (score.precision, score.recall) for score in scores(found)}
    assert rates == {"p01": (None, 0.0), "p02": (1.0, 0.5), "p05": (0.5, 1.0), "unroutable": (0.5, 1.0)}


def test_wrong_rules_fall_below_the_floor(flywheel: Flywheel, tmp_path: Path) -> None:
    """An example that goes elsewhere is seen; so is one that no rule takes."""
    path = examples(tmp_path, {"text": "the chart is wrong", "to": "p01"}, {"text": "nothing to see", "to": "p02"})
    assert {score.to for score in try_rules(flywheel, [path])[0].below(0.5)} == {"p01", "p02", "p05"}
    held_out = tmp_path / "held_out_mine.jsonl"
    path.rename(held_out)
    assert [score.to for score in try_rules(flywheel, [held_out])[0].below(0.5)] == ["all projects"]


def test_faulty_examples_are_told_together(flywheel: Flywheel, tmp_path: Path) -> None:
    """Every line that is none; no example at all; a project nobody has."""
    path = examples(
        tmp_path, {"text": "x"}, {"text": "x", "to": "p01", "severity": "urgent"}, {"text": "x", "to": "p01", "a": 1}
    )
    with pytest.raises(DocumentError) as caught:
        read_examples([path])
    assert {fault.line for fault in caught.value.faults} == {1, 2, 3}
    assert "examples.jsonl:1: to: missing" in [str(fault) for fault in caught.value.faults]
    with pytest.raises(DocumentError, match="one JSON object a line"):
        read_examples([tmp_path / "nosuch.jsonl", path])
    path.write_text("\n")
    with pytest.raises(InputError, match="no labelled example"):
        read_examples([path])
    with pytest.raises(UnknownName, match="p99"):
        try_rules(flywheel, [examples(tmp_path, {"text": "x", "to": "p99"})])
