"""Opens, updates and closes risks of the risk ledger."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from flywheel_mlflow.assembly.history import LedgerLine, describe_events
from flywheel_mlflow.base.errors import InputError, Refused, UnknownName
from flywheel_mlflow.base.names import check_label
from flywheel_mlflow.decisions.ledger import Identity
from flywheel_mlflow.decisions.risk_paths import Propagation, in_layers, propagation
from flywheel_mlflow.decisions.risks import CrossProjectRisk, Risk, RiskKind
from flywheel_mlflow.operations.deciding import (
    LedgerSnapshot,
    NewEvent,
    Session,
    append_decision,
    begin,
    persistently,
    read_snapshot,
    refuse_unsound,
)
from flywheel_mlflow.promises.contract import Contract


@dataclass(frozen=True, slots=True)
class RiskDecided:
    """A decision about a risk as it was written; ``event`` is None for a dry run."""

    kind: str
    risk: str | None
    event: int | None
    body: Mapping[str, object]


def list_risks(session: Session) -> tuple[Risk, ...]:
    """Every risk of the ledger, oldest first."""
    snapshot = persistently(session, lambda: read_snapshot(session.tracking))
    return tuple(snapshot.risks.values()) if snapshot else ()


@dataclass(frozen=True, slots=True)
class ShownRisk:
    """One risk with every event about it in sentences, where it can spread, and the earlier risks of its topic."""

    risk: Risk
    story: tuple[LedgerLine, ...]
    path: Propagation
    before: tuple[Risk, ...]


def known_risks(session: Session) -> tuple[CrossProjectRisk, ...]:
    """The risks the organisation knows by its blueprint; whether one shows itself is said by the ledger."""
    contracts = session.flywheel.contracts
    return tuple(
        CrossProjectRisk(item.id, item.title, item.owner, item.layers, in_layers(contracts, item.layers))
        for item in session.flywheel.blueprint.risks
    )


def show_risk(session: Session, risk: str) -> ShownRisk:
    """One risk.

    Raises:
        UnknownName: no such risk.
    """
    return shown_risk(session.flywheel.contracts, _decided_world(session, risk), risk)


def shown_risk(contracts: Mapping[str, Contract], snapshot: LedgerSnapshot, risk: str) -> ShownRisk:
    """One risk of a ledger that was just read.

    Raises:
        UnknownName: no such risk.
    """
    found = _known(snapshot, risk)
    about = [
        event for event in snapshot.ledger.counted if event.number == found.number or event.body.get("risk") == found.id
    ]
    about += [
        event for event in snapshot.ledger.counted if event.number in {item.number for item in found.sightings[1:]}
    ]
    return ShownRisk(
        found,
        describe_events(sorted(about, key=lambda event: event.number)),
        propagation(contracts, found.projects),
        tuple(snapshot.risks[name] for name in found.before if name in snapshot.risks),
    )


def open_risk(
    session: Session,
    title: str,
    *,
    owner: str,
    due: datetime,
    likelihood: int,
    impact: int,
    mitigation: str = "",
    projects: tuple[str, ...] = (),
    dry_run: bool = False,
) -> RiskDecided:
    """Open a risk by hand; likelihood and impact count from 1 to 5.

    Raises:
        InputError: a title or owner that cannot be shown, or counts outside 1 to 5.
        UnknownName: a project nobody declared.
    """
    for name in projects:
        session.flywheel.contract(name)
    body = {
        "title": check_label("the title", title),
        "owner": check_label("the owner", owner),
        "due": due.isoformat(),
        "likelihood": _one_to_five("likelihood", likelihood),
        "impact": _one_to_five("impact", impact),
        "mitigation": mitigation[:2000],
        "projects": list(projects),
        "cause": "person",
    }
    if dry_run:
        return RiskDecided(RiskKind.OPENED, None, None, body)
    begin(session)
    event, _ = append_decision(session, lambda _: NewEvent(RiskKind.OPENED, body))
    return RiskDecided(RiskKind.OPENED, f"R{event.number}", event.number, body)


def update_risk(session: Session, risk: str, changes: Mapping[str, object], *, dry_run: bool = False) -> RiskDecided:
    """Change owner, due date, likelihood, impact or mitigation of a risk; a closed one opens again.

    Raises:
        UnknownName: no such risk. InputError: nothing to change, or counts outside 1 to 5.
    """
    if not changes:
        raise InputError("nothing to change", hint="say what: --owner, --due, --likelihood, --impact, --mitigation")
    for name in ("likelihood", "impact"):
        if name in changes:
            _one_to_five(name, changes[name])
    body = {"risk": risk, **{key: _plain(value) for key, value in changes.items()}}

    def choose(snapshot: LedgerSnapshot) -> NewEvent:
        _known(snapshot, risk)
        return NewEvent(RiskKind.UPDATED, body)

    return _written(session, RiskKind.UPDATED, risk, body, choose, dry_run=dry_run)


def close_risk(session: Session, risk: str, *, evidence: str, reason: str, dry_run: bool = False) -> RiskDecided:
    """Close a risk; only its owner does, naming the run that shows that it is gone.

    Raises:
        UnknownName: no such risk.
        Refused: somebody else than the owner, no such run, or it is closed already.
    """
    if not reason.strip():
        raise InputError("closing a risk needs a reason", hint="give one: --reason, or the field of the form")
    body = {"risk": risk, "evidence": evidence, "reason": reason.strip()[:2000]}

    def choose(snapshot: LedgerSnapshot) -> NewEvent:
        refuse_closer(session.actor, _known(snapshot, risk))
        if session.tracking.assemblies.recorded_run(evidence, 1) is None:
            raise Refused(
                f"there is no run {evidence[:80]}",
                rule="a risk is closed with the run that shows that it is gone",
                hint="name a run id of this tracking server",
            )
        return NewEvent(RiskKind.CLOSED, body)

    return _written(session, RiskKind.CLOSED, risk, body, choose, dry_run=dry_run)


def refuse_closer(actor: Identity, risk: Risk) -> None:
    """Refuse whoever may not close this risk.

    Raises:
        Refused: it is closed already, or somebody else owns it.
    """
    if risk.closed_at is not None:
        raise Refused(f"risk {risk.id} was closed by {risk.closed_by}", rule="a risk is closed once")
    if risk.owner != actor.name:
        raise Refused(
            f"{actor.name} does not own risk {risk.id}",
            rule="a risk is closed by its owner",
            value=actor.name,
            limit=risk.owner,
            hint=f"ask {risk.owner}, or hand it over: flywheel risk update {risk.id} --owner NAME",
        )


def _decided_world(session: Session, risk: str) -> LedgerSnapshot:
    """The snapshot, for a look at a risk that is in it; before the first decision no risk is."""
    snapshot = persistently(session, lambda: read_snapshot(session.tracking))
    if snapshot is None:
        raise UnknownName("risk", risk, ())
    return refuse_unsound(snapshot)


def _known(snapshot: LedgerSnapshot, risk: str) -> Risk:
    risks = snapshot.risks
    if risk not in risks:
        raise UnknownName("risk", risk, risks)
    return risks[risk]


def _written(
    session: Session,
    kind: str,
    risk: str,
    body: Mapping[str, object],
    choose: Callable[[LedgerSnapshot], NewEvent],
    *,
    dry_run: bool,
) -> RiskDecided:
    snapshot = _decided_world(session, risk)
    if dry_run:
        choose(snapshot)
        return RiskDecided(kind, risk, None, body)
    event, _ = append_decision(session, choose, seen=snapshot)
    return RiskDecided(kind, risk, event.number, body)


def _one_to_five(name: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 5:
        raise InputError(f"{name} is {value}", hint="it counts from 1 (hardly) to 5 (very much)")
    return value


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
