"""The rows that MLflow's stores write, as the guard sees them before they are written."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mlflow.store
from servers.embedded import EmbeddedStore

#: Calls of a session that write without passing the events the guard listens to, and where MLflow makes them.
UNSEEN = ("bulk_save_objects", "bulk_insert_mappings", "bulk_update_mappings")
#: It ties an evaluation dataset to experiments, which changes neither.
KNOWN_UNSEEN = {"SqlEntityAssociation"}

#: Every way to change a run, an experiment and a model, in a process of its own: the events stay for its whole life.
PROGRAM = """
import json, sys
from flywheel_mlflow.console.watch import watch
seen = []
def judge(changes):
    for change in changes:
        before = "." if change.before is None else "b"
        seen.append((change.table, before + ("." if change.after is None else "a"), change.wholesale))
watch(judge)
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
client = MlflowClient(tracking_uri=sys.argv[1], registry_uri=sys.argv[1])
store = client._tracking_client.store
told = {}
def step(name, work):
    seen.clear()
    result = work()
    told[name] = sorted(set(seen))
    return result
experiment = step("create_experiment", lambda: client.create_experiment("e", tags={"a": "b"}))
run = step("create_run", lambda: client.create_run(experiment)).info.run_id
metrics = [Metric("m", number, 0, number) for number in range(50)]
step("log_batch", lambda: client.log_batch(run, metrics, [Param("p", "1")], [RunTag("t", "1")]))
step("rename_experiment", lambda: client.rename_experiment(experiment, "f"))
step("delete_run", lambda: client.delete_run(run))
step("hard_delete_run", lambda: store._hard_delete_run(run))
step("create_model", lambda: client.create_registered_model("m", tags={"a": "b"}))
step("create_version", lambda: client.create_model_version("m", "file:///x", tags={"a": "b"}))
step("set_alias", lambda: client.set_registered_model_alias("m", "production", "1"))
step("same_alias", lambda: client.set_registered_model_alias("m", "production", "1"))
step("delete_version", lambda: client.delete_model_version("m", "1"))
step("delete_model", lambda: client.delete_registered_model("m"))
print(json.dumps(told))
"""


def test_every_way_to_write_is_seen(embedded_store: Callable[[], EmbeddedStore]) -> None:
    """New rows, changed ones, deleted ones and rows of statements; what changes nothing is no change."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, embedded_store().uri],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    told = {name: {tuple(item) for item in items} for name, items in json.loads(done.stdout).items()}
    assert ("experiments", ".a", False) in told["create_experiment"]
    assert told["create_run"] == {("runs", ".a", False), ("tags", ".a", False)}
    assert {item[0] for item in told["log_batch"]} == {"metrics", "latest_metrics", "params", "tags"}
    assert told["rename_experiment"] == {("experiments", "ba", False)}
    assert ("runs", "ba", False) in told["delete_run"]
    assert {("runs", "b.", True), ("params", "b.", True)} <= told["hard_delete_run"]
    assert {item[0] for item in told["create_model"]} == {"registered_models", "registered_model_tags"}
    assert ("model_versions", ".a", False) in told["create_version"]
    assert told["set_alias"] == {("registered_model_aliases", ".a", False)}
    assert told["same_alias"] == set()
    assert {("model_versions", "ba", False), ("registered_model_aliases", "b.", False)} <= told["delete_version"]
    assert ("registered_models", "b.", False) in told["delete_model"]


def test_mlflow_writes_in_no_other_way() -> None:
    """In MLflow's stores nothing is written past the session's events but what changes nothing governed."""
    found = []
    for path in sorted(Path(mlflow.store.__file__).parent.rglob("*.py")):
        if "migrations" in str(path):
            continue
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Attribute) and node.attr in UNSEEN:
                around = text.splitlines()[max(0, node.lineno - 40) : node.lineno]
                found.append((path.name, any(name in line for line in around for name in KNOWN_UNSEEN)))
    assert all(known for _, known in found), found
    assert len(found) <= 1
