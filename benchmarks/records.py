"""Benchmarks the measuring of interface data: throughput, memory, ratio to merely reading.

    python -m benchmarks.records --rows 1000000

Writes records of about 1 KB as JSONL and Parquet to a temporary directory, then runs each job in a
process of its own and prints its speed and how far its memory rose above that of the imports.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

WORDS = 3000
WORDS_PER_RECORD = 100
ROW_GROUP_ROWS = 100_000


def make_records(rows: int) -> Iterator[dict[str, Any]]:
    """Records of about 1 KB, the same for every run; no two with the same content."""
    draw = random.Random(7)  # noqa: S311  # sample text, no secret
    words = ["".join(draw.choices("abcdefghijklmnop", k=draw.randint(2, 9))) for _ in range(WORDS)]
    for number in range(rows):
        yield {
            "id": f"doc-{number:09d}",
            "source": {"url": f"https://corpus.example/{number}", "crawl": "2024-05"},
            "content": f"{number} " + " ".join(draw.choices(words, k=WORDS_PER_RECORD)),
            "metadata": {
                "lang": draw.choice(("en", "zh", "de")),
                "license": "CC-BY-4.0",
                "page": f"page-{number // 4}",
            },
            "quality_signals": {"perplexity": draw.lognormvariate(3, 1), "score": draw.random(), "kept": True},
            "split": "test" if number // 4 % 20 == 0 else "train",
            "audit_trace": {
                "at": "2024-05-01T12:00:00Z",
                "sha256": hashlib.sha256(b"%d" % number).hexdigest(),
                "step": 3,
            },
        }


def write_data(folder: Path, rows: int) -> None:
    """``data.jsonl`` and ``data.parquet`` with the same records."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer = None
    held: list[dict[str, Any]] = []
    with (folder / "data.jsonl").open("w", encoding="utf-8") as stream:
        for number, record in enumerate(make_records(rows), start=1):
            stream.write(json.dumps(record, ensure_ascii=False) + "\n")
            held.append(record)
            if len(held) == 10_000 or number == rows:
                table = pa.Table.from_pylist(held)
                writer = writer or pq.ParquetWriter(folder / "data.parquet", table.schema)
                writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
                held.clear()
    if writer:
        writer.close()


def _read_jsonl(path: Path) -> int:
    rows = 0
    with path.open("rb") as stream:
        for line in stream:
            json.loads(line)
            rows += 1
    return rows


def _read_parquet(path: Path) -> int:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False) as source:
        return sum(len(batch.to_pylist()) for batch in source.iter_batches(1024, use_threads=False))


def _measure(path: Path) -> int:
    from flywheel_mlflow.promises.contract import InterfaceOut
    from flywheel_mlflow.records import measure

    data_format = path.suffix.removeprefix(".")
    spec = InterfaceOut(name="corpus", title="Corpus", format=data_format, group_key="metadata.page")  # type: ignore[arg-type]
    measured = measure(path, spec)
    bad = [check.name for check in measured.checks if check.outcome != "passed"]
    if bad:
        raise SystemExit(f"checks that should pass did not: {bad}")
    return measured.version.rows or 0


JOBS: dict[str, Callable[[Path], int]] = {
    "read jsonl": _read_jsonl,
    "measure jsonl": _measure,
    "read parquet": _read_parquet,
    "measure parquet": _measure,
}


def run_job(name: str, path: Path) -> None:
    """Runs one job in this process; prints rows, seconds, CPU seconds and the memory rise in bytes as JSON."""
    import pyarrow.parquet  # noqa: F401  # the imports are no part of the rise

    import flywheel_mlflow.records  # noqa: F401

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, used = time.perf_counter(), time.process_time()
    rows = JOBS[name](path)
    seconds, cpu = time.perf_counter() - start, time.process_time() - used
    rise = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    print(json.dumps({"rows": rows, "seconds": seconds, "cpu": cpu, "rise": rise}))


def main() -> None:
    """Writes the data, runs every job, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--job", nargs=2, metavar=("NAME", "PATH"), help=argparse.SUPPRESS)
    parser.add_argument("--write", metavar="FOLDER", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.write:
        write_data(Path(given.write), given.rows)
        return
    if given.job:
        run_job(given.job[0], Path(given.job[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        # Also a process of its own: a child's ru_maxrss starts at what its parent held.
        subprocess.run([sys.executable, __file__, "--rows", str(given.rows), "--write", folder], check=True)
        speeds = f"{'job':18}{'records/s':>12}{'MB/s':>8}{'seconds':>9}{'x reading':>11}"
        print(f"{speeds}{'CPU us/record':>15}{'memory rise MB':>16}")
        reading = 0.0
        for name in JOBS:
            path = Path(folder, f"data.{name.split()[1]}")
            command = [sys.executable, __file__, "--job", name, str(path)]
            done = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            seconds = done["seconds"]
            reading = seconds if name.startswith("read ") else reading
            speed, megabytes = done["rows"] / seconds, path.stat().st_size / 1e6 / seconds
            row = f"{name:18}{speed:12,.0f}{megabytes:8.1f}{seconds:9.1f}{seconds / reading:11.2f}"
            print(f"{row}{done['cpu'] / done['rows'] * 1e6:15.1f}{done['rise'] / 1e6:16.1f}", flush=True)


if __name__ == "__main__":
    main()
