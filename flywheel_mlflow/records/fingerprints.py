"""64-bit fingerprints of content, by which equal texts are found without keeping them."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from hashlib import blake2b
from itertools import pairwise
from json import JSONEncoder
from typing import Any

import numpy as np
import numpy.typing as npt

from flywheel_mlflow.records.arrays import valid
from flywheel_mlflow.records.columns import buffer_of

Hashes = npt.NDArray[np.uint64]

#: Two different contents share a 64-bit fingerprint with a probability of about n*n/2^65: 3e-8
#: among a million records, 3 % among a thousand million. 0 marks a record without content.
HASH_BYTES = 8
NO_HASH = bytes(HASH_BYTES)
_INSTEAD_OF_ZERO = b"\x01" + bytes(HASH_BYTES - 1)

#: Capitals to small letters and every ASCII character that str.split() takes for white space to a space.
_FOLD = bytes(32 if chr(code).isspace() else ord(chr(code).lower()) for code in range(128))
_FOLD += bytes(range(128, 256))

# `str`: Parquet holds dates and decimals, which JSON does not.
_ENCODE: Callable[[Any], str] = JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str
).encode


def normalise(text: str) -> str:
    """The text in Unicode's NFKC form, lower-cased, every run of white space as one space."""
    if text.isascii():
        # A third of the time of str.split() and join: one pass in C, and seldom another.
        folded = text.encode("ascii").translate(_FOLD)
        while b"  " in folded:
            folded = folded.replace(b"  ", b" ")
        return folded.strip(b" ").decode("ascii")
    # Lower-casing can leave NFKC (U+0130 becomes two characters), hence the second pass.
    lowered = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).lower())
    return " ".join(lowered.split())


def content_text(content: Any) -> str:
    """The content as the text that is fingerprinted: itself, or its JSON with sorted keys."""
    return content if type(content) is str else _ENCODE(content)


def hash_text(text: str) -> bytes:
    """blake2b of the UTF-8 text, 8 bytes, never all zero."""
    digest = blake2b(text.encode("utf-8"), digest_size=HASH_BYTES).digest()
    return digest if digest != NO_HASH else _INSTEAD_OF_ZERO


def as_hashes(joined: bytes | bytearray) -> Hashes:
    """Hashes written one after the other, as an array of little-endian 64-bit numbers."""
    return np.frombuffer(joined, dtype="<u8").astype(np.uint64, copy=False)


def hash_texts(texts: Any) -> Hashes:
    """:func:`hash_text` of each of an Arrow array of texts; 0 where there is none."""
    data, starts = buffer_of(texts)
    return _hash_slices(data, starts.tolist(), valid(texts))


def _hash_slices(data: memoryview | bytes, starts: list[int], there: npt.NDArray[np.bool_]) -> Hashes:
    view = memoryview(data)
    digests = [blake2b(view[a:b], digest_size=HASH_BYTES).digest() for a, b in pairwise(starts)]
    hashes = as_hashes(b"".join(digests))
    zero = hashes == 0
    if zero.any():
        hashes = np.where(zero, np.uint64(1), hashes)
    return hashes if there.all() else np.where(there, hashes, np.uint64(0))


def normalised_hashes(texts: Any) -> Hashes:
    """:func:`hash_text` of each text in its normal form; 0 where there is none.

    ASCII is folded for all texts at once; what is not ASCII, or has runs of white space, goes by :func:`normalise`.
    """
    there = valid(texts)
    data, offsets = buffer_of(texts)
    starts = offsets - offsets[0]
    raw = bytes(data[offsets[0] : offsets[-1]])
    folded = raw.translate(_FOLD)
    codes = np.frombuffer(folded, np.uint8)
    odd = np.zeros(len(texts), dtype=bool)
    if not raw.isascii():
        odd |= _rows_with(codes > 127, starts)
    space = codes == 32
    odd |= _rows_with(space[1:] & space[:-1], starts)
    filled = np.flatnonzero(starts[1:] > starts[:-1])
    odd[filled] |= space[starts[:-1][filled]] | space[starts[1:][filled] - 1]
    hashes = _hash_slices(folded, starts.tolist(), there)
    positions = np.flatnonzero(odd & there).tolist()
    if positions:
        cut = starts.tolist()
        hashes = hashes.copy()
        again = [hash_text(normalise(raw[cut[place] : cut[place + 1]].decode("utf-8"))) for place in positions]
        hashes[positions] = as_hashes(b"".join(again))
    return hashes


def _rows_with(mask: npt.NDArray[np.bool_], starts: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which texts hold a byte that the mask marks; a mark between two texts may count for the first."""
    found = np.zeros(len(starts) - 1, dtype=bool)
    places = np.flatnonzero(mask)
    if len(places):
        found[np.searchsorted(starts, places, side="right") - 1] = True
    return found
