"""`validate` and `assemble` say the same of a flywheel's files."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from consistency_flywheel import settled
from flywheels import blueprint_document, contract_documents, evidence_of, kpi_document, put, write_flywheel
from stress import repetitions

from flywheel_mlflow.base.errors import DocumentError
from flywheel_mlflow.consistency import run_checks
from flywheel_mlflow.evidence.flywheel import Flywheel, load_flywheel
from flywheel_mlflow.evidence.runs import Collected, Outcome
from flywheel_mlflow.operations.assembly.validating import refuse_faulty

Place = tuple[str | int, ...]
OWN_KPI = kpi_document("mapping", path="interface_mapping")


def contracts(**own: Any) -> dict[str, dict[str, Any]]:
    """The contracts of the small flywheel, whose assembly layer measures what its metrics have."""
    found = contract_documents()
    found["p10"] |= {"kpis": [OWN_KPI]} | own
    return found


def places(document: Any, place: Place = ()) -> Iterator[Place]:
    """Every place of a document, parts after the whole."""
    listed = enumerate(document) if isinstance(document, list) else ()
    for key, value in document.items() if isinstance(document, dict) else listed:
        yield (*place, key)
        yield from places(value, (*place, key))


def variants(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The document with one part left out, emptied, or listed twice."""
    for *around, key in places(document):
        for name in ("left out", "empty", "twice"):
            changed = deepcopy(document)
            holder: Any = changed
            for part in around:
                holder = holder[part]
            value = holder[key]
            if name == "left out":
                del holder[key]
            elif name == "empty":
                holder[key] = type(value)() if isinstance(value, str | list | dict) else None
            elif isinstance(value, list) and value:
                value.append(value[0])
            else:
                continue
            yield f"{'.'.join(map(str, (*around, key)))} {name}", changed


def contradictions(wheel: Flywheel) -> list[str]:
    """What assembling it finds wrong, with a run of every project and without any."""
    every = {name: evidence_of(item) for name, item in wheel.contracts.items() if not item.is_assembly}
    views = [settled(wheel, Collected(2, evidence)) for evidence in (every, {})]
    return [
        f"{check.name}: {check.message}"
        for view in views
        for check in run_checks(view)
        if check.outcome is not Outcome.PASSED
    ]


@pytest.mark.parametrize("file", ["flywheel.yaml", "projects/p02/project.yaml", "projects/p10/project.yaml"])
def test_what_validate_passes_assembles(tmp_path: Path, file: str) -> None:
    """Whatever part is left out, emptied or doubled: the files are refused with a place, or they assemble, which takes
    long: without FLYWHEEL_STRESS=1 every third is assembled.
    """
    write_flywheel(tmp_path, contracts=contracts())
    document = blueprint_document() if file == "flywheel.yaml" else contracts()[file.split("/")[1]]
    passed, found = 0, {}
    for name, changed in variants(document):
        put(tmp_path / file, changed)
        try:
            wheel = load_flywheel(tmp_path)
            refuse_faulty(wheel)
        except DocumentError:
            continue
        passed += 1
        if passed % repetitions(3, 1):
            continue
        if wrong := contradictions(wheel):
            found[name] = wrong
    assert found == {}
    assert passed


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("quality", "the metrics of an assembly have nothing at quality"),
        ("previous.iteration", "have nothing at previous.iteration"),
        ("flywheel", "have no number at flywheel"),
        ("bottlenecks", "have no number at bottlenecks"),
        ('metrics["p10.score"].value', "rests on the assembly layer's own evidence"),
        ('metrics["stage.last.score"].value', "rests on the assembly layer's own evidence"),
        ('metrics["flywheel.mean_stage_score"].value', "rests on the assembly layer's own evidence"),
    ],
)
def test_a_kpi_that_no_assembly_can_measure_is_refused(tmp_path: Path, path: str, message: str) -> None:
    """The assembly layer's KPIs are numbers of its metrics, and none that is made of them; the fault has its line."""
    write_flywheel(tmp_path, contracts=contracts(kpis=[OWN_KPI, kpi_document("other", path=path)]))
    with pytest.raises(DocumentError) as caught:
        refuse_faulty(load_flywheel(tmp_path))
    (fault,) = caught.value.faults
    assert (fault.file, fault.path) == ("projects/p10/project.yaml", "kpis[1].path")
    assert fault.line > 0
    assert message in fault.message


def test_the_assembly_layer_cannot_state_the_sum_it_is_in(tmp_path: Path) -> None:
    """Its review hours are no sum of everybody's, its own among them."""
    write_flywheel(tmp_path, contracts=contracts(costs={"review_hours": "review_hours"}))
    with pytest.raises(DocumentError, match=r"costs\.review_hours.*own evidence"):
        refuse_faulty(load_flywheel(tmp_path))


def test_the_shipped_and_the_small_flywheel_pass(repository: Path, tmp_path: Path) -> None:
    """Nothing is refused that assembles, with an assembly layer or without."""
    refuse_faulty(load_flywheel(repository))
    without = contracts()
    del without["p10"]
    without["p03"]["interfaces_in"].pop()
    refuse_faulty(load_flywheel(write_flywheel(tmp_path, contracts=without)))


def test_a_flywheel_without_money_assembles(tmp_path: Path) -> None:
    """Without a currency costs are unknown, say why, and contradict nothing."""
    plan, some = blueprint_document(), contracts()
    del plan["currency"], some["p01"]["costs"], some["p02"]["costs"]
    wheel = load_flywheel(write_flywheel(tmp_path, blueprint=plan, contracts=some))
    assert contradictions(wheel) == []
    cost = settled(wheel, Collected(2, {})).now.metrics["p01.cost.review_cost"]
    assert (cost.value, cost.note) == (None, "flywheel.yaml declares no currency")
