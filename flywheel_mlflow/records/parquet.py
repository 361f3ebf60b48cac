"""Opens Parquet in the one way every reader here does: pages are held against the checksums their file states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flywheel_mlflow.records.sources import BLOCK_BYTES

if TYPE_CHECKING:
    import pyarrow.parquet as pq


def open_parquet(source: Any) -> pq.ParquetFile:
    """A path or an open binary file as Parquet; reading a page that fails its own CRC raises OSError without a number.

    ``buffer_size`` makes Arrow read a column chunk piecewise; without it a row group's columns are in memory whole.
    """
    import pyarrow.parquet as pq

    return pq.ParquetFile(source, buffer_size=BLOCK_BYTES, pre_buffer=False, page_checksum_verification=True)


def damaged_row_group(source: Any, first: int = 0) -> int | None:
    """The first row group from ``first`` on that cannot be read, from 0 as Parquet tools count; None when all can.

    Raises:
        OSError, ArrowException: the footer cannot be read either.
    """
    import pyarrow as pa

    with open_parquet(source) as file:
        for group in range(first, file.metadata.num_row_groups):
            try:
                for _ in file.iter_batches(row_groups=[group], use_threads=False):
                    pass
            except (pa.ArrowException, OSError):
                return group
    return None
