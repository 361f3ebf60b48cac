"""A flywheel names its reports and its money as it likes; what was stored under other names is read all the same."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flywheels import (
    READY,
    blueprint_document,
    contract_documents,
    evidence_of,
    put,
    small_flywheel,
    write_flywheel,
)
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.assembly import deliverables as names
from flywheel_mlflow.assembly.assembly import assemble
from flywheel_mlflow.assembly.bundle import make_bundle
from flywheel_mlflow.base.errors import DocumentError
from flywheel_mlflow.evidence.flywheel import Flywheel, load_flywheel
from flywheel_mlflow.evidence.provenance import own_direction
from flywheel_mlflow.evidence.runs import Collected, Costs
from flywheel_mlflow.promises.blueprint import Blueprint, Deliverables
from flywheel_mlflow.reports.bundle import render_deliverables
from flywheel_mlflow.reports.dashboard_record import read_record

OWN = (names.METRICS, names.REPORT, names.TEST_RESULTS, names.TEST_REPORT, names.JUNIT)
prefixes = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True).filter(lambda it: it.rpartition("_")[2] != "test")


def wheel_in(currency: str | None, **deliverables: Any) -> Flywheel:
    """The small flywheel with another currency and other names; only p01 states a cost."""
    wheel = small_flywheel()
    plan = wheel.blueprint.model_copy(update={"currency": currency, "deliverables": Deliverables(**deliverables)})
    contracts = {name: item.in_currency(currency) for name, item in wheel.contracts.items()}
    return replace(wheel, blueprint=plan, contracts=contracts)


def files_of(wheel: Flywheel, cost: float | None = 12.5) -> dict[str, str]:
    """The files of an assembly as they are stored."""
    evidence = evidence_of(wheel.contracts["p01"], costs=Costs(1.5, cost))
    made = render_deliverables(assemble(wheel, Collected(2, {"p01": evidence})), checks=[READY])
    return names.stored(made, wheel.blueprint.deliverables.prefix)


def test_names_are_neutral_unless_a_prefix_is_declared() -> None:
    """Nothing of one flywheel is in another's file names; a prefix goes before the reports alone."""
    plain, own = set(files_of(wheel_in("EUR"))), set(files_of(wheel_in("EUR", prefix="llm")))
    assert set(OWN) < plain
    assert not [name for name in plain if "p10" in name]
    assert plain - own == set(OWN)
    assert own - plain == {f"reports/llm_{Path(name).name}" for name in OWN}


@given(prefixes)
def test_every_prefix_is_read_back(prefix: str) -> None:
    """Whatever prefix the files were stored with, readers find each; storing twice changes nothing."""
    files = {name: name for name in (*names.DELIVERABLES, names.JUNIT, names.DRIFT)}
    stored = names.stored(files, prefix)
    assert len(stored) == len(files)
    assert names.by_name(stored) == files
    assert names.stored(stored, prefix) == stored


def test_a_prefix_that_reads_as_another_name_is_refused() -> None:
    """``test`` before report.md is the name of the report about the checks."""
    for prefix in ("test", "my_test"):
        with pytest.raises(ValueError, match="must not end with test"):
            Deliverables(prefix=prefix)


def test_sentences_name_files_as_they_are_stored() -> None:
    """A finding names the file that people find."""
    said = "reports/metrics.json: bottlenecks; reports/drift.json is fine; reports/test_report.md is missing"
    assert names.stored_name(said, "p10") == (
        "reports/p10_metrics.json: bottlenecks; reports/drift.json is fine; reports/p10_test_report.md is missing"
    )
    assert names.stored_name(said, None) == said


@pytest.mark.parametrize(
    ("currency", "ending", "shown"), [("EUR", "_eur", "12.50 EUR"), ("rmb", "_rmb", "12.50 RMB"), (None, "", "unknown")]
)
def test_money_says_its_currency(currency: str | None, ending: str, shown: str) -> None:
    """Keys end with the declared currency, texts show it; without one there is no ending and no amount."""
    files = files_of(wheel_in(currency), cost=12.5 if currency else None)
    costs, dashboard, metrics = (json.loads(files[name]) for name in (names.COSTS, names.DASHBOARD, names.METRICS))
    entry = next(item for item in json.loads(files[names.REGISTRY]) if item["project_id"] == "p01")
    amount = 12.5 if currency else None
    assert costs[f"estimated_manual_review_cost{ending}"] == amount
    assert costs["by_project"]["p01"] == {"review_hours": 1.5, f"review_cost{ending}": amount}
    assert f"review_cost{ending}" in costs["unknown"]
    assert entry[f"estimated_manual_review_cost{ending}"] == amount
    assert dashboard[f"review_cost{ending}"] == amount
    assert metrics["metrics"][f"p01.cost.review_cost{ending}"]["value"] == amount
    assert f"as the projects state it: 1.50 h, {shown}." in files[names.REPORT]
    assert {text.count("_rmb") for text in files.values()} == {0} or currency == "rmb"


def test_what_a_project_calls_cost_keeps_its_name() -> None:
    """KPIs, checks and projects that are called like a key of money are no money."""
    entry = {"kpis": {"review_cost": {}}, "required_checks": {"review_cost_eur": None}, "project_id": "p01"}
    assert names.without_currencies(names.REGISTRY, [dict(entry)]) == [entry]
    costs = {"by_project": {"review_cost_eur": {"review_cost_eur": 1}}, "unknown": {}}
    assert names.without_currencies(names.COSTS, costs)["by_project"] == {"review_cost_eur": {"review_cost": 1}}


def test_what_was_stored_under_other_names_is_read() -> None:
    """A page and a release are made of assemblies of another prefix and currency, as earlier versions wrote them."""
    earlier, now = files_of(wheel_in("rmb", prefix="p10")), wheel_in("EUR")
    record = read_record(earlier)
    assert record.value("flywheel.review_cost_rmb") == 12.5
    assert record.direction("flywheel.review_cost_rmb") == own_direction("flywheel.review_cost_eur") == "lower"
    assert record.own_checks
    bundle = make_bundle(now, 2, "run", "d" * 64, earlier, licences={}, addresses={}, drift=None, risks=())
    assert json.loads(bundle.files["metrics.json"])["review_cost_rmb"] == 12.5
    assert names.read_document(names.COSTS, earlier[names.COSTS]).estimated_manual_review_cost == 12.5


def test_a_cost_without_a_currency_is_refused(tmp_path: Path) -> None:
    """Amounts of nobody knows what cannot be added up, so the files are at fault, with the line."""
    plan = blueprint_document()
    del plan["currency"]
    write_flywheel(tmp_path, blueprint=plan)
    with pytest.raises(DocumentError) as caught:
        load_flywheel(tmp_path)
    assert {(fault.file, fault.path) for fault in caught.value.faults} == {
        (f"projects/{name}/project.yaml", "costs.review_cost") for name in ("p01", "p02")
    }
    assert all("add `currency: EUR`" in fault.message and fault.line for fault in caught.value.faults)


def test_a_contract_names_no_currency(tmp_path: Path) -> None:
    """The currency has one home: a contract that names one is told where."""
    contracts = contract_documents()
    contracts["p01"]["costs"] = {"review_cost_rmb": "cost"}
    write_flywheel(tmp_path, contracts=contracts)
    with pytest.raises(DocumentError, match="review_cost_rmb: call it review_cost"):
        load_flywheel(tmp_path)
    put(tmp_path / "projects" / "p01" / "project.yaml", contract_documents()["p01"])
    assert load_flywheel(tmp_path).contracts["p01"].cost_name == "review_cost_eur"


def test_the_currency_is_no_part_of_a_contract() -> None:
    """A flywheel that changes its currency changes no promise of a project."""
    contract = small_flywheel().contracts["p01"]
    assert contract.in_currency("USD").digest == contract.digest
    assert Blueprint.model_validate(blueprint_document() | {"currency": "USD"}).cost_name == "review_cost_usd"
