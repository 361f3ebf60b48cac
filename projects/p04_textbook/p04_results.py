"""Measures what the factory made: the metrics document, the published checks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from p04_curriculum import Topic, books, taught_too_early
from p04_lessons import Exercise, audit, tokens_in
from p04_records import Lesson
from p04_verification import Verdict

from flywheel_mlflow.pipelines import Workspace

#: The check on the pass rate allows what public problem sets are wrong by, and a little more.
REASONABLE_PASS_RATE = 0.95
#: A reviewer reads a lesson in three minutes; 100 RMB an hour. Both as in the published estimate (48 lessons: 2.4
#: hours, 240 RMB).
MINUTES_PER_LESSON, RMB_PER_HOUR = 3.0, 100.0


def metrics(
    drafts: Sequence[Exercise],
    verdicts: Sequence[Verdict],
    lessons: Sequence[Lesson],
    records: Sequence[Mapping[str, Any]],
    smoke: Sequence[str],
) -> dict[str, Any]:
    """The metrics document, with the published nesting."""
    hours = len(lessons) * MINUTES_PER_LESSON / 60
    splits = Counter(record["split"] for record in records)
    failed = [record["id"] for record in records if audit(str(record["content"]))]
    mutants, rejected = (sum(getattr(item, name) for item in verdicts) for name in ("mutants", "rejected"))
    volumes = books((lesson.topic.volume, lesson.exercise.topic) for lesson in lessons)
    return {
        "seed_count": len({item.seed for item in drafts}),
        "synthesized_count": len(drafts),
        "verified_count": len(lessons),
        "verification_failure_count": len(drafts) - len(lessons),
        "verification_pass_rate": len(lessons) / len(drafts) if drafts else None,
        "verification_failures": [
            {"id": item.id, "reason": verdict.reason}
            for item, verdict in zip(drafts, verdicts, strict=True)
            if not verdict.verified
        ][:20],
        "domain_distribution": _counts(lesson.exercise.domain for lesson in lessons),
        "topic_distribution": _counts(lesson.exercise.topic for lesson in lessons),
        "difficulty_distribution": _counts(lesson.exercise.difficulty for lesson in lessons),
        "mutants_rejected_rate": rejected / mutants if mutants else None,
        "training_manifest": {
            "num_records": len(records),
            "num_train_records": splits["train"],
            "num_val_records": splits["val"],
            "num_smoke_records": len(smoke),
            "smoke_ids": list(smoke),
            "estimated_tokens_total": sum(tokens_in(str(record["content"])) for record in records),
        },
        "quality_summary": {
            "total_records": len(records),
            "passed_records": len(records) - len(failed),
            "failed_records": len(failed),
            "failed_ids": failed[:20],
        },
        "num_books": len(volumes),
        "curriculum_volumes": {str(volume): chapters for volume, chapters in volumes.items()},
        "estimated_manual_review_hours": round(hours, 2),
        "estimated_manual_review_cost_rmb": round(hours * RMB_PER_HOUR, 2),
    }


def _counts(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))


def log_checks(
    work: Workspace,
    document: Mapping[str, Any],
    drafts: Sequence[Exercise],
    lessons: Sequence[Lesson],
    records: Sequence[Mapping[str, Any]],
    examples: Sequence[Mapping[str, Any]],
    topics: Mapping[str, Topic],
) -> None:
    """The published checks, on what was written."""
    manifest, domains = document["training_manifest"], set(document["domain_distribution"])
    broken = [item.id for item in drafts if not _compiles("\n".join([item.program, *item.tests]))]
    work.check("py_compile", not broken, f"{len(broken)} programs do not compile", examples=broken[:5])
    work.check("both_domains_present", domains == {"math", "code"}, f"found {', '.join(sorted(domains))}")
    work.check("curriculum_has_two_volumes", document["num_books"] == 2, f"{document['num_books']} volumes are books")
    rate = document["verification_pass_rate"]
    good = rate is not None and rate >= REASONABLE_PASS_RATE
    work.check("verification_pass_rate_reasonable", good, f"{rate}, at least {REASONABLE_PASS_RATE} is asked for")
    seeds = {split: {r["metadata"]["seed"] for r in records if r["split"] == split} for split in ("train", "val")}
    both = seeds["train"] & seeds["val"]
    work.check("train_val_no_overlap", not both and all(seeds.values()), f"{len(both)} seeds are in both")
    smoke = {record["metadata"]["domain"] for record in records if record["id"] in set(manifest["smoke_ids"])}
    work.check("smoke_covers_both_domains", smoke == {"math", "code"}, f"found {', '.join(sorted(smoke))}")
    summary = document["quality_summary"]
    work.check(
        "quality_has_no_failures",
        summary["failed_records"] == 0 < summary["total_records"],
        f"{summary['failed_records']} of {summary['total_records']} lessons are flagged",
        examples=summary["failed_ids"][:5],
    )
    counted = manifest["num_train_records"] + manifest["num_val_records"]
    coded = sum(lesson.exercise.domain == "code" for lesson in lessons)
    same = len(records) == manifest["num_records"] == counted and len(examples) == coded
    work.check("manifest_matches_final_count", same, f"{len(records)} written, {counted} in the splits")
    early = taught_too_early(topics, [lesson.exercise.topic for lesson in lessons])
    work.check("prerequisites_come_first", not early, f"{len(early)} topics come too early", topics=early)


def _compiles(program: str) -> bool:
    try:
        compile(program, "<lesson>", "exec")
    except SyntaxError:
        return False
    return True
