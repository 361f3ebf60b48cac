"""Reads what other projects, users and tasks say to this project."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from p05_index import PageIndex, tokens_of

from flywheel_mlflow.errors import InputError
from flywheel_mlflow.pipelines import Task


@dataclass(frozen=True, slots=True)
class Extension:
    """What the tasks add to the index: users' words with what they mean, and pages it lacks."""

    synonyms: Mapping[str, tuple[str, ...]]
    pages: tuple[Mapping[str, str], ...]


def extension_of(tasks: Iterable[Task]) -> Extension:
    """What all tasks ask for together.

    Raises:
        InputError: a payload is not ``{"synonyms": {word: [words]}, "pages": [{"page", "text"}]}``.
    """
    synonyms: dict[str, tuple[str, ...]] = {}
    pages: list[Mapping[str, str]] = []
    for task in tasks:
        strange = sorted(set(task.payload) - {"synonyms", "pages"})
        said, added = task.payload.get("synonyms", {}), task.payload.get("pages", [])
        well_formed = isinstance(said, dict) and isinstance(added, list)
        if strange or not well_formed or not all(map(_is_words, said.values())) or not all(map(_is_page, added)):
            raise InputError(
                "the payload is not what this project understands",
                where=f"task {task.id}",
                hint='give {"synonyms": {"word": ["words of the reports"]}, "pages": [{"page": ..., "text": ...}]}',
            )
        for word, terms in said.items():
            synonyms[word] = (*synonyms.get(word, ()), *terms)
        pages += added
    return Extension(synonyms, tuple(pages))


def _is_words(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) and item for item in value)


def _is_page(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(key), str) and value[key] for key in ("page", "text"))


def held_by_tasks(tasks: Iterable[Task], questions: Iterable[Mapping[str, Any]]) -> list[str]:
    """Ids of the questions that stand in a task, word for word: improvement must not be measured on them."""
    texts = [json.dumps(task.payload, ensure_ascii=False).lower() for task in tasks]
    return [question["id"] for question in questions if any(question["query"].lower() in text for text in texts)]


def regressed_inputs(control_plane: Path | None, read: Mapping[str, str]) -> list[str] | None:
    """Names of the inputs whose version the control plane calls regressed.

    ``read`` is interface -> digest; None when there is no control plane yet or it does not say.
    """
    if control_plane is None:
        return None
    document = json.loads(control_plane.read_text(encoding="utf-8"))
    versions = document.get("regressed_versions") if isinstance(document, Mapping) else None
    if not isinstance(versions, list):
        return None
    bad = {(item.get("interface"), item.get("digest")) for item in versions if isinstance(item, Mapping)}
    return sorted(name for name, digest in read.items() if (name, digest) in bad)


def known_words(index: PageIndex, records: Sequence[Mapping[str, Any]] | None) -> dict[str, Any]:
    """How many of the words in other projects' feedback the index knows; the rate is None without feedback."""
    texts = [str(record.get("content") or record.get("payload") or "") for record in records or ()]
    words = {token for text in texts for token in tokens_of(text)}
    known = sum(word in index.vocabulary for word in words)
    return {"records": len(texts), "words": len(words), "known_rate": known / len(words) if words else None}
