"""Ledgers to fold, written honestly: every event through ``write_event``, one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from flywheels import blueprint_document

from flywheel_mlflow.base.canonical import plain
from flywheel_mlflow.base.signing import SigningKey
from flywheel_mlflow.decisions.approvals import statement
from flywheel_mlflow.decisions.folding import fold
from flywheel_mlflow.decisions.ledger import Event, Identity, Ledger, write_event
from flywheel_mlflow.decisions.releases import Basis, Kind, Release, ReleaseState
from flywheel_mlflow.decisions.risks import Risk, RiskKind, fold_risks
from flywheel_mlflow.promises.blueprint import Blueprint

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MAKER, ANA, BO, STRANGER = (Identity(name) for name in ("maker", "ana", "bo", "stranger"))


def bundle_of(version: int) -> str:
    """A bundle digest of the version's own."""
    return f"{version:064x}"


def basis_of(version: int, blueprint: Blueprint, *, reference: str = "", drift: str = "") -> Basis:
    """What a decision about a release rests on while nothing has changed."""
    return Basis(bundle_of(version), blueprint.gates_digest, reference, drift)


def release_plan(**releases: Any) -> dict[str, Any]:
    """A blueprint document with gates to staging and to production, three people, two roles.

    ``maker`` makes releases, ``ana`` and ``bo`` review, only ``bo`` guards privacy; reviewers move releases.
    """
    plan = blueprint_document()
    approval = {"kind": "approval", "demand": "Somebody signs."}
    plan["gates"] = [
        {
            "id": "to_staging",
            "to": "staging",
            "criteria": [
                {"id": "green", "kind": "checks", "demand": "Every check passes."},
                {"id": "signed", "role": "reviewer", **approval},
            ],
        },
        {
            "id": "to_production",
            "to": "production",
            "criteria": [
                {"id": "private", "role": "guardian", **approval},
                {"id": "calm", "kind": "risks", "demand": "No high risk is overdue."},
                {"id": "bounds", "kind": "boundary", "demand": "No boundary is crossed."},
            ],
        },
    ]
    plan["people"] = [{"id": "maker"}, {"id": "ana"}, {"id": "bo"}]
    plan["roles"] = [
        {"id": "reviewer", "title": "Reviewer", "people": ["ana", "bo", "maker"]},
        {"id": "guardian", "title": "Guardian", "people": ["bo"]},
    ]
    plan["releases"] = {"may_move": ["reviewer"]} | releases
    return deepcopy(plan)


def release_blueprint(plan: Mapping[str, Any] | None = None, **releases: Any) -> Blueprint:
    """That document, or another one, parsed."""
    return Blueprint.model_validate(dict(plan) if plan is not None else release_plan(**releases))


BLUEPRINT = release_blueprint()


@dataclass
class LedgerBuilder:
    """A ledger that grows; ``clock`` is the time of the next event, a minute after the one before."""

    blueprint: Blueprint = BLUEPRINT
    ledger: Ledger = field(default_factory=Ledger)
    clock: datetime = NOON

    @property
    def state(self) -> ReleaseState:
        return fold(self.ledger.events)

    @property
    def risks(self) -> dict[str, Risk]:
        return fold_risks(self.ledger.events)

    def release(self, version: int = 1) -> Release:
        return self.state.release(version)

    def texts(self) -> dict[int, str]:
        return {event.number: event.text for event in self.ledger.events}

    def write(
        self,
        kind: str,
        body: Mapping[str, Any],
        *,
        actor: Identity = ANA,
        seal: SigningKey | None = None,
        at: datetime | None = None,
    ) -> Event:
        """One event more."""
        event = write_event(self.ledger, at=at or self.clock, actor=actor, kind=kind, body=body, seal=seal)
        self.ledger = Ledger((*self.ledger.events, event))
        self.clock += timedelta(minutes=1)
        return event

    def register(self, version: int = 1, *, actor: Identity = MAKER, **more: Any) -> Event:
        body = {
            "version": version,
            "iteration": version,
            "run_id": f"run{version}",
            "bundle": bundle_of(version),
            "place": f"release/{version}",
        }
        return self.write(Kind.REGISTERED, body | more, actor=actor)

    def gate(self, version: int = 1, to: str = "staging", verdict: str = "PASS", **more: Any) -> Event:
        basis = more.pop("basis", None) or self.basis(version)
        body = {
            "version": version,
            "to": to,
            "verdict": verdict,
            "basis": plain(basis),
            "until": (NOON + timedelta(days=14)).isoformat(),
            "run_id": "gate-run",
            "report": "0" * 64,
        }
        return self.write(Kind.GATE, body | more)

    def basis(self, version: int) -> Basis:
        before = self.state.current["production"]
        reference = f"release {before}" if before not in (None, version) else ""
        return basis_of(version, self.blueprint, reference=reference)

    def approve(
        self,
        version: int = 1,
        role: str = "reviewer",
        *,
        actor: Identity = ANA,
        key: SigningKey | None = None,
        seal: SigningKey | None = None,
        said: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> Event:
        """An approval; ``said`` replaces words of the statement, which is then signed with the ``key``."""
        basis = more.pop("basis", None) or self.basis(version)
        at: datetime = more.pop("at", self.clock)
        words: dict[str, Any] = {
            "version": version,
            "basis": basis,
            "role": role,
            "reason": "it is good",
            "until": at + timedelta(days=14),
        }
        told = words | dict(said or {})
        text = statement("tiny-flywheel", told.pop("version"), told.pop("basis"), **told)
        body = words | {"basis": plain(basis), "statement": text}
        body |= {"signature": plain(key.sign(text))} if key else {}
        return self.write(Kind.APPROVED, body | more, actor=actor, seal=seal, at=at)

    def start(self, version: int, to: str, *, rollback: bool = False, by: int | None = None, **more: Any) -> Event:
        body = {
            "version": version,
            "to": to,
            "from": self.state.current.get(to),
            "by": by,
            "reason": "",
            "lease_s": 120,
        }
        return self.write(Kind.ROLLBACK_STARTED if rollback else Kind.PROMOTION_STARTED, body | more)

    def end(self, move: Event, kind: str = Kind.PROMOTED) -> Event:
        return self.write(kind, {"move": move.number})

    def move(self, version: int, to: str, *, rollback: bool = False) -> None:
        """A whole promotion or rollback."""
        started = self.start(version, to, rollback=rollback)
        self.end(started, Kind.ROLLED_BACK if rollback else Kind.PROMOTED)

    def reach(self, version: int, to: str = "production") -> None:
        """A release registered and taken all the way."""
        self.register(version)
        self.move(version, "staging")
        if to == "production":
            self.move(version, "production")

    def override(self, version: int = 1, to: str = "staging", *, confirmed: bool = True, **more: Any) -> Event:
        body = {
            "version": version,
            "to": to,
            "reason": "the shop is on fire",
            "second": "bo",
            "until": (NOON + timedelta(days=1)).isoformat(),
            "bundle": bundle_of(version),
        }
        written = self.write(Kind.OVERRIDE, body | more)
        if confirmed:
            who = Identity(str((body | more)["second"]))
            said = {"override": written.number, "version": version, "to": to, "reason": "agreed"}
            self.write(Kind.OVERRIDE_CONFIRMED, said, actor=who)
        return written

    def open_risk(self, likelihood: int = 4, impact: int = 4, **more: Any) -> Event:
        body = {
            "title": "It may rain",
            "owner": "ana",
            "likelihood": likelihood,
            "impact": impact,
            "due": (NOON + timedelta(days=1)).isoformat(),
            "mitigation": "",
            "projects": [],
            "cause": "person",
        }
        return self.write(RiskKind.OPENED, body | more)


def forged(event: Event, **changes: Any) -> Event:
    """The event as if it said something else, digest and all else left alone."""
    return replace(event, **changes)
