"""Makes the content profile of rows that were sampled while data were read."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from flywheel_mlflow.promises.interfaces import InterfaceOut
from flywheel_mlflow.records.checks import PlaceOf
from flywheel_mlflow.records.content.building import ContentRule, SampledRow, content_of
from flywheel_mlflow.records.content.profile import ContentProfile
from flywheel_mlflow.records.fingerprints import Hashes
from flywheel_mlflow.records.profiles import Profile
from flywheel_mlflow.records.profiling import SampledRecord


def sampled_content(
    spec: InterfaceOut, profile: Profile, records: Sequence[SampledRecord], hashes: Hashes, place_of: PlaceOf
) -> ContentProfile | None:
    """The content profile of an interface's sample; None where the contract wants none.

    ``hashes`` are the fingerprints of all rows, 0 for one without content: they tell which content is there twice.
    """
    if not spec.content.judged:
        return None
    ordered = np.sort(hashes)
    asked = np.array([record.fingerprint for record in records], np.uint64)
    copies = np.searchsorted(ordered, asked, side="right") - np.searchsorted(ordered, asked, side="left")
    seen: set[int] = set()
    rows = []
    for record, count in zip(records, copies.tolist(), strict=True):
        again = record.fingerprint in seen
        seen.add(record.fingerprint)
        known = record.fingerprint != 0 and not again
        rows.append(SampledRow(json.loads(record.text), place_of(record.row), count > 1 if known else None))
    rule = ContentRule(spec.content.fields, frozenset(signal.name for signal in profile.signals))
    return content_of(rows, rule)
