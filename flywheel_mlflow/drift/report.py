"""The report of one comparison: its verdict, its findings worst first, and its form as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, TypeAdapter

from flywheel_mlflow.base.canonical import document_json, plain
from flywheel_mlflow.base.documents import parse_json, read_json
from flywheel_mlflow.base.errors import DocumentError, ExitCode, Fault
from flywheel_mlflow.drift.findings import (
    GONE,
    ChangeOutcome,
    DataVerdict,
    FilterFound,
    Finding,
    Kind,
    KpiFound,
    KpiVerdict,
    SignalFound,
    Trend,
    Verdict,
)
from flywheel_mlflow.drift.intentions import NO_TASK_CHANGES, Outcomes, TaskChanges, with_outcomes
from flywheel_mlflow.drift.schemas import SchemaFound, schema_finding, verdict_of_change
from flywheel_mlflow.promises.thresholds import DriftSettings

#: Findings a reader meets before anything else.
FIRST = 5
#: Further measures of a field that its finding names.
_OTHERS = 5

_BAD_KPIS = frozenset({KpiVerdict.REGRESSED, KpiVerdict.VANISHED})
_BAD_DATA = frozenset({DataVerdict.DRIFTED, DataVerdict.VANISHED})
_TESTED_DATA = frozenset({DataVerdict.UNCHANGED, DataVerdict.STABLE, DataVerdict.SMALL}) | _BAD_DATA
_TESTED_KPIS = frozenset({KpiVerdict.IMPROVED, KpiVerdict.WITHIN}) | _BAD_KPIS


@dataclass(frozen=True, slots=True)
class Reference:
    """What the iteration was compared with; ``run_id`` and ``digest`` are those of its assembly."""

    iteration: int
    run_id: str
    digest: str

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class DriftReport:
    """One iteration compared with a reference.

    ``run_id`` and ``digest`` are those of the assembly that was compared, empty inside the assembly itself, which
    cannot know them. ``full`` says that whole data were read, not the samples logged with the runs; ``tasks`` are those
    that only one side's runs read.
    """

    flywheel: str
    iteration: int
    run_id: str
    digest: str
    reference: Reference
    verdict: Verdict
    findings: tuple[Finding, ...]
    kpis: tuple[KpiFound, ...]
    distributions: tuple[SignalFound, ...]
    filters: tuple[FilterFound, ...]
    trend: tuple[Trend, ...]
    settings: DriftSettings
    full: bool = False
    tasks: TaskChanges = NO_TASK_CHANGES
    schemas: tuple[SchemaFound, ...] = ()
    format_version: Literal[2] = 2

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    def document(self) -> dict[str, Any]:
        """The report as plain values; :func:`drift_report_from_json` reads it back."""
        found: dict[str, Any] = plain(self)
        return found

    def to_json(self) -> str:
        """The report as text; equal reports give equal bytes."""
        return document_json(self)

    def count(self, kind: Kind, *verdicts: str) -> int:
        """How many KPIs, distributions, filters or schemas have one of these verdicts."""
        groups: Mapping[Kind, Iterable[KpiFound | SignalFound | FilterFound | SchemaFound]] = {
            Kind.KPI: self.kpis,
            Kind.DISTRIBUTION: self.distributions,
            Kind.FILTER: self.filters,
            Kind.SCHEMA: self.schemas,
        }
        return sum(item.verdict.value in verdicts for item in groups[kind])

    @property
    def regressed_kpis(self) -> int:
        """KPIs and suites that got worse than they may, or vanished."""
        return sum(item.stops for item in self.kpis)

    @property
    def drifted_signals(self) -> int:
        """Distributions that changed or vanished."""
        return sum(item.stops for item in self.distributions)

    @property
    def drifted_fields(self) -> int:
        """Fields of interfaces of which any distribution changed or vanished."""
        return len({item.field for item in self.distributions if item.stops})

    @property
    def _in_fields(self) -> str:
        return f" in {_counted(self.drifted_fields, 'field', '')}" if self.drifted_fields < self.drifted_signals else ""

    def of_finding(self, finding: Finding) -> tuple[SignalFound, ...]:
        """The distributions that changed of the field a finding is about, the most telling first."""
        items = [item for item in self.distributions if finding.subject in {item.field, item.subject}]
        drawn = [item for item in items if item.verdict in _BAD_DATA]
        return tuple(sorted(drawn, key=lambda item: (_told_by(item), -item.severity, item.subject)))

    @property
    def drifted_filters(self) -> int:
        """Filters whose drop rate changed, or that vanished."""
        return sum(item.stops for item in self.filters)

    @property
    def changed_schemas(self) -> int:
        """Schemas in which fields are gone, of another type, or no longer everywhere."""
        return sum(item.stops for item in self.schemas)

    @property
    def intended(self) -> tuple[Finding, ...]:
        """What changed as tasks intended: a person confirms it for a release."""
        return tuple(item for item in self.findings if item.outcome is ChangeOutcome.INTENDED)

    @property
    def better(self) -> int:
        """KPIs and suites that got better; a member of a suite is a detail of it."""
        return sum(item.outcome is ChangeOutcome.BETTER and not item.suite for item in self.kpis)

    @property
    def inconclusive_kpis(self) -> int:
        """KPIs and suites that too few samples, or too much noise, leave open."""
        return sum(item.verdict is KpiVerdict.INCONCLUSIVE and not item.suite for item in self.kpis)

    @property
    def untested_signals(self) -> int:
        """Distributions that could not be tested."""
        return self.count(Kind.DISTRIBUTION, DataVerdict.NOT_TESTED)

    @property
    def unseen(self) -> int:
        """Data that changed and that nobody could look into."""
        return sum(item.decides for item in self.distributions)

    @property
    def lost_fields(self) -> int:
        """Consumers whose producers no longer give them a field they need."""
        return sum(item.kind is Kind.PROMISE for item in self.findings)

    @property
    def errors(self) -> int:
        """What could not be compared at all."""
        return sum(item.kind is Kind.ERROR for item in self.findings)

    @property
    def exit_code(self) -> ExitCode:
        """What a command that was asked for the verdict exits with."""
        codes = {Verdict.PASS: ExitCode.PASS, Verdict.BLOCK: ExitCode.BLOCK}
        return codes.get(self.verdict, ExitCode.INCONCLUSIVE)

    @property
    def headline(self) -> str:
        """What changed in one line, by outcome."""
        vanished = sum(item.verdict is KpiVerdict.VANISHED and not item.task for item in self.kpis)
        parts = [
            _counted(self.regressed_kpis - vanished, "KPI", "worse"),
            _counted(vanished, "KPI", "vanished"),
            _counted(self.lost_fields, "consumer", "without fields it needs"),
            _counted(self.changed_schemas, "schema", "changed"),
            _counted(self.drifted_signals, "signal", f"changed{self._in_fields}"),
            _counted(self.drifted_filters, "filter", "changed"),
            f"{len(self.intended)} as intended" if self.intended else "",
            _counted(self.better, "KPI", "better"),
            _counted(self.errors, "error", ""),
            f"{self.unseen} changed and not looked into" if self.unseen else "",
            _counted(self.inconclusive_kpis, "KPI", "cannot be told"),
        ]
        schemas = len(self.schemas) - self.count(Kind.SCHEMA, DataVerdict.NOT_TESTED)
        compared = (
            f"{len(self.kpis)} KPIs, {len(self.distributions)} distributions, {len(self.filters)} filters, "
            f"{schemas} schema{'' if schemas == 1 else 's'} compared"
        )
        return ", ".join(part for part in parts if part) + ("; " if any(parts) else "") + compared


def _told_by(item: SignalFound) -> int:
    """What tells people most comes first: phrases, then the values themselves, then what else has a picture."""
    if item.picture is None:
        return 3
    if item.picture.kind == "phrases" and item.picture.bars:
        return 0
    return 1 if item.subject == item.field else 2


def _counted(count: int, noun: str, outcome: str) -> str:
    return "" if not count else f"{count} {noun if count == 1 else noun + 's'} {outcome}".rstrip()


def verdict_of(
    findings: Iterable[Finding],
    kpis: Iterable[KpiFound],
    distributions: Iterable[SignalFound],
    filters: Iterable[FilterFound],
) -> Verdict:
    """What the whole means.

    BLOCK when anything is worse, changed or vanished that no task intended. Else INCONCLUSIVE when something could not
    be compared, when a KPI looks worse than its tolerance and cannot be told from chance, or when nothing at all could
    be tested.
    What is merely too small to test is shown and counted, and decides nothing.
    """
    deciding = {item.verdict for item in findings if item.decides}
    if Verdict.BLOCK in deciding:
        return Verdict.BLOCK
    tested = (
        any(item.verdict in _TESTED_KPIS for item in kpis)
        or any(item.verdict in _TESTED_DATA for item in distributions)
        or any(item.verdict in _TESTED_DATA for item in filters)
    )
    return Verdict.INCONCLUSIVE if deciding or not tested else Verdict.PASS


def error_finding(subject: str, text: str, command: str) -> Finding:
    """What could not be compared: missing evidence, never a pass."""
    return Finding(Kind.ERROR, subject, Verdict.INCONCLUSIVE, text, decides=True, next=command)


def findings_of(
    kpis: Iterable[KpiFound],
    distributions: Iterable[SignalFound],
    filters: Iterable[FilterFound],
    given: Iterable[Finding],
    *,
    iteration: int,
    reference: int,
    schemas: Iterable[SchemaFound] = (),
) -> tuple[Finding, ...]:
    """All that a reviewer must know, worst first.

    ``given`` are lost fields and errors. First comes what blocks, by size; then errors; then KPIs left open, those that
    decide before those that do not.
    """
    against = f"--iteration {iteration} --against {reference}"
    ranked: list[tuple[int, float, Finding]] = [
        (_STOPS, GONE, finding) if finding.kind is Kind.PROMISE else (_ERRORS, 0.0, finding) for finding in given
    ]
    for kpi in kpis:
        if kpi.verdict in _BAD_KPIS or kpi.verdict is KpiVerdict.INCONCLUSIVE:
            rank = _STOPS if kpi.stops else _OPEN if kpi.decides else _DETAIL
            ranked.append((rank, kpi.severity, _kpi_finding(kpi, iteration, reference)))
    fields: dict[tuple[str, ChangeOutcome | None], list[SignalFound]] = {}
    for item in distributions:
        if item.verdict in _BAD_DATA:
            fields.setdefault((item.field, item.outcome), []).append(item)
        elif item.decides:
            command = f"flywheel impact {item.subject.partition('/')[0]} --iteration {iteration}"
            ranked.append((_OPEN, 0.0, _unseen_finding(item, command)))
    for (subject, _), items in fields.items():
        command = f"flywheel impact {subject.partition('/')[0]} --iteration {iteration}"
        items.sort(key=lambda item: (-item.severity, item.subject))
        ranked.append((_STOPS, items[0].severity, _field_finding(subject, items, command)))
    for step in filters:
        if step.verdict in _BAD_DATA:
            command = f"flywheel drift {against} --full"
            ranked.append((_STOPS, step.severity, _data_finding(Kind.FILTER, step, step.value, command)))
    ranked += [(_STOPS, item.severity, schema_finding(item, iteration)) for item in schemas if item.change == "major"]
    ranked = [
        (_INTENDED if finding.outcome is ChangeOutcome.INTENDED else rank, size, finding)
        for rank, size, finding in ranked
    ]
    ranked.sort(key=lambda item: (item[0], -item[1], item[2].kind.value, item[2].subject))
    return tuple(finding for _, _, finding in ranked)


#: The order of findings: what tasks intended comes last, it asks for a confirmation and not for an answer.
_STOPS, _ERRORS, _OPEN, _DETAIL, _INTENDED = range(5)


def _kpi_finding(kpi: KpiFound, iteration: int, reference: int) -> Finding:
    verdict = Verdict.BLOCK if kpi.stops else Verdict.INCONCLUSIVE
    return Finding(
        kind=Kind.KPI,
        subject=kpi.subject,
        verdict=Verdict.PASS if kpi.outcome is ChangeOutcome.INTENDED else verdict,
        text=f"{_word(kpi)}: {kpi.text}",
        decides=kpi.stops or kpi.decides,
        value=kpi.value,
        reference=kpi.reference,
        limit=kpi.tolerance,
        n=kpi.n,
        method=kpi.method,
        next=f"flywheel explain {kpi.subject} --between {reference} {iteration}",
        outcome=kpi.outcome,
    )


def _data_finding(kind: Kind, item: SignalFound | FilterFound, value: float | None, command: str) -> Finding:
    return Finding(
        kind=kind,
        subject=item.subject,
        verdict=Verdict.BLOCK if item.stops else Verdict.PASS,
        text=f"{_word(item)}: {item.text}",
        decides=item.stops,
        value=item.value if item.value != "" else value,
        reference=item.reference if item.reference != "" else None,
        limit=item.limit,
        n=item.n,
        method=item.method,
        next=command,
        outcome=item.outcome,
    )


def _field_finding(subject: str, items: Sequence[SignalFound], command: str) -> Finding:
    """All that changed about one field, by its largest difference; the others are named."""
    worst = items[0]
    finding = _data_finding(Kind.DISTRIBUTION, worst, worst.effect, command)
    if len(items) == 1:
        return finding
    names = [item.subject.removeprefix(subject).removeprefix(": ") or "value" for item in items]
    more = len(names) - 1 - _OTHERS
    others = ", ".join(names[1 : 1 + _OTHERS]) + (f" and {more} more" if more > 0 else "")
    text = f"{_word(worst)}: {names[0]}: {worst.text}; also {others}"
    return replace(finding, subject=subject, text=text)


def _unseen_finding(item: SignalFound, command: str) -> Finding:
    """Data that changed and that nobody looked into: they never pass silently."""
    return Finding(
        kind=Kind.DISTRIBUTION,
        subject=item.subject,
        verdict=Verdict.INCONCLUSIVE,
        text=item.text,
        decides=True,
        method=item.method,
        next=command,
    )


def _word(item: KpiFound | SignalFound | FilterFound) -> str:
    """What became of it, in the words of the outcomes."""
    if item.outcome is ChangeOutcome.INTENDED:
        return f"as intended by {item.task}"
    if item.verdict in (KpiVerdict.VANISHED, DataVerdict.VANISHED):
        return "vanished"
    if item.verdict is KpiVerdict.INCONCLUSIVE:
        return "cannot be told"
    return item.outcome.value if item.outcome else item.verdict.value


_AGAIN = "run `flywheel drift` again to write it anew"
_REPORT: TypeAdapter[DriftReport] = TypeAdapter(DriftReport)


def drift_report_from_json(text: str, *, name: str = "drift.json") -> DriftReport:
    """The report in a text that :meth:`DriftReport.to_json` wrote; ``name`` is where it comes from, for errors.

    Raises:
        DocumentError: it is no such report, or its verdict and findings do not follow from what it found.
    """
    document = parse_json(text, name=name)  # refuses what the reader takes: doubled keys, depth without end
    if isinstance(document, dict) and document.get("format_version") == 1:
        raise _refused(name, "format_version", "an earlier version wrote it, by other rules")
    report = read_json(_REPORT, text, name=name, hint=_AGAIN)
    outcomes = with_outcomes(report.kpis, report.distributions, report.filters, report.tasks, report.schemas)
    compared = Outcomes(report.kpis, report.distributions, report.filters, report.schemas)
    if outcomes != compared or any(item.verdict is not verdict_of_change(item.change) for item in report.schemas):
        raise _refused(name, "kpis", "an outcome does not follow from the verdicts and the tasks")
    errors = [item for item in report.findings if item.kind is Kind.ERROR]
    lost = [item for item in report.findings if item.kind is Kind.PROMISE]
    expected = findings_of(
        report.kpis,
        report.distributions,
        report.filters,
        [*lost, *errors],
        iteration=report.iteration,
        reference=report.reference.iteration,
        schemas=report.schemas,
    )
    if any(not item.decides or item.verdict is not Verdict.INCONCLUSIVE for item in errors):
        raise _refused(name, "findings", "an error that decides nothing")
    if any(
        not item.decides or item.verdict is not Verdict.BLOCK or item.outcome is not ChangeOutcome.WORSE
        for item in lost
    ):
        raise _refused(name, "findings", "a lost field that decides nothing")
    if expected != report.findings:
        raise _refused(name, "findings", "they do not follow from what was found")
    if report.verdict is not verdict_of(report.findings, report.kpis, report.distributions, report.filters):
        raise _refused(name, "verdict", "it does not follow from the findings")
    return report


def _refused(name: str, place: str, why: str) -> DocumentError:
    return DocumentError([Fault(name, 0, place, why)], hint=_AGAIN)
