"""Tests of the search for names and addresses, by a real model where Presidio is installed."""

from __future__ import annotations

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from flywheel_mlflow.evidence.runs import Check, CheckSeverity, Outcome
from flywheel_mlflow.promises.interfaces import InterfaceOut
from flywheel_mlflow.records import measure
from flywheel_mlflow.records.personal_names import _STREET

needs_presidio = pytest.mark.skipif(
    not os.environ.get("FLYWHEEL_REQUIRE_PRESIDIO") and find_spec("presidio_analyzer") is None,
    reason="Presidio is not installed (extra `pii`); FLYWHEEL_REQUIRE_PRESIDIO=1 forbids to skip",
)
NAMED = {"id": "n", "content": "Yesterday Maria Gonzales wrote to us.", "author": {"name": "John Smith"}}
PLACED = {"id": "a", "content": "They live at 12 Baker Street with a dog."}
PLAIN = {"id": "p", "content": "The table has rows and columns of numbers."}


def promised(model: str = "models/names", **more: Any) -> InterfaceOut:
    search = {"model": model} | more.pop("search", {})
    return InterfaceOut.model_validate(
        {"name": "a", "title": "A", "format": "jsonl", "schema": "free", "personal_names": search} | more
    )


def checked(folder: Path, spec: InterfaceOut, *rows: dict[str, Any]) -> Check:
    """What the search says of these rows; the model lies below the folder."""
    (folder / "a.jsonl").write_text("".join(json.dumps(row | {"id": str(n)}) + "\n" for n, row in enumerate(rows)))
    (found,) = (check for check in measure(folder / "a.jsonl", spec, folder=folder).checks if "names" in check.name)
    return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small model that was trained to know two names and a street."""
    import spacy
    from spacy.training import Example

    nlp = spacy.blank("en")
    ner: Any = nlp.add_pipe("ner")
    texts = []
    for row in (NAMED, PLACED, PLAIN):
        text = str(row["content"])
        spans = {"Maria Gonzales": "PERSON", "Baker Street": "FAC"}
        entities = [
            (text.index(name), text.index(name) + len(name), kind) for name, kind in spans.items() if name in text
        ]
        texts.append((text, entities))
    texts += [("John Smith", [(0, 10, "PERSON")])]
    for label in ("PERSON", "FAC", "ORG"):
        ner.add_label(label)
    examples = [Example.from_dict(nlp.make_doc(text), {"entities": entities}) for text, entities in texts]
    nlp.initialize(lambda: examples)
    for _ in range(40):
        nlp.update(examples)
    folder = tmp_path_factory.mktemp("project")
    (folder / "models").mkdir()
    nlp.meta["name"], nlp.meta["version"] = "names", "1.2.3"
    nlp.to_disk(folder / "models" / "names")
    return folder


@needs_presidio
def test_names_and_addresses_are_found_by_the_model(home: Path) -> None:
    """The finding says how many rows, which kinds, in which fields and by which model; it repeats no name."""
    found = checked(home, promised(), NAMED, PLACED, PLAIN, PLAIN)
    assert (found.outcome, found.severity) == (Outcome.FAILED, CheckSeverity.WARNING)
    assert found.message.startswith(
        "2 of 4 sampled rows (of 4) hold names or addresses (2 person_name, 1 street_address)"
    )
    assert (
        "looked for: names of people, streets and places with a house number, by en_names 1.2.3 (Presidio"
        in found.message
    )
    assert found.details["fields"] == {"author.name": 1, "content": 2}
    assert "Gonzales" not in repr(found)


@needs_presidio
def test_where_names_are_right_they_are_counted_apart(home: Path) -> None:
    """Exempt fields and kinds do not fail it, and fields that nobody asked for are not read."""
    exempt = [{"field": "author", "reason": "agreed"}, {"field": "content", "kinds": ["person_name"], "reason": "r"}]
    found = checked(home, promised(personal_data_exempt=exempt), NAMED, PLAIN)
    assert found.outcome is Outcome.PASSED
    assert "none with names or addresses; 2 in fields exempt by contract" in found.message
    found = checked(home, promised(search={"fields": ["content"]}), {"author": {"name": "John Smith"}} | PLAIN)
    assert (found.outcome, found.details["fields"]) == (Outcome.PASSED, {})


@needs_presidio
def test_no_more_rows_are_read_than_asked_for(home: Path) -> None:
    """The message says of how many rows it speaks; a single word is no text to read."""
    found = checked(home, promised(search={"rows": 3}), *[PLAIN] * 10)
    assert found.message.startswith("3 sampled rows (of 10), none with names")
    assert checked(home, promised(), {"content": "Maria"}).outcome is Outcome.SKIPPED


@needs_presidio
@pytest.mark.parametrize("model", ["no_such_model", "models/empty", "models/none"])
def test_without_its_model_nothing_is_known(home: Path, model: str) -> None:
    """A model that is not there, or is none, is an error with the reason; nothing is fetched."""
    (home / "models" / "empty").mkdir(exist_ok=True)
    found = checked(home, promised(model), PLAIN)
    assert found.outcome is Outcome.ERROR
    assert found.message.startswith(f"unknown: the model {model}")


def test_without_presidio_nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to install, and is no pass."""
    monkeypatch.setitem(sys.modules, "spacy", None)
    found = checked(tmp_path, promised("en_core_web_sm"), NAMED)
    assert found.outcome is Outcome.ERROR
    assert found.message == (
        "unknown: Presidio is not installed here (pip install 'flywheel-mlflow[pii]', and the model); "
        "not looked for: names of people, streets and places with a house number"
    )


def test_nobody_asked_nothing_is_looked_for(tmp_path: Path) -> None:
    """Without `personal_names` there is no such check."""
    spec = promised().model_copy(update={"personal_names": None})
    (tmp_path / "a.jsonl").write_text(json.dumps(NAMED) + "\n")
    assert not [check for check in measure(tmp_path / "a.jsonl", spec).checks if "names" in check.name]


@pytest.mark.parametrize(
    "address",
    [
        "12 Baker Street",
        "221B Elm Ave",
        "5 St. James's Road",
        "Hauptstraße 5",
        "Am Lindenweg 12a",
        "14 rue de Rivoli",
        "3 bis, avenue Foch",
        "Calle Mayor 7",
        "Via Garibaldi, 21",
    ],
)
def test_streets_are_known_by_their_form(address: str) -> None:
    """House number and street, as five languages write them."""
    assert _STREET.search(f"Send it to {address} please.")


@pytest.mark.parametrize(
    "text", ["version 12 Release Notes", "via SSH 22", "in 2024 Paris", "a long way 5", "3 ways to go"]
)
def test_what_is_no_street_is_none(text: str) -> None:
    """Numbers near other words."""
    assert not _STREET.search(text)


@pytest.mark.parametrize(
    "search", [{}, {"model": "../up"}, {"model": "/etc"}, {"model": "m", "rows": 0}, {"model": "m", "x": 1}]
)
def test_what_asks_for_nothing_sensible_is_refused(search: dict[str, Any]) -> None:
    """A model by name or below the project's folder, a number of rows, and no more."""
    with pytest.raises(ValidationError):
        InterfaceOut.model_validate({"name": "a", "title": "A", "format": "jsonl", "personal_names": search})
