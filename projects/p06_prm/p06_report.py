"""Measures what was made: the metrics document, the data cards, the published checks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from p06_records import Supervision, bucket
from p06_seeds import Seed
from p06_traces import TRACE_TYPES
from p06_validation import Judged, claim_of
from p06_verifier import Admission, Verdict, verify_steps

from flywheel_mlflow.pipelines import Workspace

SPLITS = (("train", 0.8), ("val", 0.14), ("smoke", 0.06))
#: A reviewer reads a trace in a minute and a half; 100 RMB an hour. Both as in the published estimate (108 traces: 2.7
#: hours, 270 RMB).
MINUTES_PER_TRACE, RMB_PER_HOUR = 1.5, 100.0
CHARACTERS_PER_TOKEN = 4


def hidden_outcomes(cases: Sequence[Mapping[str, Any]], admission: Admission) -> dict[str, bool]:
    """Whether the verifier judges each hidden step rightly; one it does not read is decided by nobody, so it is not."""
    verdicts = verify_steps([case["text"] for case in cases], admission.rules)
    return {
        case["id"]: verdict is (Verdict.RIGHT if case["valid"] else Verdict.WRONG)
        for verdict, case in zip(verdicts, cases, strict=True)
    }


def hidden_figures(
    cases: Sequence[Mapping[str, Any]], right: Mapping[str, bool], admission: Admission
) -> dict[str, Any]:
    """What the outcomes of the hidden steps come to, and which rules gave them."""
    return {
        "hidden_count": len(cases),
        "hidden_accuracy": rate(sum(right.values()), len(cases)),
        "hidden_right_by_form": counts(case["form"] for case in cases if right[case["id"]]),
        "rules": [rule.name for rule in admission.rules],
        "rules_refused": dict(admission.refused),
    }


def unexpected(judged: Sequence[Judged]) -> dict[str, str]:
    """In words, the traces whose validation ends otherwise than it should, by id: mostly steps no rule reads."""
    return {item.trace.id: _why(item) for item in judged if not item.as_expected}


def _why(item: Judged) -> str:
    for number, step in enumerate(item.trace.steps):
        if step.kind == "error" and item.verdicts[number] is Verdict.UNREAD:
            form = item.trace.seed.steps[number].form
            return f"{form} step unread: {claim_of(step)}"
    return f"{item.trace.trace_type} trace: {item.reason}"


def rate(part: int, whole: int) -> float | None:
    """A share, None when there is nothing to have a share of."""
    return part / whole if whole else None


def counts(values: Iterable[str]) -> dict[str, int]:
    """How often each value occurs, by name."""
    return dict(sorted(Counter(values).items()))


def document(
    seeds: Sequence[Seed],
    judged: Sequence[Judged],
    steps: Supervision,
    records: Sequence[Mapping[str, Any]],
    hidden: Mapping[str, Any],
) -> dict[str, Any]:
    """The metrics document, with the published nesting."""
    by_type = {name: [item for item in judged if item.trace.trace_type == name] for name in TRACE_TYPES}
    passed = {name: sum(item.passed for item in items) for name, items in by_type.items()}
    splits = Counter(record["split"] for record in records)
    hours = len(judged) * MINUTES_PER_TRACE / 60
    return {
        "seed_count": len(seeds),
        "seed_sources": counts(seed.source for seed in seeds),
        "trace_count": len(judged),
        "step_count": steps.steps,
        "domain_distribution": counts(item.trace.seed.domain for item in judged),
        "trace_type_distribution": {name: len(items) for name, items in by_type.items()},
        "reward_bucket_distribution": counts(bucket(item.score) for item in judged),
        "expected_outcome_rate": rate(sum(item.as_expected for item in judged), len(judged)),
        "passed_rate": rate(sum(passed.values()), len(judged)),
        "positive_trace_pass_rate": rate(passed["positive"], len(by_type["positive"])),
        "repair_trace_pass_rate": rate(passed["repair"], len(by_type["repair"])),
        "label_noise": {"count": passed["negative"], "rate": rate(passed["negative"], len(by_type["negative"]))},
        "outcome_only_supervision_count": sum(item.mode == "outcome_only" for item in judged),
        "process_supervision_only_signal_steps": steps.process_only,
        "unconfirmed_steps": steps.unconfirmed,
        "conflicting_contents": steps.conflicting,
        "verifier": dict(hidden),
        "training_manifest": {
            "num_records": len(records),
            **{f"num_{split}_records": splits[split] for split, _ in SPLITS},
            "label_distribution": counts(str(record["metadata"]["label"]) for record in records),
            "estimated_tokens_total": sum(len(record["content"]) // CHARACTERS_PER_TOKEN for record in records),
        },
        "estimated_manual_review_hours": round(hours, 2),
        "estimated_manual_review_cost_rmb": round(hours * RMB_PER_HOUR, 2),
    }


def step_card(steps: Supervision, seeds: int, kept: int) -> dict[str, Any]:
    """The card of ``prm_supervision``."""
    confirmed = steps.steps - steps.unconfirmed
    return {
        "format_version": 1,
        "title": "Step-level rewards of reasoning traces",
        "description": "Each record is a problem, the steps so far and one step to judge, with its reward as a label.",
        "source": "problems.jsonl of this project; verified lessons, code examples and picture counts of p04 and p03",
        "licence": "CC0-1.0",
        "filters": [
            {
                "rule": "the problem holds personal data, or stands in the SFT corpus",
                "constant": "pii_rules of privacy_controls",
                "rows_in": seeds,
                "rows_out": kept,
                "reason": "rewards cannot be taken back, and must not be trained on what was learnt by heart",
            },
            {
                "rule": "execution does not confirm the step's label",
                "constant": "relative tolerance 1e-6",
                "rows_in": steps.steps,
                "rows_out": confirmed,
                "reason": "a label nobody confirmed is a guess; a step no rule reads is unknown, not right",
            },
            {
                "rule": "same problem, beginning and step as another record, or one with the other label",
                "constant": f"{steps.conflicting} contents with both labels",
                "rows_in": confirmed,
                "rows_out": len(steps.samples),
                "reason": "the three traces of a problem share their beginnings; contradictions teach nothing",
            },
        ],
        "hazards": [
            "errors are made by rule: real models err in other ways",
            "a code step counts as right when one completion, the reference, saves what was written so far",
        ],
    }


def feedback_card(judged: Sequence[Judged], failed: Sequence[Judged]) -> dict[str, Any]:
    """The card of ``reasoning_feedback``."""
    return {
        "format_version": 1,
        "title": "Traces that failed validation, with the reason",
        "source": "the judged traces of this project",
        "licence": "CC0-1.0",
        "filters": [
            {
                "rule": "the trace passed, and its type says it should",
                "constant": None,
                "rows_in": len(judged),
                "rows_out": len(failed),
                "reason": "there is nothing to learn from it here",
            }
        ],
        "hazards": ["most of these traces were corrupted on purpose; metadata.trace_type says which"],
    }


def seeds_by_split(records: Iterable[Mapping[str, Any]]) -> dict[str, set[str]]:
    """The problems each split holds."""
    found: dict[str, set[str]] = {}
    for record in records:
        found.setdefault(record["split"], set()).add(record["metadata"]["seed"])
    return found


def log_checks(
    work: Workspace,
    records: Sequence[Mapping[str, Any]],
    found: Mapping[str, Any],
    written: int,
) -> None:
    """The published checks, on what was made and written."""
    domains, manifest = found["domain_distribution"], found["training_manifest"]
    work.check("both_domains_present", set(domains) == {"math", "code"}, f"found {', '.join(domains)}")
    types = found["trace_type_distribution"]
    work.check(
        "trace_types_present", all(types.values()), ", ".join(f"{count} {name}" for name, count in types.items())
    )
    labels = manifest["label_distribution"]
    work.check("step_labels_cover_both_classes", set(labels) == {"0", "1"}, f"found {labels}")
    buckets = found["reward_bucket_distribution"]
    work.check("reward_buckets_present", len(buckets) == 3, f"found {', '.join(buckets)}")
    shown = seeds_by_split(records)
    both = shown.get("train", set()) & shown.get("val", set())
    work.check("train_val_no_overlap", not both and {"train", "val"} <= set(shown), f"{len(both)} problems are in both")
    smoke = {record["metadata"]["domain"] for record in records if record["split"] == "smoke"}
    work.check("smoke_covers_both_domains", smoke == {"math", "code"}, f"found {', '.join(sorted(smoke))}")
    counted = Counter(record["split"] for record in records)
    same = written == manifest["num_records"] == sum(manifest[f"num_{split}_records"] for split, _ in SPLITS)
    work.check("manifest_matches_final_count", same and sum(counted.values()) == written, f"{written} records written")
