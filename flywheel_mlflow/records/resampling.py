"""Profiles data that were logged before, with as large a sample as is asked for."""

from __future__ import annotations

from pathlib import Path

from flywheel_mlflow.promises.contract import InterfaceOut
from flywheel_mlflow.records.batches import make_batch
from flywheel_mlflow.records.blocks import blocks_of, parts_of
from flywheel_mlflow.records.profiles import Profile
from flywheel_mlflow.records.profiling import ProfileBuilder
from flywheel_mlflow.records.reading import reader_for
from flywheel_mlflow.records.refusals import RowFault
from flywheel_mlflow.records.sources import record_files

#: Rows kept of each interface when whole data are read: shifts of 0.02 standard deviations show, and ten signals
#: of one interface take about 100 MB.
FULL_SAMPLE = 100_000


def profile_of_data(path: Path, spec: InterfaceOut, *, sample_size: int = FULL_SAMPLE) -> Profile | None:
    """The profile of the data at ``path`` with up to ``sample_size`` rows sampled; None for opaque data.

    Raises:
        InputError, RecordError, StorageError: as for ``measure``.
    """
    if spec.record_schema == "opaque":
        return None
    builder = ProfileBuilder(spec.record_schema, sample_size=sample_size)
    for number, file in enumerate(record_files(path, spec.format)):
        reader = reader_for(file, spec.format)
        before = rows = 0
        for part in parts_of(reader):
            before += rows
            rows = 0
            try:
                for block in blocks_of(reader, part):
                    builder.observe(make_batch(spec.name, spec.record_schema, (number, part[0]), block))
                    rows += len(block.array)
            except RowFault as fault:
                reader.fail(fault.what, reader.place(before + fault.row), hint=fault.hint)
        file.check_unchanged()
    return builder.result()
