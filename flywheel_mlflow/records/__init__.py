"""Interface data, measured in one streamed pass: version, profile, sketches and checks.

Example::

    measured = measure("results/corpus.jsonl", contract.interface("foundation_corpus"))
    measured.version.rows, measured.version.digest
    [check.name for check in measured.checks if check.outcome is not Outcome.PASSED]

Importing it does not import the modules behind its names, since most commands measure nothing: they need numpy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flywheel_mlflow.records.cards import DataCard, FilterNote, load_card
    from flywheel_mlflow.records.containment import Containment, compare_words
    from flywheel_mlflow.records.content.profile import content_to_parquet
    from flywheel_mlflow.records.croissant import to_croissant
    from flywheel_mlflow.records.hugging_face import is_dataset
    from flywheel_mlflow.records.id_sketches import common_ids, id_sketches_from_parquet, id_sketches_to_parquet
    from flywheel_mlflow.records.leakage import HeldOutCase, Leak, Leakage, find_leaks
    from flywheel_mlflow.records.measuring import Measurement, VersionFields, measure
    from flywheel_mlflow.records.profiles import Profile, Signal, bin_edges, profile_from_json
    from flywheel_mlflow.records.sources import DataFile, MeasuredFile, content_digest, find_files
    from flywheel_mlflow.records.word_sketch_files import word_sketches_from_parquet, word_sketches_to_parquet
    from flywheel_mlflow.records.word_sketches import WordSketch

__all__ = [
    "Containment",
    "DataCard",
    "DataFile",
    "FilterNote",
    "HeldOutCase",
    "Leak",
    "Leakage",
    "MeasuredFile",
    "Measurement",
    "Profile",
    "Signal",
    "VersionFields",
    "WordSketch",
    "bin_edges",
    "common_ids",
    "compare_words",
    "content_digest",
    "content_to_parquet",
    "find_files",
    "find_leaks",
    "id_sketches_from_parquet",
    "id_sketches_to_parquet",
    "is_dataset",
    "load_card",
    "measure",
    "profile_from_json",
    "to_croissant",
    "word_sketches_from_parquet",
    "word_sketches_to_parquet",
]

#: Where each name lives.
_HOMES = {
    "Containment": "containment",
    "WordSketch": "word_sketches",
    "DataCard": "cards",
    "DataFile": "sources",
    "FilterNote": "cards",
    "HeldOutCase": "leakage",
    "Leak": "leakage",
    "Leakage": "leakage",
    "MeasuredFile": "sources",
    "Measurement": "measuring",
    "Profile": "profiles",
    "Signal": "profiles",
    "VersionFields": "measuring",
    "bin_edges": "profiles",
    "compare_words": "containment",
    "content_digest": "sources",
    "content_to_parquet": "content.profile",
    "word_sketches_from_parquet": "word_sketch_files",
    "word_sketches_to_parquet": "word_sketch_files",
    "find_files": "sources",
    "find_leaks": "leakage",
    "common_ids": "id_sketches",
    "id_sketches_from_parquet": "id_sketches",
    "id_sketches_to_parquet": "id_sketches",
    "is_dataset": "hugging_face",
    "load_card": "cards",
    "measure": "measuring",
    "profile_from_json": "profiles",
    "to_croissant": "croissant",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
