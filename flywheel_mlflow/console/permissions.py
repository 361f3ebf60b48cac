"""Says which direct calls on governed releases their ledger permits, and what to use instead of the others."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from flywheel_mlflow.decisions.ledger import Ledger
from flywheel_mlflow.decisions.moves import after_move, registry_stage
from flywheel_mlflow.decisions.releases import STAGES, Move, ReleaseState
from flywheel_mlflow.tracking.tags import PROMPT_PREFIX

#: The tags that are ours, in whatever case: some stores take other cases and accents for the same key, and people do.
TAG_PREFIX = "flywheel."
GATE_TAG = "flywheel.gate."
UNTOUCHED = "None"
_STAGES_FOLLOW = "use `flywheel promote`, `flywheel rollback` or `flywheel reconcile`: the stages follow by themselves"


@dataclass(frozen=True, slots=True)
class Denial:
    """Why a call is not permitted, and what does the same by the rules."""

    why: str
    instead: str

    @property
    def text(self) -> str:
        """Both as one line, which MLflow's clients show as the error's message."""
        return f"{self.why}; {self.instead}"


def ledger_denial(ledger: Ledger) -> Denial | None:
    """Nothing is permitted by a ledger that does not hold together."""
    if not ledger.faults:
        return None
    return Denial(f"the ledger does not hold together: {ledger.faults[0].what}", "run `flywheel audit`")


def alias_denial(state: ReleaseState, alias: str, version: int | None) -> Denial | None:
    """Whether an alias may be set to a version, or taken away (None): only to where the ledger has it or moves it."""
    stage = alias.casefold()
    if stage not in STAGES:
        return None
    if alias != stage:
        return mistaken(alias, stage)
    move = state.open_move
    moving = move if move is not None and move.to == stage else None
    due = moving.version if moving else state.current[stage]
    if version == due and version is not None:
        return None
    if version is None:
        if due is None:
            return None
        return Denial(
            f"{stage} points to release {due} by decision", "use `flywheel rollback --reason '...'` to go back"
        )
    return Denial(
        f"no decision moves {stage} to version {version}: the ledger has {_where(moving, due)}",
        f"use `flywheel promote {version} --to {stage}`"
        + (", or `flywheel rollback --reason '...'` to go back" if stage == "production" else ""),
    )


def mistaken(alias: str, stage: str) -> Denial:
    """What an alias is told that somebody, or the store, takes for another one."""
    return Denial(f"the alias {alias!r} would be mistaken for {stage}", "choose another name")


def _where(move: Move | None, due: int | None) -> str:
    if move is not None:
        return f"a move of it to release {move.version} open (event {move.number})"
    return f"it at release {due}" if due is not None else "nothing there"


def stage_denial(state: ReleaseState, version: int, stage: str, *, archive_others: bool) -> Denial | None:
    """Whether the model registry's own stage of a version may be set: only to the one its place in the ledger asks."""
    if archive_others:
        return archiving()
    due = [_due_stage(state, version)]
    move = state.open_move
    if move is not None and move.version in state.releases:
        due.append(_due_stage(after_move(state, move.version, move.to), version))
    if stage in due:
        return None
    return Denial(f"by the ledger the stage of version {version} is {due[-1]}, not {stage}", _STAGES_FOLLOW)


def archiving() -> Denial:
    """What a transition is told that would archive other versions too."""
    return Denial("archive_existing_versions would set the stages of other releases too", _STAGES_FOLLOW)


def _due_stage(state: ReleaseState, version: int) -> str:
    return registry_stage(state, version) if version in state.releases else UNTOUCHED


def deletion_denial(state: ReleaseState, version: int) -> Denial | None:
    """Whether a model version may be deleted: a release only once it is retired; what is no release, always."""
    release = state.releases.get(version)
    if release is None or release.retired is not None:
        return None
    return Denial(
        f"version {version} is a release ({state.stage_of(version).value}) and not retired",
        f"use `flywheel release retire {version} --reason '...'` first",
    )


def version_tag_denial(state: ReleaseState, version: int, key: str, value: str | None) -> Denial | None:
    """Whether a tag of a version may be set, or taken away (None): ours only as the mark of a recorded verdict."""
    if not is_ours(key):
        return None
    release = state.releases.get(version)
    gate = release.last_gate(key.removeprefix(GATE_TAG)) if release and key.startswith(GATE_TAG) else None
    # As `run_gate` writes it: the mark on the version repeats the ledger, so only that text can stand there.
    if gate is not None and value == f"{gate.verdict} (event {gate.number}, run {gate.run_id})":
        return None
    return Denial(f"the tag {key!r} of version {version} says what was released", "the flywheel alone writes it")


def model_tag_denial(key: str, *, governed: bool) -> Denial | None:
    """Whether a tag of a registered model may change; the pointer to a ledger is made with the model or never."""
    if is_ours(key) and (governed or _plain(key).startswith(f"{TAG_PREFIX}ledger")):
        return Denial(f"the tag {key!r} says where the ledger is", "`flywheel release create` alone writes it")
    return None


def prompt_denial(key: str, *, going: bool) -> Denial | None:
    """Whether MLflow's mark of a prompt may be put on what is governed: its client would find no release any more."""
    if going or not _plain(key).startswith(PROMPT_PREFIX):
        return None
    return Denial(f"the tag {key!r} hides releases from MLflow's clients", "register prompts under names of their own")


def is_ours(key: str) -> bool:
    """Whether a tag is one of the flywheel's, or would be taken for one."""
    return _plain(key).startswith(TAG_PREFIX)


def _plain(text: str) -> str:
    """Without case and accents."""
    return "".join(mark for mark in unicodedata.normalize("NFKD", text) if not unicodedata.combining(mark)).casefold()
