"""Where the things on a page lead to; nowhere on pages that leave the server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from flywheel_mlflow.tables.addresses import Addresses
from flywheel_mlflow.tables.cells import Cell


@dataclass(frozen=True, slots=True)
class Links:
    """Addresses of what a page names; all of them are empty without ``addresses``.

    ``iteration`` is the one that pages of projects and interfaces are opened at, None for the newest. ``experiments``
    maps projects to their MLflow experiments, the empty name to that of the assembly.
    """

    addresses: Addresses | None = None
    iteration: int | None = None
    experiments: Mapping[str, str] = field(default_factory=dict)

    def project(self, project_id: str, *, variant: str | None = None) -> str:
        """The page of a project; with a variant of it compared with the one that counts."""
        return self.addresses.project(project_id, self.iteration, variant=variant) if self.addresses else ""

    def number(self, name: str) -> str:
        """The page of a number."""
        return self.addresses.number(name, self.iteration) if self.addresses else ""

    def interface(self, name: str, record: str | None = None) -> str:
        """The page of an interface; ``record`` is the id of one to show."""
        return self.addresses.interface(name, self.iteration, record=record) if self.addresses else ""

    def turn(self, iteration: int) -> str:
        """The page of an iteration."""
        return self.addresses.iteration(iteration) if self.addresses else ""

    def release(self, version: int) -> str:
        """The page of a release."""
        return self.addresses.release(version) if self.addresses else ""

    def risk(self, risk_id: str) -> str:
        """The page of a risk."""
        return self.addresses.risk(risk_id) if self.addresses else ""

    def run(self, run_id: str | None, project_id: str = "", artifact: str = "") -> str:
        """MLflow's page of a run of a project, of the assembly's without one; or of one of its artifacts."""
        experiment = self.experiments.get(project_id)
        if self.addresses is None or not run_id or experiment is None:
            return ""
        return self.addresses.ui_run(experiment, run_id, artifact)

    def trace(self, trace_id: str, project_id: str) -> str:
        """MLflow's page of a trace of a project."""
        experiment = self.experiments.get(project_id)
        if self.addresses is None or not trace_id or experiment is None:
            return ""
        return self.addresses.ui_trace(experiment, trace_id)

    def any_run(self, run_id: str) -> str:
        """MLflow's page of a run whose experiment is not known here."""
        return self.addresses.ui_run_by_id(run_id) if self.addresses else ""

    def experiment(self, project_id: str = "") -> str:
        """MLflow's table of a project's iterations, of the assembly's without one."""
        found = self.experiments.get(project_id)
        return self.addresses.ui_iterations(found) if self.addresses and found is not None else ""

    def at(self, iteration: int | None) -> Links:
        """The same, opening projects and interfaces at an iteration."""
        return replace(self, iteration=iteration)


#: Of a page that leaves the server.
NO_LINKS = Links()


def linked(cell: Cell, href: str) -> Cell:
    """The cell with an address."""
    return replace(cell, href=href)
