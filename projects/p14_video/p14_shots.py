"""Turns found shots into records: measured, described in words, traced to their source."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from p14_frames import Frames, Video, frame_digest
from p14_measure import (
    CLOSE_UP,
    Motion,
    Span,
    aesthetic_score,
    lighting,
    measure_motion,
    shot_size,
    subject_of,
)

from flywheel_mlflow.pipelines import sample_record

#: Published thresholds of the project.
MOTION_THRESHOLD, AESTHETIC_THRESHOLD, CAPTION_MIN_WORDS = 0.5, 5.0, 50
#: Frames a shot's record refers to: as many as its aesthetic score looks at.
KEPT_FRAMES = 4
#: Licences under which a shot may be used; whoever wants another one clears it first.
CLEAR_LICENCES = frozenset({"CC0-1.0", "CC-BY-4.0"})

_CAMERA_WORDS = {
    "static": "The camera stands still, so every change in the picture comes from the scene itself.",
    "pan_left": "The camera pans to the left, and the ground slides to the right through the picture.",
    "pan_right": "The camera pans to the right, and the ground slides to the left through the picture.",
    "tilt_up": "The camera tilts up, and the ground sinks towards the lower edge of the picture.",
    "tilt_down": "The camera tilts down, and the ground rises towards the upper edge of the picture.",
    "zoom_in": "The camera zooms in, and everything in the picture grows away from its middle.",
    "zoom_out": "The camera zooms out, and everything in the picture shrinks towards its middle.",
}
_LIGHT_WORDS = {
    "low_key": "The light is low, most of the picture lies in shadow",
    "normal": "The light is even, with neither deep shadow nor glare",
    "high_key": "The light is bright and leaves hardly any shadow",
}
_SIZE_WORDS = {
    "close_up": "fills most of the height",
    "medium": "takes a middling share",
    "wide": "is small in the frame",
}


@dataclass(frozen=True, slots=True)
class Shot:
    """A found shot with what was measured on it; scores are those of the pixels, the licence is the source page's."""

    video: Video
    number: int
    span: Span
    motion: Motion
    aesthetic: float
    colour: str
    subject_share: float
    light: str

    @property
    def id(self) -> str:
        """``<video>-s<number>``."""
        return f"{self.video.id}-s{self.number:02d}"

    @property
    def frames(self) -> Frames:
        """Its frames."""
        return self.video.frames[self.span.start : self.span.end]

    @property
    def size(self) -> str:
        """The size tag."""
        return shot_size(self.subject_share)

    @property
    def licence(self) -> str | None:
        """What the source page states, if it does."""
        found: str | None = self.video.about["license"]
        return found

    def reasons_out(self, *, people_need_release: bool) -> tuple[str, ...]:
        """Why the shot may not be in the manifest; empty when it may."""
        about = self.video.about
        checks = {
            "licence_unclear": self.licence not in CLEAR_LICENCES or not about["author_name"] or not about["page_url"],
            "people_without_release": people_need_release and about["people"] and not about["release"],
            "motion_below_threshold": self.motion.strength < MOTION_THRESHOLD,
            "aesthetic_below_threshold": self.aesthetic < AESTHETIC_THRESHOLD,
        }
        return tuple(name for name, out in checks.items() if out)


def measured_shots(video: Video, spans: Sequence[Span]) -> list[Shot]:
    """The shots of a video with their measurements."""
    found = []
    for number, span in enumerate(spans, start=1):
        frames = video.frames[span.start : span.end]
        colour, share = subject_of(frames[len(frames) // 2])
        motion = measure_motion(frames, video.fps)
        found.append(Shot(video, number, span, motion, aesthetic_score(frames), colour, share, lighting(frames)))
    return found


def caption(shot: Shot) -> str:
    """What the measurements say, in words; what was not recognised is not mentioned."""
    about, fps = shot.video.about, shot.video.fps
    start, end = shot.span.start / fps, shot.span.end / fps
    where = f"Shot {shot.number} of the footage '{about['title']}' runs from second {start:.2f} to second {end:.2f}"
    parts = [f"{where}, {shot.span.length} frames at {fps} frames a second."]
    if shot.size != "unknown":
        verb = "dominates the view and" if shot.subject_share >= CLOSE_UP else "can be seen and"
        parts.append(f"A {shot.colour} {about['subject']} {verb} {_SIZE_WORDS[shot.size]}.")
    if shot.motion.camera in _CAMERA_WORDS:
        parts.append(_CAMERA_WORDS[shot.motion.camera])
    pace = "briskly" if shot.motion.strength >= 2 / 3 else "calmly"
    parts.append(f"{_LIGHT_WORDS[shot.light]}, and the picture moves {pace}.")
    return " ".join(parts)


def kept_frames(shot: Shot) -> list[int]:
    """Numbers of the frames in the video that the record refers to, spread over the shot."""
    step = (shot.span.length - 1) / (KEPT_FRAMES - 1)
    return [shot.span.start + round(index * step) for index in range(KEPT_FRAMES)]


def frame_path(shot: Shot, frame: int) -> str:
    """Where a frame of a shot lies in the interface's folder."""
    return f"frames/{shot.id}/f{frame:04d}.png"


def frame_png(shot: Shot, frame: int) -> bytes:
    """A frame of a shot as a PNG file."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(shot.video.frames[frame]).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def as_record(shot: Shot, split: str, *, delay_s: float = 0.0) -> dict[str, Any]:
    """The seven-field record of a shot; ``delay_s`` shifts the stated times."""
    about, fps, text = shot.video.about, shot.video.fps, caption(shot)
    return sample_record(
        id=f"p14:{shot.id}",
        source={"name": about["page_url"], "video_id": shot.video.id, "author": about["author_name"]},
        content=text,
        metadata={
            "video_id": shot.video.id,
            "license": shot.licence or "unknown",
            "page_url": about["page_url"],
            "author_name": about["author_name"],
            "frame_paths": [frame_path(shot, frame) for frame in kept_frames(shot)],
            "frame_sha256": [frame_digest(shot.video.frames[frame]) for frame in kept_frames(shot)],
            "start_ts": shot.span.start / fps + delay_s,
            "end_ts": shot.span.end / fps + delay_s,
            "n_frames": shot.span.length,
            "fps": fps,
            "camera_motion": shot.motion.camera,
            "shot_size": shot.size,
            "lighting": shot.light,
            "subject": about["subject"],
            "subject_colour": shot.colour,
            "language": "en",
        },
        quality_signals={
            "motion_strength": round(shot.motion.strength, 4),
            "motion_pairs": shot.motion.pairs,
            "aesthetic_score": round(shot.aesthetic, 3),
            "caption_words": len(text.split()),
        },
        split=split,
        audit_trace=["rendered", "cut into shots", "measured", "described from its measurements", "licence checked"],
    )


def times_match(record: Mapping[str, Any], video: Video) -> bool:
    """Whether stated times, frame count and frame digests are those of the video's frames."""
    about = record["metadata"]
    start, end = about["start_ts"] * about["fps"], about["end_ts"] * about["fps"]
    if abs(end - start - about["n_frames"]) > 1e-6 or start < 0 or end > len(video.frames):
        return False
    named = [int(path.rsplit("/f", 1)[1].removesuffix(".png")) for path in about["frame_paths"]]
    inside = all(start <= frame < end for frame in named) and named[0] == start and named[-1] == end - 1
    return inside and [frame_digest(video.frames[frame]) for frame in named] == about["frame_sha256"]
