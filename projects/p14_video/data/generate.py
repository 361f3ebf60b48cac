"""Writes the video descriptions of this folder: ``python generate.py [FOLDER]``; equal runs write equal bytes."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

SEED = "p14 videos, version 2"
VIDEOS = 32
FPS, WIDTH, HEIGHT = 8, 128, 72
CAMERAS = ("static", "pan_left", "pan_right", "tilt_up", "tilt_down", "zoom_in", "zoom_out")
PLACES = ("harbour", "orchard", "quarry", "meadow", "river bank", "market square", "dune", "hillside", "canal", "park")
TIMES = ("at dawn", "at noon", "in the evening", "after rain", "in autumn", "in winter")
SUBJECTS = ("kite", "balloon", "buoy", "lantern", "wheel", "drum", "ball", "bell")
COLOURS = ("red", "blue", "green", "yellow", "purple", "orange")
STUDIOS = ("Kestrel Pictures", "Blue Door Films", "Second Reel", "Lowland Footage", "Nine Lamps")
LICENCES = ("CC0-1.0", "CC-BY-4.0")
#: Shares of what makes real footage hard: terms nobody can read, people who signed nothing, a flash inside a shot.
UNCLEAR, PEOPLE, RELEASED, FLASH, SOFT_CUT = 0.12, 0.2, 0.6, 0.05, 0.04
UNCLEAR_LICENCES = (None, "unknown", "see website")


def shot(rng: random.Random, hue: int) -> dict[str, Any]:
    """One shot: how long, over what ground, how the camera and the subject move, how it is lit."""
    camera = rng.choice(CAMERAS)
    frames = rng.randint(9, 20)
    speed = round(rng.choice((0.5, 1.2, 1.6, 2.0, 2.4, 2.8)), 1) if camera != "static" else 0.0
    return {
        "frames": frames,
        "hue": hue,
        "texture": rng.randrange(1_000_000),
        "camera": camera,
        "speed": speed,
        "subject": {
            "colour": rng.choice(COLOURS),
            "height": rng.choice((10, 14, 18, 26, 34, 48)),
            "x": rng.randint(30, WIDTH - 30),
            "y": rng.randint(28, HEIGHT - 28),
        },
        "light": rng.choice((0.25, 0.6, 0.8, 0.8, 0.9, 1.0, 1.0, 1.35)),
        "flash_at": rng.randint(3, frames - 3) if rng.random() < FLASH else None,
        "soft_start": rng.random() < SOFT_CUT,
    }


def video(number: int) -> dict[str, Any]:
    """One source video of three to five shots whose grounds differ in hue, some by little."""
    rng = random.Random(f"{SEED}/{number}")  # noqa: S311 - no secret
    hue, shots = rng.randrange(256), []
    for _ in range(rng.randint(3, 5)):
        shots.append(shot(rng, hue))
        hue = (hue + rng.choice((18, 60, 85, 90, 95, 100, 105, 110, 115, 120, 125))) % 256
    people = rng.random() < PEOPLE
    studio = rng.choice(STUDIOS)
    return {
        "video_id": f"v{number:03d}",
        "title": f"{rng.choice(PLACES)} {rng.choice(TIMES)}",
        "subject": rng.choice(SUBJECTS),
        "page_url": f"https://example.org/videos/v{number:03d}",
        "author_name": studio,
        "license": rng.choice(UNCLEAR_LICENCES) if rng.random() < UNCLEAR else rng.choice(LICENCES),
        "people": people,
        "release": people and rng.random() < RELEASED,
        "fps": FPS,
        "width": WIDTH,
        "height": HEIGHT,
        "shots": shots,
    }


def write(folder: Path) -> None:
    """Write ``videos.jsonl`` into ``folder``."""
    lines = [json.dumps(video(number), separators=(",", ":")) for number in range(1, VIDEOS + 1)]
    (folder / "videos.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
