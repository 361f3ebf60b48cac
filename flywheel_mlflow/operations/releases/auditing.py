"""Replays the ledger against the server: moves nobody decided, data that changed, decisions nobody could have taken."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flywheel_mlflow.assembly.bundle import bundle_faults, pins_digest, read_bundle
from flywheel_mlflow.base.canonical import canonical_json, digest_of, sha256_text
from flywheel_mlflow.base.documents import parse_json, value_at
from flywheel_mlflow.base.errors import DocumentError, FlywheelError, Inconclusive
from flywheel_mlflow.decisions.approvals import holds_role, judge, may_move
from flywheel_mlflow.decisions.explanations import objections
from flywheel_mlflow.decisions.gate_facts import Verdict
from flywheel_mlflow.decisions.ledger import Ledger, unwitnessed
from flywheel_mlflow.decisions.moves import registry_stage
from flywheel_mlflow.decisions.releases import STAGES, Release, ReleaseStage
from flywheel_mlflow.operations.bundles import bundle_files
from flywheel_mlflow.operations.deciding import Session, read_snapshot
from flywheel_mlflow.operations.releases.audit_people import too_few_people
from flywheel_mlflow.operations.releases.audit_scene import Finding, Scene
from flywheel_mlflow.operations.releases.audit_shown import repainted, rewritten
from flywheel_mlflow.operations.releases.moving import follows_stages
from flywheel_mlflow.operations.releases.past_rules import PastRules
from flywheel_mlflow.operations.releases.pinned_data import check_pins
from flywheel_mlflow.operations.releases.resting import deleted_experiments, deleted_runs
from flywheel_mlflow.operations.scratch import scratch_folder
from flywheel_mlflow.tracking import Tracking, tags
from flywheel_mlflow.tracking.releases import pins_of

if TYPE_CHECKING:
    pass


_NAMED_EVENT = re.compile(r"\(event (\d{1,9})\b")


@dataclass(frozen=True, slots=True)
class Audit:
    """All findings, how many things were looked at, and what could not be looked at.

    Decisions are judged by the rules of their time: those of flywheel.yaml, or of the bundle of a release. ``outlived``
    are approvals given under rules that nothing holds any more. They change no verdict, since otherwise every change
    of people would.
    """

    findings: tuple[Finding, ...]
    looked_at: Mapping[str, int]
    not_looked_at: tuple[str, ...]
    outlived: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """PASS without findings; INCONCLUSIVE when something could not be looked at."""
        if self.findings:
            return Verdict.BLOCK
        return Verdict.INCONCLUSIVE if self.not_looked_at else Verdict.PASS


def audit(session: Session, *, full: bool = False) -> Audit:
    """Compare the ledger with the live server.

    Args:
        session: whose flywheel, which server, which clock.
        full: look at the data and bundles of every release, not only of those that are staged, released or candidates,
            and read data by reference instead of comparing their sizes and tags.
    """
    snapshot = read_snapshot(session.tracking, deleted=True)
    if snapshot is None:
        forsaken = tuple(_forsaken(session.tracking))
        nothing = () if forsaken else ("there is no release yet: nothing to audit",)
        return Audit(forsaken, {"events": 0, "releases": 0}, nothing)
    scene = Scene(
        session=session,
        snapshot=snapshot,
        versions={view.version: view for view in session.tracking.releases.versions()},
        now=session.now(),
        full=full,
        past=PastRules(session.tracking, snapshot.state, session.flywheel.blueprint),
    )
    findings: list[Finding] = []
    failed: list[str] = list(_unproven(snapshot.ledger))
    for name, check in _CHECKS.items():
        try:
            findings += check(scene)
        except FlywheelError as error:
            failed.append(f"{name}: {error.what}")
    counts = {
        "events": len(snapshot.ledger.events),
        "releases": len(snapshot.state.releases),
        "moves": len(snapshot.state.moves),
        "bundles": sum(1 for _ in scene.looked_into()),
    }
    return Audit(tuple(findings), counts, tuple(failed), tuple(_outlived(scene)))


def _ledger(scene: Scene) -> Iterator[Finding]:
    restore = "restore the store from a backup; compare with exported bundles: flywheel verify FOLDER"
    for fault in scene.snapshot.ledger.faults:
        yield Finding("ledger", fault.what, restore)
    for number, why in scene.snapshot.state.disputed:
        yield Finding("disputed-event", f"event {number} {why}", "it changes nothing; find out who wrote it")
    keys = scene.flywheel.blueprint.releases.server_keys
    for event in scene.snapshot.ledger.unsealed:
        yield Finding(
            "unsealed-event",
            f"event {event.number} ({event.kind} by {event.actor.name}) bears no seal of a server in flywheel.yaml, "
            f"and decisions are sealed since event {min(scene.snapshot.ledger.sealed)}",
            "it counts for nothing; find out who wrote it past the server",
        )
    loose = {event.number for event in scene.snapshot.ledger.unsealed}
    for event in unwitnessed((item for item in scene.snapshot.ledger.events if item.number not in loose), keys):
        yield Finding(
            "unsealed-event",
            f"event {event.number} ({event.kind}) says that a server vouches for {event.actor.name}, and no server "
            "in flywheel.yaml sealed it",
            "name the server's public key under releases.server_keys, or find out who wrote the event",
        )


def _forsaken(tracking: Tracking) -> Iterator[Finding]:
    place = tracking.ledger.forsaken()
    if place is not None:
        yield Finding(
            "model-gone",
            f"run {place.first_run} holds a ledger, and there is no registered model that points to it",
            "restore the store from a backup; every release is still in the ledger's events",
        )


def _strays(scene: Scene) -> Iterator[Finding]:
    """Runs beside the ledger: they decide nothing, whatever they hold."""
    for run_id in scene.tracking.ledger.strays:
        yield Finding(
            "stray-run",
            f"run {run_id} lies in the ledger's experiment, and the ledger does not lead there",
            "nothing reads it; find out who made it, then delete it in MLflow",
        )


def _hidden(scene: Scene) -> Iterator[Finding]:
    """Marks of a prompt: MLflow's client and pages then say that there is no such model or version."""
    model = scene.tracking.releases.look()
    marks = [("the registered model", key) for key in (model.marks if model is not None else ())]
    for version, view in scene.versions.items():
        marks += [(f"version {version}", key) for key in view.tags if key.startswith(tags.PROMPT_PREFIX)]
    for what, key in marks:
        yield Finding(
            "release-hidden",
            f"{what} bears the tag {key}: MLflow takes it for a prompt, and its clients may find no release",
            "delete the tag, with MLflow's REST call registered-models/delete-tag or model-versions/delete-tag",
        )


def _experiments(scene: Scene) -> Iterator[Finding]:
    for name, said in scene.tracking.server.misnamed():
        yield Finding(
            "experiment-renamed",
            f"the experiment {name} says it is {said}: it was renamed, or is somebody else's, and nothing in it counts",
            f"rename it to {said}, or delete its tag flywheel.name",
        )


def _unproven(ledger: Ledger) -> Iterator[str]:
    if ledger.server_keys and ledger.events and not ledger.sealed:
        yield "seals: flywheel.yaml names keys of servers, and no event bears a seal: nobody proves who wrote it"


def _times(scene: Scene) -> Iterator[Finding]:
    for fault in scene.snapshot.ledger.time_faults(scene.now):
        hint = "decisions are judged in the ledger's order; find out whose clock was wrong"
        if fault.number in {event.number for event in scene.snapshot.ledger.ahead_of(scene.now)}:
            hint = "set this machine's clock; if it is right: flywheel reconcile --force"
        yield Finding("false-time", fault.what, hint)


def _truncated(scene: Scene) -> Iterator[Finding]:
    """Verdicts that stand on model versions and are in no event: the end of the ledger was cut off."""
    for version, view in scene.versions.items():
        for key, value in view.tags.items():
            named = _NAMED_EVENT.search(value) if key.startswith(tags.GATE_PREFIX) else None
            if named and int(named[1]) >= len(scene.snapshot.ledger.events):
                yield Finding(
                    "ledger-cut",
                    f"model version {version} bears the verdict of event {named[1]}, the ledger ends at event "
                    f"{len(scene.snapshot.ledger.events) - 1}",
                    "restore the store from a backup; compare with exported releases: flywheel verify FOLDER",
                )


def _open_moves(scene: Scene) -> Iterator[Finding]:
    move = scene.snapshot.state.open_move
    if move is not None:
        word = "rollback" if move.rollback else "promotion"
        live = scene.snapshot.aliases.get(move.to)
        where = "the alias has moved already" if live == move.version else f"the alias still points to {live}"
        running = "; its process may still be at work" if scene.now < move.lease_ends() else ""
        yield Finding(
            "open-move",
            f"the {word} of release {move.version} to {move.to} (event {move.number}) has not ended: {where}{running}",
            "flywheel reconcile",
        )


def _aliases(scene: Scene) -> Iterator[Finding]:
    for alias in STAGES:
        live, known = scene.snapshot.aliases.get(alias), scene.snapshot.state.current[alias]
        move = scene.snapshot.state.open_move
        if live == known or (move is not None and move.to == alias and live == move.version):
            continue
        yield Finding(
            "alias-moved",
            f"{alias} points to {live or 'nothing'}, the ledger has it at {known or 'nothing'}: it was moved by hand",
            "flywheel reconcile puts it back",
        )


def _versions(scene: Scene) -> Iterator[Finding]:
    state = scene.snapshot.state
    for release in state.releases.values():
        if release.version not in scene.versions and not release.retired:
            stage = state.stage_of(release.version)
            if scene.tracking.releases.version(release.version) is not None:
                yield Finding(
                    "release-hidden",
                    f"release {release.version} is there and not listed: a version of the model bears a tag "
                    f"{tags.PROMPT_PREFIX}*, and MLflow takes it for a prompt",
                    "delete that tag, with MLflow's REST call model-versions/delete-tag",
                )
                continue
            what = f"the model version of release {release.version} ({stage}) is gone"
            yield Finding("version-deleted", what, "flywheel reconcile registers it again, from its bundle")
    for version, view in scene.versions.items():
        if version not in state.releases:
            yield Finding(
                "version-unrecorded",
                f"the model version {version} is in no ledger event: registered by hand, or its maker died",
                f"`flywheel release create --iteration {view.tags.get('flywheel.iteration', 'N')}` adopts it",
            )


def _stages(scene: Scene) -> Iterator[Finding]:
    if not follows_stages(scene.session, scene.snapshot) or scene.snapshot.state.open_move is not None:
        return
    for version, view in scene.versions.items():
        if version not in scene.snapshot.state.releases:
            continue
        wanted = registry_stage(scene.snapshot.state, version)
        if view.stage != wanted:
            yield Finding(
                "stage-set",
                f"the model registry shows release {version} in {view.stage}, by the ledger it is {wanted}",
                "flywheel reconcile sets it back",
            )


def _bundles(scene: Scene) -> Iterator[Finding]:
    for release in scene.looked_into():
        files = bundle_files(scene.tracking, release)
        faults = bundle_faults(files, release.bundle)
        for fault in faults:
            yield Finding(
                "bundle-changed",
                f"the bundle of release {release.version}: {fault}",
                "do not promote it; restore the file from a backup, or make the release again",
            )
        if not faults:
            yield from _tags(scene, release, files)


def _tags(scene: Scene, release: Release, files: Mapping[str, str]) -> Iterator[Finding]:
    """What consumers resolve against what was released."""
    view = scene.versions[release.version]
    bundle = read_bundle(files, release.bundle)
    told = digest_of(pins_of(view)) == pins_digest(bundle.pins) and not view.unreadable
    told &= view.tags.get(tags.LEFT_OUT) == canonical_json(bundle.left_out)
    if view.bundle != release.bundle or not told:
        yield Finding(
            "pins-changed",
            f"the tags of model version {release.version} do not say what its bundle pins: consumers would be misled",
            "make the release again; delete the version once it is retired",
        )


def _data(scene: Scene) -> Iterator[Finding]:
    """The data of the release in production (of all with ``full``).

    Raises:
        Inconclusive: data by reference cannot be reached.
    """
    unknown: list[str] = []
    for release in scene.looked_into():
        if not scene.full and scene.snapshot.state.stage_of(release.version) is not ReleaseStage.PRODUCTION:
            continue
        files = bundle_files(scene.tracking, release)
        if bundle_faults(files, release.bundle):
            continue
        checked = check_pins(scene.session, read_bundle(files, release.bundle).pins, full=scene.full)
        unknown += [f"release {release.version}: {text}" for text in checked.unknown]
        for fault in checked.faults:
            code = "data-gone" if fault.gone else "data-changed"
            yield Finding(code, f"release {release.version}: {fault.text}", "flywheel rollback --reason '...'")
    if unknown:  # told last: what was found stays found
        raise Inconclusive("; ".join(unknown))


def _trash(scene: Scene) -> Iterator[Finding]:
    """What releases rest on and somebody deleted, told while it can still be restored."""
    live = {version for version in scene.snapshot.state.current.values() if version is not None}
    releases = {item.version: item for item in scene.looked_into()}
    releases |= {version: scene.snapshot.state.releases[version] for version in live}
    found = [
        *deleted_experiments(scene.tracking),
        *deleted_runs(scene.tracking, releases.values(), scene.versions),
    ]
    for item in found:
        yield Finding("deleted" if item.restorable else "gone", item.what, item.hint)


def _approvals(scene: Scene) -> Iterator[Finding]:
    events = {event.number: event for event in scene.snapshot.ledger.events}
    for release in scene.snapshot.state.releases.values():
        for approval in release.approvals:
            rules = scene.past.under(approval.basis.gates)
            judged = judge(
                approval,
                events[approval.number],
                release,
                blueprint=rules or scene.flywheel.blueprint,
                basis=approval.basis,
                now=approval.at,
                current=rules is not None,
            )
            for why in judged.against:
                yield Finding(
                    "forged-approval" if judged.forged else "wrong-approval",
                    f"event {approval.number}, {approval.actor.name} approves release {release.version}: {why}",
                    "it counts for nothing; find out who wrote it",
                )


def _outlived(scene: Scene) -> Iterator[str]:
    for release in scene.snapshot.state.releases.values():
        for approval in release.approvals:
            if scene.past.under(approval.basis.gates) is None:
                yield (
                    f"event {approval.number}: {approval.actor.name} approved release {release.version} as "
                    f"{approval.role} under roles or keys that neither flywheel.yaml nor a bundle has any more"
                )


def _explanations(scene: Scene) -> Iterator[Finding]:
    for release in scene.snapshot.state.releases.values():
        for item in release.explanations:
            event = scene.snapshot.ledger.events[item.number]
            if scene.past.allowed(item.number, lambda rules: not objections(item, event, rules)):  # noqa: B023
                continue
            for why in objections(item, event, scene.flywheel.blueprint):
                yield Finding(
                    "wrong-explanation",
                    f"event {item.number}, {item.actor.name} explains drift of release {release.version}: {why}",
                    "it counts for nothing; find out who wrote it",
                )


def _permissions(scene: Scene) -> Iterator[Finding]:
    """Moves that no decision allowed, judged by what the ledger held when they started."""
    state = scene.snapshot.state
    for move in state.moves:
        if not scene.past.allowed(move.number, lambda rules: may_move(rules, move.actor)):  # noqa: B023
            yield Finding(
                "stranger",
                f"{move.actor.name} moved {move.to} (event {move.number}) without a role that moves releases",
                "find out who wrote it; roles may have changed since",
            )
        if move.rollback:
            continue
        release = state.releases[move.version]
        earlier = (item for item in release.gates if item.number < move.number)
        gate = next((item for item in earlier if item.number == move.by and item.to == move.to), None)
        override = next(
            (
                item
                for item in state.overrides
                if item.number == move.by and (item.version, item.to) == (move.version, move.to)
            ),
            None,
        )
        allowed = (gate is not None and gate.verdict == Verdict.PASS and gate.until > move.at) or (
            override is not None
            and override.confirmed is not None
            and override.until > move.at
            and override.number < move.number
            and not any(item.done and item.by == move.by and item.number < move.number for item in state.moves)
        )
        if not allowed:
            yield Finding(
                "move-without-permission",
                f"release {move.version} went to {move.to} (event {move.number}) without a passing gate or a confirmed "
                "override nobody had used",
                "flywheel rollback --reason '...', then find out who wrote it",
            )


def _gate_reports(scene: Scene) -> Iterator[Finding]:
    """The newest verdicts of live releases against the reports they were taken from."""
    for release in scene.looked_into():
        for to in STAGES:
            gate = release.last_gate(to)
            if gate is None:
                continue
            with scratch_folder() as folder:
                text = scene.tracking.gates.read(gate.run_id, folder)
            hint = f"flywheel gate {release.version} --to {to}"
            what = f"the report behind the verdict of event {gate.number} (run {gate.run_id})"
            if text is None:
                yield Finding("gate-report-gone", f"{what} is gone", hint)
            elif sha256_text(text) != gate.report:
                yield Finding("gate-report-changed", f"{what} was edited", hint)
            elif _verdict_in(text) != gate.verdict:
                yield Finding("gate-report-changed", f"{what} says {_verdict_in(text)}, the event {gate.verdict}", hint)


def _verdict_in(text: str) -> object:
    try:
        return value_at(parse_json(text, name="gate.json"), "verdict")
    except DocumentError:
        return None


def _rejections(scene: Scene) -> Iterator[Finding]:
    for release in scene.snapshot.state.releases.values():
        event = release.rejected
        if event is None:
            continue
        name, role = event.actor.name, str(event.body.get("role", ""))
        if not scene.past.allowed(event.number, lambda rules: holds_role(rules, name, role)):  # noqa: B023
            yield Finding(
                "wrong-rejection",
                f"{event.actor.name} rejected release {release.version} (event {event.number}) without the role",
                "find out who wrote it; a new release of the same iteration starts afresh",
            )


#: Every check by name; docs/releases.md lists which attack each one finds.
_CHECKS: Mapping[str, Callable[[Scene], Iterable[Finding]]] = {
    "ledger": _ledger,
    "beside the ledger": _strays,
    "marks of prompts": _hidden,
    "experiments": _experiments,
    "times": _times,
    "end of the ledger": _truncated,
    "open moves": _open_moves,
    "aliases": _aliases,
    "versions": _versions,
    "stages": _stages,
    "bundles": _bundles,
    "descriptions and tags": rewritten,
    "run pages": repainted,
    "trash": _trash,
    "data": _data,
    "approvals": _approvals,
    "explanations": _explanations,
    "rejections": _rejections,
    "permissions": _permissions,
    "people": too_few_people,
    "gate reports": _gate_reports,
}
