"""Makes the records of both interfaces: one a distinct step, one a trace that failed or should have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from p06_traces import answer_line, describe
from p06_validation import Judged

from flywheel_mlflow.pipelines import sample_record

LICENCE = "CC0-1.0"
HIGH, MEDIUM = 0.9, 0.5


def bucket(score: float) -> str:
    """The reward bucket of a trace's score."""
    return "high" if score >= HIGH else "medium" if score >= MEDIUM else "low"


@dataclass(slots=True)
class StepSample:
    """A step with everything before it, found in one or more traces; equal beginnings are one sample."""

    judged: Judged
    number: int
    content: str
    traces: list[str] = field(default_factory=list)

    @property
    def label(self) -> int:
        """1 or 0."""
        return self.judged.trace.steps[self.number].label


@dataclass(frozen=True, slots=True)
class Supervision:
    """The distinct steps whose label execution confirms, and how many were left out for what."""

    samples: tuple[StepSample, ...]
    steps: int
    unconfirmed: int
    conflicting: int
    process_only: int


def supervision(judged: Sequence[Judged]) -> Supervision:
    """The samples of step supervision; equal contents with different labels are all left out."""
    found: dict[str, StepSample] = {}
    conflicts: set[str] = set()
    steps = unconfirmed = process_only = 0
    for item in judged:
        for number, step in enumerate(item.trace.steps):
            steps += 1
            if not item.confirmed(number):
                unconfirmed += 1
                continue
            process_only += step.label != int(item.passed)
            content = step_content(item, number)
            sample = found.setdefault(content, StepSample(item, number, content))
            sample.traces.append(item.trace.id)
            if sample.label != step.label:
                conflicts.add(content)
    samples = tuple(sample for content, sample in found.items() if content not in conflicts)
    return Supervision(samples, steps, unconfirmed, len(conflicts), process_only)


def step_content(item: Judged, number: int) -> str:
    """What a reward model is shown: problem, steps so far, the step to judge."""
    before = [f"{place}. {step.text}" for place, step in enumerate(item.trace.steps[:number], start=1)]
    lines = [f"Problem: {item.trace.seed.prompt}", "Steps so far:", *(before or ["none"])]
    return "\n".join([*lines, f"Step to judge: {item.trace.steps[number].text}"])


def step_record(sample: StepSample) -> dict[str, Any]:
    """The record of a step."""
    item, number = sample.judged, sample.number
    trace, step = item.trace, item.trace.steps[number]
    return sample_record(
        id=f"{trace.id}_step_{number + 1}",
        source={"name": trace.seed.source, "seed": trace.seed.id},
        content=sample.content,
        metadata={
            "seed": trace.seed.id,
            "domain": trace.seed.domain,
            "topic": trace.seed.topic,
            "trace_type": trace.trace_type,
            "traces": sample.traces,
            "label": step.label,
            "step_kind": step.kind,
            "license": LICENCE,
            "language": "en",
        },
        quality_signals={
            "verdict": str(item.verdicts[number]),
            "trace_score": round(item.score, 4),
            "reward_bucket": bucket(item.score),
            "validation_passed": item.passed,
        },
        split=trace.split,
        audit_trace=["made from its seed", "steps executed in the sandbox", "label confirmed by execution"],
    )


def feedback_record(item: Judged) -> dict[str, Any]:
    """The record of a trace that failed validation, or passed it wrongly, with the reason."""
    trace = item.trace
    return sample_record(
        id=trace.id,
        source={"name": trace.seed.source, "seed": trace.seed.id},
        content=f"{describe(trace)}\nReason: {item.reason}.",
        metadata={
            "seed": trace.seed.id,
            "domain": trace.seed.domain,
            "topic": trace.seed.topic,
            "trace_type": trace.trace_type,
            "reason": item.reason,
            "answer": "".join(answer_line(trace)),
            "license": LICENCE,
            "language": "en",
        },
        quality_signals={
            "trace_score": round(item.score, 4),
            "validation_passed": item.passed,
            "as_expected": item.as_expected,
            "mode": item.mode,
        },
        split=trace.split,
        audit_trace=["made from its seed", "steps executed in the sandbox", "answer compared with the reference"],
    )
