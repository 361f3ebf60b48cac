"""What a project's run showed, frozen: checks, KPI values, interface versions and costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from flywheel_mlflow.base.canonical import digest_of


class Outcome(StrEnum):
    """How one check ended; an error is a check that could not be carried out."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    ERROR = "error"


class CheckSeverity(StrEnum):
    """What a failed check means: stop, or look."""

    BLOCKING = "blocking"
    WARNING = "warning"


class EvidenceKind(StrEnum):
    """Where the evidence comes from."""

    MEASURED = "measured"  # a pipeline logged it
    PUBLISHED = "published"  # figures published before any run
    ADOPTED = "adopted"  # a run some other tool logged
    SELF = "self"  # the assembly layer's own checks


@dataclass(frozen=True, slots=True)
class Check:
    """One finding.

    ``source`` names the tool or file it came from; ``details`` holds plain values only.
    """

    name: str
    outcome: Outcome
    message: str = ""
    severity: CheckSeverity = CheckSeverity.BLOCKING
    source: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CheckSummary:
    """Counts of a run's checks, with the names of those that did not pass.

    ``required`` holds the outcome of each check that the contract demands or that gates ask about; one
    that never ran is absent from it. ``warned`` counts failures and errors of severity warning: they are
    shown and do not count against the project, so they are not in ``failed`` or ``error``. ``digest`` is
    the sha256 of the full check document.
    """

    passed: int
    failed: int
    skipped: int
    error: int
    not_passed: Mapping[str, Outcome]
    required: Mapping[str, Outcome]
    digest: str
    warned: int = 0

    @property
    def total(self) -> int:
        """All findings, skipped ones and warnings included."""
        return self.passed + self.failed + self.skipped + self.error + self.warned

    @property
    def pass_rate(self) -> float | None:
        """Passed checks / (passed + failed + error); None when there are none of these."""
        due = self.passed + self.failed + self.error
        return self.passed / due if due else None


def summarize_checks(checks: Iterable[Check], required: Iterable[str]) -> CheckSummary:
    """The summary of a list of checks against the names a contract requires."""
    found = tuple(checks)
    demanded = set(required)
    warned = [check for check in found if _only_warns(check, demanded)]
    counts = Counter(check.outcome for check in found) - Counter(check.outcome for check in warned)
    return CheckSummary(
        passed=counts[Outcome.PASSED],
        failed=counts[Outcome.FAILED],
        skipped=counts[Outcome.SKIPPED],
        error=counts[Outcome.ERROR],
        not_passed={check.name: check.outcome for check in found if check.outcome is not Outcome.PASSED},
        required={check.name: check.outcome for check in found if check.name in demanded},
        digest=digest_of(found),
        warned=len(warned),
    )


def _only_warns(check: Check, demanded: set[str]) -> bool:
    """Whether a check that did not pass is no more than a warning; what a contract requires is always more."""
    bad = check.outcome in (Outcome.FAILED, Outcome.ERROR)
    return bad and check.severity is CheckSeverity.WARNING and check.name not in demanded


@dataclass(frozen=True, slots=True)
class KpiValue:
    """A KPI as measured: ``value`` None means unknown; sample size and standard error of the value where known."""

    value: float | None
    n: int | None = None
    stderr: float | None = None


#: The format of schemas that are recorded now. Format 1 stopped at lists and knew the types of JSON alone.
SCHEMA_FORMAT = 2


@dataclass(frozen=True, slots=True, order=True)
class FieldType:
    """One field of a schema: its path, its type name, whether every row, or every element of its list, has it.

    Paths are those of :mod:`~flywheel_mlflow.evidence.schema_paths`. Types are ``string``, ``integer``, ``number``,
    ``boolean``, ``object``, ``list``, ``vector[N]`` (N numbers each), ``map`` (objects with too many fields to list),
    ``mixed``, ``null``, and of Parquet ``decimal``, ``binary``, ``timestamp``, ``timestamp[zoned]``, ``date``,
    ``time``, ``duration``.
    """

    path: str
    type: str
    required: bool


@dataclass(frozen=True, slots=True)
class InterfaceVersion:
    """One exact state of an interface: where it is and what it is.

    ``digest`` and ``schema_digest`` are the first 32 hex digits of a sha256 (MLflow keeps at
    most 36 characters); ``rows`` is None for opaque data; ``bytes`` counts the stored files. ``records_digest`` is that
    of the records, whatever their order, files and format; empty where none was logged. ``schema_format`` is that of
    ``fields``: 1, or :data:`SCHEMA_FORMAT`.
    """

    name: str
    uri: str
    digest: str
    schema_digest: str
    fields: tuple[FieldType, ...] = ()
    rows: int | None = None
    bytes: int | None = None
    records_digest: str = ""
    schema_format: int = 1


#: What is said of a version that holds the records of another one in other files.
SAME_RECORDS = "same data, written anew"


class Digested(Protocol):
    """What tells versions apart: the digest of their files, and of their records, empty where unknown."""

    @property
    def digest(self) -> str:
        """The digest of the files."""

    @property
    def records_digest(self) -> str:
        """The digest of the records."""


def is_rewrite(old: Digested | None, new: Digested | None) -> bool:
    """Whether two versions hold the same records in other files; False also where that is unknown."""
    if old is None or new is None or old.digest == new.digest:
        return False
    return bool(new.records_digest) and old.records_digest == new.records_digest


@dataclass(frozen=True, slots=True, order=True)
class ConsumedInterface:
    """An interface version a run read; ``carried_from`` is its iteration where it was carried from an earlier one."""

    name: str
    digest: str
    carried_from: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Costs:
    """Human effort, its cost in the flywheel's currency; None means the project states none."""

    review_hours: float | None = None
    review_cost: float | None = None


@dataclass(frozen=True, slots=True)
class Resources:
    """What a run took, None where it was not measured; a ``machine`` is described without its name, empty if unknown.

    The memory is the highest of the process during the run; rows are the records of the interfaces it made; tokens
    those that its traces state.
    """

    wall_seconds: float | None = None
    cpu_seconds: float | None = None
    peak_memory_mb: float | None = None
    rows_per_second: float | None = None
    tokens: float | None = None
    machine: str = ""

    def numbers(self) -> dict[str, float]:
        """Those that were measured, by name."""
        found = {name: getattr(self, name) for name in RESOURCE_UNITS}
        return {name: value for name, value in found.items() if value is not None}


#: Nothing was measured.
NO_RESOURCES = Resources()
#: The resources of a run, with their units.
RESOURCE_UNITS = {
    "wall_seconds": "s",
    "cpu_seconds": "s",
    "peak_memory_mb": "MB",
    "rows_per_second": "rows/s",
    "tokens": "tokens",
}
#: Where they stand in a run's metrics document: a KPI's path begins with it to have one judged.
RESOURCE = "resource"


@dataclass(frozen=True, slots=True)
class ProjectEvidence:
    """All that one valid run of a project showed.

    ``ended`` comes from the run, never from the reader's clock. ``carried_from`` is the
    iteration the run belongs to when it is not the one being assembled. ``tasks`` are the ids of
    the tasks the run read, ``task_documents`` the sha256 of the file that holds them, empty when it kept none.
    ``variant`` is empty where the project has none. ``evidence_digest`` covers all of this; it is empty where a run
    keeps none, as those that earlier versions logged.
    """

    project_id: str
    iteration: int
    kind: EvidenceKind
    run_id: str | None
    ended: datetime | None
    contract_digest: str
    kpis: Mapping[str, KpiValue]
    checks: CheckSummary
    interfaces_out: Mapping[str, InterfaceVersion]
    interfaces_in: tuple[ConsumedInterface, ...] = ()
    costs: Costs = Costs()
    carried_from: int | None = None
    evidence_digest: str = ""
    code_version: str = ""
    tasks: tuple[str, ...] = ()
    task_documents: str = ""
    variant: str = ""
    resources: Resources = NO_RESOURCES

    @property
    def review_hours(self) -> float | None:
        """Hours of people that its project states."""
        return self.costs.review_hours

    @property
    def review_cost(self) -> float | None:
        """What these cost."""
        return self.costs.review_cost

    @property
    def cpu_seconds(self) -> float | None:
        """Seconds of processors that the run took."""
        return self.resources.cpu_seconds

    @property
    def tokens(self) -> float | None:
        """Tokens that its traces state."""
        return self.resources.tokens

    @property
    def machine(self) -> str:
        """On which machine it measured what it took; empty where it did not."""
        return self.resources.machine

    @property
    def is_verified(self) -> bool:
        """Whether what was read is what the run held when it ended."""
        return bool(self.evidence_digest)


@dataclass(frozen=True, slots=True, order=True)
class Overlap:
    """How many records of an evaluation interface stand in a training interface.

    ``shared`` is None when one of the two has nothing to compare: unknown, not clean. ``compared`` is the number of
    records it is a part of. ``examples`` name places on both sides. ``allowed`` is the share that the evaluation
    interface's contract allows.
    """

    training: str
    evaluation: str
    shared: int | None
    compared: int = 0
    examples: tuple[str, ...] = ()
    allowed: float = 0.0

    @property
    def is_allowed(self) -> bool:
        """Whether no more stands in the training data than is allowed; False where that is unknown."""
        if self.shared is None or not self.compared:
            return self.shared == 0
        return self.shared <= self.allowed * self.compared

    def __str__(self) -> str:
        such = f", such as {self.examples[0]}" if self.examples else ""
        noun = "record" if self.compared == 1 else "records"
        share = f"{self.shared} of {self.compared} {noun}"
        return f"{self.training} contains {share} of the evaluation set {self.evaluation}{such}"


@dataclass(frozen=True, slots=True, order=True)
class CommonIds:
    """How many ids two interfaces have in common that nothing explains, of those compared of each.

    ``shared`` is None where the ids of ``one`` are not known; ``other`` is empty then.
    """

    one: str
    other: str
    shared: int | None
    of_one: int = 0
    of_other: int = 0

    def __str__(self) -> str:
        if self.shared is None:
            return f"which ids {self.one} has in common with others is unknown: its run logged none"
        noun = "id" if self.shared == 1 else "ids"
        return (
            f"{self.one} and {self.other} have {self.shared} {noun} in common (of {self.of_one} and {self.of_other}): "
            "the same records, or named alike?"
        )


@dataclass(frozen=True, slots=True, order=True)
class SkippedRun:
    """A run the collector did not count, and why."""

    project_id: str
    run_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Collected:
    """What one iteration's search found: the evidence that counts, at most one for each project.

    ``variants`` are the newest runs of each variant by project and variant, the one that counts among them; it holds
    the projects whose contract declares variants.
    """

    iteration: int
    evidence: Mapping[str, ProjectEvidence]
    skipped: tuple[SkippedRun, ...] = ()
    variants: Mapping[str, Mapping[str, ProjectEvidence]] = field(default_factory=dict)
