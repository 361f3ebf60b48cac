"""Profiles data that were logged before, with as large a sample as is asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from flywheel_mlflow.promises.interfaces import InterfaceOut
from flywheel_mlflow.records.batches import Part, make_batch
from flywheel_mlflow.records.blocks import blocks_of, parts_of
from flywheel_mlflow.records.checks import Row
from flywheel_mlflow.records.content.profile import ContentProfile
from flywheel_mlflow.records.content.sampled import sampled_content
from flywheel_mlflow.records.fingerprints import Hashes
from flywheel_mlflow.records.profiles import Profile
from flywheel_mlflow.records.profiling import ProfileBuilder
from flywheel_mlflow.records.reading import Reader, reader_for
from flywheel_mlflow.records.refusals import RowFault
from flywheel_mlflow.records.sources import record_files

#: Rows kept of each interface when whole data are read: shifts of 0.02 standard deviations show, and ten signals
#: of one interface take about 100 MB.
FULL_SAMPLE = 100_000


def profile_of_data(
    path: Path, spec: InterfaceOut, *, sample_size: int = FULL_SAMPLE
) -> tuple[Profile | None, ContentProfile | None]:
    """The profiles of the data at ``path`` with up to ``sample_size`` rows sampled; None for opaque data.

    Raises:
        InputError, RecordError, StorageError: as for ``measure``.
    """
    if spec.record_schema == "opaque":
        return None, None
    hashes: list[Hashes] = []
    readers: list[Reader] = []
    first_rows: dict[Part, int] = {}
    builder = ProfileBuilder(spec.record_schema, sample_size=sample_size)
    for number, file in enumerate(record_files(path, spec.format)):
        reader = reader_for(file, spec.format)
        readers.append(reader)
        before = rows = 0
        for part in parts_of(reader):
            before += rows
            rows = 0
            first_rows[number, part[0]] = before
            try:
                for block in blocks_of(reader, part):
                    batch = make_batch(spec.name, spec.record_schema, (number, part[0]), block)
                    builder.observe(batch)
                    hashes.append(batch.fingerprints)
                    rows += batch.rows
            except RowFault as fault:
                reader.fail(fault.what, reader.place(before + fault.row), hint=fault.hint)
        file.check_unchanged()
    profile = builder.result()

    def place_of(row: Row) -> str:
        (file, _), inside = row
        reader = readers[file]
        return f"{reader.file.name}, {reader.place(first_rows[row[0]] + inside)}"

    return profile, sampled_content(spec, profile, builder.sampled(), np.concatenate(hashes), place_of)
