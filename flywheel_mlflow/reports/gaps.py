"""What an assembly is missing, project by project: evidence, interface versions, fields, KPI values, runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flywheel_mlflow.assembly.assembly import Assembly
from flywheel_mlflow.evidence.lineage import EdgeState
from flywheel_mlflow.evidence.registry import RegistryEntry

#: Skipped runs are listed up to here for each project, so that one restless project cannot drown the others.
MOST_SKIPPED = 5


@dataclass(frozen=True, slots=True)
class Gap:
    """One kind of thing that is missing, with the places where it is; ``items`` is never empty."""

    title: str
    items: tuple[GapItem, ...]


@dataclass(frozen=True, slots=True)
class GapItem:
    """One project, and the names that are missing there or a sentence about them."""

    project_id: str
    names: tuple[str, ...] = ()
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A run that does not count, and why; ``run_id`` is empty on the line that counts the rest."""

    project_id: str
    run_id: str
    reason: str


def gaps(assembly: Assembly) -> tuple[Gap, ...]:
    """Everything missing, by kind; kinds of which nothing is missing are left out."""
    entries = list(assembly.registry.values())
    evidenced = [entry for entry in entries if entry.evidence is not None]
    found = (
        Gap(
            "Projects without evidence",
            tuple(GapItem(entry.project_id, sentence=entry.contract.title) for entry in entries if not entry.evidence),
        ),
        Gap("Interfaces without a version, of projects with evidence", tuple(_unversioned(evidenced))),
        Gap("KPIs without a value, of projects with evidence", tuple(_unknown_kpis(evidenced))),
        Gap("Producers that lack fields a consumer needs", tuple(_lacking(entries))),
        Gap("Consumers that read another version than the current one", tuple(_stale(assembly))),
    )
    return tuple(gap for gap in found if gap.items)


def _unversioned(entries: Iterable[RegistryEntry]) -> Iterable[GapItem]:
    for entry in entries:
        names = tuple(item.promise.name for item in entry.interfaces if item.version is None)
        if names:
            yield GapItem(entry.project_id, names)


def _unknown_kpis(entries: Iterable[RegistryEntry]) -> Iterable[GapItem]:
    for entry in entries:
        names = tuple(item.kpi.name for item in entry.kpis if item.value is None)
        if names:
            yield GapItem(entry.project_id, names)


def _lacking(entries: Iterable[RegistryEntry]) -> Iterable[GapItem]:
    for entry in entries:
        for consumer, why in entry.barred.items():
            yield GapItem(entry.project_id, sentence=f"not consumable for {consumer}: {why}")


def _stale(assembly: Assembly) -> Iterable[GapItem]:
    for edge in assembly.edges:
        if edge.state is EdgeState.STALE:
            read, made = (edge.read or "")[:12], (edge.made or "")[:12]
            yield GapItem(
                edge.consumer, sentence=f"{edge.interface} of {edge.producer}: read {read}, current is {made}"
            )


def skipped_runs(assembly: Assembly) -> tuple[Skipped, ...]:
    """The runs the collector did not count, by project, at most ``MOST_SKIPPED`` of each; then how many more."""
    by_project: dict[str, list[Skipped]] = {}
    for run in sorted(assembly.collected.skipped):
        by_project.setdefault(run.project_id, []).append(Skipped(run.project_id, run.run_id, run.reason))
    listed: list[Skipped] = []
    for project_id, runs in by_project.items():
        listed += runs[:MOST_SKIPPED]
        if len(runs) > MOST_SKIPPED:
            listed.append(Skipped(project_id, "", f"and {len(runs) - MOST_SKIPPED} more runs"))
    return tuple(listed)
