"""Interface data, measured in one streamed pass: version, profile, fingerprints and checks.

Example::

    measured = measure("results/corpus.jsonl", contract.interface("foundation_corpus"))
    measured.version.rows, measured.version.digest
    [check.name for check in measured.checks if check.outcome is not Outcome.PASSED]
"""

from flywheel_mlflow.records.cards import DataCard, FilterNote, load_card
from flywheel_mlflow.records.croissant import to_croissant
from flywheel_mlflow.records.fingerprints import (
    Contamination,
    contamination,
    fingerprints_from_parquet,
    fingerprints_to_parquet,
)
from flywheel_mlflow.records.leakage import HeldOutCase, Leak, Leakage, find_leaks
from flywheel_mlflow.records.measuring import MeasuredFile, Measurement, VersionFields, measure
from flywheel_mlflow.records.profiles import Profile, Signal, bin_edges, profile_from_json
from flywheel_mlflow.records.sources import DataFile, content_digest, find_files

__all__ = [
    "Contamination",
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
    "bin_edges",
    "contamination",
    "content_digest",
    "find_files",
    "find_leaks",
    "fingerprints_from_parquet",
    "fingerprints_to_parquet",
    "load_card",
    "measure",
    "profile_from_json",
    "to_croissant",
]
