"""Finds the fields that a consumer needs and that the data had in the reference and have no more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flywheel_mlflow.drift.findings import ChangeOutcome, Finding, Kind, Verdict
from flywheel_mlflow.drift.sides import Side
from flywheel_mlflow.evidence.lineage import producers
from flywheel_mlflow.evidence.schemas import missing_fields
from flywheel_mlflow.promises.contract import Contract
from flywheel_mlflow.promises.fields import field_types


def lost_fields(contracts: Sequence[Contract], current: Side, reference: Side) -> Iterator[Finding]:
    """One finding for each consumer whose producer dropped, retyped or no longer fills a field it needs.

    What the reference lacked already, or could not say, is no change: the consumer is not consumable there either.
    """
    makers = producers(contracts)
    for contract in contracts:
        for wanted in contract.interfaces_in:
            producer = makers.get(wanted.name, "")
            now, before = current.version(producer, wanted.name), reference.version(producer, wanted.name)
            if now is None or before is None:
                continue
            needed = field_types(wanted.fields)
            lacked = {_path(item) for item in missing_fields(needed, before)}
            lost = [item for item in missing_fields(needed, now, before) if _path(item) not in lacked]
            if lost:
                yield Finding(
                    kind=Kind.PROMISE,
                    subject=f"{wanted.name}/{contract.id}",
                    verdict=Verdict.BLOCK,
                    text=f"worse: {contract.id} needs {', '.join(lost)}, which {producer} no longer gives in every row",
                    decides=True,
                    method="schema",
                    next=f"flywheel impact {wanted.name} --iteration {current.iteration}",
                    outcome=ChangeOutcome.WORSE,
                )


def _path(lacking: str) -> str:
    """The path of a need that is not met, without what is said about it."""
    return lacking.partition(" ")[0]
