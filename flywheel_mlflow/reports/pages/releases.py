"""The page of all releases: where the stages point, what every release is, what was decided last."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from flywheel_mlflow.decisions.releases import STAGES, Move, ReleaseState
from flywheel_mlflow.decisions.summaries import summarise_releases
from flywheel_mlflow.drift.wording import Tone
from flywheel_mlflow.reports.dashboard_blocks import Command, Form, Section
from flywheel_mlflow.reports.dashboard_facts import LedgerFacts
from flywheel_mlflow.reports.dashboard_health import open_overrides, override_words
from flywheel_mlflow.reports.pages.deciding import (
    MOST_EVENTS,
    choice_field,
    hidden,
    ledger_notes,
    reason_field,
    said,
)
from flywheel_mlflow.reports.pages.frame import Page
from flywheel_mlflow.tables.addresses import Addresses
from flywheel_mlflow.tables.cells import Cell, Table
from flywheel_mlflow.tables.links import Links
from flywheel_mlflow.tables.releases import ledger_table, overrides_table, releases_table
from flywheel_mlflow.tables.texts import moment_text

#: Releases on the page, the newest first; `flywheel release list` has all of them.
MOST_RELEASES = 50
ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True)
class WayBack:
    """What a rollback would do now.

    ``candidate`` is the newest release that production can go back to, its data not looked at yet; with a ``target``
    they were fetched and compared, and ``steps`` are what would happen. ``refused`` says why nothing would.
    """

    candidate: int | None = None
    target: int | None = None
    steps: tuple[str, ...] = ()
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Mending:
    """What reconciling would mend: ``lines`` in words, or why it would be refused; both empty when nothing is amiss."""

    lines: tuple[str, ...] = ()
    refused: str = ""


@dataclass(frozen=True, slots=True)
class ReleasesFacts:
    """Everything the page says at ``now`` (UTC); ``event`` is the decision that was just written, None for none."""

    flywheel: str
    ledger: LedgerFacts
    now: datetime
    addresses: Addresses
    way_back: WayBack = WayBack()
    mending: Mending = Mending()
    event: int | None = None


def releases_page(facts: ReleasesFacts) -> Page:
    """Every release; equal facts give equal pages."""
    ledger = facts.ledger
    state = ledger.state or ReleaseState()
    if ledger.unknown or not state.releases:
        return Page(
            title="Releases", part="releases", lead=(*ledger_notes(ledger), _none(facts)), sections=_first(facts)
        )
    return Page(
        title="Releases",
        part="releases",
        subtitle=f"As of {moment_text(facts.now)}",
        said=said(ledger.story, facts.event),
        lead=(*ledger_notes(ledger), *_lead(facts, state)),
        sections=(
            _standing(facts, state),
            _overrides(facts, state),
            _all(facts, state),
            _diff(facts, state),
            _back(facts),
            _history(facts),
        ),
    )


def _none(facts: ReleasesFacts) -> Cell:
    if facts.ledger.unknown:
        return Cell("Where releases stand cannot be told.", Tone.UNKNOWN)
    return Cell("No release was made yet, so nothing can be in production.", Tone.ATTENTION)


def _first(facts: ReleasesFacts) -> tuple[Section, ...]:
    command = (
        Command("flywheel audit", "it tells what is wrong with the ledger")
        if facts.ledger.unknown
        else Command("flywheel release create --iteration N", "a release pins what an assembled iteration made")
    )
    return (Section("commands", "Next commands", commands=(command,)),)


def _lead(facts: ReleasesFacts, state: ReleaseState) -> Iterator[Cell]:
    """The main fact: what consumers get, and what is wrong about it."""
    for override in open_overrides(facts.ledger, facts.now):
        text = f"Release {override.version} {override_words(override)}: {override.reason}"
        yield Cell(text, Tone.BAD, href=facts.addresses.release(override.version))
    move = state.open_move
    if move is not None:
        yield Cell(f"{_move_word(move).capitalize()} of release {move.version} to {move.to} is open.", Tone.ATTENTION)
    for stage in STAGES:
        live, known = _live(facts, stage), state.current[stage]
        if live != known and move is None:
            yield Cell(f"{stage} points to {_named(live)}, the ledger left it at {_named(known)}.", Tone.BAD)
    version = state.current["production"]
    if version is None:
        yield Cell("No release is in production.", Tone.ATTENTION)
    else:
        text = f"Release {version} of iteration {state.release(version).iteration} is in production."
        yield Cell(text, Tone.GOOD, href=facts.addresses.release(version))


def _live(facts: ReleasesFacts, stage: str) -> int | None:
    return (facts.ledger.aliases or {}).get(stage)


def _named(version: int | None) -> str:
    return "nothing" if version is None else f"release {version}"


def _move_word(move: Move) -> str:
    return "a rollback" if move.rollback else "a promotion"


def _standing(facts: ReleasesFacts, state: ReleaseState) -> Section:
    forms: tuple[Form, ...] = ()
    if facts.mending.lines or facts.mending.refused:
        told = "; ".join(facts.mending.lines)
        why = f"It would mend this: {told}." if told else "It makes the server agree with the ledger."
        forms = (_reconcile(facts, why),)
    columns = ("stage", "the ledger says", "the alias points to", "they agree", "since", "moved by", "event")
    return Section(
        "standing",
        "Where the stages point",
        notes=tuple(_open_move(state)),
        tables=(Table("Stages", columns, tuple(_stage(stage, facts, state) for stage in STAGES), ""),),
        forms=forms,
    )


def _open_move(state: ReleaseState) -> Iterator[Cell]:
    move = state.open_move
    if move is None:
        return
    text = (
        f"{_move_word(move).capitalize()} of release {move.version} to {move.to} was started by {move.actor.name} at "
        f"{moment_text(move.at)} (event {move.number}); its process has until {move.lease_ends():%H:%M:%S} UTC."
    )
    yield Cell(text, Tone.ATTENTION)


def _reconcile(facts: ReleasesFacts, why: str) -> Form:
    return Form(
        facts.addresses.act("reconcile"),
        "Reconcile the server with the ledger",
        "Reconcile",
        why,
        (),
        refused=facts.mending.refused,
    )


def _stage(stage: str, facts: ReleasesFacts, state: ReleaseState) -> tuple[Cell, ...]:
    known, live = state.current[stage], _live(facts, stage)
    moves = [move for move in state.moves if move.done and (move.to, move.version) == (stage, known)]
    last = moves[-1] if moves else None
    agree = Cell("yes", Tone.GOOD) if live == known else Cell("no", Tone.BAD)
    return (
        Cell(stage),
        _release_cell(known, facts, Tone.NONE if known is None else Tone.GOOD),
        _release_cell(live, facts, Tone.NONE if live == known else Tone.BAD),
        agree if state.open_move is None else Cell("a move is open", Tone.ATTENTION),
        Cell(moment_text(last.ended) if last and last.ended else "never" if known is None else "unknown"),
        Cell(last.actor.name if last else "nobody"),
        Cell(f"event {last.number}" if last else "none"),
    )


def _release_cell(version: int | None, facts: ReleasesFacts, tone: Tone) -> Cell:
    return Cell(_named(version), tone, href=facts.addresses.release(version) if version is not None else "")


def _overrides(facts: ReleasesFacts, state: ReleaseState) -> Section:
    running = open_overrides(facts.ledger, facts.now)
    caption = "Overrides, the newest first"
    table = overrides_table(state.overrides, running, caption, "no gate was ever overridden.", links=_links(facts))
    return Section("overrides", "Overrides", tables=(table,))


def _links(facts: ReleasesFacts) -> Links:
    return Links(facts.addresses)


def _all(facts: ReleasesFacts, state: ReleaseState) -> Section:
    found = summarise_releases(state, facts.now)
    more = len(found) - MOST_RELEASES
    command = Command("flywheel release list", f"{more} older releases are left out here")
    return Section(
        "all",
        "All releases",
        tables=(releases_table(found, most=MOST_RELEASES, links=_links(facts)),),
        commands=(command,) if more > 0 else (),
    )


def _diff(facts: ReleasesFacts, state: ReleaseState) -> Section:
    versions = sorted(state.releases, reverse=True)
    if len(versions) < 2:
        note = Cell("There is one release only, so there is nothing to compare it with.")
        return Section("diff", "What differs between two releases", notes=(note,))
    return Section("diff", "What differs between two releases", filters=(diff_filter(facts.addresses, state),))


def diff_filter(addresses: Addresses, state: ReleaseState, first: int | None = None, second: int | None = None) -> Form:
    """The question which two releases to compare; unasked the one in production with the newest."""
    versions = sorted(state.releases, reverse=True)[:MOST_RELEASES]
    choices = [(str(item), f"release {item} ({state.stage_of(item).value})") for item in versions]
    before, after = first or default_pair(state)[0], second or default_pair(state)[1]
    return Form(
        addresses.release_diff(),
        "Choose two releases",
        "Compare",
        "",
        (
            choice_field("first", "Before", choices, value=str(before)),
            choice_field("second", "After", choices, value=str(after)),
        ),
    )


def default_pair(state: ReleaseState) -> tuple[int | None, int | None]:
    """The release in production and the newest one; the two newest when these are the same, or there is none."""
    newest = sorted(state.releases, reverse=True)
    if not newest:
        return None, None
    production = state.current["production"]
    if production is not None and production != newest[0]:
        return production, newest[0]
    return (newest[1] if len(newest) > 1 else None), newest[0]


def _back(facts: ReleasesFacts) -> Section:
    """The rollback: where it would go is worked out first, then asked for."""
    way = facts.way_back
    if way.refused:
        form = Form("", "Roll production back", "", "", (), refused=way.refused)
        return Section("rollback", "Roll back", forms=(form,))
    if way.target is None:
        note = (
            f"Production would go back to release {way.candidate}, if its data still exist and match their digests. "
            "That is looked at first; nothing moves by it."
        )
        ask = Form(
            facts.addresses.releases(), "Work out a rollback", "Work out a rollback", "", (hidden("plan", ROLLBACK),)
        )
        return Section("rollback", "Roll back", notes=(Cell(note),), filters=(ask,))
    steps = tuple((Cell(str(place)), Cell(step)) for place, step in enumerate(way.steps, start=1))
    why = (
        f"Takes production back to release {way.target}, whose data were just compared with their digests; it needs no "
        "gate, and opens a risk."
    )
    form = Form(
        facts.addresses.act(ROLLBACK),
        f"Roll production back to release {way.target}",
        f"Roll back to release {way.target}",
        why,
        (hidden("to", way.target), reason_field()),
        grave=True,
    )
    table = Table("What will happen, in order", ("step", "what"), steps, "nothing.")
    return Section("rollback", "Roll back", tables=(table,), forms=(form,))


def _history(facts: ReleasesFacts) -> Section:
    story = facts.ledger.story
    command = Command("flywheel release history", f"all {len(story)} events")
    return Section(
        "history",
        "What was decided",
        tables=(
            ledger_table(
                story, "The ledger's newest events", "the ledger is empty.", most=MOST_EVENTS, links=_links(facts)
            ),
        ),
        commands=(command,) if len(story) > MOST_EVENTS else (),
    )
