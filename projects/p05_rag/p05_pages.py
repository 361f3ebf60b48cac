"""Splits report pages into typed blocks, and keeps blocks with personal data out."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.records.personal import kinds_in

#: A row of a table ends in at least two columns of numbers (a header of years counts).
_TABLE_ROW = re.compile(r"^(?P<label>.*?)\s{2,}(?P<cells>[\d.,%()\-]+(?:\s{2,}[\d.,%()\-]+)+)\s*$")
_CHART = re.compile(r"^(?:Figure|Chart|图)\s?\d+[:：]")
_FOOTER = re.compile(r"^- \d+ -$")
#: ``rea-`` at a line's end and ``sons`` on the next were one word before typesetting.
_HYPHENATED = re.compile(r"([a-z])-\n([a-z])")


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a page: ``kind`` is heading, text, table_like or chart_like.

    ``lines`` are what an answer may quote: sentences, or rows of a table with the column's name
    before each value. ``context`` is the page's header and title, which say whose figures these are.
    """

    block_id: str
    page: str
    kind: str
    context: str
    text: str
    lines: tuple[str, ...]


def split_page(page: str, text: str) -> tuple[Block, ...]:
    """The blocks of one page; the running header becomes context, the page number is dropped."""
    pieces = [piece.strip("\n") for piece in re.split(r"\n\s*\n", text) if piece.strip()]
    header, title = ([*pieces[:2], "", ""])[:2]
    context = f"{header} | {title}"
    found: list[Block] = []
    for piece in pieces[1:]:
        if _FOOTER.match(piece):
            continue
        kind = "heading" if piece == title else kind_of(piece)
        flat = piece if kind == "table_like" else " ".join(_HYPHENATED.sub(r"\1\2", piece).split())
        lines = () if kind == "heading" else table_lines(piece) if kind == "table_like" else sentences(flat)
        found.append(Block(f"{page}_b{len(found)}", page, kind, context, flat, lines))
    return tuple(found)


def kind_of(piece: str) -> str:
    """What a piece of text is by its form."""
    rows = [line for line in piece.splitlines() if _TABLE_ROW.match(line)]
    if len(rows) >= 2:
        return "table_like"
    return "chart_like" if _CHART.match(piece) else "text"


def table_lines(piece: str) -> tuple[str, ...]:
    """Each row as ``Revenue: 2023 785.6; 2024 899.4``; the first row names the columns."""
    rows = [match for line in piece.splitlines() if (match := _TABLE_ROW.match(line))]
    if not rows:
        return ()
    columns = rows[0]["cells"].split()
    found = []
    for row in rows[1:]:
        cells = row["cells"].split()
        if len(cells) == len(columns):
            pairs = "; ".join(f"{column} {cell}" for column, cell in zip(columns, cells, strict=True))
            found.append(f"{row['label'].strip()}: {pairs}")
    return tuple(found)


def sentences(text: str) -> tuple[str, ...]:
    """The sentences of a text, English and Chinese."""
    return tuple(part.strip() for part in re.split(r"(?<=[.!?])\s+|(?<=[。！？])", text) if part.strip())


@dataclass(frozen=True, slots=True)
class PersonalRule:
    """One rule of the privacy controls: a kind of personal data and the form it has."""

    kind: str
    form: re.Pattern[str]


def personal_rules(controls: Path) -> tuple[PersonalRule, ...]:
    """The rules of the privacy controls that tell personal data by their form.

    Raises:
        InputError: the controls state no such rule, or a form is no regular expression.
    """
    document = json.loads(controls.read_text(encoding="utf-8"))
    rules = document.get("rules") if isinstance(document, Mapping) else None
    stated = [rule for rule in rules or () if isinstance(rule, Mapping) and rule.get("kind") and rule.get("pattern")]
    if not stated:
        raise InputError("the privacy controls state no rule with a pattern", where=controls.name)
    try:
        return tuple(PersonalRule(str(rule["kind"]), re.compile(str(rule["pattern"]), re.ASCII)) for rule in stated)
    except re.error as error:
        raise InputError(f"a rule's pattern is no regular expression: {error}", where=controls.name) from error


def personal_kinds(text: str, rules: Iterable[PersonalRule]) -> tuple[str, ...]:
    """The kinds of personal data a text holds, by the rules and by the checks every record must pass."""
    folded = unicodedata.normalize("NFKC", text)
    return tuple(sorted({rule.kind for rule in rules if rule.form.search(folded)} | kinds_in(text)))


def without_personal_data(blocks: Iterable[Block], rules: Iterable[PersonalRule]) -> tuple[Block, ...]:
    """The blocks no rule speaks of. Whatever a rule asks for, an index drops the block: it has no keys to tokenize."""
    known = tuple(rules)
    return tuple(block for block in blocks if not personal_kinds(block.text, known))
