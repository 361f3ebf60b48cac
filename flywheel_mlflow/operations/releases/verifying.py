"""Verifies a release and its story: an export without any server, or the server's own copy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flywheel_mlflow.assembly.bundle import bundle_faults
from flywheel_mlflow.base.documents import parse_json, read_text
from flywheel_mlflow.base.errors import InputError, UnknownName
from flywheel_mlflow.decisions.approvals import judge, key_of, was_given_under
from flywheel_mlflow.decisions.folding import fold
from flywheel_mlflow.decisions.gate_facts import Verdict
from flywheel_mlflow.decisions.ledger import Ledger, read_ledger, unwitnessed
from flywheel_mlflow.decisions.releases import Release
from flywheel_mlflow.operations.bundles import bundle_files
from flywheel_mlflow.operations.deciding import Session, read_snapshot
from flywheel_mlflow.operations.releases.attesting import attestation_fault
from flywheel_mlflow.operations.releases.exporting import ATTESTATION, BUNDLE_FOLDER, EVENTS, EXPORT, head_signer
from flywheel_mlflow.operations.releases.past_rules import believing, bundled_blueprint
from flywheel_mlflow.promises.blueprint import Blueprint


@dataclass(frozen=True, slots=True)
class Verified:
    """One thing that was verified: ``holds`` is None when it cannot be told."""

    name: str
    holds: bool | None
    text: str


@dataclass(frozen=True, slots=True)
class Verification:
    """Everything verified about one release; ``trust`` says whose keys were believed."""

    version: int
    checks: tuple[Verified, ...]
    trust: str

    @property
    def verdict(self) -> Verdict:
        """BLOCK when anything does not hold; INCONCLUSIVE when something cannot be told."""
        held = [item.holds for item in self.checks]
        if False in held:
            return Verdict.BLOCK
        return Verdict.INCONCLUSIVE if None in held or not held else Verdict.PASS


def verify_export(folder: Path, trusted: Blueprint | None, *, now: datetime | None = None) -> Verification:
    """Verify an exported release offline: bundle, chain, signatures, who approved.

    Args:
        folder: what :func:`export_release` wrote.
        trusted: the blueprint whose people and keys are believed; without one those in the bundle are used, which
            proves that the export agrees with itself and not who made it.
        now: the present, by which nothing can be dated later.

    Raises:
        InputError: the folder is no export.
    """
    if not (folder / EXPORT).is_file():
        raise InputError(
            f"no exported release: there is no {EXPORT}",
            where=str(folder),
            hint="give a release's number, or a folder made by `flywheel release export V --out DIR`",
        )
    document = parse_json(read_text(folder / EXPORT), name=EXPORT)
    version = document.get("version") if isinstance(document, dict) else None
    if not isinstance(version, int):
        raise InputError("this is no exported release", where=str(folder), hint="flywheel release export V --out DIR")
    # Not splitlines: a reason may hold a line separator that JSON leaves as it is.
    lines = [line for line in read_text(folder / EVENTS).split("\n") if line]
    home = folder / BUNDLE_FOLDER
    files = {path.relative_to(home).as_posix(): read_text(path) for path in sorted(home.rglob("*")) if path.is_file()}
    blueprint = trusted or bundled_blueprint(files)
    keys = blueprint.releases.server_keys if blueprint else ()
    ledger = read_ledger(dict(enumerate(lines)), server_keys=keys)
    trust = "the people and keys of this flywheel.yaml" if trusted else "the people and keys in the export itself"
    checks = [
        *_verify(document, ledger, version, files, blueprint, now or datetime.now(UTC)),
        *(_head(document, blueprint) if blueprint else ()),
        *(_attestation(folder, files, blueprint) if blueprint else ()),
    ]
    return Verification(version, tuple(checks), trust)


def verify_release(session: Session, version: int) -> Verification:
    """The same on the server's own copy, with this flywheel's people and keys."""
    snapshot = read_snapshot(session.tracking)
    if snapshot is None:
        raise UnknownName("release", str(version), [])
    release = snapshot.state.release(version)
    document = {"version": version, "head": snapshot.ledger.head, "events": len(snapshot.ledger.events)}
    files = bundle_files(session.tracking, release)
    checks = _verify(document, snapshot.ledger, version, files, session.flywheel.blueprint, session.now())
    return Verification(version, tuple(checks), "the people and keys of this flywheel.yaml")


def _verify(
    document: Mapping[str, object],
    ledger: Ledger,
    version: int,
    files: Mapping[str, str],
    blueprint: Blueprint | None,
    now: datetime,
) -> Iterator[Verified]:
    faults = [fault.what for fault in ledger.faults]
    if len(ledger.events) != document.get("events") or ledger.head != document.get("head"):
        faults.append("it does not end where the export says")
    told = "; ".join(faults) or f"{len(ledger.events)} events, each with its digest and the one before"
    yield Verified("ledger chain", not faults, told)
    wrong_times = [fault.what for fault in ledger.time_faults(now)]
    yield Verified("times", not wrong_times, "; ".join(wrong_times) or "none runs backwards, none lies ahead of now")
    state = fold(ledger.counted)
    release = state.releases.get(version)
    if release is None:
        yield Verified("registration", False, f"no event registered release {version}")
        return
    yield Verified(
        "registration", True, f"event {release.number}, by {release.author.name}, iteration {release.iteration}"
    )
    wrong = bundle_faults(files, release.bundle)
    yield Verified("bundle", not wrong, "; ".join(wrong) or f"{len(files)} files as registered ({release.bundle[:16]})")
    if blueprint is None:
        yield Verified("people", None, "nobody says who may approve: run it inside the flywheel's folder")
        return
    yield _seals(ledger, blueprint)
    past = bundled_blueprint(files) if not wrong else None
    yield from _people(ledger, release, blueprint, past)


def _seals(ledger: Ledger, blueprint: Blueprint) -> Verified:
    keys = blueprint.releases.server_keys
    loose = sorted({event.number for event in (*unwitnessed(ledger.events, keys), *ledger.unsealed)})
    if loose:
        return Verified("server seals", False, f"events without a known seal: {', '.join(map(str, loose[:10]))}")
    if keys and not ledger.sealed:
        told = "flywheel.yaml names keys of servers, and no event bears a seal: nobody proves who wrote this ledger"
        return Verified("server seals", None, told)
    return Verified("server seals", True, f"{len(ledger.sealed)} events sealed by a known server")


def _head(document: Mapping[str, object], blueprint: Blueprint) -> Iterator[Verified]:
    """Whether somebody who is believed signed where the ledger ended: without that its newest events can be cut off."""
    name = "end of the ledger"
    try:
        signer = head_signer(document, blueprint)
    except ValueError as error:
        yield Verified(name, False, str(error))
        return
    if signer is not None:
        yield Verified(name, True, f"signed by {signer}")
    elif blueprint.releases.server_keys:
        yield Verified(name, None, "no server signed where the ledger ended: its newest events may have been cut off")


def _attestation(folder: Path, bundle: Mapping[str, str], blueprint: Blueprint) -> Iterator[Verified]:
    """The in-toto attestation, where the export has one."""
    if not (folder / ATTESTATION).is_file():
        return
    files = {f"{BUNDLE_FOLDER}/{name}": text for name, text in bundle.items()}
    files[EVENTS] = read_text(folder / EVENTS)
    keys = [*blueprint.releases.server_keys, *(item.public_key for item in blueprint.people if item.public_key)]
    fault = attestation_fault(read_text(folder / ATTESTATION), files, keys)
    yield Verified("in-toto attestation", fault is None, fault or f"signed, about these {len(files)} files")


def _people(ledger: Ledger, release: Release, today: Blueprint, past: Blueprint | None) -> Iterator[Verified]:
    """Every approval, judged by the rules under which it was given: those of today, or of the release's bundle."""
    numbered = {event.number: event for event in ledger.events}
    for approval in release.approvals:
        rules, when = today, ""
        if not was_given_under(approval, today) and past is not None and was_given_under(approval, past):
            rules, when = believing(past, today), ", under the roles and keys of that time, which the bundle holds"
        given = was_given_under(approval, today) or rules is not today
        judged = judge(
            approval,
            numbered[approval.number],
            release,
            blueprint=rules,
            basis=approval.basis,
            now=approval.at,
            current=given,
        )
        signed = given and key_of(rules, approval.actor.name) is not None and not judged.forged
        how = "signed" if signed else "vouched for by a server" if judged.verified else "claimed, not proven"
        holds = judged.counts if given or not judged.counts else None
        unknown = "" if given else "; nobody has the roles and keys under which it was given any more"
        yield Verified(
            f"approval of {approval.actor.name} as {approval.role}",
            holds,
            "; ".join(judged.against) or f"event {approval.number}, {how}{when}: {approval.reason}{unknown}",
        )
    if not release.approvals:
        yield Verified("approvals", True, "nobody has approved it yet: none to verify")
