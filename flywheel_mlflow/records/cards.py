"""Data cards: where an interface's data come from, what was filtered out and why, what to beware of."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from flywheel_mlflow.base.documents import Document, faults_of, parse_json, read_text
from flywheel_mlflow.base.errors import DocumentError, Fault
from flywheel_mlflow.base.names import Label
from flywheel_mlflow.promises.strict import Finite, Strict, Text
from flywheel_mlflow.records.sources import CARD_FILE


class FilterNote(Strict):
    """One filter, written down with its constant and its effect, as the makers of C4 did."""

    rule: Label = Field(description="What is dropped.")
    constant: Finite | Label | None = Field(default=None, description="The threshold or list the rule depends on.")
    rows_in: int = Field(ge=0)
    rows_out: int = Field(ge=0)
    reason: Text


class DataCard(Strict):
    """What a consumer must know of the data beyond their schema."""

    format_version: Literal[1] = 1
    title: Label | None = None
    description: Text | None = None
    source: Text = Field(description="Where the data come from: a URL, a dump's name, a project.")
    licence: Label = Field(description="SPDX identifier or URL.")
    filters: tuple[FilterNote, ...] = ()
    hazards: tuple[Text, ...] = Field(default=(), description="What may hurt: bias, leakage, missing groups.")
    preview: bool = Field(default=True, description="Whether pages show first rows to whoever may read the data.")


def card_path(data: Path) -> Path | None:
    """The card that lies with the data, if any.

    Of a directory: ``card.json`` in it. Of a file ``x.jsonl``: ``x.card.json`` beside it, or ``card.json``.
    """
    candidates = (
        [data / CARD_FILE] if data.is_dir() else [data.with_name(f"{data.stem}.{CARD_FILE}"), data.with_name(CARD_FILE)]
    )
    return next((path for path in candidates if path.is_file() and path != data), None)


def load_card(path: Path) -> DataCard:
    """The card in a JSON file, or in the YAML of a Hugging Face dataset card (``README.md``).

    Raises:
        DocumentError: every fault of the file together.
        StorageError: it cannot be read.
    """
    from flywheel_mlflow.records.hub_cards import card_from_markdown, is_hub_card

    read = card_from_markdown if is_hub_card(path) else card_from_json
    return read(read_text(path), name=str(path))


def card_from_json(text: str, *, name: str) -> DataCard:
    """The card in a JSON text; ``name`` is where it comes from, for errors.

    Raises:
        DocumentError: every fault of the text together.
    """
    value = parse_json(text, name=name)
    if not isinstance(value, dict):
        raise DocumentError([Fault(name, 1, "", "a data card is an object")])
    return card_of(value, Document(name, value, {}))


def card_of(value: dict[str, Any], document: Document) -> DataCard:
    """The card with these values; ``document`` is where they stand.

    Raises:
        DocumentError: every fault together.
    """
    try:
        card = DataCard.model_validate(value)
    except ValidationError as error:
        raise DocumentError(faults_of(error, document), hint="correct the places listed") from error
    faults = [
        document.fault(("filters", index, "rows_out"), "more rows came out than went in")
        for index, note in enumerate(card.filters)
        if note.rows_out > note.rows_in
    ]
    if faults:
        raise DocumentError(faults, hint="correct the places listed")
    return card
