"""What a picture looks like in numbers: its size, its colours, and 64 bits of where it is light; no picture is kept."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL.Image import Image

#: The decoders that are used, and how files that they are tried on end. TIFF is left out: it holds nearly anything.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")
#: Pixels of a picture that is decoded at most: a few bytes can claim any number.
MAX_PIXELS = 50_000_000

#: JPEG is decoded no larger than is needed for this many pixels a side.
_ENOUGH = 1024
#: Pixels a side that colours are taken from, and that sharpness is taken from, in the middle.
_REDUCED, _MIDDLE = 64, 256
#: Pixels of the hash: each is compared with its neighbour on the right.
_HASHED = 8
#: What Pillow raises on bytes that are no picture, or a broken one.
_BROKEN = (OSError, SyntaxError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, EOFError)
_HOSTILE = (NotImplementedError, MemoryError, RuntimeError, struct.error, zlib.error)

Floats = npt.NDArray[np.float64]


class Unreadable(Exception):
    """A file that is not what its name says, is broken, or claims to be too large; says so in a few words."""


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """Numbers and labels about a picture, its difference hash as 64 bits, and how many pixels were decoded."""

    facts: dict[str, float | str]
    bits: npt.NDArray[np.bool_]
    pixels: int


def describe_picture(data: bytes) -> PictureFacts:
    """Numbers and labels about a picture; of one that moves, about its first frame.

    ``brightness``, ``contrast``, ``colour`` and ``sharpness`` are 0..1, ``warmth`` (red less blue) is -1..1. The hash
    is dHash: which of 8 x 8 pixels are lighter than their right neighbour (Krawetz 2013, "Kind of Like That").

    Raises:
        Unreadable: the bytes cannot be decoded, or claim more than ``MAX_PIXELS``.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata, and of sizes that are asked below
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                return _described(image, len(data))
    except Image.DecompressionBombError as error:
        raise Unreadable("too large") from error
    except (*_BROKEN, *_HOSTILE) as error:
        raise Unreadable("cannot be decoded") from error


def _described(image: Image, size: int) -> PictureFacts:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise Unreadable("too large")
    labels = {"mode": image.mode, "format": str(image.format)}
    image.draft(None, (_ENOUGH, _ENOUGH))
    image.load()
    colours = _colours(image)
    grey = colours.mean(axis=2)
    return PictureFacts(
        {
            "width": float(width),
            "height": float(height),
            "aspect": _short(width / height),
            "bytes per pixel": _short(size / (width * height)),
            "brightness": _short(grey.mean()),
            "contrast": _short(grey.std()),
            "colour": _short((colours.max(axis=2) - colours.min(axis=2)).mean()),
            "warmth": _short((colours[:, :, 0] - colours[:, :, 2]).mean()),
            "sharpness": _short(_sharpness(image)),
            **labels,
        },
        _difference_hash(image),
        image.width * image.height,
    )


def _short(value: Any) -> float:
    return float(f"{value:.4g}")


def _resized(image: Image, width: int, height: int) -> Floats:
    """The picture as grey or coloured numbers 0..1, scaled to this size."""
    from PIL import Image

    deep = image.mode.startswith(("I", "F"))  # 16 bits and more a pixel, which converting would cut off
    small = (image if deep else image.convert("RGB")).resize((width, height), Image.Resampling.BOX)
    values = np.asarray(small, np.float64) / (65535 if deep else 255)
    return np.clip(values, 0.0, 1.0)


def _colours(image: Image) -> Floats:
    values = _resized(image, _REDUCED, _REDUCED)
    return values if values.ndim == 3 else np.repeat(values[:, :, None], 3, axis=2)


def _grey(image: Image, width: int, height: int) -> Floats:
    values = _resized(image, width, height)
    return values if values.ndim == 2 else values.mean(axis=2)


def _sharpness(image: Image) -> float:
    """How much neighbouring pixels in the middle of the picture differ, as it is."""
    width, height = min(_MIDDLE, image.width), min(_MIDDLE, image.height)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    grey = _grey(image.crop((left, top, left + width, top + height)), width, height)
    steps = [np.abs(np.diff(grey, axis=axis)).mean() for axis in (0, 1) if grey.shape[axis] > 1]
    return float(np.mean(steps)) if steps else 0.0


def _difference_hash(image: Image) -> npt.NDArray[np.bool_]:
    grey = _grey(image, _HASHED + 1, _HASHED)
    return np.asarray(grey[:, :-1] > grey[:, 1:]).reshape(-1)
