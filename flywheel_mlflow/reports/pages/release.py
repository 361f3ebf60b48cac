"""The page of one release: where it stands, its gates, who approved it, and what can be decided about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from flywheel_mlflow.decisions.approvals import JudgedApproval
from flywheel_mlflow.decisions.gate_facts import Verdict
from flywheel_mlflow.decisions.pins import Pin
from flywheel_mlflow.decisions.release_path import ReleasePath
from flywheel_mlflow.decisions.releases import Explained, Override, Release, ReleaseStage
from flywheel_mlflow.drift.wording import VERDICT_TONES, Tone
from flywheel_mlflow.reports.dashboard_blocks import Form, Pair, Section
from flywheel_mlflow.reports.dashboard_facts import DriftFacts, LedgerFacts
from flywheel_mlflow.reports.dashboard_health import open_overrides, override_words
from flywheel_mlflow.reports.pages.deciding import (
    MOST_EVENTS,
    hidden,
    ledger_notes,
    reason_field,
    said,
)
from flywheel_mlflow.reports.pages.frame import Page
from flywheel_mlflow.reports.pages.gate_verdict import GateFacts, gate_section
from flywheel_mlflow.reports.pages.release_steps import StepFacts, approve_form, path_section, role_form
from flywheel_mlflow.tables.addresses import Addresses
from flywheel_mlflow.tables.cells import Cell, Table, code, sentence
from flywheel_mlflow.tables.links import Links
from flywheel_mlflow.tables.releases import STAGE_TONES, ledger_table, overrides_table, pins_table
from flywheel_mlflow.tables.texts import moment_text

#: Findings of drift named on the page; the review of the comparison has all of them.
MOST_FINDINGS = 5


@dataclass(frozen=True, slots=True)
class Asking:
    """Why acts about the release would be refused now, empty texts where they would not.

    ``approve`` and ``reject`` map roles of flywheel.yaml to that, those first that gates ask the reader for.
    ``confirm`` is about the override that waits for its second person, None where none waits; ``explain`` about
    explanations of its drift.
    """

    approve: Mapping[str, str]
    reject: Mapping[str, str]
    retire: str
    confirm: str | None = None
    explain: str = ""


@dataclass(frozen=True, slots=True)
class PinnedFacts:
    """What the release pins; ``unread`` says why its bundle cannot be read, empty when it can."""

    pins: tuple[Pin, ...] = ()
    left_out: Mapping[str, str] | None = None
    unread: str = ""


@dataclass(frozen=True, slots=True)
class ComparedFacts:
    """What the release is compared with now: its name in words, its iteration, and what the comparison says.

    ``explanations`` are all that people gave for this comparison, with what speaks against each.
    """

    reference: str
    iteration: int | None
    drift: DriftFacts
    explanations: tuple[tuple[Explained, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class ReleaseFacts:
    """Everything the page says at ``now`` (UTC).

    ``experiment`` is MLflow's of the assembly, empty when its run is gone; ``event`` is the decision that was just
    written, None for none. ``path`` is the way to its next stage, None where none leads on; ``reader`` is who looks.
    """

    flywheel: str
    release: Release
    stands: ReleaseStage
    ledger: LedgerFacts
    gates: tuple[GateFacts, ...]
    approvals: tuple[JudgedApproval, ...]
    compared: ComparedFacts
    pinned: PinnedFacts
    asking: Asking
    now: datetime
    addresses: Addresses
    experiment: str = ""
    event: int | None = None
    path: ReleasePath | None = None
    reader: str = ""


def release_page(facts: ReleaseFacts) -> Page:
    """One release; equal facts give equal pages."""
    release, addresses = facts.release, facts.addresses
    story = tuple(item for item in facts.ledger.story if item.about == release.version)
    return Page(
        title=f"Release {release.version}",
        part="releases",
        subtitle=f"Of iteration {release.iteration}, as of {moment_text(facts.now)}",
        trail=(Cell("Releases", href=addresses.releases()),),
        said=said(story, facts.event),
        lead=(*ledger_notes(facts.ledger), *_lead(facts)),
        sections=(
            *_path(facts),
            *(gate_section(gate, release.version, addresses, on_path=_is_on_path(gate, facts)) for gate in facts.gates),
            _approvals(facts),
            _drift(facts),
            _overrides(facts),
            _identity(facts),
            _pins(facts),
            _history(facts),
            _out(facts),
        ),
    )


def _is_on_path(gate: GateFacts, facts: ReleaseFacts) -> bool:
    return facts.path is not None and gate.to == facts.path.to


def _path(facts: ReleaseFacts) -> Iterator[Section]:
    gate = next((gate for gate in facts.gates if _is_on_path(gate, facts)), None)
    if facts.path is None or gate is None:
        return
    yield path_section(
        StepFacts(
            path=facts.path,
            gate=gate,
            drift=facts.compared.drift,
            review=facts.addresses.drift(facts.release.iteration, facts.compared.iteration),
            approve=facts.asking.approve,
            explain_refused=facts.asking.explain,
            reader=facts.reader,
            addresses=facts.addresses,
        )
    )


def _lead(facts: ReleaseFacts) -> Iterator[Cell]:
    """Where it stands, and what stands between it and the next stage."""
    release = facts.release
    for item in _own_overrides(facts):
        if item in open_overrides(facts.ledger, facts.now):
            yield Cell(f"It {override_words(item)}: {item.reason}", Tone.BAD)
    yield Cell(f"{sentence(facts.stands.value)}{_ended(release)}.", STAGE_TONES.get(facts.stands, Tone.NONE))
    if facts.stands not in (ReleaseStage.CANDIDATE, ReleaseStage.STAGING):
        return
    gate = next((gate for gate in facts.gates if not gate.reached), None)
    if gate is None:
        return
    if gate.record is None:
        yield Cell(f"The gate to {gate.to} was not evaluated yet.", Tone.UNKNOWN)
    elif gate.record.verdict != Verdict.PASS:
        tone = VERDICT_TONES.get(gate.record.verdict, Tone.UNKNOWN)
        since = f"; since then {' and '.join(gate.changed)} changed" if gate.changed else ""
        yield Cell(f"The gate to {gate.to} said {gate.record.verdict}{since}.", tone)
    elif gate.stopped:
        yield Cell(f"The gate to {gate.to} said {gate.record.verdict}, and {gate.stopped}.", Tone.ATTENTION)
    else:
        yield Cell(f"The gate to {gate.to} said {gate.record.verdict}, and it still stands.", Tone.GOOD)


def _ended(release: Release) -> str:
    event = release.rejected or release.retired
    return f" by {event.actor.name}: {event.body.get('reason', '')}" if event else ""


def _identity(facts: ReleaseFacts) -> Section:
    release, addresses = facts.release, facts.addresses
    run, bundle = (
        (
            addresses.ui_run(facts.experiment, release.run_id),
            addresses.ui_run(facts.experiment, release.run_id, release.place),
        )
        if facts.experiment
        else (addresses.ui_run_by_id(release.run_id), "")
    )
    return Section(
        "identity",
        "What it is",
        pairs=(
            Pair("Iteration", Cell(str(release.iteration), href=addresses.iteration(release.iteration))),
            Pair("Made by", Cell(f"{release.author.name} ({release.author.level}) on {moment_text(release.at)}")),
            Pair(
                "In MLflow",
                Cell(
                    "model version",
                    href=addresses.ui_version(facts.flywheel, release.version),
                    also=(Cell("assembly run", href=run), *((Cell("bundle", href=bundle),) if bundle else ())),
                ),
            ),
            Pair("Bundle (sha256)", code(release.bundle)),
            Pair("Compared with", _compared(facts)),
        ),
    )


def _compared(facts: ReleaseFacts) -> Cell:
    found = facts.compared
    if not found.reference:
        return Cell("nothing: no release is in production, and no iteration came before", Tone.UNKNOWN)
    text = f"{found.reference}, of iteration {found.iteration}" if found.iteration else found.reference
    return Cell(text, href=facts.addresses.drift(facts.release.iteration, found.iteration))


def _approvals(facts: ReleaseFacts) -> Section:
    columns = ("who", "as", "counts", "name is", "until", "at", "reason", "event")
    return Section(
        "approvals",
        "Approvals",
        tables=(
            Table(
                "Approvals, the newest first",
                columns,
                tuple(_approval(item) for item in reversed(facts.approvals)),
                "nobody has approved it yet.",
            ),
        ),
        forms=(*_approve_off_path(facts), _reject(facts)),
    )


def _approve_off_path(facts: ReleaseFacts) -> Iterator[Form]:
    """The form of an approval, where no way leads on that has it."""
    if facts.path is None:
        yield approve_form(facts.release.version, facts.asking.approve, facts.addresses)


def _approval(item: JudgedApproval) -> tuple[Cell, ...]:
    approval = item.approval
    yes = f"for {item.served}" if item.served else "yes"
    counts = Cell(yes, Tone.GOOD) if item.counts else Cell(f"no: {'; '.join(item.against)}", Tone.ATTENTION)
    return (
        Cell(approval.actor.name),
        Cell(approval.role),
        Cell(counts.text, Tone.BAD) if item.forged else counts,
        Cell("verified", Tone.GOOD) if item.verified else Cell("not verified", Tone.UNKNOWN),
        Cell(moment_text(item.until)),
        Cell(moment_text(approval.at)),
        Cell(approval.reason),
        Cell(f"event {approval.number}"),
    )


def _reject(facts: ReleaseFacts) -> Form:
    why = "Says no for good: this release never moves again."
    return role_form("reject", "Reject", why, facts.release.version, facts.asking.reject, facts.addresses)


def _drift(facts: ReleaseFacts) -> Section:
    found = facts.compared
    columns = ("who", "at", "about", "counts", "reason", "event")
    tables = (
        Table(
            "Explanations of this comparison",
            columns,
            tuple(_explanation(item, against) for item, against in found.explanations),
            "nobody has explained any finding.",
        ),
    )
    return Section(
        "drift",
        "Drift against the reference",
        notes=tuple(_drift_notes(facts)),
        tables=tables if found.drift.report else (),
    )


def _drift_notes(facts: ReleaseFacts) -> Iterator[Cell]:
    found = facts.compared
    report, answered = found.drift.report, found.drift.answered
    review = facts.addresses.drift(facts.release.iteration, found.iteration)
    if report is None or answered is None:
        yield Cell(f"{sentence(found.drift.unknown)}.", Tone.UNKNOWN, href=review)
        return
    text = f"{answered.verdict.value} against {found.reference}: {report.headline}"
    if answered.explained:
        text += f"; {len(answered.explained)} explained, {len(answered.left)} left"
    explained_away = answered.explained and answered.verdict is Verdict.PASS
    tone = Tone.ATTENTION if explained_away else VERDICT_TONES[answered.verdict.value]
    yield Cell(f"{text}.", tone, href=review)
    if facts.path is not None:
        return  # the way to the next stage names the findings
    for item in answered.left[:MOST_FINDINGS]:
        yield Cell(f"{item.subject} {item.text}", VERDICT_TONES[item.verdict.value])
    if len(answered.left) > MOST_FINDINGS:
        yield Cell(f"{len(answered.left) - MOST_FINDINGS} more in the review of the comparison.", href=review)


def _explanation(item: Explained, against: tuple[str, ...]) -> tuple[Cell, ...]:
    return (
        Cell(item.actor.name),
        Cell(moment_text(item.at)),
        Cell(", ".join(item.subjects)),
        Cell(f"no: {'; '.join(against)}", Tone.ATTENTION) if against else Cell("yes", Tone.GOOD),
        Cell(item.reason),
        Cell(f"event {item.number}"),
    )


def _own_overrides(facts: ReleaseFacts) -> tuple[Override, ...]:
    state = facts.ledger.state
    return tuple(item for item in state.overrides if item.version == facts.release.version) if state else ()


def _overrides(facts: ReleaseFacts) -> Section:
    running = open_overrides(facts.ledger, facts.now)
    caption = "Overrides of its gates"
    empty = "none of its gates was overridden."
    table = overrides_table(_own_overrides(facts), running, caption, empty, links=_links(facts))
    return Section("overrides", "Overrides", tables=(table,), forms=tuple(_confirm(facts)))


def _confirm(facts: ReleaseFacts) -> Iterator[Form]:
    if facts.asking.confirm is None:
        return
    yield Form(
        facts.addresses.act("override-confirm"),
        "Confirm the override",
        "Confirm",
        "Says that you, its second person, want this promotion without a passing gate; only then does it count.",
        (hidden("version", facts.release.version), reason_field()),
        grave=True,
        refused=facts.asking.confirm,
    )


def _pins(facts: ReleaseFacts) -> Section:
    found = facts.pinned
    if found.unread:
        return Section("pins", "Contents", notes=(Cell(f"Its bundle cannot be read: {found.unread}.", Tone.BAD),))
    left_out = tuple((Cell(name), Cell(why)) for name, why in (found.left_out or {}).items())
    return Section(
        "pins",
        "Contents",
        tables=(
            pins_table(found.pins, "Interfaces with their exact data", links=_links(facts)),
            Table("Left out", ("interface", "why"), left_out, "nothing was left out.", folded=True),
        ),
    )


def _links(facts: ReleaseFacts) -> Links:
    return Links(facts.addresses, facts.release.iteration)


def _history(facts: ReleaseFacts) -> Section:
    story = (item for item in facts.ledger.story if item.about == facts.release.version)
    caption = "Every decision about it, the newest first"
    table = ledger_table(story, caption, "nothing was decided.", most=MOST_EVENTS, links=_links(facts))
    return Section("history", "What was decided", tables=(table,))


def _out(facts: ReleaseFacts) -> Section:
    form = Form(
        facts.addresses.act("retire"),
        f"Retire release {facts.release.version}",
        "Retire",
        "Takes it out for good, so that its model version and its data may be deleted; its story stays in the ledger.",
        (hidden("version", facts.release.version), reason_field()),
        grave=True,
        refused=facts.asking.retire,
    )
    return Section("retire", "Retire", forms=(form,))
