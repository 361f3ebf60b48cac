"""Makes bilingual image instruction samples: questions answered several times, judged, kept where they agree."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import stdev
from typing import Any

from p13_checks import log_checks
from p13_judge import PASS_CONSISTENCY, PASS_SCORE, SLOTS, unsafe
from p13_samples import Sample, as_record, in_both_languages
from p13_seeds import Seed, pass_seeds, picture_seeds, shot_seeds
from p13_words import Words, load_words
from p13_writer import Answered, Tally, Writer, answer

from flywheel_mlflow.pipelines import Workspace, main

FAULTS = {
    "hallucinating_writer": "every second claim is wrong (a worse model): judge_score falls",
    "copied_language": "Chinese variants are copies of the English ones: test_multilingual_expand_content fails",
    "unsafe_unfiltered": "the safety filter is off, and one answer in five is unsafe: gate_safety fails",
}

#: What the writer's wrong_slot becomes with the fault hallucinating_writer.
HALLUCINATING = 0.5
#: What its rate of unsafe answers becomes with the fault unsafe_unfiltered.
OFFENDING = 0.2
#: Samples compared with their evidence once more, in place of the person of the published project.
SPOT_CHECKS = 40
#: A reviewer reads a sample beside its image for half a minute; 120 RMB an hour: as p03's published estimate has it.
MINUTES_PER_RECORD, RMB_PER_HOUR = 0.5, 120.0


def build(work: Workspace) -> None:
    """Seeds, questions, answers, judging, both languages, records, measures."""
    words = load_words(work.data)
    controls_file = work.input_path("privacy_controls")
    controls = json.loads(controls_file.read_text(encoding="utf-8")) if controls_file else {}
    shots, pictures = work.read_input("video_shots") or [], work.read_input("multimodal_sft") or []
    seeds = shot_seeds(shots) + picture_seeds(pictures)
    passed, failed = pass_seeds(seeds, SLOTS)
    tally = Tally()
    answered = answer_all(work, words, passed, controls, tally)
    good = [item for item in answered if item.response is not None]
    samples = [sample for item in good for sample in in_both_languages(work, words, item)]
    records = [as_record(sample) for sample in samples]
    work.write_records("mm_instruction_sft", records, card=data_card(len(seeds), len(passed), len(good)))
    work.log_document(document(work, words, seeds, passed, failed, answered, samples, tally))
    log_checks(work, words, samples, records, controls, {record["id"] for record in [*shots, *pictures]})


def answer_all(
    work: Workspace, words: Words, seeds: Sequence[Seed], controls: Mapping[str, object], tally: Tally
) -> list[Answered]:
    """Every question with its chosen answer or the reason why it has none."""
    rates = dict(words.writer)
    if work.fault == "hallucinating_writer":
        rates["wrong_slot"] = HALLUCINATING
    if work.fault == "unsafe_unfiltered":
        rates["unsafe"] = OFFENDING
    writer = Writer(words, rates)
    filtered = unsafe if work.fault != "unsafe_unfiltered" else lambda *_: ""
    return [
        answer(writer, seed, controls, tally, work.random("answer", seed.record, seed.task), is_unsafe=filtered)
        for seed in seeds
    ]


def data_card(seeds: int, passed: int, good: int) -> dict[str, Any]:
    """The card of ``mm_instruction_sft``."""
    return {
        "format_version": 1,
        "title": "Multilingual image instruction samples, scored and filtered",
        "source": "video_shots of p14 and multimodal_sft of p03, answered by a simulated writer",
        "licence": "CC-BY-4.0",
        "filters": [
            {
                "rule": "no image, unclear licence, a slot not measured, or a plain shot",
                "constant": "aesthetic score 5.5",
                "rows_in": seeds,
                "rows_out": passed,
                "reason": "an answer can only be judged where the truth is known",
            },
            {
                "rule": "repetitions disagree, or the judge gives too few points",
                "constant": f"consistency {PASS_CONSISTENCY}, score {PASS_SCORE}",
                "rows_in": passed,
                "rows_out": good,
                "reason": "what a writer does not repeat it does not know",
            },
        ],
        "hazards": [
            "answers come from a simulated writer with a few sentence forms, not from a vision model",
            "each question appears in two languages: counts of samples are twice those of questions",
        ],
    }


def rate(part: int, whole: int) -> float | None:
    """A share, None when there is nothing to have a share of."""
    return part / whole if whole else None


def mean(values: Sequence[float]) -> float | None:
    """The mean, None of nothing."""
    return sum(values) / len(values) if values else None


def document(
    work: Workspace,
    words: Words,
    seeds: Sequence[Seed],
    passed: Sequence[Seed],
    failed: Mapping[str, int],
    answered: Sequence[Answered],
    samples: Sequence[Sample],
    tally: Tally,
) -> dict[str, Any]:
    """The metrics document."""
    hours = len(samples) * MINUTES_PER_RECORD / 60
    return {
        "seed_count": len(seeds),
        "seed_pass_rate": rate(len(passed), len(seeds)),
        "seed_failures": dict(failed),
        "generated_count": tally.generated,
        "format_error_rate": rate(tally.format_errors, tally.generated),
        "safety_block_rate": rate(tally.blocked, tally.generated),
        "answers_left_out": counts(item.reason for item in answered if item.reason),
        "quality": {
            "judged_count": len(tally.scores),
            "judge_score_mean": mean(tally.scores),
            "judge_score_stderr": stdev(tally.scores) / len(tally.scores) ** 0.5 if len(tally.scores) > 1 else None,
            "consistency_score_mean": mean([item.consistency for item in answered]),
        },
        "task_distribution": counts(sample.answered.seed.task for sample in samples),
        "language_distribution": counts(sample.language for sample in samples),
        "mean_response_characters": mean([float(len(sample.response)) for sample in samples]),
        "human_spot_check": spot_check(work, words, samples),
        "num_records": len(samples),
        "estimated_manual_review_hours": round(hours, 2),
        "estimated_manual_review_cost_rmb": round(hours * RMB_PER_HOUR, 2),
    }


def counts(values: Iterable[str]) -> dict[str, int]:
    """How often each value occurs, by name."""
    return dict(sorted(Counter(values).items()))


def spot_check(work: Workspace, words: Words, samples: Sequence[Sample]) -> dict[str, Any]:
    """A sample of records, complete and true to the evidence in their own language."""
    chosen = work.random("spot check").sample(list(samples), min(SPOT_CHECKS, len(samples)))
    good = sum(
        words.claims_in(item.response, SLOTS[item.answered.seed.task], item.language)
        == dict(item.answered.seed.evidence)
        for item in chosen
    )
    return {"sample_size": len(chosen), "pass_rate": rate(good, len(chosen))}


if __name__ == "__main__":
    main(__file__, build, FAULTS)
