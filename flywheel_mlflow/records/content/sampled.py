"""Makes the content profile of rows that were sampled while data were read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from flywheel_mlflow.promises.interfaces import InterfaceOut
from flywheel_mlflow.records.checks import PlaceOf
from flywheel_mlflow.records.content.building import ContentRule, SampledRow, content_of
from flywheel_mlflow.records.content.media import NO_MEDIA, MediaContent, MediaFile, look_at_media
from flywheel_mlflow.records.content.profile import ContentProfile
from flywheel_mlflow.records.fingerprints import Hashes
from flywheel_mlflow.records.profiles import Profile
from flywheel_mlflow.records.profiling import SampledRecord

NO_FILES: Mapping[str, MediaFile] = MappingProxyType({})


def sampled_rows(records: Sequence[SampledRecord], hashes: Hashes, place_of: PlaceOf) -> list[SampledRow]:
    """The sampled records with their places, and whether other rows have the same content.

    ``hashes`` are the fingerprints of all rows, 0 for one without content.
    """
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
    return rows


def sampled_content(
    spec: InterfaceOut, profile: Profile, rows: Sequence[SampledRow], media: Mapping[str, MediaFile] = NO_FILES
) -> tuple[ContentProfile | None, MediaContent]:
    """The content profile of an interface's sample, and what was seen of its media; None where the contract wants none.

    ``media`` are the files beside the records, by name.
    """
    if not spec.content.judged:
        return None, NO_MEDIA
    rule = ContentRule(spec.content.fields, frozenset(signal.name for signal in profile.signals))
    looked = look_at_media([row.record for row in rows], list(filter(rule.takes, spec.media)), media)
    return content_of(rows, rule, looked), looked
