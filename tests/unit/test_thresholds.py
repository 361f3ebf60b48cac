"""Tests of the thresholds of a comparison."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flywheels import blueprint_document, write_flywheel
from pydantic import ValidationError

from flywheel_mlflow.base.errors import DocumentError
from flywheel_mlflow.evidence.flywheel import load_flywheel
from flywheel_mlflow.promises.thresholds import DriftSettings


@pytest.mark.parametrize(
    "document",
    [
        {"false_alarms": 0},
        {"false_alarms": 0.9},
        {"min_effect": 2},
        {"min_rows": 4},
        {"min_rows": "30"},
        {"kpi_confidence": 1},
        {"kpis": [{"kpi": "p01.x"}]},
        {"kpis": [{"kpi": "x", "why": "no project"}]},
        {"kpis": [{"kpi": "p01.x", "why": "once"}, {"kpi": "p01.x", "why": "twice"}]},
        {"signals": [{"signal": "corpus", "why": "no signal"}]},
        {"unknown": 1},
    ],
)
def test_thresholds_that_make_no_sense_are_refused(document: dict[str, Any]) -> None:
    """Values outside their range, exceptions without a reason or named twice."""
    with pytest.raises(ValidationError):
        DriftSettings.model_validate(document)


def test_an_exception_for_a_kpi_nobody_declared_is_a_fault(tmp_path: Path) -> None:
    """It would be a threshold nobody reads."""
    section = {"kpis": [{"kpi": "p01.nothing", "why": "gone"}]}
    write_flywheel(tmp_path, blueprint=blueprint_document() | {"drift": section})
    with pytest.raises(DocumentError, match=r"no contract declares the KPI p01\.nothing"):
        load_flywheel(tmp_path)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"kpis": [{"kpi": "a01.nothing", "why": "gone"}]}, "no project is called 'a01' yet"),
        ({"signals": [{"signal": "nothing/x", "why": "gone"}]}, "no project makes the interface 'nothing' yet"),
    ],
)
def test_exceptions_for_projects_to_come_are_noted(section: dict[str, Any], said: str, tmp_path: Path) -> None:
    """A blueprint may be written before its projects; what they lack is told."""
    write_flywheel(tmp_path, blueprint=blueprint_document() | {"drift": section})
    assert [note for note in load_flywheel(tmp_path).warnings if said in str(note)]
