"""Measures videos from their pixels alone: cuts, motion, camera, aesthetics, shot size, light."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from p14_frames import SUBJECT_COLOURS, Frames

Grey = npt.NDArray[np.float32]
Line = npt.NDArray[np.float64]

#: Mean change of hue, saturation and value between two frames that makes a cut, in levels of 0..255, and the shortest
#: shot: the published defaults of the project (those of PySceneDetect's content detector).
CUT_THRESHOLD = 27.0
MIN_SHOT_S = 1.0
#: Every how many frames motion is measured, and over how many pairs at most: published.
STRIDE, MAX_PAIRS = 2, 60
#: Frame widths a second at which motion_strength is one half: the picture crosses the frame in 20 s. Ours; with the
#: published threshold of 0.5 it is also the least speed that passes.
HALF_SPEED = 0.05
#: Pixels between the two frames of a pair below which a direction is not told from noise.
LEAST_SHIFT = 0.45
#: A second direction of this share of the first makes the camera's motion unclear.
UNCLEAR_SHARE = 0.8
#: Frames an aesthetic score looks at: published.
AESTHETIC_FRAMES = 4
#: Where each part of the aesthetic score saturates: standard deviation of luma, colourfulness (Hasler and Suesstrunk
#: 2003), mean absolute Laplacian; all in grey levels. Ours, set on the brightest, busiest of the sample shots.
CONTRAST_FULL, COLOUR_FULL, SHARP_FULL = 34.0, 75.0, 9.0
#: Subject height as a share of the frame's that makes a close-up or a medium shot.
CLOSE_UP, MEDIUM = 0.5, 0.22
#: Mean value (0..255) below which a shot is low key, above which high key.
LOW_KEY, HIGH_KEY = 80.0, 165.0
LEAST_SUBJECT_AREA = 20

CAMERA_TAGS = ("static", "pan_left", "pan_right", "tilt_up", "tilt_down", "zoom_in", "zoom_out", "unknown")
SIZE_TAGS = ("close_up", "medium", "wide", "unknown")
LIGHT_TAGS = ("low_key", "normal", "high_key")


@dataclass(frozen=True, slots=True)
class Span:
    """Frames ``start`` to ``end``, the end excluded."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """How many frames."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Motion:
    """Motion of a shot: ``strength`` in 0..1, grows with speed; ``pairs`` frames pairs it was measured on."""

    strength: float
    camera: str
    pairs: int


def hsv(frames: Frames) -> npt.NDArray[np.uint8]:
    """The frames in hue, saturation, value, each 0..255."""
    from PIL import Image

    return np.stack([np.asarray(Image.fromarray(frame).convert("HSV")) for frame in frames])


def content_changes(frames: Frames) -> Grey:
    """Mean change of hue, saturation and value from each frame to the next; hue goes round."""
    # Every second pixel of every second row: a cut changes the whole frame, and the detector above halves it, too.
    converted = hsv(np.ascontiguousarray(frames[:, ::2, ::2])).astype(np.int16)
    change = np.abs(np.diff(converted, axis=0))
    change[..., 0] = np.minimum(change[..., 0], 256 - change[..., 0])
    found: Grey = change.mean(axis=(1, 2, 3)).astype(np.float32)
    return found


def find_shots(frames: Frames, fps: int) -> tuple[Span, ...]:
    """The shots between found cuts; a cut sooner than the shortest shot after the last one is none."""
    least = round(MIN_SHOT_S * fps)
    cuts = [0]
    for frame, change in enumerate(content_changes(frames), start=1):
        if change > CUT_THRESHOLD and frame - cuts[-1] >= least:
            cuts.append(frame)
    ends = [*cuts[1:], len(frames)]
    return tuple(Span(start, end) for start, end in zip(cuts, ends, strict=True) if end - start >= least)


def matched_cuts(known: Sequence[int], found: Sequence[int], tolerance: int = 1) -> int:
    """How many known cuts have a found one of their own within ``tolerance`` frames."""
    left, matched = list(found), 0
    for cut in known:
        near = [other for other in left if abs(other - cut) <= tolerance]
        if near:
            left.remove(min(near, key=lambda other: abs(other - cut)))
            matched += 1
    return matched


def luma(frames: Frames) -> Grey:
    """ITU-R BT.601 luma, 0..255."""
    weights = np.asarray((0.299, 0.587, 0.114), dtype=np.float32)
    found: Grey = frames.astype(np.float32) @ weights
    return found


def quarters_of(grey: Grey) -> Grey:
    """The quarters top left, top right, bottom left, bottom right of each frame: shape (frames, 4, height, width)."""
    height, width = grey.shape[1] // 2, grey.shape[2] // 2
    return np.stack(
        [grey[:, top : top + height, left : left + width] for top in (0, height) for left in (0, width)], axis=1
    )


def shifts_between(one: Grey, two: Grey) -> npt.NDArray[np.float64]:
    """How far the content moved from each picture of ``one`` to that of ``two``: (..., 2), right and down in pixels.

    Phase correlation (Kuglin and Hines 1975); the peak's place between pixels by a parabola through its neighbours.
    """
    height, width = one.shape[-2:]
    window = np.outer(np.hanning(height), np.hanning(width)).astype(np.float32)
    first, second = (
        np.fft.rfft2((pictures - pictures.mean(axis=(-2, -1), keepdims=True)) * window) for pictures in (one, two)
    )
    cross = second * np.conj(first)
    surface = np.fft.irfft2(cross / np.maximum(np.abs(cross), 1e-6), s=(height, width)).reshape(-1, height, width)
    number = np.arange(len(surface))
    rows, columns = np.divmod(surface.reshape(len(surface), -1).argmax(axis=1), width)
    down = rows + _between(*(surface[number, (rows + step) % height, columns] for step in (-1, 0, 1)))
    right = columns + _between(*(surface[number, rows, (columns + step) % width] for step in (-1, 0, 1)))
    signed = np.stack([_signed(right, width), _signed(down, height)], axis=-1)
    return signed.reshape(*one.shape[:-2], 2)


def _between(before: Line, at: Line, after: Line) -> Line:
    curve = before - 2 * at + after
    found: Line = 0.5 * (before - after) / np.where(curve < 0, curve, np.inf)
    return found


def _signed(shift: Line, size: int) -> Line:
    return np.where(shift > size / 2, shift - size, shift)


def measure_motion(frames: Frames, fps: int) -> Motion:
    """Motion of a shot from the shifts of its four quarters between every second frame."""
    quarters = quarters_of(luma(frames))
    starts = np.arange(0, len(frames) - STRIDE, STRIDE)[:MAX_PAIRS]
    if not len(starts):
        return Motion(0.0, "unknown", 0)
    shifts = shifts_between(quarters[starts], quarters[starts + STRIDE])
    # The median over pairs: one pair in which a quarter shows nothing but the subject says nothing.
    middle = np.median(shifts, axis=0)
    speed = float(np.linalg.norm(middle, axis=1).mean()) / STRIDE * fps / frames.shape[2]
    return Motion(speed / (speed + HALF_SPEED), _camera(middle), len(shifts))


def _camera(quarters: npt.NDArray[np.float64]) -> str:
    """The camera's motion from the shifts of the quarters top left, top right, bottom left, bottom right."""
    right, down = quarters.mean(axis=0)
    apart = (
        quarters[[1, 3], 0].mean()
        - quarters[[0, 2], 0].mean()
        + quarters[[2, 3], 1].mean()
        - quarters[[0, 1], 1].mean()
    ) / 4
    # What moves right in the picture is a camera that pans left.
    found = {
        "pan_left" if right > 0 else "pan_right": abs(right),
        "tilt_up" if down > 0 else "tilt_down": abs(down),
        "zoom_in" if apart > 0 else "zoom_out": abs(apart),
    }
    (best, most), (_, second), *_ = sorted(found.items(), key=lambda item: -item[1])
    if most < LEAST_SHIFT:
        return "static"
    return best if second < UNCLEAR_SHARE * most else "unknown"


def aesthetic_score(frames: Frames) -> float:
    """0 to 10: the mean of contrast, colour, sharpness and exposure over a few frames of the shot."""
    picked = frames[np.linspace(0, len(frames) - 1, AESTHETIC_FRAMES).round().astype(int)]
    return float(np.mean([_frame_score(frame) for frame in picked]))


def _frame_score(frame: Frames) -> float:
    grey = luma(frame)
    red, green, blue = (frame[..., channel].astype(np.float32) for channel in range(3))
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    colour = np.hypot(red_green.std(), yellow_blue.std()) + 0.3 * np.hypot(red_green.mean(), yellow_blue.mean())
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    sharp = np.abs(around - 4 * grey[1:-1, 1:-1]).mean()
    exposure = max(0.0, 1 - abs(float(grey.mean()) - 128) / 96)
    parts = (grey.std() / CONTRAST_FULL, colour / COLOUR_FULL, sharp / SHARP_FULL, exposure)
    return 10 * float(np.mean([min(1.0, float(part)) for part in parts]))


def subject_of(frame: Frames) -> tuple[str, float]:
    """The subject's colour, and its height as a share of the frame's; ``("unknown", 0.0)`` when none stands out.

    Colours are compared by direction (hue), so that dim light does not change them.
    """
    from scipy import ndimage

    found = hsv(frame[None])[0].astype(int)
    labels, _ = ndimage.label((found[..., 1] > 190) & (found[..., 2] > 25))
    areas = np.bincount(labels.ravel())[1:]
    if not len(areas) or areas.max() < LEAST_SUBJECT_AREA:
        return "unknown", 0.0
    largest = int(areas.argmax()) + 1
    rows, _ = ndimage.find_objects(labels)[largest - 1]
    mean = frame[labels == largest].mean(axis=0)
    directions = {name: np.asarray(colour) / np.linalg.norm(colour) for name, colour in SUBJECT_COLOURS.items()}
    name = max(directions, key=lambda item: float(directions[item] @ mean))
    return name, (rows.stop - rows.start) / frame.shape[0]


def shot_size(share: float) -> str:
    """The size tag for a subject of this share of the frame's height."""
    if share <= 0:
        return "unknown"
    return "close_up" if share >= CLOSE_UP else "medium" if share >= MEDIUM else "wide"


def lighting(frames: Frames) -> str:
    """The light tag from the mean value."""
    value = float(frames.max(axis=3).mean())
    return "low_key" if value < LOW_KEY else "high_key" if value > HIGH_KEY else "normal"
