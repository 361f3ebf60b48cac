"""Finds out what made a number change between two iterations."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flywheel_mlflow.assembly.assembly import Assembly, assemble
from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.drift import (
    DataFound,
    KpiFound,
    Side,
    absent,
    compare_data,
    judge_kpis,
    sides_of_evidence,
)
from flywheel_mlflow.drift.differences import Pair, differences
from flywheel_mlflow.drift.suspects import Lineage, Step, Suspect, rank, reachable, starting_suspicion
from flywheel_mlflow.drift.wording import word_of
from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.evidence.runs import Collected
from flywheel_mlflow.operations.assembly.collecting import collect_iteration
from flywheel_mlflow.operations.assembly.sides import kpi_history, read_data
from flywheel_mlflow.promises.contract import Contract

if TYPE_CHECKING:
    from flywheel_mlflow.tracking import Tracking

#: How many turns the walk goes back over feedback edges: what an iteration reads of earlier ones, it reads of the last.
TURNS_BACK = 1


@dataclass(frozen=True, slots=True)
class Localised:
    """A number in two iterations, and who may have changed it, most suspected first.

    ``verdict`` is a KPI's, as a drift report has it, empty for other numbers; ``value`` and ``before`` are None where
    unknown. ``notes`` say what the reader should know besides: what could not be read or compared.
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


@dataclass(frozen=True, slots=True)
class _Compared:
    """What comparing two iterations found besides digests: in the data, and on KPIs by name."""

    data: DataFound
    kpis: Mapping[str, KpiFound]


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
    collected = collect_sides(flywheel, tracking, reference, iteration)
    return localise_collected(flywheel, tracking, collected, name, reference, iteration)


def collect_sides(flywheel: Flywheel, tracking: Tracking, reference: int, iteration: int) -> dict[int, Collected]:
    """The evidence of both iterations, and of the one before each.

    Raises:
        InputError: both iterations are the same, or one was never assembled.
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
    return {turn: collect_iteration(flywheel, tracking, turn) for turn in turns}


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
    lineage, verdicts = _lineage(flywheel, tracking, collected, start, reference, iteration, notes)
    metric = now.metrics[name]
    return Localised(
        name=name,
        unit=metric.unit,
        reference=reference,
        iteration=iteration,
        before=before.metrics.value(name),
        value=metric.value,
        verdict=verdicts.get(name, ""),
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
) -> tuple[Lineage, dict[str, str]]:
    """The lineage with what differs, and the verdicts on KPIs of the places suspicion can come to in these iterations.

    Profiles and samples are read only where suspicion can come to.
    """
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
    steps: list[Step] = []
    verdicts: dict[str, str] = {}
    for lag, step in enumerate(bare.steps):
        near = [upstream[place.project] for place in sorted(places) if place.lag == lag]
        now, before = (
            Side(turn, "", "", sides_of_evidence(evidence))
            for turn, evidence in ((step.iteration, step.now), (step.reference, step.before))
        )
        compared = _compared(flywheel, tracking, near, now, before, notes)
        names = sorted({*step.before, *step.now} & upstream.keys())
        found = {
            item: differences(
                Pair(upstream[item], step.before.get(item), step.now.get(item)),
                settings,
                compared.data,
                compared.kpis,
            )
            for item in names
        }
        steps.append(Step(step.reference, step.iteration, step.before, step.now, found))
        if lag == 0:
            verdicts = _verdicts(near, now, before, compared)
    return Lineage(upstream, steps), verdicts


def _compared(
    flywheel: Flywheel, tracking: Tracking, near: Collection[Contract], now: Side, before: Side, notes: list[str]
) -> _Compared:
    """The comparison of a drift report, which judges KPIs of ``near`` and reads no data of others."""
    if not near:
        return _Compared(DataFound((), (), {}), {})
    settings = flywheel.blueprint.drift
    upstream = [item for _, item in sorted(flywheel.contracts.items()) if not item.is_assembly]
    # Samples of all: false alarms are counted over all KPIs, so the verdicts on others are part of each.
    others = [item for item in upstream if item not in near]
    both = read_data(tracking, near, now, before, samples_alone=others)
    notes += [f"could not be read: {item.subject}: {item.text}" for item in both.errors]
    found = compare_data(near, both.current, both.reference, settings)
    notes += [f"could not be compared: {name}: {fault}" for name, fault in found.faults.items()]
    recorded = tracking.assemblies.recorded(before.iteration)
    history = kpi_history(tracking, recorded, now.iteration, settings.history) if recorded else {}
    kpis = judge_kpis(upstream, both.current, both.reference, settings=settings, history=history)
    told = {f"{item.id}.{kpi.name}" for item in near for kpi in item.kpis}
    return _Compared(found, {item.subject: item for item in kpis if item.subject in told})


def _verdicts(near: Collection[Contract], now: Side, before: Side, compared: _Compared) -> dict[str, str]:
    """The verdict on each KPI of the projects suspicion can come to, in the words of a drift report."""
    found = {name: f"{word_of(item)}: {item.text}" for name, item in compared.kpis.items()}
    for item in near:
        for lost in absent([item], now, before):
            told = f"cannot be told: {lost.text}"
            found |= {f"{item.id}.{kpi.name}": told for kpi in item.kpis}
    return found
