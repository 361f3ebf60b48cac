"""Renders the frames of a video from its description."""

from __future__ import annotations

import colorsys
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.uint8]
Ground = npt.NDArray[np.float32]
Places = npt.NDArray[np.float64]

#: Saturated, so that a subject stands out from grounds, whose saturation is below a half.
SUBJECT_COLOURS = {
    "red": (225, 20, 20),
    "blue": (25, 40, 230),
    "green": (20, 190, 40),
    "yellow": (235, 220, 10),
    "purple": (170, 20, 200),
    "orange": (245, 130, 5),
}
GROUND_SATURATION, GROUND_VALUE = 0.42, 0.68
#: Standard deviation of the sensor noise, in grey levels.
NOISE = 2.0
NOISE_FRAMES = 7
#: Pixels of ground beyond the frame on every side, which the camera can move into.
BORDER = 60
#: A flash raises every channel by this much.
FLASH_LEVELS = 110
#: Frames over which a soft cut dissolves.
DISSOLVE = 6
#: Zooming by "speed" s changes the scale by s hundredths a frame and 1.5 more, so that slow zooms are zooms.
ZOOM_PER_SPEED, ZOOM_LEAST = 0.01, 0.015

_STEPS = {"pan_left": (-1, 0), "pan_right": (1, 0), "tilt_up": (0, -1), "tilt_down": (0, 1)}


@dataclass(frozen=True, slots=True)
class Video:
    """A rendered video: ``frames`` of shape (frames, height, width, 3); ``cuts`` are the first frames of new shots."""

    about: Mapping[str, Any]
    frames: Frames
    cuts: tuple[int, ...]

    @property
    def id(self) -> str:
        """The video's id."""
        return str(self.about["video_id"])

    @property
    def fps(self) -> int:
        """Frames a second."""
        return int(self.about["fps"])

    def shot_at(self, frame: int) -> Mapping[str, Any]:
        """The described shot a frame belongs to."""
        index = sum(cut <= frame for cut in self.cuts)
        found: Mapping[str, Any] = self.about["shots"][index]
        return found


def render(about: Mapping[str, Any], *, soft_cuts: bool = False, still: bool = False) -> Video:
    """The video of a description; ``soft_cuts`` dissolves every second cut, ``still`` holds every camera still."""
    parts: list[Ground] = []
    cuts, total = [], 0
    for number, shot in enumerate(about["shots"]):
        frames = _shot(shot, about, still=still)
        if parts and (shot["soft_start"] or (soft_cuts and number % 2)):
            frames = _dissolved(parts[-1][-1], frames)
        if parts:
            cuts.append(total)
        parts.append(frames)
        total += len(frames)
    return Video(about, _noisy(np.concatenate(parts), str(about["video_id"])), tuple(cuts))


def _noisy(clean: Ground, name: str) -> Frames:
    """The frames with noise that depends on the video's id alone, and repeats after ``NOISE_FRAMES`` frames."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    noise = np.random.default_rng(seed).standard_normal((NOISE_FRAMES, *clean.shape[1:]), dtype=np.float32) * NOISE
    for start in range(0, len(clean), NOISE_FRAMES):
        part = clean[start : start + NOISE_FRAMES]
        part += noise[: len(part)]
    # Adding a half and cutting off rounds, and costs a third of np.rint.
    return (np.clip(clean, 0, 254.5, out=clean) + np.float32(0.5)).astype(np.uint8)


def _dissolved(last: Ground, frames: Ground) -> Ground:
    weights = np.clip((np.arange(len(frames)) + 1) / (DISSOLVE + 1), 0, 1).astype(np.float32)[:, None, None, None]
    mixed: Ground = last[None] * (1 - weights) + frames * weights
    return mixed


def _shot(shot: Mapping[str, Any], about: Mapping[str, Any], *, still: bool) -> Ground:
    width, height = int(about["width"]), int(about["height"])
    cloud = _cloud(int(shot["texture"]), width + 2 * BORDER, height + 2 * BORDER)
    base = np.asarray(colorsys.hsv_to_rgb(shot["hue"] / 256, GROUND_SATURATION, GROUND_VALUE), dtype=np.float32) * 255
    places = [
        _view("static" if still else shot["camera"], float(shot["speed"]), step, width, height)
        for step in range(int(shot["frames"]))
    ]
    found = np.stack([_sampled(cloud, rows, columns) for rows, columns in places])[..., None] * base
    subject = shot["subject"]
    for frame, (rows, columns) in zip(found, places, strict=True):
        distance = (rows[:, None] - BORDER - subject["y"]) ** 2 + (columns[None, :] - BORDER - subject["x"]) ** 2
        frame[distance <= (subject["height"] / 2) ** 2] = SUBJECT_COLOURS[subject["colour"]]
    found *= np.float32(shot["light"])
    if shot["flash_at"] is not None:
        found[shot["flash_at"]] += FLASH_LEVELS
    return np.clip(found, 0, 255, out=found)


def _cloud(texture: int, width: int, height: int) -> Ground:
    """Brightness of a cloudy ground, about 1: coarse and fine noise, scaled up."""
    from PIL import Image

    rng = np.random.default_rng(texture)
    cloud = np.full((height, width), 0.4, dtype=np.float32)
    for cells, weight in ((8, 0.48), (24, 0.42), (80, 0.3)):
        grid = Image.fromarray(rng.random((max(2, cells * height // width), cells), dtype=np.float32))
        cloud += weight * np.asarray(grid.resize((width, height), Image.Resampling.BICUBIC), dtype=np.float32)
    return cloud


def _view(camera: str, speed: float, step: int, width: int, height: int) -> tuple[Places, Places]:
    """Rows and columns of the ground that the camera sees in the frame ``step`` of its shot."""
    right, down = _STEPS.get(camera, (0, 0))
    rate = 1 + (ZOOM_LEAST + ZOOM_PER_SPEED * speed) * step
    scale = {"zoom_in": 1 / rate, "zoom_out": rate}.get(camera, 1.0)
    columns = BORDER + width / 2 + right * speed * step + (np.arange(width) - width / 2 + 0.5) * scale - 0.5
    rows = BORDER + height / 2 + down * speed * step + (np.arange(height) - height / 2 + 0.5) * scale - 0.5
    return np.clip(rows, 0, height + 2 * BORDER - 1.001), np.clip(columns, 0, width + 2 * BORDER - 1.001)


def _sampled(ground: Ground, rows: Places, columns: Places) -> Ground:
    """The ground at fractional rows and columns, bilinear."""
    top, left = rows.astype(int), columns.astype(int)
    down, right = (rows - top).astype(np.float32)[:, None], (columns - left).astype(np.float32)[None, :]
    lines = ground[top] * (1 - down) + ground[top + 1] * down
    found: Ground = lines[:, left] * (1 - right) + lines[:, left + 1] * right
    return found


def frame_digest(frame: Frames) -> str:
    """sha256 of a frame's pixels, row by row."""
    return hashlib.sha256(np.ascontiguousarray(frame).tobytes()).hexdigest()
