"""Reads what an assembly recorded back from its deliverables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from pydantic import ConfigDict, TypeAdapter

from flywheel_mlflow.assembly import deliverables
from flywheel_mlflow.assembly.documents import (
    BottlenecksFile,
    EdgeLine,
    Entry,
    LayerLine,
    MetricLine,
    MilestoneLine,
    PlannedStage,
    RunLine,
)
from flywheel_mlflow.base.documents import read_json
from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.evidence.provenance import Direction, own_direction
from flywheel_mlflow.feedback.absorption import Absorption

Found = TypeVar("Found")

#: Of checks, what a page shows is read, the rest is passed over.
_READ = ConfigDict(extra="ignore", allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class RecordedCheck:
    """One check of a project, or of the assembly itself."""

    name: str
    outcome: str
    severity: str
    message: str

    __pydantic_config__: ClassVar[ConfigDict] = _READ


@dataclass(frozen=True, slots=True)
class _TestResults:
    checks: tuple[RecordedCheck, ...]

    __pydantic_config__: ClassVar[ConfigDict] = _READ


@dataclass(frozen=True, slots=True)
class AssemblyRecord:
    """What an assembly recorded, as far as people look at it; ``tasks`` is None where feedback became none.

    ``own_checks`` are those of the assembly itself.
    """

    projects: tuple[Entry, ...]
    stages: tuple[RunLine, ...]
    plans: Mapping[str, PlannedStage]
    milestones: Mapping[str, MilestoneLine]
    bottlenecks: BottlenecksFile
    metrics: Mapping[str, MetricLine]
    edges: tuple[EdgeLine, ...]
    tasks: Absorption | None
    layers: tuple[LayerLine, ...] = ()
    own_checks: tuple[RecordedCheck, ...] = ()

    def value(self, name: str) -> float | None:
        """A metric's value; None when it is unknown or nobody computes it."""
        return self.metrics[name].value if name in self.metrics else None

    def direction(self, name: str) -> Direction | None:
        """Which way is better for a metric; by its name where the assembly is older than this being recorded."""
        recorded = self.metrics.get(name)
        return recorded.direction if recorded and recorded.direction else own_direction(name)

    def project(self, project_id: str) -> Entry | None:
        """A project's entry; None when it was not registered."""
        return next((item for item in self.projects if item.project_id == project_id), None)

    def title(self, stage_id: str) -> str:
        """A stage's title; its id when the plan does not know it."""
        return self.plans[stage_id].title if stage_id in self.plans else stage_id


def read_record(files: Mapping[str, str]) -> AssemblyRecord:
    """What the files of an assembly, by artifact path, recorded.

    Raises:
        InputError: a deliverable is missing, or is not what this package writes there.
    """
    files = deliverables.by_name(files)
    architecture = _read(files, deliverables.ARCHITECTURE)
    plans: tuple[PlannedStage, ...] = _read(files, deliverables.STAGE_PLAN)
    milestones: tuple[MilestoneLine, ...] = _read(files, deliverables.MILESTONES)
    return AssemblyRecord(
        projects=_read(files, deliverables.REGISTRY),
        stages=_read(files, deliverables.RUNS),
        plans={item.stage_id: item for item in plans},
        milestones={item.stage: item for item in milestones},
        bottlenecks=_read(files, deliverables.BOTTLENECKS),
        metrics=_read(files, deliverables.METRICS).metrics,
        edges=architecture.interfaces,
        tasks=_parsed(files[deliverables.TASKS], deliverables.TASKS, TypeAdapter(Absorption))
        if deliverables.TASKS in files
        else None,
        layers=architecture.layers,
        own_checks=_own_checks(files),
    )


def _own_checks(files: Mapping[str, str]) -> tuple[RecordedCheck, ...]:
    text = files.get(deliverables.TEST_RESULTS)
    return () if text is None else _parsed(text, deliverables.TEST_RESULTS, TypeAdapter(_TestResults)).checks


def read_checks(text: str, *, name: str) -> tuple[RecordedCheck, ...]:
    """The checks a project's run logged; ``name`` is where the text comes from, for errors.

    Raises:
        DocumentError: they are not what this package writes there.
    """
    return _parsed(text, name, TypeAdapter(tuple[RecordedCheck, ...]))


def _read(files: Mapping[str, str], name: str) -> Any:
    """A deliverable that is data, in its shape."""
    if name not in files:
        raise InputError(f"the assembly has no {name}", hint=deliverables.WRITE_AGAIN)
    return deliverables.read_document(name, files[name])


def _parsed(text: str, name: str, adapter: TypeAdapter[Found]) -> Found:
    return read_json(adapter, text, name=name, hint=deliverables.WRITE_AGAIN, newer=True)
