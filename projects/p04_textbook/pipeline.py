"""Makes a textbook of exercises whose answers were verified by running them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from p04_curriculum import Topic, order_topics, teaching_order
from p04_lessons import Exercise, code_lesson, fill, math_lesson
from p04_reading import Library
from p04_records import LICENCE, Lesson, example_record, lesson_record
from p04_results import log_checks, metrics
from p04_verification import Verdict, verify

from flywheel_mlflow.base.canonical import short_digest
from flywheel_mlflow.pipelines import Workspace, main, read_jsonl
from flywheel_mlflow.records import content_digest
from flywheel_mlflow.records.personal import find_personal_data

FAULTS = {
    "wrong_answers": "every fifth reference answer is off by one (label noise): the verification pass rate falls",
    "split_by_record": "lessons are split one by one, not by seed: train_val_no_overlap fails",
    "open_template": "one seed's template keeps its placeholder: quality_has_no_failures fails",
    "no_math": "mathematical exercises are lost on the way (a missing domain): both_domains_present fails",
}

VALIDATION_SHARE = 0.1
SMOKE_PER_DOMAIN = 4
#: What the privacy rules call the kinds our detectors find.
RULE_OF_KIND = {
    "email": "email",
    "phone_number": "phone",
    "mobile_number": "phone",
    "resident_id": "ssn",
    "iban": "bank_account",
    "credit_card": "bank_account",
}


def read_exercises(work: Workspace) -> list[Exercise]:
    """Every exercise of the sample data, with the faults of their source."""
    seeds = {row["seed"]: row for row in read_jsonl(work.data / "seeds.jsonl")}
    found = [fill(seeds[row["seed"]], row) for row in read_jsonl(work.data / "exercises.jsonl")]
    if work.fault == "no_math":
        found = [item for item in found if item.domain != "math"]
    if work.fault == "open_template":
        seed = found[0].seed
        found = [replace(item, question=seeds[seed]["question"]) if item.seed == seed else item for item in found]
    if work.fault == "wrong_answers":
        found = [_off_by_one(item) if place % 5 == 0 else item for place, item in enumerate(found)]
    return found


def _off_by_one(exercise: Exercise) -> Exercise:
    if exercise.domain == "math":
        return replace(exercise, reference=str(int(exercise.reference) + 1))
    return replace(exercise, tests=(*exercise.tests[:-1], exercise.tests[-1].replace(" == ", " != ")))


def split_of(work: Workspace, exercises: Sequence[Exercise]) -> dict[str, str]:
    """The split of each exercise by id: all that comes of one seed is in one, and both hold both domains."""
    groups: dict[str, str] = {}
    for domain in sorted({item.domain for item in exercises}):
        seeds = sorted({item.seed for item in exercises if item.domain == domain})
        work.random("split", domain).shuffle(seeds)
        held_out = round(len(seeds) * VALIDATION_SHARE)
        groups |= {seed: "val" if place < held_out else "train" for place, seed in enumerate(seeds)}
    if work.fault == "split_by_record":
        rng = work.random("split by record")
        return {item.id: "val" if rng.random() < VALIDATION_SHARE else "train" for item in exercises}
    return {item.id: groups[item.seed] for item in exercises}


def forbidden_kinds(controls: Mapping[str, Any]) -> frozenset[str]:
    """The kinds of personal data the privacy controls have a rule for; all kinds when they name no rules."""
    rules = controls.get("pii_rules")
    return frozenset(kind for kind, rule in RULE_OF_KIND.items() if rules is None or {kind, rule} & set(rules))


def is_private(exercise: Exercise, forbidden: frozenset[str]) -> bool:
    """Whether an exercise holds personal data of a forbidden kind, in the question or in its program."""
    given = {"question": exercise.question, "program": exercise.program, "tests": list(exercise.tests)}
    return any(kind in forbidden for _, kind in find_personal_data(given))


def teach(work: Workspace, verified: Sequence[tuple[Exercise, Verdict]], topics: Mapping[str, Topic]) -> list[Lesson]:
    """The lessons of verified exercises, in order of teaching."""
    splits = split_of(work, [exercise for exercise, _ in verified])
    lessons = [
        Lesson(
            exercise,
            verdict,
            topics[exercise.topic],
            math_lesson(exercise, verdict.values) if exercise.domain == "math" else code_lesson(exercise),
            splits[exercise.id],
        )
        for exercise, verdict in verified
    ]
    return sorted(lessons, key=lambda item: teaching_order(item.topic, item.exercise.difficulty, item.exercise.id))


def build(work: Workspace) -> None:
    """Fill, run, compare, order, write, measure."""
    paths = {name: work.input_path(name) for name in ("foundation_corpus", "privacy_controls")}
    corpus_file, controls_file = paths["foundation_corpus"], paths["privacy_controls"]
    library = Library(list(read_jsonl(corpus_file)) if corpus_file else [])
    controls = json.loads(controls_file.read_text(encoding="utf-8")) if controls_file else {}
    exercises = read_exercises(work)
    known = library.holds({item.question for item in exercises})
    unseen = [item for item in exercises if item.question not in known]
    forbidden = forbidden_kinds(controls)
    drafts = [item for item in unseen if not is_private(item, forbidden)]
    verdicts = verify(drafts)
    verified = [(item, verdict) for item, verdict in zip(drafts, verdicts, strict=True) if verdict.verified]
    topics = order_topics(read_jsonl(work.data / "topics.jsonl"))
    lessons = teach(work, verified, topics)

    notes = _filters(len(exercises), len(unseen), len(drafts), len(lessons))
    records = [lesson_record(lesson, place, library) for place, lesson in enumerate(lessons, start=1)]
    work.write_records("teaching_corpus", records, card=_card("Verified lessons in curriculum order", notes))
    examples = [example_record(lesson) for lesson in lessons if lesson.exercise.domain == "code"]
    work.write_records("verified_code_examples", examples, card=_card("Code lessons that ran and passed", notes))

    document = metrics(drafts, verdicts, lessons, records, smoke_ids(work, records))
    work.log_document(document)
    log_checks(work, document, drafts, lessons, records, examples, topics)
    regressed = _regressed(work, [short_digest(content_digest(path)) for path in paths.values() if path])
    work.check(
        "inputs_not_regressed", not regressed, f"{len(regressed)} inputs were called regressed", digests=regressed
    )


def _regressed(work: Workspace, digests: Sequence[str]) -> list[str]:
    """The inputs that the platform's control plane of the iteration before calls regressed."""
    path = work.input_path("platform_control_plane")
    plane = json.loads(path.read_text(encoding="utf-8")) if path else {}
    regressed = {item.get("digest") for item in plane.get("regressed_versions") or []}
    return [digest for digest in digests if digest in regressed]


def _filters(read: int, unseen: int, drafts: int, lessons: int) -> list[dict[str, Any]]:
    return [
        {
            "rule": "the question stands in the foundation corpus",
            "constant": "word for word",
            "rows_in": read,
            "rows_out": unseen,
            "reason": "what was pretrained on is remembered, not learned",
        },
        {
            "rule": "holds personal data of a kind the privacy rules name",
            "constant": "pii_rules of privacy_controls",
            "rows_in": unseen,
            "rows_out": drafts,
            "reason": "no exercise needs a person's data",
        },
        {
            "rule": "execution does not confirm the reference, or the tests cannot fail",
            "constant": "exact answer; all tests; 0.5 s of processor time",
            "rows_in": drafts,
            "rows_out": lessons,
            "reason": "a wrong lesson teaches its mistake",
        },
    ]


def _card(title: str, filters: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "format_version": 1,
        "title": title,
        "description": "Exercises drawn from seeds; programs were run, answers compared with independent references.",
        "source": "seeds.jsonl and exercises.jsonl of this project, made by data/generate.py",
        "licence": LICENCE,
        "filters": filters,
        "hazards": [
            "exercises of one seed differ in their numbers only: split and deduplicate by metadata.seed",
            "verified means the answer is right; whether the lesson teaches well is for people to say",
        ],
    }


def smoke_ids(work: Workspace, records: Sequence[Mapping[str, Any]]) -> list[str]:
    """A few training lessons of each domain, for a trial run of the training."""
    chosen: list[str] = []
    for domain in sorted({record["metadata"]["domain"] for record in records}):
        names = [
            record["id"] for record in records if record["metadata"]["domain"] == domain and record["split"] == "train"
        ]
        chosen += work.random("smoke", domain).sample(names, min(SMOKE_PER_DOMAIN, len(names)))
    return sorted(chosen)


if __name__ == "__main__":
    main(__file__, build, FAULTS)
