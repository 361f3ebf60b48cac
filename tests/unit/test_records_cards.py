"""Tests of data cards."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flywheel_mlflow.base.errors import DocumentError
from flywheel_mlflow.records import load_card

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
