"""Rules applied to columns of events."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from feedback_columns import batch, holds, router, row
from flywheels import contract
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.feedback.origins import origins_of
from flywheel_mlflow.feedback.routing import NO_RULE, explain
from flywheel_mlflow.promises.routes import Condition

CHART = {"id": "chart", "to": "p05", "when": [{"any_words": ["chart", "图表"]}]}
LAW = {
    "id": "law",
    "to": "p02",
    "when": [{"any_words": ["law"], "severity": ["high"]}, {"all_words": ["risk", "refusal"]}],
}
CORPUS = {"id": "corpus", "to": "p01", "when": [{"built_on": ["corpus"], "no_words": ["spelling"]}]}
MAKER = {"id": "maker", "to": "producer"}
SUBJECT = {"id": "subject", "to": "project", "when": [{"reporter": ["flywheel"]}]}
RULES = router(CHART, LAW, SUBJECT, CORPUS, MAKER)


@pytest.mark.parametrize(
    ("said", "to", "rule"),
    [
        ({"text": "the chart and the law", "severity": "high"}, "p05", "chart"),
        ({"text": "the law", "severity": "high"}, "p02", "law"),
        ({"text": "the law", "severity": "low"}, None, None),
        ({"text": "the law"}, None, None),
        ({"text": "risk, no refusal"}, "p02", "law"),
        ({"text": "risk"}, None, None),
        ({"text": "odd", "interface": "answers"}, "p01", "corpus"),
        ({"text": "spelling", "interface": "answers"}, "p02", "maker"),
        ({"text": "odd", "interface": "index"}, "p05", "maker"),
        ({"text": "odd", "record_ids": ["index/7"]}, "p05", "maker"),
        ({"text": "odd", "record_ids": ["7", "nobody/7", "index/7", "corpus/1"]}, "p05", "maker"),
        ({"text": "odd", "interface": "nobody"}, None, None),
        ({"text": "odd", "reporter": "flywheel", "project": "p01"}, "p01", "subject"),
        ({"text": "odd", "reporter": "flywheel", "project": "p99"}, None, None),
        ({"text": "odd", "reporter": "flywheel"}, None, None),
    ],
)
def test_the_first_rule_that_matches_takes_the_event(said: dict[str, Any], to: str | None, rule: str | None) -> None:
    """By words, fields, lineage or what the event itself names; what no rule takes goes nowhere and says so."""
    found = RULES.route(batch(row(1, **said))).to_pylist()[0]
    assert (found["to"], found["rule"]) == (to, rule)
    assert found["reason"] == (f"because of {rule}" if rule else NO_RULE)


EVENTS = st.fixed_dictionaries(
    {
        "text": st.lists(st.sampled_from(["chart", "law", "risk", "refusal", "图表", "spelling", "x"]), min_size=1).map(
            " ".join
        )
    },
    optional={
        "severity": st.sampled_from(["low", "high"]),
        "interface": st.sampled_from(["corpus", "answers", "index", "nobody"]),
        "record_ids": st.lists(st.sampled_from(["corpus/1", "index/2", "3"]), max_size=3),
        "project": st.sampled_from(["p01", "p99"]),
        "reporter": st.sampled_from(["flywheel", "ana"]),
    },
)


def slowly(said: dict[str, Any]) -> tuple[str | None, str | None]:
    """The same decision for one event, rule by rule."""
    named = [said.get("interface", ""), *(item.split("/")[0] for item in said.get("record_ids", ()) if "/" in item)]
    interface = next((name for name in named if name in RULES.origins.producers), None)

    def shows(sign: Condition) -> bool:
        return (
            (not sign.severity or said.get("severity") in sign.severity)
            and (not sign.reporter or said.get("reporter") in sign.reporter)
            and (not sign.any_words or any(holds(word, said["text"]) for word in sign.any_words))
            and all(holds(word, said["text"]) for word in sign.all_words)
            and not any(holds(word, said["text"]) for word in sign.no_words)
            and (not sign.built_on or bool(interface and RULES.origins.built_on[interface] & set(sign.built_on)))
        )

    for route in RULES.routes:
        if route.when and not any(shows(sign) for sign in route.when):
            continue
        to: str | None = route.to
        if to == "producer":
            to = RULES.origins.producers[interface] if interface else None
        elif to == "project":
            to = said.get("project")
        if to in RULES.projects:
            return to, route.id
    return None, None


@given(events=st.lists(EVENTS, min_size=1, max_size=12))
def test_columns_agree_with_a_row_by_row_loop(events: list[dict[str, Any]]) -> None:
    """A batch, a table of several chunks and single rows are routed alike, in order."""
    rows = [row(number, **said) for number, said in enumerate(events)]
    whole = batch(*rows)
    routed = RULES.route(whole).to_pylist()
    assert [(item["to"], item["rule"]) for item in routed] == [slowly(said) for said in events]
    table = pa.Table.from_batches([whole.slice(0, 1), whole.slice(1)])
    assert RULES.route(table).to_pylist() == routed


def test_an_empty_table_keeps_its_columns() -> None:
    """No rows in, no rows out, the three columns more."""
    empty = pa.Table.from_batches([], schema=batch(row(1)).schema)
    assert RULES.route(empty).schema.names[-3:] == ["to", "rule", "reason"]


def test_an_explanation_names_sign_words_and_what_is_missing() -> None:
    """For the rule that took it, for one that would have, and for those that did not match."""
    asked = {item.route.id: item for item in explain(RULES, batch(row(1, text="law chart", interface="index")))}
    assert (asked["chart"].taken, asked["chart"].words, asked["chart"].sign) == (True, ("chart",), 0)
    assert (asked["law"].taken, asked["law"].words, asked["law"].missing) == (False, ("law",), ("severity",))
    assert asked["maker"].taken
    assert asked["corpus"].missing == ("built_on",)
    lonely = {item.route.id: item for item in explain(RULES, batch(row(1)))}
    assert lonely["maker"].missing == ("a known producer",)


def test_a_rule_to_a_project_that_is_not_there_takes_nothing() -> None:
    """Rules may be written before their projects: until then the next rule that matches takes the event."""
    rules = router({"id": "later", "to": "p99", "when": [{"any_words": ["chart"]}]}, CHART)
    assert rules.route(batch(row(1, text="chart"))).column("to").to_pylist() == ["p05"]
    assert rules.digest == router(CHART).digest


def test_the_digest_names_the_rules() -> None:
    """The same rules have the same digest, others another."""
    assert router(CHART).digest == router(CHART).digest != router(LAW).digest


def test_origins_follow_inputs_of_the_same_turn() -> None:
    """What an interface is built on is found over any number of steps, not over feedback edges."""
    makes = [{"name": "a", "title": "A", "format": "opaque", "schema": "opaque"}]
    chain = [
        contract("p01", interfaces_out=makes, interfaces_in=[{"name": "c", "from_iteration": "previous"}]),
        contract("p02", interfaces_out=[makes[0] | {"name": "b"}], interfaces_in=[{"name": "a"}]),
        contract("p03", interfaces_out=[makes[0] | {"name": "c"}], interfaces_in=[{"name": "b"}]),
    ]
    found = origins_of(chain)
    assert found.producers == {"a": "p01", "b": "p02", "c": "p03"}
    assert found.built_on == {"a": {"a"}, "b": {"a", "b"}, "c": {"a", "b", "c"}}
