"""Schemas of interface versions compared: which fields are gone, of another type, no longer everywhere, or new."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from pydantic import ConfigDict

from flywheel_mlflow.drift.findings import GONE, ChangeOutcome, DataVerdict, Finding, Kind, Verdict
from flywheel_mlflow.drift.sides import Side
from flywheel_mlflow.evidence.schemas import ChangeClass, schema_change
from flywheel_mlflow.promises.contract import Contract
from flywheel_mlflow.promises.interfaces import InterfaceOut

#: Differences of one schema that are kept; more are counted.
MOST_DIFFERENCES = 50
#: Of these so many stand in the text of a finding.
_TOLD = 3

_VERDICTS: dict[ChangeClass, DataVerdict] = {
    "major": DataVerdict.DRIFTED,
    "minor": DataVerdict.NEW,
    "patch": DataVerdict.UNCHANGED,
    "unknown": DataVerdict.NOT_TESTED,
}


@dataclass(frozen=True, slots=True)
class SchemaFound:
    """The schema of one interface compared; ``subject`` is ``corpus/schema change``.

    ``change`` is its class, ``unknown`` where it could not be compared. ``differences`` are the first of ``count`` in
    words, those that break a reader first. ``outcome`` is what the change means, ``task`` the task that intended it.
    """

    subject: str
    project: str
    verdict: DataVerdict
    text: str
    change: ChangeClass = "unknown"
    differences: tuple[str, ...] = ()
    count: int = 0
    task: str = ""
    outcome: ChangeOutcome | None = None

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    @property
    def interface(self) -> str:
        """The interface whose schema it is."""
        return self.subject.partition("/")[0]

    @property
    def stops(self) -> bool:
        """Whether it keeps a release from moving: a reader may break, and nobody said that this is wanted."""
        return self.outcome is ChangeOutcome.CHANGED

    @property
    def severity(self) -> float:
        """How large it is, to put findings in order: before any distribution, for its readers may stop working."""
        return min(GONE - 1, GONE / 2 + self.count) if self.change == "major" else 0.0


def verdict_of_change(change: ChangeClass) -> DataVerdict:
    """What became of a schema whose change is of this class."""
    return _VERDICTS[change]


def compare_schemas(contracts: Iterable[Contract], current: Side, reference: Side) -> tuple[SchemaFound, ...]:
    """The schema of every interface that these projects promise; one that could not be compared says why."""
    return tuple(
        _schema(contract.id, promise, current, reference)
        for contract in contracts
        for promise in contract.interfaces_out
    )


def _schema(project: str, promise: InterfaceOut, current: Side, reference: Side) -> SchemaFound:
    subject = f"{promise.name}/schema change"
    now, before = current.version(project, promise.name), reference.version(project, promise.name)
    if promise.record_schema == "opaque":
        return SchemaFound(subject, project, DataVerdict.NOT_TESTED, "opaque: not looked into")
    if now is None or before is None:
        side = current if now is None else reference
        return SchemaFound(subject, project, DataVerdict.NOT_TESTED, f"no version in iteration {side.iteration}")
    if now.digest == before.digest:
        return SchemaFound(subject, project, DataVerdict.UNCHANGED, "the same data", "patch")
    if not now.fields or not before.fields:
        side = reference if now.fields else current
        text = f"no schema was recorded in iteration {side.iteration}"
        return SchemaFound(subject, project, DataVerdict.NOT_TESTED, text)
    found = schema_change(before, now)
    kind, differences = found.change_class, tuple(found)
    told = "; ".join(differences[:_TOLD])
    more = f"; and {len(differences) - _TOLD} more" if len(differences) > _TOLD else ""
    unknown = f" ({found.unknown})" if found.unknown else ""
    text = f"{kind.upper()}: {told}{more}{unknown}" if differences else found.unknown or "the same fields"
    return SchemaFound(
        subject, project, verdict_of_change(kind), text, kind, differences[:MOST_DIFFERENCES], len(differences)
    )


def schema_finding(item: SchemaFound, iteration: int) -> Finding:
    """A breaking change as a finding."""
    word = f"as intended by {item.task}" if item.task else "changed"
    return Finding(
        kind=Kind.SCHEMA,
        subject=item.subject,
        verdict=Verdict.BLOCK if item.stops else Verdict.PASS,
        text=f"{word}: {item.text}",
        decides=item.stops,
        value=item.count,
        method="schema",
        next=f"flywheel impact {item.interface} --iteration {iteration}",
        outcome=item.outcome,
    )


def reasons_not_compared(schemas: Iterable[SchemaFound]) -> Iterator[str]:
    """Why schemas were not compared, each reason once with the interfaces it is about."""
    found: dict[str, list[str]] = {}
    for item in schemas:
        if item.verdict is DataVerdict.NOT_TESTED:
            found.setdefault(item.text, []).append(item.interface)
    yield from (f"{', '.join(names)} ({text})" for text, names in found.items())
