"""Reads what an assembly recorded back from its deliverables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from pydantic import ConfigDict, TypeAdapter

from flywheel_mlflow.assembly import deliverables
from flywheel_mlflow.base.documents import read_json
from flywheel_mlflow.base.errors import DocumentError, Fault, InputError
from flywheel_mlflow.evidence.provenance import Direction, own_direction
from flywheel_mlflow.evidence.runs import FieldType
from flywheel_mlflow.feedback.absorption import Absorption
from flywheel_mlflow.reports.bundle import LINEAGE_CHART

Found = TypeVar("Found")

_AGAIN = "write it again with `flywheel assemble --force`"
#: The deliverables are this package's own documents: what a page shows is checked, the rest is passed over.
_READ = ConfigDict(extra="ignore", allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class RecordedKpi:
    """A KPI as recorded; ``value`` None is unknown, ``attainment`` is between 0 and 1, None without value or target."""

    value: float | None
    n: int | None
    unit: str
    direction: Direction
    target: float | None
    tolerance: float | None
    attainment: float | None
    stderr: float | None = None

    __pydantic_config__: ClassVar[ConfigDict] = _READ


@dataclass(frozen=True, slots=True)
class RecordedVersion:
    """An interface version: where it is, its digests (32 hex digits), its schema, its rows, its size in bytes."""

    uri: str
    digest: str
    schema_digest: str
    fields: tuple[FieldType, ...]
    rows: int | None
    bytes: int | None

    __pydantic_config__: ClassVar[ConfigDict] = _READ


@dataclass(frozen=True, slots=True)
class RecordedInterface:
    """An interface a project promises; ``version`` None: nothing was logged.

    ``change`` against the iteration before is first, patch, minor or major.
    """

    name: str
    title: str
    format: str
    role: str
    consumers: tuple[str, ...]
    version: RecordedVersion | None
    change: str | None

    __pydantic_config__: ClassVar[ConfigDict] = _READ


@dataclass(frozen=True, slots=True)
class RecordedEvidence:
    """The run behind a project's entry; ``carried_from`` is the iteration it comes from when it is not this one."""

    kind: str
    run_id: str | None
    carried_from: int | None
    ended: datetime | None
    contract_digest: str
    code_version: str

    __pydantic_config__: ClassVar[ConfigDict] = _READ


@dataclass(frozen=True, slots=True)
class RecordedProject:
    """One entry of the project registry."""

    project_id: str
    title: str
    owner: str
    phase: str
    contract_digest: str
    state: str
    consumable: bool
    reasons: tuple[str, ...]
    not_consumable_for: Mapping[str, str]
    notes: tuple[str, ...]
    score: float | None
    evidence: RecordedEvidence | None
    passed_checks: int | None
    total_checks: int | None
    checks_not_passed: Mapping[str, str]
    required_checks: Mapping[str, str | None]
    kpis: Mapping[str, RecordedKpi]
    interfaces_out: tuple[RecordedInterface, ...]

    __pydantic_config__: ClassVar[ConfigDict] = _READ


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
class RecordedStage:
    """One stage run."""

    stage_id: str
    status: str
    score: float | None
    reasons: tuple[str, ...]

    __pydantic_config__: ClassVar[ConfigDict] = _READ


@dataclass(frozen=True, slots=True)
class RecordedPlan:
    """What a stage is: its title and its projects."""

    stage_id: str
    title: str
    projects: tuple[str, ...]

    __pydantic_config__: ClassVar[ConfigDict] = _READ


@dataclass(frozen=True, slots=True)
class RecordedMilestone:
    """What closes a stage."""

    title: str
    stage: str
    status: str

    __pydantic_config__: ClassVar[ConfigDict] = _READ


@dataclass(frozen=True, slots=True)
class RecordedBottleneck:
    """A rule that fired, with the numbers it read."""

    name: str
    title: str
    severity: str
    rule: str
    values: Mapping[str, float | None]
    downstream_projects: int
    advice: str

    __pydantic_config__: ClassVar[ConfigDict] = _READ


@dataclass(frozen=True, slots=True)
class OpenRule:
    """A rule that cannot be decided."""

    name: str
    rule: str
    why: str

    __pydantic_config__: ClassVar[ConfigDict] = _READ


@dataclass(frozen=True, slots=True)
class RecordedBottlenecks:
    """All rules: those that fired, those left open, how many there are."""

    bottlenecks: tuple[RecordedBottleneck, ...]
    rules_not_decidable: tuple[OpenRule, ...]
    rules_evaluated: int

    __pydantic_config__: ClassVar[ConfigDict] = _READ


@dataclass(frozen=True, slots=True)
class RecordedSource:
    """Where a number that was not computed was read."""

    kind: str
    ref: str
    place: str
    digest: str

    __pydantic_config__: ClassVar[ConfigDict] = _READ


@dataclass(frozen=True, slots=True)
class RecordedMetric:
    """One number with the words that belong to it, and the numbers or the source it rests on."""

    value: float | None
    unit: str
    note: str
    rule: str
    inputs: tuple[str, ...]
    source: RecordedSource | None
    direction: Direction | None = None

    __pydantic_config__: ClassVar[ConfigDict] = _READ


@dataclass(frozen=True, slots=True)
class RecordedMetrics:
    """Every number of the assembly by name."""

    metrics: Mapping[str, RecordedMetric]

    __pydantic_config__: ClassVar[ConfigDict] = _READ


@dataclass(frozen=True, slots=True)
class RecordedEdge:
    """One interface that one project reads from another; ``state`` is a value of :class:`EdgeState`.

    ``missing`` are needed fields that the version does not have in every row, None where there is no version;
    ``feedback`` marks what is read one iteration later.
    """

    interface: str
    producer: str
    consumer: str
    state: str
    made: str | None
    read: str | None
    missing: tuple[str, ...] | None = None
    feedback: bool = False
    required: bool = True


@dataclass(frozen=True, slots=True)
class _Architecture:
    interfaces: tuple[Mapping[str, Any], ...]

    __pydantic_config__: ClassVar[ConfigDict] = _READ


@dataclass(frozen=True, slots=True)
class AssemblyRecord:
    """What an assembly recorded, as far as people look at it; ``tasks`` is None where feedback became none.

    ``own_checks`` are those of the assembly itself.
    """

    projects: tuple[RecordedProject, ...]
    stages: tuple[RecordedStage, ...]
    plans: Mapping[str, RecordedPlan]
    milestones: Mapping[str, RecordedMilestone]
    bottlenecks: RecordedBottlenecks
    metrics: Mapping[str, RecordedMetric]
    edges: tuple[RecordedEdge, ...]
    tasks: Absorption | None
    lineage: str | None
    own_checks: tuple[RecordedCheck, ...] = ()

    def value(self, name: str) -> float | None:
        """A metric's value; None when it is unknown or nobody computes it."""
        return self.metrics[name].value if name in self.metrics else None

    def direction(self, name: str) -> Direction | None:
        """Which way is better for a metric; by its name where the assembly is older than this being recorded."""
        recorded = self.metrics.get(name)
        return recorded.direction if recorded and recorded.direction else own_direction(name)

    def project(self, project_id: str) -> RecordedProject | None:
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
    plans = _read(files, deliverables.STAGE_PLAN, TypeAdapter(tuple[RecordedPlan, ...]))
    milestones = _read(files, deliverables.MILESTONES, TypeAdapter(tuple[RecordedMilestone, ...]))
    architecture = _read(files, deliverables.ARCHITECTURE, TypeAdapter(_Architecture))
    return AssemblyRecord(
        projects=_read(files, deliverables.REGISTRY, TypeAdapter(tuple[RecordedProject, ...])),
        stages=_stages(files),
        plans={item.stage_id: item for item in plans},
        milestones={item.stage: item for item in milestones},
        bottlenecks=_read(files, deliverables.BOTTLENECKS, TypeAdapter(RecordedBottlenecks)),
        metrics=_read(files, deliverables.METRICS, TypeAdapter(RecordedMetrics)).metrics,
        edges=tuple(_edge(item) for item in architecture.interfaces),
        tasks=_read(files, deliverables.TASKS, TypeAdapter(Absorption)) if deliverables.TASKS in files else None,
        lineage=files.get(LINEAGE_CHART),
        own_checks=_read(files, deliverables.TEST_RESULTS, TypeAdapter(_TestResults)).checks
        if deliverables.TEST_RESULTS in files
        else (),
    )


def read_checks(text: str, *, name: str) -> tuple[RecordedCheck, ...]:
    """The checks a project's run logged; ``name`` is where the text comes from, for errors.

    Raises:
        DocumentError: they are not what this package writes there.
    """
    return _parsed(text, name, TypeAdapter(tuple[RecordedCheck, ...]))


def read_registry(text: str) -> tuple[RecordedProject, ...]:
    """The project registry alone, of the text of its deliverable.

    Raises:
        DocumentError: it is not what this package writes there.
    """
    return _parsed(text, deliverables.REGISTRY, TypeAdapter(tuple[RecordedProject, ...]))


def _stages(files: Mapping[str, str]) -> tuple[RecordedStage, ...]:
    adapter = TypeAdapter(RecordedStage)
    lines = _text(files, deliverables.RUNS).splitlines()
    return tuple(_parsed(line, f"{deliverables.RUNS}:{number}", adapter) for number, line in enumerate(lines, start=1))


def _edge(found: Mapping[str, Any]) -> RecordedEdge:
    return RecordedEdge(
        interface=_word(found, "interface"),
        producer=_word(found, "from"),
        consumer=_word(found, "to"),
        state=_word(found, "state"),
        made=None if found.get("made") is None else _word(found, "made"),
        read=None if found.get("read") is None else _word(found, "read"),
        missing=_missing(found),
        feedback=_word(found, "from_iteration") == "previous",
        required=found.get("required") is True,
    )


def _missing(found: Mapping[str, Any]) -> tuple[str, ...] | None:
    names = found.get("missing_fields")
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _refused(deliverables.ARCHITECTURE, "interfaces.missing_fields", "it is no list of fields")
    return tuple(names)


def _word(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str):
        raise _refused(deliverables.ARCHITECTURE, f"interfaces.{name}", "an edge without it, or it is no text")
    return value


def _read(files: Mapping[str, str], name: str, adapter: TypeAdapter[Found]) -> Found:
    return _parsed(_text(files, name), name, adapter)


def _text(files: Mapping[str, str], name: str) -> str:
    if name not in files:
        raise InputError(f"the assembly has no {name}", hint=_AGAIN)
    return files[name]


def _parsed(text: str, name: str, adapter: TypeAdapter[Found]) -> Found:
    return read_json(adapter, text, name=name, hint=_AGAIN)


def _refused(name: str, place: str, why: str) -> DocumentError:
    return DocumentError([Fault(name, 0, place, why)], hint=_AGAIN)
