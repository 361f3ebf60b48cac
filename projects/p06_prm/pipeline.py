"""Makes step supervision: correct, corrupted and repaired traces, every label confirmed by execution."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from p06_records import feedback_record, step_record, supervision
from p06_report import (
    SPLITS,
    document,
    feedback_card,
    hidden_figures,
    hidden_outcomes,
    log_checks,
    step_card,
    unexpected,
)
from p06_seeds import Seed, code_seeds, lesson_seeds, own_seeds, picture_seeds
from p06_traces import Trace, code_traces, math_traces
from p06_validation import Judged, judge_code, judge_math
from p06_verifier import BASE_RULES, Rule, admit_rules, make_rule

from flywheel_mlflow.base.canonical import short_digest
from flywheel_mlflow.pipelines import HeldOutCase, Workspace, check_held_out, main, read_jsonl
from flywheel_mlflow.records import content_digest
from flywheel_mlflow.records.personal import kinds_in

FAULTS = {
    "label_noise": "half of the corrupted traces keep a right step but call it wrong: label_noise_rate rises",
    "broken_rule": "the arithmetic rule takes a product for a sum: positive_trace_pass_rate falls",
    "no_repairs": "repaired traces are missing: trace_types_present fails",
    "split_by_trace": "traces are split one by one, not by problem: train_val_no_overlap fails",
}


def build(work: Workspace) -> None:
    """Collect problems, make traces, judge them by execution, keep what is confirmed, measure the verifier."""
    paths = {name: work.input_path(name) for name in ("privacy_controls", "teaching_corpus", "verified_code_examples")}
    pictures = work.read_input("multimodal_sft") or []
    seeds = collect_seeds(work, paths, pictures)
    trained = [str(record["content"]) for record in work.read_input("sft_corpus") or []]
    kept = without_trained(without_personal_data(seeds, paths["privacy_controls"]), trained)
    admission = admit_rules([(task.id, task.payload) for task in work.tasks], base_rules(work))
    judged, unusable = judged_traces(work, kept, admission.rules)
    steps = supervision(judged)
    records = [step_record(sample) for sample in steps.samples]
    failed = [item for item in judged if item.reason]
    written = work.write_records("prm_supervision", records, card=step_card(steps, len(seeds), len(kept)))
    work.write_records(
        "reasoning_feedback", [feedback_record(item) for item in failed], card=feedback_card(judged, failed)
    )
    hidden = list(read_jsonl(work.data / "hidden_cases.jsonl"))
    right = hidden_outcomes(hidden, admission)
    found = document(kept, judged, steps, records, hidden_figures(hidden, right, admission))
    found["unusable_seeds"] = sorted(seed.id for seed in unusable)
    work.log_document(found)
    work.log_samples("verifier_hidden_accuracy", right)
    work.log_samples("expected_outcome_rate", {item.trace.id: item.as_expected for item in judged})
    work.log_failures("expected_outcome_rate", unexpected(judged), interface="reasoning_feedback")
    check_held_out(work, [held_out_case(case) for case in hidden])
    log_checks(work, records, found, written)
    regressed = regressed_inputs(work, paths)
    work.check("inputs_not_regressed", not regressed, ", ".join(regressed))


def held_out_case(case: Mapping[str, Any]) -> HeldOutCase:
    """A hidden step with the story it is told in, which no task may share."""
    story, _, _ = case["text"].partition(":")
    return HeldOutCase(case["id"], case["text"], sources=(story,))


def base_rules(work: Workspace) -> tuple[Rule, ...]:
    """The verifier's own rules, spoiled by the fault broken_rule."""
    if work.fault != "broken_rule":
        return BASE_RULES
    pattern = r"(?P<one>\d+(?:\.\d+)?) \* (?P<two>\d+(?:\.\d+)?) = (?P<claimed>-?\d+(?:\.\d+)?)$"
    return (make_rule("product", pattern, "{one} + {two}", where=work.fault), *BASE_RULES)


def collect_seeds(
    work: Workspace, paths: Mapping[str, Path | None], pictures: Iterable[Mapping[str, Any]]
) -> list[Seed]:
    """All problems, each with its split."""
    lessons, examples = (
        list(read_jsonl(path)) if path else [] for path in (paths["teaching_corpus"], paths["verified_code_examples"])
    )
    seeds = own_seeds(read_jsonl(work.data / "problems.jsonl"))
    seeds += lesson_seeds(lessons) + code_seeds(examples) + picture_seeds(pictures)
    return [seed for domain in ("math", "code") for seed in with_splits(work, domain, seeds)]


def with_splits(work: Workspace, domain: str, seeds: Sequence[Seed]) -> list[Seed]:
    """The problems of a domain with their splits; every split gets at least one.

    What another project holds out for validation stays held out here.
    """
    mine = [seed for seed in seeds if seed.domain == domain]
    free = [seed.id for seed in mine if seed.split != "val"]
    work.random("split", domain).shuffle(free)
    given: dict[str, str] = {}
    for split, share in SPLITS[1:]:
        wanted_here = max(1, round(share * len(mine)))
        chosen, free = free[:wanted_here], free[wanted_here:]
        given |= dict.fromkeys(chosen, split)
    given |= dict.fromkeys(free, SPLITS[0][0])
    return [replace(seed, split=given.get(seed.id, seed.split)) for seed in mine]


def without_personal_data(seeds: Sequence[Seed], controls: Path | None) -> list[Seed]:
    """The problems whose text holds nothing the privacy controls have rules for; without rules, nothing personal."""
    rules = json.loads(controls.read_text(encoding="utf-8")).get("pii_rules") if controls else None
    if rules == {}:
        return list(seeds)
    return [seed for seed in seeds if not kinds_in(seed.prompt)]


def without_trained(seeds: Sequence[Seed], trained: Sequence[str]) -> list[Seed]:
    """The problems no text of the SFT corpus contains: a reward model must not judge what was learnt by heart."""
    return [seed for seed in seeds if not any(seed.prompt in text for text in trained)]


def judged_traces(work: Workspace, seeds: Sequence[Seed], rules: Sequence[Rule]) -> tuple[list[Judged], list[Seed]]:
    """The judged traces of all problems, and the problems whose own solution does not run."""
    math = [seed for seed in seeds if seed.domain == "math"]
    spoiled = {seed.id for seed in math[::2]} if work.fault == "label_noise" else set()
    draw = work.random
    traces, answers, unusable = math_traces(
        math, lambda name: draw("math", name), spoil=lambda seed: seed.id in spoiled
    )
    coded = code_traces([seed for seed in seeds if seed.domain == "code"], lambda name: draw("code", name))
    split = [with_split(work, trace) for trace in traces if wanted(work, trace)]
    judged = judge_math(split, answers, rules)
    return judged + judge_code([with_split(work, trace) for trace in coded if wanted(work, trace)]), unusable


def wanted(work: Workspace, trace: Trace) -> bool:
    """Whether a trace is made; the fault no_repairs leaves repaired ones out."""
    return not (work.fault == "no_repairs" and trace.trace_type == "repair")


def with_split(work: Workspace, trace: Trace) -> Trace:
    """The trace with the split of its problem, or, with the fault split_by_trace, one of its own."""
    if work.fault == "split_by_trace":
        names, weights = [name for name, _ in SPLITS], [share for _, share in SPLITS]
        return replace(trace, split=work.random("split by trace", trace.id).choices(names, weights)[0])
    return replace(trace, split=trace.seed.split)


def regressed_inputs(work: Workspace, paths: Mapping[str, Path | None]) -> list[str]:
    """The inputs read here whose version the platform's control plane of the iteration before calls regressed."""
    plane_file = work.input_path("platform_control_plane")
    plane = json.loads(plane_file.read_text(encoding="utf-8")) if plane_file else {}
    regressed = {item.get("digest") for item in plane.get("regressed_versions") or []}
    return [name for name, path in paths.items() if path and short_digest(content_digest(path)) in regressed]


if __name__ == "__main__":
    main(__file__, build, FAULTS)
