"""Logs the published tests and gates: on the words, on known cases, on what was written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from p13_judge import PASS_CONSISTENCY, PASS_SCORE, SLOTS, judge, unsafe
from p13_samples import Sample, as_record, in_both_languages
from p13_seeds import CLEAR_LICENCES, pass_seeds, shot_seeds
from p13_words import LANGUAGES, Words, han_share
from p13_writer import Tally, Writer, answer

from flywheel_mlflow.pipelines import Workspace, read_jsonl

#: Share of Han letters a Chinese variant needs, and an English one must stay below.
CHINESE, ENGLISH = 0.5, 0.1


def log_checks(
    work: Workspace,
    words: Words,
    samples: Sequence[Sample],
    records: Sequence[Mapping[str, Any]],
    controls: Mapping[str, object],
    sources: set[str],
) -> None:
    """The published tests and gates, on the words, on known cases, and on what was written."""
    check_templates(work, words, samples)
    check_judge(work, words, list(read_jsonl(work.data / "judge_cases.jsonl")))
    check_languages(work, words, samples)
    bad = [record["id"] for record in records if not packed(record)]
    work.check("test_pack_format", bool(records) and not bad, f"{len(bad)} badly packed", examples=bad[:5])
    check_mock(work, words, controls)
    lost = [
        record["id"]
        for record in records
        if record["source"]["record"] not in sources or record["metadata"]["license"] not in CLEAR_LICENCES
    ]
    work.check(
        "gate_source", bool(records) and not lost, f"{len(lost)} of unknown source or licence", examples=lost[:5]
    )
    low = [
        record["id"]
        for record in records
        if record["quality_signals"]["judge_score"] < PASS_SCORE
        or record["quality_signals"]["consistency_score"] < PASS_CONSISTENCY
    ]
    work.check("gate_quality", bool(records) and not low, f"{len(low)} below the limits", examples=low[:5])
    found = [record["id"] for record in records if unsafe(record["content"], words, controls)]
    work.check("gate_safety", not found, f"{len(found)} unsafe samples", examples=found[:5])


def check_templates(work: Workspace, words: Words, samples: Sequence[Sample]) -> None:
    """Every task has several questions in every language, and the samples use more than one of them."""
    lacking = [
        f"{task}/{language}"
        for task in SLOTS
        for language in LANGUAGES
        if len(set(words.templates.get(task, {}).get(language, ()))) < 2
    ]
    work.check("test_instruction_templates_exist", not lacking, f"lacking: {', '.join(lacking) or 'none'}")
    groups = {"desc": ("shot_desc", "picture_desc"), "reason": ("shot_reason", "picture_reason"), "ocr": ("ocr",)}
    for name, tasks in groups.items():
        asked = {item.question for item in samples if item.answered.seed.task in tasks}
        there = {item.answered.seed.task for item in samples} & set(tasks)
        if there:
            # Without images of the kind (multimodal_sft is optional) there is nothing to ask.
            work.check(f"test_instruction_random_prompt_{name}", len(asked) > 1, f"{len(asked)} different questions")


def check_judge(work: Workspace, words: Words, cases: Sequence[Mapping[str, Any]]) -> None:
    """The judge lets in the good cases and keeps out the bad ones."""
    scores = {
        case["id"]: judge(words, case["task"], case["evidence"], case["response"], "en") >= PASS_SCORE for case in cases
    }
    for name, wanted in (("test_llm_judge_filter_out", False), ("test_llm_judge_filter_in", True)):
        mine = [case["id"] for case in cases if case["let_in"] is wanted]
        wrong = [case for case in mine if scores[case] is not wanted]
        work.check(name, bool(mine) and not wrong, f"{len(wrong)} of {len(mine)} judged otherwise", examples=wrong[:5])


def check_languages(work: Workspace, words: Words, samples: Sequence[Sample]) -> None:
    """Each question has both languages; the variants are in different scripts and claim the same."""
    pairs: dict[tuple[str, str], dict[str, Sample]] = {}
    for sample in samples:
        seed = sample.answered.seed
        pairs.setdefault((seed.record, seed.task), {})[sample.language] = sample
    single = [key[0] for key, found in pairs.items() if set(found) != set(LANGUAGES)]
    work.check("test_multilingual_expand", bool(pairs) and not single, f"{len(single)} in one language only")
    alike = [key[0] for key, found in pairs.items() if not differ(words, found)]
    message = f"{len(alike)} of {len(pairs)} variants do not differ in script or claim something else"
    work.check("test_multilingual_expand_content", bool(pairs) and not alike, message, examples=alike[:5])


def differ(words: Words, found: Mapping[str, Sample]) -> bool:
    """Whether two variants are in their own scripts and claim the same."""
    if set(found) != set(LANGUAGES):
        return False
    english, chinese = found["en"], found["zh"]
    slots = SLOTS[english.answered.seed.task]
    same = words.claims_in(english.response, slots, "en") == words.claims_in(chinese.response, slots, "zh")
    return same and han_share(chinese.response) >= CHINESE and han_share(english.response) < ENGLISH


def packed(record: Mapping[str, Any]) -> bool:
    """Whether a record is packed as the trainer reads it: an image, a human turn that shows it, a reply."""
    turns = record["metadata"]["conversations"]
    return (
        bool(record["metadata"]["image"])
        and [turn["from"] for turn in turns] == ["human", "gpt"]
        and turns[0]["value"].startswith("<image>")
        and all(turn["value"].strip() for turn in turns)
        and record["content"].endswith(turns[1]["value"])
    )


def check_mock(work: Workspace, words: Words, controls: Mapping[str, object]) -> None:
    """A faultless writer on two invented shots gives both shots, both questions, both languages."""
    shots = [
        {
            "id": f"mock:{number}",
            "metadata": {
                "frame_paths": [f"frames/mock-{number}.png"],
                "subject_colour": colour,
                "subject": "kite",
                "shot_size": "wide",
                "lighting": "normal",
                "camera_motion": camera,
                "license": "CC0-1.0",
            },
            "quality_signals": {"aesthetic_score": 7.0},
            "split": "train",
        }
        for number, (colour, camera) in enumerate((("red", "pan_left"), ("blue", "static")))
    ]
    passed, _ = pass_seeds(shot_seeds(shots), SLOTS)
    writer = Writer(words, dict.fromkeys(words.writer, 0.0))
    answered = [answer(writer, seed, controls, Tally(), work.random("mock", seed.record, seed.task)) for seed in passed]
    samples = [sample for item in answered if item.response for sample in in_both_languages(work, words, item)]
    wanted = len(shots) * 2 * len(LANGUAGES)
    good = len(samples) == wanted and all(packed(as_record(sample)) for sample in samples)
    work.check("test_end_to_end_mock", good, f"{len(samples)} samples of {wanted}")
