"""Makes a library of the records other projects release, and look-up tasks whose right answer is known."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from p07_policy import Policy

#: The collection the search tool knows these records by.
COLLECTION = "library"
#: A shelf is a sample: the agent is to learn to search, not to learn the other projects' data.
MOST_RECORDS = 60
MOST_TASKS = 3
_MOST_CHARACTERS = 160
_WORDS_ASKED = 3
_WORD = re.compile(r"\b[A-Za-z]{5,12}\b")


@dataclass(frozen=True, slots=True)
class Shelf:
    """The records of one interface as documents: (collection, id, title, text)."""

    interface: str
    documents: tuple[tuple[str, str, str, str], ...]


def shelf_of(interface: str, records: Iterable[Mapping[str, Any]] | None) -> Shelf:
    """A sample of the records that may be trained on; empty when the interface has no version."""
    usable = sorted(
        (str(record["id"]), " ".join(str(record.get("content") or "").split()))
        for record in records or ()
        if record.get("split") == "train" and record.get("content")
    )
    chosen = usable[:MOST_RECORDS]
    return Shelf(
        interface,
        tuple((COLLECTION, f"{interface}/{name}", interface, text[:_MOST_CHARACTERS]) for name, text in chosen),
    )


def look_ups(shelves: Sequence[Shelf], policy: Policy) -> list[dict[str, Any]]:
    """Tasks that ask for a record by words no other record of the library has."""
    words = {document[1]: _words(document[3]) for shelf in shelves for document in shelf.documents}
    seen = Counter(word for found in words.values() for word in set(found))
    tasks = []
    for shelf in shelves:
        made = 0
        for _, name, _, _ in shelf.documents:
            rare = [word for word in dict.fromkeys(words[name]) if seen[word] == 1][:_WORDS_ASKED]
            turn = f"Which record of the library holds the words {' '.join(rare)}?"
            if made == MOST_TASKS or len(rare) < _WORDS_ASKED or policy.broken_by(turn):
                continue
            made += 1
            tasks.append(
                {
                    "task": f"library-{shelf.interface}-{made}",
                    "category": "single",
                    "turns": [turn],
                    "expected": name,
                    "variants": ["success"],
                }
            )
    return tasks


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]
