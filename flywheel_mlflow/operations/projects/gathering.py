"""What a project run has gathered so far, checked against its contract as it comes in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any

from flywheel_mlflow.base.canonical import sha256_text
from flywheel_mlflow.base.documents import is_there, value_at
from flywheel_mlflow.base.errors import InputError, UnknownName
from flywheel_mlflow.base.names import check_label, likely, meant
from flywheel_mlflow.base.paths import Parts, metric_names, quote_path
from flywheel_mlflow.base.storable import (
    MAX_PARAM_LENGTH,
    MAX_TAG_LENGTH,
    check_key,
    check_plain,
    check_text,
    is_finite,
    number,
    outcome,
)
from flywheel_mlflow.evidence.runs import (
    NO_RESOURCES,
    RESOURCE,
    Check,
    CheckSeverity,
    ConsumedInterface,
    Costs,
    EvidenceKind,
    InterfaceVersion,
    KpiValue,
    Outcome,
    ProjectEvidence,
    Resources,
    summarize_checks,
)
from flywheel_mlflow.evidence.samples import MAX_SAMPLES, KpiSamples
from flywheel_mlflow.feedback.failures import KpiFailures, kept_failures
from flywheel_mlflow.feedback.tasks import Task, tasks_file
from flywheel_mlflow.importers.lm_eval import UNKNOWN, kpi_values
from flywheel_mlflow.promises.contract import Contract, Kpi, MetricUse

RESERVED = ("flywheel.", "mlflow.")
#: Numbers of a document among which one that was meant is looked for.
MOST_LOOKED_AT = 500
#: Metric keys this product writes itself.
RESERVED_METRICS = ("checks.", "cost.")


class Gathering:
    """Collects one run's metrics, checks and interfaces; nothing is accepted that could not be kept."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.document: dict[str, Any] = {}
        self.metrics: dict[str, float] = {}
        self.params: dict[str, str] = {}
        self.tags: dict[str, str] = {}
        self.checks: list[Check] = []
        self.interfaces: dict[str, InterfaceVersion] = {}
        self.inputs: set[ConsumedInterface] = set()
        self.samples: dict[str, KpiSamples] = {}
        self.failures: dict[str, KpiFailures] = {}
        self.kpis: dict[str, KpiValue] = {}
        self.tasks: set[str] = set()
        self.task_documents: dict[str, Task] = {}
        self.own_documents: dict[str, Any] = {}
        self._place = "the run's metrics"

    def add_document(
        self, document: Mapping[str, Any], *, place: str, kpis: Mapping[str, KpiValue] = MappingProxyType({})
    ) -> None:
        """Take a metrics document; KPIs are read from it by their paths, but those that were read already.

        Raises:
            InputError: a key given before with another value, or a value that is not JSON (NaN,
                a date, a class).
        """
        check_plain("the metrics document", document, place=place)
        for key, value in document.items():
            if key in self.document and self.document[key] != value:
                raise InputError(f"{str(key)[:80]!r} was already given with another value", where=place)
        self.document.update(document)
        self.kpis.update(kpis)
        self._place = place

    def add_results(self, document: Mapping[str, Any], *, place: str) -> None:
        """Take a metrics document of the contract's format.

        Raises:
            InputError: a KPI's value in it is no number, or cannot be told from another.
        """
        is_lm_eval = self.contract.results.metrics_format == "lm_eval"
        kpis = kpi_values(document, self.contract.kpis, place=place) if is_lm_eval else {}
        self.add_document(document, place=place, kpis=kpis)

    def add_metrics(self, values: Mapping[str, float]) -> None:
        """Take flat numbers; each is logged under its name.

        Raises:
            InputError: NaN, an infinity, no number, or a name MLflow cannot keep.
        """
        for name, value in values.items():
            found = self.checked_metric(name, value)
            if self.metrics.get(name, found) != found:
                raise InputError(
                    f"{name!r} was already given with another value",
                    where=self._place,
                    hint="log it once, or each value with its step: the last one counts",
                )
            if "." not in name:
                self.add_document({name: found}, place=self._place)
            self.metrics[name] = found

    def checked_metric(self, name: str, value: float) -> float:
        """The number, if it may be logged under this name; errors are those of :meth:`add_metrics`."""
        check_key("metric", name)
        if name.startswith(RESERVED_METRICS):
            raise InputError(f"the metric name {name!r} is kept for the flywheel itself", hint="choose another")
        return number(name, value)

    def add_logged(self, values: Mapping[str, float]) -> None:
        """Take what was logged on the run through MLflow; NaN and infinities stay there and are no values.

        Raises:
            InputError: a number given here with another value.
        """
        for name, value in values.items():
            if not is_finite(value):
                continue
            found = int(value) if value.is_integer() and abs(value) < 2**53 else value
            if self.metrics.setdefault(name, found) != found:
                raise InputError(
                    f"{name!r} is {self.metrics[name]} here, and {found} was logged through MLflow",
                    hint="log it once",
                )

    def add_resources(self, taken: Resources) -> None:
        """Take what the run took into the metrics document, unless that says so itself: contracts find it there."""
        self.document.setdefault(RESOURCE, taken.numbers())

    def add_params(self, values: Mapping[str, Any]) -> None:
        """Take parameters; they are kept as text of at most 6,000 characters."""
        for name, value in values.items():
            check_key("parameter", name)
            text = check_text(f"parameter {name}", str(value))
            if len(text) > MAX_PARAM_LENGTH:
                raise InputError(
                    f"the parameter {name} has {len(text)} characters, MLflow keeps {MAX_PARAM_LENGTH}",
                    hint="write it to a file and log that",
                )
            self.params[name] = text

    def add_tags(self, values: Mapping[str, Any]) -> None:
        """Take tags; the prefixes ``flywheel.`` and ``mlflow.`` are not the caller's."""
        for name, value in values.items():
            check_key("tag", name)
            if name.startswith(RESERVED):
                raise InputError(f"the tag {name!r} is kept for the flywheel itself", hint="choose another name")
            text = check_text(f"tag {name}", str(value))
            if len(text) > MAX_TAG_LENGTH:
                raise InputError(f"the tag {name} is longer than the {MAX_TAG_LENGTH} characters MLflow keeps")
            self.tags[name] = text

    def add_tasks(self, read: Iterable[str | Task]) -> None:
        """Take tasks that were read, whole or by id alone; the same one twice is one."""
        for item in read:
            if isinstance(item, Task):
                self.task_documents[item.id] = item
            self.tasks.add(check_label("task", item.id if isinstance(item, Task) else item))

    def add_checks(self, checks: Iterable[Check]) -> None:
        """Take findings.

        Raises:
            InputError: a name given twice, one that cannot stand in a report, or details that
                are not plain values.
        """
        known = {check.name for check in self.checks}
        for check in checks:
            check_label("check", check.name)
            if check.name in known:
                raise InputError(f"the check {check.name!r} was logged twice", hint="give each finding its own name")
            check_plain(f"the check {check.name!r}", (check.message, check.details))
            known.add(check.name)
            self.checks.append(check)

    def add_interface(self, version: InterfaceVersion) -> None:
        """Take the version of a promised interface.

        Raises:
            UnknownName: the contract promises no such interface.
            InputError: it was logged already.
        """
        if self.contract.interface(version.name) is None:
            raise UnknownName("interface", version.name, [item.name for item in self.contract.interfaces_out])
        if version.name in self.interfaces:
            raise InputError(f"the interface {version.name} was logged twice", hint="log each interface once per run")
        self.interfaces[version.name] = version

    def add_input(self, item: ConsumedInterface) -> None:
        """Take an interface version the run read.

        Raises:
            UnknownName: the contract does not say that this project reads it.
        """
        wanted = [entry.name for entry in self.contract.interfaces_in]
        if item.name not in wanted:
            raise UnknownName("input interface", item.name, wanted, where=f"interfaces_in of {self.contract.id}")
        self.inputs.add(item)

    def add_samples(self, kpi: str, values: Mapping[str, float]) -> None:
        """Take the outcome of each sample behind a KPI, by sample id.

        Raises:
            UnknownName: the contract declares no such KPI.
            InputError: given already, empty, too many, an id that cannot be kept, or a value that is not a number.
        """
        self._check_kpi(kpi)
        if kpi in self.samples:
            raise InputError(f"the samples of {kpi} were logged twice", hint="log them once, all together")
        if not 0 < len(values) <= MAX_SAMPLES:
            raise InputError(f"{len(values):,} samples of {kpi}", hint=f"log between 1 and {MAX_SAMPLES:,}")
        found = {check_label("sample", name): outcome(f"sample {name!r}", item) for name, item in values.items()}
        self.samples[kpi] = KpiSamples(kpi, found)

    def add_failures(self, kpi: str, failures: Mapping[str, str], interface: str | None) -> None:
        """Take what failed among the samples of a KPI, in words, by sample id.

        Raises:
            UnknownName: the contract declares no such KPI, or promises no such interface.
            InputError: given already, or an id or text that cannot be kept.
        """
        self._check_kpi(kpi)
        if interface is not None and self.contract.interface(interface) is None:
            raise UnknownName("interface", interface, [item.name for item in self.contract.interfaces_out])
        if kpi in self.failures:
            raise InputError(f"the failures of {kpi} were logged twice", hint="log them once, all together")
        for name, text in failures.items():
            check_label("sample", name)
            if not check_text(f"failure of {name!r}", text).strip():
                raise InputError(
                    f"the failure of sample {name!r} says nothing", hint="say what was expected, what came"
                )
        self.failures[kpi] = kept_failures(kpi, failures, interface)

    def _check_kpi(self, kpi: str) -> None:
        names = [item.name for item in self.contract.kpis]
        if kpi not in names:
            raise UnknownName("KPI", kpi, names, where=f"kpis of {self.contract.id}")

    def evidence(
        self,
        *,
        iteration: int,
        kind: EvidenceKind,
        run_id: str | None,
        code_version: str,
        variant: str = "",
        resources: Resources = NO_RESOURCES,
    ) -> ProjectEvidence:
        """The evidence as the contract asks for it; its digest is made of what the server keeps, when that is written.

        Raises:
            InputError: a required KPI is missing, or a value is not a finite number.
        """
        kpis = {kpi.name: self._kpi(kpi) for kpi in self.contract.kpis}
        costs = Costs(
            self._number_at(self.contract.costs.review_hours), self._number_at(self.contract.costs.review_cost)
        )
        summary = summarize_checks(self.checks, self.contract.kept_checks)
        inputs = tuple(sorted(self.inputs))
        return ProjectEvidence(
            project_id=self.contract.id,
            iteration=iteration,
            kind=kind,
            run_id=run_id,
            ended=None,
            contract_digest=self.contract.digest,
            kpis=kpis,
            checks=summary,
            interfaces_out=dict(sorted(self.interfaces.items())),
            interfaces_in=inputs,
            costs=costs,
            code_version=code_version,
            tasks=tuple(sorted(self.tasks)),
            task_documents=sha256_text(self.tasks_file()) if self.task_documents else "",
            variant=variant,
            resources=resources,
        )

    def tasks_file(self) -> str:
        """The tasks that were read whole, as the file of the run that keeps them."""
        return tasks_file(self.task_documents.values())

    def passed_checks(self) -> tuple[str, ...]:
        """Names of the passed checks, in the order they came."""
        return tuple(check.name for check in self.checks if check.outcome is Outcome.PASSED)

    def missing_paths(self) -> tuple[str, ...]:
        """What of the contract's paths leads nowhere, one sentence each; a null is an answer.

        A size or standard error of "N/A" is none: nobody would notice otherwise.
        """

        def is_given(use: MetricUse) -> bool:
            names = (*metric_names(use.path), *([use.owner] if use.key == "path" else ()))
            if use.key == "path" and use.owner in self.kpis:
                return True
            if any(name in self.metrics for name in names):
                return True
            is_detail = use.key in {"n_path", "stderr_path"}
            return is_there(self.document, use.path) and not (is_detail and _says_unknown(self.document, use.path))

        return tuple(
            f"{use}: nothing at {use.path}{meant(use.path, self._number_paths())}"
            for use in self.contract.metric_paths()
            if not is_given(use)
        )

    def _number_paths(self) -> list[str]:
        """The paths of the first numbers of the document."""
        return [quote_path(parts) for parts in islice(_number_places(self.document), MOST_LOOKED_AT)]

    def _kpi(self, kpi: Kpi) -> KpiValue:
        read = self.kpis.get(kpi.name, KpiValue(None))
        value = read.value if kpi.name in self.kpis else self._number_at(kpi.path)
        if value is None and kpi.name in self.metrics:
            value = self.metrics[kpi.name]
        given = self.metrics.get(kpi.name)
        if given is not None and value is not None and given != value:
            raise InputError(
                f"the KPI {kpi.name} is {value} at {kpi.path} and {given} among the metrics",
                where=self._place,
                hint="give it once",
            )
        if value is None and kpi.required:
            raise InputError(
                f"the KPI {kpi.name} is required, and there is no value at {kpi.path}"
                f"{likely(kpi.path, self._number_paths())}",
                where=self._place,
                hint="write the value there, or correct the path in project.yaml",
            )
        size = self._detail_at(kpi.n_path)
        if size is not None and (size < 0 or int(size) != size):
            raise InputError(f"the sample size at {kpi.n_path} is {size}, not a count", where=self._place)
        stderr = self._detail_at(kpi.stderr_path)
        if stderr is not None and stderr < 0:
            raise InputError(f"the standard error at {kpi.stderr_path} is {stderr}, below 0", where=self._place)
        return KpiValue(
            value,
            int(size) if size is not None else read.n if kpi.n_path is None else None,
            stderr if kpi.stderr_path is not None else read.stderr,
        )

    def _detail_at(self, path: str | None) -> float | None:
        return None if path is not None and _says_unknown(self.document, path) else self._number_at(path)

    def _number_at(self, path: str | None) -> float | None:
        if path is None:
            return None
        value = value_at(self.document, path)
        if value is None:
            value = next((self.metrics[name] for name in metric_names(path) if name in self.metrics), None)
        return None if value is None else number(path, value, place=self._place)


def _says_unknown(document: Mapping[str, Any], path: str) -> bool:
    """Whether a word stands there with which a tool says that it knows no number."""
    value = value_at(document, path)
    return isinstance(value, str) and value in UNKNOWN


def as_check(
    name: str,
    outcome: bool | str | Outcome,
    *,
    message: str = "",
    severity: str | CheckSeverity = CheckSeverity.BLOCKING,
    details: Mapping[str, Any] | None = None,
) -> Check:
    """A finding from what a pipeline says: True and False mean passed and failed.

    Raises:
        InputError: an outcome or severity nobody knows.
    """
    try:
        found = (Outcome.PASSED if outcome else Outcome.FAILED) if isinstance(outcome, bool) else Outcome(outcome)
        weight = CheckSeverity(severity)
    except ValueError as error:
        known = ", ".join([*Outcome, *CheckSeverity])
        raise InputError(f"the check {name[:80]!r}: {error}", hint=f"known: True, False, {known}") from error
    return Check(check_label("check", name), found, message[:2000], weight, "pipeline", dict(details or {}))


def _number_places(document: object, place: Parts = ()) -> Iterator[Parts]:
    """Where the numbers of a document lie."""
    items = document.items() if isinstance(document, Mapping) else ()
    for key, value in items or (enumerate(document) if isinstance(document, list) else ()):
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield (*place, key)
        else:
            yield from _number_places(value, (*place, key))
