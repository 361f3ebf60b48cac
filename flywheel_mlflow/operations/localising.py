"""Finds out what made a number change between two iterations."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flywheel_mlflow.assembly import Assembly, assemble
from flywheel_mlflow.contract import Contract
from flywheel_mlflow.differences import Pair, differences, kpi_findings
from flywheel_mlflow.drift import DataFound, Side, compare_data, sides_of_evidence
from flywheel_mlflow.errors import InputError
from flywheel_mlflow.evidence import Collected, ProjectEvidence
from flywheel_mlflow.flywheel import Flywheel
from flywheel_mlflow.operations.assembling import collect_iteration
from flywheel_mlflow.operations.sides import read_data
from flywheel_mlflow.suspects import Lineage, Step, Suspect, rank, reachable, starting_suspicion

if TYPE_CHECKING:
    from flywheel_mlflow.tracking import Tracking

#: How many turns the walk goes back over feedback edges: what an iteration reads of earlier ones, it reads of the last.
TURNS_BACK = 1


@dataclass(frozen=True, slots=True)
class Localised:
    """A number in two iterations, and who may have changed it, most suspected first.

    ``verdict`` is a KPI's, empty for other numbers; ``value`` and ``before`` are None where unknown. ``notes`` say
    what the reader should know besides: what could not be read, which assembly is older than the evidence.
    """

    name: str
    unit: str
    reference: int
    iteration: int
    before: float | None
    value: float | None
    verdict: str
    suspects: tuple[Suspect, ...]
    notes: tuple[str, ...]


def localise(flywheel: Flywheel, tracking: Tracking, name: str, reference: int, iteration: int) -> Localised:
    """What changed upstream of a number between two assembled iterations, most suspected first.

    Reads what the server holds now of both iterations, and of the one before each, which feedback edges read from.

    Args:
        flywheel: who feeds whom.
        tracking: the server.
        name: a number of a project (``p05.retrieval_hit_rate``), or one computed from those.
        reference: the iteration it is compared with.
        iteration: the one asked about.

    Raises:
        UnknownName: no number has that name.
        InputError: both iterations are the same, one was never assembled, or the number rests on no project's numbers.
    """
    if reference == iteration:
        raise InputError(
            f"iteration {iteration} cannot be compared with itself",
            hint=f"name two: --between {max(iteration - 1, 1)} {max(iteration, 2)}",
        )
    for turn in (reference, iteration):
        if turn < 1 or tracking.assemblies.recorded(turn) is None:
            raise InputError(
                f"iteration {turn} has no valid assembly", hint=f"run `flywheel assemble --iteration {max(turn, 1)}`"
            )
    turns = sorted({turn - lag for turn in (reference, iteration) for lag in range(TURNS_BACK + 1) if turn > lag})
    collected = {turn: collect_iteration(flywheel, tracking, turn) for turn in turns}
    return localise_collected(flywheel, tracking, collected, name, reference, iteration)


def localise_collected(
    flywheel: Flywheel,
    tracking: Tracking,
    collected: Mapping[int, Collected],
    name: str,
    reference: int,
    iteration: int,
) -> Localised:
    """The same from evidence that was collected before, by iteration; profiles and data cards are read here.

    Raises:
        UnknownName: no number has that name.
        InputError: the number rests on no project's numbers.
    """
    now, before = (_assembled(flywheel, collected, turn) for turn in (iteration, reference))
    name = name if name in now.metrics else f"flywheel.{name}" if f"flywheel.{name}" in now.metrics else name
    start = starting_suspicion(name, now.metrics, before.metrics, flywheel.contracts)
    notes: list[str] = []
    lineage = _lineage(flywheel, tracking, collected, start, reference, iteration, notes)
    metric = now.metrics[name]
    return Localised(
        name=name,
        unit=metric.unit,
        reference=reference,
        iteration=iteration,
        before=before.metrics.value(name),
        value=metric.value,
        verdict=_verdict(flywheel, collected, name, reference, iteration),
        suspects=rank(lineage, start),
        notes=tuple(notes),
    )


def _assembled(flywheel: Flywheel, collected: Mapping[int, Collected], turn: int) -> Assembly:
    return assemble(flywheel, collected[turn], before=collected.get(turn - 1))


def _lineage(
    flywheel: Flywheel,
    tracking: Tracking,
    collected: Mapping[int, Collected],
    start: Collection[str],
    reference: int,
    iteration: int,
    notes: list[str],
) -> Lineage:
    """The lineage with what differs: profiles are read only where suspicion can come to."""
    settings = flywheel.blueprint.drift
    upstream = {name: item for name, item in flywheel.contracts.items() if not item.is_assembly}
    pairs: list[tuple[int, int]] = [
        (reference - lag, iteration - lag)
        for lag in range(TURNS_BACK + 1)
        if reference - lag in collected and iteration - lag in collected
    ]
    bare = Lineage(
        upstream, [Step(old, new, collected[old].evidence, collected[new].evidence, {}) for old, new in pairs]
    )
    places = reachable(bare, start)
    steps = []
    for lag, step in enumerate(bare.steps):
        near = [upstream[place.project] for place in sorted(places) if place.lag == lag]
        data = _data(tracking, near, step, flywheel, notes)
        names = sorted({*step.before, *step.now} & upstream.keys())
        found = {
            item: differences(Pair(upstream[item], step.before.get(item), step.now.get(item)), settings, data)
            for item in names
        }
        steps.append(Step(step.reference, step.iteration, step.before, step.now, found))
    return Lineage(upstream, steps)


def _data(
    tracking: Tracking, contracts: Collection[Contract], step: Step, flywheel: Flywheel, notes: list[str]
) -> DataFound:
    now, before = (
        Side(turn, "", "", sides_of_evidence(_of(contracts, evidence)))
        for turn, evidence in ((step.iteration, step.now), (step.reference, step.before))
    )
    both = read_data(tracking, contracts, now, before)
    notes += [f"could not be read: {item.subject}: {item.text}" for item in both.errors]
    found = compare_data(contracts, both.current, both.reference, flywheel.blueprint.drift)
    notes += [f"could not be compared: {name}: {fault}" for name, fault in found.faults.items()]
    return found


def _of(contracts: Collection[Contract], evidence: Mapping[str, ProjectEvidence]) -> dict[str, ProjectEvidence]:
    wanted = {contract.id for contract in contracts}
    return {name: item for name, item in evidence.items() if name in wanted}


def _verdict(flywheel: Flywheel, collected: Mapping[int, Collected], name: str, reference: int, iteration: int) -> str:
    """The verdict on a KPI by its tolerance and sample size; empty for a number that is none."""
    project = name.partition(".")[0]
    contract = flywheel.contracts.get(project)
    if contract is None:
        return ""
    pair = Pair(contract, collected[reference].evidence.get(project), collected[iteration].evidence.get(project))
    return next(
        (
            f"{item.verdict.value}: {item.text}"
            for item in kpi_findings(pair, flywheel.blueprint.drift)
            if item.subject == name
        ),
        "",
    )
