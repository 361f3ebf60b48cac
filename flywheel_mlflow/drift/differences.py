"""What differs between two runs of one project, each difference with its size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from flywheel_mlflow.drift import (
    DataFound,
    DataVerdict,
    FilterFound,
    History,
    KpiCase,
    KpiFound,
    KpiVerdict,
    SignalFound,
    compare_kpis,
    quiet_differences,
    suites_of,
)
from flywheel_mlflow.drift.wording import word_of
from flywheel_mlflow.evidence.runs import SAME_RECORDS, InterfaceVersion, KpiValue, Outcome, ProjectEvidence, is_rewrite
from flywheel_mlflow.evidence.schemas import schema_change
from flywheel_mlflow.promises.contract import Contract
from flywheel_mlflow.promises.thresholds import DriftSettings

#: A digest that differs, and nothing that says how much: half of what can be. What was measured
#: lies between this and 1, so that a measured change outweighs a bare one and neither is nothing.
LEAST = 0.5
#: The same records in other files: only where their order matters can it have changed anything.
REWRITTEN = 0.1

#: Tasks of one project that are named; the rest are counted.
_TASKS_NAMED = 3

_LOST = frozenset({KpiVerdict.REGRESSED, KpiVerdict.VANISHED})
_MOVED_KPIS = _LOST | {KpiVerdict.IMPROVED}
_MOVED_DATA = frozenset({DataVerdict.DRIFTED, DataVerdict.VANISHED})


class ChangeKind(StrEnum):
    """What differs, in the order a reader wants to hear of it."""

    EVIDENCE = "evidence"  # a run is missing, carried, or of another kind
    CONTRACT = "contract"
    CODE = "code"
    TASK = "task"  # work that was given to the project, and that changes its data on purpose
    SCHEMA = "schema"
    FILTER = "filter"
    SIGNAL = "signal"
    CHECK = "check"
    KPI = "kpi"
    DATA = "data"  # an interface's digest


#: Differences that lie in the project itself, whatever it read.
OWN = frozenset({ChangeKind.EVIDENCE, ChangeKind.CONTRACT, ChangeKind.CODE, ChangeKind.TASK})
_ORDER = {kind: place for place, kind in enumerate(ChangeKind)}


@dataclass(frozen=True, slots=True)
class Change:
    """One difference; ``size`` is between 0 and 1.

    ``subject`` is what differs (``foundation_corpus``, ``p05.hit_rate``), ``interface`` the interface it belongs to,
    if any. ``outcome`` says that it shows what the project made or measured, rather than a file that also holds its
    own name and time: an opaque document may differ in every iteration.
    """

    kind: ChangeKind
    subject: str
    text: str
    size: float
    interface: str = ""
    outcome: bool = True


@dataclass(frozen=True, slots=True)
class Pair:
    """One project's evidence on both sides; None where it has none."""

    contract: Contract
    before: ProjectEvidence | None
    now: ProjectEvidence | None


def differences(
    pair: Pair,
    settings: DriftSettings,
    data: DataFound | None = None,
    judged: Mapping[str, KpiFound] | None = None,
) -> tuple[Change, ...]:
    """All that differs between the two sides of a project, what weighs most first within each kind.

    ``data`` is what comparing profiles and data cards found; without it, digests and row counts speak alone.
    ``judged`` are verdicts on KPIs that rest on more than both values, by name: they are told in place of those by
    values and sample sizes. Whether a KPI differs follows from values and sizes always.
    Parameters are not read: what a run says about its settings is its own story, what it did is here.
    """
    before, now = pair.before, pair.now
    if before is None or now is None:
        return tuple(_presence(pair))
    if before.run_id == now.run_id and before.run_id is not None:
        return tuple(_evidence(before, now))  # a carried run: the very same evidence
    found = [
        *_evidence(before, now),
        *_interfaces(pair.contract, before, now),
        *_data(pair.contract, data),
        *_checks(before, now),
        *_kpis(pair, settings, judged or {}),
    ]
    return tuple(sorted(found, key=lambda item: (_ORDER[item.kind], -item.size, item.subject)))


def _presence(pair: Pair) -> Iterator[Change]:
    if pair.before is not None:
        yield Change(ChangeKind.EVIDENCE, pair.contract.id, "no evidence any more", 1.0)
    elif pair.now is not None:
        yield Change(ChangeKind.EVIDENCE, pair.contract.id, "no evidence before", 1.0)


def _evidence(before: ProjectEvidence, now: ProjectEvidence) -> Iterator[Change]:
    name = now.project_id
    if before.kind is not now.kind:
        yield Change(ChangeKind.EVIDENCE, name, f"{before.kind.value} → {now.kind.value} figures", 1.0)
    if before.carried_from != now.carried_from:
        yield Change(ChangeKind.EVIDENCE, name, f"{_carried(before)} → {_carried(now)}", 1.0)
    if before.contract_digest != now.contract_digest:
        text = f"contract {before.contract_digest[:12]} → {now.contract_digest[:12]}"
        yield Change(ChangeKind.CONTRACT, name, text, LEAST)
    if before.code_version != now.code_version:
        text = f"code {_code(before.code_version)} → {_code(now.code_version)}"
        yield Change(ChangeKind.CODE, name, text, LEAST)
    yield from _tasks(before, now)


def _tasks(before: ProjectEvidence, now: ProjectEvidence) -> Iterator[Change]:
    """The tasks only one of the runs read, as one difference: how much they changed is seen in the data.

    A task that is no longer read takes its gain with it, so it explains a change better than a new one does.
    """
    come, gone = sorted(set(now.tasks) - set(before.tasks)), sorted(set(before.tasks) - set(now.tasks))
    told = [f"{_named(come)} read for the first time"] if come else []
    told += [f"{_named(gone)} no longer read"] if gone else []
    if told:
        yield Change(ChangeKind.TASK, now.project_id, "; ".join(told), 1.0 if gone else LEAST)


def _named(tasks: list[str]) -> str:
    return ", ".join(tasks[:_TASKS_NAMED]) + (f" and {len(tasks) - _TASKS_NAMED} more" if tasks[_TASKS_NAMED:] else "")


def _carried(evidence: ProjectEvidence) -> str:
    return "its own run" if evidence.carried_from is None else f"carried from iteration {evidence.carried_from}"


def _code(version: str) -> str:
    commit, plus, _ = version.partition("+")
    return (commit[:12] + (" with changes" if plus else "")) or "unknown"


def _interfaces(contract: Contract, before: ProjectEvidence, now: ProjectEvidence) -> Iterator[Change]:
    for promise in contract.interfaces_out:
        old, new = before.interfaces_out.get(promise.name), now.interfaces_out.get(promise.name)
        if old is None or new is None:
            if old is not new:
                text = "no version any more" if new is None else "no version before"
                yield Change(ChangeKind.DATA, promise.name, text, 1.0, promise.name)
        elif old.digest != new.digest:
            yield _version(old, new)
            if old.fields and new.fields:
                yield from _schema(old, new)


def _version(old: InterfaceVersion, new: InterfaceVersion) -> Change:
    size, rows = LEAST, ""
    if old.rows is not None and new.rows is not None and old.rows != new.rows:
        size = _size(abs(new.rows - old.rows) / max(old.rows, new.rows))
        rows = f", {old.rows:,} → {new.rows:,} rows"
    if is_rewrite(old, new):
        size, rows = REWRITTEN, f", {SAME_RECORDS}"
    text = f"{old.digest[:12]} → {new.digest[:12]}{rows}"
    return Change(ChangeKind.DATA, new.name, text, size, new.name, outcome=new.rows is not None)


def _schema(old: InterfaceVersion, new: InterfaceVersion) -> Iterator[Change]:
    change = schema_change(old, new)
    if parts := list(change):
        text = f"{change.change_class} change: {'; '.join(parts[:4])}"
        text += f" and {len(parts) - 4} more" if len(parts) > 4 else ""
        yield Change(ChangeKind.SCHEMA, new.name, text, 1.0 if change.change_class == "major" else LEAST, new.name)


def _data(contract: Contract, data: DataFound | None) -> Iterator[Change]:
    if data is None:
        return
    groups: tuple[tuple[ChangeKind, Iterable[SignalFound | FilterFound]], ...] = (
        (ChangeKind.SIGNAL, data.signals),
        (ChangeKind.FILTER, data.filters),
    )
    for kind, items in groups:
        for item in items:
            # What lost its only version is told by the interface itself.
            if item.project == contract.id and item.verdict in _MOVED_DATA and "/" in item.subject:
                effect = item.effect if isinstance(item, SignalFound) else item.change
                size = 1.0 if effect is None else _size(abs(effect))
                interface = item.subject.partition("/")[0]
                yield Change(kind, item.subject, _short(item), size, interface)


def _short(item: SignalFound | FilterFound) -> str:
    if item.verdict is DataVerdict.VANISHED:
        return item.text
    if isinstance(item, SignalFound):
        return f"{item.reference} → {item.value}, {item.effect_name} {item.effect or 0.0:.2f}"
    return f"drops {item.reference or 0.0:.1%} → {item.value or 0.0:.1%}"


def _checks(before: ProjectEvidence, now: ProjectEvidence) -> Iterator[Change]:
    old, new = _bad(before), _bad(now)
    for name in sorted(new.keys() - old.keys()):
        yield Change(ChangeKind.CHECK, name, f"now {new[name].value}", 1.0)
    for name in sorted(old.keys() - new.keys()):
        yield Change(ChangeKind.CHECK, name, f"no longer {old[name].value}", LEAST)


def _bad(evidence: ProjectEvidence) -> Mapping[str, Outcome]:
    return {
        name: outcome
        for name, outcome in evidence.checks.not_passed.items()
        if outcome in (Outcome.FAILED, Outcome.ERROR)
    }


def kpi_findings(pair: Pair, settings: DriftSettings) -> tuple[KpiFound, ...]:
    """The verdict on each KPI of a project, by its tolerance and its sample size; no history, no samples are asked."""
    before = pair.before.kpis if pair.before else {}
    now = pair.now.kpis if pair.now else {}
    cases = [
        KpiCase(
            f"{pair.contract.id}.{kpi.name}",
            kpi,
            now.get(kpi.name, KpiValue(None)),
            before.get(kpi.name, KpiValue(None)),
        )
        for kpi in pair.contract.kpis
    ]
    return compare_kpis(cases, settings)


def recorded_findings(
    contracts: Iterable[Contract],
    before: Mapping[str, KpiValue],
    now: Mapping[str, KpiValue],
    settings: DriftSettings,
    *,
    history: History | None = None,
) -> tuple[KpiFound, ...]:
    """Drift's verdict on each suite and KPI by what was recorded of it; outcomes of single samples are not asked.

    Args:
        contracts: as they declare the KPIs; an assembly's own are left out.
        before: values by their full name (``p05.hit_rate``), those of the reference.
        now: those judged.
        settings: the rules.
        history: the iterations up to the reference.
    """
    unknown = KpiValue(None)
    judged = [contract for contract in contracts if not contract.is_assembly]
    cases = [
        KpiCase(
            name,
            kpi,
            now.get(name, unknown),
            before.get(name, unknown),
            tuple(quiet_differences(history or {}, name, higher=kpi.direction == "higher")),
        )
        for contract in judged
        for kpi in contract.kpis
        for name in [f"{contract.id}.{kpi.name}"]
    ]
    return compare_kpis(cases, settings, [suite for contract in judged for suite in suites_of(contract)])


def _kpis(pair: Pair, settings: DriftSettings, judged: Mapping[str, KpiFound]) -> Iterator[Change]:
    for found in kpi_findings(pair, settings):
        # Too few samples to be sure leave a change a change: it is only not a verdict.
        if found.verdict in _MOVED_KPIS or found.decides:
            word = word_of(judged.get(found.subject, found))
            text = f"{_number(found.reference)} → {_number(found.value)}, {word}"
            yield Change(ChangeKind.KPI, found.subject, text, _size(relative(found.reference, found.value)))


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}"


def relative(before: float | None, now: float | None) -> float:
    """How far two values lie apart as a share of the larger, 0..1; 1 when one of them is unknown."""
    if before is None or now is None:
        return 0.0 if before is now else 1.0
    largest = max(abs(before), abs(now))
    return min(1.0, abs(now - before) / largest) if largest else 0.0


def _size(share: float) -> float:
    return LEAST + (1 - LEAST) * min(1.0, share)
