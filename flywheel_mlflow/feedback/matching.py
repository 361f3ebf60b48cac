"""Finds many keywords in many texts at once, over the bytes of whole columns.

Every four consecutive bytes of the texts are looked up in a table of the keywords' rarest four; the few places that are
in it are compared byte for byte. The cost grows with the bytes of the texts, hardly with the number of keywords.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

Bytes = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int64]
Hits = npt.NDArray[np.bool_]

#: Bytes of text looked at together: the arrays made on the way stay small, whatever the texts hold.
_CHUNK_BYTES = 1 << 18
#: The table of hashed four-byte pieces has 2**18 places: a few thousand pieces fill one in a hundred.
_TABLE_BITS = 18
_MIX = np.uint32(2654435761)  # Knuth's multiplier, 2**32 divided by the golden ratio

#: Scripts written without spaces between words, or with endings glued on (Hangul), as ranges of code points.
_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1100, 0x11FF),  # Hangul Jamo
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x9FFF),  # Chinese, Japanese
    (0xAC00, 0xD7AF),  # Hangul
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
#: Letters of English and Spanish by how often they come, commonest first: a piece of rare ones has fewer false finds.
_COMMON = " eaoinstrlducmphgbyfvqwkjxz"


def fold(text: str) -> str:
    """The text as it is compared: case-folded, in Unicode's NFKC form."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKD", text).casefold())


def is_spaced(char: str) -> bool:
    """Whether a character belongs to words that stand apart, so that a keyword must not end beside it."""
    if not (char.isalnum() or char == "_" or unicodedata.category(char).startswith("M")):
        return False
    code = ord(char)
    return not any(low <= code <= high for low, high in _UNSPACED)


class KeywordIndex:
    """Some keywords, prepared to be found."""

    def __init__(self, keywords: Iterable[str]) -> None:
        self.keywords: tuple[str, ...] = tuple(keywords)
        folded = [fold(keyword) for keyword in self.keywords]
        words = [word.encode("utf-8") for word in folded]
        self._lengths = np.array([len(word) for word in words], dtype=np.int64)
        self._words = _eights(words)
        self._masks = _eights([b"\xff" * len(word) for word in words])
        self._offsets = np.array([_rarest_piece(word) for word in words], dtype=np.int64)
        self._apart_before = np.array([is_spaced(word[0]) for word in folded], dtype=bool)
        self._apart_after = np.array([is_spaced(word[-1]) for word in folded], dtype=bool)
        slots = [_hashed(_pieces(word[offset : offset + 4])) for word, offset in zip(words, self._offsets, strict=True)]
        owners = np.repeat(np.arange(len(words)), [len(some) for some in slots])
        places = np.concatenate([np.zeros(0, dtype=np.int64), *slots])
        # The keywords that have a piece in place i of the table are members[first[i] : first[i + 1]].
        self._members = owners[np.argsort(places, kind="stable")]
        sizes = np.bincount(places, minlength=1 << _TABLE_BITS)
        self._first = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(sizes)])
        self._table = sizes > 0

    def hits(self, texts: pa.Array) -> Hits:
        """Which keyword is in which text: one row for each keyword, one column for each text; null has none."""
        import pyarrow.compute as pc

        found = np.zeros((len(self.keywords), len(texts)), dtype=bool)
        if not self.keywords or not len(texts):
            return found
        column = pc.fill_null(texts, "") if texts.null_count else texts
        for data, offsets, rows in fold_column(column):
            self._search(data, offsets, rows, found)
        return found

    def _search(self, data: Bytes, offsets: Rows, rows: Rows, found: Hits) -> None:
        """Mark what is in ``data``; text i is ``data[offsets[i]:offsets[i + 1]]`` and stands in row ``rows[i]``."""
        # Wherever a keyword begins, its eights end within the zeros; `whole` says whether the text was long enough.
        padded = np.concatenate([data, np.zeros(8 * (self._words.shape[1] + 1), dtype=np.uint8)])
        for place in range(0, len(data), _CHUNK_BYTES):
            numbers, starts = self._candidates(padded, place, min(_CHUNK_BYTES, len(data) - place))
            inside = starts >= 0
            numbers, starts = self._equal(numbers[inside], starts[inside], padded)
            if not len(starts):
                continue
            ends = starts + self._lengths[numbers]
            text = np.searchsorted(offsets, starts, side="right") - 1
            whole = ends <= offsets[text + 1]
            whole &= ~_joined_before(padded, starts, offsets[text], self._apart_before[numbers])
            whole &= ~_joined_after(padded, ends, offsets[text + 1], self._apart_after[numbers])
            found[numbers[whole], rows[text[whole]]] = True

    def _candidates(self, padded: Bytes, start: int, length: int) -> tuple[Rows, Rows]:
        """Keywords, by number, with the places where each would begin: wherever its rarest piece is."""
        pieces = np.ndarray((length,), dtype="<u4", buffer=padded, offset=start, strides=(1,))
        slots = _hashed(pieces)
        places = np.flatnonzero(self._table.take(slots))
        first = self._first[slots[places]]
        many = self._first[slots[places] + 1] - first
        # One entry for each keyword of a place, the second of them one further along the members, and so on.
        within = np.arange(int(many.sum())) - np.repeat(np.cumsum(many) - many, many)
        numbers = self._members[np.repeat(first, many) + within]
        return numbers, np.repeat(places + start, many) - self._offsets[numbers]

    def _equal(self, numbers: Rows, starts: Rows, padded: Bytes) -> tuple[Rows, Rows]:
        """The candidates whose every byte is there, eight compared at once."""
        eights = np.ndarray((len(padded) - 7,), dtype="<u8", buffer=padded, strides=(1,))
        for step in range(self._words.shape[1]):
            same = (eights[starts + 8 * step] & self._masks[numbers, step]) == self._words[numbers, step]
            numbers, starts = numbers[same], starts[same]
        return numbers, starts


def _eights(words: Sequence[bytes]) -> npt.NDArray[np.uint64]:
    """Each word as a row of 64-bit numbers of eight bytes, zeros behind its end."""
    width = max((len(word) + 7) // 8 for word in words) if words else 1
    joined = b"".join(word.ljust(8 * width, b"\0") for word in words)
    return np.frombuffer(joined, dtype="<u8").reshape(len(words), width)


def _rarest_piece(word: bytes) -> int:
    """Where the four bytes of a keyword begin that are found least often in other words."""
    common = {ord(char): len(_COMMON) - rank for rank, char in enumerate(_COMMON)}
    # A character beyond ASCII is rare, but its first byte is shared by thousands: the later bytes tell more.
    weights = [common.get(byte, 12 if byte >= 0xC0 else 1) for byte in word]
    places = range(max(len(word) - 3, 1))
    return min(places, key=lambda place: sum(weights[place : place + 4]))


def _pieces(piece: bytes) -> npt.NDArray[np.uint32]:
    """A piece as a little-endian number; one of fewer than four bytes with everything that may follow."""
    ends = np.arange(256 ** (4 - len(piece)), dtype=np.uint32)
    ends = ends[_BEGINS_CHARACTER[ends & 0xFF]]
    result: npt.NDArray[np.uint32] = np.uint32(int.from_bytes(piece, "little")) | ends << np.uint32(8 * len(piece))
    return result


def _hashed(pieces: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    result: npt.NDArray[np.uint32] = (pieces * _MIX) >> np.uint32(32 - _TABLE_BITS)
    return result


def _buffers(column: pa.Array) -> tuple[Bytes, Rows]:
    """The bytes of a string column, and where each text begins in them, with the end behind the last."""
    _, offsets, data = column.buffers()
    kind = np.dtype(np.int64 if str(column.type).startswith("large") else np.int32)
    places = np.frombuffer(offsets, dtype=kind, count=len(column) + 1, offset=column.offset * kind.itemsize)
    first = int(places[0])
    raw = np.frombuffer(data, dtype=np.uint8)[first : int(places[-1])] if data else np.zeros(0, dtype=np.uint8)
    return raw, places.astype(np.int64) - first


def fold_column(column: pa.Array) -> Iterator[tuple[Bytes, Rows, Rows]]:
    """Texts as they are compared, in up to three parts: ASCII, characters that fold alone, all others.

    Each part is its bytes, where each text begins in them with the end behind the last, and the row of each text.
    A NUL in a text beyond ASCII becomes a space.
    """
    import pyarrow.compute as pc

    from flywheel_mlflow.records.arrays import as_numpy

    plain = as_numpy(pc.string_is_ascii(column))
    if plain.any():
        yield *_buffers(pc.ascii_lower(_where(column, plain))), np.flatnonzero(plain)
    if plain.all():
        return
    others, rows = _where(column, ~plain), np.flatnonzero(~plain)
    data, _ = _buffers(others)
    if (data == 0).any():
        others = pc.replace_substring(others, "\0", " ")
    codes = np.frombuffer(_together(others).encode("utf-32-le"), dtype="<u4")
    folded = _looked_up(codes)
    starts = np.concatenate([np.zeros(1, dtype=np.int64), np.flatnonzero(codes == 0) + 1])
    easy = np.minimum.reduceat(folded, starts[:-1]) >= 0
    if easy.any():
        some = folded if easy.all() else folded[np.repeat(easy, np.diff(starts))]
        yield *_parted(some.astype("<u4").tobytes().decode("utf-32-le")), rows[easy]
    if not easy.all():
        yield *_parted(_folded_any(_where(others, ~easy))), rows[~easy]


def _where(column: pa.Array, mask: Hits) -> pa.Array:
    import pyarrow as pa

    return column if mask.all() else column.filter(pa.array(mask))


def _together(column: pa.Array) -> str:
    """All texts as one, each with a NUL behind it: one call for all instead of one for each."""
    import pyarrow.compute as pc

    data, _ = _buffers(pc.binary_join_element_wise(column, "", "\0"))
    return data.tobytes().decode("utf-8")


def _parted(text: str) -> tuple[Bytes, Rows]:
    """The bytes of such a text, and where each of its parts begins, with the end behind the last."""
    data = np.frombuffer(text.encode("utf-8"), dtype=np.uint8)
    return data, np.concatenate([np.zeros(1, dtype=np.int64), np.flatnonzero(data == 0) + 1])


def _folded_any(column: pa.Array) -> str:
    """Any texts folded, each with a NUL behind it, which joins with nothing: folding the whole folds the parts."""
    import pyarrow.compute as pc

    # Arrow takes characters apart faster than Python; asked for NFKC it forgets to put them together again (25.0.1).
    text = _together(pc.utf8_normalize(column, "NFKD"))
    return unicodedata.normalize("NFKC", text.casefold())


def _looked_up(codes: npt.NDArray[np.uint32]) -> npt.NDArray[np.int32]:
    """For each character what :func:`fold_alone` says, asked once for each different one."""
    there = np.zeros(sys.maxunicode + 1, dtype=bool)
    there[codes] = True
    different = np.flatnonzero(there)
    table = np.empty(sys.maxunicode + 1, dtype=np.int32)
    table[different] = [fold_alone(code) for code in different.tolist()]
    return table.take(codes)


@cache
def fold_alone(code: int) -> int:
    """The character that a character folds to whatever stands beside it; -1 where it is several, or that depends."""
    char = chr(code)
    folded = fold(char)
    if len(folded) != 1 or any(_joins(unicodedata.normalize("NFKD", some)[0]) for some in (char, folded)):
        return -1
    return ord(folded)


def _joins(char: str) -> bool:
    """Whether a character may become one with what stands before it: marks, vowels and finals of Hangul."""
    return unicodedata.category(char).startswith("M") or 0x1160 <= ord(char) <= 0x11FF


def _joined_before(data: Bytes, starts: Rows, lower: Rows, asked: Hits) -> Hits:
    """Where the character before a place belongs to the same word; only where that is asked."""
    joined = np.zeros(len(starts), dtype=bool)
    inner = np.flatnonzero(asked & (starts > lower))
    before = data[starts[inner] - 1]
    joined[inner] = _WORD_BYTE[before]
    for index in inner[before >= 0x80]:
        start, least = int(starts[index]), int(lower[index])
        raw = data[max(start - 4, least) : start].tobytes()
        joined[index] = is_spaced(raw.decode("utf-8", "ignore")[-1:] or " ")
    return joined


def _joined_after(data: Bytes, ends: Rows, upper: Rows, asked: Hits) -> Hits:
    """Where the character behind a place belongs to the same word; only where that is asked."""
    joined = np.zeros(len(ends), dtype=bool)
    inner = np.flatnonzero(asked & (ends < upper))
    after = data[ends[inner]]
    joined[inner] = _WORD_BYTE[after]
    for index in inner[after >= 0x80]:
        end, most = int(ends[index]), int(upper[index])
        raw = data[end : min(end + 4, most)].tobytes()
        joined[index] = is_spaced(raw.decode("utf-8", "ignore")[:1] or " ")
    return joined


#: For each byte whether it is an ASCII letter, digit or underscore.
_WORD_BYTE = np.array([chr(byte).isalnum() or byte == ord("_") for byte in range(128)] + [False] * 128, dtype=bool)
#: For each byte whether a character of folded UTF-8 may begin with it.
_BEGINS_CHARACTER = np.array(
    [not ord("A") <= byte <= ord("Z") and not 0x80 <= byte < 0xC2 and byte < 0xF5 for byte in range(256)], dtype=bool
)
