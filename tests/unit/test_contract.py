"""Tests of contracts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from flywheels import contract, contract_document, dump, kpi_document, put
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.base.errors import DocumentError
from flywheel_mlflow.promises.contract import COMPUTED_NAMES, Contract, load_contract
from flywheel_mlflow.promises.units import share_scale

Change = Callable[[dict[str, Any]], object]


def faults(folder: Path, document: object) -> str:
    put(folder / "project.yaml", document)
    with pytest.raises(DocumentError) as caught:
        load_contract(folder, name="f")
    return "\n".join(map(str, caught.value.faults))


def test_a_contract_reads_back_what_was_written(tmp_path: Path) -> None:
    """A file in its shortest form is a contract, with the documented defaults."""
    put(tmp_path / "project.yaml", contract_document("p01"))
    found = load_contract(tmp_path)
    out = found.interface("p01_data")
    assert out is not None
    assert (out.record_schema, out.required, out.consumers) == ("record", True, "any")
    assert (found.checks.min_pass_rate, found.weight, found.is_assembly) == (1.0, 1.0, False)
    assert found.interface("elsewhere") is None


def test_fields_may_lie_in_lists_and_have_any_type(tmp_path: Path) -> None:
    """Paths go through lists with or without their step; types are those of recorded schemas."""
    fields = ["a.b", "a[].b", {"tags[]": "string"}, {"v": "vector[384]"}, {"at": "timestamp[zoned]"}, {"raw": "binary"}]
    document = contract_document("p01")
    document["interfaces_out"][0]["fields"] = fields
    put(tmp_path / "project.yaml", document)
    assert list(load_contract(tmp_path).interfaces_out[0].fields) == fields


OPAQUE_IN_PART = {
    "format": "opaque",
    "schema": "opaque",
    "personal_data_exempt": [{"field": "author", "reason": "it is public"}],
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda it: it.update(colour="red"), "colour: unknown key"),
        (lambda it: it["kpis"][0].update(limit=3), "kpis[0].limit: unknown key"),
        (lambda it: it.pop("owner"), "owner: missing"),
        (lambda it: it.update(kpi=it.pop("kpis")), "kpi: unknown key; did you mean kpis?"),
        (lambda it: it.update(layers="data"), "layers: must be a list"),
        (lambda it: it["kpis"][0].update(target="40"), "kpis[0].target: must be a number, without quotes"),
        (lambda it: it.update(id="../p01"), "id: must be lower-case letters, digits and underscores"),
        (lambda it: it.update(id="flywheel"), "kept for the flywheel's own numbers"),
        (lambda it: it.update(title="a\x1b[31m"), "title: contains control characters"),
        (lambda it: it.update(title="x" * 300), "title: has 300 characters"),
        (lambda it: it.update(layers=[]), "layers: "),
        (lambda it: it["interfaces_out"][0].update(fields=[{"a": "str"}]), "a type is one of string, integer"),
        (lambda it: it["interfaces_out"][0].update(fields=[{"a": "vector[0]"}]), "or vector[N] for N numbers"),
        (lambda it: it["interfaces_out"][0].update(fields=["a[0].b"]), "interfaces_out[0].fields"),
        (lambda it: it.update(layers=["a", "a"]), "layers: named twice: a"),
        (lambda it: it.update(stages=["a", "a"]), "stages: named twice: a"),
        (lambda it: it["kpis"].append(it["kpis"][0]), "kpis: named twice: quality"),
        (lambda it: it["interfaces_out"].append(it["interfaces_out"][0]), "interfaces_out: named twice: p01_data"),
        (lambda it: it.update(interfaces_in=[{"name": "a"}, {"name": "a"}]), "interfaces_in: named twice: a"),
        (lambda it: it["checks"].update(required=["a", "a"]), "checks.required: named twice: a"),
        (lambda it: it["checks"].update(min_pass_rate=0), "checks.min_pass_rate: "),
        (lambda it: it["checks"].update(min_pass_rate=1.01), "checks.min_pass_rate: "),
        (lambda it: it["kpis"][0].update(path="a..b"), "kpis[0].path: no path at character 2"),
        (lambda it: it["kpis"][0].update(path="a[x]"), "kpis[0].path: no path at character 2"),
        (lambda it: it["kpis"][0].update(path="a\tb"), "kpis[0].path: no path at character 2"),
        (lambda it: it["kpis"][0].update(n_path="x" * 251), "kpis[0].n_path: has 251 characters"),
        (lambda it: it["kpis"][0].update(target=True), "kpis[0].target: "),
        (lambda it: it["kpis"][0].update(target="1"), "kpis[0].target: "),
        (lambda it: it["kpis"][0].update(tolerance=-1), "kpis[0].tolerance: "),
        (lambda it: it["kpis"][0].update(direction="up"), "kpis[0].direction: "),
        (lambda it: it["kpis"][0].update(required="yes"), "kpis[0].required: "),
        (lambda it: it["review"].update(human=1), "review.human: "),
        (lambda it: it["carry"].update(max_age=True), "carry.max_age: "),
        (lambda it: it["carry"].update(max_age=0), "carry.max_age: "),
        (lambda it: it.update(weight=0), "weight: "),
        (lambda it: it.update(schema_version=2), "schema_version: "),
        (lambda it: it["interfaces_out"][0].update(schema="opaque"), "go together"),
        (lambda it: it["interfaces_out"][0].update(format="opaque"), "go together"),
        (lambda it: it["interfaces_out"][0].update(format="opaque", schema="opaque", fields=["a"]), "no fields"),
        (lambda it: it["interfaces_out"][0].update(format="opaque", schema="opaque", group_key="a"), "no group key"),
        (lambda it: it["interfaces_out"][0].update(OPAQUE_IN_PART), "exempt it as a whole"),
        (lambda it: it["interfaces_out"][0].update(personal_data_exempt=[{"field": "a"}]), "reason"),
        (lambda it: it["interfaces_out"][0].update(consumers="all"), "interfaces_out[0].consumers"),
        (lambda it: it.update(results={"interfaces": {"other": "x.jsonl"}}), "not among interfaces_out: other"),
        (lambda it: it.update(decisions=[{"field": "nose", "decided": True, "why": "x"}]), "'nose' is not a key"),
        (lambda it: it.update(decisions=[{"field": "id", "decided": False, "why": "x"}]), "decisions[0].decided: "),
    ],
)
def test_a_broken_promise_is_refused_at_its_place(tmp_path: Path, change: Change, message: str) -> None:
    """Unknown keys, wrong types, names used twice and contradictions are faults with a path."""
    document = contract_document("p01")
    change(document)
    assert message in faults(tmp_path, document)


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd", "~/x", "a\\..\\x", "a\x00b", "..", ""])
@pytest.mark.parametrize("place", ["folder", "published", "metrics", "checks", "interfaces"])
def test_result_paths_stay_inside_the_project(tmp_path: Path, place: str, path: str) -> None:
    """No path of a contract leads out of the project's folder."""
    results = {"interfaces": {"p01_data": path}} if place == "interfaces" else {place: path}
    assert f"results.{place}" in faults(tmp_path, contract_document("p01", results=results))


@pytest.mark.parametrize("name", sorted(COMPUTED_NAMES))
def test_a_kpi_cannot_be_called_like_a_computed_number(tmp_path: Path, name: str) -> None:
    """A KPI named ``score`` would make every assembly fail, so its contract does."""
    assert name in faults(tmp_path, contract_document("p01", kpis=[kpi_document(name)]))


def test_every_fault_of_a_contract_comes_at_once_with_its_line(tmp_path: Path) -> None:
    """Faults of five places are five faults, each on the line where the place is written."""
    document = contract_document("p01", title="", owner="a b", layers=[3]) | {"id": "P1"}
    document["kpis"][0]["path"] = "."
    text = dump(document)
    found = faults(tmp_path, text).splitlines()
    lines = text.splitlines()
    assert [line.split(": ")[1] for line in found] == ["id", "title", "owner", "layers[0]", "kpis[0].path"]
    for fault, start in zip(found, ["id:", "title:", "owner:", "- 3", "path:"], strict=True):
        assert start in lines[int(fault.split(":")[1]) - 1]


@given(st.permutations(list(contract_document("p01"))))
def test_the_layout_of_a_contract_does_not_count(order: list[str]) -> None:
    """The digest is of the content: the order of keys and the style of YAML are no change."""
    document = contract_document("p01")
    again = yaml.safe_load(yaml.safe_dump({key: document[key] for key in order}, default_flow_style=True))
    assert contract("p01", **again).digest == contract("p01").digest


def test_any_change_of_content_changes_the_digest() -> None:
    """A consumer can tell that the promise is another one."""
    digests = {contract("p01", **more).digest for more in ({}, {"weight": 2}, {"title": "Other"}, {"phase": "late"})}
    assert len(digests) == 4


def test_what_is_as_by_default_leaves_the_digest_alone() -> None:
    """A contract that spells a default out is the same promise, so a version with more keys changes no digest."""
    plain = contract_document("p01")
    spelled = contract_document("p01")
    spelled["interfaces_out"][0] |= {"content": {"judged": True}, "media": [], "required": True}
    assert Contract.model_validate(plain).digest == Contract.model_validate(spelled).digest
    spelled["interfaces_out"][0]["required"] = False
    assert Contract.model_validate(plain).digest != Contract.model_validate(spelled).digest


def test_a_tolerance_of_nothing_is_not_a_missing_one() -> None:
    """0 is what was said; left out nothing was said."""
    assert contract("p01", kpis=[kpi_document("quality", tolerance=0)]).kpis[0].tolerance == 0
    assert contract("p01", kpis=[kpi_document("quality")]).kpis[0].tolerance is None


@pytest.mark.parametrize(
    ("unit", "scale"),
    [
        ("ratio", 1.0),
        ("accuracy", 1.0),
        ("Recall ", 1.0),
        ("%", 100.0),
        ("Percent", 100.0),
        ("f1", None),
        ("ms", None),
        ("points of 5", None),
    ],
)
def test_the_unit_says_whether_a_kpi_is_a_share(unit: str, scale: float | None) -> None:
    """Whatever the spelling, shares of 1 and of 100 are told from everything else."""
    assert share_scale(unit) == scale


def test_a_project_may_only_measure() -> None:
    """A contract needs no interface: evaluations state numbers that nobody reads as data."""
    document = contract_document("p01")
    del document["interfaces_out"]
    assert Contract.model_validate(document).interfaces_out == ()
