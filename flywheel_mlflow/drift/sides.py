"""The two sides of a comparison: what each iteration's projects measured and which data they logged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flywheel_mlflow.evidence.runs import FieldType, KpiValue, ProjectEvidence
from flywheel_mlflow.evidence.samples import JudgedRecords
from flywheel_mlflow.records.cards import DataCard
from flywheel_mlflow.records.profiles import Profile

if TYPE_CHECKING:
    from flywheel_mlflow.records.content.profile import ContentProfile


@dataclass(frozen=True, slots=True)
class LoggedData:
    """What a run logged about one interface version besides the data; ``fault`` says why it cannot be read."""

    profile: Profile | None = None
    card: DataCard | None = None
    fault: str = ""
    content: ContentProfile | None = None


@dataclass(frozen=True, slots=True)
class VersionRef:
    """An interface version by its digest, in the run that logged it, with its schema and the schema's format."""

    digest: str
    run_id: str | None
    uri: str = ""
    fields: tuple[FieldType, ...] = ()
    schema_format: int = 1
    records_digest: str = ""


@dataclass(frozen=True, slots=True)
class ProjectSide:
    """One project on one side: KPI values by name, interface versions by name, the ids of the tasks its run read."""

    run_id: str | None
    kpis: Mapping[str, KpiValue]
    versions: Mapping[str, VersionRef]
    tasks: tuple[str, ...] = ()
    machine: str = ""


@dataclass(frozen=True, slots=True)
class Side:
    """One iteration as one side of a comparison.

    ``run_id`` and ``digest`` are those of its assembly, empty where there is none yet. ``data`` holds what was
    logged about interface versions, by interface name; ``samples`` outcomes by sample id, by KPI (``p05.hit_rate``);
    ``judged`` the records an evaluation judged, likewise.
    """

    iteration: int
    run_id: str
    digest: str
    projects: Mapping[str, ProjectSide]
    data: Mapping[str, LoggedData] = field(default_factory=dict)
    samples: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    judged: Mapping[str, JudgedRecords] = field(default_factory=dict)

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
            name: VersionRef(
                version.digest,
                evidence.run_id,
                version.uri,
                version.fields,
                version.schema_format,
                version.records_digest,
            )
            for name, version in evidence.interfaces_out.items()
        },
        tasks=evidence.tasks,
        machine=evidence.machine,
    )


def sides_of_evidence(evidence: Mapping[str, ProjectEvidence]) -> dict[str, ProjectSide]:
    """Every project's side from its evidence."""
    return {name: project_side(item) for name, item in sorted(evidence.items())}
