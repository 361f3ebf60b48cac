"""The two sides of a comparison: what each iteration's projects measured and which data they logged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field, TypeAdapter

from flywheel_mlflow.base.documents import read_json
from flywheel_mlflow.evidence.runs import FieldType, KpiValue, ProjectEvidence
from flywheel_mlflow.records.cards import DataCard
from flywheel_mlflow.records.profiles import Profile


@dataclass(frozen=True, slots=True)
class LoggedData:
    """What a run logged about one interface version besides the data; ``fault`` says why it cannot be read."""

    profile: Profile | None = None
    card: DataCard | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class VersionRef:
    """An interface version by its digest, in the run that logged it, with its schema."""

    digest: str
    run_id: str | None
    uri: str = ""
    fields: tuple[FieldType, ...] = ()


@dataclass(frozen=True, slots=True)
class ProjectSide:
    """One project on one side: KPI values by name, interface versions by name, the ids of the tasks its run read."""

    run_id: str | None
    kpis: Mapping[str, KpiValue]
    versions: Mapping[str, VersionRef]
    tasks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Side:
    """One iteration as one side of a comparison.

    ``run_id`` and ``digest`` are those of its assembly, empty where there is none yet. ``data`` holds what was
    logged about interface versions, by interface name; ``samples`` outcomes by sample id, by KPI (``p05.hit_rate``).
    """

    iteration: int
    run_id: str
    digest: str
    projects: Mapping[str, ProjectSide]
    data: Mapping[str, LoggedData] = field(default_factory=dict)
    samples: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def kpi(self, project: str, name: str) -> KpiValue:
        """A KPI's value; unknown when nobody measured it."""
        found = self.projects.get(project)
        return found.kpis.get(name, KpiValue(None)) if found else KpiValue(None)

    def version(self, project: str, interface: str) -> VersionRef | None:
        """The version of an interface, if the project logged one."""
        found = self.projects.get(project)
        return found.versions.get(interface) if found else None


def project_side(evidence: ProjectEvidence) -> ProjectSide:
    """A project's side from its evidence."""
    return ProjectSide(
        run_id=evidence.run_id,
        kpis=dict(evidence.kpis),
        versions={
            name: VersionRef(version.digest, evidence.run_id, version.uri, version.fields)
            for name, version in evidence.interfaces_out.items()
        },
        tasks=evidence.tasks,
    )


def sides_of_evidence(evidence: Mapping[str, ProjectEvidence]) -> dict[str, ProjectSide]:
    """Every project's side from its evidence."""
    return {name: project_side(item) for name, item in sorted(evidence.items())}


_LOOSE = ConfigDict(extra="ignore", allow_inf_nan=False, strict=True)
_Count = Annotated[int, Field(ge=0)]


@dataclass(frozen=True, slots=True)
class _Version:
    digest: str
    uri: str
    fields: tuple[FieldType, ...] = ()
    __pydantic_config__: ClassVar[ConfigDict] = _LOOSE


@dataclass(frozen=True, slots=True)
class _Interface:
    name: str
    version: _Version | None
    __pydantic_config__: ClassVar[ConfigDict] = _LOOSE


@dataclass(frozen=True, slots=True)
class _Kpi:
    value: float | None
    n: _Count | None
    stderr: Annotated[float, Field(ge=0)] | None = None
    __pydantic_config__: ClassVar[ConfigDict] = _LOOSE


@dataclass(frozen=True, slots=True)
class _Evidence:
    run_id: str | None
    tasks: list[str] = field(default_factory=list)
    __pydantic_config__: ClassVar[ConfigDict] = _LOOSE


@dataclass(frozen=True, slots=True)
class _Entry:
    project_id: str
    evidence: _Evidence | None
    kpis: dict[str, _Kpi]
    interfaces_out: list[_Interface]
    __pydantic_config__: ClassVar[ConfigDict] = _LOOSE


_REGISTRY: TypeAdapter[list[_Entry]] = TypeAdapter(list[_Entry])


def sides_of_registry(text: str, *, name: str) -> dict[str, ProjectSide]:
    """Every project's side from the registry an assembly recorded, exactly as it was recorded.

    ``name`` is where the text comes from, for errors.

    Raises:
        DocumentError: it is no such registry.
    """
    entries = read_json(_REGISTRY, text, name=name, hint="assemble that iteration again")
    return {entry.project_id: _registered(entry) for entry in entries if entry.evidence is not None}


def _registered(entry: _Entry) -> ProjectSide:
    run_id = entry.evidence.run_id if entry.evidence else None
    return ProjectSide(
        run_id=run_id,
        kpis={name: KpiValue(item.value, item.n, item.stderr) for name, item in entry.kpis.items()},
        versions={
            item.name: VersionRef(item.version.digest, run_id, item.version.uri, item.version.fields)
            for item in entry.interfaces_out
            if item.version is not None
        },
        tasks=tuple(entry.evidence.tasks) if entry.evidence else (),
    )
