"""What a release's page says about one gate: its newest verdict with every criterion, and what can be done with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from flywheel_mlflow.decisions.gate_facts import Verdict
from flywheel_mlflow.decisions.gates import CriterionResult, GateResult
from flywheel_mlflow.decisions.releases import GateRecord
from flywheel_mlflow.drift.wording import VERDICT_TONES, Tone
from flywheel_mlflow.reports.dashboard_blocks import Form, Pair, Section
from flywheel_mlflow.reports.gate import criterion_rows
from flywheel_mlflow.reports.pages.deciding import hidden
from flywheel_mlflow.tables.addresses import Addresses
from flywheel_mlflow.tables.cells import Cell, Table, code, number
from flywheel_mlflow.tables.texts import moment_text

#: Hex digits of a run id that people read.
SHORT = 8
#: Kinds of criteria whose reason names the limit, which is all of their method.
_LIMITS = ("coverage", "checks", "floor", "ceiling")
_RUN_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class GateFacts:
    """One gate before ``to`` as it stands now.

    ``record`` is the newest verdict in the ledger, ``result`` the whole of it, whose digest is the one in the ledger;
    ``unread`` says why there is a verdict and no result. ``reached`` tells that the release got there; else ``stopped``
    says why no promotion can rest on the verdict now, and ``changed`` what its basis was that is no more.
    ``gate_refused`` and ``promote_refused`` say why the acts would be refused.
    """

    to: str
    record: GateRecord | None
    result: GateResult | None
    unread: str
    reached: bool
    stopped: str
    changed: tuple[str, ...]
    gate_refused: str
    promote_refused: str


def gate_section(facts: GateFacts, version: int, addresses: Addresses, *, on_path: bool = False) -> Section:
    """The gate before one stage; ``on_path`` tells that its forms stand in the way to that stage."""
    forms = () if on_path else (evaluate_form(facts, version, addresses), promote_form(facts, version, addresses))
    return Section(
        f"gate-{facts.to}",
        f"Gate to {facts.to}",
        notes=tuple(_notes(facts)),
        pairs=tuple(_pairs(facts, addresses)),
        tables=_criteria(facts.result, addresses),
        forms=forms,
    )


def _notes(facts: GateFacts) -> Iterator[Cell]:
    record = facts.record
    if record is None:
        yield Cell("This gate was never evaluated for this release.", Tone.UNKNOWN)
        return
    yield Cell(f"{record.verdict}{_counts(facts.result)}.", VERDICT_TONES.get(record.verdict, Tone.UNKNOWN))
    if facts.unread:
        yield Cell(f"The criteria cannot be shown: {facts.unread}.", Tone.BAD)
    if facts.reached:
        yield Cell(f"It was acted on: the release reached {facts.to}.")
        return
    if facts.stopped and record.verdict == Verdict.PASS:
        yield Cell(f"No promotion can rest on this verdict now: {facts.stopped}.", Tone.ATTENTION)
    for what in facts.changed:
        yield Cell(f"Since the verdict {what} changed: evaluate the gate again.", Tone.ATTENTION)
    if not facts.stopped and not facts.changed:
        yield Cell("It still stands: what it rests on is what it was.", Tone.GOOD)


def _counts(result: GateResult | None) -> str:
    if result is None:
        return ""
    counts = {verdict: sum(item.verdict is verdict for item in result.criteria) for verdict in Verdict}
    return ": " + ", ".join(f"{count} of {len(result.criteria)} {word}" for word, count in counts.items() if count)


def _pairs(facts: GateFacts, addresses: Addresses) -> Iterator[Pair]:
    record = facts.record
    if record is None:
        return
    yield Pair("Evaluated", Cell(f"{moment_text(record.at)} by {record.actor.name} (event {record.number})"))
    yield Pair("Can be acted on until", Cell(moment_text(record.until)))
    yield Pair("Compared with", Cell(record.basis.reference or "nothing"))
    yield Pair("Report", _run(record.run_id, addresses))
    held = Cell(record.report[:16], kind="code") if facts.result else Cell("not verified", Tone.UNKNOWN)
    yield Pair("Digest in the ledger", held)


def _criteria(result: GateResult | None, addresses: Addresses) -> tuple[Table, ...]:
    if result is None:
        return ()
    columns = ("criterion", "verdict", "what it demands", "why", "what to do", "value", "limit", "n", "evidence")
    order = {row.id: place for place, row in enumerate(criterion_rows(result))}
    ranked = sorted(result.criteria, key=lambda item: order[item.id])
    rows = tuple(_criterion(item, addresses) for item in ranked)
    return (Table(f"Criteria of the gate to {result.to}, what stops it first", columns, rows, "it has none."),)


def _criterion(item: CriterionResult, addresses: Addresses) -> tuple[Cell, ...]:
    return (
        Cell(item.id),
        Cell(item.verdict.value, VERDICT_TONES[item.verdict.value]),
        Cell(item.demand),
        Cell(f"{item.reason} ({item.method})" if item.method and item.kind not in _LIMITS else item.reason),
        code(item.next) if item.next else Cell("nothing"),
        number("unknown" if item.value is None else f"{item.value:g}"),
        number("none" if item.limit is None else f"{item.limit:g}"),
        number("unknown" if item.n is None else f"{item.n:,}"),
        _evidence(item.evidence, addresses),
    )


def _evidence(names: tuple[str, ...], addresses: Addresses) -> Cell:
    if not names:
        return Cell("none")
    first, *others = (_run(name, addresses) for name in names)
    return Cell(first.text, kind=first.kind, href=first.href, also=tuple(others))


def _run(name: str, addresses: Addresses) -> Cell:
    """A run of MLflow's, or the name of a file."""
    if not _RUN_ID.fullmatch(name):
        return code(name)
    return Cell(f"run {name[:SHORT]}", href=addresses.ui_run_by_id(name))


def evaluate_form(facts: GateFacts, version: int, addresses: Addresses) -> Form:
    """The form that evaluates the gate."""
    return Form(
        addresses.act("gate"),
        f"Evaluate the gate to {facts.to}",
        "Evaluate",
        "Collects the evidence as it is now, and writes the verdict with your name into the ledger. "
        "Anybody who may read this may do it, since it decides nothing. It takes some seconds.",
        (hidden("version", version), hidden("to", facts.to)),
        refused=facts.gate_refused,
    )


def promote_form(facts: GateFacts, version: int, addresses: Addresses) -> Form:
    """The form that promotes the release."""
    return Form(
        addresses.act("promote"),
        f"Promote to {facts.to}",
        f"Promote release {version} to {facts.to}",
        f"Consumers of {facts.to} get this release from then on, all interfaces at once.",
        (hidden("version", version), hidden("to", facts.to)),
        grave=True,
        refused=facts.promote_refused,
    )
