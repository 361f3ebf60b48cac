"""The deliverables that are data, one model each: the assembly writes it, checks and pages read it.

Strict: what does not fit is a fault, not a guess. Pages also read what other versions wrote, and pass over what they do
not know.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from flywheel_mlflow.evidence.runs import FieldType

Number = int | float | None


def _moment(text: str) -> str:
    datetime.fromisoformat(text)
    return text


#: A time with its zone, as ISO 8601 text.
Moment = Annotated[str, AfterValidator(_moment)]


class Part(BaseModel):
    """A part of a deliverable: closed, frozen, without conversions between types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, populate_by_name=True)


class Evidence(Part):
    """The run behind a project's values; ``carried_from`` is its iteration when it is not this one.

    ``machine`` is where it measured what it took, empty where it did not.
    """

    kind: str
    run_id: str | None
    iteration: int
    carried_from: int | None
    ended: Moment | None
    contract_digest: str
    evidence_digest: str
    code_version: str
    tasks: tuple[str, ...] = ()
    machine: str = ""

    @property
    def ended_at(self) -> datetime | None:
        """When the run ended."""
        return None if self.ended is None else datetime.fromisoformat(self.ended)


class Version(Part):
    """One version of an interface: where it is, its digests (32 hex digits), its schema, its rows, its size.

    ``records_digest`` is empty where none was logged; ``schema_format`` is that of ``fields``.
    """

    uri: str
    digest: str
    schema_digest: str
    fields: tuple[FieldType, ...]
    rows: int | None
    bytes: int | None
    records_digest: str = ""
    schema_format: int = 1


class Kpi(Part):
    """A KPI with its promise and its value; ``attainment`` is between 0 and 1, None without value or target."""

    value: Number
    n: int | None = Field(ge=0)
    unit: str
    direction: Literal["higher", "lower"]
    target: Number
    tolerance: Number
    attainment: Number
    stderr: Number = Field(default=None, ge=0)


class Output(Part):
    """A promised interface of a project.

    ``change`` against the iteration before is first, patch, minor, major or unknown.
    ``personal_data`` is the outcome of the check that looks for personal data in its records, None where none did.
    """

    name: str
    title: str
    format: str
    role: str
    required: bool
    consumers: tuple[str, ...]
    version: Version | None
    change: str | None
    personal_data: str | None = None


class EdgeLine(Part):
    """One interface from its producer to one consumer.

    ``missing_fields`` are needed fields that the version does not have in every row, None where there is no version.
    ``same_records``: the consumer read other files with the same records.
    """

    interface: str
    producer: str = Field(alias="from")
    consumer: str = Field(alias="to")
    from_iteration: str
    required: bool
    state: str
    made: str | None
    read: str | None
    missing_fields: tuple[str, ...] | None
    same_records: bool = False

    @property
    def feedback(self) -> bool:
        """Whether it is read one iteration later."""
        return self.from_iteration == "previous"


class VariantKpi(Part):
    """A KPI of one variant."""

    value: Number
    n: int | None
    stderr: Number


class VariantLine(Part):
    """The run of one variant of a project; ``counts``: the project's numbers are those of this run."""

    variant: str
    counts: bool
    run_id: str | None
    passed_checks: int
    total_checks: int
    kpis: dict[str, VariantKpi]


class Entry(Part):
    """One project of the registry."""

    project_id: str
    title: str
    registry_role: str
    owner: str
    phase: str
    layers: tuple[str, ...]
    stages: tuple[str, ...]
    deliverables: tuple[str, ...]
    contract_digest: str
    state: str
    consumable: bool
    reasons: tuple[str, ...]
    not_consumable_for: dict[str, str]
    notes: tuple[str, ...]
    score: Number
    evidence: Evidence | None
    overall_passed: bool | None
    passed_checks: int | None
    total_checks: int | None
    checks_not_passed: dict[str, str]
    required_checks: dict[str, str | None]
    kpis: dict[str, Kpi]
    interfaces_out: tuple[Output, ...]
    interfaces_in: tuple[EdgeLine, ...]
    human_review_needed: bool
    governance_controls: tuple[str, ...]
    estimated_manual_review_hours: Number
    estimated_manual_review_cost: Number
    variants: tuple[VariantLine, ...] = ()

    @property
    def upstream(self) -> bool:
        """Whether the assembly builds on it, rather than it being the assembly itself."""
        return self.registry_role != "assembly_layer"


class Phases(Part):
    """The phase inventory."""

    project_count: int
    phase_distribution: dict[str, int]
    all_evidenced_projects_passed: bool | None
    total_passed_checks: int
    total_checks: int
    interface_count: int
    upstream_interface_count: int


class LayerLine(Part):
    """A layer with its projects."""

    id: str
    title: str
    responsibilities: tuple[str, ...]
    mapped_projects: tuple[str, ...]


class PointLine(Part):
    """A control point."""

    id: str
    title: str
    before_stages: tuple[str, ...]
    question: str
    criteria: tuple[str, ...]


class ArchitectureFile(Part):
    """Layers, control points and the interface graph."""

    layers: tuple[LayerLine, ...]
    control_points: tuple[PointLine, ...]
    interfaces: tuple[EdgeLine, ...]


class Enforcement(Part):
    """The gate criterion that holds a boundary."""

    criterion: str
    gate: str


class BoundaryLine(Part):
    """A governance boundary."""

    id: str
    rule: str
    enforced_by: tuple[Enforcement, ...]


class Crossing(Part):
    """What passes from one project to another."""

    producer: str = Field(alias="from")
    consumer: str = Field(alias="to")
    artifact: str


class BoundariesFile(Part):
    """Boundaries by kind, and what passes between projects."""

    ownership_boundaries: tuple[BoundaryLine, ...]
    risk_boundaries: tuple[BoundaryLine, ...]
    interfaces: tuple[Crossing, ...]


class PlannedStage(Part):
    """One stage of the plan."""

    stage_id: str
    title: str
    goal: str
    enters_through: str | None
    projects: tuple[str, ...]
    deliverables: tuple[str, ...]
    milestone: str


class RunLine(Part):
    """One stage run."""

    run_id: str
    stage_id: str
    iteration: int
    status: str
    score: Number
    impact: tuple[str, ...]
    evidence: tuple[str, ...]
    reasons: tuple[str, ...]


class BottleneckLine(Part):
    """A bottleneck with the numbers that made its rule true."""

    position: int
    name: str
    title: str
    severity: str
    rule: str
    values: dict[str, Number]
    distance_from_limit: int | float
    downstream_projects: int
    rank: int | float
    advice: str


class OpenRule(Part):
    """A bottleneck rule that unknown values leave open."""

    name: str
    rule: str
    why: str


class BottlenecksFile(Part):
    """The bottleneck analysis."""

    bottlenecks: tuple[BottleneckLine, ...]
    rules_not_decidable: tuple[OpenRule, ...]
    rules_evaluated: int


class ProjectCost(Part):
    """The human effort one project states."""

    review_hours: Number
    review_cost: Number


class Silent(Part):
    """The projects that state no effort."""

    review_hours: tuple[str, ...]
    review_cost: tuple[str, ...]


class Reused(Part):
    """An interface several projects build on."""

    interface: str
    producer: str = Field(alias="from")
    consumers: tuple[str, ...]
    read_this_version: tuple[str, ...]


class CostsFile(Part):
    """The cost model."""

    estimated_manual_review_hours: Number
    estimated_manual_review_cost: Number
    by_project: dict[str, ProjectCost]
    unknown: Silent
    reused_interfaces: tuple[Reused, ...]


class TeamLine(Part):
    """A team with what it owns."""

    id: str
    title: str
    responsibilities: tuple[str, ...]
    projects: tuple[str, ...]
    milestones: tuple[str, ...]


class MechanismLine(Part):
    """A governance mechanism."""

    id: str
    title: str
    owner: str
    cadence: str


class RiskLine(Part):
    """A cross-project risk."""

    id: str
    title: str
    owner: str
    layers: tuple[str, ...]


class OrganisationFile(Part):
    """The operating model."""

    teams: tuple[TeamLine, ...]
    governance_mechanisms: tuple[MechanismLine, ...]
    cross_project_risks: tuple[RiskLine, ...]


class MilestoneLine(Part):
    """A milestone on the board."""

    milestone: str
    title: str
    stage: str
    status: str
    stage_status: str
    owner: str
    evidence: tuple[str, ...]
    open_points: tuple[str, ...]


class DashboardStage(Part):
    """A stage on the dashboard."""

    stage: str
    title: str
    status: str
    score: Number


class DashboardFile(Part):
    """The executive dashboard; the numbers it repeats lie in ``model_extra``."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Number] = Field(init=False)

    format_version: int
    flywheel: str
    iteration: int
    stages: tuple[DashboardStage, ...]
    first_bottlenecks: tuple[str, ...]
    not_consumable: dict[str, str]

    @property
    def numbers(self) -> dict[str, Number]:
        """The numbers the dashboard repeats, by bare name."""
        return dict(self.__pydantic_extra__)


class SourceLine(Part):
    """Where a number was read."""

    kind: str
    ref: str
    place: str
    digest: str


class MetricLine(Part):
    """A number with its origin: the numbers or the source it rests on."""

    value: Number
    unit: str
    rule: str
    inputs: tuple[str, ...]
    source: SourceLine | None
    note: str
    direction: Literal["higher", "lower"] | None = None


class Acceptance(Part):
    """An acceptance metric as repeated for readers."""

    value: Number
    note: str


class Previous(Part):
    """The assembly of the iteration before."""

    iteration: int
    run_id: str
    digest: str


class MetricsFile(Part):
    """All numbers; the flywheel's own, by bare name, lie in ``model_extra``."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Number] = Field(init=False)

    format_version: int
    flywheel: str
    iteration: int
    phase_distribution: dict[str, int]
    acceptance: dict[str, Acceptance]
    bottlenecks: tuple[str, ...]
    previous: Previous | None
    metrics: dict[str, MetricLine]

    @property
    def numbers(self) -> dict[str, Number]:
        """The flywheel's own numbers, by bare name."""
        return dict(self.__pydantic_extra__)

    def value(self, name: str) -> Number:
        """The value of a metric of the tree; None when it is unknown or absent."""
        line = self.metrics.get(name)
        return line.value if line else None
