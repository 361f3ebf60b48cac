"""Turns chosen answers into samples in both languages, and those into records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from p13_words import LANGUAGES, Words
from p13_writer import REPETITIONS, Answered

from flywheel_mlflow.pipelines import Workspace, sample_record


@dataclass(frozen=True, slots=True)
class Sample:
    """One question with its answer in one language."""

    answered: Answered
    language: str
    question: str
    response: str

    @property
    def id(self) -> str:
        """``<record>_<task>_<language>``."""
        return f"p13:{self.answered.seed.record}_{self.answered.seed.task}_{self.language}"


def in_both_languages(work: Workspace, words: Words, item: Answered) -> list[Sample]:
    """The sample in English, and in Chinese: what the English answer claims, worded anew."""
    seed = item.seed
    rng = work.random("question", seed.record, seed.task)
    questions = {language: rng.choice(words.templates[seed.task][language]) for language in LANGUAGES}
    english = item.response or ""
    if work.fault == "copied_language":
        return [Sample(item, language, questions["en"] + f" ({language})", english) for language in LANGUAGES]
    chinese = words.text(item.claims, "zh", rng)
    return [Sample(item, "en", questions["en"], english), Sample(item, "zh", questions["zh"], chinese)]


def as_record(sample: Sample) -> dict[str, Any]:
    """The seven-field record of a sample."""
    seed = sample.answered.seed
    return sample_record(
        id=sample.id,
        source={"name": seed.record.split(":", 1)[0], "record": seed.record},
        content=f"<image:{seed.image}> {sample.question}\n{sample.response}",
        metadata={
            "image": seed.image,
            "task_type": seed.task,
            "language": sample.language,
            "license": seed.licence,
            "conversations": [
                {"from": "human", "value": f"<image>{sample.question}"},
                {"from": "gpt", "value": sample.response},
            ],
        },
        quality_signals={
            "judge_score": round(sample.answered.score, 3),
            "consistency_score": round(sample.answered.consistency, 3),
        },
        split=seed.split,
        audit_trace=[
            "evidence read from its source record",
            f"answered {REPETITIONS} times",
            "judged by rules",
            "safety filter",
        ],
    )
