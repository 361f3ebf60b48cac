"""Tests of the faults between a flywheel's files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flywheels import blueprint_document, contract_documents, kpi_document, write_flywheel

from flywheel_mlflow.base.errors import DocumentError
from flywheel_mlflow.evidence.flywheel import load_flywheel

Change = Callable[[dict[str, Any], dict[str, dict[str, Any]]], object]


def found(root: Path, change: Change) -> list[tuple[str, str, str]]:
    plan, contracts = blueprint_document(), contract_documents()
    change(plan, contracts)
    write_flywheel(root, blueprint=plan, contracts=contracts)
    with pytest.raises(DocumentError) as caught:
        load_flywheel(root)
    assert all(fault.line > 0 for fault in caught.value.faults)
    return [(fault.file, fault.path, fault.message) for fault in caught.value.faults]


def extra(name: str) -> dict[str, str]:
    return {"name": name, "title": name, "format": "jsonl"}


def test_the_shipped_and_the_small_flywheel_have_no_fault(repository: Path, tmp_path: Path) -> None:
    """None of the checks fires on a flywheel that is in order."""
    shipped = load_flywheel(repository)
    assert (len(shipped.contracts) >= 15, shipped.warnings) == (True, ())
    assert len(load_flywheel(write_flywheel(tmp_path)).contracts) == 4


def rollback_condition(plan: dict[str, Any], **reason: Any) -> dict[str, Any]:
    """A condition under which production is taken back, which the first team answers for."""
    return {"id": "r", "title": "It broke", "owner": plan["teams"][0]["id"], **reason}


@pytest.mark.parametrize(
    ("change", "file", "path", "message"),
    [
        (lambda _, it: it["p01"].update(owner="x"), "p01", "owner", "no team is called 'x'; there are: builders"),
        (lambda _, it: it["p01"]["layers"].append("x"), "p01", "layers[1]", "no layer is called 'x'"),
        (lambda _, it: it["p01"]["stages"].append("x"), "p01", "stages[1]", "no stage is called 'x'"),
        (lambda _, it: it["p01"]["review"].update(controls=["x"]), "p01", "review.controls[0]", "no control point"),
        (lambda _, it: it["p03"]["interfaces_in"].append({"name": "x"}), "p03", "interfaces_in[2].name", "no project"),
        (
            lambda _, it: it["p03"]["interfaces_out"][0].update(consumers=["p10", "x"]),
            "p03",
            "interfaces_out[0].consumers",
            "no project is called 'x'",
        ),
        (
            lambda _, it: it["p03"]["interfaces_out"][0].update(shares_ids_with=["p02_date"]),
            "p03",
            "interfaces_out[0].shares_ids_with",
            "no project makes an interface 'p02_date'; did you mean p02_data?",
        ),
        (
            lambda _, it: it["p02"]["interfaces_out"][0].update(consumers=["p10"]),
            "p03",
            "interfaces_in[0].name",
            "p02 does not list p03",
        ),
        (
            lambda _, it: it["p01"].update(interfaces_in=[{"name": "p03_data"}]),
            "p01",
            "interfaces_in",
            "waits on itself: p01 -> p02 -> p03 -> p01",
        ),
        (
            lambda _, it: it["p01"].update(interfaces_in=[{"name": "p01_data", "from_iteration": "previous"}]),
            "p01",
            "interfaces_in[0].name",
            "cannot consume its own",
        ),
        (lambda _, it: it["p02"]["interfaces_out"].append(extra("p01_data")), "p02", "interfaces_out[1].name", "also"),
        (lambda _, it: it["p03"].update(registry_role="assembly_layer"), "", "", "more than one assembly layer"),
        (lambda plan, _: plan["bottlenecks"][0].update(when="p01.x < 1"), "", "bottlenecks[0].when", "KPI p01.x"),
        (lambda _, it: it["p01"].update(kpis=[kpi_document("new")]), "", "bottlenecks[0].when", "KPI p01.retention"),
        (
            lambda plan, _: plan.update(rollback_when=[rollback_condition(plan, when="p01.x < 1")]),
            "",
            "rollback_when[0].when",
            "KPI p01.x",
        ),
    ],
)
def test_each_kind_of_fault_is_found_once_at_its_place(
    tmp_path: Path, change: Change, file: str, path: str, message: str
) -> None:
    """One wrong reference between two files is one fault, in the file that must change."""
    ((where, place, text),) = found(tmp_path, change)
    assert where == (f"projects/{file}/project.yaml" if file else "flywheel.yaml")
    assert place == path
    assert message in text


@pytest.mark.parametrize(
    ("change", "path", "message"),
    [
        (lambda plan, _: plan["routing"][0].update(to="x"), "routing[0].to", "no project is called 'x' yet"),
        (
            lambda plan, _: plan["routing"][0]["when"][0].update(built_on=["x"]),
            "routing[0].when[0].built_on",
            "no project makes the interface 'x' yet",
        ),
        (lambda plan, _: plan["bottlenecks"][0].update(when="x.y < 1"), "bottlenecks[0].when", "called 'x' yet"),
        (
            lambda plan, _: plan["gates"][0]["criteria"][0].update(kind="max_drop", metric="x.y", limit=0),
            "gates[0].criteria[0].metric",
            "called 'x' yet",
        ),
        (
            lambda plan, _: plan.update(drift={"kpis": [{"kpi": "x.y", "judged": False, "why": "so"}]}),
            "drift.kpis[0].kpi",
            "called 'x' yet",
        ),
        (
            lambda plan, _: plan.update(drift={"signals": [{"signal": "x/y", "judged": False, "why": "so"}]}),
            "drift.signals[0].signal",
            "makes the interface 'x' yet",
        ),
        (
            lambda plan, _: plan.update(rollback_when=[rollback_condition(plan, when="x.y < 1")]),
            "rollback_when[0].when",
            "called 'x' yet",
        ),
        (
            lambda plan, _: plan.update(rollback_when=[rollback_condition(plan, drift=["p01", "x"])]),
            "rollback_when[0].drift[1]",
            "called 'x' yet",
        ),
        (
            lambda plan, _: plan.update(
                budgets={"runs": [{"id": "b", "project": "x", "of": "tokens", "per": "quarter", "most": 1}]}
            ),
            "budgets.runs[0].project",
            "called 'x' yet",
        ),
        (
            lambda plan, _: plan.update(
                experiments=[
                    {
                        "id": "e",
                        "project": "x",
                        "hypothesis": "It helps.",
                        "control": "a",
                        "treatments": ["b"],
                        "primary": {"name": "taken", "smallest_effect": 1},
                    }
                ]
            ),
            "experiments[0].project",
            "called 'x' yet",
        ),
        (
            lambda plan, _: plan["layers"].append({"id": "sky", "title": "Sky", "responsibilities": ["x"]}),
            "layers[2].id",
            "no project belongs to sky yet",
        ),
        (lambda _, it: [it[name].update(stages=["first"]) for name in it], "stages[1].id", "belongs to last yet"),
    ],
)
def test_what_nobody_has_written_yet_is_a_note(tmp_path: Path, change: Change, path: str, message: str) -> None:
    """A blueprint may name projects and interfaces before they are there: it loads, and the note says where."""
    plan, contracts = blueprint_document(), contract_documents()
    change(plan, contracts)
    (note,) = load_flywheel(write_flywheel(tmp_path, blueprint=plan, contracts=contracts)).warnings
    assert (note.file, note.path, note.line > 0) == ("flywheel.yaml", path, True)
    assert message in note.message


def test_a_project_that_people_are_asked_about_asks_them_something(tmp_path: Path) -> None:
    """A gate that wants people's answers names each project that it concerns and that has no questions for them."""
    plan, contracts = blueprint_document(), contract_documents()
    plan["gates"][0]["criteria"].append(
        {"id": "seen", "kind": "human_review", "demand": "People look.", "role": "reviewer", "limit": 0.9}
        | {"review": {"reviewers": 1}}
    )
    contracts["p01"]["review"]["human"] = contracts["p02"]["review"]["human"] = True
    contracts["p02"]["review"]["questions"] = [{"name": "right", "ask": "Is it right?"}]
    (note,) = load_flywheel(write_flywheel(tmp_path, blueprint=plan, contracts=contracts)).warnings
    assert (note.file, note.path) == ("projects/p01/project.yaml", "review")
    assert "asks them no questions yet" in note.message


def test_a_taken_id_is_found(tmp_path: Path) -> None:
    """Two projects of one id are named with each other's file, and so are their interfaces."""
    faults = found(tmp_path, lambda _, it: it.update(p04=contract_documents()["p01"]))
    assert ("projects/p04/project.yaml", "id", "p01 is also the id of projects/p01/project.yaml") in faults
    assert ("projects/p04/project.yaml", "interfaces_out[0].name", "p01_data is also made by p01") in faults


def test_feedback_from_the_turn_before_is_no_circle(tmp_path: Path) -> None:
    """Only edges of the same iteration can wait on each other."""
    contracts = contract_documents()
    contracts["p01"]["interfaces_in"] = [{"name": "p03_data", "from_iteration": "previous"}]
    assert len(load_flywheel(write_flywheel(tmp_path, contracts=contracts)).contracts) == 4


def test_a_contract_that_cannot_be_read_is_not_blamed_on_others(tmp_path: Path) -> None:
    """Its interfaces are not reported as missing in every project that reads them."""
    faults = found(tmp_path, lambda _, it: it["p01"].update(colour="red"))
    assert [(file, path) for file, path, _ in faults] == [("projects/p01/project.yaml", "colour")]


def test_a_gate_on_a_number_nobody_declares_is_found(tmp_path: Path) -> None:
    """A criterion that could never be decided is a fault of the blueprint."""

    def change(plan: dict[str, Any], _: dict[str, dict[str, Any]]) -> None:
        criterion = {"id": "stray", "kind": "floor", "demand": "x", "metric": "p01.nobody", "limit": 1.0}
        plan["gates"][0]["criteria"].append(criterion)

    assert [message for _, _, message in found(tmp_path, change)] == ["no contract declares the KPI p01.nobody"]


@pytest.mark.parametrize(
    ("metric", "refused"),
    [
        ("flywheel.project_count", True),
        ("flywheel.nonsense", True),
        ("flywheel.carried_count", False),
        ("p01.retention", False),
        ("p01.score", False),
        ("stage.first.score", False),
    ],
)
def test_a_drop_needs_a_direction(tmp_path: Path, metric: str, refused: bool) -> None:
    """A drop of a number nobody says is better higher or lower is a fault at its line; a floor is none."""
    plan = blueprint_document()
    for kind in ("max_drop", "floor"):
        criterion = {"id": f"stray_{kind}", "kind": kind, "demand": "x", "metric": metric, "limit": 0}
        plan["gates"][0]["criteria"].append(criterion)
    write_flywheel(tmp_path, blueprint=plan)
    if not refused:
        load_flywheel(tmp_path)
        return
    with pytest.raises(DocumentError) as caught:
        load_flywheel(tmp_path)
    (fault,) = caught.value.faults
    assert (fault.file, fault.path) == (
        "flywheel.yaml",
        f"gates[0].criteria[{len(plan['gates'][0]['criteria']) - 2}].metric",
    )
    assert "better higher or lower" in fault.message


def test_the_assembly_layer_does_not_grade_itself(tmp_path: Path) -> None:
    """A KPI of the assembly layer that contains its own evidence is refused: the assembly could not settle."""

    def change(_: dict[str, Any], contracts: dict[str, dict[str, Any]]) -> None:
        contracts["p10"]["kpis"].append(kpi_document("mean_stage_score"))

    assert any("contain the assembly layer's own evidence" in message for _, _, message in found(tmp_path, change))


@pytest.mark.parametrize(
    ("kpi", "warned"),
    [
        ({"unit": "points of 5", "n_path": "n"}, True),
        ({"unit": "points of 5", "n_path": "n", "stderr_path": "error"}, False),
        ({"unit": "points of 5", "n_path": "n", "noise": 0.1}, False),
        ({"unit": "points of 5"}, False),
        ({"unit": "accuracy", "n_path": "n"}, False),
        ({"unit": "Percent", "n_path": "n"}, False),
    ],
)
def test_a_sample_size_no_verdict_can_use_is_a_warning(tmp_path: Path, kpi: dict[str, Any], warned: bool) -> None:
    """The flywheel loads, and the line of the n_path is named."""
    contracts = contract_documents()
    contracts["p02"]["kpis"].append(kpi_document("more", **kpi))
    write_flywheel(tmp_path, contracts=contracts)
    found = [fault.path for fault in load_flywheel(tmp_path).warnings]
    assert found == (["kpis[2].n_path"] if warned else [])


def test_declared_types_that_contradict_are_a_fault(tmp_path: Path) -> None:
    """A consumer cannot need a text where the producer promises a list; a whole number will do as a number."""

    def declare(given: str, needed: str, *paths: str) -> Change:
        def change(_: dict[str, Any], it: dict[str, dict[str, Any]]) -> None:
            promised, wanted = paths or ("score", "score")
            it["p02"]["interfaces_out"][0]["fields"] = [{promised: given}]
            it["p03"]["interfaces_in"][0]["fields"] = ["id", {wanted: needed}]

        return change

    (fault,) = found(tmp_path / "a", declare("list", "string"))
    assert fault[1:] == ("interfaces_in[0].fields", "score must be string here, p02 promises list")
    (fault,) = found(tmp_path / "lists", declare("integer", "string", "turns[].n", "turns.n"))
    assert fault[1:] == ("interfaces_in[0].fields", "turns.n must be string here, p02 promises integer")
    assert any(
        "is no" in message or "Input" in message for _, _, message in found(tmp_path / "b", declare("list", "txt"))
    )
    plan, contracts = blueprint_document(), contract_documents()
    declare("integer", "number")(plan, contracts)
    assert load_flywheel(write_flywheel(tmp_path / "c", blueprint=plan, contracts=contracts)).contracts
