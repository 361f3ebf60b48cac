"""Reads what other projects, users and tasks say to this project."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from p05_index import PageIndex, tokens_of

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.pipelines import HeldOutCase, Task


@dataclass(frozen=True, slots=True)
class Extension:
    """What is added to the index: users' words with what they mean, and pages it lacks."""

    synonyms: Mapping[str, tuple[str, ...]]
    pages: tuple[Mapping[str, str], ...]


def extension_of(tasks: Iterable[Task], documents: Sequence[Mapping[str, str]], read: Iterable[str] = ()) -> Extension:
    """What all tasks ask for together; of ``documents`` they may ask for whole kinds, and those of ``read`` are taken.

    Glossaries add words, all other kinds pages.

    Raises:
        InputError: a payload is not ``{"synonyms": {word: [words]}, "pages": [{"page", "text"}], "kinds": [kind]}``,
            or there are no documents of a kind.
    """
    synonyms: dict[str, tuple[str, ...]] = {}
    pages: list[Mapping[str, str]] = []
    kinds = set(read)
    for task in tasks:
        strange = sorted(set(task.payload) - {"synonyms", "pages", "kinds"})
        said, added = task.payload.get("synonyms", {}), task.payload.get("pages", [])
        asked = task.payload.get("kinds", [])
        well_formed = isinstance(said, dict) and isinstance(added, list) and isinstance(asked, list)
        if strange or not well_formed or not all(map(_is_words, said.values())) or not all(map(_is_page, added)):
            raise InputError(
                "the payload is not what this project understands",
                where=f"task {task.id}",
                hint='give {"synonyms": {"word": ["words of the reports"]}, "pages": [{"page": ..., "text": ...}], '
                '"kinds": ["notice"]}',
            )
        known = {document["kind"] for document in documents}
        if unknown := [kind for kind in asked if kind not in known]:
            raise InputError(
                f"there are no documents of the kind {unknown[0]!r}",
                where=f"task {task.id}",
                hint=f"there are {', '.join(sorted(known))}",
            )
        for word, terms in said.items():
            synonyms[word] = (*synonyms.get(word, ()), *terms)
        pages += added
        kinds |= set(asked)
    for document in documents:
        if document["kind"] not in kinds:
            continue
        if document["kind"] == "glossary":
            synonyms |= {term: (*synonyms.get(term, ()), meaning) for term, meaning in glossary_terms(document["text"])}
        else:
            pages.append(document)
    return Extension(synonyms, tuple(pages))


def glossary_terms(text: str) -> list[tuple[str, str]]:
    """The entries of a glossary's page, written ``word: meaning.``"""
    return re.findall(r"^([^:\n]+): ([^\n]+)\.$", text, re.MULTILINE)


def held_out_cases(questions: Iterable[Mapping[str, Any]], pages: Iterable[Mapping[str, str]]) -> list[HeldOutCase]:
    """The hidden questions with all that no task may hold: answers, words, the pages and their names."""
    texts = {page["page"]: page["text"] for page in pages}
    return [
        HeldOutCase(
            question["id"],
            question["query"],
            answers=tuple(question["answer_must_include"]),
            terms=tuple(question.get("terms", ())),
            passages=tuple(texts[page] for page in question["expected_pages"]),
            sources=(*question["expected_pages"], *question.get("sources", ())),
        )
        for question in questions
    ]


def _is_words(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) and item for item in value)


def _is_page(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(key), str) and value[key] for key in ("page", "text"))


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
