"""Exports a release with its story, and verifies such an export without any server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from flywheel_mlflow.approvals import judge, key_of
from flywheel_mlflow.blueprint import Blueprint
from flywheel_mlflow.bundle import BLUEPRINT, bundle_faults
from flywheel_mlflow.canonical import document_json
from flywheel_mlflow.documents import parse_json, read_text
from flywheel_mlflow.errors import DocumentError, InputError, UnknownName
from flywheel_mlflow.gates import Verdict
from flywheel_mlflow.ledger import Ledger, read_ledger, unwitnessed
from flywheel_mlflow.operations.bundles import bundle_files
from flywheel_mlflow.operations.deciding import Desk, sound_world
from flywheel_mlflow.releases import Release, fold
from flywheel_mlflow.writing import write_files

EXPORT = "export.json"
EVENTS = "ledger.jsonl"
BUNDLE_FOLDER = "bundle"
FORMAT_VERSION = 1


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


def export_release(desk: Desk, version: int, out: Path) -> tuple[str, ...]:
    """Write the bundle of a release and the whole ledger below ``out``; the files' names.

    Raises:
        InputError: the folder is not empty. Refused: the ledger does not hold. UnknownName: no such release.
    """
    if out.exists() and any(out.iterdir()):
        raise InputError("the folder is not empty", where=str(out), hint="choose another --out")
    world = sound_world(desk.tracking)
    release = world.state.release(version)
    bundle = bundle_files(desk.tracking, release)
    files = {f"{BUNDLE_FOLDER}/{name}": text for name, text in bundle.items()}
    files[EVENTS] = "".join(f"{event.text}\n" for event in world.ledger.events)
    files[EXPORT] = document_json(
        {
            "format_version": FORMAT_VERSION,
            "flywheel": desk.flywheel.name,
            "version": version,
            "head": world.ledger.head,
            "events": len(world.ledger.events),
        }
    )
    write_files(files, out)
    return tuple(sorted(files))


def verify_export(folder: Path, trusted: Blueprint | None) -> Verification:
    """Verify an exported release offline: bundle, chain, signatures, who approved.

    Args:
        folder: what :func:`export_release` wrote.
        trusted: the blueprint whose people and keys are believed; without one those in the bundle are used, which
            proves that the export agrees with itself and not who made it.

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
    ledger = read_ledger(dict(enumerate(lines)))
    home = folder / BUNDLE_FOLDER
    files = {path.relative_to(home).as_posix(): read_text(path) for path in sorted(home.rglob("*")) if path.is_file()}
    blueprint = trusted or _own_blueprint(files)
    trust = "the people and keys of this flywheel.yaml" if trusted else "the people and keys in the export itself"
    checks = list(_verify(document, ledger, version, files, blueprint))
    return Verification(version, tuple(checks), trust)


def _own_blueprint(files: Mapping[str, str]) -> Blueprint | None:
    from pydantic import ValidationError

    try:
        return Blueprint.model_validate_json(files.get(BLUEPRINT, ""))
    except (ValidationError, DocumentError):
        return None


def verify_release(desk: Desk, version: int) -> Verification:
    """The same on the server's own copy, with this flywheel's people and keys."""
    from flywheel_mlflow.operations.deciding import look

    world = look(desk.tracking)
    if world is None:
        raise UnknownName("release", str(version), [])
    release = world.state.release(version)
    document = {"version": version, "head": world.ledger.head, "events": len(world.ledger.events)}
    files = bundle_files(desk.tracking, release)
    checks = _verify(document, world.ledger, version, files, desk.flywheel.blueprint)
    return Verification(version, tuple(checks), "the people and keys of this flywheel.yaml")


def _verify(
    document: Mapping[str, object],
    ledger: Ledger,
    version: int,
    files: Mapping[str, str],
    blueprint: Blueprint | None,
) -> Iterator[Verified]:
    faults = [fault.what for fault in ledger.faults]
    if len(ledger.events) != document.get("events") or ledger.head != document.get("head"):
        faults.append("it does not end where the export says")
    told = "; ".join(faults) or f"{len(ledger.events)} events, each with its digest and the one before"
    yield Verified("ledger chain", not faults, told)
    state = fold(ledger.events)
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
    yield from _people(ledger, release, blueprint)


def _people(ledger: Ledger, release: Release, blueprint: Blueprint) -> Iterator[Verified]:
    numbered = {event.number: event for event in ledger.events}
    loose = unwitnessed(ledger.events, blueprint.releases.server_keys)
    sealed = sum(event.witness is not None for event in ledger.events) - len(loose)
    told = f"{sealed} events sealed by a known server"
    yield Verified("server seals", not loose, told if not loose else f"events without a known seal: {_numbers(loose)}")
    for approval in release.approvals:
        judged = judge(
            approval, numbered[approval.number], release, blueprint=blueprint, basis=approval.basis, now=approval.at
        )
        signed = key_of(blueprint, approval.actor.name) is not None and not judged.forged
        how = "signed" if signed else "vouched for by a server" if judged.verified else "claimed, not proven"
        yield Verified(
            f"approval of {approval.actor.name} as {approval.role}",
            judged.counts,
            "; ".join(judged.against) or f"event {approval.number}, {how}: {approval.reason}",
        )
    if not release.approvals:
        yield Verified("approvals", True, "nobody has approved it yet: none to verify")


def _numbers(events: tuple[object, ...]) -> str:
    return ", ".join(str(getattr(event, "number", "?")) for event in events[:10])
