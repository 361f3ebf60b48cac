"""Tests of blueprints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flywheels import blueprint_document, put

from flywheel_mlflow.blueprint import Blueprint, read_blueprint
from flywheel_mlflow.errors import DocumentError

Change = Callable[[dict[str, Any]], object]


def test_a_blueprint_reads_back_with_its_lines(tmp_path: Path) -> None:
    """The file is read strictly, and each later finding can name its line."""
    put(tmp_path / "flywheel.yaml", blueprint_document())
    found, document = read_blueprint(tmp_path)
    assert found == Blueprint.model_validate(blueprint_document())
    assert [item.id for item in found.criteria] == ["green", "signed"]
    text = (tmp_path / "flywheel.yaml").read_text(encoding="utf-8").splitlines()
    assert "thin" in text[document.line_of(("bottlenecks", 0, "id")) - 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda it: it.update(colour="red"), "colour: unknown key"),
        (lambda it: it.update(name="Has Space"), "name: String should match"),
        (lambda it: it["gates"][0].update(criteria=[]), "gates[0].criteria: "),
        (lambda it: it["gates"][0].update(to="moon"), "gates[0].to: "),
        (lambda it: it["stages"][0]["milestone"].update(owner="nobody"), "stages.first.milestone.owner"),
        (lambda it: it["stages"][0].update(enters_through="hole"), "nothing is called 'hole'"),
        (lambda it: it["control_points"][0].update(before=["never"]), "control_points.valve.before"),
        (lambda it: it["control_points"][0].update(criteria=["none"]), "control_points.valve.criteria"),
        (lambda it: it["boundaries"][0].update(enforced_by=["none"]), "boundaries.privacy.enforced_by"),
        (lambda it: it["boundaries"][0].update(enforced_by=[]), "boundaries[0].enforced_by: "),
        (lambda it: it["mechanisms"][0].update(owner="nobody"), "mechanisms.weekly.owner"),
        (lambda it: it["risks"][0].update(owner="nobody"), "risks.drain.owner"),
        (lambda it: it["risks"][0].update(layers=["sky"]), "risks.drain.layers"),
        (lambda it: it["bottlenecks"][0].update(when="p01.a is bad"), "bottlenecks[0].when: rule"),
        (lambda it: it["bottlenecks"][0].update(when="__import__('os')"), "bottlenecks[0].when: rule"),
        (lambda it: it["scoring"].update(blocked_below=0.9), "must not exceed"),
        (lambda it: it["scoring"].update(blocked_below="0.1"), "scoring.blocked_below: "),
        (lambda it: it["scoring"]["severity_weights"].pop("low"), "severity_weights: missing: low"),
        (lambda it: it["scoring"]["severity_weights"].update(low=-1), "severity_weights.low: "),
        (lambda it: it["scoring"].update(weights={"checks": 0, "kpis": 0, "contract": 0}), "above 0"),
        (lambda it: it["gates"][0]["criteria"][1].pop("role"), "needs a role"),
        (lambda it: it["gates"][0]["criteria"][0].update(kind="floor"), "needs a metric and a limit"),
        (lambda it: it["gates"][0]["criteria"][0].update(kind="floor", metric="a b", limit=1), "String should match"),
    ],
)
def test_a_contradiction_is_refused(tmp_path: Path, change: Change, message: str) -> None:
    """References to nothing, unreadable rules and weights that cannot weigh are faults."""
    document = blueprint_document()
    change(document)
    put(tmp_path / "flywheel.yaml", document)
    with pytest.raises(DocumentError) as caught:
        read_blueprint(tmp_path)
    assert message in caught.value.diagnostics()


@pytest.mark.parametrize(
    "key",
    ["layers", "stages", "control_points", "boundaries", "teams", "mechanisms", "gates", "bottlenecks", "routing"],
)
def test_no_part_has_the_name_of_another(tmp_path: Path, key: str) -> None:
    """Two parts of one kind with one id are refused: a reference would have two meanings."""
    document = blueprint_document()
    document[key].append(document[key][0])
    put(tmp_path / "flywheel.yaml", document)
    with pytest.raises(DocumentError, match=f"{key}: named twice"):
        read_blueprint(tmp_path)


def test_every_dangling_reference_is_named_in_one_go(tmp_path: Path) -> None:
    """Three references to nothing are three names in the message."""
    document = blueprint_document()
    document["risks"][0]["owner"] = "one"
    document["mechanisms"][0]["owner"] = "two"
    document["boundaries"][0]["enforced_by"] = ["three"]
    put(tmp_path / "flywheel.yaml", document)
    with pytest.raises(DocumentError) as caught:
        read_blueprint(tmp_path)
    assert all(f"'{name}'" in caught.value.diagnostics() for name in ("one", "two", "three"))
