"""Writes the files of ours that a run keeps: what it said, and what measuring its data gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.base.canonical import document_json
from flywheel_mlflow.evidence.runs import ProjectEvidence
from flywheel_mlflow.operations.projects.gathering import Gathering
from flywheel_mlflow.operations.projects.mlflow_names import OWN_FOLDER

if TYPE_CHECKING:
    from flywheel_mlflow.records import Measurement
    from flywheel_mlflow.records.references import Manifest

#: The tasks a run read, in the folder of our own.
TASKS_FILE = "tasks.json"


def write_own_files(
    folder: Path,
    gathering: Gathering,
    measurements: Mapping[str, Measurement],
    manifests: Mapping[str, Manifest],
    evidence: ProjectEvidence,
) -> None:
    """Write them into a folder; ``measurements`` and ``manifests`` are by interface name."""
    from flywheel_mlflow import records

    documents: dict[str, Any] = {
        "metrics.json": gathering.document,
        "checks.json": gathering.checks,
        "evidence.json": replace(evidence, run_id=None),
        **gathering.own_documents,
    }
    if gathering.task_documents:
        (folder / TASKS_FILE).write_text(gathering.tasks_file(), encoding="utf-8")
    documents |= {f"samples/{name}.json": outcomes for name, outcomes in gathering.samples.items()}
    documents |= {f"failures/{name}.json": failed for name, failed in gathering.failures.items() if failed.total}
    for name, measured in measurements.items():
        documents[f"files/{name}.json"] = measured.files
        if measured.profile is not None:
            documents[f"profiles/{name}.json"] = measured.profile
        if measured.card is not None:
            documents[f"cards/{name}.json"] = measured.card
        elif measured.licences:
            documents[f"cards/{name}.licences.json"] = measured.licences
    documents |= {item.place.removeprefix(f"{OWN_FOLDER}/"): item for item in manifests.values()}
    files: dict[str, bytes] = {place: document_json(item).encode("utf-8") for place, item in documents.items()}
    for name, measured in measurements.items():
        if measured.content is not None:
            files[f"content/{name}.parquet"] = records.content_to_parquet(measured.content)
    if ids := {name: measured.ids for name, measured in measurements.items() if measured.ids}:
        files["ids.parquet"] = records.id_sketches_to_parquet(ids)
    if words := {name: measured.words for name, measured in measurements.items() if measured.words}:
        files["words.parquet"] = records.word_sketches_to_parquet(words)
    for place, content in files.items():
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
