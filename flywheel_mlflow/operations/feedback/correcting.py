"""Lets people rename themes, merge two, or move events to where they belong: decisions of the ledger."""

from __future__ import annotations

from collections.abc import Sequence

from flywheel_mlflow.base.canonical import sha256_text
from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.feedback.recurring import Theme
from flywheel_mlflow.feedback.theme_corrections import CorrectionKind
from flywheel_mlflow.operations.deciding import LedgerSnapshot, NewEvent, Session, append_decision, begin
from flywheel_mlflow.operations.feedback.tasking import TaskDecided, given_reason
from flywheel_mlflow.operations.feedback.theming import theme_of


def correct_theme(
    session: Session,
    kind: CorrectionKind,
    theme_id: str,
    reason: str,
    *,
    into: str = "",
    title: str = "",
    events: Sequence[str] = (),
    dry_run: bool = False,
) -> TaskDecided:
    """Write down what somebody changes about a theme; themes that are found from now on are as it says.

    Args:
        session: who acts, where.
        kind: the change.
        theme_id: the theme as it is now.
        reason: why.
        into: takes what is merged or moved; a new theme is made for events that are moved nowhere.
        title: of the theme renamed, or of the new one.
        events: ids of what is moved.
        dry_run: write nothing.

    Raises:
        UnknownName: no such theme. InputError: no reason, a theme merged into itself or one of another project, or
            events that the theme does not hold.
    """
    theme = theme_of(session.tracking, theme_id, None)
    body: dict[str, object] = {
        "theme": theme.id,
        "iteration": theme.iteration,
        "project": theme.project,
        "reason": given_reason(reason),
    }
    if kind is CorrectionKind.MOVED:
        foreign = sorted(set(events) - set(theme.events))
        if foreign:
            raise InputError(
                f"{theme.id} does not hold the event {foreign[0][:80]}",
                hint=f"flywheel feedback themes --iteration {theme.iteration} --json lists its events",
            )
        body["events"] = sorted(set(events))
    if kind is not CorrectionKind.RENAMED:
        body["into"] = _target(session, theme, into).id if into else _new_id(theme, events)
    if title:
        body["title"] = " ".join(title.split())

    def choose(_: LedgerSnapshot) -> NewEvent:
        return NewEvent(kind, body)

    if dry_run:
        return TaskDecided(kind, None, body)
    begin(session)
    event, _ = append_decision(session, choose)
    return TaskDecided(kind, event.number, body)


def _target(session: Session, theme: Theme, into: str) -> Theme:
    target = theme_of(session.tracking, into, None)
    if target.id == theme.id:
        raise InputError(f"{into} is the theme itself", hint="name another one with --into")
    if target.project != theme.project:
        raise InputError(
            f"{into} is a theme of {target.project}, not of {theme.project}",
            hint="send single events to another project: flywheel feedback reroute EVENT --to PROJECT --reason TEXT",
        )
    return target


def _new_id(theme: Theme, events: Sequence[str]) -> str:
    """An id for the new theme: the same events cut from the same theme get the same one."""
    return f"{theme.project}-{sha256_text(chr(10).join([theme.id, *sorted(set(events))]))[:8]}"
