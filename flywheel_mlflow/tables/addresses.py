"""Every address a page links to: pages of ours, acts, and pages of MLflow's own UI."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

#: Where the pages are, below the server's static prefix.
PAGES = "/flywheel"
#: Where forms are sent: MLflow refuses state-changing calls from other origins below /ajax-api.
FORMS = "/ajax-api/2.0/flywheel/forms"
#: MLflow's UI opens in a mode for agents, without the model registry; this asks for the other one.
_MODE = "workflowType=machine_learning"
#: The saved view of one line an iteration, by the key that ``tracking.views`` gives it.
_VIEW = "flywheel-iterations"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Addresses on one server; ``prefix`` is its static prefix, empty or ``/something``."""

    prefix: str = ""

    def overview(self) -> str:
        """Is the flywheel healthy, now."""
        return f"{self.prefix}{PAGES}/"

    def iterations(self, older: str | None = None) -> str:
        """Every iteration, with its main numbers; ``older`` is the moment before which those shown were assembled."""
        return self._page("iterations", older=older)

    def iteration(self, iteration: int) -> str:
        """One iteration."""
        return self._page("iterations", str(iteration))

    def compare(self, first: int | str | None = None, second: int | str | None = None) -> str:
        """What differs between two iterations; a release stands for the assembly it was made of: ``r2``."""
        return self._page("compare", first=first, second=second)

    def projects(self, iteration: int | None = None) -> str:
        """Every project."""
        return self._page("projects", iteration=iteration)

    def project(self, project_id: str, iteration: int | None = None, *, variant: str | None = None) -> str:
        """One project; with a variant of it compared with the one that counts."""
        return self._page("projects", project_id, iteration=iteration, variant=variant) + (
            "#variants" if variant else ""
        )

    def number(self, name: str, iteration: int | None = None) -> str:
        """One number: a KPI, a score, one of the flywheel's own."""
        return self._page("numbers", name, iteration=iteration)

    def suspects(self, name: str, first: int, second: int) -> str:
        """Who changed a number between two iterations."""
        return self._page("numbers", name, first=first, second=second) + "#suspects"

    def interfaces(self, iteration: int | None = None) -> str:
        """Every interface."""
        return self._page("interfaces", iteration=iteration)

    def interface(self, name: str, iteration: int | None = None, *, record: str | None = None) -> str:
        """One interface; ``record`` is the id of one to show."""
        return self._page("interfaces", name, iteration=iteration, record=record) + ("#rows" if record else "")

    def croissant(self, name: str, iteration: int | None = None) -> str:
        """One interface as a Croissant document."""
        return self._page("croissant", name, iteration=iteration)

    def dataset_card(self, name: str, iteration: int | None = None) -> str:
        """One interface as a dataset card of the Hugging Face Hub."""
        return self._page("dataset-card", name, iteration=iteration)

    def drift(self, iteration: int | None = None, against: str | int | None = None) -> str:
        """The review of a comparison."""
        return self._page("drift", iteration=iteration, against=against)

    def drift_report(self, run_id: str, reference_run_id: str) -> str:
        """Evidently's report of a comparison, alone; it is only ever shown inside a sandbox."""
        return self._page("drift", "report", run=run_id, against=reference_run_id)

    def feedback(self, iteration: int | None = None, **filters: str | None) -> str:
        """The feedback board."""
        return self._page("feedback", iteration=iteration, **filters)

    def priorities(self, iteration: int | None = None, *, event: int | None = None) -> str:
        """What could be done next; ``event`` is the number of the decision that was just written."""
        return self._page("feedback", "priorities", iteration=iteration, event=event)

    def risks(self) -> str:
        """The risk ledger."""
        return self._page("risks")

    def risk(self, risk_id: str, *, event: int | None = None) -> str:
        """One risk; ``event`` is the number of the decision that was just written."""
        return self._page("risks", risk_id, event=event)

    def releases(self, *, event: int | None = None, plan: str | None = None) -> str:
        """Every release; ``event`` as for one, ``plan`` the act whose plan is asked for."""
        return self._page("releases", event=event, plan=plan)

    def release(self, version: int, *, event: int | None = None) -> str:
        """One release; ``event`` is the number of the decision that was just written."""
        return self._page("releases", str(version), event=event)

    def release_diff(self, first: int | None = None, second: int | None = None) -> str:
        """What differs between two releases."""
        return self._page("release-diff", first=first, second=second)

    def act(self, name: str) -> str:
        """Where the form of an act is sent."""
        return f"{self.prefix}{FORMS}/{_part(name)}"

    def banner_script(self) -> str:
        """The script of the link on MLflow's pages."""
        return self._page("banner.js")

    def live_script(self) -> str:
        """The script that shows a page anew when something changed."""
        return self._page("live.js")

    def state(self) -> str:
        """What that script asks whether something changed."""
        return self._page("state")

    def ui(self) -> str:
        """MLflow's own UI."""
        return f"{self.prefix}/#/experiments?{_MODE}"

    def ui_experiment(self, experiment_id: str) -> str:
        """The table of runs of an experiment."""
        return f"{self.prefix}/#/experiments/{_part(experiment_id)}/runs?{_MODE}"

    def ui_iterations(self, experiment_id: str) -> str:
        """The same in the saved view with the flywheel's columns, which logging and assembling keep there."""
        return f"{self.ui_experiment(experiment_id)}&viewStateShareKey={_VIEW}"

    def ui_runs(self, experiment_id: str, search: str) -> str:
        """The runs of an experiment that MLflow's filter ``search`` finds, children not folded below their parents.

        MLflow 3.17.2 folds them unless the table is ordered by something else than time.
        """
        asked = {"searchFilter": search, "orderByKey": "tags.`mlflow.runName`", "orderByAsc": "false"}
        return f"{self.ui_experiment(experiment_id)}&{urlencode(asked)}"

    def ui_run(self, experiment_id: str, run_id: str, artifact: str = "") -> str:
        """The page of a run, or one of its artifacts."""
        inside = f"/artifacts/{quote(artifact)}" if artifact else ""
        return f"{self.prefix}/#/experiments/{_part(experiment_id)}/runs/{_part(run_id)}{inside}?{_MODE}"

    def ui_trace(self, experiment_id: str, trace_id: str) -> str:
        """The page of a trace."""
        asked = urlencode({"selectedEvaluationId": trace_id, "traceId": trace_id})
        return f"{self.prefix}/#/experiments/{_part(experiment_id)}/traces?{asked}"

    def ui_run_by_id(self, run_id: str) -> str:
        """The page of a run whose experiment is not known here; MLflow's UI finds it."""
        return f"{self.prefix}/#/runs/{_part(run_id)}?{_MODE}"

    def ui_compare(self, runs: Sequence[str], experiments: Sequence[str]) -> str:
        """MLflow's own comparison of runs."""
        asked = urlencode({"runs": json.dumps(list(runs)), "experiments": json.dumps(list(experiments))})
        return f"{self.prefix}/#/compare-runs?{asked}&{_MODE}"

    def ui_version(self, name: str, version: int) -> str:
        """The page of a version of a registered model."""
        return f"{self.prefix}/#/models/{_part(name)}/versions/{version}?{_MODE}"

    def _page(self, *parts: str, **asked: str | int | None) -> str:
        return f"{self.prefix}{PAGES}/{'/'.join(map(_part, parts))}{_query(asked)}"


def _query(asked: Mapping[str, str | int | None]) -> str:
    given = {name: str(value) for name, value in asked.items() if value is not None}
    return f"?{urlencode(given)}" if given else ""


def _part(text: str) -> str:
    return quote(text, safe="")
