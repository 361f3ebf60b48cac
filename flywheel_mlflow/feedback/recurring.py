"""Gives themes their ids, which stay the same when a theme comes back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from pydantic import ConfigDict, TypeAdapter

from flywheel_mlflow.base.canonical import document_json, sha256_text
from flywheel_mlflow.base.documents import read_json
from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.feedback.embedding import Embedder, UsedEmbedder
from flywheel_mlflow.feedback.text_vectors import TextVectors
from flywheel_mlflow.feedback.theme_corrections import Correction, corrected
from flywheel_mlflow.feedback.theme_guidance import guided, is_contrary
from flywheel_mlflow.feedback.themes import MAX_TITLE, Group, Grouped, similarities, spelled

FORMAT_VERSION = 1
#: Records of one theme that are kept by name; a theme with more has a systematic cause.
MAX_RECORDS = 2_000

_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Theme:
    """What events of one project and one iteration have in common.

    ``id`` is the same in every iteration the theme was seen in; ``texts`` are its most typical events, shortened;
    ``events`` and ``records`` name all of them and the records they point at. Counts leave out what events leave out.
    ``seen_in`` are the earlier iterations. Times are UTC.
    """

    id: str
    project: str
    iteration: int
    title: str
    texts: tuple[str, ...]
    events: tuple[str, ...]
    records: tuple[str, ...]
    sources: Mapping[str, int]
    types: Mapping[str, int]
    scopes: Mapping[str, int]
    severities: Mapping[str, int]
    first: datetime
    last: datetime
    seen_in: tuple[int, ...] = ()

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT


@dataclass(frozen=True, slots=True)
class Looked:
    """How many events of a project came in, how many were looked at, and how many fit no theme."""

    events: int
    sampled: int
    alone: int

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT


@dataclass(frozen=True, slots=True)
class Themes:
    """The themes of an iteration, and what was looked at by project.

    ``embedder`` is the model by which texts were compared beside their letters, None for letters alone.
    """

    iteration: int
    themes: tuple[Theme, ...]
    looked: Mapping[str, Looked]
    embedder: UsedEmbedder | None = None
    format_version: int = FORMAT_VERSION

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    def to_json(self) -> str:
        """The themes as a document; equal themes give equal text."""
        return document_json(self)

    def theme(self, theme_id: str) -> Theme | None:
        """The theme of an id, or None."""
        return next((item for item in self.themes if item.id == theme_id), None)


_THEMES = TypeAdapter(Themes)


def themes_from_json(text: str, *, name: str) -> Themes:
    """The themes in a document.

    Raises:
        InputError: it is none.
    """
    found = read_json(_THEMES, text, name=name, hint="run `flywheel feedback themes` again")
    if found.format_version != FORMAT_VERSION:
        raise InputError(f"themes in format {found.format_version}, this version reads {FORMAT_VERSION}", where=name)
    return found


def name_themes(
    iteration: int,
    grouped: Mapping[str, Grouped],
    known: Iterable[Themes],
    corrections: Sequence[Correction] = (),
    embedder: Embedder | None = None,
) -> Themes:
    """The groups of an iteration as themes, known ones under the ids they have.

    Typical texts are compared, not what a model made of them: ids stay when another model is named.

    ``known`` are the themes found before, in this iteration too when it was looked at already; ``corrections`` what
    people changed about themes.
    """
    before = list(known)
    themes: list[Theme] = []
    for project, found in sorted(grouped.items()):
        earlier = _newest(before, project)
        vectorizer = TextVectors(embedder)
        ids = _matched(found.groups, earlier, vectorizer)
        taken = set(ids.values()) | set(earlier)
        named = []
        for place, group in enumerate(found.groups):
            name = ids.get(place) or _fresh(project, iteration, group, taken)
            taken.add(name)
            named.append((name, group))
        # What people decided about this very iteration names its events.
        past = _newest((item for item in before if item.iteration < iteration), project)
        fresh = frozenset(name for name, _ in named) - earlier.keys()
        for name, group in corrected(guided(named, fresh, past, corrections, vectorizer), corrections):
            seen = {item.iteration for item in before if item.theme(name) and item.iteration < iteration}
            themes.append(replace(_theme(name, project, iteration, group), seen_in=tuple(sorted(seen))))
    looked = {name: Looked(item.events, item.sampled, item.alone) for name, item in sorted(grouped.items())}
    return Themes(iteration, tuple(themes), looked, embedder.used if embedder else None)


def _newest(known: Iterable[Themes], project: str) -> dict[str, Theme]:
    """The themes of a project by id, each as it was seen last."""
    found: dict[str, Theme] = {}
    for themes in sorted(known, key=lambda item: item.iteration):
        found |= {theme.id: theme for theme in themes.themes if theme.project == project}
    return found


def _matched(groups: Sequence[Group], earlier: Mapping[str, Theme], vectorizer: TextVectors) -> dict[int, str]:
    """Which group is which earlier theme: the likest pair first, each once."""
    if not groups or not earlier:
        return {}
    names = sorted(earlier)
    alike = similarities([group.texts for group in groups], [earlier[name].texts for name in names], vectorizer)
    pairs = [
        (-round(float(alike[place, column]), 9), name, place)
        for place, group in enumerate(groups)
        for column, name in enumerate(names)
        if alike[place, column] >= vectorizer.limits.alike and not is_contrary(group, earlier[name])
    ]
    found: dict[int, str] = {}
    for _, name, place in sorted(pairs):
        if place not in found and name not in found.values():
            found[place] = name
    return found


def _fresh(project: str, iteration: int, group: Group, taken: set[str]) -> str:
    """An id nobody has: the project and some digits of what the theme says."""
    digest = sha256_text(f"{project}/{iteration}/{spelled(group.texts[0])}/{group.events[0].id}")
    length = next(size for size in range(8, 65) if f"{project}-{digest[:size]}" not in taken)
    return f"{project}-{digest[:length]}"


def _theme(name: str, project: str, iteration: int, group: Group) -> Theme:
    records = sorted({record for event in group.events for record in event.record_ids})
    return Theme(
        id=name,
        project=project,
        iteration=iteration,
        title=_title(group.title),
        texts=group.texts,
        events=tuple(event.id for event in group.events),
        records=tuple(records[:MAX_RECORDS]),
        sources=group.counted("source"),
        types=group.counted("type"),
        scopes=group.counted("scope"),
        severities=group.counted("severity"),
        first=min(event.time for event in group.events),
        last=max(event.time for event in group.events),
    )


def _title(text: str) -> str:
    """The text in one showable line: what users type may hold anything, and the title stands in decisions."""
    shown = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(shown.split())[:MAX_TITLE] or "(nothing that can be shown)"
