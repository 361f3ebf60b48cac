"""Plans promotions and rollbacks: pure decisions over the release state, each refusal with its rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from flywheel_mlflow.base.errors import InputError, Refused
from flywheel_mlflow.decisions.approvals import ask_instead, may_move
from flywheel_mlflow.decisions.gate_facts import Verdict
from flywheel_mlflow.decisions.ledger import Identity
from flywheel_mlflow.decisions.releases import STAGES, GateRecord, Move, Override, Release, ReleaseStage, ReleaseState
from flywheel_mlflow.decisions.risks import Risk
from flywheel_mlflow.promises.blueprint import Blueprint


@dataclass(frozen=True, slots=True)
class MovePlan:
    """One move of one alias: ``came_from`` is where it points now, ``by`` the event that allows the move."""

    version: int
    to: str
    came_from: int | None
    by: int | None
    rollback: bool
    reason: str
    lease_s: int

    def steps(self) -> tuple[str, ...]:
        """What will happen, in order, as sentences."""
        word = "rollback" if self.rollback else "promotion"
        before = "nothing" if self.came_from is None else f"release {self.came_from}"
        return (
            f"write the start of the {word} to the ledger",
            f"see that {self.to} still points to {before}",
            f"let {self.to} point to release {self.version}",
            "let the model registry's stages follow, where the server has them",
            "read the alias back",
            f"write the end of the {word} to the ledger",
        )


def plan_promotion(
    state: ReleaseState,
    version: int,
    to: str,
    *,
    blueprint: Blueprint,
    aliases: Mapping[str, int],
    risks: Iterable[Risk],
    actor: Identity,
    now: datetime,
) -> MovePlan:
    """The move that promotes a release.

    Raises:
        InputError: no stage is called so. UnknownName: no such release.
        Refused: by the first rule that says no.
    """
    check_stage(to)
    release = state.release(version)
    refuse_unfit(state, release, to)
    refuse_stranger(blueprint, actor, "promote")
    refuse_open_move(state)
    refuse_foreign_alias(state, aliases, to)
    refuse_skipped_stage(state, release, to, blueprint=blueprint)
    allowed = _permission(state, release, to, blueprint=blueprint, risks=tuple(risks), now=now)
    if isinstance(allowed, GateRecord):
        refuse_alone(allowed, release, actor, blueprint=blueprint)
    return MovePlan(
        version=version,
        to=to,
        came_from=state.current[to],
        by=allowed.number,
        rollback=False,
        reason=allowed.reason if isinstance(allowed, Override) else "",
        lease_s=blueprint.releases.move_lease_s,
    )


def check_stage(to: str) -> str:
    """``to`` if it is a stage a release can be moved to.

    Raises:
        InputError: it is not.
    """
    if to not in STAGES:
        raise InputError(f"no release stage is called {to!r}", hint=f"use one of {', '.join(STAGES)}")
    return to


def refuse_final(release: Release) -> None:
    """Refuse a release about which the last word is spoken."""
    if release.rejected or release.retired:
        event = release.rejected or release.retired
        who = event.actor.name if event else ""
        word = "rejected" if release.rejected else "retired"
        raise Refused(
            f"release {release.version} was {word} by {who}",
            rule=f"a {word} release never moves again",
            value=f"{word}: {event.body.get('reason', '')}" if event else word,
            limit="neither rejected nor retired",
            hint="make a new release: flywheel release create --iteration N",
        )


def refuse_unfit(state: ReleaseState, release: Release, to: str) -> None:
    """Refuse a release that cannot be moved there whatever a gate says."""
    refuse_final(release)
    if state.current.get(to) == release.version:
        raise Refused(
            f"release {release.version} is in {to} already",
            rule="a move changes something",
            value=state.stage_of(release.version).value,
            limit=f"a release that is not in {to}",
            hint="flywheel release list",
        )


def refuse_skipped_stage(state: ReleaseState, release: Release, to: str, *, blueprint: Blueprint) -> None:
    """Refuse a release that would leave out a stage that has a gate."""
    version = release.version
    for earlier in STAGES[: STAGES.index(to)]:
        if blueprint.gate_to(earlier) and earlier not in release.reached:
            raise Refused(
                f"release {version} was never in {earlier}",
                rule="a release goes candidate, staging, production; no stage that has a gate is left out",
                value=state.stage_of(version).value,
                limit=earlier,
                hint=f"flywheel gate {version} --to {earlier}, then flywheel promote {version} --to {earlier}",
            )


def refuse_stranger(blueprint: Blueprint, actor: Identity, act: str) -> None:
    """Refuse people whom flywheel.yaml gives none of the roles that move releases."""
    if may_move(blueprint, actor):
        return
    roles = blueprint.releases.may_move
    people = sorted({name for item in blueprint.roles if item.id in roles for name in item.people})
    raise Refused(
        f"{actor.name} may not {act} releases",
        rule=f"releases.may_move in flywheel.yaml: {', '.join(roles)}",
        value=actor.name,
        limit=", ".join(people) or "nobody",
        hint=ask_instead(people, actor),
    )


def refuse_open_move(state: ReleaseState) -> None:
    """Refuse while another move is open."""
    move = state.open_move
    if move is None:
        return
    word = "rollback" if move.rollback else "promotion"
    raise Refused(
        f"a {word} of release {move.version} to {move.to} is open, started by {move.actor.name} at {move.at:%H:%M:%S}",
        rule="one move at a time",
        value=f"event {move.number}",
        limit="no open move",
        hint="wait until it ends; if its process died: flywheel reconcile",
    )


def refuse_foreign_alias(state: ReleaseState, aliases: Mapping[str, int], to: str) -> None:
    """Refuse when the alias is not where the ledger left it: the decision was for another state."""
    live, known = aliases.get(to), state.current[to]
    if live != known:
        raise Refused(
            f"{to} points to {live or 'nothing'}, the ledger left it at {known or 'nothing'}",
            rule="an alias moves by the ledger alone",
            value=live or "nothing",
            limit=known or "nothing",
            hint="flywheel audit shows what happened, flywheel reconcile puts the alias back",
        )


def _permission(
    state: ReleaseState,
    release: Release,
    to: str,
    *,
    blueprint: Blueprint,
    risks: tuple[Risk, ...],
    now: datetime,
) -> GateRecord | Override:
    """The event that allows the promotion: a current PASS, or an override that was not used and has not run out."""
    gate = release.last_gate(to)
    why = not_current(gate, release, state, to, blueprint=blueprint, risks=risks, now=now)
    if gate is not None and why is None:
        return gate
    override = next(
        (
            item
            for item in reversed(state.overrides)
            if (item.version, item.to, item.bundle) == (release.version, to, release.bundle)
            and item.until > now
            and may_move(blueprint, item.actor)
            and not is_used_up(state, item)
        ),
        None,
    )
    if override is not None and override.confirmed is not None:
        return override
    if override is not None:
        raise Refused(
            f"the override of {override.actor.name} waits for {override.second} to confirm it",
            rule="an override counts once its second person confirmed it",
            value=f"event {override.number}",
            limit=f"confirmed by {override.second}",
            hint=f"{override.second}: flywheel override-confirm {release.version} --reason '...'",
        )
    raise Refused(
        f"release {release.version} has no verdict that permits {to}: {why}",
        rule=f"a promotion to {to} needs a current PASS of its gate",
        value=_told(gate),
        limit=Verdict.PASS.value,
        hint=f"flywheel gate {release.version} --to {to}",
    )


def refuse_alone(gate: GateRecord, release: Release, actor: Identity, *, blueprint: Blueprint) -> None:
    """Refuse whoever would promote a release with too few people behind it, by the gate's ``distinct_people``."""
    rules = blueprint.gate_to(gate.to)
    people = {*gate.people, actor.name}
    if rules is None or len(people) >= rules.distinct_people:
        return
    movers = [item.id for item in blueprint.people if may_move(blueprint, Identity(item.id)) and item.id not in people]
    role = next((item.role for item in rules.criteria if item.role), "ROLE")
    raise Refused(
        f"{', '.join(sorted(people))} would explain, approve and promote release {release.version} alone",
        rule=f"distinct_people of the gate to {gate.to} in flywheel.yaml",
        value=len(people),
        limit=rules.distinct_people,
        hint=f"{ask_instead(movers, actor)} to promote it; or, approved by somebody else too (flywheel approve "
        f"{release.version} --role {role} --reason '...'), evaluate the gate again",
    )


def _told(gate: GateRecord | None) -> str:
    if gate is None:
        return "no verdict"
    return f"{gate.verdict}, not current any more" if gate.verdict == Verdict.PASS else gate.verdict


def is_used_up(state: ReleaseState, override: Override) -> bool:
    """Whether an override has had its promotion: it permits one."""
    return any(move.by == override.number and move.done for move in state.moves)


def not_current(
    gate: GateRecord | None,
    release: Release,
    state: ReleaseState,
    to: str,
    *,
    blueprint: Blueprint,
    risks: tuple[Risk, ...],
    now: datetime,
) -> str | None:
    """Why a stage's newest verdict cannot be acted on now; None when it can."""
    if gate is None:
        return "its gate was never evaluated"
    if gate.verdict != Verdict.PASS:
        return f"the gate said {gate.verdict} (event {gate.number})"
    if gate.until <= now:
        return f"the verdict ran out on {gate.until:%Y-%m-%d %H:%M} UTC"
    if gate.basis.gates != blueprint.gates_digest:
        return "the gates or roles in flywheel.yaml changed since the verdict"
    if gate.basis.bundle != release.bundle:
        return "the verdict is about another bundle"
    left = (move for move in state.moves if move.rollback and move.done and move.came_from == release.version)
    back = next((move for move in left if move.number > gate.number), None)
    if back is not None:
        return f"it was rolled back since the verdict (event {back.number}): {back.reason}"
    before = state.current["production"]
    compared = None if before in (None, release.version) else f"release {before}"
    if compared is not None and gate.basis.reference != compared:
        return f"the verdict compared it with {gate.basis.reference or 'nothing'}, in production is {compared} now"
    if compared is None and gate.basis.reference.startswith("release "):
        return f"the verdict compared it with {gate.basis.reference}, which is not in production any more"
    found = blueprint.gate_to(to)
    cares = found is not None and any(item.kind == "risks" for item in found.criteria)
    overdue = [item.id for item in risks if item.severity == "high" and item.is_overdue(now)] if cares else []
    return f"a high risk is overdue by now: {', '.join(overdue)}" if overdue else None


def plan_rollback(
    state: ReleaseState,
    version: int,
    *,
    blueprint: Blueprint,
    aliases: Mapping[str, int],
    actor: Identity,
    reason: str,
) -> MovePlan:
    """The move that takes production back to a release that was there before; it needs no gate, only a reason.

    Raises:
        UnknownName: no such release.
        Refused: by the first rule that says no.
    """
    release = state.release(version)
    refuse_unfit(state, release, "production")
    refuse_stranger(blueprint, actor, "roll back")
    refuse_open_move(state)
    refuse_foreign_alias(state, aliases, "production")
    if version not in state.was_in_production():
        raise Refused(
            f"release {version} was never in production",
            rule="a rollback goes to a release that was in production before",
            value=state.stage_of(version).value,
            limit=", ".join(str(item) for item in state.was_in_production()) or "no release was in production yet",
            hint="name one of those, or leave --to out"
            if state.was_in_production()
            else f"flywheel gate {version} --to production, then flywheel promote {version} --to production",
        )
    return MovePlan(
        version=version,
        to="production",
        came_from=state.current["production"],
        by=None,
        rollback=True,
        reason=reason,
        lease_s=blueprint.releases.move_lease_s,
    )


def rollback_targets(state: ReleaseState) -> tuple[int, ...]:
    """Where production can go back to without being told where, the newest first.

    What a rollback took out is none of them until somebody puts it back on purpose: a second rollback would undo
    the first one.
    """
    left: set[int] = set()
    for move in state.moves:
        if move.done and move.to == "production":
            left |= {state.heir(move.came_from)} if move.rollback and move.came_from is not None else set()
            left.discard(state.heir(move.version))
    fit = (item for item in state.was_in_production() if item not in left)
    return tuple(item for item in fit if not state.releases[item].rejected and not state.releases[item].retired)


def mend(move: Move, aliases: Mapping[str, int]) -> bool | None:
    """How an open move ends: True it happened, so finish it; False it did not; None the alias is somewhere else."""
    live = aliases.get(move.to)
    if live == move.version:
        return True
    return False if live == move.came_from else None


def registry_stage(state: ReleaseState, version: int) -> str:
    """The model registry's own stage that a release should show (fixed names of MLflow)."""
    stage = state.stage_of(version)
    if stage is ReleaseStage.PRODUCTION:
        return "Production"
    if stage is ReleaseStage.STAGING:
        return "Staging"
    return "Archived" if state.release(version).reached else "None"


def after_move(state: ReleaseState, version: int, to: str) -> ReleaseState:
    """The state once a move has happened."""
    release = state.release(version)
    moved = replace(release, reached=release.reached | {to})
    return replace(state, current={**state.current, to: version}, releases={**state.releases, version: moved})


def production_at(state: ReleaseState, when: datetime) -> Move | None:
    """The move by which the version in production at a moment got there; None before the first."""
    tenures = [move for move in state.moves if move.done and move.to == "production" and move.ended is not None]
    before = [move for move in tenures if move.ended is not None and move.ended <= when]
    return max(before, key=lambda move: move.number, default=None)
