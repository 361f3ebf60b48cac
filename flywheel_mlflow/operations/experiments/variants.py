"""Variants of a project side by side, and the decision which of them counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flywheel_mlflow.base.errors import Refused, UnknownName
from flywheel_mlflow.decisions.variants import (
    VariantChoice,
    VariantKind,
    counting_choice,
    counting_variant,
    fold_variants,
)
from flywheel_mlflow.drift.comparing import judge_kpis
from flywheel_mlflow.drift.findings import KpiFound
from flywheel_mlflow.drift.sides import Side, project_side
from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.evidence.runs import ProjectEvidence
from flywheel_mlflow.operations.assembly.sides import read_data
from flywheel_mlflow.operations.deciding import LedgerSnapshot, NewEvent, Session, append_decision, begin
from flywheel_mlflow.operations.projects.project_run import check_iteration_number
from flywheel_mlflow.promises.contract import Contract

if TYPE_CHECKING:
    from flywheel_mlflow.tracking import Tracking


@dataclass(frozen=True, slots=True)
class VariantsOfProject:
    """The variants of a project in an iteration, the control first.

    ``runs`` is the newest run of each by variant, absent where there is none; ``choice`` is the decision by which
    ``counting`` counts, None where the control counts undecided. ``compared`` holds the KPIs of each other variant
    against the counting one, sample by sample where both runs logged samples; ``unread`` are samples that were not.
    """

    contract: Contract
    iteration: int
    counting: str
    choice: VariantChoice | None
    runs: Mapping[str, ProjectEvidence]
    compared: Mapping[str, tuple[KpiFound, ...]]
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VariantChosen:
    """A decision about a variant as it was written; ``event`` is None for a dry run."""

    project: str
    variant: str
    iteration: int
    event: int | None
    body: Mapping[str, object]


def show_variants(flywheel: Flywheel, tracking: Tracking, project: str, iteration: int) -> VariantsOfProject:
    """The variants of one project in an iteration, compared with the one that counts.

    Raises:
        UnknownName: no such project. Refused: its contract declares no variants.
    """
    contract = flywheel.contract(flywheel.project_of(project))
    _refuse_without_variants(contract)
    contracts = {contract.id: contract}
    choices = tracking.collector.choices(contracts)
    collected = tracking.collector.collect(contracts, check_iteration_number(iteration), choices=choices)
    runs = collected.variants.get(contract.id, {})
    choice = counting_choice(contract.id, contract.variants, choices, iteration)
    counting = choice.variant if choice else contract.variants[0]
    compared: dict[str, tuple[KpiFound, ...]] = {}
    unread: list[str] = []
    if counting in runs:
        for name in contract.variants:
            if name != counting and name in runs:
                compared[name], errors = compare_variants(flywheel, tracking, runs[name], runs[counting])
                unread += errors
    return VariantsOfProject(contract, iteration, counting, choice, runs, compared, tuple(dict.fromkeys(unread)))


def compare_variants(
    flywheel: Flywheel, tracking: Tracking, run: ProjectEvidence, against: ProjectEvidence
) -> tuple[tuple[KpiFound, ...], tuple[str, ...]]:
    """The verdict on each KPI of one run against another of the same project, and what could not be read for it.

    Samples that both runs logged are compared one by one, as between two iterations.
    """
    contract = flywheel.contract(run.project_id)
    current, reference = (Side(item.iteration, "", "", {contract.id: project_side(item)}) for item in (run, against))
    both = read_data(tracking, (), current, reference, samples_alone=(contract,))
    found = judge_kpis((contract,), both.current, both.reference, settings=flywheel.blueprint.drift)
    return found, tuple(f"{item.subject}: {item.text}" for item in both.errors)


def choose_variant(
    session: Session, project: str, variant: str, iteration: int, reason: str, *, dry_run: bool = False
) -> VariantChosen:
    """Decide which variant of a project counts from an iteration on.

    Raises:
        UnknownName: no such project or variant. Refused: the contract declares none, or it counts already.
    """
    contract = session.flywheel.contract(session.flywheel.project_of(project))
    _refuse_without_variants(contract)
    if variant not in contract.variants:
        raise UnknownName(f"variant of {contract.id}", variant, contract.variants)
    check_iteration_number(iteration)
    body = {"project": contract.id, "variant": variant, "iteration": iteration, "reason": reason}

    def choose(snapshot: LedgerSnapshot) -> NewEvent:
        _refuse_counting(contract, variant, fold_variants(snapshot.ledger.counted), iteration)
        return NewEvent(VariantKind.CHOSEN, body)

    if dry_run:
        _refuse_counting(contract, variant, session.tracking.collector.choices({contract.id: contract}), iteration)
        return VariantChosen(contract.id, variant, iteration, None, body)
    begin(session)
    event, _ = append_decision(session, choose)
    return VariantChosen(contract.id, variant, iteration, event.number, body)


def _refuse_counting(contract: Contract, variant: str, choices: Iterable[VariantChoice], iteration: int) -> None:
    if counting_variant(contract.id, contract.variants, choices, iteration) == variant:
        raise Refused(
            f"{variant} counts in iteration {iteration} already",
            rule="a decision about a variant changes which one counts",
            hint=f"flywheel variant show {contract.id}",
        )


def _refuse_without_variants(contract: Contract) -> None:
    if not contract.variants:
        raise Refused(
            f"{contract.id} declares no variants",
            rule="variants are declared in the project's contract, the control first",
            hint="variants: [plain, resolved]",
        )
