"""Tests of what a drift report sees of changed content, with nothing configured."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from drift_cases import compared, profile, side

from flywheel_mlflow.drift import DataVerdict, DriftReport, LoggedData, Verdict
from flywheel_mlflow.drift.report import drift_report_from_json
from flywheel_mlflow.records.content.building import ContentRule, SampledRow, content_of

Record = dict[str, Any]
ROWS = 400

NOUNS = ["bread", "river", "engine", "garden", "teacher", "window", "market", "letter", "piano", "bridge", "forest"]
TOPICS = [f"topic{letter}{other}" for letter in "abcdef" for other in "uvwxyz"]
VERBS = ["opens", "carries", "paints", "repairs", "follows", "measures", "hides", "brings", "counts", "sells"]


def sentence(draw: random.Random, words: int = 14) -> str:
    """A sentence of nothing but chance."""
    said = [draw.choice(NOUNS if place % 2 == 0 else VERBS) for place in range(words)]
    return " ".join(said).capitalize() + "."


def record(draw: random.Random, number: int) -> Record:
    """A question and its answer, which repeats a word of it, with a label that goes with the score."""
    topic = " ".join(draw.sample(TOPICS, 3))
    score = draw.random()
    return {
        "id": f"r{number}",
        "source": draw.choice(["web", "web", "books"]),
        "content": {
            "prompt": f"What about the {topic}? {sentence(draw, 8)}",
            "answer": f"The {topic}: {sentence(draw)} {sentence(draw)}",
        },
        "metadata": {"date": f"2026-{draw.randint(1, 12):02d}-{draw.randint(1, 28):02d}", "stars": draw.randint(1, 5)},
        "label": "good" if score > 0.5 else "bad",
        "score": round(score, 3),
        "vector": [draw.gauss(0.3, 1) for _ in range(12)],
        "messages": [{"role": role} for role in ("system", "user", "assistant")],
    }


def made(seed: int, rows: int = ROWS) -> list[Record]:
    """Records of one side."""
    draw = random.Random(seed)  # noqa: S311 - sample data
    return [record(draw, number) for number in range(rows)]


def logged(rows: list[Record]) -> LoggedData:
    """What a run logs of these records."""
    sampled = [SampledRow(row, f"data.jsonl, line {place}", repeated=False) for place, row in enumerate(rows, 1)]
    return LoggedData(profile(), content=content_of(sampled, ContentRule()))


def report(before: list[Record], now: list[Record]) -> DriftReport:
    """The comparison of two sides."""
    current = side(2, digests={"corpus": "b"}, data={"corpus": logged(now)})
    return compared(current, side(1, digests={"corpus": "a"}, data={"corpus": logged(before)}))


def drifted(found: DriftReport) -> set[str]:
    """What changed, without the interface's name."""
    return {
        item.subject.removeprefix("corpus/")
        for item in found.distributions
        if item.verdict in {DataVerdict.DRIFTED, DataVerdict.VANISHED}
    }


def every(nth: int, change: Callable[[Record], None]) -> Callable[[list[Record]], None]:
    """Changes every nth record."""

    def apply(rows: list[Record]) -> None:
        for place in range(0, len(rows), nth):
            change(rows[place])

    return apply


def template(row: Record) -> None:
    row["content"]["prompt"] = row["content"]["prompt"].replace("What about the", "Explain to me the")


def boilerplate(row: Record) -> None:
    row["content"]["answer"] += " Subscribe to our newsletter for more."


def refusal(row: Record) -> None:
    row["content"]["answer"] = "I'm sorry, but I can't help with that request at all today."


def no_source(row: Record) -> None:
    row["source"] = None


def date_format(row: Record) -> None:
    year, month, day = row["metadata"]["date"].split("-")
    row["metadata"]["date"] = f"{day}.{month}.{year}"


def zero_vector(row: Record) -> None:
    row["vector"] = [0.0] * 12


def no_system(row: Record) -> None:
    row["messages"] = row["messages"][1:]


def wrong_score(row: Record) -> None:
    row["score"] = 7.5


def shuffle_answers(rows: list[Record]) -> None:
    answers = [row["content"]["answer"] for row in rows]
    random.Random(1).shuffle(answers)  # noqa: S311 - sample data
    for row, answer in zip(rows, answers, strict=True):
        row["content"]["answer"] = answer


def shuffle_labels(rows: list[Record]) -> None:
    labels = [row["label"] for row in rows]
    random.Random(1).shuffle(labels)  # noqa: S311 - sample data
    for row, label in zip(rows, labels, strict=True):
        row["label"] = label


def other_model(rows: list[Record]) -> None:
    for row in rows:
        row["vector"] = row["vector"][6:] + [-value for value in row["vector"][:6]]


CHANGES = {
    "a template of the same length": (every(1, template), "content.prompt: phrases"),
    "boilerplate on a fifth": (every(5, boilerplate), "content.answer: phrases"),
    "refusals in a twentieth": (every(20, refusal), "content.answer: refusal"),
    "a field that is null in a tenth": (every(10, no_source), "source (missing)"),
    "dates in another form": (every(1, date_format), "metadata.date: shape"),
    "vectors of nothing in a twentieth": (every(20, zero_vector), "vector: norm"),
    "another embedding model": (other_model, "vector: direction"),
    "no system prompt in a third": (every(3, no_system), "messages[].role: first"),
    "scores that went wrong in a twentieth": (every(20, wrong_score), "score"),
    "answers to other questions": (shuffle_answers, "content.answer with content.prompt: shared words"),
    "labels that no longer go with the score": (shuffle_labels, "associations"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_found_and_named(name: str) -> None:
    """Each change blocks, and what it did is among the findings."""
    change, subject = CHANGES[name]
    now = made(2)
    change(now)
    found = report(made(1), now)
    assert found.verdict is Verdict.BLOCK
    assert subject in drifted(found)


def test_texts_of_other_words_are_told_apart() -> None:
    """Texts of equal length and other words: the classifier tells them apart, and the phrases are named."""
    now = made(2)
    for row in now:
        row["content"]["answer"] = row["content"]["answer"].replace("garden", "Garten").replace("bridge", "Brücke")
    found = report(made(1), now)
    assert {"content.answer: wording", "content.answer: phrases"} <= drifted(found)
    (phrases,) = [item for item in found.distributions if item.subject.endswith("answer: phrases")]
    assert phrases.picture is not None
    assert any("Garten" in bar.name and bar.before < bar.now for bar in phrases.picture.bars)
    assert any("garden" in bar.name and bar.before > bar.now for bar in phrases.picture.bars)


def test_one_field_is_one_finding_with_a_picture_and_places() -> None:
    """All measures of one text are one finding; it has bars before and now, and rows to look at."""
    now = made(2)
    every(2, boilerplate)(now)
    found = report(made(1), now)
    (finding,) = [item for item in found.findings if item.subject == "corpus/content.answer"]
    assert "; also " in finding.text
    items = found.of_finding(finding)
    assert items[0].picture is not None
    assert any("newsletter" in bar.name for bar in items[0].picture.bars)
    examples = next(item.examples for item in items if item.examples)
    assert all(place.startswith("data.jsonl, line ") for place in examples)
    lines = {int(place.rpartition(" ")[2]) for place in examples}
    assert all("newsletter" in now[line - 1]["content"]["answer"] for line in lines)


def test_a_report_with_pictures_survives_its_json() -> None:
    """Pictures and places are part of drift.json, which is read back as it was."""
    now = made(2)
    every(2, boilerplate)(now)
    found = report(made(1), now)
    assert drift_report_from_json(found.to_json()) == found


def test_nothing_changed_raises_few_alarms() -> None:
    """Of 40 reports on data of which nothing but chance differs, no more raise an alarm than the level says."""
    alarms = [drifted(report(made(2 * seed, 120), made(2 * seed + 1, 120))) for seed in range(10, 50)]
    assert sum(map(bool, alarms)) <= 4, alarms  # 3.5 % of 40, and two standard errors


def test_the_same_rows_raise_no_alarm() -> None:
    """Data of which nine tenths are the very same rows are no drift because one tenth is new."""
    before = made(1)
    now = before[: ROWS - ROWS // 10] + made(3)[: ROWS // 10]
    assert not drifted(report(before, now))
