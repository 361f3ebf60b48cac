"""The multimodal instruction factory: a clean run, and what each of its faults turns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from servers.embedded import EmbeddedStore
from trials import PRIVACY_CONTROLS, Trial, log_stand_in, regenerated, run_trial

pytestmark = pytest.mark.integration
PROJECT = "p13_mm_instruction"
COLOURS = ("red", "blue", "green", "yellow", "purple", "orange")
CAMERAS = ("static", "pan_left", "tilt_up", "zoom_in", "unknown")


def shot(number: int) -> dict[str, Any]:
    """A shot as the video project makes them."""
    metadata = {
        "video_id": f"v{number // 3}",
        "license": "CC0-1.0",
        "page_url": f"https://example.org/{number}",
        "frame_paths": [f"frames/s{number}/f0000.png"],
        "camera_motion": CAMERAS[number % len(CAMERAS)],
        "shot_size": ("wide", "medium", "close_up")[number % 3],
        "lighting": ("normal", "low_key")[number % 2],
        "subject": ("kite", "ball", "balloon", "bell")[number % 4],
        "subject_colour": COLOURS[number % 6],
    }
    return {
        "id": f"p14:s{number}",
        "source": "a test",
        "content": f"Caption of shot {number}.",
        "metadata": metadata,
        "quality_signals": {"motion_strength": 0.6, "aesthetic_score": 5.2 if number % 10 == 0 else 7.0},
        "split": "val" if number // 3 % 5 == 0 else "train",
        "audit_trace": ["made for a test"],
    }


def picture(number: int) -> dict[str, Any]:
    """A described picture, or a transcribed note, as the image project makes them."""
    note = number % 2 == 1
    metadata: dict[str, Any] = {"asset_id": f"a{number}", "asset_type": "general_image", "license": "CC0-1.0"}
    if note:
        metadata["task_type"] = "ocr_summary"
        content = f"<image:a{number}> What does the note say?\nThe note says: NOTE {number} / TOTAL 9"
    else:
        metadata |= {"task_type": "describe", "object_counts": {"blue square": 1, "red circle": number + 1}}
        content = f"<image:a{number}> Describe the picture."
    return {
        "id": f"p03:a{number}",
        "source": "a test",
        "content": content,
        "metadata": metadata,
        "quality_signals": {},
        "split": "train",
        "audit_trace": ["made for a test"],
    }


@pytest.fixture(scope="module")
def store(module_store: EmbeddedStore, tmp_path_factory: pytest.TempPathFactory) -> EmbeddedStore:
    """A store that holds what the factory must read, and no pictures."""
    folder = tmp_path_factory.mktemp("in")
    log_stand_in("p09", "privacy_controls", PRIVACY_CONTROLS, uri=module_store.uri, to=folder)
    log_stand_in("p14", "video_shots", [shot(number) for number in range(60)], uri=module_store.uri, to=folder)
    return module_store


@pytest.fixture(scope="module")
def clean(store: EmbeddedStore) -> Trial:
    """A run without a fault."""
    return run_trial(PROJECT, store.uri)


def test_a_clean_run_is_consumable_without_pictures(clean: Trial) -> None:
    """Without a fault, and without the optional pictures, every check passes."""
    assert clean.reasons == ()
    assert clean.consumable
    assert clean.failed == frozenset()


def test_seeds_that_are_plain_or_not_measured_are_left_out(clean: Trial) -> None:
    """Of 120 seeds those of six plain shots and of twelve unknown cameras fail, none of them twice."""
    assert clean.kpis["seed_pass_rate"] == (120 - 12 - 12) / 120


def test_equal_runs_make_equal_data(clean: Trial, store: EmbeddedStore) -> None:
    """A second run writes the same bytes."""
    assert run_trial(PROJECT, store.uri).digests == clean.digests


@pytest.mark.parametrize(
    ("fault", "checks"),
    [
        ("hallucinating_writer", set()),
        ("copied_language", {"test_multilingual_expand_content"}),
        ("unsafe_unfiltered", {"gate_safety"}),
    ],
)
def test_a_fault_turns_what_it_should(store: EmbeddedStore, clean: Trial, fault: str, checks: set[str]) -> None:
    """Each fault fails the check that is there for it and no other; a worse writer lowers the judge's score."""
    spoiled = run_trial(PROJECT, store.uri, fault=fault)
    # What the filter would have caught may be personal data, which the record check finds as well.
    assert spoiled.failed - {"mm_instruction_sft.raw_personal_data"} == checks
    before, after = clean.kpis["judge_score"], spoiled.kpis["judge_score"]
    assert before is not None
    assert after is not None
    assert before > 8
    assert (after < 7) == (fault == "hallucinating_writer")


def test_pictures_join_when_they_are_there(
    store: EmbeddedStore, clean: Trial, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """With the optional pictures there are more samples, of other tasks, and the run stays consumable."""
    records = [picture(number) for number in range(12)]
    log_stand_in("p03", "multimodal_sft", records, uri=store.uri, to=tmp_path_factory.mktemp("pictures"))
    joined = run_trial(PROJECT, store.uri)
    assert joined.consumable
    assert joined.digests != clean.digests


def test_the_shipped_data_are_what_the_generator_makes(tmp_path: Path) -> None:
    """Running the generator again gives the shipped files, byte for byte."""
    files = regenerated(PROJECT, tmp_path)
    names = {"templates", "sentences", "values", "blocked", "unsafe", "writer"}
    assert set(files) == {f"{name}.json" for name in names} | {"judge_cases.jsonl"}
    assert all(shipped == made for shipped, made in files.values())
