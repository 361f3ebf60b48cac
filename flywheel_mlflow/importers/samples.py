"""Reads the outcome of each sample behind a KPI from JSONL.

A line is ``{"id": "q17", "outcome": 1}``, or one of lm-evaluation-harness' ``samples_*.jsonl`` as it is.
"""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.base.names import label_fault
from flywheel_mlflow.base.paths import parse_path
from flywheel_mlflow.base.storable import number
from flywheel_mlflow.evidence.samples import MAX_SAMPLES
from flywheel_mlflow.promises.contract import Kpi
from flywheel_mlflow.records.reading import JsonLinesReader
from flywheel_mlflow.records.sources import find_files

#: Hex digits of the harness' digest of a question that tell it from that of another version of the data set.
_HASH_LENGTH = 16


class _SampleLines(JsonLinesReader):
    """Lines as the harness writes them: NaN and infinities beside the outcome say nothing about it."""

    constant = float


def read_samples(path: Path, kpi: Kpi) -> dict[str, float]:
    """The outcome of each sample in a file, by its id: 1 and 0 for right and wrong, or any number.

    Raises:
        RecordError: a line that is no sample, or an id that came before; with file and line.
        InputError: there is no such file.
        StorageError: the system refuses to read it.
    """
    if not path.is_file():
        raise InputError("there is no such file", where=str(path), hint="correct results.samples in project.yaml")
    (file,) = find_files(path, "jsonl")
    reader = _SampleLines(file)
    found: dict[str, float] = {}
    lines: dict[str, int] = {}
    filters: set[object] = set()
    wanted = _Harness(kpi)
    for row, record in enumerate(chain.from_iterable(reader.batches())):
        try:
            if "outcome" in record or "doc_id" not in record:
                name, outcome = record.get("id"), record.get("outcome")
            elif wanted.skips(record):
                continue
            else:
                filters.add(record.get("filter"))
                name, outcome = wanted.sample(record)
            name, value = _id(name), _outcome(outcome)
        except ValueError as error:
            reader.fail(str(error), reader.place(row), hint='write {"id": "q17", "outcome": 1}')
        if len(filters) > 1:
            reader.fail(
                f"samples of several filters: {', '.join(sorted(map(str, filters)))}",
                reader.place(row),
                hint=f'name the filter in the path of {kpi.name}, as in task["metric,filter"]',
            )
        if name in found:
            what = f"the id {name!r} is that of {reader.place(lines[name])} too"
            reader.fail(what, reader.place(row), hint="give every sample one line")
        if len(found) == MAX_SAMPLES:
            reader.fail(f"more than {MAX_SAMPLES:,} samples", reader.place(row), hint="log a fixed part of them")
        found[name], lines[name] = value, row
    if not found:
        reader.fail("no sample", hint="write one JSON object a line")
    return found


class _Harness:
    """How lm-evaluation-harness writes the samples of one KPI."""

    def __init__(self, kpi: Kpi) -> None:
        self._metric, _, self._filter = str(parse_path(kpi.path)[-1]).partition(",")

    def skips(self, record: dict[str, Any]) -> bool:
        """Whether a line is of another filter than the KPI's path names."""
        return bool(self._filter) and record.get("filter", self._filter) != self._filter

    def sample(self, record: dict[str, Any]) -> tuple[object, object]:
        """Id and outcome; the id holds the question's digest, so that another version of the data is no pair."""
        if self._metric not in record:
            raise ValueError(f"no metric {self._metric!r} in a sample of lm-evaluation-harness")
        name, digest = record["doc_id"], record.get("doc_hash")
        return (f"{name}:{digest[:_HASH_LENGTH]}" if isinstance(digest, str) else name), record[self._metric]


def _id(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise ValueError("a sample has no id" if value is None else "the id of a sample is no text and no whole number")
    if fault := label_fault(value):
        raise ValueError(f"the id of a sample {fault}")
    return value


def _outcome(value: object) -> float:
    if value is None:
        raise ValueError("a sample has no outcome")
    if isinstance(value, bool):
        return float(value)
    try:
        return float(number("the outcome of a sample", value))
    except InputError as error:
        raise ValueError(error.what) from error
