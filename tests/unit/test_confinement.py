"""Tests of the answer whether personal data stay out of a release."""

from __future__ import annotations

from typing import Any

import pytest
from flywheels import contract

from flywheel_mlflow.assembly.bundle import REGISTRY, Bundle
from flywheel_mlflow.assembly.confinement import of_interfaces
from flywheel_mlflow.base.canonical import document_json
from flywheel_mlflow.decisions.gate_facts import Verdict
from flywheel_mlflow.decisions.pins import Pin


def bundle(**outcomes: str | None) -> Bundle:
    """A release that holds these interfaces, with what each one's check says."""
    made = [{"name": name, "personal_data": outcome} for name, outcome in outcomes.items()]
    left_out = {"name": "left_out", "personal_data": "failed"}
    files = {REGISTRY: document_json([{"project_id": "p01", "interfaces_out": [*made, left_out]}])}
    pins = tuple(Pin(name, "p01", "runs:/x/y", "a" * 32, "b" * 32, None, 3, 1, "x") for name in outcomes)
    return Bundle(files, "d" * 64, pins, {"left_out": "p01 is not consumable"})


@pytest.mark.parametrize(
    ("outcomes", "verdict", "told"),
    [
        ({"a": "passed", "b": "passed"}, Verdict.PASS, "of 2 interfaces 2 were looked at"),
        ({"a": "passed", "b": "failed"}, Verdict.BLOCK, "personal data were found in b"),
        ({"a": None, "b": "failed"}, Verdict.BLOCK, "nobody looked at a"),
        ({"a": "passed", "b": None}, None, "nobody looked at b"),
        ({"a": "passed", "b": "error"}, None, "nobody looked at b"),
        ({"a": "passed", "b": "skipped"}, None, "nobody looked at b"),
        ({}, None, "of 0 interfaces 0"),
    ],
)
def test_every_interface_of_the_release_counts(
    outcomes: dict[str, str | None], verdict: Verdict | None, told: str
) -> None:
    """One with personal data blocks; one that nobody looked at leaves it open; what is not released does not matter."""
    found = of_interfaces(bundle(**outcomes), {})
    assert found.verdict is verdict
    assert told in found.text
    assert "left_out" not in found.text


def test_a_release_of_before_says_nothing() -> None:
    """A registry that was written before outcomes stood in it is no evidence."""
    known = bundle(a="passed")
    old = {REGISTRY: document_json([{"project_id": "p01", "interfaces_out": [{"name": "a"}]}])}
    assert of_interfaces(Bundle(old, known.digest, known.pins, {}), {}).verdict is None


def test_an_interface_exempt_as_a_whole_is_named_with_the_reason() -> None:
    """Opaque data that nobody can look into count by the contract's word, and the answer says so."""
    exempt: list[dict[str, Any]] = [{"field": "*", "reason": "counts alone"}]
    opaque = {"name": "a", "title": "A", "format": "opaque", "schema": "opaque", "personal_data_exempt": exempt}
    found = of_interfaces(bundle(a=None), {"p01": contract("p01", interfaces_out=[opaque])})
    assert found.verdict is Verdict.PASS
    assert "exempt: a (counts alone)" in found.text
