"""Sends what ran as OpenLineage run events, by OpenLineage's own client: the wall to it.

Where they go is the client's own configuration (``OPENLINEAGE_URL``, ``OPENLINEAGE_CONFIG``, ``openlineage.yml``), or a
file with one event a line. Specification: https://openlineage.io/docs/spec/object-model.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import NAMESPACE_URL, uuid5

from flywheel_mlflow.base.settings import redacted
from flywheel_mlflow.evidence.runs import Check, CheckSeverity, InterfaceVersion, Outcome
from flywheel_mlflow.records.data_fields import SchemaNode, schema_tree

if TYPE_CHECKING:
    from openlineage.client.event_v2 import RunEvent
    from openlineage.client.generated.schema_dataset import SchemaDatasetFacetFields

    from flywheel_mlflow.records.profiles import Profile, Signal

#: Says that the client's own configuration decides where events go; anything else is a file.
BY_CONFIGURATION: Final = "on"
#: Who makes the events, in the form that OpenLineage asks for.
PRODUCER: Final = "urn:flywheel-mlflow"
#: Quantiles of a column that a profile can tell.
_QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
_STATUSES: Final = {Outcome.PASSED: "pass", Outcome.SKIPPED: "skip"}
_WHERE_TO: Final = "set OPENLINEAGE_URL, write an openlineage.yml, or give a file"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """One interface as a run read or made it.

    ``version`` None: only its name is known. ``checks`` are those about it; ``owner`` is a team's id.
    """

    name: str
    version: InterfaceVersion | None = None
    digest: str = ""
    title: str = ""
    owner: str = ""
    profile: Profile | None = None
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True, slots=True)
class RunFacts:
    """One finished run: ``key`` tells it from every other run of the flywheel, and is the same when it is sent again.

    ``parent`` is job and key of the run it was part of; ``labels`` are words about the run by name.
    """

    job: str
    key: str
    ended: datetime
    title: str = ""
    owner: str = ""
    inputs: tuple[DatasetFacts, ...] = ()
    outputs: tuple[DatasetFacts, ...] = ()
    checks: tuple[Check, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    parent: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """How many of the events were sent; ``why`` the others were not, empty when all were."""

    sent: int
    total: int
    why: str = ""

    def __str__(self) -> str:
        """One sentence."""
        return f"{self.sent} of {self.total} OpenLineage events sent" + (f": {self.why}" if self.why else "")


def send_runs(runs: Iterable[RunFacts], *, flywheel: str, target: str) -> Sent:
    """Send a run event for each run; what goes wrong is told in the answer, since no act may fail by it.

    Args:
        runs: what ran.
        flywheel: the flywheel's name, the namespace of its jobs and datasets.
        target: ``on``, or a file to which events are appended.
    """
    facts = tuple(runs)
    sent = 0
    try:
        from openlineage.client import OpenLineageClient, set_producer
        from openlineage.client.transport.file import FileConfig, FileTransport

        # Handed over as it is: a file that was asked for by name wins over the client's own configuration.
        file = None if target == BY_CONFIGURATION else FileTransport(FileConfig(log_file_path=target, append=True))
        with _quiet(logging.getLogger("openlineage.client.client")):
            client = OpenLineageClient(transport=file)
        if client.transport.kind == "noop":
            return Sent(0, 0)  # OPENLINEAGE_DISABLED
        if client.transport.kind == "console" and not (client.config.transport or {}).get("type"):
            return Sent(0, len(facts), f"nobody said where to: {_WHERE_TO}")
        set_producer(PRODUCER)
        for item in facts:
            client.emit(_event(item, flywheel))
            sent += 1
        client.close()
    except ImportError as error:
        _LOG.debug("OpenLineage: %s", error)
        return Sent(sent, len(facts), "its client is not installed: pip install 'flywheel-mlflow[openlineage]'")
    except Exception as error:  # noqa: BLE001 - any transport may be configured, and whatever it raises undoes no act
        return Sent(sent, len(facts), redacted(f"{type(error).__name__}: {error}".splitlines()[0])[:300])
    return Sent(sent, len(facts))


@contextmanager
def _quiet(log: logging.Logger) -> Iterator[None]:
    """Without a configuration the client announces that it prints events, which is refused below."""
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


def run_id_of(flywheel: str, key: str) -> str:
    """The UUID of a run, the same whenever and wherever it is asked for."""
    return str(uuid5(NAMESPACE_URL, f"{PRODUCER}:{flywheel}:{key}"))


def _event(run: RunFacts, flywheel: str) -> RunEvent:
    from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
    from openlineage.client.facet_v2 import output_statistics_output_dataset as statistics

    inputs = [
        InputDataset(flywheel, item.name, facets=_dataset_facets(item, flywheel), inputFacets=_assertions(item))
        for item in run.inputs
    ]
    outputs = []
    for item in run.outputs:
        written = item.version
        made = statistics.OutputStatisticsOutputDatasetFacet(
            rowCount=written.rows if written else None, size=written.bytes if written else None
        )
        outputs.append(
            OutputDataset(
                flywheel,
                item.name,
                facets=_dataset_facets(item, flywheel),
                outputFacets={"outputStatistics": made} if written else {},
            )
        )
    return RunEvent(
        eventTime=run.ended.astimezone(UTC).isoformat(timespec="milliseconds"),
        eventType=RunState.COMPLETE,
        run=Run(run_id_of(flywheel, run.key), facets=_run_facets(run, flywheel)),
        job=Job(flywheel, run.job, facets=_job_facets(run)),
        inputs=inputs,
        outputs=outputs,
        producer=PRODUCER,
    )


def _run_facets(run: RunFacts, flywheel: str) -> dict[str, Any]:
    from openlineage.client.facet_v2 import parent_run, tags_run, test_run

    facets: dict[str, Any] = {
        "tags": tags_run.TagsRunFacet(
            [tags_run.TagsRunFacetFields(key, value, source="FLYWHEEL") for key, value in run.labels.items()]
        )
    }
    if run.parent:
        job, key = run.parent
        facets["parent"] = parent_run.ParentRunFacet(
            parent_run.Run(run_id_of(flywheel, key)), parent_run.Job(flywheel, job)
        )
    if run.checks:
        facets["test"] = test_run.TestRunFacet(
            [
                test_run.TestExecution(
                    check.name,
                    _STATUSES.get(check.outcome, "fail"),
                    severity=_severity(check),
                    description=check.message or None,
                )
                for check in run.checks
            ]
        )
    return facets


def _job_facets(run: RunFacts) -> dict[str, Any]:
    from openlineage.client.facet_v2 import documentation_job, job_type_job, ownership_job

    facets: dict[str, Any] = {
        "jobType": job_type_job.JobTypeJobFacet(processingType="BATCH", integration="FLYWHEEL", jobType="RUN")
    }
    if run.title:
        facets["documentation"] = documentation_job.DocumentationJobFacet(run.title)
    if run.owner:
        facets["ownership"] = ownership_job.OwnershipJobFacet([ownership_job.Owner(f"team:{run.owner}", "OWNER")])
    return facets


def _dataset_facets(item: DatasetFacts, flywheel: str) -> dict[str, Any]:
    from openlineage.client.facet_v2 import (
        data_quality_metrics_dataset,
        dataset_version_dataset,
        datasource_dataset,
        documentation_dataset,
        ownership_dataset,
        schema_dataset,
    )

    facets: dict[str, Any] = {}
    if item.title:
        facets["documentation"] = documentation_dataset.DocumentationDatasetFacet(item.title)
    if item.owner:
        owner = ownership_dataset.Owner(f"team:{item.owner}", "OWNER")
        facets["ownership"] = ownership_dataset.OwnershipDatasetFacet([owner])
    if item.digest:
        facets["version"] = dataset_version_dataset.DatasetVersionDatasetFacet(item.digest)
    version = item.version
    if version is None:
        return facets
    facets["dataSource"] = datasource_dataset.DatasourceDatasetFacet(name=flywheel, uri=version.uri)
    if version.fields:
        facets["schema"] = schema_dataset.SchemaDatasetFacet(
            [_schema_field(node) for node in schema_tree(version.fields)]
        )
    signals = item.profile.signals if item.profile else ()
    facets["dataQualityMetrics"] = data_quality_metrics_dataset.DataQualityMetricsDatasetFacet(
        columnMetrics={signal.name: _column(signal) for signal in signals}, rowCount=version.rows, bytes=version.bytes
    )
    return facets


def _schema_field(node: SchemaNode) -> SchemaDatasetFacetFields:
    from openlineage.client.generated.schema_dataset import SchemaDatasetFacetFields

    inside = [_schema_field(child) for child in node.children]
    if node.element is not None:
        inside.append(_schema_field(replace(node.element, name="_element")))  # as OpenLineage names what is in arrays
    return SchemaDatasetFacetFields(node.name, node.type, fields=inside)


def _column(signal: Signal) -> Any:
    from openlineage.client.facet_v2 import data_quality_metrics_dataset

    quantiles = {f"{share:g}": value for share in _QUANTILES if (value := signal.quantile(share)) is not None}
    return data_quality_metrics_dataset.ColumnMetrics(
        nullCount=signal.missing,
        distinctCount=signal.distinct if signal.categories else None,  # a profile counts different texts alone
        count=signal.count,
        min=signal.minimum,
        max=signal.maximum,
        sum=None if signal.mean is None else signal.mean * signal.count,
        quantiles=quantiles or None,
    )


def _assertions(item: DatasetFacts) -> dict[str, Any]:
    """The checks about a dataset that were carried out; OpenLineage has no word for one that was skipped."""
    from openlineage.client.facet_v2 import data_quality_assertions_dataset as quality

    made = [
        quality.Assertion(
            check.name.removeprefix(f"{item.name}."),
            check.outcome is Outcome.PASSED,
            severity=_severity(check),
            description=check.message or None,
        )
        for check in item.checks
        if check.outcome is not Outcome.SKIPPED
    ]
    return {"dataQualityAssertions": quality.DataQualityAssertionsDatasetFacet(made)} if made else {}


def _severity(check: Check) -> str:
    return "warn" if check.severity is CheckSeverity.WARNING else "error"
