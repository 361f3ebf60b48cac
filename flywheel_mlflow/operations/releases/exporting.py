"""Exports a release with its story, and states, signed, where the ledger ended then."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flywheel_mlflow.assembly import deliverables
from flywheel_mlflow.assembly.bundle import REGISTRY
from flywheel_mlflow.base.canonical import canonical_json, document_json, plain
from flywheel_mlflow.base.documents import parse_json
from flywheel_mlflow.base.errors import DocumentError, InputError
from flywheel_mlflow.base.signing import Signature, SigningKey, is_signed
from flywheel_mlflow.base.writing import write_files
from flywheel_mlflow.decisions.ledger import Event
from flywheel_mlflow.decisions.releases import Release
from flywheel_mlflow.operations.bundles import bundle_files, fetch_bundle
from flywheel_mlflow.operations.deciding import Session, read_consistent_snapshot
from flywheel_mlflow.operations.projects.describing import write_croissant
from flywheel_mlflow.operations.projects.resolving import pull_interface, resolved_pin
from flywheel_mlflow.operations.releases.attesting import envelope, release_statement, signed_words
from flywheel_mlflow.promises.blueprint import Blueprint

EXPORT = "export.json"
EVENTS = "ledger.jsonl"
BUNDLE_FOLDER = "bundle"
DATA_FOLDER = "data"
ATTESTATION = "attestation.intoto.json"
FORMAT_VERSION = 1
#: What is signed is an end of a ledger, and can be taken for nothing else.
PURPOSE = "ledger_head"


@dataclass(frozen=True, slots=True)
class SignedHead:
    """Where a ledger ended at a moment, and what a release was then: canonical JSON, signed by the server, if one does.

    ``attestation`` is the in-toto statement about the exported files.
    """

    statement: str
    signature: Signature | None
    attestation: str
    attested: Signature | None


def sign_head(session: Session, version: int) -> SignedHead:
    """Where the ledger ends now and what a release is, signed with the server's key where a server does this.

    Raises:
        UnknownName: no such release. Refused: the ledger does not hold, or there is none.
    """
    snapshot = read_consistent_snapshot(session.tracking)
    ledger, release = snapshot.ledger, snapshot.state.release(version)
    words = {
        "purpose": PURPOSE,
        "flywheel": session.flywheel.name,
        "head": ledger.head,
        "events": len(ledger.events),
        "at": session.now().isoformat(timespec="seconds"),
    }
    text = canonical_json(words)
    files = _exported(session, release, ledger.events)
    stage = snapshot.state.stage_of(version).value
    attestation = release_statement(session.flywheel.name, release, stage, files, ledger.counted)
    if session.seal is None:
        return SignedHead(text, None, attestation, None)
    return SignedHead(text, session.seal.sign(text), attestation, session.seal.sign(signed_words(attestation)))


def _exported(session: Session, release: Release, events: Sequence[Event]) -> dict[str, str]:
    """The files of an export that a statement speaks about: the bundle and the ledger."""
    files = {f"{BUNDLE_FOLDER}/{name}": text for name, text in bundle_files(session.tracking, release).items()}
    return files | {EVENTS: "".join(f"{event.text}\n" for event in events)}


def export_release(
    session: Session,
    version: int,
    out: Path,
    *,
    sign: Callable[[], Mapping[str, Any]],
    key: SigningKey | None = None,
    croissant: bool = False,
) -> tuple[str, ...]:
    """Write the bundle of a release and the whole ledger below ``out``; the files' names.

    ``sign`` does the act ``sign-head``: the server signs where the ledger ended and what was exported, or else the
    ``key`` does; unsigned there is no attestation. ``croissant`` adds the data of every interface, each in a folder
    of its own with a Croissant document.

    Raises:
        InputError: the folder is not empty. UnknownName: no such release.
        Refused: the ledger does not hold, or data are not what was released.
    """
    if out.exists() and any(out.iterdir()):
        raise InputError("the folder is not empty", where=str(out), hint="choose another --out")
    signed = sign()
    statement, attestation = str(signed["statement"]), str(signed["attestation"])
    signature, attested = signed["signature"], signed["attested"]
    if signature is None and key is not None:
        signature, attested = plain(key.sign(statement)), plain(key.sign(signed_words(attestation)))
    ended = parse_json(statement, name="the end of the ledger")
    snapshot = read_consistent_snapshot(session.tracking)
    release = snapshot.state.release(version)
    # What was decided since the end was signed is no part of the export.
    files = _exported(session, release, snapshot.ledger.events[: ended["events"]])
    if attested is not None:
        files[ATTESTATION] = document_json(envelope(attestation, Signature(**attested)))
    files[EXPORT] = document_json(
        {
            "format_version": FORMAT_VERSION,
            "flywheel": session.flywheel.name,
            "version": version,
            "head": ended["head"],
            "events": ended["events"],
            "statement": statement,
            "signature": signature,
        }
    )
    write_files(files, out)
    data = _export_data(session, release, out / DATA_FOLDER) if croissant else ()
    return tuple(sorted([*files, *(path.relative_to(out).as_posix() for path in data)]))


def _export_data(session: Session, release: Release, out: Path) -> tuple[Path, ...]:
    """The data of every interface that a release pins, each beside its Croissant document; all files."""
    from flywheel_mlflow.records.croissant import Provenance

    bundle = fetch_bundle(session.tracking, release)
    registry = deliverables.read_document(deliverables.REGISTRY, bundle.files[REGISTRY])
    made = {item.name: (entry, item) for entry in registry for item in entry.interfaces_out}
    for pin in bundle.pins:
        found = resolved_pin(pin, release.version)
        entry, promised = made[pin.interface]
        origin = Provenance(
            project=pin.project,
            owner=entry.owner,
            flywheel=session.flywheel.name,
            title=promised.title,
            role=promised.role,
            iteration=pin.iteration,
            release=release.version,
            published=release.at.date().isoformat(),
            licence=pin.licence,
        )
        data = pull_interface(session.tracking, found, out)
        write_croissant(session.tracking, found, data, origin, out / pin.interface)
    return tuple(path for path in out.rglob("*") if path.is_file())


def head_signer(document: Mapping[str, Any], blueprint: Blueprint) -> str | None:
    """Who signed where the exported ledger ended and when, in words; None when nobody did.

    Raises:
        ValueError: there is a signature, and it does not prove the end of this ledger; the message says why.
    """
    signature, statement = document.get("signature"), document.get("statement")
    if signature is None:
        return None
    try:
        words = parse_json(statement if isinstance(statement, str) else "", name="the end of the ledger")
        signed = Signature(str(signature["public_key"]), str(signature["value"]))
        said = {name: words[name] for name in ("purpose", "flywheel", "head", "events")}
        at = str(words["at"])
    except (DocumentError, KeyError, TypeError) as error:
        raise ValueError("what was signed cannot be read") from error
    if said != {"purpose": PURPOSE} | {name: document.get(name) for name in ("flywheel", "head", "events")}:
        raise ValueError("what was signed speaks of another end of the ledger")
    if is_signed(str(statement), signed, blueprint.releases.server_keys):
        return f"a server, {at}"
    keys = {item.public_key: item.id for item in blueprint.people if item.public_key}
    if is_signed(str(statement), signed, keys):
        return f"{keys[signed.public_key]}, {at}"
    raise ValueError("it is signed with no key of a server or person that is believed")
