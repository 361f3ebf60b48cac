"""What the flywheel promises: layers, stages, control points, boundaries, teams, gates and rules.

The blueprint is the file ``flywheel.yaml`` beside the ``projects`` folder, with the files it includes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from flywheel_mlflow.base.canonical import digest_of
from flywheel_mlflow.base.documents import Document, load_mapping, merge, parse_model
from flywheel_mlflow.base.errors import DocumentError, Fault
from flywheel_mlflow.base.names import Currency, Identifier, Label, cost_name
from flywheel_mlflow.promises.budgets import Budgets, CostRules
from flywheel_mlflow.promises.contract import Contract, Decision, RelativePath, below_folder
from flywheel_mlflow.promises.criteria import Criterion
from flywheel_mlflow.promises.experiments import Experiment
from flywheel_mlflow.promises.notify import Notify
from flywheel_mlflow.promises.rollbacks import RollbackCondition
from flywheel_mlflow.promises.routes import Route
from flywheel_mlflow.promises.schedule import Schedule
from flywheel_mlflow.promises.scoring import BottleneckRule, Scoring
from flywheel_mlflow.promises.strict import Flag, Strict, Text
from flywheel_mlflow.promises.theme_rules import ThemeRules
from flywheel_mlflow.promises.thresholds import DriftSettings
from flywheel_mlflow.promises.trace_rules import TraceRules

BLUEPRINT_FILE = "flywheel.yaml"
INCLUDE = "include"

NAME_PATTERN = r"^[a-z][a-z0-9\-]{1,62}$"
FlywheelName = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
PersonName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@\-]{0,126}$")]
PublicKey = Annotated[str, StringConstraints(pattern=r"^ed25519:[A-Za-z0-9+/]{43}=$")]
Days = Annotated[int, Field(strict=True, ge=1, le=365)]
Severity = Literal["low", "medium", "high"]


class Layer(Strict):
    """Where a project sits."""

    id: Identifier
    title: Label
    responsibilities: tuple[Label, ...] = Field(min_length=1)


class Milestone(Strict):
    """What closes a stage, and who says so."""

    id: Identifier
    title: Label
    owner: Identifier = Field(description="A team of this file.")


class Stage(Strict):
    """When a project's work counts; projects name their stages in their contracts."""

    id: Identifier
    title: Label
    goal: Text
    milestone: Milestone
    enters_through: Identifier | None = Field(default=None, description="The control point before this stage.")


class ControlPoint(Strict):
    """A valve: flow stops there until the named criteria hold."""

    id: Identifier
    title: Label
    before: tuple[Identifier, ...] = Field(min_length=1, description="The stages it guards.")
    question: Text
    criteria: tuple[Identifier, ...] = Field(min_length=1, description="Gate criteria of this file.")


class Boundary(Strict):
    """A rule that must never be crossed."""

    id: Identifier
    kind: Literal["ownership", "risk"]
    rule: Text
    enforced_by: tuple[Identifier, ...] = Field(min_length=1, description="Gate criteria of this file.")


class Team(Strict):
    """Who answers for what."""

    id: Identifier
    title: Label
    responsibilities: tuple[Label, ...] = Field(min_length=1)
    # Whom to tell is no evidence, and a bundle is read by strangers: it stands in no document and changes no digest.
    people: tuple[PersonName, ...] = Field(
        default=(), exclude=True, description="People of this file, who are told what concerns the team."
    )


#: Traces that a mechanism leaves when it was held, by what they are called in flywheel.yaml.
Trace = Literal["assembly", "gate", "feedback_decision", "risk_decision", "review"]


class Mechanism(Strict):
    """A fixed rhythm of governance."""

    id: Identifier
    title: Label
    owner: Identifier
    cadence: Label = Field(
        description="daily, weekly, monthly, quarterly, yearly, every iteration or every release candidate are "
        "checked; other words are for people."
    )
    # How a rhythm is watched is no evidence: it stands in no document and changes no digest.
    shown_by: Trace | None = Field(
        default=None,
        exclude=True,
        description="What shows that it was held. Left out, a quarterly one is shown by its review, and of the others "
        "nobody can tell.",
    )


class Gate(Strict):
    """The demands of one release transition."""

    id: Identifier
    to: Literal["staging", "production"]
    criteria: tuple[Criterion, ...] = Field(min_length=1)
    distinct_people: Annotated[int, Field(strict=True, ge=1, le=10)] = Field(
        default=1,
        description="How many different people explain drift, approve and promote together, at the least. Who made the "
        "release does not count for it.",
    )


class Person(Strict):
    """Somebody who decides, by the name under which the tracking server or the operating system knows them."""

    id: PersonName
    title: Label | None = None
    public_key: PublicKey | None = Field(
        default=None, description="What `flywheel keys new` printed; whoever has one signs every approval."
    )
    # As for the people of a team; and who decides is not another person for a new address.
    contacts: dict[Identifier, Label] = Field(
        default_factory=dict,
        exclude=True,
        description="Where to reach the person, by a name that channels of `notify` use: an address, or ${NAME} of an "
        "environment variable.",
    )


class Role(Strict):
    """A capacity in which people decide about releases."""

    id: Identifier
    title: Label
    people: tuple[PersonName, ...] = Field(min_length=1, description="People of this file.")


class ReleaseRules(Strict):
    """How releases are decided and moved."""

    approval_days: Days = Field(default=14, description="How long an approval counts.")
    verdict_days: Days = Field(default=14, description="How long a gate's verdict can be acted on.")
    move_lease_s: int = Field(
        default=120, strict=True, ge=1, le=86_400, description="Seconds a move may take before others may mend it."
    )
    may_move: tuple[Identifier, ...] = Field(
        default=(), description="Roles that may promote, roll back and override; everybody if left out."
    )
    server_keys: tuple[PublicKey, ...] = Field(
        default=(), description="Public keys of the servers whose word about a person's name counts."
    )
    mirror_stages: Flag = Field(
        default=True, description="Let the model registry's own (deprecated) stages follow, where the server has them."
    )


class Deliverables(Strict):
    """How the files of an assembly are called."""

    prefix: Identifier | None = Field(
        default=None, description="What the names of the reports start with: p10 makes p10_report.md of report.md."
    )

    @field_validator("prefix")
    @classmethod
    def _is_no_part_of_a_name(cls, value: str | None) -> str | None:
        # test + report.md would be read back as the report of the tests.
        if value is not None and value.rpartition("_")[2] == "test":
            raise ValueError("must not end with test, which one of the reports starts with")
        return value


class KnownRisk(Strict):
    """A cross-project risk the organisation already knows."""

    id: Identifier
    title: Label
    owner: Identifier
    layers: tuple[Identifier, ...] = Field(min_length=1)


class Blueprint(Strict):
    """The whole flywheel's promise."""

    schema_version: Literal[1] = 1
    name: FlywheelName = Field(description="Names the experiments and the registered model.")
    title: Label
    layers: tuple[Layer, ...] = Field(min_length=1)
    stages: tuple[Stage, ...] = Field(min_length=1)
    teams: tuple[Team, ...] = Field(min_length=1)
    control_points: tuple[ControlPoint, ...] = ()
    boundaries: tuple[Boundary, ...] = ()
    mechanisms: tuple[Mechanism, ...] = ()
    gates: tuple[Gate, ...] = Field(default=(), description="Without a gate to it nothing is released to a stage.")
    routing: tuple[Route, ...] = ()
    traces: TraceRules = TraceRules()
    bottlenecks: tuple[BottleneckRule, ...] = ()
    scoring: Scoring = Scoring()
    currency: Currency | None = Field(
        default=None,
        description="Of all costs, as reports shall show it: EUR. Without one no project can state a cost.",
    )
    deliverables: Deliverables = Deliverables()
    people: tuple[Person, ...] = ()
    roles: tuple[Role, ...] = ()
    releases: ReleaseRules = ReleaseRules()
    drift: DriftSettings = DriftSettings()
    risks: tuple[KnownRisk, ...] = ()
    # What is tried is no evidence before it was decided: a plan stands in no document and voids no approval.
    experiments: tuple[Experiment, ...] = Field(
        default=(), exclude=True, description="Variants of projects that are tried side by side."
    )
    decisions: tuple[Decision, ...] = ()
    notify: Notify = Field(default=Notify(), exclude=True)
    # A plan of work is no evidence either: another budget voids no approval.
    budgets: Budgets = Field(default=Budgets(), exclude=True, description="What work may cost, by class and quarter.")
    # When the flywheel turns says nothing about what it makes.
    schedule: Schedule = Field(default=Schedule(), exclude=True, description="When and on what the flywheel turns.")
    # What speaks against a release later is no evidence for it now.
    rollback_when: tuple[RollbackCondition, ...] = Field(
        default=(), exclude=True, description="What speaks for taking production back."
    )
    # How feedback is grouped is no evidence: it stands in no document and changes no digest.
    themes: ThemeRules = Field(default=ThemeRules(), exclude=True)

    @model_validator(mode="after")
    def _references_resolve(self) -> Self:
        for kind, ids in (
            ("layers", [item.id for item in self.layers]),
            ("stages", [item.id for item in self.stages]),
            ("control_points", [item.id for item in self.control_points]),
            ("boundaries", [item.id for item in self.boundaries]),
            ("teams", [item.id for item in self.teams]),
            ("mechanisms", [item.id for item in self.mechanisms]),
            ("milestones", [item.milestone.id for item in self.stages]),
            ("gates", [item.id for item in self.gates]),
            ("criteria", [item.id for item in self.criteria]),
            ("risks", [item.id for item in self.risks]),
            ("people", [item.id for item in self.people]),
            ("roles", [item.id for item in self.roles]),
            ("bottlenecks", [item.id for item in self.bottlenecks]),
            ("routing", [item.id for item in self.routing]),
            ("experiments", [item.id for item in self.experiments]),
            ("rollback_when", [item.id for item in self.rollback_when]),
        ):
            twice = sorted(name for name, count in Counter(ids).items() if count > 1)
            if twice:
                raise ValueError(f"{kind}: named twice: {', '.join(twice)}")
        for item in self.boundaries:
            if len(set(item.enforced_by)) != len(item.enforced_by):
                raise ValueError(f"boundaries.{item.id}.enforced_by: names a criterion twice")
        keys = [item.public_key for item in self.people if item.public_key]
        if len(set(keys)) != len(keys):
            raise ValueError("people: two people have the same public_key: one could sign for the other")
        problems = list(_dangling(self))
        problems += [
            f"gates.{gate.id}.distinct_people: {gate.distinct_people} different people, and the file names "
            f"{len(self.people)}"
            for gate in self.gates
            if gate.distinct_people > max(len(self.people), 1)
        ]
        problems += [
            f"notify.channels.{item.id}.contact: nobody under `people` has a contact called {item.contact!r}"
            for item in self.notify.channels
            if item.contact and not any(item.contact in person.contacts for person in self.people)
        ]
        problems += [
            f"rollback_when.{item.id}.action: a rollback nobody decides needs releases.may_move"
            for item in self.rollback_when
            if item.action == "rollback" and not self.releases.may_move
        ]
        problems += self.budgets.faults(self.currency)
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def cost_rules(self) -> CostRules:
        """How costs of work are read."""
        return self.budgets.rules(self.currency)

    @property
    def criteria(self) -> tuple[Criterion, ...]:
        """The criteria of all gates, in the file's order."""
        return tuple(criterion for gate in self.gates for criterion in gate.criteria)

    def gate_to(self, stage: str) -> Gate | None:
        """The gate before a release stage, if the file has one."""
        return next((gate for gate in self.gates if gate.to == stage), None)

    def people_of(self, name: str) -> tuple[str, ...]:
        """The people behind a name: of a team or a role, or the person itself; nobody where it is none of these."""
        groups = [*((item.id, item.people) for item in self.teams), *((item.id, item.people) for item in self.roles)]
        named = next((people for group, people in groups if group == name and people), ())
        return named or ((name,) if any(item.id == name for item in self.people) else ())

    @property
    def cost_name(self) -> str:
        """What the cost of review is called: ``review_cost_eur``."""
        return cost_name(self.currency)

    @property
    def gates_digest(self) -> str:
        """sha256 of what the gates demand, of who decides and of whose keys count, 64 hex digits."""
        return digest_of([self.gates, self.boundaries, self.roles, self.people, self.releases])

    @property
    def digest(self) -> str:
        """sha256 of the blueprint's content, 64 hex digits."""
        return digest_of(self)


def needs_human_review(blueprint: Blueprint, contract: Contract) -> bool:
    """Whether people must look at a project's data: its contract says so, or a control point it names demands it."""
    asking = {item.id for item in blueprint.criteria if item.kind == "human_review"}
    points = {item.id for item in blueprint.control_points if asking & set(item.criteria)}
    return contract.review.human or bool(points & set(contract.review.controls))


def _dangling(blueprint: Blueprint) -> list[str]:
    layers = {item.id for item in blueprint.layers}
    stages = {item.id for item in blueprint.stages}
    teams = {item.id for item in blueprint.teams}
    points = {item.id for item in blueprint.control_points}
    criteria = {item.id for item in blueprint.criteria}
    references: list[tuple[str, str, set[str]]] = []
    for stage in blueprint.stages:
        references.append((f"stages.{stage.id}.milestone.owner", stage.milestone.owner, teams))
        if stage.enters_through:
            references.append((f"stages.{stage.id}.enters_through", stage.enters_through, points))
    for point in blueprint.control_points:
        references += [(f"control_points.{point.id}.before", name, stages) for name in point.before]
        references += [(f"control_points.{point.id}.criteria", name, criteria) for name in point.criteria]
    for boundary in blueprint.boundaries:
        references += [(f"boundaries.{boundary.id}.enforced_by", name, criteria) for name in boundary.enforced_by]
    references += [(f"mechanisms.{item.id}.owner", item.owner, teams) for item in blueprint.mechanisms]
    references += [(f"risks.{item.id}.owner", item.owner, teams) for item in blueprint.risks]
    references += [(f"rollback_when.{item.id}.owner", item.owner, teams) for item in blueprint.rollback_when]
    if blueprint.schedule.owner:
        references.append(("schedule.owner", blueprint.schedule.owner, teams))
    roles, people = {item.id for item in blueprint.roles}, {item.id for item in blueprint.people}
    references += [(f"criteria.{item.id}.role", item.role, roles) for item in blueprint.criteria if item.role]
    experiments = {item.id for item in blueprint.experiments}
    references += [
        (f"criteria.{item.id}.experiment", item.experiment, experiments)
        for item in blueprint.criteria
        if item.experiment
    ]
    references += [
        (f"rollback_when.{item.id}.guardrail", item.guardrail, experiments)
        for item in blueprint.rollback_when
        if item.guardrail
    ]
    references += [(f"roles.{item.id}.people", name, people) for item in blueprint.roles for name in item.people]
    references += [(f"teams.{item.id}.people", name, people) for item in blueprint.teams for name in item.people]
    references += [("releases.may_move", name, roles) for name in blueprint.releases.may_move]
    references += [(f"risks.{item.id}.layers", name, layers) for item in blueprint.risks for name in item.layers]
    return [f"{place}: nothing is called {name!r}" for place, name, known in references if name not in known]


class BlueprintFile(Blueprint):
    """What stands in ``flywheel.yaml``: the blueprint, and where the parts of it are that lie in other files."""

    include: tuple[RelativePath, ...] = Field(
        default=(), description="Files below this folder that hold other top-level keys, each in one file only."
    )


def read_blueprint(root: Path, *, name: str | None = None) -> tuple[Blueprint, Document]:
    """The blueprint of the flywheel at ``root`` with its document, included files merged in.

    Raises:
        DocumentError: every fault of the files together.
        StorageError: a file cannot be read.
    """
    main = load_mapping(root / BLUEPRINT_FILE, name=name or BLUEPRINT_FILE)
    faults: list[Fault] = []
    parts: list[Document] = []
    for index, path in _included(root, main):
        try:
            part = load_mapping(root / path, name=path)
        except DocumentError as error:
            missing = [fault for fault in error.faults if not fault.line]
            faults += [main.fault((INCLUDE, index), f"{path}: {fault.message}") for fault in missing]
            faults += [fault for fault in error.faults if fault.line]
            continue
        if INCLUDE in part.value:
            faults.append(part.fault((INCLUDE,), f"only {BLUEPRINT_FILE} includes other files"))
        parts.append(part)
    if faults:
        raise DocumentError(faults)
    whole = merge(replace(main, value={key: main.value[key] for key in main.value if key != INCLUDE}), parts)
    return parse_model(whole, Blueprint), whole


def blueprint_files(root: Path) -> tuple[Path, ...]:
    """The files of the blueprint: ``flywheel.yaml`` and those it includes.

    Raises:
        DocumentError: ``flywheel.yaml`` does not say which. StorageError: it cannot be read.
    """
    main = load_mapping(root / BLUEPRINT_FILE, name=BLUEPRINT_FILE)
    return (root / BLUEPRINT_FILE, *(root / path for _, path in _included(root, main)))


def _included(root: Path, main: Document) -> list[tuple[int, str]]:
    """The files that ``flywheel.yaml`` includes, with their place in its list; each lies below ``root``."""
    listed = main.value.get(INCLUDE, [])
    if not isinstance(listed, list) or not all(isinstance(path, str) for path in listed):
        raise DocumentError([main.fault((INCLUDE,), "must be a list of files below this folder")])
    faults = []
    for index, path in enumerate(listed):
        if message := _include_fault(root, path) or ("is listed twice" if path in listed[:index] else None):
            faults.append(main.fault((INCLUDE, index), message))
    if faults:
        raise DocumentError(faults)
    return list(enumerate(listed))


def _include_fault(root: Path, path: str) -> str | None:
    try:
        below_folder(path)
        inside = (root / path).resolve().is_relative_to(root.resolve())
    except (ValueError, OSError) as error:
        return str(error)
    if not inside:
        return "a link that leads out of this folder"
    return "must be another file than this one" if (root / path) == root / BLUEPRINT_FILE else None
