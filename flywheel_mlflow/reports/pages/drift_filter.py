"""Chooses what of a comparison is shown: by project, by what became of it, by what it is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from flywheel_mlflow.drift import DriftReport, Finding, Kind, SchemaFound
from flywheel_mlflow.drift.wording import Compared, word_of

Item = TypeVar("Item", bound=Compared | Finding)


@dataclass(frozen=True, slots=True)
class DriftFilter:
    """What a reader asked for, each empty for everything; ``makers`` maps interfaces to their projects.

    ``verdict`` is a word of :data:`~flywheel_mlflow.drift.wording.WORDS`, ``kind`` one of a finding's.
    """

    project: str = ""
    verdict: str = ""
    kind: str = ""
    makers: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.project or self.verdict or self.kind)

    def applied(self, report: DriftReport) -> DriftReport:
        """The report with what is asked for alone; its counts are then those of what is shown."""
        if not self:
            return report
        return replace(
            report,
            findings=self._chosen(report.findings, ""),
            kpis=self._chosen(report.kpis, Kind.KPI),
            distributions=self._chosen(report.distributions, Kind.DISTRIBUTION),
            filters=self._chosen(report.filters, Kind.FILTER),
            schemas=self._chosen(report.schemas, Kind.SCHEMA),
            trend=tuple(item for item in report.trend if self._is_of(item.subject) and self.kind in ("", Kind.KPI)),
        )

    def _chosen(self, items: Iterable[Item], kind: str) -> tuple[Item, ...]:
        return tuple(
            item
            for item in items
            if self._is_of(item.interface if isinstance(item, SchemaFound) else item.subject)
            and self.verdict in ("", word_of(item))
            and self.kind in ("", item.kind if isinstance(item, Finding) else kind)
        )

    def _is_of(self, subject: str) -> bool:
        """Whether a KPI, or an interface with whatever of it, belongs to the project."""
        if not self.project:
            return True
        interface = subject.partition("/")[0]
        return self.makers.get(interface, subject.partition(".")[0]) == self.project


#: Everything is shown.
NO_FILTER = DriftFilter()
