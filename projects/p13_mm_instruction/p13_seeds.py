"""Turns records of pictures and shots into seeds: an image, and what was measured on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from p13_words import Claims

#: Below this a shot passes its own project's threshold of 5.0, but is too plain to ask questions about.
LEAST_AESTHETIC = 5.5
#: Pictures taken of each kind, so that shots and pictures weigh about the same.
MOST_PICTURES = 30
CLEAR_LICENCES = frozenset({"CC0-1.0", "CC-BY-4.0"})

#: Where the ground goes when the camera moves.
SLIDES = {
    "static": "none",
    "pan_left": "right",
    "pan_right": "left",
    "tilt_up": "down",
    "tilt_down": "up",
    "zoom_in": "outwards",
    "zoom_out": "inwards",
}


@dataclass(frozen=True, slots=True)
class Seed:
    """One question to be asked of one image: ``evidence`` is what upstream projects measured on it."""

    image: str
    task: str
    evidence: Claims
    record: str
    licence: str
    split: str
    aesthetic: float | None = None


def shot_seeds(records: Iterable[Mapping[str, Any]]) -> list[Seed]:
    """Two seeds a shot: what it shows, and how the camera moves; unmeasured tags are left out of the evidence."""
    found = []
    for record in records:
        about, scores = record["metadata"], record["quality_signals"]
        frames = about.get("frame_paths") or [""]
        shows = {
            "subject": f"{about.get('subject_colour', 'unknown')} {about.get('subject', 'unknown')}",
            "size": about.get("shot_size", "unknown"),
            "light": about.get("lighting", "unknown"),
        }
        camera = about.get("camera_motion", "unknown")
        moves = {"camera": camera, "slide": SLIDES.get(camera, "unknown")}
        for task, evidence in (("shot_desc", shows), ("shot_reason", moves)):
            found.append(
                Seed(
                    str(frames[0]),
                    task,
                    {slot: value for slot, value in evidence.items() if "unknown" not in value},
                    str(record["id"]),
                    str(about.get("license", "unknown")),
                    str(record["split"]),
                    scores.get("aesthetic_score"),
                )
            )
    return found


def picture_seeds(records: Iterable[Mapping[str, Any]]) -> list[Seed]:
    """Two seeds a described picture, one a transcribed note."""
    described: list[Seed] = []
    notes: list[Seed] = []
    for record in records:
        about = record["metadata"]
        counts = about.get("object_counts")
        common = (str(record["id"]), str(about.get("license", "unknown")), str(record["split"]))
        if about.get("task_type") == "describe" and isinstance(counts, Mapping):
            objects = "|".join(f"{count} {name}" for name, count in sorted(counts.items()))
            described.append(Seed(about["asset_id"], "picture_desc", {"objects": objects}, *common))
            total = {"objects": objects, "total": str(sum(counts.values()))}
            described.append(Seed(about["asset_id"], "picture_reason", total, *common))
        elif about.get("task_type") == "ocr_summary":
            text = str(record["content"]).rsplit("The note says: ", 1)[-1]
            notes.append(Seed(about["asset_id"], "ocr", {"text": text}, *common))
    return described[: 2 * MOST_PICTURES] + notes[:MOST_PICTURES]


def pass_seeds(seeds: Sequence[Seed], wanted: Mapping[str, Sequence[str]]) -> tuple[list[Seed], dict[str, int]]:
    """The seeds that can be asked about, and how many failed each filter.

    A seed needs an image, a clear licence, all of its task's slots measured, and, of a shot, some beauty.
    """
    failed = {"no_image": 0, "licence_unclear": 0, "not_measured": 0, "too_plain": 0}
    passed = []
    for seed in seeds:
        reason = _reason_out(seed, wanted)
        if reason:
            failed[reason] += 1
        else:
            passed.append(seed)
    return passed, failed


def _reason_out(seed: Seed, wanted: Mapping[str, Sequence[str]]) -> str:
    if not seed.image:
        return "no_image"
    if seed.licence not in CLEAR_LICENCES:
        return "licence_unclear"
    if set(wanted[seed.task]) - set(seed.evidence):
        return "not_measured"
    return "too_plain" if seed.aesthetic is not None and seed.aesthetic < LEAST_AESTHETIC else ""
