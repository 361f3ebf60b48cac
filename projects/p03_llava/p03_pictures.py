"""Draws the picture a scene description describes."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

#: Far apart in RGB, so that noise of a few grey levels never turns one into another.
COLOURS = {
    "red": (205, 40, 40),
    "blue": (40, 70, 205),
    "green": (40, 150, 60),
    "yellow": (230, 210, 40),
    "purple": (140, 50, 160),
    "orange": (240, 135, 25),
}
PAPER = (236, 236, 232)
INK = (20, 20, 20)
GRID = (170, 170, 170)
SMUDGE = (90, 90, 90)
#: Standard deviation of the sensor noise, in grey levels.
NOISE = 4.0
#: A character of the font that comes with Pillow: width and height of its cell in pixels.
CELL = (6, 11)
LINE_PITCH = 20
MARGIN = 10
#: The chart's frame: left edge, the row of value 0, pixels per unit, units between grid lines.
CHART_LEFT, CHART_ZERO, CHART_SCALE, CHART_STEP = 14, 132, 1, 20
CHART_MAXIMUM = 120
BAR_WIDTH, BAR_PITCH = 22, 34


@dataclass(frozen=True)
class Picture:
    """A drawn scene: ``pixels`` have shape (height, width, 3)."""

    scene: Mapping[str, Any]
    pixels: Pixels

    @property
    def id(self) -> str:
        """The asset's id, the scene's."""
        return str(self.scene["id"])

    @property
    def type(self) -> str:
        """The asset's type."""
        return str(self.scene["type"])

    @property
    def path(self) -> str:
        """Where its file lies in the interface's folder."""
        return f"pictures/{self.id}.png"

    @cached_property
    def png(self) -> bytes:
        """The picture as a PNG file."""
        from PIL import Image

        stream = io.BytesIO()
        Image.fromarray(self.pixels).save(stream, "PNG")
        return stream.getvalue()

    def reference(self) -> dict[str, Any]:
        """What a record says of its picture; ``pixels_sha256`` is the same whatever file format they are stored in."""
        height, width, _ = self.pixels.shape
        return {
            "id": self.id,
            "path": self.path,
            "sha256": hashlib.sha256(self.png).hexdigest(),
            "size": len(self.png),
            "pixels_sha256": hashlib.sha256(self.pixels.tobytes()).hexdigest(),
            "width": width,
            "height": height,
        }


def draw(scene: Mapping[str, Any]) -> Picture:
    """The picture of a scene, with noise that depends on its id alone."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (int(scene["width"]), int(scene["height"])), PAPER)
    pen = ImageDraw.Draw(image)
    {"general_image": _objects, "document_image": _document, "chart_image": _chart}[scene["type"]](pen, scene)
    seed = int.from_bytes(hashlib.sha256(str(scene["id"]).encode()).digest()[:8], "big")
    noise = np.random.default_rng(seed).normal(0.0, NOISE, (*image.size[::-1], 3))
    pixels = np.clip(np.rint(np.asarray(image) + noise), 0, 255).astype(np.uint8)
    return Picture(scene, pixels)


def _objects(pen: Any, scene: Mapping[str, Any]) -> None:
    for item in scene["objects"]:
        left, top, right, bottom = item["box"]
        colour = COLOURS[item["colour"]]
        # Pillow counts the last pixel in; boxes here end before theirs.
        inner = (left, top, right - 1, bottom - 1)
        if item["shape"] == "circle":
            pen.ellipse(inner, fill=colour)
        elif item["shape"] == "square":
            pen.rectangle(inner, fill=colour)
        else:
            pen.polygon([((left + right - 1) / 2, top), (right - 1, bottom - 1), (left, bottom - 1)], fill=colour)


def _document(pen: Any, scene: Mapping[str, Any]) -> None:
    from PIL import ImageFont

    font = ImageFont.load_default_imagefont()
    for number, line in enumerate(scene["lines"]):
        pen.text((MARGIN, MARGIN + number * LINE_PITCH), line, font=font, fill=INK)
    if scene["smudged_line"] is not None:
        top = MARGIN + scene["smudged_line"] * LINE_PITCH
        pen.rectangle((MARGIN + 5 * CELL[0], top, MARGIN + 8 * CELL[0], top + CELL[1]), fill=SMUDGE)


def _chart(pen: Any, scene: Mapping[str, Any]) -> None:
    right = scene["width"] - 4
    for value in range(0, CHART_MAXIMUM + 1, CHART_STEP):
        row = CHART_ZERO - value * CHART_SCALE
        pen.line((CHART_LEFT, row, right, row), fill=GRID)
    for number, bar in enumerate(scene["bars"]):
        left = CHART_LEFT + 6 + number * BAR_PITCH
        top = max(CHART_ZERO - bar["value"] * CHART_SCALE, CHART_ZERO - CHART_MAXIMUM)
        pen.rectangle((left, top, left + BAR_WIDTH - 1, CHART_ZERO - 1), fill=COLOURS[bar["colour"]])
