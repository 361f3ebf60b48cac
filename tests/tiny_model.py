"""A real model of a handful of words, made in milliseconds: what means the same has the same vector."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from model2vec import StaticModel
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

#: Words that mean the same, in three languages; each row is a direction of its own.
MEANINGS = (
    ("headcount", "staff", "personnel", "员工"),
    ("slow", "takes", "ages", "lento"),
    ("invoice", "bill", "rechnung"),
    ("refuses", "declines"),
)


def save_model(folder: Path, *, noise: float = 0.0) -> Path:
    """A model whose words are near to those of the same meaning; other words are near to nothing."""
    words = [word for row in MEANINGS for word in row]
    tokenizer = Tokenizer(WordLevel({"[UNK]": 0} | {word: place for place, word in enumerate(words, 1)}, "[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    vectors = np.zeros((len(words) + 1, len(MEANINGS)), dtype=np.float32)
    for place, word in enumerate(words, 1):
        vectors[place, next(n for n, row in enumerate(MEANINGS) if word in row)] = 1 + noise
    StaticModel(vectors, tokenizer, normalize=True).save_pretrained(folder)
    return folder
