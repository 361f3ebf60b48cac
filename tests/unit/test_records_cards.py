"""Tests of data cards and their export."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flywheel_mlflow.base.errors import DocumentError
from flywheel_mlflow.promises.contract import InterfaceOut
from flywheel_mlflow.records import DataCard, load_card, measure, to_croissant

CARD = {
    "source": "https://commoncrawl.org/",
    "licence": "CC-BY-4.0",
    "filters": [{"rule": "short lines", "constant": 5, "rows_in": 10, "rows_out": 4, "reason": "menus"}],
    "hazards": ["English only"],
}


def _write(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document))
    return path


def test_a_card_is_read_whole(tmp_path: Path) -> None:
    """Source, licence, filters with their constants and hazards are kept."""
    card = load_card(_write(tmp_path / "card.json", CARD))
    assert card.filters[0].constant == 5
    assert card.hazards == ("English only",)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"source": ""}, "source"),
        ({"licence": None}, "licence"),
        ({"colour": "red"}, "colour"),
        ({"filters": [CARD["filters"][0] | {"rows_in": -1}]}, "filters[0].rows_in"),  # type: ignore[operator]
        ({"filters": [CARD["filters"][0] | {"rows_out": 11}]}, "filters[0].rows_out"),  # type: ignore[operator]
    ],
)
def test_a_faulty_card_names_the_place(tmp_path: Path, changes: dict[str, object], path: str) -> None:
    """Each fault comes with its dotted path."""
    with pytest.raises(DocumentError) as caught:
        load_card(_write(tmp_path / "card.json", CARD | changes))
    assert path in {fault.path for fault in caught.value.faults}


def test_a_card_must_be_an_object(tmp_path: Path) -> None:
    """A list is no card."""
    with pytest.raises(DocumentError, match="an object"):
        load_card(_write(tmp_path / "card.json", []))


def test_croissant_has_what_the_specification_demands(tmp_path: Path) -> None:
    """The document conforms to 1.0, points at each file by sha256 and types each plain field."""
    _write(tmp_path / "a.jsonl", {"id": "1", "score": 0.5, "tags": []})
    spec = InterfaceOut.model_validate({"name": "rows", "title": "Rows", "format": "jsonl", "schema": "free"})
    measured = measure(tmp_path / "a.jsonl", spec)
    document = to_croissant(DataCard.model_validate(CARD), measured, "rows")
    for key in (
        "@context",
        "@type",
        "conformsTo",
        "name",
        "description",
        "license",
        "url",
        "distribution",
        "recordSet",
    ):
        assert document[key]
    assert document["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert document["distribution"][0]["sha256"] == measured.version.digest
    fields = {field["name"]: field["dataType"] for field in document["recordSet"][0]["field"]}
    assert fields == {"id": "sc:Text", "score": "sc:Float"}
    json.dumps(document, allow_nan=False)


def test_croissant_of_a_directory_describes_a_file_set(tmp_path: Path) -> None:
    """Fields of several files refer to the set of them."""
    for name in ("a", "b"):
        _write(tmp_path / f"{name}.jsonl", {"id": name})
    spec = InterfaceOut.model_validate({"name": "rows", "title": "Rows", "format": "jsonl", "schema": "free"})
    document = to_croissant(DataCard.model_validate(CARD), measure(tmp_path, spec), "rows")
    kinds = [item["@type"] for item in document["distribution"]]
    assert kinds == ["cr:FileObject", "cr:FileObject", "cr:FileSet"]
    source = document["recordSet"][0]["field"][0]["source"]
    assert source["fileSet"] == {"@id": document["distribution"][2]["@id"]}
