"""Saved views: the columns with which MLflow's own tables of runs open."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from flywheel_mlflow.base.canonical import canonical_json
from flywheel_mlflow.tracking import tags

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment

    from flywheel_mlflow.promises.contract import Contract

#: Before the key of a view in the tags of an experiment, and the option of an address that opens it. MLflow 3.17.2
#: writes them for its button "Share view"; what stands in them was read from its user interface and tried in a browser.
SAVED_VIEW = "mlflow.sharedViewState."
#: The view that a link of ours opens: one line an iteration.
ITERATIONS = "flywheel-iterations"
GATES = "flywheel-gates"
#: MLflow's order by the name of a run.
BY_NAME = f"tags.`{tags.RUN_NAME}`"
#: KPIs of a project that get a column; a table of more is not read.
MOST_KPIS = 8

#: Columns that MLflow always shows, by its own names, in its order.
_FIXED = {"attributes.`Run Name`": 210, "runDateAndNestInfo": 140, "duration": 90}
#: Pixels of a letter in a heading, and of what stands around it.
_LETTER, _AROUND = 7, 34

_FLYWHEEL_METRICS = (
    "flywheel.mean_stage_score",
    "flywheel.consumable_count",
    "flywheel.upstream_check_pass_rate",
    "flywheel.interface_mapping",
    "flywheel.bottleneck_count",
    "flywheel.regressed_kpi_count",
    "flywheel.drifted_signal_count",
)
_MARKUP, _ESCAPED = re.compile(r"([\\`*_\[\]<>])"), r"\\\1"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class View:
    """Columns of a table of runs: the names of ``metrics`` and ``labels`` (tags); ``filter`` is one of MLflow's.

    ``children`` says that the runs shown are children of others: MLflow folds these away below their parents, whatever
    the filter says, unless the table is ordered by something else than time.
    """

    key: str
    name: str
    metrics: tuple[str, ...]
    labels: tuple[str, ...]
    filter: str = ""
    children: bool = False

    def state(self) -> str:
        """The view as MLflow's table keeps it, as text; equal views give equal text."""
        columns = [f"metrics.`{name}`" for name in self.metrics] + [f"tags.`{name}`" for name in self.labels]
        widths = {column: _AROUND + _LETTER * len(column.partition(".")[2]) for column in columns}
        order = {"orderByKey": BY_NAME, "orderByAsc": False} if self.children else {}
        return canonical_json(
            order
            | {
                "searchFilter": self.filter,
                "selectedColumns": columns,
                "columnOrder": [*_FIXED, *columns],
                "columnWidths": _FIXED | widths,
            }
        )


#: What stands before the links of the assembly's experiment.
ASSEMBLY_TITLE = "One run an iteration, its stages and gates below it"
#: Views of the assembly's experiment.
ASSEMBLY_VIEWS = (
    View(
        ITERATIONS,
        "Iterations",
        _FLYWHEEL_METRICS,
        (tags.ITERATION, tags.VALID),
        f"tags.`{tags.KIND}` = '{tags.KIND_ASSEMBLY}' and tags.`{tags.CURRENT}` = '{tags.TRUE}'",
    ),
    View(
        GATES,
        "Gates",
        ("criteria.pass", "criteria.block", "criteria.inconclusive"),
        (tags.VERSION, tags.GATE, tags.VERDICT),
        f"tags.`{tags.KIND}` = '{tags.KIND_GATE}'",
        children=True,
    ),
)


def project_views(contract: Contract) -> tuple[View, ...]:
    """The view of a project's experiment: its checks and the first of its KPIs."""
    kpis = tuple(kpi.name for kpi in contract.kpis[:MOST_KPIS] if "`" not in kpi.name)
    metrics = (tags.CHECKS_PASSED, tags.CHECKS_FAILED, *kpis)
    return (View(ITERATIONS, "Iterations", metrics, (tags.ITERATION, tags.EVIDENCE, tags.VALID)),)


def view_address(experiment_id: str, key: str = ITERATIONS) -> str:
    """The address of a view below that of the server's user interface."""
    return f"#/experiments/{quote(experiment_id, safe='')}/runs?workflowType=machine_learning&viewStateShareKey={key}"


def view_tags(views: Iterable[View]) -> dict[str, str]:
    """The tags of an experiment that hold the views."""
    now = int(time.time() * 1000)
    return {
        SAVED_VIEW + view.key: canonical_json(
            {"name": view.name, "createdAt": now, "updatedAt": now, "state": view.state()}
        )
        for view in views
    }


def experiment_note(title: str, experiment_id: str, views: Iterable[View]) -> str:
    """The description of an experiment with a link to each of its views."""
    links = [f"[{view.name}](./{view_address(experiment_id, view.key)})" for view in views]
    return f"{_MARKUP.sub(_ESCAPED, title)}: {' · '.join(links)}"


def furnish(client: MlflowClient, experiment: Experiment, title: str, views: tuple[View, ...]) -> None:
    """Give an experiment its views and its description where they are missing or older ones of ours.

    What a person wrote over them stays. Views are for the eye: where they cannot be set, nothing else fails.
    """
    from mlflow.exceptions import MlflowException

    missing = {key: text for key, text in view_tags(views).items() if _is_older(experiment.tags.get(key), text)}
    note = experiment_note(title, str(experiment.experiment_id), views)
    if experiment.tags.get(tags.NOTE) in (None, "", title):
        missing |= {tags.NOTE: note} if note != experiment.tags.get(tags.NOTE) else {}
    try:
        for key, text in missing.items():
            client.set_experiment_tag(experiment.experiment_id, key, text)
    except MlflowException as error:
        _LOG.info("the views of experiment %s could not be set: %s", experiment.experiment_id, error)


def _is_older(found: str | None, wanted: str) -> bool:
    """Whether a view is missing, or is one of ours that nobody changed and says something else."""
    if found is None:
        return True
    try:
        kept: Mapping[str, object] = json.loads(found)
        untouched = kept["createdAt"] == kept["updatedAt"]
        return untouched and kept["state"] != json.loads(wanted)["state"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return False  # somebody else's: leave it
