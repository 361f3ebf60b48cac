"""The parts of the business assistant: layer, SQL, guard, warehouse, answers."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trials import PROJECTS, load_module

from flywheel_mlflow.base.errors import DocumentError, InputError
from flywheel_mlflow.pipelines import Task

FOLDER = PROJECTS / "p15_enterprise_qa"
warehouses = load_module(FOLDER / "p15_warehouse.py")
layers = load_module(FOLDER / "p15_layer.py")
sql = load_module(FOLDER / "p15_sql.py")
assistants = load_module(FOLDER / "p15_assistant.py")
measure = load_module(FOLDER / "p15_measure.py")
pipeline = load_module(FOLDER / "pipeline.py")

RULES = ({"kind": "email", "pattern": r"\S+@\S+"}, {"kind": "person_name", "fields": ["customer_name"]})
SCHEMA = (FOLDER / "data" / "schema.sql").read_text(encoding="utf-8")
LAYER = json.loads((FOLDER / "data" / "semantic_layer.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The sample warehouse; mail addresses and names are personal data by the rules."""
    path = tmp_path_factory.mktemp("warehouse") / "w.db"
    return warehouses.load_warehouse(SCHEMA, FOLDER / "data" / "warehouse", path, RULES)


@pytest.fixture(scope="module")
def assistant(warehouse: Any) -> Any:
    """The assistant with the shipped layer."""
    layer = layers.read_layer(LAYER, "layer")
    words = layers.vocabulary_of(layer, layers.value_index(layer, warehouse))
    return assistants.Assistant(layer, words, warehouse, 100)


def test_personal_columns_are_found_by_form_and_by_name(warehouse: Any) -> None:
    """A column whose values look like a mail address, or that a rule names, is closed; others are open."""
    assert warehouse.denied == {"customers.email", "customers.customer_name"}


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM orders",
        "UPDATE orders SET status = 'x'",
        "DROP TABLE orders",
        "ATTACH 'other.db' AS o",
        "PRAGMA writable_schema = 1",
        "SELECT email FROM customers",
        "SELECT load_extension('x')",
        "SELECT 1; SELECT 2",
        "SELECT '\x00'; \ud800",
        "SELECT region, (SELECT c.email FROM customers c LIMIT 1) FROM customers",
    ],
)
def test_the_database_itself_refuses_what_is_no_reading(warehouse: Any, query: str) -> None:
    """Even unseen by the guard, SQL that changes something or reads a closed column returns an error and no row."""
    seen = warehouse.read(query, limit=5)
    assert seen.error
    assert seen.rows == ()


def test_unguarded_sql_is_undone(warehouse: Any) -> None:
    """What unguarded SQL deletes is there again for the next question."""
    before = warehouse.read("SELECT COUNT(*) FROM orders", limit=1).rows
    assert warehouse.read("DELETE FROM orders; SELECT COUNT(*) FROM orders", limit=1, guarded=False).rows == ((0,),)
    assert warehouse.read("SELECT COUNT(*) FROM orders", limit=1).rows == before


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELECT region FROM customers", ""),
        ("SELECT COUNT(*) FROM customers", ""),
        ("SELECT region FROM customers UNION SELECT category FROM products", ""),
        ("SELECT * FROM customers", "it reads every column"),
        ("SELECT x.email FROM customers AS x", "email is personal data"),
        ("SELECT region FROM (SELECT email AS region FROM customers) AS t", "email is personal data"),
        ("SELECT name FROM sqlite_master", "unknown table sqlite_master"),
        ("SELECT 1; SELECT 2", "it holds 2 statements"),
        ("DELETE FROM orders", "it is no SELECT but DELETE"),
        ("WITH gone AS (SELECT 1) DELETE FROM orders", "it is no SELECT but DELETE"),
        ("SELECT FROM WHERE (", "it is no SQL"),
        ("", "it holds 0 statements"),
    ],
)
def test_the_guard_lets_only_reading_of_open_columns_through(warehouse: Any, query: str, reason: str) -> None:
    """One SELECT over known tables and open columns may run; everything else is refused with its reason."""
    assert sql.refusal(query, warehouse) == reason


@given(text=st.text())
def test_no_question_breaks_the_assistant(assistant: Any, text: str) -> None:
    """Whatever is typed ends in one of the four states, with a complete trace and no error of ours."""
    answer = assistant.ask(text)
    assert answer.state in {"done", "failed", "refused", "undefined"}
    assert assistants.is_complete(answer)


def test_an_undefined_word_is_told_not_guessed(assistant: Any) -> None:
    """A question with a word nobody defined has no answer, and says which word."""
    answer = assistant.ask("What was the churn by region?")
    assert (answer.state, answer.sql, answer.plan.missing) == ("undefined", None, ("churn",))


def test_a_dimension_groups_only_where_it_is_asked_for(assistant: Any) -> None:
    """``by channel`` breaks down, ``through the Online channel`` filters."""
    assert assistant.ask("Units sold by channel").plan.groups == ("channel",)
    answer = assistant.ask("Units sold through the Online channel")
    assert (answer.plan.groups, answer.plan.filters) == ((), (("orders.channel", "Online"),))


def test_joins_follow_the_shortest_way(assistant: Any) -> None:
    """From returns to products there is a way, through orders."""
    answer = assistant.ask("Number of returns by category")
    assert sql.tables_in(answer.sql) == {"returns", "orders", "products"}


def task(payload: dict[str, Any]) -> Task:
    return Task(id="t", project="p15", iteration=3, theme="words", request="Do it.", payload=payload)


def test_a_task_adds_a_metric_and_words() -> None:
    """What a task defines is there afterwards, and what was there before is unchanged."""
    layer = layers.read_layer(LAYER, "layer")
    metric = {"base": "orders", "expression": "COUNT(orders.order_id)"}
    more = layers.extended(layer, [task({"metrics": {"deals": metric}, "synonyms": {"revenue": ["income"]}})])
    assert set(more.metrics) - set(layer.metrics) == {"deals"}
    assert more.metrics["revenue"].synonyms == (*layer.metrics["revenue"].synonyms, "income")
    assert layer == layers.read_layer(LAYER, "layer")


def test_a_task_asks_for_kinds_of_catalogues() -> None:
    """What the departments define is taken in by kind, and a kind nobody asks for stays out."""
    rows = [
        {"catalogue": "finance", "kind": "words", "synonyms": {"revenue": ["turnover"]}},
        {"catalogue": "sales", "kind": "words", "values": {"web": ["orders.channel", "Online"]}},
        {"catalogue": "marketing", "kind": "drafts", "synonyms": {"revenue": ["reach"]}},
    ]
    layer, catalogues = layers.read_layer(LAYER, "layer"), layers.read_catalogues(rows)
    more = layers.extended(layer, [task({"catalogues": ["words"]})], catalogues)
    assert more.metrics["revenue"].synonyms == (*layer.metrics["revenue"].synonyms, "turnover")
    assert more.values["web"] == ("orders.channel", "Online")
    with pytest.raises(DocumentError):
        layers.read_catalogues([{"kind": "words"}])


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        ({"other": {}}, DocumentError),
        ({"catalogues": ["gossip"]}, InputError),
        ({"metrics": {"x": {"base": "orders"}}}, DocumentError),
        ({"metrics": {"revenue": {"base": "orders", "expression": "1"}}}, InputError),
        ({"synonyms": {"nothing": ["x"]}}, InputError),
        ({"values": {"华东": ["customers.region", "West"]}}, InputError),
    ],
)
def test_a_task_that_does_not_fit_is_refused(payload: dict[str, Any], error: type[Exception]) -> None:
    """A payload that is malformed, or that would redefine something, is an error that names the task."""
    with pytest.raises(error, match=r"task|payload|missing|Extra|forbidden|x"):
        layers.extended(layers.read_layer(LAYER, "layer"), [task(payload)])


def test_a_layer_that_names_what_is_not_there_is_found(warehouse: Any) -> None:
    """Every column a layer names is looked for in the warehouse."""
    layer = layers.read_layer({**LAYER, "time_column": "orders.day"}, "layer")
    assert layers.unresolved(layers.read_layer(LAYER, "layer"), warehouse) == []
    assert layers.unresolved(layer, warehouse) == ["orders.day"]


def test_personal_values_are_never_indexed(warehouse: Any) -> None:
    """The value index refuses a column that is closed."""
    with pytest.raises(InputError):
        warehouse.values_of("customers.email")


def test_an_answer_that_says_another_number_is_not_faithful(assistant: Any) -> None:
    """Words are compared with the result: a number more, or a value less, is unfaithful."""
    answer = assistant.ask("Show the number of orders by region")
    assert assistants.is_faithful(answer, answer.rows)
    assert not assistants.is_faithful(replace(answer, text=answer.text[:-1] + "; Mars 7."), answer.rows)
    assert not assistants.is_faithful(replace(answer, text="Order count: East 1."), answer.rows)


def test_a_trace_with_a_gap_is_not_complete(assistant: Any) -> None:
    """A step left out, or given something else than the step before made, breaks the chain."""
    answer = assistant.ask("Show the number of orders by region")
    assert assistants.is_complete(answer)
    assert not assistants.is_complete(replace(answer, trace=answer.trace[1:]))
    forged = (answer.trace[0], replace(answer.trace[1], given="0"), *answer.trace[2:])
    assert not assistants.is_complete(replace(answer, trace=forged))


def test_results_are_compared_by_rows() -> None:
    """Order counts only where it was asked for; an error equals nothing, not even another error."""
    rows = warehouses.Rows
    one, two = rows(("a",), (("x", 1), ("y", 2.0000000001))), rows(("b",), (("y", 2), ("x", 1)))
    assert measure.same_result(one, two, ordered=False)
    assert not measure.same_result(one, two, ordered=True)
    assert not measure.same_result(rows((), (), "e"), rows((), (), "e"), ordered=False)


def test_a_configuration_that_names_no_file_is_refused(tmp_path: Path) -> None:
    """An agent whose sub-agent lies nowhere is found before a question is asked."""
    (tmp_path / "agent.yaml").write_text(
        "name: a\nsteps: [x]\nprobe: y\nsub_agents: {nl2sql_sub_agent_tool: nowhere.yaml}\n"
    )
    with pytest.raises(InputError, match=r"nowhere\.yaml"):
        assistants.read_agent(tmp_path / "agent.yaml")


@pytest.mark.parametrize("value", [{}, {"rules": []}, {"rules": [{}]}, []])
def test_controls_without_rules_are_refused(tmp_path: Path, value: Any) -> None:
    """Privacy controls that say nothing are an error, never permission."""
    path = tmp_path / "controls.json"
    path.write_text(json.dumps(value))
    with pytest.raises(InputError):
        warehouses.privacy_rules(path)


@dataclass
class Notes:
    """Stands where a workspace stands, and keeps what was found."""

    data: Path
    tasks: tuple[Task, ...] = ()
    found: dict[str, bool] = field(default_factory=dict)

    def check(self, name: str, passed: bool, *_message: str, **_details: Any) -> None:
        self.found[name] = passed


ASKED = {
    "id": "q",
    "question": "Show the number of orders by region",
    "reference_sql": "SELECT region, COUNT(*) FROM orders JOIN customers USING (customer_id) GROUP BY 1",
    "expected_tables": ["orders", "customers"],
    "ordered": False,
    "expected": "answered",
}


def test_missing_assets_and_another_trace_fail_their_gates(assistant: Any, warehouse: Any, tmp_path: Path) -> None:
    """No configuration, no files of a verified query, a trace that ends otherwise: each fails its gate."""
    (outcome,) = measure.evaluate(assistant, warehouse, [ASKED])
    assert outcome.accurate
    changed = replace(outcome, answer=replace(outcome.answer, trace=outcome.answer.trace[:2]))
    office = pipeline.Office(assistant, warehouse, (ASKED,), ())
    notes = Notes(tmp_path)
    pipeline._check_assets(notes, office, tmp_path, [changed])
    assert {name for name, passed in notes.found.items() if not passed} == {
        "test_nl2sql_flex_subagent",
        "gate_asset",
        "gate_replay",
    }


def test_no_answers_pass_no_gate(assistant: Any, warehouse: Any, tmp_path: Path) -> None:
    """Where nothing was asked nothing is known, and no gate opens."""
    notes = Notes(tmp_path)
    pipeline._check_gates(notes, pipeline.Office(assistant, warehouse, (), ()), ())
    assert set(notes.found.values()) == {False}
    assert set(notes.found) == {"gate_semantic", "gate_query", "gate_faithfulness", "gate_security"}


def test_failures_are_told_apart(assistant: Any, warehouse: Any) -> None:
    """A missing definition, a refusal and a wrong result have names of their own."""
    texts = [
        "Show the churn",
        "List the emails of customers",
        "Show the number of orders by channel",
        ASKED["question"],
    ]
    outcomes = measure.evaluate(assistant, warehouse, [{**ASKED, "question": text} for text in texts])
    assert [measure.failure_of(item) for item in outcomes] == [
        "missing_definition",
        "wrongly_refused",
        "wrong_result",
        "none",
    ]
