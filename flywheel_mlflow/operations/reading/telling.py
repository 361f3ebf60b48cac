"""Reads releases back: all of them, one of them, what differs, who decided what and when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from flywheel_mlflow.assembly.history import Told, tell_all
from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.decisions.moves import production_at
from flywheel_mlflow.decisions.releases import STAGES, Move, Override, Release
from flywheel_mlflow.operations.deciding import Desk, look, sound_world

if TYPE_CHECKING:
    from flywheel_mlflow.assembly.diff import ReleaseDiff
    from flywheel_mlflow.decisions.approvals import JudgedApproval
    from flywheel_mlflow.decisions.pins import Pin
    from flywheel_mlflow.operations.reading.reader import Memory


@dataclass(frozen=True, slots=True)
class Listed:
    """One release in a line: ``verdicts`` are the newest by stage, ``overrides`` the stages of those that still run."""

    version: int
    stage: str
    iteration: int
    author: str
    at: datetime
    bundle: str
    verdicts: dict[str, str]
    approvals: int
    overrides: tuple[str, ...]


def list_releases(desk: Desk) -> tuple[Listed, ...]:
    """Every release, the newest first; empty before the first."""
    world = look(desk.tracking)
    if world is None:
        return ()
    state, now = world.state, desk.now()
    return tuple(
        Listed(
            version=release.version,
            stage=state.stage_of(release.version).value,
            iteration=release.iteration,
            author=release.author.name,
            at=release.at,
            bundle=release.bundle,
            verdicts={to: gate.verdict for to in STAGES if (gate := release.last_gate(to)) is not None},
            approvals=len(release.approvals),
            overrides=tuple(
                to
                for to in STAGES
                if any(
                    item.version == release.version and item.to == to and item.until > now for item in state.overrides
                )
            ),
        )
        for release in sorted(state.releases.values(), key=lambda item: -item.version)
    )


@dataclass(frozen=True, slots=True)
class Shown:
    """One release with everything known about it; ``faults`` says why its bundle cannot be read, empty when it can."""

    release: Release
    stage: str
    pins: tuple[Pin, ...]
    left_out: dict[str, str]
    faults: str
    approvals: tuple[JudgedApproval, ...]
    overrides: tuple[Override, ...]
    moves: tuple[Move, ...]


def show_release(desk: Desk, version: int) -> Shown:
    """One release: what it pins, who approved it, how it moved.

    Raises:
        UnknownName: no such release.
    """
    from flywheel_mlflow.operations.bundles import fetch_bundle
    from flywheel_mlflow.operations.releases.gating import shown_approvals, weigh

    world = sound_world(desk.tracking)
    release = world.state.release(version)
    pins: tuple[Pin, ...] = ()
    left_out: dict[str, str] = {}
    faults = ""
    try:
        bundle = fetch_bundle(desk.tracking, release)
        pins, left_out = bundle.pins, dict(bundle.left_out)
    except InputError as error:
        faults = error.what
    return Shown(
        release=release,
        stage=world.state.stage_of(version).value,
        pins=pins,
        left_out=left_out,
        faults=faults,
        approvals=shown_approvals(desk, world, weigh(desk, world, version)) if release.approvals else (),
        overrides=tuple(item for item in world.state.overrides if item.version == version),
        moves=tuple(item for item in world.state.moves if item.version == version),
    )


def diff_releases(desk: Desk, before: int, after: int) -> ReleaseDiff:
    """What differs between two releases.

    Raises:
        UnknownName: no such release. InputError: a bundle is gone or was edited.
    """
    from flywheel_mlflow.operations.reading.reader import Memory

    state = sound_world(desk.tracking).state
    return diff_of(desk, state.release(before), state.release(after), Memory())


def diff_of(desk: Desk, before: Release, after: Release, memory: Memory) -> ReleaseDiff:
    """What differs between two releases, their KPIs judged as every comparison of their assemblies judges them.

    Raises:
        InputError: a bundle is gone or was edited.
    """
    from flywheel_mlflow.assembly.diff import BundleDiff, diff_bundles
    from flywheel_mlflow.operations.bundles import fetch_bundle
    from flywheel_mlflow.operations.reading.verdicts import Recorded, judge_recorded

    def read() -> BundleDiff:
        return diff_bundles(fetch_bundle(desk.tracking, before), fetch_bundle(desk.tracking, after))

    found = memory.recall(("release diff", before.bundle, after.bundle), read)
    first = Recorded(before.iteration, before.run_id, found.before.values)
    second = Recorded(after.iteration, after.run_id, found.after.values)
    judged = judge_recorded(desk, first, second, memory)
    return found.judged(judged.kpis, judged.told)


def history(desk: Desk, *, version: int | None = None, last: int | None = None) -> tuple[Told, ...]:
    """The ledger in sentences, the oldest first; faults of the ledger do not keep it from being read."""
    world = look(desk.tracking)
    if world is None:
        return ()
    told = tell_all(world.ledger)
    if version is not None:
        world.state.release(version)
        told = tuple(item for item in told if item.about == version)
    return told if last is None else told[-last:]


def who_at(desk: Desk, when: datetime) -> Move | None:
    """The move by which the release in production at a moment got there; None when there was none."""
    world = look(desk.tracking)
    return production_at(world.state, when) if world else None
