"""Writes the card of a Hugging Face dataset: YAML that its readers follow, and what a person should know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from flywheel_mlflow.base.canonical import plain
from flywheel_mlflow.evidence.runs import FieldType
from flywheel_mlflow.records.cards import DataCard
from flywheel_mlflow.records.hub_cards import LICENCES, OWN_KEY
from flywheel_mlflow.records.profiles import Profile
from flywheel_mlflow.reports.escaping import markdown_code, markdown_text
from flywheel_mlflow.tables.texts import format_value

#: Upper ends of the Hub's classes of size, and their names.
_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))
#: Fields and signals shown; free rows may have thousands.
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class SplitFiles:
    """The files of one split: a pattern below the folder, and how many records they hold."""

    name: str
    pattern: str
    rows: int


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """What a card is made of.

    ``title`` and ``role`` are the contract's, None where the release has no registry to read; ``facts`` are pairs of a
    name and a value about the release.
    """

    interface: str
    title: str | None
    role: str | None
    card: DataCard | None
    licence: str | None
    profile: Profile | None
    fields: tuple[FieldType, ...]
    splits: tuple[SplitFiles, ...]
    facts: tuple[tuple[str, object], ...]


def dataset_card(about: DatasetFacts) -> str:
    """The text of ``README.md``; equal facts give equal text."""
    front = yaml.safe_dump(_front(about), sort_keys=False, allow_unicode=True, width=1000)
    return f"---\n{front}---\n\n" + "\n".join(_body(about)) + "\n"


def _front(about: DatasetFacts) -> dict[str, Any]:
    card = about.card
    rows = sum(split.rows for split in about.splits)
    found: dict[str, Any] = {"pretty_name": _title(about)}
    licence = card.licence if card else about.licence
    if licence and licence in LICENCES.values():
        found["license"] = licence.lower()
    elif licence:
        found |= {"license": "other", "license_name": licence}
    if card:
        found["source_datasets"] = [card.source]
    found["size_categories"] = [next((name for end, name in _SIZES if rows < end), "n>10M")]
    found["configs"] = [
        {
            "config_name": "default",
            "data_files": [{"split": split.name, "path": split.pattern} for split in about.splits],
        }
    ]
    own = {name: plain(value) for name, value in about.facts}
    if card:
        own |= {"description": card.description, "filters": plain(card.filters), "hazards": plain(card.hazards)}
        own |= {} if card.preview else {"preview": False}
    found[OWN_KEY] = {name: value for name, value in own.items() if value not in (None, [])}
    return found


def _title(about: DatasetFacts) -> str:
    return (about.card.title if about.card else None) or about.title or about.interface


def _body(about: DatasetFacts) -> Iterator[str]:
    card = about.card
    yield f"# {markdown_text(_title(about))}"
    if card and card.description:
        yield from ("", markdown_text(card.description))
    licence = card.licence if card else about.licence
    pairs = [*about.facts, ("role", about.role), ("source", card.source if card else None), ("licence", licence)]
    yield from _table("", ("", ""), [(name, _shown(value)) for name, value in pairs])
    yield from _table("Splits", ("split", "records"), [(markdown_code(item.name), item.rows) for item in about.splits])
    fields = [(markdown_code(item.path), item.type, _yes(item.required)) for item in about.fields[:_SHOWN]]
    yield from _table("Fields", ("field", "type", "in every record"), fields)
    if about.profile:
        yield from _table("Signals", ("signal", "records", "missing", "min", "median", "max"), _signals(about.profile))
    if card:
        notes = [
            (markdown_text(item.rule), _shown(item.constant), item.rows_in, item.rows_out, markdown_text(item.reason))
            for item in card.filters
        ]
        yield from _table("Filters", ("dropped", "constant", "records in", "records out", "why"), notes)
        if card.hazards:
            yield from ("", "## Hazards", "", *(f"* {markdown_text(hazard)}" for hazard in card.hazards))


def _signals(profile: Profile) -> list[tuple[object, ...]]:
    def cell(value: float | None) -> str:
        return "" if value is None else format_value(value, "")

    return [
        (
            markdown_code(item.name),
            item.count,
            item.missing,
            *map(cell, (item.minimum, item.quantile(0.5), item.maximum)),
        )
        for item in profile.signals[:_SHOWN]
    ]


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _shown(value: object) -> str:
    return "unknown" if value is None else markdown_text(value)


def _table(title: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    found = list(rows)
    if found:
        yield from ("", *([f"## {title}", ""] if title else []))
        yield f"| {' | '.join(heads)} |"
        yield f"|{' --- |' * len(heads)}"
        yield from (f"| {' | '.join(map(str, row))} |" for row in found)
