"""Takes events in: each one once, routed, in a stream whose memory does not grow with the file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from flywheel_mlflow.base.canonical import canonical_json
from flywheel_mlflow.feedback.dead_letters import DeadLetters
from flywheel_mlflow.feedback.events import COLUMNS, LINE
from flywheel_mlflow.feedback.files import EventFiles
from flywheel_mlflow.feedback.findings import OWN_ID, REPORTER
from flywheel_mlflow.feedback.identity import CONFLICT, NEW, REPEATED, IdIndex, content_hashes, id_hashes
from flywheel_mlflow.feedback.routing import RULE, TO, Router
from flywheel_mlflow.promises.routes import UNROUTABLE

if TYPE_CHECKING:
    import pyarrow as pa

Mask = npt.NDArray[np.bool_]

#: What is older was hardly observed then: seconds read as milliseconds lie in January 1970.
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)

CONFLICTING = "another event has this id and says something else"
CLAIMS_TO_BE_OWN = f"only the flywheel itself reports as {REPORTER!r}, under ids that begin with {OWN_ID!r}"


@dataclass(slots=True)
class Taken:
    """What became of the events of one file.

    ``read`` are lines that are events: ``new``, ``repeated`` (known already, the same), ``conflicts`` (known already,
    but saying something else; these are dead letters). ``passed_over`` are lines a mapping does not take. ``to`` and
    ``rules`` count the new ones. ``misdated`` are new ones of a time before :data:`EARLIEST` or more than a day ahead,
    as a wrong unit of time makes them.
    """

    read: int = 0
    new: int = 0
    repeated: int = 0
    conflicts: int = 0
    to: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    misdated: int = 0
    passed_over: int = 0

    @property
    def unroutable(self) -> int:
        """New events that no rule takes."""
        return self.to[UNROUTABLE]


def take_in(
    batches: Iterable[pa.RecordBatch],
    index: IdIndex,
    router: Router,
    files: EventFiles,
    dead: DeadLetters,
    *,
    own: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Taken:
    """Write the new ones among the events into ``files``, routed; ``progress`` is told how many were read so far.

    ``own`` says that they are the flywheel's own findings. A finding is told once, whatever words a later version or
    other settings would put it in, so one that is known is a repetition. Nobody else may speak as the flywheel: who
    does could send an event where own findings go, or take the id of one before it is told.
    """
    taken = Taken()
    for batch in batches:
        ids, contents = id_hashes(batch), content_hashes(batch)
        verdicts = index.judge(ids, contents)
        if own:
            verdicts[verdicts == CONFLICT] = REPEATED
        claimed = np.zeros(batch.num_rows, dtype=bool) if own else (verdicts == NEW) & _claim_to_be_own(batch)
        fresh = (verdicts == NEW) & ~claimed
        _refuse(batch, verdicts == CONFLICT, CONFLICTING, dead)
        _refuse(batch, claimed, CLAIMS_TO_BE_OWN, dead)
        taken.read += batch.num_rows
        taken.repeated += int((verdicts == REPEATED).sum())
        taken.conflicts += int((verdicts == CONFLICT).sum())
        if fresh.any():
            routed = router.route(_filtered(batch, fresh))
            files.write(routed, ids[fresh], contents[fresh])
            taken.new += routed.num_rows
            taken.to.update(column_counts(routed.column(TO)))
            taken.rules.update(column_counts(routed.column(RULE)))
            taken.misdated += _misdated(routed)
        if progress is not None:
            progress(taken.read)
    taken.passed_over = dead.passed_over
    return taken


def _misdated(batch: pa.RecordBatch) -> int:
    import pyarrow.compute as pc

    times = batch.column("time")
    latest = datetime.now(UTC) + timedelta(days=1)
    return int(pc.sum(pc.or_(pc.less(times, EARLIEST), pc.greater(times, latest)), min_count=0).as_py())


def _filtered(batch: pa.RecordBatch, mask: np.ndarray) -> pa.RecordBatch:
    import pyarrow as pa

    return batch if mask.all() else batch.filter(pa.array(mask))


def _claim_to_be_own(batch: pa.RecordBatch) -> Mask:
    """Which events say that the flywheel reports them, or have an id of its own findings."""
    import pyarrow.compute as pc

    from flywheel_mlflow.records.arrays import as_numpy

    reported = pc.fill_null(pc.equal(batch.column("reporter"), REPORTER), False)
    named = pc.starts_with(batch.column("id"), OWN_ID)
    return as_numpy(pc.or_(reported, named))


def _refuse(batch: pa.RecordBatch, which: Mask, reason: str, dead: DeadLetters) -> None:
    for position in np.flatnonzero(which).tolist():
        row = batch.slice(position, 1).to_pylist()[0]
        said = {name: row[name] for name in COLUMNS if row[name] is not None}
        dead.add(row[LINE], reason, canonical_json(said))


def column_counts(column: pa.Array | pa.ChunkedArray) -> Mapping[str, int]:
    """How often each value stands in a column; null counts as ``unroutable``."""
    import pyarrow.compute as pc

    counted = pc.value_counts(column)
    return {item["values"] or UNROUTABLE: item["counts"] for item in counted.to_pylist()}
