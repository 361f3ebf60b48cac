"""Trains a byte-level BPE tokenizer, and packs texts into rows of equal length with it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from p11_mix import Text

if TYPE_CHECKING:
    from tokenizers import Tokenizer

#: The published vocabulary of 150,000 is for a billion tokens; this sample has 40,000.
VOCABULARY = 4000
END, PAD, UNKNOWN = "<|endoftext|>", "<|pad|>", "<|unk|>"
#: Published: 4096. The sample's texts have some 150 tokens, so shorter rows keep their number useful.
SEQUENCE_LENGTH = 512


def train_tokenizer(texts: Sequence[str]) -> Tokenizer:
    """A byte-level BPE tokenizer: any text can be written with it, and read back exactly."""
    # The library's threads would order equal pairs by chance; and forked processes must not share them.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END, PAD, UNKNOWN],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def encode(tokenizer: Tokenizer, text: str) -> list[int]:
    """The tokens of a text."""
    return list(tokenizer.encode(text, add_special_tokens=False).ids)


def tokens_per(tokenizer: Tokenizer, texts: Sequence[Text], sources: Sequence[str], unit: str) -> float | None:
    """Tokens for each character or word of the texts of some sources; None when there are none."""
    chosen = [item.text for item in texts if item.source in sources]
    units = sum(len(text.split()) if unit == "word" else len("".join(text.split())) for text in chosen)
    return sum(len(encode(tokenizer, text)) for text in chosen) / units if units else None


def pack(documents: Sequence[Sequence[int]], *, end: int, pad: int, alone: bool = False) -> list[list[int]]:
    """Rows of SEQUENCE_LENGTH tokens that hold every document, each closed by ``end``.

    First fit, longest first: documents shorter than a row are never cut, so no row begins in the
    middle of one. ``alone`` gives each document a row of its own.
    """
    pieces = [piece for document in documents for piece in _pieces([*document, end])]
    rows: list[list[int]] = []
    for piece in sorted(pieces, key=len, reverse=True):
        row = None if alone else next((row for row in rows if len(row) + len(piece) <= SEQUENCE_LENGTH), None)
        if row is None:
            rows.append(row := [])
        row.extend(piece)
    return [row + [pad] * (SEQUENCE_LENGTH - len(row)) for row in rows]


def _pieces(tokens: list[int]) -> list[list[int]]:
    return [tokens[start : start + SEQUENCE_LENGTH] for start in range(0, len(tokens), SEQUENCE_LENGTH)]


def unpack(rows: Sequence[Sequence[int]], *, end: int, pad: int) -> list[list[int]]:
    """The documents in packed rows; those longer than a row come in their pieces."""
    found = []
    for row in rows:
        current: list[int] = []
        for token in row:
            if token == end:
                found.append(current)
                current = []
            elif token != pad:
                current.append(token)
        if current:
            found.append(current)
    return found


def efficiency(rows: Sequence[Sequence[int]], *, end: int, pad: int) -> float | None:
    """Share of positions that hold text rather than padding or ends; None without rows."""
    positions = sum(map(len, rows))
    return sum(token not in (end, pad) for row in rows for token in row) / positions if positions else None
