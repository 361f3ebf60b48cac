"""Reads pictures back from their pixels alone: objects with boxes, lines of text, heights of bars."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from p03_pictures import CELL, COLOURS, GRID, INK, PAPER, Picture, Pixels

Mask = npt.NDArray[np.bool_]
Box = tuple[int, int, int, int]

#: Pixels whose colour is nearer than this to a palette colour belong to it; noise moves them by some 7.
NEAR = 45.0
#: Smaller patches are noise, not objects.
LEAST_AREA = 60
#: Share of its bounding box that a shape fills: square 1, circle pi/4 = 0.79, triangle 1/2; the limits lie between.
SQUARE_FILL, CIRCLE_FILL, TRIANGLE_FILL = 0.93, 0.68, 0.42
#: A glyph may differ from its model in this many of its 66 pixels.
GLYPH_TOLERANCE = 3
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 "


@dataclass(frozen=True, slots=True)
class Seen:
    """An object found in a picture: ``box`` is (left, top, right, bottom) in pixels, right and bottom excluded."""

    colour: str
    shape: str
    box: Box

    @property
    def name(self) -> str:
        """Colour and shape, as captions say it."""
        return f"{self.colour} {self.shape}"


def near(pixels: Pixels, colour: tuple[int, int, int]) -> Mask:
    """Where the picture has a colour."""
    difference = pixels.astype(np.int32) - np.asarray(colour, dtype=np.int32)
    found: Mask = np.einsum("ijk,ijk->ij", difference, difference) < NEAR**2
    return found


def patches(mask: Mask) -> Iterable[tuple[Box, int]]:
    """The connected patches of a mask: box and area in pixels, the small ones left out."""
    from scipy import ndimage

    if np.count_nonzero(mask) < LEAST_AREA:
        return
    labels, _ = ndimage.label(mask)
    areas = np.bincount(labels.ravel())
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        if areas[number] >= LEAST_AREA:
            yield (columns.start, rows.start, columns.stop, rows.stop), int(areas[number])


def shape_of(box: Box, area: int) -> str:
    """The shape whose share of its bounding box fits; ``unknown`` for a thing in between or half hidden."""
    width, height = box[2] - box[0], box[3] - box[1]
    fill = area / (width * height)
    if not 0.8 <= width / height <= 1.25:
        return "unknown"
    if fill >= SQUARE_FILL:
        return "square"
    if fill >= CIRCLE_FILL:
        return "circle"
    return "triangle" if fill >= TRIANGLE_FILL else "unknown"


def objects_in(picture: Picture) -> tuple[Seen, ...]:
    """The objects of the palette's colours, sorted by place."""
    found = [
        Seen(name, shape_of(box, area), box)
        for name, colour in COLOURS.items()
        for box, area in patches(near(picture.pixels, colour))
    ]
    return tuple(sorted(found, key=lambda item: item.box))


@lru_cache(maxsize=1)
def _models() -> Mask:
    """How the characters of ``ALPHABET`` look in the font that comes with Pillow: one flat row each."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default_imagefont()
    models = []
    for char in ALPHABET:
        image = Image.new("1", CELL, 0)
        ImageDraw.Draw(image).text((0, 0), char, font=font, fill=1)
        models.append(np.asarray(image, dtype=bool).ravel())
    return np.stack(models)


def _characters(cells: Mask) -> str:
    """The text of cells, one flat row each."""
    distances = (cells[:, None, :] != _models()[None, :, :]).sum(axis=2)
    best = distances.argmin(axis=1)
    return "".join(
        ALPHABET[index] if distances[row, index] <= GLYPH_TOLERANCE else "?" for row, index in enumerate(best)
    )


def text_in(picture: Picture) -> tuple[str, ...]:
    """The lines of text, with ``?`` for every character that cannot be read.

    The left edge is the first inked column of the picture, the top of a line its first inked row; the font's cell has
    the size of ``CELL`` and its capitals begin three rows below its top.
    """
    ink = near(picture.pixels, INK) | (picture.pixels.max(axis=2) < 128)
    rows = np.flatnonzero(ink.any(axis=1))
    if not len(rows):
        return ()
    left = int(np.flatnonzero(ink.any(axis=0))[0])
    tops = [int(row) for row, before in zip(rows, [-10, *rows[:-1]], strict=True) if row - before > 1]
    return tuple(_line(ink, left, top) for top in tops)


def _line(ink: Mask, left: int, top: int) -> str:
    width, height = CELL
    best = ""
    # A line's first inked row is its capitals' or its digits': those of this font start two or three rows down.
    for offset in (2, 3):
        band = ink[top - offset : top - offset + height]
        cells = [band[:, column : column + width].ravel() for column in range(left, ink.shape[1] - width, width)]
        line = _characters(np.stack(cells)).rstrip()
        if not best or line.count("?") < best.count("?"):
            best = line
    return best


def bars_in(picture: Picture, *, step: int) -> dict[str, float]:
    """Height of each bar in the chart's units, measured against the grid lines, which are ``step`` units apart.

    Empty when fewer than two grid lines are found, or when two bars share a colour.
    """
    grid_rows = np.flatnonzero(near(picture.pixels, GRID).mean(axis=1) > 0.25)
    if len(grid_rows) < 2:
        return {}
    zero, pixels_per_unit = int(grid_rows[-1]), float(np.median(np.diff(grid_rows))) / step
    found: dict[str, float] = {}
    for seen in objects_in(picture):
        if seen.colour in found:
            return {}
        found[seen.colour] = (zero - seen.box[1]) / pixels_per_unit
    return found


def is_blank(picture: Picture) -> bool:
    """Whether nothing but paper is to be seen."""
    return bool(near(picture.pixels, PAPER).all())
