"""Writes down what was made: data card, figures against the known truth, acceptance conditions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from math import hypot
from pathlib import Path
from typing import Any

from p14_frames import ZOOM_LEAST, ZOOM_PER_SPEED, Video
from p14_measure import CAMERA_TAGS, HALF_SPEED, LIGHT_TAGS, SIZE_TAGS, matched_cuts
from p14_shots import (
    AESTHETIC_THRESHOLD,
    CAPTION_MIN_WORDS,
    CLEAR_LICENCES,
    MOTION_THRESHOLD,
    Shot,
    times_match,
)

from flywheel_mlflow.pipelines import Workspace, read_jsonl

#: Shots compared with the known truth, in place of the person of the published project.
SPOT_CHECKS = 30
#: A reviewer looks at a shot for half a minute; 120 RMB an hour: as p03's published estimate has it for a picture.
MINUTES_PER_SHOT, RMB_PER_HOUR = 0.5, 120.0


def data_card(shots: Sequence[Shot], reasons: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """The card of ``video_shots``: its filters one after the other, in the order a shot meets them."""
    rules = (
        ("licence_unclear", ", ".join(sorted(CLEAR_LICENCES)), "nobody may train on footage whose terms are unclear"),
        ("people_without_release", "media_rules of privacy_controls", "people in a picture have a say in its use"),
        ("motion_below_threshold", MOTION_THRESHOLD, "a still picture teaches a video model nothing about motion"),
        ("aesthetic_below_threshold", AESTHETIC_THRESHOLD, "flat or dark shots lower what a model generates"),
    )
    filters, left = [], list(shots)
    for rule, constant, reason in rules:
        kept = [shot for shot in left if rule not in reasons[shot.id]]
        filters.append(
            {"rule": rule, "constant": constant, "rows_in": len(left), "rows_out": len(kept), "reason": reason}
        )
        left = kept
    return {
        "format_version": 1,
        "title": "Captioned shots with motion, aesthetics and shot language",
        "description": "Frames are named by path and digest of their pixels; each record states its source's licence.",
        "source": "videos.jsonl of this project, rendered by its pipeline",
        "licence": "CC-BY-4.0",
        "filters": filters,
        "hazards": [
            "rendered footage of one subject over one ground: nothing about real footage follows from it",
            "neighbouring shots that look alike are found as one; cut_recall says how often",
            "the licences of the records differ; the card names the strictest of them",
        ],
    }


def document(
    work: Workspace,
    videos: Sequence[Video],
    shots: Sequence[Shot],
    reasons: Mapping[str, tuple[str, ...]],
    final: Sequence[Shot],
    records: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """The metrics document."""
    passing = [shot.motion.strength >= MOTION_THRESHOLD for shot in shots]
    known = [known_motion(shot) for shot in shots]
    short = sum(record["quality_signals"]["caption_words"] < CAPTION_MIN_WORDS for record in records)
    unknown = sum(shot.motion.camera == "unknown" for shot in final)
    durations = [shot.span.length / shot.video.fps for shot in final]
    hours = len(shots) * MINUTES_PER_SHOT / 60
    return {
        "source_count": len(videos),
        "shot_count": len(final),
        "shot_duration_s": {"min": min(durations, default=None), "max": max(durations, default=None)},
        "cuts": cut_figures(videos, shots),
        "motion": {
            "count": len(shots),
            "pass_rate": rate(sum(passing), len(shots)),
            "agreement_with_known": rate(sum(a == b for a, b in zip(passing, known, strict=True)), len(shots)),
        },
        "aesthetic": {
            "count": len(shots),
            "pass_rate": rate(sum(shot.aesthetic >= AESTHETIC_THRESHOLD for shot in shots), len(shots)),
        },
        "caption": {"count": len(records), "short_rate": rate(short, len(records))},
        "shot_language": {
            "count": len(final),
            "unknown_rate": rate(unknown, len(final)),
            "camera_accuracy": rate(sum(shot.motion.camera == known_camera(shot) for shot in final), len(final)),
        },
        "failed_status": dict(sorted(Counter(name for found in reasons.values() for name in found).items())),
        "licences": dict(sorted(Counter(record["metadata"]["license"] for record in records).items())),
        "spot_check": spot_check(work, final),
        "estimated_manual_review_hours": round(hours, 2),
        "estimated_manual_review_cost_rmb": round(hours * RMB_PER_HOUR, 2),
    }


def rate(part: int, whole: int) -> float | None:
    """A share, None when there is nothing to have a share of."""
    return part / whole if whole else None


def cut_figures(videos: Iterable[Video], shots: Iterable[Shot]) -> dict[str, Any]:
    """Found cuts against the known ones; a cut is the first frame of a shot, the first shot begins with none."""
    starts: dict[str, list[int]] = {}
    for shot in shots:
        starts.setdefault(shot.video.id, []).append(shot.span.start)
    known = found = matched = 0
    for video in videos:
        cuts = [start for start in starts.get(video.id, []) if start > 0]
        known, found = known + len(video.cuts), found + len(cuts)
        matched += matched_cuts(video.cuts, cuts)
    return {
        "known": known,
        "found": found,
        "matched": matched,
        "recall": rate(matched, known),
        "precision": rate(matched, found),
    }


def known_shot(shot: Shot) -> Mapping[str, Any]:
    """The described shot in the middle of a found one."""
    return shot.video.shot_at((shot.span.start + shot.span.end) // 2)


def known_camera(shot: Shot) -> str:
    """How the description has the camera move; footage that drifted from it disagrees, which is the point."""
    return str(known_shot(shot)["camera"])


def known_motion(shot: Shot) -> bool:
    """Whether the described camera crosses the frame at the speed that passes.

    Zooms are described by scale, not by speed: a quarter's middle, a quarter frame from the centre, moves by that
    share of the scale's change.
    """
    known = known_shot(shot)
    if known["camera"].startswith("zoom"):
        about = shot.video.about
        pixels = (ZOOM_LEAST + ZOOM_PER_SPEED * known["speed"]) * hypot(about["width"], about["height"]) / 4
    else:
        pixels = known["speed"]
    return bool(pixels * shot.video.fps / shot.video.about["width"] >= HALF_SPEED)


def spot_check(work: Workspace, final: Sequence[Shot]) -> dict[str, Any]:
    """A sample of shots against the known truth: whole known shots, the right camera, the source's licence."""
    chosen = work.random("spot check").sample(list(final), min(SPOT_CHECKS, len(final)))
    good = 0
    for shot in chosen:
        borders = (0, *shot.video.cuts, len(shot.video.frames))
        whole = any(
            abs(shot.span.start - start) <= 1 and abs(shot.span.end - end) <= 1 for start, end in pairwise(borders)
        )
        good += whole and shot.motion.camera == known_camera(shot) and shot.licence in CLEAR_LICENCES
    return {"sample_size": len(chosen), "pass_rate": rate(good, len(chosen))}


def log_checks(
    work: Workspace, videos: Sequence[Video], shots: Sequence[Shot], records: Sequence[Mapping[str, Any]]
) -> None:
    """The four published acceptance conditions, on what was written and on files read back."""
    by_id = {video.id: video for video in videos}
    lost = [record["id"] for record in records if not traceable(record, by_id)]
    work.check(
        "shots_traceable_to_source_and_licence", bool(records) and not lost, f"{len(lost)} lost", examples=lost[:5]
    )
    wrong = [record["id"] for record in records if not times_match(record, by_id[record["metadata"]["video_id"]])]
    home = work.folder / "interfaces" / "video_shots"
    unlike = unlike_files(home, records)
    message = f"{len(wrong)} records with other times or frames, {len(unlike)} files unlike their digest"
    work.check("paths_times_and_frames_match_files", not wrong and not unlike, message, examples=(wrong + unlike)[:5])
    bad = [record.get("id") for record in read_jsonl(home / "video_shots.jsonl") if not readable(record)]
    work.check("shot_fields_readable_downstream", not bad, f"{len(bad)} unreadable", examples=bad[:5])
    kept = [record["id"] for record in records if record["metadata"]["license"] not in CLEAR_LICENCES]
    low = [
        record["id"]
        for record in records
        if record["quality_signals"]["motion_strength"] < MOTION_THRESHOLD
        or record["quality_signals"]["aesthetic_score"] < AESTHETIC_THRESHOLD
    ]
    message = f"{len(kept)} of unclear licence, {len(low)} of low quality, of {len(shots)} shots"
    work.check("low_quality_and_unclear_licence_excluded", not kept and not low, message, examples=(kept + low)[:5])


def traceable(record: Mapping[str, Any], videos: Mapping[str, Video]) -> bool:
    """Whether a record leads to a source video with the same page, author and licence."""
    video = videos.get(record["metadata"]["video_id"])
    if video is None or not record["id"].startswith(f"p14:{video.id}-s"):
        return False
    about, stated = video.about, record["metadata"]
    return bool(
        stated["page_url"] == about["page_url"]
        and stated["author_name"] == about["author_name"]
        and stated["license"] == (about["license"] or "unknown")
    )


def unlike_files(folder: Path, records: Sequence[Mapping[str, Any]]) -> list[str]:
    """The frames whose written files, below the interface's folder, hold other pixels than their records say."""
    import numpy as np
    from p14_frames import frame_digest
    from PIL import Image

    unlike = []
    for record in records:
        about = record["metadata"]
        for place, digest in zip(about["frame_paths"], about["frame_sha256"], strict=True):
            if frame_digest(np.asarray(Image.open(folder / place))) != digest:
                unlike.append(place)
    return unlike


def readable(record: Mapping[str, Any]) -> bool:
    """Whether a written record has the tags and scores a consumer relies on, in their vocabularies and ranges."""
    about, scores = record.get("metadata", {}), record.get("quality_signals", {})
    return (
        about.get("camera_motion") in CAMERA_TAGS
        and about.get("shot_size") in SIZE_TAGS
        and about.get("lighting") in LIGHT_TAGS
        and bool(about.get("frame_paths"))
        and isinstance(record.get("content"), str)
        and 0 <= scores.get("motion_strength", -1) <= 1
        and 0 <= scores.get("aesthetic_score", -1) <= 10
    )
