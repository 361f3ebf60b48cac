"""The failures a run keeps: bounded, the same whatever their order, refused when they cannot be kept."""

from __future__ import annotations

import pytest
from flywheels import contract

from flywheel_mlflow.base.canonical import document_json
from flywheel_mlflow.base.errors import DocumentError, InputError, UnknownName
from flywheel_mlflow.feedback.failures import MAX_FAILURE_TEXT, MAX_FAILURES, failures_from_json, kept_failures
from flywheel_mlflow.operations.projects.gathering import Gathering


def test_too_many_are_bounded_whatever_their_order() -> None:
    """Of 1,000 failures 200 are kept, the same ones in any order, and it is told how many there were."""
    many = {f"q{number}": f"answer {number}" for number in range(1_000)}
    kept = kept_failures("quality", many, None)
    assert (len(kept.failures), kept.total) == (MAX_FAILURES, 1_000)
    assert kept == kept_failures("quality", dict(reversed(many.items())), None)
    assert failures_from_json(document_json(kept), name="here") == kept
    assert len(kept_failures("quality", {"q": "x" * 9_999}, None).failures["q"]) == MAX_FAILURE_TEXT


def test_what_cannot_be_kept_is_refused() -> None:
    """An unknown KPI or interface, a second time, an empty text, half a character."""
    gathering = Gathering(contract("p01"))
    with pytest.raises(UnknownName, match="unknown KPI 'other'"):
        gathering.add_failures("other", {"q": "text"}, None)
    with pytest.raises(UnknownName, match="unknown interface 'other'"):
        gathering.add_failures("quality", {"q": "text"}, "other")
    for text, fault in ((" ", "says nothing"), ("\ud800", "cannot be kept")):
        with pytest.raises(InputError, match=fault):
            gathering.add_failures("quality", {"q": text}, None)
    gathering.add_failures("quality", {"q": "text"}, "p01_data")
    with pytest.raises(InputError, match="logged twice"):
        gathering.add_failures("quality", {"r": "text"}, None)


@pytest.mark.parametrize("text", ["{", "[]", '{"kpi": "quality", "total": 1, "failures": {"q": 1}}'])
def test_a_broken_document_is_refused(text: str) -> None:
    """With its place, never with a traceback."""
    with pytest.raises(DocumentError, match=r"failures\.json"):
        failures_from_json(text, name="failures.json")
