"""What an evaluation by MLflow's scorers showed: outcomes by question and scorer, and the records that were judged."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flywheel_mlflow.base.canonical import canonical_json, digest_of, sha256_text, short_digest
from flywheel_mlflow.base.names import MAX_LABEL_LENGTH
from flywheel_mlflow.base.paths import metric_names
from flywheel_mlflow.evidence.runs import Check, CheckSeverity, KpiValue, Outcome
from flywheel_mlflow.evidence.samples import MAX_SAMPLES, JudgedRecords, KpiSamples, SampleId
from flywheel_mlflow.promises.contract import Contract

#: How MLflow calls the metric that is the mean of a scorer's outcomes, after the scorer's name.
MEAN = "/mean"
#: What a run keeps of its evaluations, in our folder.
EVALUATION_FILE = "evaluation.json"


@dataclass(frozen=True, slots=True)
class EvaluatedDataset:
    """A data set as MLflow noted it on the run.

    ``digest`` is MLflow's: of an evaluation dataset it names the moment of its last change, not its content. ``rows``
    is None where MLflow noted none; ``dataset_id`` is empty where the data are no evaluation dataset.
    """

    name: str
    digest: str
    rows: int | None = None
    dataset_id: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one scorer said about one answer: a value, or that it ``failed``."""

    scorer: str
    value: object = None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class JudgedAnswer:
    """One answer of an evaluation: the record it answers, as :func:`record_id` names it, and what scorers said.

    ``trace_id`` is where MLflow shows it, empty where nobody knows.
    """

    record: SampleId
    judgements: tuple[Judgement, ...] = ()
    trace_id: str = ""


@dataclass(frozen=True, slots=True)
class ScorerOutcomes:
    """The outcomes of one scorer.

    ``outcomes`` holds a number for each record, the mean where a record was answered several times. ``answered`` counts
    the answers it judged, ``failed`` those on which it failed, ``missing`` the other rows of the data, about which it
    said no number, yes or no, or whose answer MLflow did not keep; None where the rows are not known. ``mean`` is over
    the judged answers alone, ``stderr`` its standard error, None for fewer than two.
    """

    outcomes: Mapping[SampleId, float]
    answered: int
    failed: int
    missing: int | None
    mean: float
    stderr: float | None

    @property
    def shortfall(self) -> str:
        """What is missing, in words; empty when every answer was judged."""
        parts = [(self.failed, "the scorer failed on"), (self.missing, "no outcome for")]
        return ", ".join(f"{words} {count}" for count, words in parts if count)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All evaluations that one run holds, by scorer; ``failed`` are scorers without any outcome, by failures.

    ``answers`` are those MLflow kept, ``rows`` those it noted for the one data set; None for several, or for none.
    ``traces`` are by record, the last answer where there were several.
    """

    datasets: tuple[EvaluatedDataset, ...]
    judged: JudgedRecords
    answers: int
    rows: int | None
    scorers: Mapping[str, ScorerOutcomes]
    failed: Mapping[str, int] = field(default_factory=dict)
    traces: Mapping[SampleId, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EvaluatedKpis:
    """What an evaluation says about the KPIs of a contract.

    ``values`` and ``samples`` are by KPI. ``remarks`` are sentences for people: what is known of each, and what is not.
    """

    values: Mapping[str, KpiValue]
    samples: Mapping[str, KpiSamples]
    remarks: tuple[str, ...]


def record_id(inputs: object, expectations: object) -> SampleId:
    """What names a record in every evaluation and version of its data set: 32 hex digits of its content.

    A record whose expectations changed is another one: its outcomes are not comparable.

    Raises:
        TypeError, ValueError, RecursionError: the content is no JSON, or nested without end.
    """
    return short_digest(sha256_text(canonical_json(_whole({"inputs": inputs, "expectations": expectations or {}}))))


def _whole(value: object) -> object:
    """The value with 4.0 as 4: MLflow keeps numbers of assessments as floats."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {str(key): _whole(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_whole(item) for item in value]
    return value


def outcome_of(value: object) -> float | None:
    """The number MLflow makes of a scorer's answer: numbers, True and False, yes and no; None for anything else."""
    if isinstance(value, bool | int | float):
        return float(value) if math.isfinite(value) else None
    word = value.lower() if isinstance(value, str) else ""
    return float(word == "yes") if word in ("yes", "no") else None


def evaluation_of(answers: Iterable[JudgedAnswer], datasets: Iterable[EvaluatedDataset]) -> Evaluation | None:
    """The evaluation in a run's answers; None when nothing was judged."""
    kept = tuple(answers)
    noted = tuple(sorted(set(datasets), key=lambda item: (item.name, item.digest)))
    values: dict[str, dict[SampleId, list[float]]] = defaultdict(lambda: defaultdict(list))
    failures: dict[str, int] = defaultdict(int)
    for answer in kept:
        for item in answer.judgements:
            number = None if item.failed else outcome_of(item.value)
            if number is not None:
                values[item.scorer][answer.record].append(number)
            elif item.failed:
                failures[item.scorer] += 1
    if not values and not failures:
        return None
    records = sorted({answer.record for answer in kept})
    name = ", ".join(dict.fromkeys(item.name for item in noted)) or "unnamed data"
    rows = noted[0].rows if len(noted) == 1 else None
    return Evaluation(
        noted,
        JudgedRecords(name, len(records), digest_of(records)),
        len(kept),
        rows,
        {name: _outcomes(found, failures[name], rows) for name, found in sorted(values.items())},
        {name: count for name, count in sorted(failures.items()) if name not in values},
        {answer.record: answer.trace_id for answer in kept if answer.trace_id},
    )


def _outcomes(found: Mapping[SampleId, list[float]], failed: int, rows: int | None) -> ScorerOutcomes:
    values = [value for of_record in found.values() for value in of_record]
    mean = math.fsum(values) / len(values)
    spread = math.fsum((value - mean) ** 2 for value in values)
    return ScorerOutcomes(
        outcomes={record: math.fsum(items) / len(items) for record, items in sorted(found.items())},
        answered=len(values),
        failed=failed,
        missing=None if rows is None else max(0, rows - len(values) - failed),
        mean=mean,
        stderr=math.sqrt(spread / (len(values) - 1) / len(values)) if len(values) > 1 else None,
    )


def evaluated_kpis(evaluation: Evaluation, contract: Contract, metrics: Mapping[str, float]) -> EvaluatedKpis:
    """The KPIs that are the mean of a scorer, with sample size and outcomes.

    The sample size is known only where the outcomes on the traces are those that the metric is the mean of: two
    evaluations by one scorer on one run leave one metric and the outcomes of both, and a busy store may lose answers.
    """
    lost = evaluation.rows is not None and evaluation.answers < evaluation.rows
    values: dict[str, KpiValue] = {}
    samples: dict[str, KpiSamples] = {}
    remarks: list[str] = []
    for kpi in contract.kpis:
        names = (*metric_names(kpi.path), kpi.name)
        failed = next((name for name in names if name.removesuffix(MEAN) in evaluation.failed), "").removesuffix(MEAN)
        if failed:
            remarks.append(f"{kpi.name}: unknown, the scorer {failed} failed on {evaluation.failed[failed]} answers")
        metric = next((name for name in names if name in metrics), "")
        scorer = metric.removesuffix(MEAN)
        found = evaluation.scorers.get(scorer) if metric.endswith(MEAN) else None
        if found is None:
            continue
        if not lost and not math.isclose(found.mean, metrics[metric], rel_tol=1e-6, abs_tol=1e-9):
            remarks.append(
                f"{kpi.name}: the outcomes of {scorer} on the traces have the mean {found.mean:.4g} and {metric} is "
                f"{metrics[metric]:.4g}, so its sample size is unknown: evaluate once for each run and scorer"
            )
            continue
        # A share of known size needs no standard error, which would be 0 for one of 0 or 1.
        stderr = None if set(found.outcomes.values()) <= {0.0, 1.0} else found.stderr
        values[kpi.name] = KpiValue(metrics[metric]) if lost else KpiValue(metrics[metric], found.answered, stderr)
        judged = evaluation.judged
        missing = f", {found.shortfall}" if found.shortfall else ""
        missing += "; MLflow lost answers, so the sample size is unknown" if lost else ""
        remarks.append(f"{kpi.name}: {found.answered} answers to {judged.records} records of {judged.name}{missing}")
        if len(found.outcomes) <= MAX_SAMPLES:
            traces = {name: evaluation.traces[name] for name in found.outcomes if name in evaluation.traces}
            samples[kpi.name] = KpiSamples(kpi.name, dict(found.outcomes), judged, traces)
        else:
            remarks.append(f"{kpi.name}: {len(found.outcomes):,} samples are not kept, at most {MAX_SAMPLES:,} are")
    return EvaluatedKpis(values, samples, tuple(remarks))


def scorer_checks(evaluation: Evaluation) -> tuple[Check, ...]:
    """A warning for each scorer that did not judge every answer: its mean is over fewer than one might think."""
    short = {
        _check_name(name): f"{found.answered} answers judged: {found.shortfall}"
        for name, found in evaluation.scorers.items()
        if found.shortfall
    }
    short |= {
        _check_name(name): f"no answer judged: the scorer failed on {count}"
        for name, count in evaluation.failed.items()
    }
    return tuple(
        Check(name, Outcome.ERROR, text, CheckSeverity.WARNING, "mlflow.genai.evaluate")
        for name, text in sorted(short.items())
    )


def _check_name(scorer: str) -> str:
    """Whoever writes a scorer chooses its name."""
    return f"evaluation by {''.join(letter for letter in scorer if letter.isprintable())}"[:MAX_LABEL_LENGTH].strip()


def evaluation_document(evaluation: Evaluation) -> dict[str, Any]:
    """The evaluation as a run keeps it beside its samples: data sets, and the counts of each scorer."""
    counts = {
        name: {"answered": item.answered, "failed": item.failed, "missing": item.missing, "mean": item.mean}
        for name, item in evaluation.scorers.items()
    }
    failed = {
        name: {"answered": 0, "failed": count, "missing": None, "mean": None}
        for name, count in evaluation.failed.items()
    }
    return {
        "datasets": evaluation.datasets,
        "judged": evaluation.judged,
        "answers": evaluation.answers,
        "rows": evaluation.rows,
        "scorers": {**counts, **failed},
        "format_version": 1,
    }
