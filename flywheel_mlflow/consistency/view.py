"""What a consistency check may look at: the deliverables as they lie, beside what MLflow says now."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from flywheel_mlflow.assembly import deliverables as names
from flywheel_mlflow.assembly import documents
from flywheel_mlflow.assembly.assembly import Assembly
from flywheel_mlflow.base.canonical import canonical_json
from flywheel_mlflow.base.documents import Document, faults_of, parse_json
from flywheel_mlflow.base.errors import DocumentError, Fault


@dataclass(frozen=True, slots=True)
class AssemblyView:
    """One assembly seen from all sides.

    ``files`` holds the deliverables' text by name as found, which may be missing or broken;
    ``now`` is the assembly of what MLflow says at this moment; ``rendered`` the deliverables as
    they would be written from ``now``; ``sources`` Python sources by relative path, None for
    one that is known to compile;
    ``format_value`` is how reports write a value of a unit; it is
    handed in because what writes reports builds on the checks, not the other way round.
    """

    files: Mapping[str, str]
    now: Assembly
    rendered: Mapping[str, str]
    sources: Mapping[str, str | None]
    format_value: Callable[[float | None, str], str]
    # Views made from one another share what was parsed: it is found by text, so it cannot be stale.
    _parsed: dict[tuple[str, str], Any] = field(default_factory=dict, repr=False, compare=False)

    def text(self, name: str) -> str:
        """The text of a deliverable.

        Raises:
            DocumentError: it is missing.
        """
        if name not in self.files:
            raise DocumentError([Fault(name, 0, "", "missing")], hint="assemble again")
        return self.files[name]

    def read(self, name: str) -> Any:
        """A deliverable in its shape, see ``deliverables.SHAPES``; parsed once for each text.

        Raises:
            DocumentError: it is missing, not JSON, or has another shape; every fault is listed.
        """
        key = (name, self.text(name))
        if key not in self._parsed:
            self._parsed[key] = _shaped(name, key[1])
        return self._parsed[key]

    def with_file(self, name: str, text: str) -> AssemblyView:
        """The same view with another text for one deliverable."""
        return replace(self, files={**self.files, name: text})

    def without_file(self, name: str) -> AssemblyView:
        """The same view with one deliverable missing."""
        return replace(self, files={key: text for key, text in self.files.items() if key != name})

    @property
    def registry(self) -> dict[str, documents.Entry]:
        """The registry by project id; an id written twice keeps its last entry."""
        return {entry.project_id: entry for entry in self.registry_lines}

    @property
    def registry_lines(self) -> tuple[documents.Entry, ...]:
        """The registry as written."""
        lines: tuple[documents.Entry, ...] = self.read(names.REGISTRY)
        return lines

    @property
    def phases(self) -> documents.Phases:
        """The phase inventory."""
        document: documents.Phases = self.read(names.PHASES)
        return document

    @property
    def architecture(self) -> documents.ArchitectureFile:
        """Layers, control points, interface graph."""
        document: documents.ArchitectureFile = self.read(names.ARCHITECTURE)
        return document

    @property
    def boundaries(self) -> documents.BoundariesFile:
        """Boundaries and what crosses between projects."""
        document: documents.BoundariesFile = self.read(names.BOUNDARIES)
        return document

    @property
    def stage_plan(self) -> tuple[documents.PlannedStage, ...]:
        """The stages as planned."""
        lines: tuple[documents.PlannedStage, ...] = self.read(names.STAGE_PLAN)
        return lines

    @property
    def runs(self) -> tuple[documents.RunLine, ...]:
        """The stage runs."""
        lines: tuple[documents.RunLine, ...] = self.read(names.RUNS)
        return lines

    @property
    def bottlenecks(self) -> documents.BottlenecksFile:
        """The bottleneck analysis."""
        document: documents.BottlenecksFile = self.read(names.BOTTLENECKS)
        return document

    @property
    def costs(self) -> documents.CostsFile:
        """The cost model."""
        document: documents.CostsFile = self.read(names.COSTS)
        return document

    @property
    def organisation(self) -> documents.OrganisationFile:
        """The operating model."""
        document: documents.OrganisationFile = self.read(names.ORGANISATION)
        return document

    @property
    def milestones(self) -> tuple[documents.MilestoneLine, ...]:
        """The milestone board."""
        lines: tuple[documents.MilestoneLine, ...] = self.read(names.MILESTONES)
        return lines

    @property
    def dashboard(self) -> documents.DashboardFile:
        """The executive dashboard."""
        document: documents.DashboardFile = self.read(names.DASHBOARD)
        return document

    @property
    def metrics(self) -> documents.MetricsFile:
        """All numbers."""
        document: documents.MetricsFile = self.read(names.METRICS)
        return document


def _shaped(name: str, text: str) -> Any:
    value = parse(name, text)
    try:
        return names.SHAPES[name].validate_json(canonical_json(names.without_currencies(name, value)))
    except ValidationError as error:
        raise DocumentError(faults_of(error, Document(name, value, {}))) from error


def parse(name: str, text: str) -> Any:
    """The plain values of a deliverable that is data; JSON lines become a list.

    Raises:
        DocumentError: the text is not JSON; the fault names the line.
    """
    if not name.endswith(".jsonl"):
        return parse_json(text, name=name)
    # Not splitlines(): JSON strings may hold characters it would also split at.
    lines = [line for line in text.split("\n") if line]
    return [parse_json(line, name=f"{name}:{number}") for number, line in enumerate(lines, start=1)]


def unparse(name: str, value: Any) -> str:
    """Plain values as the text of a deliverable, without its layout."""
    if name.endswith(".jsonl"):
        return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in value)
    return json.dumps(value, ensure_ascii=False)
