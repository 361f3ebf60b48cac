"""What a sound is in numbers: how long, how loud and of which rate; only WAV files of plain samples are read."""

from __future__ import annotations

import io
import wave

import numpy as np

from flywheel_mlflow.records.content.pictures import Unreadable

SUFFIXES = (".wav",)
#: Seconds of a sound that are listened to.
MAX_SECONDS = 60
#: How silence is written, in decibels of full scale.
SILENCE = -120.0


class NotRead(Exception):
    """A sound in a form that Python's own reader does not know, such as compressed samples."""


def describe_sound(data: bytes) -> dict[str, float | str]:
    """Numbers and labels about a sound; loudness and peak in decibels of full scale, of its first minute.

    Raises:
        Unreadable: the bytes are no WAV file, or a broken one. NotRead: its samples are not plain numbers.
    """
    try:
        with wave.open(io.BytesIO(data), "rb") as sound:
            rate, channels, width, frames = (
                sound.getframerate(),
                sound.getnchannels(),
                sound.getsampwidth(),
                sound.getnframes(),
            )
            block = sound.readframes(min(frames, rate * MAX_SECONDS))
    except wave.Error as error:
        if "unknown format" in str(error):
            raise NotRead from error
        raise Unreadable("cannot be decoded") from error
    except (EOFError, OSError, ValueError, ArithmeticError, RuntimeError, MemoryError) as error:
        raise Unreadable("cannot be decoded") from error
    if rate <= 0 or width not in (1, 2, 3, 4):
        raise Unreadable("cannot be decoded")
    values = _samples(block, width)
    loudness = float(np.sqrt(np.mean(values * values))) if len(values) else 0.0
    peak = float(np.abs(values).max()) if len(values) else 0.0
    return {
        "duration": float(f"{frames / rate:.6g}"),
        "loudness": _decibels(loudness),
        "peak": _decibels(peak),
        "rate": f"{rate} Hz",
        "channels": str(channels),
        "bits": str(8 * width),
    }


def _samples(block: bytes, width: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The samples of all channels as numbers of -1..1."""
    raw = np.frombuffer(block[: len(block) // width * width], np.uint8).reshape(-1, width)
    if width == 1:  # unsigned, unlike wider ones
        return raw[:, 0].astype(np.float64) / 128 - 1
    wide = np.zeros((len(raw), 4), np.uint8)
    wide[:, 4 - width :] = raw
    return wide.view("<i4")[:, 0].astype(np.float64) / 2**31


def _decibels(share: float) -> float:
    return SILENCE if share <= 0 else max(SILENCE, round(20 * float(np.log10(share)), 2))
