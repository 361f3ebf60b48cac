"""Cuts rendered videos into shots, measures and describes them, and keeps those whose licence is clear."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from p14_frames import Video, render
from p14_measure import find_shots
from p14_report import data_card, document, log_checks
from p14_shots import Shot, as_record, frame_path, frame_png, kept_frames, measured_shots

from flywheel_mlflow.pipelines import Workspace, main, read_jsonl

FAULTS = {
    "soft_cuts": "every second cut dissolves over six frames (drifted source): cut_recall falls",
    "still_cameras": "in two videos of three every camera stands still (drifted source): motion_pass_rate falls",
    "unclear_licences_kept": "shots of unclear licence stay in: low_quality_and_unclear_licence_excluded fails",
    "late_times": "stated times are half a second late: paths_times_and_frames_match_files fails",
}

SPLITS = (("train", 0.85), ("val", 0.15))
LATE_S = 0.5


def split_videos(work: Workspace, videos: Sequence[Video]) -> dict[str, str]:
    """The split of each video: shots of one video stay together."""
    names = [video.id for video in videos]
    work.random("split").shuffle(names)
    border = round(SPLITS[0][1] * len(names))
    return {name: SPLITS[0][0] if index < border else SPLITS[1][0] for index, name in enumerate(names)}


def build(work: Workspace) -> None:
    """Render, cut, measure, filter, describe, write, compare with what is known."""
    controls_file = work.input_path("privacy_controls")
    controls = json.loads(controls_file.read_text(encoding="utf-8")) if controls_file else {}
    videos = [
        render(about, soft_cuts=work.fault == "soft_cuts", still=stands_still(work, number))
        for number, about in enumerate(read_jsonl(work.data / "videos.jsonl"))
    ]
    shots = [shot for video in videos for shot in measured_shots(video, find_shots(video.frames, video.fps))]
    reasons = {shot.id: reasons_out(work, shot, controls) for shot in shots}
    final = [shot for shot in shots if not reasons[shot.id]]
    split_of = split_videos(work, videos)
    delay = LATE_S if work.fault == "late_times" else 0.0
    records = [as_record(shot, split_of[shot.video.id], delay_s=delay) for shot in final]
    frames = {frame_path(shot, number): frame_png(shot, number) for shot in final for number in kept_frames(shot)}
    work.write_records("video_shots", records, card=data_card(shots, reasons), media=frames)
    work.log_document(document(work, videos, shots, reasons, final, records))
    log_checks(work, videos, shots, records)


def stands_still(work: Workspace, number: int) -> bool:
    """Whether the fault holds the cameras of the video with this number still."""
    return work.fault == "still_cameras" and number % 3 > 0


def reasons_out(work: Workspace, shot: Shot, controls: Mapping[str, Any]) -> tuple[str, ...]:
    """Why a shot stays out; people without a release do unless the privacy controls allow them."""
    rule = (controls.get("media_rules") or {}).get("people_without_release", "exclude")
    found = shot.reasons_out(people_need_release=rule == "exclude")
    if work.fault == "unclear_licences_kept":
        return tuple(reason for reason in found if reason != "licence_unclear")
    return found


if __name__ == "__main__":
    main(__file__, build, FAULTS)
