"""The shapes of the deliverables that are data, strict: what does not fit is a fault, not a guess."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from flywheel_mlflow.assembly import deliverables as names

Number = int | float | None


class Shape(BaseModel):
    """A part of a deliverable: closed, frozen, without conversions between types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Evidence(Shape):
    """Where a project's values come from."""

    kind: str
    run_id: str | None
    iteration: int
    carried_from: int | None
    ended: str | None
    contract_digest: str
    evidence_digest: str
    code_version: str
    tasks: list[str]


class FieldOfVersion(Shape):
    """One field of a schema."""

    path: str
    type: str
    required: bool


class Version(Shape):
    """One version of an interface."""

    uri: str
    digest: str
    schema_digest: str
    fields: list[FieldOfVersion]
    rows: int | None
    bytes: int | None


class Kpi(Shape):
    """A KPI with its promise and its value."""

    value: Number
    n: int | None
    unit: str
    direction: Literal["higher", "lower"]
    target: Number
    tolerance: Number
    attainment: Number
    stderr: Number = None


class Output(Shape):
    """A promised interface of a project."""

    name: str
    title: str
    format: str
    role: str
    required: bool
    consumers: list[str]
    version: Version | None
    change: str | None


class EdgeLine(Shape):
    """One interface from its producer to one consumer."""

    interface: str
    producer: str = Field(alias="from")
    consumer: str = Field(alias="to")
    from_iteration: str
    required: bool
    state: str
    made: str | None
    read: str | None
    missing_fields: list[str] | None


class Entry(Shape):
    """One project of the registry."""

    project_id: str
    title: str
    registry_role: str
    owner: str
    phase: str
    layers: list[str]
    stages: list[str]
    deliverables: list[str]
    contract_digest: str
    state: str
    consumable: bool
    reasons: list[str]
    not_consumable_for: dict[str, str]
    notes: list[str]
    score: Number
    evidence: Evidence | None
    overall_passed: bool | None
    passed_checks: int | None
    total_checks: int | None
    checks_not_passed: dict[str, str]
    required_checks: dict[str, str | None]
    kpis: dict[str, Kpi]
    interfaces_out: list[Output]
    interfaces_in: list[EdgeLine]
    human_review_needed: bool
    governance_controls: list[str]
    estimated_manual_review_hours: Number
    estimated_manual_review_cost_rmb: Number

    @property
    def upstream(self) -> bool:
        """Whether the assembly builds on it, rather than it being the assembly itself."""
        return self.registry_role != "assembly_layer"


class Phases(Shape):
    """The phase inventory."""

    project_count: int
    phase_distribution: dict[str, int]
    all_evidenced_projects_passed: bool | None
    total_passed_checks: int
    total_checks: int
    interface_count: int
    upstream_interface_count: int


class LayerLine(Shape):
    """A layer with its projects."""

    id: str
    title: str
    responsibilities: list[str]
    mapped_projects: list[str]


class PointLine(Shape):
    """A control point."""

    id: str
    title: str
    before_stages: list[str]
    question: str
    criteria: list[str]


class ArchitectureFile(Shape):
    """Layers, control points and the interface graph."""

    layers: list[LayerLine]
    control_points: list[PointLine]
    interfaces: list[EdgeLine]


class Enforcement(Shape):
    """The gate criterion that holds a boundary."""

    criterion: str
    gate: str


class BoundaryLine(Shape):
    """A governance boundary."""

    id: str
    rule: str
    enforced_by: list[Enforcement]


class Crossing(Shape):
    """What passes from one project to another."""

    producer: str = Field(alias="from")
    consumer: str = Field(alias="to")
    artifact: str


class BoundariesFile(Shape):
    """Boundaries by kind, and what passes between projects."""

    ownership_boundaries: list[BoundaryLine]
    risk_boundaries: list[BoundaryLine]
    interfaces: list[Crossing]


class PlannedStage(Shape):
    """One stage of the plan."""

    stage_id: str
    title: str
    goal: str
    enters_through: str | None
    projects: list[str]
    deliverables: list[str]
    milestone: str


class RunLine(Shape):
    """One stage run."""

    run_id: str
    stage_id: str
    iteration: int
    status: str
    score: Number
    impact: list[str]
    evidence: list[str]
    reasons: list[str]


class BottleneckLine(Shape):
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


class OpenRule(Shape):
    """A bottleneck rule that unknown values leave open."""

    name: str
    rule: str
    why: str


class BottlenecksFile(Shape):
    """The bottleneck analysis."""

    bottlenecks: list[BottleneckLine]
    rules_not_decidable: list[OpenRule]
    rules_evaluated: int


class ProjectCost(Shape):
    """The human effort one project states."""

    review_hours: Number
    review_cost_rmb: Number


class Silent(Shape):
    """The projects that state no effort."""

    review_hours: list[str]
    review_cost_rmb: list[str]


class Reused(Shape):
    """An interface several projects build on."""

    interface: str
    producer: str = Field(alias="from")
    consumers: list[str]
    read_this_version: list[str]


class CostsFile(Shape):
    """The cost model."""

    estimated_manual_review_hours: Number
    estimated_manual_review_cost_rmb: Number
    by_project: dict[str, ProjectCost]
    unknown: Silent
    reused_interfaces: list[Reused]


class TeamLine(Shape):
    """A team with what it owns."""

    id: str
    title: str
    responsibilities: list[str]
    projects: list[str]
    milestones: list[str]


class MechanismLine(Shape):
    """A governance mechanism."""

    id: str
    title: str
    owner: str
    cadence: str


class RiskLine(Shape):
    """A cross-project risk."""

    id: str
    title: str
    owner: str
    layers: list[str]


class OrganisationFile(Shape):
    """The operating model."""

    teams: list[TeamLine]
    governance_mechanisms: list[MechanismLine]
    cross_project_risks: list[RiskLine]


class MilestoneLine(Shape):
    """A milestone on the board."""

    milestone: str
    title: str
    stage: str
    status: str
    stage_status: str
    owner: str
    evidence: list[str]
    open_points: list[str]


class DashboardStage(Shape):
    """A stage on the dashboard."""

    stage: str
    title: str
    status: str
    score: Number


class DashboardFile(Shape):
    """The executive dashboard; the numbers it repeats lie in ``model_extra``."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Number] = Field(init=False)

    format_version: int
    flywheel: str
    iteration: int
    stages: list[DashboardStage]
    first_bottlenecks: list[str]
    not_consumable: dict[str, str]

    @property
    def numbers(self) -> dict[str, Number]:
        """The numbers the dashboard repeats, by bare name."""
        return dict(self.__pydantic_extra__)


class SourceLine(Shape):
    """Where a number was read."""

    kind: str
    ref: str
    place: str
    digest: str


class MetricLine(Shape):
    """A number with its origin."""

    value: Number
    unit: str
    rule: str
    inputs: list[str]
    source: SourceLine | None
    note: str
    direction: Literal["higher", "lower"] | None = None


class Acceptance(Shape):
    """An acceptance metric as repeated for readers."""

    value: Number
    note: str


class Previous(Shape):
    """The assembly of the iteration before."""

    iteration: int
    run_id: str
    digest: str


class MetricsFile(Shape):
    """All numbers; the flywheel's own, by bare name, lie in ``model_extra``."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Number] = Field(init=False)

    format_version: int
    flywheel: str
    iteration: int
    phase_distribution: dict[str, int]
    acceptance: dict[str, Acceptance]
    bottlenecks: list[str]
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


#: What each deliverable that is data must be.
SHAPES: dict[str, TypeAdapter[Any]] = {
    names.REGISTRY: TypeAdapter(list[Entry]),
    names.PHASES: TypeAdapter(Phases),
    names.ARCHITECTURE: TypeAdapter(ArchitectureFile),
    names.BOUNDARIES: TypeAdapter(BoundariesFile),
    names.STAGE_PLAN: TypeAdapter(list[PlannedStage]),
    names.RUNS: TypeAdapter(list[RunLine]),
    names.BOTTLENECKS: TypeAdapter(BottlenecksFile),
    names.COSTS: TypeAdapter(CostsFile),
    names.ORGANISATION: TypeAdapter(OrganisationFile),
    names.MILESTONES: TypeAdapter(list[MilestoneLine]),
    names.DASHBOARD: TypeAdapter(DashboardFile),
    names.METRICS: TypeAdapter(MetricsFile),
}
