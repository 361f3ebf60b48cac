"""Outcome rows: what came of each unit, read from a file and added up by variant.

A row names the unit, its variant and the numbers of the metrics::

    {"unit": "user-7", "variant": "b", "answered": true, "seconds": 2.4}
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.experiments.moments import Moments, moments_of
from flywheel_mlflow.promises.experiments import Experiment, OutcomeMetric
from flywheel_mlflow.records.reading import reader_for
from flywheel_mlflow.records.sources import data_at

#: What a row must have beside the metrics.
UNIT, VARIANT = "unit", "variant"

Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Outcome rows of one file, or of several together.

    ``rows`` counts them by variant; ``moments`` are by metric and variant; ``missing`` counts rows without a metric (or
    its covariate) by metric; ``left_out`` counts the rows that do not count at all, by reason.
    """

    rows: Mapping[str, int]
    moments: Mapping[str, Mapping[str, Moments]]
    missing: Mapping[str, int]
    left_out: Mapping[str, int]

    def __add__(self, other: Outcomes) -> Outcomes:
        """Both together; they are of the same experiment."""
        return Outcomes(
            _added(self.rows, other.rows),
            {
                metric: {name: item + other.moments[metric][name] for name, item in found.items()}
                for metric, found in self.moments.items()
            },
            _added(self.missing, other.missing),
            _added(self.left_out, other.left_out),
        )


def _added(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in (*one, *(key for key in other if key not in one))}


def no_outcomes(experiment: Experiment) -> Outcomes:
    """What is known before the first row."""
    names = [metric.name for metric in experiment.metrics]
    empty = {name: dict.fromkeys(experiment.variants, Moments()) for name in names}
    return Outcomes(dict.fromkeys(experiment.variants, 0), empty, dict.fromkeys(names, 0), {})


def read_outcomes(experiment: Experiment, path: Path, known: Hashes) -> tuple[Outcomes, Hashes]:
    """The outcomes of a JSONL or Parquet file, and the hashes of its units.

    A unit counts once: its first row does, whichever file that is in. ``known`` are the hashes of the units that came
    before, in any order.

    Raises:
        InputError: the file is neither, cannot be read, or has no row that counts.
    """
    data_format = path.suffix.removeprefix(".")
    if data_format not in ("jsonl", "parquet"):
        raise InputError("outcome rows come as .jsonl or .parquet", where=str(path))
    total, units = no_outcomes(experiment), known
    for file in data_at(path, data_format).files:
        for records in reader_for(file, data_format).batches():
            found, units = _batch(experiment, records, units)
            total += found
        file.check_unchanged()
    if not any(total.rows.values()):
        told = ", ".join(f"{count} {why}" for why, count in total.left_out.items()) or "the file is empty"
        raise InputError(
            f"no row counts: {told}",
            where=str(path),
            hint=f"a row needs {UNIT!r}, {VARIANT!r} (one of {', '.join(experiment.variants)}) and the metrics",
        )
    return total, units[len(known) :]


def _batch(experiment: Experiment, records: Iterable[Mapping[str, Any]], known: Hashes) -> tuple[Outcomes, Hashes]:
    left_out: Counter[str] = Counter()
    rows: list[tuple[str, Mapping[str, Any]]] = []
    hashes: list[int] = []
    for record in records:
        unit, variant = record.get(UNIT), record.get(VARIANT)
        if isinstance(unit, bool) or not isinstance(unit, str | int) or unit == "":
            left_out["without a unit"] += 1
        elif variant not in experiment.variants:
            left_out["of no variant of the experiment"] += 1
        else:
            rows.append((str(variant), record))
            hashes.append(_hash(str(unit)))
    found = np.array(hashes, dtype=np.uint64)
    _, first = np.unique(found, return_index=True)
    new = np.zeros(len(found), dtype=bool)
    new[first] = True
    new &= ~np.isin(found, known)
    if repeated := int(len(found) - new.sum()):
        left_out["of a unit that has a row already"] = repeated
    counted = [row for row, is_new in zip(rows, new.tolist(), strict=True) if is_new]
    variants = np.array([variant for variant, _ in counted], dtype=str)
    moments: dict[str, dict[str, Moments]] = {}
    missing: dict[str, int] = {}
    for metric in experiment.metrics:
        values = np.array([_number(record.get(metric.name), metric) for _, record in counted], dtype=np.float64)
        before = None
        there = ~np.isnan(values)
        if metric.covariate:
            before = np.array([_finite(record.get(metric.covariate)) for _, record in counted], dtype=np.float64)
            there &= ~np.isnan(before)
        missing[metric.name] = int(len(values) - there.sum())
        moments[metric.name] = {
            name: moments_of(values[chosen], None if before is None else before[chosen])
            for name in experiment.variants
            for chosen in [there & (variants == name)]
        }
    counts = Counter(variants.tolist())
    outcomes = Outcomes({name: counts[name] for name in experiment.variants}, moments, missing, dict(left_out))
    return outcomes, np.concatenate([known, found[new]])


def _hash(unit: str) -> int:
    digest = blake2b(unit.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def _number(value: object, metric: OutcomeMetric) -> float:
    """A value as the metric takes it; NaN for one that is missing or of another kind."""
    if metric.kind == "rate":
        return float(value) if isinstance(value, bool | int | float) and value in (0, 1) else math.nan
    return _finite(value)


def _finite(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return math.nan
    return float(value)
