"""What acts and readings give back in Python: plain values that print well and can be had as frames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from flywheel_mlflow.drift import DriftReport
from flywheel_mlflow.operations.printable import Printable, plain_cell, plain_row


@dataclass(frozen=True, slots=True)
class Decision(Printable):
    """A decision as it was written; ``event`` is its number in the ledger, None for a dry run.

    ``act`` is what was done, ``details`` what it says.
    """

    act: str
    event: int | None
    details: Mapping[str, Any]
    notes: tuple[str, ...] = ()

    def lines(self) -> Iterable[str]:
        """The decision, what it says, and what to know besides."""
        yield f"{self.act}: " + ("would be written" if self.event is None else f"written as event {self.event}")
        yield from (f"  {name}: {plain_cell(value)}" for name, value in self.details.items() if value not in (None, ""))
        yield from (f"note: {note}" for note in self.notes)

    def as_rows(self) -> list[dict[str, Any]]:
        """One row."""
        cells = {name: plain_cell(value) for name, value in self.details.items()}
        return [{"act": self.act, "event": self.event, **cells}]


@dataclass(frozen=True, slots=True)
class GateCriterion:
    """One criterion of a gate: what it demands and what it found."""

    verdict: str
    id: str
    value: float | None
    limit: float | None
    n: int | None
    reason: str
    next: str


@dataclass(frozen=True, slots=True)
class GateVerdict(Printable):
    """A gate's verdict with its criteria; ``event`` and ``run_id`` are None for a dry run."""

    version: int
    to: str
    verdict: str
    criteria: tuple[GateCriterion, ...]
    event: int | None
    run_id: str | None

    @property
    def passed(self) -> bool:
        """Whether the release may be promoted by it; INCONCLUSIVE is no pass."""
        return self.verdict == "PASS"

    def lines(self) -> Iterable[str]:
        """The verdict, and every criterion with its reason."""
        yield f"gate of release {self.version} to {self.to}: {self.verdict}"
        for item in self.criteria:
            yield f"  {item.verdict:<12} {item.id}: {item.reason}" + (f" ({item.next})" if item.next else "")

    def as_rows(self) -> list[dict[str, Any]]:
        """A row for each criterion."""
        return [plain_row(item, *(part.name for part in fields(GateCriterion))) for item in self.criteria]


@dataclass(frozen=True, slots=True)
class Move(Printable):
    """A promotion or rollback; ``steps`` is what was done, or would be; ``event`` is None for a dry run."""

    version: int
    to: str
    came_from: int | None
    rollback: bool
    steps: tuple[str, ...]
    event: int | None
    dry_run: bool
    notes: tuple[str, ...] = ()

    def lines(self) -> Iterable[str]:
        """What stands where now, or what would be done."""
        if self.dry_run:
            yield from (f"{number}. would {step}" for number, step in enumerate(self.steps, start=1))
        else:
            before = "no release" if self.came_from is None else f"release {self.came_from}"
            yield f"{self.to} is now release {self.version}, before {before} (event {self.event})"
        yield from (f"note: {note}" for note in self.notes)

    def as_rows(self) -> list[dict[str, Any]]:
        """A row for each step."""
        return [{"step": number, "what": step} for number, step in enumerate(self.steps, start=1)]


@dataclass(frozen=True, slots=True)
class NewRelease(Printable):
    """A release that was made, or that was there; ``version`` and ``event`` are None for a dry run.

    ``interfaces`` are what it pins, a mapping of plain values each; ``left_out`` says why others are not in it.
    """

    version: int | None
    iteration: int
    event: int | None
    existed: bool
    dry_run: bool
    digest: str
    interfaces: tuple[Mapping[str, Any], ...]
    left_out: Mapping[str, str]

    def lines(self) -> Iterable[str]:
        """What was made of what, and what is not in it."""
        name = "a release" if self.version is None else f"release {self.version}"
        verb = "is there already" if self.existed else "would be made" if self.dry_run else "was made"
        yield f"{name} of iteration {self.iteration} {verb}: {len(self.interfaces)} interfaces"
        yield from (f"  left out {interface}: {why}" for interface, why in self.left_out.items())

    def as_rows(self) -> list[dict[str, Any]]:
        """A row for each interface it pins."""
        return [dict(item) for item in self.interfaces]


@dataclass(frozen=True, slots=True)
class Reconciled(Printable):
    """What `reconcile` mended, or would."""

    mended: tuple[str, ...]
    dry_run: bool

    def lines(self) -> Iterable[str]:
        """Each thing mended."""
        yield from (("would: " if self.dry_run else "") + line for line in self.mended)
        if not self.mended:
            yield "ledger and server agree: nothing to mend"

    def as_rows(self) -> list[dict[str, Any]]:
        """A row for each."""
        return [{"what": line} for line in self.mended]


@dataclass(frozen=True, slots=True)
class Table(Printable):
    """Things of one kind, a row each, with a sentence about them all."""

    title: str
    items: tuple[Mapping[str, Any], ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.items)

    def lines(self) -> Iterable[str]:
        """The title, then each row."""
        yield self.title
        for item in self.items:
            yield "  " + "  ".join(f"{name}={plain_cell(value)}" for name, value in item.items() if value is not None)
        yield from (f"note: {note}" for note in self.notes)

    def as_rows(self) -> list[dict[str, Any]]:
        """The rows as they are."""
        return [{name: plain_cell(value) for name, value in item.items()} for item in self.items]


@dataclass(frozen=True, slots=True)
class AssembledIteration(Printable):
    """An iteration as it was assembled; ``contradictions`` are the checks of the assembly that did not pass.

    ``unchanged`` says that the server had the same already. ``projects`` are the entries of the registry.
    """

    iteration: int
    run_id: str
    digest: str
    unchanged: bool
    contradictions: tuple[str, ...]
    projects: tuple[Mapping[str, Any], ...]
    metrics: Mapping[str, float]
    notes: tuple[str, ...] = ()

    def lines(self) -> Iterable[str]:
        """Where it is, and each project's state."""
        yield f"iteration {self.iteration} is {'unchanged on' if self.unchanged else 'assembled as'} run {self.run_id}"
        for item in self.projects:
            why = f": {item['reasons']}" if item["reasons"] else ""
            yield f"  {item['project']}: {'consumable' if item['consumable'] else 'not consumable'}{why}"
        yield from (f"contradiction: {name}" for name in self.contradictions)
        yield from (f"note: {note}" for note in self.notes)

    def as_rows(self) -> list[dict[str, Any]]:
        """A row for each project."""
        return [dict(item) for item in self.projects]


@dataclass(frozen=True, slots=True)
class AuditResult(Printable):
    """What an audit found: PASS without findings, INCONCLUSIVE when something could not be looked at."""

    verdict: str
    findings: tuple[Mapping[str, str], ...]
    not_looked_at: tuple[str, ...]

    def lines(self) -> Iterable[str]:
        """The verdict, each finding with what to do, and what was not looked at."""
        yield f"audit: {self.verdict}"
        yield from (f"  {item['kind']}: {item['what']} ({item['hint']})" for item in self.findings)
        yield from (f"not looked at: {line}" for line in self.not_looked_at)

    def as_rows(self) -> list[dict[str, Any]]:
        """A row for each finding."""
        return [dict(item) for item in self.findings]


@dataclass(frozen=True, slots=True)
class AdoptedRuns(Printable):
    """Runs that were adopted, or would be: ``counts`` is the one that counts; the rest is told in words."""

    project: str
    iteration: int
    run_ids: tuple[str, ...]
    counts: str | None
    sources: Mapping[str, tuple[str, ...]]
    left_alone: Mapping[str, str]
    warnings: tuple[str, ...]
    dry_run: bool
    evaluated: tuple[str, ...] = ()

    def lines(self) -> Iterable[str]:
        """The runs, the metrics their KPIs are read from, and what to look at."""
        yield f"{'would adopt' if self.dry_run else 'adopted'} {len(self.run_ids)} runs for {self.project}"
        yield from (f"  {run_id}" for run_id in self.run_ids)
        yield from (f"  left alone {run_id}: {why}" for run_id, why in self.left_alone.items())
        yield from (f"  {name} <- {', '.join(metrics)}" for name, metrics in self.sources.items() if metrics)
        yield from (f"  evaluated {line}" for line in self.evaluated)
        yield from (f"warning: {line}" for line in self.warnings)

    def as_rows(self) -> list[dict[str, Any]]:
        """A row for each path of the contract, with the metrics it is read from."""
        return [{"path of": name, "metrics": ", ".join(metrics)} for name, metrics in self.sources.items()]


@dataclass(frozen=True, slots=True)
class ExplainedNumber(Printable):
    """A number with the numbers it is made of, each with its rule and where it comes from; ``depth`` is that of the
    tree, 0 for the number itself.
    """

    name: str
    iteration: int
    tree: tuple[Mapping[str, Any], ...] = field(default=())

    def lines(self) -> Iterable[str]:
        """The tree, indented."""
        for item in self.tree:
            value = "unknown" if item["value"] is None else f"{item['value']:g}"
            source = f" from {item['source']}" if item["source"] else ""
            yield f"{'  ' * item['depth']}{item['name']} = {value} ({item['unit']}){source}"

    def as_rows(self) -> list[dict[str, Any]]:
        """A row for each number of the tree."""
        return [dict(item) for item in self.tree]


@dataclass(frozen=True, slots=True)
class Comparison(Printable, DriftReport):
    """One iteration compared with a reference, as :class:`~flywheel_mlflow.drift.DriftReport`, to look at."""

    @classmethod
    def of(cls, report: DriftReport) -> Comparison:
        """The same report."""
        return cls(**{part.name: getattr(report, part.name) for part in fields(DriftReport)})

    def lines(self) -> Iterable[str]:
        """The verdict and the findings, worst first."""
        yield f"{self.verdict.value}: iteration {self.iteration} against {self.reference.iteration}"
        yield from (f"  {item.subject} {item.verdict.value}: {item.text}" for item in self.findings)

    def as_rows(self) -> list[dict[str, Any]]:
        """A row for each finding."""
        names = ("kind", "subject", "verdict", "value", "reference", "limit", "n", "method", "text", "next")
        return [plain_row(item, *names) for item in self.findings]


def time_text(value: datetime | None) -> str | None:
    """A time as text, UTC; None stays unknown."""
    return None if value is None else value.isoformat(timespec="seconds")
