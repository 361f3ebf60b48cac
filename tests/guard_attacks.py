"""Ways past the guard that were tried: what somebody sends, and how docs/releases-attacks.md tells of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from mlflow.entities import ViewType
from releases_bench import ReleasesBench

API, AJAX = "/api/2.0/mlflow", "/ajax-api/2.0/mlflow"
API3, AJAX3 = "/api/3.0/mlflow", "/ajax-api/3.0/mlflow"
FILES = "/api/2.0/mlflow-artifacts"
PROMPT = "mlflow.prompt.is_prompt"

#: Method, path and the keyword arguments of a request.
Call = tuple[str, str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Target:
    """What an attack is aimed at: a flywheel with release 2 in production."""

    name: str
    ledger_run: str
    ledger_experiment: str
    bundle_run: str
    experiment: str
    bundle_place: str
    pinned_run: str
    project_experiment: str
    pinned_place: str


def target_of(found: ReleasesBench) -> Target:
    """The ids of what release 2 rests on."""
    client, view = found.bench.client, found.bench.tracking.releases.version(2)
    assert view is not None
    pin = view.pins["p01_data"]
    bundle, pinned = client.get_run(view.run_id).info, client.get_run(pin.run_id).info
    place = found.snapshot().place
    return Target(
        found.name,
        place.first_run,
        place.experiment_id,
        view.run_id,
        bundle.experiment_id,
        view.source.removeprefix(f"runs:/{view.run_id}/"),
        pin.run_id,
        pinned.experiment_id,
        pin.uri.removeprefix(f"runs:/{pin.run_id}/"),
    )


def governed_facts(found: ReleasesBench) -> Any:
    """All that the guard protects, as the server has it now."""
    client, place = found.bench.client, found.snapshot().place
    model = client.get_registered_model(found.name)
    views = found.bench.tracking.releases.versions()
    runs = client.search_runs([place.experiment_id], run_view_type=ViewType.ALL)
    kept = {view.run_id for view in views} | {pin.run_id for view in views for pin in view.pins.values()}
    experiments = {client.get_run(run_id).info.experiment_id for run_id in kept} | {place.experiment_id}
    return (
        dict(model.aliases),
        dict(model.tags),
        [(item.version, item.stage, item.source, dict(item.tags)) for item in views],
        sorted((run.info.run_id, run.info.lifecycle_stage, dict(run.data.params)) for run in runs),
        sorted((run_id, client.get_run(run_id).info.lifecycle_stage) for run_id in kept),
        sorted((item, (e := client.get_experiment(item)).name, e.lifecycle_stage) for item in experiments),
    )


@dataclass(frozen=True, slots=True)
class Attack:
    """``what`` somebody tries, what the server ``answers``, and the requests of it."""

    what: str
    answers: str
    calls: Callable[[Target], list[Call]]


def _post(path: str, /, **body: Any) -> Call:
    return "POST", path, {"json": body}


def _promptlab(experiment: str, **more: Any) -> Call:
    pair = [{"key": "event.000000", "value": "{}"}]
    body: dict[str, Any] = {
        "experiment_id": experiment,
        "prompt_template": "x",
        "prompt_parameters": pair,
        "model_route": "r",
        "model_parameters": pair,
        "model_input": "x",
        "model_output": "y",
        "model_output_parameters": [],
        "mlflow_version": "3.17.2",
    }
    return "POST", f"{AJAX}/runs/create-promptlab-run", {"json": body | more}


def _ids(number: str) -> list[str]:
    """Other ways to write an experiment's id, some of which only Python's ``int`` takes for one."""
    wide = "".join(chr(ord(digit) + 0xFEE0) for digit in number)
    return [number, f"0{number}", f"+{number}", f" {number}", f"{number} ", f"{number}\n", f"00{number}", wide]


def _names(name: str) -> list[str]:
    return [name, name.upper(), f"{name} ", f"{name}  ", name.title()]


def _trace(experiment: str) -> Call:
    location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}
    info = {"trace_id": "tr-1", "trace_location": location, "request_time": "2026-01-01T00:00:00Z", "state": "OK"}
    return "POST", f"{API3}/traces", {"json": {"trace": {"trace_info": info}}}


ATTACKS: Mapping[str, Attack] = {
    "promptlab": Attack(
        "a run made in the ledger's experiment by the prompt lab, a trace, a logged model, a scorer, a review queue",
        "403",
        lambda to: [
            _promptlab(to.ledger_experiment),
            _promptlab(f"0{to.ledger_experiment}"),
            _trace(to.ledger_experiment),
            _post(f"{API}/logged-models", experiment_id=to.ledger_experiment, name="m"),
            _post(f"{API3}/scorers/register", experiment_id=to.ledger_experiment, name="s", serialized_scorer="{}"),
            _post(f"{API3}/review-queues/create", experiment_id=to.ledger_experiment, name="q", queue_type="CUSTOM"),
            _post(f"{API3}/datasets/create", name="d", experiment_ids=[to.ledger_experiment]),
            _post(f"{API3}/datasets/d-1/add-experiments", experiment_ids=[f"0{to.ledger_experiment}"]),
        ],
    ),
    "ids": Attack(
        "the experiment of a release's data, or of the ledger, deleted under another spelling of its id "
        '(`"02"`, `"+2"`, `" 2"`)',
        "403",
        lambda to: [
            _post(f"{API}/experiments/delete", experiment_id=text)
            for number in (to.project_experiment, to.ledger_experiment, to.experiment)
            for text in _ids(number)
        ],
    ),
    "run ids": Attack(
        "a run that a release rests on deleted under another spelling of its id",
        "403, or 404 where the store does not find it",
        lambda to: [
            _post(f"{API}/runs/delete", **{field: text})
            for run_id in (to.pinned_run, to.bundle_run, to.ledger_run)
            for text in (run_id, run_id.upper(), f"{run_id} ")
            for field in ("run_id", "runId")
        ],
    ),
    "names": Attack(
        "an alias or a stage moved, a version or the model deleted, under another spelling of the model's name or of "
        "the alias that the database takes for the same (MariaDB: case, accents, blanks at the end)",
        "403, or 404 where the store does not find it",
        lambda to: [
            call
            for name in _names(to.name)
            for call in (
                *(
                    _post(f"{API}/registered-models/alias", name=name, alias=alias, version=version)
                    for alias in ("production", "Production", "PRODUCTION", "production ", "staging")
                    for version in ("3", " 1")
                ),
                ("DELETE", f"{API}/registered-models/alias", {"json": {"name": name, "alias": "production"}}),
                _post(f"{API}/model-versions/transition-stage", name=name, version="3", stage="production"),
                ("DELETE", f"{API}/model-versions/delete", {"json": {"name": name, "version": "2"}}),
                ("DELETE", f"{API}/registered-models/delete", {"json": {"name": name}}),
                _post(f"{API}/registered-models/rename", name=name, new_name="elsewhere"),
                _post(f"{API}/registered-models/set-tag", name=name, key="Flywheel.Ledger_run", value="x"),
                _post(f"{API}/model-versions/set-tag", name=name, version="2", key="flywheel.bundle", value="x"),
            )
        ],
    ),
    "renames": Attack(
        "an experiment of the flywheel renamed, or another one given its name",
        "403",
        lambda to: [
            *(
                _post(f"{API}/experiments/update", experiment_id=number, new_name=f"elsewhere-{to.name}")
                for number in (*_ids(to.experiment), to.project_experiment, to.ledger_experiment)
            ),
            _post(f"{API}/experiments/update", experiment_id="0", new_name=to.name),
            _post(f"{API}/experiments/update", experiment_id="0", new_name=f"{to.name}/p01"),
            _post(
                f"{API}/experiments/set-experiment-tag",
                experiment_id=to.project_experiment,
                key="flywheel.name",
                value="x",
            ),
        ],
    ),
    "prompts": Attack(
        "MLflow's mark of a prompt put on the model or on a version, so that its client finds neither",
        "403",
        lambda to: [
            _post(f"{API}/{place}/set-tag", name=to.name, key=key, value=value, **more)
            for place, more in (("registered-models", {}), ("model-versions", {"version": "2"}))
            for key in (PROMPT, "mlflow.prompt.text", "Mlflow.Prompt.is_prompt")
            for value in ("true", "false")
        ],
    ),
    "jobs": Attack(
        "a job about a run that a release rests on, or about the ledger (`optimize_prompts`, whose deletion deletes "
        "the run)",
        "403, and no job",
        lambda to: [
            (
                "POST",
                f"{AJAX3.removesuffix('/mlflow')}/jobs/",
                {"json": {"job_name": "optimize_prompts", "params": {"run_id": run, "experiment_id": place}}},
            )
            for run, place in (
                (to.bundle_run, to.experiment),
                (to.pinned_run, "0"),
                (to.ledger_run, "0"),
                ("x", to.ledger_experiment),
            )
        ],
    ),
    "demo": Attack(
        "an experiment renamed to that of MLflow's demo, and the demo deleted",
        "403",
        lambda to: [
            _post(f"{API}/experiments/update", experiment_id=to.project_experiment, new_name="MLflow Demo"),
            _post(f"{AJAX3}/demo/delete"),
        ],
    ),
    "files": Attack(
        "files of a bundle, or data that a release pins, overwritten or deleted through the server's proxy",
        "403",
        lambda to: [
            call
            for run, place, experiment in (
                (to.bundle_run, to.bundle_place, to.experiment),
                (to.pinned_run, to.pinned_place, to.project_experiment),
            )
            for root in (f"{experiment}/{run}/artifacts",)
            for path in (
                f"{root}/{place}",
                f"{root}/{place}/x",
                f"{root}//{place}/./x",
                quote(f"{root}/{place}", safe=""),
            )
            for call in (
                ("PUT", f"{FILES}/artifacts/{path}", {"data": b"x"}),
                ("PUT", f"/ajax{FILES.replace('/api', '-api')}/artifacts/{path}", {"data": b"x"}),
                ("DELETE", f"{FILES}/artifacts/{path}", {}),
                ("DELETE", f"{FILES}/artifacts/{root}", {}),
                _post(f"{FILES}/mpu/create/{path}", path=path, num_parts=1),
                (
                    "POST",
                    f"{AJAX}/upload-artifact",
                    {"params": {"run_uuid": run, "path": f"{place}/x"}, "data": json.dumps({})},
                ),
            )
        ],
    ),
    "ledger pointer": Attack(
        "the model's tags pointed to another ledger, or taken away",
        "403",
        lambda to: [
            _post(f"{API}/registered-models/set-tag", name=to.name, key="flywheel.ledger_run", value=to.bundle_run),
            (
                "DELETE",
                f"{API}/registered-models/delete-tag",
                {"json": {"name": to.name, "key": "flywheel.ledger_experiment"}},
            ),
        ],
    ),
}


def attacks_table() -> str:
    """The table of docs/releases-attacks.md."""
    rows = "\n".join(f"| {item.what} | {item.answers} |" for item in ATTACKS.values())
    return f"| attack on a server with the plugin | answer |\n|---|---|\n{rows}\n"
