"""Makes the samples: drafts judged until one is accepted, a careless answer beside it, a review."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from p02_articles import Provision
from p02_judge import ACCEPTED_SCORE, review, score
from p02_refusals import Prompt, refusal
from p02_teacher import SLIP_RATE, Question, careful, careless

from flywheel_mlflow.pipelines import sample_record

LICENCE = "CC0-1.0"
#: A draft that slips is drafted again; at the known slip rate four in a row slip once in 80,000 questions.
MAX_DRAFTS = 4


@dataclass(frozen=True, slots=True)
class Sample:
    """An accepted answer, the careless one it is preferred over, and the drafts the judge turned down."""

    question: Question
    answer: str
    careless: str
    careless_score: int
    drafts: int
    review: Mapping[str, float] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Article and task type."""
        return f"{self.question.provision.article}::{self.question.task}"


def make_sample(question: Question, rng: Random, slip_rate: float = SLIP_RATE) -> Sample | None:
    """The sample of a question; None when every draft was turned down, or nothing worse was to be had."""
    other = careless(question, rng)
    worse = score(other, question.provision)
    for turn in range(1, MAX_DRAFTS + 1):
        draft = careful(question, rng, slip_rate)
        if score(draft, question.provision) >= ACCEPTED_SCORE > worse:
            marks = review(draft, question.text, question.provision)
            return Sample(question, draft, other, worse, turn, marks)
    return None


def _metadata(provision: Provision, task: str) -> dict[str, Any]:
    return {
        "article": provision.article,
        "law_name": provision.law,
        "article_no": provision.number,
        "domain": provision.domain,
        "task_type": task,
        "license": LICENCE,
    }


def sft_record(sample: Sample, split: str) -> dict[str, Any]:
    """The instruction record of an accepted answer."""
    provision = sample.question.provision
    return sample_record(
        id=f"p02:{sample.id}",
        source={"name": "articles.jsonl", "article": provision.article},
        content=f"{sample.question.text}\n\n{sample.answer}",
        metadata=_metadata(provision, sample.question.task)
        | {"instruction": sample.question.text, "language": provision.language, "judge": "five criteria"},
        quality_signals={
            "judge_score": ACCEPTED_SCORE,
            "drafts": sample.drafts,
            **{f"review_{name}": mark for name, mark in sample.review.items()},
        },
        split=split,
        audit_trace=["article read", "answer drafted", "judged by five criteria", "reviewed by other rules"],
    )


def refusal_record(prompt: Prompt, provision: Provision, number: int, split: str) -> dict[str, Any]:
    """The instruction record of a refusal."""
    return sample_record(
        id=f"p02:refusal::{prompt.theme}::{number}",
        source={"name": "risk_prompts.jsonl or a task", "theme": prompt.theme},
        content=f"{prompt.text}\n\n{refusal(prompt, provision)}",
        metadata=_metadata(provision, "risk_refusal")
        | {"instruction": prompt.text, "language": prompt.language, "risk_type": prompt.theme},
        quality_signals={"judge_score": ACCEPTED_SCORE, "drafts": 1},
        split=split,
        audit_trace=["request taken as risky", "article it offends found", "refused with a lawful alternative"],
    )


def pair_record(sample: Sample, split: str, *, swapped: bool) -> dict[str, Any]:
    """The preference pair of a sample; ``swapped`` mistakes the careless answer for the better one."""
    chosen, rejected = (sample.careless, sample.answer) if swapped else (sample.answer, sample.careless)
    provision = sample.question.provision
    return sample_record(
        id=f"p02:pair::{sample.id}",
        source={"name": "articles.jsonl", "article": provision.article},
        payload={"prompt": sample.question.text, "chosen": chosen, "rejected": rejected},
        metadata=_metadata(provision, sample.question.task) | {"language": provision.language},
        quality_signals={"margin": ACCEPTED_SCORE - sample.careless_score},
        split=split,
        audit_trace=["careful and careless answers drafted", "ranked by five criteria"],
    )


def counted(values: Iterable[str]) -> dict[str, int]:
    """How often each value occurs, by name."""
    everything: Sequence[str] = sorted(values)
    return {name: everything.count(name) for name in dict.fromkeys(everything)}
