"""Makes the records of lessons and code examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from p04_curriculum import Topic
from p04_lessons import Exercise, code_example, tokens_in
from p04_reading import Library
from p04_verification import Verdict

from flywheel_mlflow.pipelines import sample_record

LICENCE = "CC0-1.0"


@dataclass(frozen=True, slots=True)
class Lesson:
    """A verified exercise with the text that teaches it."""

    exercise: Exercise
    verdict: Verdict
    topic: Topic
    text: str
    split: str


def lesson_record(lesson: Lesson, position: int, library: Library) -> dict[str, Any]:
    """The record of a lesson in the teaching corpus."""
    exercise = lesson.exercise
    reading = library.reading(lesson.text)
    metadata = _metadata(lesson) | {
        "volume": lesson.topic.volume,
        "position": position,
        "question": exercise.question,
        "reading": reading.document if reading else None,
    }
    if exercise.domain == "math":
        metadata |= {"program": exercise.program, "answer": lesson.verdict.values[-1]}
    return sample_record(
        id=f"p04:{exercise.id}",
        source={"name": "exercises.jsonl", "seed": exercise.seed},
        content=lesson.text,
        metadata=metadata,
        quality_signals={
            "verified": lesson.verdict.verified,
            "tokens": tokens_in(lesson.text),
            "steps": len(exercise.steps) or len(exercise.program.splitlines()),
            "reading_overlap": round(reading.overlap, 4) if reading else 0.0,
        },
        split=lesson.split,
        audit_trace=["filled from its seed", "run in the sandbox", "compared with its reference", "placed by topic"],
    )


def example_record(lesson: Lesson) -> dict[str, Any]:
    """The record of a verified code example."""
    exercise, verdict = lesson.exercise, lesson.verdict
    return sample_record(
        id=f"p04:{exercise.id}:example",
        source={"name": "exercises.jsonl", "seed": exercise.seed},
        content=code_example(exercise),
        metadata=_metadata(lesson)
        | {
            "prompt": exercise.question,
            "entry_point": exercise.entry_point,
            "code": exercise.program,
            "tests": list(exercise.tests),
        },
        quality_signals={
            "verified": verdict.verified,
            "tests": len(exercise.tests),
            "mutants": verdict.mutants,
            "mutants_rejected": verdict.rejected,
        },
        split=lesson.split,
        audit_trace=["filled from its seed", "run in the sandbox", "tests reject a function that does nothing"],
    )


def _metadata(lesson: Lesson) -> dict[str, Any]:
    exercise = lesson.exercise
    return {
        "seed": exercise.seed,
        "domain": exercise.domain,
        "topic": exercise.topic,
        "difficulty": exercise.difficulty,
        "license": LICENCE,
        "language": "en",
    }
