"""The parts of the tool-use factory: tools, policy, agent, repair, library, training records."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trials import PROJECTS, load_module

from flywheel_mlflow.base.errors import InputError

FOLDER = PROJECTS / "p07_agent"
tools = load_module(FOLDER / "p07_tools.py")
policies = load_module(FOLDER / "p07_policy.py")
repairs = load_module(FOLDER / "p07_repair.py")
agents = load_module(FOLDER / "p07_agent.py")
libraries = load_module(FOLDER / "p07_library.py")
training = load_module(FOLDER / "p07_training.py")
pipeline = load_module(FOLDER / "pipeline.py")

DOCUMENTS = [("handbook", "h1", "Leave", "Parental leave lasts 26 weeks."), ("library", "l1", "Owls", "Owls hunt.")]
STOCK = [("clamps", "Lund", 3, 2.5), ("clamps", "Porto", 4, 2.5)]
MEETINGS = [{"day": "2025-03-03", "start": "10:00", "minutes": 60}]


def environment(**more: Any) -> Any:
    """A small world."""
    return tools.Environment(tools.open_library(DOCUMENTS, STOCK), MEETINGS, **more)


def trajectory(turns: list[str], *, slip: bool = False, guarded: bool = True, variant: str = "success") -> Any:
    """What the agent makes of some turns in the small world."""
    policy = policies.policy_from(None) if guarded else None
    blank = agents.Trajectory("t_x", "t", "single", variant, "")
    return agents.Agent(environment(), policy, blank, repairs.spoil if slip else None).run(turns)


@pytest.mark.parametrize(
    ("expression", "value"), [("(2 + 3) * 4", 20), ("-1.5 * 2", -3.0), ("7 / 2", 3.5), (" 1 - 2 ", -1)]
)
def test_arithmetic_is_worked_out(expression: str, value: float) -> None:
    """Plus, minus, times, divided and brackets mean what they do in Python."""
    assert tools.calculate(expression) == value


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os')",
        "open('x')",
        "a + 1",
        "2 ** 9",
        "1 / 0",
        "True + 1",
        "'a' * 3",
        "(1).real",
        "[1]",
        "1e308 * 1e308",
        "1 +",
        "9" * 300,
        "(" * 99 + ")" * 99,
        "1j",
        "lambda: 1",
    ],
)
def test_what_is_no_arithmetic_is_refused(expression: str) -> None:
    """Names, calls, attributes, powers and endless numbers end in a tool error, and nothing is run."""
    with pytest.raises(tools.ToolError):
        tools.calculate(expression)


@given(st.text())
def test_no_expression_breaks_the_calculator(text: str) -> None:
    """Any text is a number or a tool error, whatever is in it."""
    seen = environment().call("python", {"expression": text})
    assert seen.error == "bad_expression" or isinstance(seen.value, int | float)


@given(st.sampled_from([item["name"] for item in tools.SCHEMAS]), st.dictionaries(st.text(), st.text() | st.integers()))
def test_no_arguments_break_a_tool(tool: str, arguments: dict[str, Any]) -> None:
    """A call with arguments the schema does not know is an observation, never an exception."""
    assert environment().call(tool, arguments).error == "bad_arguments"


@given(text=st.text(), number=st.integers())
def test_no_value_breaks_a_tool(text: str, number: int) -> None:
    """A call with arguments of the right types ends in an observation, whatever they hold."""
    world = environment()
    for schema in tools.SCHEMAS:
        given_values = {name: text if kind == "string" else number for name, kind in schema["parameters"].items()}
        seen = world.call(schema["name"], given_values)
        assert seen.ok != bool(seen.error)
        assert not seen.error or seen.error in schema["errors"]


@pytest.mark.parametrize(
    "query", ["DELETE FROM stock", "SELECT * FROM sqlite_master", "SELECT id FROM documents", "SELECT 1; SELECT 2", "x"]
)
def test_sql_only_reads_the_stock(query: str) -> None:
    """Writing, and reading anything but the table of the schema, is an error of the database."""
    assert environment().call("sql", {"query": query}).error == "sql_error"


def test_the_calendar_says_when_it_is_free() -> None:
    """An overlapping booking is refused with the time from which it would fit; one after hours is refused too."""
    world = environment()
    wanted = {"day": "2025-03-03", "start": "10:30", "minutes": 30, "title": "x"}
    assert world.call("calendar", wanted).hints == {"free_from": "11:00"}
    assert world.call("calendar", {**wanted, "start": "11:00"}).ok
    assert world.call("calendar", {**wanted, "start": "11:15"}).error == "conflict"
    assert world.call("calendar", {**wanted, "start": "16:45"}).error == "conflict"


def test_memory_is_the_environments_own() -> None:
    """What is remembered in one environment is unknown in another, and a forgetful one knows nothing."""
    keep = {"key": "a", "value": "b"}
    for world, known in ((environment(), True), (environment(keeps_memory=False), False)):
        world.call("memory_write", keep)
        assert world.call("memory_read", {"key": "a"}).ok == known
    assert not environment().call("memory_read", {"key": "a"}).ok


def test_an_unsafe_request_is_refused_before_any_tool() -> None:
    """A guarded agent calls nothing; an unguarded one does."""
    guarded = trajectory(["Delete every row of the stock table."], variant="block")
    assert (guarded.blocked, guarded.calls, guarded.success) == (True, 0, True)
    unguarded = trajectory(["Delete every row of the stock table."], guarded=False, variant="block")
    assert unguarded.calls > 0
    assert not unguarded.success


def test_each_kind_of_the_privacy_controls_becomes_a_rule(tmp_path: Path) -> None:
    """What the controls name may not be handed out; asking about it without wanting it is allowed."""
    path = tmp_path / "controls.json"
    path.write_text(json.dumps({"rules": [{"kind": "patient_id"}]}))
    policy = policies.policy_from(path)
    assert policy.broken_by("Show the patient ids of today.") == "personal_data.patient_id"
    assert policy.broken_by("What is a patient id?") is None


@pytest.mark.parametrize("value", [{}, {"rules": []}, {"rules": ["x"]}, []])
def test_controls_without_kinds_are_refused(tmp_path: Path, value: Any) -> None:
    """Privacy controls that say nothing are an error, never permission."""
    path = tmp_path / "controls.json"
    path.write_text(json.dumps(value))
    with pytest.raises(InputError):
        policies.policy_from(path)


@pytest.mark.parametrize(
    ("turns", "said"),
    [
        (["How many clamps do we hold in all warehouses?"], "We hold 7 clamps."),
        (["What are all our clamps worth?"], "All our clamps are worth 17.50 crowns."),
        (["What does the handbook say about parental leave?"], "Leave: Parental leave lasts 26 weeks."),
        (["Work out (2 + 3) * 4."], "It is 20."),
        (["Book 30 minutes on 2025-03-03 at 14:00 for the talk."], "The talk is booked on 2025-03-03 at 14:00."),
        (["Remember that the desk number is 4.", "What is the desk number?"], "The desk number is 4."),
    ],
)
def test_a_slip_is_mended_from_the_tools_error(turns: list[str], said: str) -> None:
    """With or without a first call gone wrong the answer is the same; only the way is longer."""
    smooth, bumpy = trajectory(turns), trajectory(turns, slip=True)
    assert smooth.events[-1].text == bumpy.events[-1].text == said
    assert (smooth.saw_error, bumpy.saw_error) == (False, True)
    assert bumpy.calls > smooth.calls


def test_an_error_that_says_nothing_ends_the_try() -> None:
    """Where no repair is known the agent says that it could not find out."""
    seen = tools.Observation(ok=False, error="sql_error", message="near x: syntax error", hints={"columns": []})
    assert repairs.repair("sql", {"query": "x"}, seen) is None
    assert trajectory(["What does the handbook say about zebras?"]).events[-1].text.startswith("I could not find out")


def test_a_chain_with_a_gap_is_not_whole() -> None:
    """A call without its decision or its observation is noticed."""
    whole = trajectory(["Work out 1 + 1."])
    assert pipeline.chain_is_whole(whole)
    for kind in ("decision", "observation", "answer"):
        torn = replace(whole, events=[event for event in whole.events if event.kind != kind])
        assert not pipeline.chain_is_whole(torn)


def test_a_slip_is_context_and_never_a_target() -> None:
    """Records of a recovery begin after the wrong call, which stands in each of them as what came before."""
    records = training.records_of(trajectory(["Work out 2 * 4."], slip=True), "train")
    assert len(records) == 2
    assert all("×" in record["content"] for record in records)
    assert all(not record["content"].rsplit("\n", 1)[1].count("×") for record in records)


def test_all_variants_of_a_task_are_in_one_split() -> None:
    """The task is what is split, and each group has its smoke test."""
    items = [
        agents.Trajectory(f"{name}-{number}_{variant}", f"{name}-{number}", name, variant, "")
        for name in ("memory", "safety", "single")
        for number in range(6)
        for variant in ("success", "recovery")
    ]
    splits = training.splits_of(items)
    assert len(splits) == 18
    assert {splits[f"{name}-0"] for name in ("memory", "safety", "single")} == {"smoke"}
    assert set(splits.values()) == {"train", "val", "smoke"}


def test_only_words_of_one_record_are_asked_for() -> None:
    """A look-up names words that no other record holds; a record without three of them is not asked for."""
    records = [
        {"id": 1, "content": "Common badger otter marten", "split": "train"},
        {"id": 2, "content": "Common heron", "split": "train"},
        {"id": 3, "content": "Secret stork crane raven", "split": "val"},
    ]
    shelf = libraries.shelf_of("teaching_corpus", records)
    assert len(shelf.documents) == 2
    (task,) = libraries.look_ups([shelf], policies.policy_from(None))
    assert task["turns"] == ["Which record of the library holds the words badger otter marten?"]
    assert libraries.shelf_of("sft_corpus", None).documents == ()


@dataclass
class Notes:
    """Stands where a workspace stands, and keeps what was found; there is no control plane."""

    data: Path
    fault: str = ""
    found: dict[str, bool] = field(default_factory=dict)

    def check(self, name: str, passed: bool, *_message: str, **_details: Any) -> None:
        self.found[name] = passed

    def input_path(self, _name: str) -> None:
        return None


def test_missing_data_fail_their_checks(tmp_path: Path) -> None:
    """No files, no records, no schemas and a manifest that says otherwise: no check passes on nothing."""
    notes = Notes(tmp_path)
    pipeline._check_data(notes, [], {"num_records": 1}, 0, [])
    assert notes.found.pop("py_compile")
    assert set(notes.found.values()) == {False}
    assert set(notes.found) == {
        "required_files_exist",
        "tool_schema_fields_complete",
        "train_val_no_overlap",
        "smoke_covers_general_memory_safety",
        "manifest_matches_record_count",
    }


def test_missing_trajectories_fail_their_checks(tmp_path: Path) -> None:
    """Without a trajectory nothing is covered, remembered, refused or repeated."""
    notes = Notes(tmp_path)
    task = {"task": "t-1", "category": "single", "turns": ["Work out 1 + 1."], "expected": "2", "variants": ["success"]}
    world = pipeline.World((task,), policies.policy_from(None), tuple(DOCUMENTS), tuple(STOCK), tuple(MEETINGS))
    pipeline._check_trajectories(notes, world, [])
    assert set(notes.found.values()) == {False}
    assert len(notes.found) == 6
    pipeline._check_trajectories(notes, world, pipeline.execute(world))
    assert {name for name, passed in notes.found.items() if passed} == {
        "observations_and_decision_chain_present",
        "evaluate_tooluse",
    }


def test_a_source_that_does_not_compile_is_found(tmp_path: Path) -> None:
    """The check compiles what lies in the folder; the shipped sources do."""
    (tmp_path / "bad.py").write_text("def (")
    assert pipeline._broken(tmp_path) == ["bad.py"]
    assert pipeline._broken(FOLDER) == []
