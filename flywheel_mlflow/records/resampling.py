"""Profiles data that were logged before, with as large a sample as is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from flywheel_mlflow.base.settings import Engine
from flywheel_mlflow.promises.interfaces import InterfaceOut
from flywheel_mlflow.records.batches import Block, Part, RecordSchema, make_batch
from flywheel_mlflow.records.content.media import MediaFile
from flywheel_mlflow.records.content.profile import ContentProfile
from flywheel_mlflow.records.content.sampled import NO_FILES, sampled_content, sampled_rows
from flywheel_mlflow.records.engine import measure_files
from flywheel_mlflow.records.fingerprints import Hashes
from flywheel_mlflow.records.profiles import Profile
from flywheel_mlflow.records.profiling import ProfileBuilder
from flywheel_mlflow.records.ray_engine import connected
from flywheel_mlflow.records.sources import OpenedFile

#: Rows kept of each interface when whole data are read: shifts of 0.02 standard deviations show, and ten signals
#: of one interface take about 100 MB.
FULL_SAMPLE = 100_000


@dataclass(frozen=True, slots=True)
class ProfilePlan:
    """Profiles are to be made, and nothing else."""

    schema: RecordSchema
    sample_size: int

    def begin(self) -> ProfileResult:
        """The profile of no record."""
        return ProfileResult(self)


class ProfileResult:
    """The profile of the records seen so far, and the fingerprints of their contents."""

    def __init__(self, plan: ProfilePlan) -> None:
        self._plan = plan
        self.rows_of: dict[Part, int] = {}
        self.fingerprints: list[Hashes] = []
        self.profile = ProfileBuilder(plan.schema, sample_size=plan.sample_size)

    def observe(self, part: Part, block: Block) -> None:
        """Adds a block.

        Raises:
            RowFault: a record without a usable id, or one that is too long.
        """
        batch = make_batch(self._plan.schema, part, block)
        self.profile.observe(batch)
        self.fingerprints.append(batch.fingerprints)
        self.rows_of[part] = self.rows_of.get(part, 0) + batch.rows

    def merge(self, other: ProfileResult) -> None:
        """Adds what was seen of other records."""
        for part, rows in other.rows_of.items():
            self.rows_of[part] = self.rows_of.get(part, 0) + rows
        self.profile.merge(other.profile)
        self.fingerprints += other.fingerprints


def profile_of_files(
    files: Sequence[OpenedFile],
    spec: InterfaceOut,
    *,
    media: Mapping[str, MediaFile] = NO_FILES,
    sample_size: int = FULL_SAMPLE,
    engine: Engine = "local",
) -> tuple[Profile, ContentProfile | None, tuple[str, ...]]:
    """The profiles of files that hold records, with up to ``sample_size`` rows sampled, and the sha256 of each file.

    ``media`` are the files beside them that records may name.

    Raises:
        InputError, RecordError, StorageError, WorkerLost, ClusterUnreachable: as for ``measure``.
    """
    plan = ProfilePlan("record" if spec.record_schema == "record" else "free", sample_size)
    with connected(engine) as cluster:
        measured = measure_files(plan, files, spec.format, cluster=cluster)
        for file in files:
            file.check_unchanged()
        result = measured.result
        profile, hashes = result.profile.result(), np.concatenate(result.fingerprints)
        rows = sampled_rows(result.profile.sampled(), hashes, measured.place_of)
        content, _ = sampled_content(spec, profile, rows, media)
        return profile, content, measured.digests
