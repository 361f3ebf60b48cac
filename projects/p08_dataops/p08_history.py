"""Turns what the server holds into versions of data sets, and runs that used them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from flywheel_mlflow.evidence.runs import Collected, EvidenceKind, InterfaceVersion, Outcome, ProjectEvidence
from flywheel_mlflow.promises.contract import Contract, Kpi

Status = Literal["completed", "regressed", "failed"]
DECISIONS: Mapping[Status, str] = {"completed": "accepted", "regressed": "rolled_back", "failed": "retry_required"}

#: How much worse than the last accepted run a KPI may be, as a share of that run's value: below, sampling noise of the
#: small evaluation sets here (some 100 cases) is indistinguishable from a loss.
RELATIVE_ALLOWANCE = 0.05
#: Figures of time depend on what else the machine does: only a run three times as slow has regressed.
TIME_ALLOWANCE = 2.0
TIME_UNITS = frozenset({"ms", "seconds", "minutes", "hours", "tokens per second"})


@dataclass(frozen=True, slots=True)
class Version:
    """One state of an interface, as the first run that made it left it.

    ``status``: released (its run met its contract), candidate (not judged yet), withheld (its run
    did not meet the contract, or regressed), superseded (known only from who read it).
    """

    version_id: str
    project_id: str
    interface: str
    iteration: int
    digest: str
    parent: str | None
    status: str
    rows: int | None
    owner: str
    pass_rate: float | None

    def as_row(self) -> dict[str, Any]:
        """The version in the published columns, with what makes it exact."""
        return {
            "version_id": self.version_id,
            "project_id": self.project_id,
            "interface": self.interface,
            "iteration": self.iteration,
            "digest": self.digest,
            "parent_version": self.parent,
            "status": self.status,
            "quality_score": self.pass_rate,
            "record_count": self.rows,
            "owner": self.owner,
        }


@dataclass(frozen=True, slots=True)
class Experiment:
    """One measured run: what it made and read, and how it compares with the last accepted one."""

    run_id: str
    project_id: str
    iteration: int
    ended: datetime | None
    status: Status
    made: tuple[tuple[str, str], ...]
    read: tuple[tuple[str, str], ...]
    primary: float | None
    latency_ms: float | None
    reasons: tuple[str, ...]
    regressed: tuple[str, ...]
    failed_checks: tuple[str, ...]
    pass_rate: float | None = None
    judged: bool = True

    @property
    def decision(self) -> str:
        """What follows from the status; a run of this iteration is judged in the next one."""
        return DECISIONS[self.status] if self.judged else "pending"

    @property
    def artifact_id(self) -> str:
        """A name for what the run left behind."""
        return f"{self.project_id}/{self.run_id[:12]}"


Judge = Callable[[ProjectEvidence], tuple[str, ...]]


def experiments_of(
    history: Iterable[Collected], contracts: Mapping[str, Contract], why_not: Judge, *, observer: str
) -> list[Experiment]:
    """Every measured run of the history, oldest iteration first; ``why_not`` says why one is not consumable.

    Published figures are no runs of anything here, and a carried run was judged in its own turn.
    The ``observer`` is the project that asks: its figures describe the others, so that theirs
    getting worse is no regression of its own.
    """
    accepted: dict[str, ProjectEvidence] = {}
    found = []
    for collected in history:
        for project_id, evidence in collected.evidence.items():
            contract = contracts.get(project_id)
            measured = evidence.kind in (EvidenceKind.MEASURED, EvidenceKind.ADOPTED)
            if contract is None or not measured or evidence.carried_from is not None or evidence.run_id is None:
                continue
            experiment = _experiment(
                evidence, contract, None if project_id == observer else accepted.get(project_id), why_not(evidence)
            )
            found.append(experiment)
            if experiment.status == "completed":
                accepted[project_id] = evidence
    return found


def _experiment(
    evidence: ProjectEvidence, contract: Contract, before: ProjectEvidence | None, reasons: tuple[str, ...]
) -> Experiment:
    worse = tuple(kpi.name for kpi in contract.kpis if before is not None and is_worse(kpi, evidence, before))
    status: Status = "failed" if reasons else "regressed" if worse else "completed"
    primary = next((kpi for kpi in contract.kpis if kpi.required), contract.kpis[0])
    slow = next((kpi for kpi in contract.kpis if kpi.unit == "ms"), None)
    return Experiment(
        run_id=str(evidence.run_id),
        project_id=evidence.project_id,
        iteration=evidence.iteration,
        ended=evidence.ended,
        status=status,
        made=tuple((name, version.digest) for name, version in sorted(evidence.interfaces_out.items())),
        read=tuple(sorted((item.name, item.digest) for item in evidence.interfaces_in)),
        primary=_value(evidence, primary.name),
        latency_ms=_value(evidence, slow.name) if slow else None,
        reasons=reasons,
        regressed=worse,
        failed_checks=tuple(
            sorted(
                name
                for name, outcome in evidence.checks.not_passed.items()
                if outcome in (Outcome.FAILED, Outcome.ERROR)
            )
        ),
        pass_rate=evidence.checks.pass_rate,
    )


def _value(evidence: ProjectEvidence, kpi: str) -> float | None:
    measured = evidence.kpis.get(kpi)
    return measured.value if measured else None


def is_worse(kpi: Kpi, evidence: ProjectEvidence, before: ProjectEvidence) -> bool:
    """Whether a KPI is worse than before by more than its tolerance and the noise allowed.

    A KPI without a target describes the input, and an unknown value is no regression: whether it
    may be unknown is the contract's question.
    """
    now, then = _value(evidence, kpi.name), _value(before, kpi.name)
    if kpi.target is None or now is None or then is None:
        return False
    if kpi.unit in TIME_UNITS:
        slower, faster = (now, then) if kpi.direction == "lower" else (then, now)
        return slower > faster * (1 + TIME_ALLOWANCE)
    loss = then - now if kpi.direction == "higher" else now - then
    return loss > max(kpi.tolerance or 0.0, RELATIVE_ALLOWANCE * abs(then))


class Catalogue:
    """Versions by (interface, digest), each with the one before it as its parent."""

    def __init__(self, contracts: Mapping[str, Contract]) -> None:
        self._contracts = contracts
        self._makers = {item.name: name for name, contract in contracts.items() for item in contract.interfaces_out}
        self._versions: dict[tuple[str, str], Version] = {}
        self._latest: dict[str, str] = {}

    @property
    def versions(self) -> list[Version]:
        """Every version, oldest first."""
        return list(self._versions.values())

    def find(self, interface: str, digest: str) -> Version | None:
        """The version of that content, if it is known."""
        return self._versions.get((interface, digest))

    def add(
        self, interface: str, digest: str, iteration: int, status: str, rows: int | None, pass_rate: float | None
    ) -> Version:
        """The version of that content: known, or registered now.

        What was released stays released; what was withheld is released by a later run that is in order.
        """
        known = self.find(interface, digest)
        if known is not None:
            if status == "released" and known.status != "released":
                known = self._versions[interface, digest] = replace(known, status=status, pass_rate=pass_rate)
            return known
        maker = self._makers[interface]
        same = sum(item.interface == interface and item.iteration == iteration for item in self._versions.values())
        name = f"{interface}@{iteration}" + (f".{same}" if same else "")
        parent = self._latest.get(interface)
        owner = self._contracts[maker].owner
        version = Version(name, maker, interface, iteration, digest, parent, status, rows, owner, pass_rate)
        self._versions[interface, digest] = version
        if status in ("released", "candidate"):
            self._latest[interface] = name
        return version

    def fallback(self, interface: str, iteration: int) -> Version | None:
        """The newest released version of an interface from before an iteration."""
        fit = [
            item
            for item in self._versions.values()
            if item.interface == interface and item.status == "released" and item.iteration < iteration
        ]
        return fit[-1] if fit else None


def catalogue_of(
    history: Iterable[Collected], experiments: Iterable[Experiment], contracts: Mapping[str, Contract]
) -> Catalogue:
    """The versions that the history's runs made, and those only their readers know."""
    catalogue = Catalogue(contracts)
    by_iteration: dict[int, list[Experiment]] = {}
    for experiment in experiments:
        by_iteration.setdefault(experiment.iteration, []).append(experiment)
    for collected in history:
        runs = by_iteration.get(collected.iteration, [])
        for run in runs:
            status = "released" if run.status == "completed" else "withheld"
            for interface, digest in run.made:
                rows = _made(collected, run.project_id, interface).rows
                catalogue.add(interface, digest, run.iteration, status, rows, run.pass_rate)
        _add_superseded(catalogue, collected, runs, contracts)
    return catalogue


def _made(collected: Collected, project_id: str, interface: str) -> InterfaceVersion:
    return collected.evidence[project_id].interfaces_out[interface]


def _add_superseded(
    catalogue: Catalogue, collected: Collected, runs: Iterable[Experiment], contracts: Mapping[str, Contract]
) -> None:
    """Versions that were read and whose run a newer one has replaced: the server says so of that project."""
    replaced = {item.project_id for item in collected.skipped if item.reason.startswith("superseded")}
    makers = {item.name: name for name, contract in contracts.items() for item in contract.interfaces_out}
    for run in runs:
        for interface, digest in run.read:
            if catalogue.find(interface, digest) is None and makers.get(interface) in replaced:
                catalogue.add(interface, digest, collected.iteration, "superseded", None, None)
