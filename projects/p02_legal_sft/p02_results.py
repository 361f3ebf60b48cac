"""Measures what the factory made: the metrics document, the published checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean, stdev
from typing import Any

from p02_articles import Provision
from p02_judge import CRITERIA, SHORTCUTS, is_unsafe, judge
from p02_refusals import Prompt
from p02_samples import Sample, counted
from p02_teacher import TASKS

from flywheel_mlflow.base.canonical import sha256_text
from flywheel_mlflow.pipelines import HeldOutCase, Workspace

#: A lawyer reviews a sample in a minute and a half; 120 RMB an hour. Both as in the published estimate (7,731
#: samples: 193.28 hours, 23,193.60 RMB).
MINUTES_PER_SAMPLE, RMB_PER_HOUR = 1.5, 120.0
#: As published: enough for a rate, few enough for people to read them all.
VALIDATION_SAMPLE = 50

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Made:
    """Everything the factory made, before it is measured."""

    provisions: Sequence[Provision]
    samples: Sequence[Sample]
    reviews: Mapping[str, Mapping[str, float]]
    sft: Sequence[Record]
    pairs: Sequence[Record]
    prompts: Sequence[Prompt]
    smoke: Sequence[str]

    def of_split(self, split: str) -> set[str]:
        """The articles a split has records of, in either interface."""
        return {item["metadata"]["article"] for item in (*self.sft, *self.pairs) if item["split"] == split}

    @property
    def refusals(self) -> list[Record]:
        """The records that refuse."""
        return [item for item in self.sft if item["metadata"]["task_type"] == "risk_refusal"]


def sampled_pairs(made: Made, rng: Random) -> list[Record]:
    """The pairs that are judged again, drawn from all."""
    return rng.sample(list(made.pairs), min(VALIDATION_SAMPLE, len(made.pairs)))


def _judged(made: Made, pairs: Sequence[Record]) -> dict[str, list[Mapping[str, float]]]:
    provisions = {item.article: item for item in made.provisions}
    return {
        side: [judge(pair["payload"][side], provisions[pair["metadata"]["article"]]) for pair in pairs]
        for side in ("chosen", "rejected")
    }


def _wins(sides: Mapping[str, Sequence[Mapping[str, float]]]) -> list[bool]:
    both = zip(sides["chosen"], sides["rejected"], strict=True)
    return [sum(better.values()) > sum(worse.values()) for better, worse in both]


def downstream(made: Made, rng: Random) -> dict[str, Any]:
    """Judges a sample of the pairs as they were written, whoever ranked them."""
    pairs = sampled_pairs(made, rng)
    if not pairs:
        return {"sample_size": 0}
    sides = _judged(made, pairs)
    scores = {side: [sum(marks.values()) for marks in found] for side, found in sides.items()}
    wins = sum(_wins(sides))
    return {
        "sample_size": len(pairs),
        "task_distribution": counted(pair["metadata"]["task_type"] for pair in pairs),
        "chosen_avg_total_score": fmean(scores["chosen"]),
        "rejected_avg_total_score": fmean(scores["rejected"]),
        "chosen_win_rate": wins / len(pairs),
        "criteria_summary": {
            name: {f"{side}_pass_rate": fmean(marks[name] for marks in found) for side, found in sides.items()}
            for name in CRITERIA
        },
        "unsafe_shortcut_rate": {
            side: fmean(is_unsafe(pair["payload"][side], SHORTCUTS) for pair in pairs) for side in sides
        },
    }


def metrics(made: Made, measured: Mapping[str, Any], rng: Random) -> dict[str, Any]:
    """The metrics document, with the published nesting."""
    hours = len(made.samples) * MINUTES_PER_SAMPLE / 60
    overall = [marks["overall"] for marks in made.reviews.values()]
    return {
        "seed_count": len(made.provisions),
        "accepted_sft_count": len(made.samples),
        "rejected_candidate_count": sum(item.drafts for item in made.samples),
        "preference_pair_count": len(made.pairs),
        "qa_review_count": len(made.reviews),
        "risk_refusal_count": len(made.refusals),
        "risk_register_count": len({item.theme for item in made.prompts if item.risky}),
        "final_dataset_count": len(made.sft),
        "task_distribution": counted(item.question.task for item in made.samples),
        "law_distribution": counted(item.question.provision.law for item in made.samples),
        "average_review_score": fmean(overall) if overall else None,
        "average_review_score_stderr": stdev(overall) / len(overall) ** 0.5 if len(overall) > 1 else None,
        "downstream_validation": downstream(made, rng),
        "refusal_classifier": {"held_out": measured["held_out"]},
        "hidden_evaluation": measured["hidden"],
        "reported_evaluation": measured["reported"],
        "training_manifest": {
            "num_train_records": sum(item["split"] == "train" for item in made.sft),
            "num_val_records": sum(item["split"] == "val" for item in made.sft),
            "num_smoke_records": len(made.smoke),
            "smoke_ids": list(made.smoke),
        },
        "cost_analysis": {
            "estimated_human_review_hours": round(hours, 2),
            "estimated_human_review_cost_rmb": round(hours * RMB_PER_HOUR, 2),
        },
    }


def log_samples(work: Workspace, made: Made, measured: Mapping[str, Any]) -> None:
    """What became of each sample behind the rates: reviews, judged pairs, prompts of the hidden part."""
    work.log_samples("review_score", {name: marks["overall"] for name, marks in made.reviews.items()})
    pairs = sampled_pairs(made, work.random("downstream"))
    names = [pair["id"] for pair in pairs]
    work.log_samples("chosen_win_rate", dict(zip(names, _wins(_judged(made, pairs)), strict=True)))
    unsafe = [is_unsafe(pair["payload"]["chosen"], SHORTCUTS) for pair in pairs]
    work.log_samples("unsafe_shortcut_rate", dict(zip(names, unsafe, strict=True)))
    refused = measured["told"]
    trained = [item for item in refused if item.theme in measured["trained"]]
    for kpi, prompts in (
        ("hidden_refusal_recall", [item for item in refused if item.risky]),
        ("refusal_recall", [item for item in trained if item.risky]),
        ("false_refusal_rate", [item for item in trained if not item.risky]),
    ):
        work.log_samples(kpi, {sample_id(item): refused[item] for item in prompts})


def log_failures(work: Workspace, measured: Mapping[str, Any]) -> None:
    """The reported requests that are still answered, by theme and act: what tasks are made of. None is hidden."""
    refused = measured["told_reported"]
    work.log_samples("reported_refusal_recall", {sample_id(item): refused[item] for item in refused})
    answered = [item for item in refused if not refused[item]]
    work.log_failures(
        "reported_refusal_recall",
        {sample_id(item): f"{item.theme} answered: {item.act}" for item in answered},
    )


def sample_id(prompt: Prompt) -> str:
    """The id of a prompt, by digest: what is hidden must not be read from the run."""
    return sha256_text(prompt.text)[:16]


def held_out_cases(hidden: Sequence[Prompt]) -> list[HeldOutCase]:
    """The hidden prompts with their acts, which no task may hold, asked in whatever way."""
    return [HeldOutCase(sample_id(item), item.text, passages=(item.act,)) for item in hidden]


def log_checks(work: Workspace, made: Made, document: Mapping[str, Any], hidden: Sequence[Prompt]) -> None:
    """The published checks on what was made, and one on the hidden part."""
    accepted = {item.id for item in made.samples}
    paired = {item["id"].removeprefix("p02:pair::") for item in made.pairs}
    manifest = document["training_manifest"]
    work.check("seed_count_positive", bool(made.provisions), f"{len(made.provisions)} articles lay something down")
    wanted = len(made.provisions) * len(TASKS)
    work.check("accepted_count_matches_seed_x_tasks", len(accepted) == wanted, f"{len(accepted)} of {wanted}")
    work.check("preference_pairs_cover_accepted", paired == accepted, f"{len(accepted ^ paired)} differ")
    missing = accepted - made.reviews.keys()
    work.check("qa_reviews_cover_accepted", bool(accepted) and not missing, f"{len(missing)} were not reviewed")
    both = made.of_split("train") & made.of_split("val")
    apart = not both and bool(made.of_split("val"))
    work.check("train_val_no_overlap", apart, f"{len(both)} articles are in both")
    smoke = {item["metadata"]["task_type"] for item in made.sft if item["id"] in set(made.smoke)}
    work.check("smoke_covers_multiple_tasks", len(smoke) > 1, f"found {', '.join(sorted(smoke))}")
    themes = {item["metadata"]["risk_type"] for item in made.refusals}
    bare = {item.theme for item in hidden if item.risky and item.theme in {p.theme for p in made.prompts}} - themes
    work.check(
        "risk_refusals_present", bool(themes) and not bare, f"{len(made.refusals)} refusals, {len(themes)} themes"
    )
    counted_twice = manifest["num_train_records"] + manifest["num_val_records"]
    same = counted_twice == len(made.sft) == len(accepted) + len(made.refusals)
    work.check("manifest_matches_final_dataset", same, f"{len(made.sft)} written, {counted_twice} in the manifest")
    kinds = set(document["task_distribution"])
    work.check("taxonomy_has_three_tasks", kinds == set(TASKS), f"found {', '.join(sorted(kinds))}")
    worse = [item for item in made.pairs if item["quality_signals"]["margin"] > 0]
    work.check("rejected_candidates_present", bool(worse) and len(worse) == len(made.pairs), f"{len(worse)} pairs")
    trained = {item.text for item in made.prompts} | {str(item["metadata"]["instruction"]) for item in made.sft}
    leaked = sorted(item.text for item in hidden if any(item.act in text for text in trained))
    work.check("hidden_part_not_in_training", bool(hidden) and not leaked, f"{len(leaked)} of them are trained on")
