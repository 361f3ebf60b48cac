"""The report of one comparison: its verdict, its findings worst first, and its form as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from flywheel_mlflow.canonical import document_json, plain
from flywheel_mlflow.documents import parse_json
from flywheel_mlflow.drift.findings import (
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
from flywheel_mlflow.errors import DocumentError, ExitCode, Fault
from flywheel_mlflow.thresholds import DriftSettings

FORMAT_VERSION = 1

#: Findings a reader meets before anything else.
FIRST = 5

_BAD_KPIS = frozenset({KpiVerdict.REGRESSED, KpiVerdict.VANISHED})
_BAD_DATA = frozenset({DataVerdict.DRIFTED, DataVerdict.VANISHED})
_TESTED_DATA = frozenset({DataVerdict.UNCHANGED, DataVerdict.STABLE}) | _BAD_DATA
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
    cannot know them. ``full`` says that whole data were read, not the samples logged with the runs.
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
    format_version: Literal[1] = 1

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    def document(self) -> dict[str, Any]:
        """The report as plain values; :func:`drift_report_from_json` reads it back."""
        found: dict[str, Any] = plain(self)
        return found

    def to_json(self) -> str:
        """The report as text; equal reports give equal bytes."""
        return document_json(self)

    def count(self, kind: Kind, *verdicts: str) -> int:
        """How many KPIs, distributions or filters have one of these verdicts."""
        groups: Mapping[Kind, Iterable[KpiFound | SignalFound | FilterFound]] = {
            Kind.KPI: self.kpis,
            Kind.DISTRIBUTION: self.distributions,
            Kind.FILTER: self.filters,
        }
        return sum(item.verdict.value in verdicts for item in groups[kind])

    @property
    def regressed_kpis(self) -> int:
        """KPIs that got worse than they may, or vanished."""
        return self.count(Kind.KPI, *_BAD_KPIS)

    @property
    def drifted_signals(self) -> int:
        """Distributions that drifted or vanished."""
        return self.count(Kind.DISTRIBUTION, *_BAD_DATA)

    @property
    def drifted_filters(self) -> int:
        """Filters whose drop rate drifted, or that vanished."""
        return self.count(Kind.FILTER, *_BAD_DATA)

    @property
    def inconclusive_kpis(self) -> int:
        """KPIs too few samples, or a noisy history, leave open."""
        return self.count(Kind.KPI, KpiVerdict.INCONCLUSIVE)

    @property
    def untested_signals(self) -> int:
        """Distributions that could not be tested."""
        return self.count(Kind.DISTRIBUTION, DataVerdict.NOT_TESTED)

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
        """The verdict with its counts in one line."""
        parts = [
            _counted(self.count(Kind.KPI, KpiVerdict.REGRESSED), "regressed KPI"),
            _counted(self.count(Kind.KPI, KpiVerdict.VANISHED), "vanished KPI"),
            _counted(self.drifted_signals, "drifted signal"),
            _counted(self.drifted_filters, "drifted filter"),
            _counted(self.errors, "error"),
            _counted(self.inconclusive_kpis, "inconclusive KPI"),
        ]
        compared = (
            f"{len(self.kpis)} KPIs, {len(self.distributions)} distributions, {len(self.filters)} filters compared"
        )
        return ", ".join(part for part in parts if part) + ("; " if any(parts) else "") + compared


def _counted(count: int, noun: str) -> str:
    return "" if not count else f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def verdict_of(
    findings: Iterable[Finding],
    kpis: Iterable[KpiFound],
    distributions: Iterable[SignalFound],
    filters: Iterable[FilterFound],
) -> Verdict:
    """What the whole means.

    BLOCK when anything regressed, drifted or vanished. Else INCONCLUSIVE when something could not be compared, when
    a KPI looks worse than its tolerance and cannot be told from chance, or when nothing at all could be tested.
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
    errors: Iterable[Finding],
    *,
    iteration: int,
    reference: int,
) -> tuple[Finding, ...]:
    """All that a reviewer must know, worst first.

    What blocks, by size; errors; then KPIs left open, those that decide before those that do not.
    """
    against = f"--iteration {iteration} --against {reference}"
    ranked: list[tuple[int, float, Finding]] = [(1, 0.0, finding) for finding in errors]
    for kpi in kpis:
        if kpi.verdict in _BAD_KPIS:
            ranked.append((0, kpi.severity, _kpi_finding(kpi, Verdict.BLOCK, iteration, reference)))
        elif kpi.verdict is KpiVerdict.INCONCLUSIVE:
            finding = _kpi_finding(kpi, Verdict.INCONCLUSIVE, iteration, reference)
            ranked.append((2 if kpi.decides else 3, kpi.severity, finding))
    for item in distributions:
        if item.verdict in _BAD_DATA:
            command = f"flywheel impact {item.subject.partition('/')[0]} --iteration {iteration}"
            ranked.append((0, item.severity, _data_finding(Kind.DISTRIBUTION, item, item.effect, command)))
    for step in filters:
        if step.verdict in _BAD_DATA:
            command = f"flywheel drift {against} --full"
            ranked.append((0, step.severity, _data_finding(Kind.FILTER, step, step.value, command)))
    ranked.sort(key=lambda item: (item[0], -item[1], item[2].kind.value, item[2].subject))
    return tuple(finding for _, _, finding in ranked)


def _kpi_finding(kpi: KpiFound, verdict: Verdict, iteration: int, reference: int) -> Finding:
    return Finding(
        kind=Kind.KPI,
        subject=kpi.subject,
        verdict=verdict,
        text=f"{kpi.verdict.value}: {kpi.text}",
        decides=verdict is Verdict.BLOCK or kpi.decides,
        value=kpi.value,
        reference=kpi.reference,
        limit=kpi.tolerance,
        n=kpi.n,
        method=kpi.method,
        next=f"flywheel explain {kpi.subject} --between {reference} {iteration}",
    )


def _data_finding(kind: Kind, item: SignalFound | FilterFound, value: float | None, command: str) -> Finding:
    return Finding(
        kind=kind,
        subject=item.subject,
        verdict=Verdict.BLOCK,
        text=f"{item.verdict.value}: {item.text}",
        decides=True,
        value=item.value if item.value != "" else value,
        reference=item.reference if item.reference != "" else None,
        limit=item.limit,
        n=item.n,
        method=item.method,
        next=command,
    )


_REPORT: TypeAdapter[DriftReport] = TypeAdapter(DriftReport)


def drift_report_from_json(text: str, *, name: str = "drift.json") -> DriftReport:
    """The report in a text that :meth:`DriftReport.to_json` wrote; ``name`` is where it comes from, for errors.

    Raises:
        DocumentError: it is no such report, or its verdict and findings do not follow from what it found.
    """
    parse_json(text, name=name)  # refuses what the reader below would take: doubled keys, depth without end
    try:
        report = _REPORT.validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise _refused(name, place, first["msg"]) from error
    errors = [item for item in report.findings if item.kind is Kind.ERROR]
    expected = findings_of(
        report.kpis,
        report.distributions,
        report.filters,
        errors,
        iteration=report.iteration,
        reference=report.reference.iteration,
    )
    if any(not item.decides or item.verdict is not Verdict.INCONCLUSIVE for item in errors):
        raise _refused(name, "findings", "an error that decides nothing")
    if expected != report.findings:
        raise _refused(name, "findings", "they do not follow from what was found")
    if report.verdict is not verdict_of(report.findings, report.kpis, report.distributions, report.filters):
        raise _refused(name, "verdict", "it does not follow from the findings")
    return report


def _refused(name: str, place: str, why: str) -> DocumentError:
    return DocumentError([Fault(name, 0, place, why)], hint="run `flywheel drift` again to write it anew")


def with_identity(report: DriftReport, *, run_id: str, digest: str) -> DriftReport:
    """The same report, saying which assembly it is about."""
    return replace(report, run_id=run_id, digest=digest)
