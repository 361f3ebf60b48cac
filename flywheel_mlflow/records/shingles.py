"""The word n-grams and sentences of texts as hashes, by which a text is known inside another.

Case, width, punctuation and white space do not count. Where no spaces part words (Chinese, Japanese, Thai ...), a
character counts as a word.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from flywheel_mlflow.records.arrays import as_numpy, from_numpy, texts_array, valid
from flywheel_mlflow.records.columns import buffer_of, elements_of, items_of, members
from flywheel_mlflow.records.fingerprints import Hashes

Counts = npt.NDArray[np.int64]

#: Words of an n-gram. Eight in a row are seldom shared by accident, and a question has several.
GRAM_WORDS = 8
#: Sentences of fewer words ("Yes.", "Step 2") say nothing of their own, and are looked for nowhere.
SENTENCE_WORDS = 3
#: Bits of a hash. At this size two of a million times a million are equal by chance in one comparison of a hundred.
HASH_BITS = 56
#: Sentences are a tenth as many as n-grams: their hashes are drawn from a sixteenth of the range, so that of data too
#: large for a sketch sixteen times the share of them is kept.
SENTENCE_BITS = 52

#: Texts are hashed in pieces of about this many bytes, which stay in the processor's caches.
_PIECE_BYTES = 1 << 18
# Odd, so that they have inverses modulo 2^64.
_CHARACTER, _WORD = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
_SEPARATOR, _END, _FULL_STOP = 0, 1, 2
_ENDS = b'?!;\n\r"()[]{}|*#<>\t`'
#: An end of a sentence unless a word follows at once, as in 12.3 and 10:30.
_FULL_STOPS = b".:"

_NO_SPACES = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_WIDE_ENDS = "。？！：；…“”„«»「」『』【】《》–—•।؟"


def mixed(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finaliser of splitmix64 (Steele, Lea, Flood 2014): every bit depends on every other."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _folding() -> bytes:
    """Small letters for capitals, and a mark for each other character of ASCII."""
    table = bytearray(range(256))
    for code in range(128):
        if not chr(code).isalnum():
            table[code] = _FULL_STOP if code in _FULL_STOPS else _END if code in _ENDS else _SEPARATOR
        else:
            table[code] = ord(chr(code).lower())
    return bytes(table)


_FOLD = _folding()


@lru_cache(maxsize=4)
def _powers(base: int, size: int) -> npt.NDArray[np.uint64]:
    powers = np.full(size, base, dtype=np.uint64)
    powers[0] = 1
    return np.cumprod(powers, dtype=np.uint64)


def _powers_of(base: np.uint64, size: int) -> npt.NDArray[np.uint64]:
    # Sizes are rounded up, so that few are computed; those of a giant text are not kept.
    rounded = 1 << max(19, size.bit_length())
    return _powers(int(base), rounded) if rounded == 1 << 19 else _powers.__wrapped__(int(base), rounded)


_INVERSE = {base: np.uint64(pow(int(base), -1, 1 << 64)) for base in (_CHARACTER, _WORD)}


def _runs(values: npt.NDArray[np.uint64], base: np.uint64, starts: Counts, ends: Counts) -> Hashes:
    """The sum of ``values[i] * base^(i - start)`` over each run, mixed with its length; by sums from the beginning."""
    sums = np.zeros(len(values) + 1, dtype=np.uint64)
    np.cumsum(values * _powers_of(base, len(values))[: len(values)], out=sums[1:])
    shifted = (sums[ends] - sums[starts]) * _powers_of(_INVERSE[base], len(values))[starts]
    return mixed(shifted + (ends - starts).astype(np.uint64))


@dataclass(frozen=True, slots=True)
class Shingles:
    """The shingles of some texts, each kind in the order of the texts.

    ``gram_texts`` and ``sentence_texts`` are the text of each n-gram and sentence, ``sentence_words`` its size.
    ``text_hashes`` and ``text_words`` are of each text as a whole.
    """

    grams: Hashes
    gram_texts: Counts
    sentences: Hashes
    sentence_texts: Counts
    sentence_words: Counts
    text_hashes: Hashes
    text_words: Counts


def shingles_of(texts: Any) -> Shingles:
    """The shingles of each of an Arrow array of texts without nulls."""
    pieces = list(_pieces(_plain(texts)))
    return Shingles(
        *(np.concatenate([getattr(piece, name) for piece in pieces]) for name in Shingles.__dataclass_fields__)
    )


def _plain(texts: Any) -> Any:
    """The texts with what is not ASCII composed, small, and parted by characters of ASCII."""
    ascii_only = as_numpy(pc.string_is_ascii(texts), missing=True)
    if ascii_only.all():
        return texts
    others = texts.filter(from_numpy(~ascii_only))
    others = pc.utf8_normalize(pc.utf8_lower(pc.utf8_normalize(others, "NFKC")), "NFKC")
    others = pc.replace_substring_regex(others, f"[{_WIDE_ENDS}]", "\n")
    others = pc.replace_substring_regex(others, r"[^\p{L}\p{M}\p{N}\x00-\x7f]+", " ")
    others = pc.replace_substring_regex(others, f"([{_NO_SPACES}])", r" \1 ")
    return pc.replace_with_mask(texts, from_numpy(~ascii_only), others)


def _pieces(texts: Any) -> Iterator[Shingles]:
    data, offsets = buffer_of(texts)
    begin, first = 0, 0
    while True:
        end = int(np.searchsorted(offsets, offsets[begin] + _PIECE_BYTES))
        end = min(max(end, begin + 1), len(texts))
        raw = bytes(data[offsets[begin] : offsets[end]]) if end > begin else b""
        yield _piece(raw, offsets[begin : end + 1] - offsets[begin], first)
        first += end - begin
        begin = end
        if begin >= len(texts):
            return


def _piece(raw: bytes, offsets: Counts, first: int) -> Shingles:
    """The shingles of texts that lie one after the other from each offset to the next."""
    codes = np.frombuffer(raw.translate(_FOLD), np.uint8)
    is_word = codes > _FULL_STOP
    # A word begins where none was before or where a text does, and ends likewise.
    begins, lasts = is_word.copy(), is_word.copy()
    begins[1:] &= ~is_word[:-1]
    lasts[:-1] &= ~is_word[1:]
    inner = offsets[(offsets > 0) & (offsets < len(codes))]
    begins[inner] = is_word[inner]
    lasts[inner - 1] = is_word[inner - 1]
    starts, ends = np.flatnonzero(begins), np.flatnonzero(lasts) + 1
    words = _runs(codes.astype(np.uint64), _CHARACTER, starts, ends)
    first_words = np.searchsorted(starts, offsets)  # of each text
    text_words = np.diff(first_words)
    texts = np.repeat(np.arange(first, first + len(text_words)), text_words)
    grams, gram_texts = _grams(words, texts)
    cuts = _sentence_cuts(codes, is_word, starts, first_words)
    sizes = np.diff(cuts)
    firsts = cuts[:-1]
    sentences = _runs(words, _WORD, firsts, cuts[1:]) >> np.uint64(64 - SENTENCE_BITS)
    whole = _runs(words, _WORD, first_words[:-1], first_words[1:])
    return Shingles(grams, gram_texts, sentences, texts[firsts], sizes, whole, text_words)


def _grams(words: Hashes, texts: Counts) -> tuple[Hashes, Counts]:
    if len(words) < GRAM_WORDS:
        return words[:0], texts[:0]
    joined, width, factor = words, 1, _WORD
    while width < GRAM_WORDS:  # from pairs to fours to eights
        joined = joined[:-width] + joined[width:] * factor
        width, factor = 2 * width, np.uint64(int(factor) ** 2 & 0xFFFFFFFFFFFFFFFF)
    inside = texts[GRAM_WORDS - 1 :] == texts[: -GRAM_WORDS + 1]
    return mixed(joined[inside]) >> np.uint64(64 - HASH_BITS), texts[: -GRAM_WORDS + 1][inside]


def _sentence_cuts(
    codes: npt.NDArray[np.uint8], is_word: npt.NDArray[np.bool_], starts: Counts, texts: Counts
) -> Counts:
    """The first word of every sentence, and after the last the number of words."""
    stops = codes == _FULL_STOP
    stops[:-1] &= ~is_word[1:]
    ends = np.flatnonzero(stops | (codes == _END))
    cuts = np.zeros(len(starts) + 1, dtype=bool)
    cuts[np.searchsorted(starts, ends)] = True
    cuts[texts] = True
    cuts[[0, -1]] = True
    return np.flatnonzero(cuts)


def content_texts(array: Any) -> tuple[Any, Counts]:
    """The texts of each record's content, and the records they are of, ascending.

    A record without content is known by its payload, and without that by all it holds but its id.
    """
    columns = dict(zip([item.name for item in array.type], array.flatten(), strict=True))
    free = np.ones(len(array), dtype=bool)
    parts = []
    for name in ("content", "payload"):
        if name in columns:
            here = free & valid(columns[name])
            parts.append((columns[name], here))
            free &= ~here
    if free.any():
        others = sorted(columns.items(), key=lambda item: item[0])
        parts += [(column, free) for name, column in others if name not in ("id", "content", "payload")]
    found = []
    for column, here in parts:
        texts, rows = texts_in(column)
        asked = here[rows]
        found.append((texts, rows) if asked.all() else (texts.filter(from_numpy(asked)), rows[asked]))
    return _together(found)


def _together(found: list[tuple[Any, Counts]]) -> tuple[Any, Counts]:
    """Texts with their rows, ordered by these."""
    if len(found) == 1:
        return found[0]
    if not found:
        return texts_array([]), np.zeros(0, np.int64)
    rows = np.concatenate([rows for _, rows in found])
    order = np.argsort(rows, kind="stable")
    return pa.concat_arrays([texts for texts, _ in found]).take(from_numpy(order)), rows[order]


def texts_in(array: Any) -> tuple[Any, Counts]:
    """Every text in an array of values at any depth, and the position of the value it lies in; ordered by that."""
    return _together([(texts, rows) for texts, rows in _leaves(array, np.arange(len(array))) if len(texts)])


def _leaves(array: Any, rows: Counts) -> Iterator[tuple[Any, Counts]]:
    for kind, values in members(array):
        if kind == "string":
            there = valid(values)
            yield (values, rows) if there.all() else (values.filter(from_numpy(there)), rows[there])
        elif kind == "object":
            for _, child in sorted(items_of(values), key=lambda item: item[0]):
                yield from _leaves(child, rows)
        elif kind == "list":
            elements, starts = elements_of(values)
            yield from _leaves(elements, np.repeat(rows, np.diff(starts)))
