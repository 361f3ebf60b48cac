"""What a project promises: its interfaces, KPIs, checks and where its results are.

A contract is the file ``project.yaml`` in the project's folder::

    contract = load_contract(Path("projects/p05_rag"))
    contract.interfaces_out[0].name          # "knowledge_index"
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    PrivateAttr,
    StringConstraints,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from flywheel_mlflow.base.addresses import MAX_ADDRESS_LENGTH, checked_address, is_address
from flywheel_mlflow.base.canonical import parsed_json, sha256_text
from flywheel_mlflow.base.documents import Document, load_model
from flywheel_mlflow.base.errors import InputError, UnknownName
from flywheel_mlflow.base.names import (
    REVIEW_COST,
    Identifier,
    Label,
    VariantName,
    cost_name,
    label_fault,
    without_currency,
)
from flywheel_mlflow.base.paths import MAX_PATH_LENGTH, PATH_PATTERN, parse_path
from flywheel_mlflow.promises.interfaces import InterfaceIn, InterfaceOut
from flywheel_mlflow.promises.personal_data import PERSONAL_DATA_CHECK
from flywheel_mlflow.promises.review import Review
from flywheel_mlflow.promises.strict import Finite, Flag, Strict, Text

CONTRACT_FILE = "project.yaml"


def _path(value: str) -> str:
    parse_path(value)
    if fault := label_fault(value):  # it is shown, and names metrics
        raise ValueError(fault)
    return value


MetricPath = Annotated[
    str,
    AfterValidator(_path),
    WithJsonSchema({"type": "string", "pattern": PATH_PATTERN, "maxLength": MAX_PATH_LENGTH}),
]
RelativePath = Annotated[str, StringConstraints(min_length=1, max_length=250)]
#: A relative path, or the address of data that stay where they are.
DataPlace = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ADDRESS_LENGTH)]

#: What feedback says is missing.
GapType = Literal["data_gap", "retrieval_gap", "model_gap", "process_gap"]

#: Every project has numbers of these names; a KPI of the same name would be taken for one.
COMPUTED_NAMES = frozenset({"score", "check_pass_rate", "kpi_attainment", "contract_conformity"})
#: These stand before the numbers of the whole (``flywheel.review_hours``, ``stage.x.score``), or name
#: experiments of the flywheel's own.
RESERVED_IDS = frozenset({"flywheel", "stage", "budget", "ledger", "feedback", "notifications"})
#: Numbers of the whole that contain the assembly layer's own evidence: as its KPIs they would
#: make it grade itself, and the assembly could not settle.
SELF_GRADING = frozenset(
    {
        "asset_coverage",
        "consumable_count",
        "consumable_share",
        "evidenced_count",
        "interface_version_count",
        "mean_stage_score",
        "milestone_completion_rate",
        "milestone_done_count",
        "stage_completion_rate",
    }
)


class Kpi(Strict):
    """A declared metric with direction, target and tolerance."""

    name: Identifier
    title: Label | None = None
    path: MetricPath = Field(description='Path in the metrics document: a.b, a["b.c"], a[0].')
    direction: Literal["higher", "lower"] = Field(description="Which way is better.")
    target: Finite | None = Field(default=None, description="The value that counts as fully attained.")
    tolerance: Finite | None = Field(
        default=None,
        ge=0,
        description="How far from the target still attains it, and how much worse than the reference is no drift, "
        "in the KPI's unit. Left out: nothing for the target, drift.kpi_tolerance of the reference for drift.",
    )
    unit: Label = Field(description="ratio, %, records, ms, hours, EUR ...")
    n_path: MetricPath | None = Field(
        default=None, description="Path of the sample size behind a share (unit ratio, accuracy, % ...)."
    )
    stderr_path: MetricPath | None = Field(
        default=None, description="Path of the value's standard error, in the KPI's unit."
    )
    noise: Finite | None = Field(
        default=None,
        gt=0,
        description="Standard deviation of the value between runs when nothing changed, in the KPI's unit.",
    )
    required: Flag = Field(default=False, description="A run without this value is refused; otherwise it is unknown.")
    gap: GapType | None = Field(
        default=None, description="What is missing where a sample fails: the type of the feedback its failures become."
    )


class Suite(Strict):
    """KPIs that are judged together: one pooled verdict, and each of them a detail of it."""

    name: Identifier
    title: Label | None = None
    kpis: tuple[Annotated[str, StringConstraints(pattern=r"^[a-z0-9_*?\[\]]+$", max_length=250)], ...] = Field(
        min_length=1, description="Names of KPIs, or patterns such as mmlu_*."
    )
    direction: Literal["higher", "lower"] = Field(description="Which way is better, the same for all of them.")
    tolerance: Finite | None = Field(
        default=None,
        ge=0,
        description="How much worse the whole may get, in the KPIs' unit. Left out: drift.kpi_tolerance.",
    )


class Results(Strict):
    """Where a project's result files are, relative to the project's folder or ``--results``."""

    folder: RelativePath = "results"
    published: RelativePath | None = Field(default=None, description="Folder with figures published before any run.")
    metrics: RelativePath = Field(
        default="metrics.json", description="The metrics document; with a * the one file that fits."
    )
    metrics_format: Literal["json", "lm_eval"] = Field(
        default="json",
        description="lm_eval: results of lm-evaluation-harness as it writes them; a KPI's path is task.metric.",
    )
    checks: RelativePath = "checks.json"
    checks_format: Literal["published", "junit", "great_expectations", "dbt", "openlineage"] = "published"
    interfaces: dict[Identifier, DataPlace] = Field(
        default_factory=dict,
        description="Where each interface's data lies below the results folder, or the address it stays at: s3://, "
        "hf:// or https://. A file that ends in .reference.json holds such an address.",
    )
    samples: dict[Identifier, RelativePath] = Field(
        default_factory=dict,
        description="The outcome of each sample behind a KPI, as JSONL; with a * the one file that fits.",
    )

    @property
    def has_suite(self) -> bool:
        """Whether the contract says where a test suite's report is; without one the file may be missing."""
        return "checks" in self.model_fields_set

    @field_validator("folder", "published", "metrics", "checks")
    @classmethod
    def _stays_below_folder(cls, value: str | None) -> str | None:
        return value if value is None else below_folder(value)

    @field_validator("samples")
    @classmethod
    def _each_stays_below_folder(cls, value: dict[str, str]) -> dict[str, str]:
        for path in value.values():
            below_folder(path)
        return value

    @field_validator("interfaces")
    @classmethod
    def _each_is_below_folder_or_an_address(cls, value: dict[str, str]) -> dict[str, str]:
        for place in value.values():
            if not is_address(place):
                below_folder(place)
                continue
            try:
                checked_address(place)
            except InputError as error:
                raise ValueError(error.what) from error
        return value


def below_folder(value: str) -> str:
    """``value`` if it is a path that stays below the folder it is joined to.

    Raises:
        ValueError: it is absolute, climbs with ``..``, or holds control characters.
    """
    if value.startswith(("/", "\\", "~")) or ".." in Path(value).parts or "\\" in value:
        raise ValueError("must be a path below this file's folder, without '..'")
    if any(ord(char) < 32 for char in value):
        raise ValueError("contains control characters")
    return value


class Costs(Strict):
    """Paths of the human effort in the metrics document; a path left out means unknown."""

    review_hours: MetricPath | None = None
    review_cost: MetricPath | None = Field(default=None, description="In the currency of flywheel.yaml.")

    @model_validator(mode="before")
    @classmethod
    def _names_no_currency(cls, value: object) -> object:
        named = [key for key in value if without_currency(str(key)) != key] if isinstance(value, dict) else []
        if named:
            raise ValueError(
                f"{named[0]}: call it {REVIEW_COST}; flywheel.yaml says once in which currency: currency: EUR"
            )
        return value


class CheckPolicy(Strict):
    """Which checks must pass before others may build on the project."""

    required: tuple[Label, ...] = ()
    min_pass_rate: Finite = Field(default=1.0, gt=0, le=1)


class Carry(Strict):
    """Whether an iteration without a run of this project may use its last valid one."""

    allowed: Flag
    max_age: int = Field(default=1, strict=True, ge=1, le=100, description="In iterations.")


class Decision(Strict):
    """Marks a value that was never published and is ours."""

    field: Annotated[str, StringConstraints(min_length=1, max_length=250)]
    decided: Literal[True]
    why: Text


@dataclass(frozen=True, slots=True)
class MetricUse:
    """What a path into the metrics document is for: a key of the KPI ``owner``, or of ``costs``."""

    owner: str
    key: str
    path: str

    def __str__(self) -> str:
        return self.owner if self.key == "path" else f"{self.owner} {self.key}"


class Contract(Strict):
    """One project's promise to the flywheel."""

    schema_version: Literal[1] = Field(default=1, description="Version of this file's format.")
    id: Identifier
    title: Label
    registry_role: Literal["upstream", "assembly_layer"] = "upstream"
    owner: Identifier = Field(description="A team of flywheel.yaml.")
    phase: Identifier
    layers: tuple[Identifier, ...] = Field(min_length=1)
    stages: tuple[Identifier, ...] = Field(min_length=1)
    weight: Finite = Field(default=1.0, gt=0, description="Weight in the score of its stages.")
    deliverables: tuple[Label, ...] = Field(min_length=1)
    interfaces_out: tuple[InterfaceOut, ...] = Field(
        default=(), description="What others may build on; a project may only measure."
    )
    interfaces_in: tuple[InterfaceIn, ...] = ()
    kpis: tuple[Kpi, ...] = Field(min_length=1)
    suites: tuple[Suite, ...] = Field(default=(), description="Groups of KPIs with one pooled verdict each.")
    variants: tuple[VariantName, ...] = Field(
        default=(),
        max_length=10,
        description="Variants that run side by side. The first is the control: its run counts until somebody decides "
        "otherwise, and a run that names no variant is one of it.",
    )
    checks: CheckPolicy = CheckPolicy()
    costs: Costs = Costs()
    review: Review
    carry: Carry
    results: Results = Results()
    source: Text | None = Field(default=None, description="Where the published figures come from.")
    decisions: tuple[Decision, ...] = ()
    #: Of the flywheel, not of this file: no part of the digest.
    _currency: str | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        for kind, names in (
            ("interfaces_out", [item.name for item in self.interfaces_out]),
            ("interfaces_in", [item.name for item in self.interfaces_in]),
            ("kpis", [item.name for item in self.kpis]),
            ("suites", [item.name for item in self.suites]),
            ("variants", list(self.variants)),
            ("layers", list(self.layers)),
            ("stages", list(self.stages)),
            ("checks.required", list(self.checks.required)),
        ):
            twice = sorted(name for name, count in Counter(names).items() if count > 1)
            if twice:
                raise ValueError(f"{kind}: named twice: {', '.join(twice)}")
        return self

    @model_validator(mode="after")
    def _suites_hold_alike(self) -> Self:
        taken: dict[str, str] = {}
        if both := sorted({kpi.name for kpi in self.kpis} & {suite.name for suite in self.suites}):
            raise ValueError(f"suites: a KPI has the same name: {', '.join(both)}")
        for suite in self.suites:
            members = self.members(suite)
            for pattern in suite.kpis:
                if not any(fnmatchcase(kpi.name, pattern) for kpi in self.kpis):
                    raise ValueError(f"suites: {suite.name}: no KPI is named {pattern!r}")
            if wrong := [kpi.name for kpi in members if kpi.direction != suite.direction]:
                raise ValueError(f"suites: {suite.name}: {', '.join(wrong)} is not better {suite.direction}")
            if len({kpi.unit for kpi in members}) > 1:
                units = ", ".join(sorted({kpi.unit for kpi in members}))
                raise ValueError(f"suites: {suite.name}: its KPIs have several units ({units})")
            for kpi in members:
                if kpi.name in taken:
                    raise ValueError(f"suites: {kpi.name} is in {taken[kpi.name]} and in {suite.name}")
                taken[kpi.name] = suite.name
        return self

    @model_validator(mode="after")
    def _leaves_our_names_alone(self) -> Self:
        if self.id in RESERVED_IDS:
            raise ValueError(f"id: {self.id!r} is kept for the flywheel's own numbers")
        taken = sorted(COMPUTED_NAMES & ({kpi.name for kpi in self.kpis} | {suite.name for suite in self.suites}))
        if taken:
            raise ValueError(f"kpis: computed for every project, choose other names: {', '.join(taken)}")
        parts = {part for kpi in self.kpis for part in parse_path(kpi.path)}
        circular = sorted(SELF_GRADING & parts) if self.is_assembly else []
        if circular:
            raise ValueError(f"kpis: contain the assembly layer's own evidence: {', '.join(circular)}")
        return self

    @model_validator(mode="after")
    def _paths_and_decisions_exist(self) -> Self:
        outputs = {item.name for item in self.interfaces_out}
        strangers = sorted(set(self.results.interfaces) - outputs)
        if strangers:
            raise ValueError(f"results.interfaces: not among interfaces_out: {', '.join(strangers)}")
        reviewed = self.interface(self.review.records_of) if self.review.records_of else None
        if self.review.records_of and (reviewed is None or reviewed.format == "opaque"):
            raise ValueError(f"review.records_of: {self.review.records_of} is no interface_out with records")
        strangers = sorted(set(self.results.samples) - {kpi.name for kpi in self.kpis})
        if strangers:
            raise ValueError(f"results.samples: not among kpis: {', '.join(strangers)}")
        known = set(type(self).model_fields)
        for decision in self.decisions:
            if decision.field.split(".")[0].split("[")[0] not in known:
                raise ValueError(f"decisions: {decision.field!r} is not a key of a contract")
        return self

    @property
    def digest(self) -> str:
        """sha256 of the contract's content, 64 hex digits; layout, comments and what is as by default do not count.

        So a later version with more to say about interfaces leaves the digests of today's contracts as they are.
        """
        return sha256_text(parsed_json(self.model_dump(mode="json", by_alias=True, exclude_defaults=True)))

    @property
    def currency(self) -> str | None:
        """The currency of its flywheel."""
        return self._currency

    @property
    def cost_name(self) -> str:
        """What the cost of its review is called, with its currency."""
        return cost_name(self._currency)

    def in_currency(self, currency: str | None) -> Self:
        """The same promise in a flywheel of that currency."""
        contract = self.model_copy()
        contract._currency = currency  # noqa: SLF001 - of this very class
        return contract

    def variant(self, name: str) -> str:
        """The variant of that name, the control for an empty one; empty where the project has no variants.

        Raises:
            UnknownName: the contract declares others. InputError: it declares none.
        """
        if not name:
            return self.variants[0] if self.variants else ""
        if not self.variants:
            raise InputError(
                f"{self.id} declares no variants, so none is called {name[:80]!r}",
                hint=f"declare them in its {CONTRACT_FILE}, the control first: variants: [plain, {name[:40]}]",
            )
        if name not in self.variants:
            raise UnknownName(f"variant of {self.id}", name, self.variants)
        return name

    @property
    def kept_checks(self) -> tuple[str, ...]:
        """The checks whose outcome evidence keeps by name: those it requires, and what gates ask of each interface."""
        asked = (f"{item.name}.{PERSONAL_DATA_CHECK}" for item in self.interfaces_out)
        return tuple(dict.fromkeys((*self.checks.required, *asked)))

    @property
    def is_assembly(self) -> bool:
        """Whether this project is the assembly layer itself, whose evidence is our own checks."""
        return self.registry_role == "assembly_layer"

    def members(self, suite: Suite) -> tuple[Kpi, ...]:
        """The KPIs of a suite, in the contract's order."""
        return tuple(kpi for kpi in self.kpis if any(fnmatchcase(kpi.name, pattern) for pattern in suite.kpis))

    def metric_paths(self) -> Iterator[MetricUse]:
        """Every path into the metrics document: of KPIs, their sizes and standard errors, of costs."""
        owners = [(kpi.name, kpi, ("path", "n_path", "stderr_path")) for kpi in self.kpis]
        for owner, model, keys in (*owners, ("costs", self.costs, tuple(Costs.model_fields))):
            for key in keys:
                if path := getattr(model, key):
                    yield MetricUse(owner, key, path)

    def interface(self, name: str) -> InterfaceOut | None:
        """The promised output of that name, if any."""
        return next((item for item in self.interfaces_out if item.name == name), None)


def load_contract(folder: Path, *, name: str | None = None) -> Contract:
    """The contract in ``folder``.

    Raises:
        DocumentError: every fault of the file together.
        StorageError: the file cannot be read.
    """
    return read_contract(folder, name=name)[0]


def read_contract(folder: Path, *, name: str | None = None) -> tuple[Contract, Document]:
    """The contract in ``folder`` with its document, so that later findings can name lines."""
    return load_model(folder / CONTRACT_FILE, Contract, name=name or str(folder / CONTRACT_FILE))
