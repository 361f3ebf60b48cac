"""Words claims in English and Chinese, and reads them back from texts."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: What is said of something, by slot: ``{"camera": "pan_left", "slide": "right"}``.
Claims = Mapping[str, str]
LANGUAGES = ("en", "zh")

_HAN = re.compile(r"[\u4e00-\u9fff]")
_LATIN = re.compile(r"[A-Za-z]")
_QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”")


@dataclass(frozen=True, slots=True)
class Words:
    """The words of the project's data folder; languages are places in the lists of values: en 0, zh 1."""

    templates: Mapping[str, Mapping[str, Sequence[str]]]
    sentences: Mapping[str, Mapping[str, Sequence[str]]]
    values: Mapping[str, Mapping[str, Sequence[str]]]
    blocked: Mapping[str, Sequence[str]]
    unsafe: Mapping[str, Sequence[str]]
    writer: Mapping[str, float]

    def word(self, slot: str, value: str, language: str) -> str:
        """A value of a slot in a language."""
        place = LANGUAGES.index(language)
        if slot == "subject":
            colour, thing = (
                self.values[kind][part][place] for kind, part in zip(("colour", "thing"), value.split(), strict=True)
            )
            return f"{colour} {thing}" if language == "en" else f"{colour}的{thing}"
        if slot == "objects":
            parts = [self._counted(item, language) for item in value.split("|")]
            return _listed(parts, " and " if language == "en" else "和", ", " if language == "en" else "、")
        if slot == "total":
            return f"{value} objects" if language == "en" else f"{value}个物体"
        if slot == "text":
            return f'"{value}"' if language == "en" else f"“{value}”"
        return str(self.values[slot][value][place])

    def _counted(self, item: str, language: str) -> str:
        count, colour, shape = item.split()
        place = LANGUAGES.index(language)
        colour, shape = self.values["colour"][colour][place], self.values["shape"][shape][place]
        if language == "zh":
            return f"{count}个{colour}{shape}"
        return f"{count} {colour} {shape}{'' if count == '1' else 's'}"

    def text(self, claims: Claims, language: str, rng: random.Random) -> str:
        """Claims in words, a sentence each, in the order of the slots given."""
        parts = [
            rng.choice(self.sentences[slot][language]).format(self.word(slot, value, language))
            for slot, value in claims.items()
        ]
        return (" " if language == "en" else "").join(parts)

    def claims_in(self, text: str, slots: Sequence[str], language: str) -> dict[str, str]:
        """What a text claims of the slots; a slot it says nothing of, or two things, is missing."""
        found = {slot: self._claims_of(text, slot, language) for slot in slots}
        return {slot: next(iter(values)) for slot, values in found.items() if len(values) == 1}

    def _claims_of(self, text: str, slot: str, language: str) -> set[str]:
        if slot == "total":
            return set(re.findall(r"\b(\d+) objects" if language == "en" else r"(\d+)个物体", text))
        if slot == "text":
            return set(re.findall(r"\"([^\"]*)\"" if language == "en" else r"“([^”]*)”", text))
        if slot == "objects":
            return self._objects_in(text, language)
        if slot == "subject":
            options = [f"{colour} {thing}" for colour in self.values["colour"] for thing in self.values["thing"]]
        else:
            options = list(self.values[slot])
        return {value for value in options if _says(text.lower(), self.word(slot, value, language), language)}

    def _objects_in(self, text: str, language: str) -> set[str]:
        place = LANGUAGES.index(language)
        colours, shapes = (
            {words[place]: name for name, words in self.values[kind].items()} for kind in ("colour", "shape")
        )
        either = "|".join(colours), "|".join(shapes)
        form = (
            rf"\b(\d+) ({either[0]}) ({either[1]})s?\b" if language == "en" else rf"(\d+)个({either[0]})({either[1]})"
        )
        items = [f"{count} {colours[colour]} {shapes[shape]}" for count, colour, shape in re.findall(form, text)]
        return {"|".join(items)} if items else set()


def _says(text: str, word: str, language: str) -> bool:
    """Whether a text has a word; in English as a whole word: a ball is no balloon."""
    return word in text and (language != "en" or re.search(rf"\b{re.escape(word)}\b", text) is not None)


def _listed(parts: Sequence[str], last: str, others: str) -> str:
    return parts[0] if len(parts) == 1 else others.join(parts[:-1]) + last + parts[-1]


def load_words(folder: Path) -> Words:
    """The words in a data folder."""

    def read(name: str) -> Any:
        return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))

    return Words(**{name: read(name) for name in ("templates", "sentences", "values", "blocked", "unsafe", "writer")})


def han_share(text: str) -> float:
    """Share of Han characters among the letters of a text, 0 to 1; what is quoted from a picture does not count."""
    plain = _QUOTED.sub("", text)
    han, latin = len(_HAN.findall(plain)), len(_LATIN.findall(plain))
    return han / (han + latin) if han + latin else 0.0
