"""Finds pages by question: a BM25 index over blocks, with the users' synonyms."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from p05_pages import Block

if TYPE_CHECKING:
    import bm25s

#: Words that stand in every question and say nothing of what is asked.
STOPWORDS = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be by did do does for from had has have how in is it its me much of on or tell that the"
        " their there they to was we were what when which who why will with 的 是 了 有 在 和",
    )
)
_WORD = re.compile(r"[a-z0-9]+(?:[.,][0-9]+)*|[\u4e00-\u9fff]+")
#: Blocks looked at to find the best pages; far more than pages asked for, since a page has several blocks.
_BLOCKS_PER_SEARCH = 24
#: How often the fault `slower_index` reads every block for one question.
SCANS = 150


def tokens_of(text: str) -> list[str]:
    """Words in lower case without plural endings; Chinese in overlapping pairs of characters."""
    found: list[str] = []
    for word in _WORD.findall(text.lower()):
        if word[0] > "\u4dff":
            found += [word[start : start + 2] for start in range(max(1, len(word) - 1))]
        elif word not in STOPWORDS:
            found.append(word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word)
    return [token for token in found if token not in STOPWORDS]


@dataclass(frozen=True, slots=True)
class Hit:
    """A block that was found; ``score`` is its BM25 score, higher is better."""

    block: Block
    score: float


@dataclass(frozen=True, slots=True)
class PageIndex:
    """The blocks with their BM25 scores, the words known, and what users call things."""

    blocks: tuple[Block, ...]
    retriever: bm25s.BM25
    vocabulary: Mapping[str, int]
    synonyms: Mapping[str, tuple[str, ...]]
    scans: int = 0

    def expand(self, question: str) -> list[str]:
        """The tokens of a question, with what the reports say where users say something else."""
        meant = [
            token
            for said, terms in self.synonyms.items()
            if re.search(rf"\b{re.escape(said)}\b", question.lower())
            for term in terms
            for token in tokens_of(term)
        ]
        return list(dict.fromkeys(tokens_of(question) + meant))

    def search(self, question: str) -> list[Hit]:
        """The best blocks for a question, best first; none when no word of it is known."""
        import numpy as np

        wanted = [token for token in self.expand(question) if token in self.vocabulary]
        for _ in range(self.scans):
            self._read_everything(wanted)
        if not wanted:
            return []
        scores = self.retriever.get_scores(wanted)
        best = np.argsort(-scores, kind="stable")[:_BLOCKS_PER_SEARCH]
        return [Hit(self.blocks[int(place)], float(scores[place])) for place in best if scores[place] > 0]

    def _read_everything(self, wanted: Sequence[str]) -> int:
        """What a search without an index does: read every block."""
        terms = set(wanted)
        return sum(not terms.isdisjoint(tokens_of(block.text)) for block in self.blocks)


def build_index(
    blocks: Iterable[Block], synonyms: Mapping[str, Sequence[str]] | None = None, *, scans: int = 0
) -> PageIndex:
    """Index blocks by their text and context, headings only as context: they answer nothing.

    Equal blocks give an equal index, file by file, since the words are numbered by sort order.
    """
    import bm25s
    from bm25s.tokenization import Tokenized

    kept = tuple(block for block in blocks if block.kind != "heading")
    words = [_indexed(block) for block in kept]
    vocabulary = {word: number for number, word in enumerate(sorted({word for row in words for word in row}))}
    retriever = bm25s.BM25()
    if kept:
        retriever.index(
            Tokenized([[vocabulary[word] for word in row] for row in words], vocabulary), show_progress=False
        )
    said = {key.lower(): tuple(value) for key, value in sorted((synonyms or {}).items())}
    return PageIndex(kept, retriever, vocabulary, said, scans)


def _indexed(block: Block) -> list[str]:
    """The words a block is found by: those of its context once, so that naming the company again weighs nothing."""
    context = dict.fromkeys(tokens_of(block.context))
    return [*context, *(token for token in tokens_of(block.text) if token not in context)]


def save_index(index: PageIndex, folder: Path) -> None:
    """Write an index as plain files: BM25 arrays, blocks, synonyms."""
    index.retriever.save(folder, show_progress=False)
    rows = [json.dumps(asdict(block), ensure_ascii=False, sort_keys=True) + "\n" for block in index.blocks]
    (folder / "blocks.jsonl").write_text("".join(rows), encoding="utf-8")
    (folder / "synonyms.json").write_text(json.dumps(index.synonyms, ensure_ascii=False, indent=1), encoding="utf-8")


def load_index(folder: Path) -> PageIndex:
    """The index in a folder, as a consumer reads it."""
    import bm25s

    retriever = bm25s.BM25.load(folder)
    rows = [json.loads(line) for line in (folder / "blocks.jsonl").read_text(encoding="utf-8").splitlines()]
    blocks = tuple(Block(**{**row, "lines": tuple(row["lines"])}) for row in rows)
    synonyms = json.loads((folder / "synonyms.json").read_text(encoding="utf-8"))
    return PageIndex(blocks, retriever, retriever.vocab_dict, {key: tuple(value) for key, value in synonyms.items()})
