"""Benchmarks the measuring of interface data: processor time, memory, ratio to merely parsing, other tools beside it.

    python -m benchmarks.records --rows 200000
    python -m benchmarks.records --rows 200000 --shape wide
    python -m benchmarks.records --rows 200000 --others /path/to/venv/bin/python

Writes records as JSONL and Parquet to a temporary directory, then runs each job several times, each time in a process
of its own, and prints the least processor time and how far memory rose above that of the imports. ``--others`` names an
interpreter that has Great Expectations or whylogs; repeatable.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
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
ROW_GROUP_ROWS = 100_000
#: Words of the content by shape of the records; ``wide`` has fifty leaves.
SHAPES = {"plain": 100, "small": 0, "large": 1500, "wide": 40}


def make_records(rows: int, shape: str = "plain") -> Iterator[dict[str, Any]]:
    """Records of about 1.1 KB (small: 83 bytes, large: 10 KB), the same for every run, no two with the same content."""
    draw = random.Random(7)  # noqa: S311  # sample text, no secret
    words = ["".join(draw.choices("abcdefghijklmnop", k=draw.randint(2, 9))) for _ in range(WORDS)]
    for number in range(rows):
        if shape == "small":
            yield {"id": f"doc-{number:09d}", "text": f"{draw.choice(words)} {number}", "score": draw.random(), "n": 3}
            continue
        more = {f"m{place}": draw.choice(words) if place % 2 else place * number for place in range(32)}
        yield {
            "id": f"doc-{number:09d}",
            "source": {"url": f"https://corpus.example/{number}", "crawl": "2024-05"},
            "content": f"{number} " + " ".join(draw.choices(words, k=SHAPES[shape])),
            "metadata": {
                "lang": draw.choice(("en", "zh", "de")),
                "license": "CC-BY-4.0",
                "page": f"page-{number // 4}",
                **(more if shape == "wide" else {}),
            },
            "quality_signals": {"perplexity": draw.lognormvariate(3, 1), "score": draw.random(), "kept": True},
            "split": "test" if number // 4 % 20 == 0 else "train",
            "audit_trace": {
                "at": "2024-05-01T12:00:00Z",
                "sha256": hashlib.sha256(b"%d" % number).hexdigest(),
                "step": 3,
            },
        }


def write_data(folder: Path, rows: int, shape: str = "plain") -> None:
    """``data.jsonl`` and ``data.parquet`` with the same records."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer = None
    held: list[dict[str, Any]] = []
    with (folder / "data.jsonl").open("w", encoding="utf-8") as stream:
        for number, record in enumerate(make_records(rows, shape), start=1):
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


def _measure(path: Path, workers: int = 1) -> int:
    from flywheel_mlflow.promises.interfaces import InterfaceOut
    from flywheel_mlflow.records import measure

    data_format = path.suffix.removeprefix(".")
    free = path.parent.name == "small"
    promise = {"name": "corpus", "title": "Corpus", "format": data_format, "schema": "free" if free else "record"}
    measured = measure(path, InterfaceOut.model_validate(promise | {"group_key": "metadata.page"}), workers=workers)
    bad = [check.name for check in measured.checks if check.outcome != "passed"]
    if bad and not free:
        raise SystemExit(f"checks that should pass did not: {bad}")
    return measured.version.rows or 0


def _measure_by_two(path: Path) -> int:
    return _measure(path, workers=2)


JOBS: dict[str, Callable[[Path], int]] = {
    "json.loads jsonl": _read_jsonl,
    "measure jsonl": _measure,
    "2 workers jsonl": _measure_by_two,
    "to_pylist parquet": _read_parquet,
    "measure parquet": _measure,
    "2 workers parquet": _measure_by_two,
}
OTHERS = ("great expectations", "whylogs")


def run_job(name: str, path: Path) -> None:
    """Runs one job in this process; prints rows, seconds, CPU seconds and the memory rise in bytes as JSON."""
    import pyarrow.json
    import pyarrow.parquet  # noqa: F401  # the imports are no part of the rise

    import flywheel_mlflow.records.measuring  # noqa: F401

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, used = time.perf_counter(), _processor_time()
    rows = JOBS[name](path)
    seconds, cpu = time.perf_counter() - start, _processor_time() - used
    risen = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    # A worker's memory is counted from its imports, too, which are those of this process.
    worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    risen += 2 * max(0, worker - before) if worker else 0
    print(json.dumps({"rows": rows, "seconds": seconds, "cpu": cpu, "rise": risen * 1024}))


def _processor_time() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _best(command: list[str], rounds: int) -> dict[str, float] | None:
    """The round with the least processor time; None where the job cannot run."""
    found = []
    for _ in range(rounds):
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            print(f"{' '.join(command[-2:])}: {(done.stderr.strip().splitlines() or ['failed'])[-1][:150]}")
            return None
        found.append(json.loads(done.stdout.strip().splitlines()[-1]))
    fastest = min(found, key=lambda item: item["cpu"])
    return fastest | {"seconds": min(item["seconds"] for item in found)}


def _has(python: str, name: str) -> bool:
    """Whether an interpreter has another tool, in a version that runs."""
    program = f"import {name.replace(' ', '_')} as tool; tool"
    return subprocess.run([python, "-c", program], check=False, capture_output=True).returncode == 0


def main() -> None:
    """Writes the data, runs every job, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shape", choices=sorted(SHAPES), default="plain")
    parser.add_argument("--others", action="append", default=[], metavar="PYTHON")
    parser.add_argument("--results", action="store_true", help="keep them as benchmarks/results/records.json")
    parser.add_argument("--job", nargs=2, metavar=("NAME", "PATH"), help=argparse.SUPPRESS)
    parser.add_argument("--write", metavar="FOLDER", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.write:
        write_data(Path(given.write), given.rows, given.shape)
        return
    if given.job:
        run_job(given.job[0], Path(given.job[1]))
        return
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top, given.shape)
        folder.mkdir()
        # Also a process of its own: a child's ru_maxrss starts at what its parent held.
        own = [sys.executable, __file__, "--rows", str(given.rows), "--shape", given.shape]
        subprocess.run([*own, "--write", str(folder)], check=True)
        size = (folder / "data.jsonl").stat().st_size
        print(
            f"{given.rows:,} records of {size / given.rows:,.0f} bytes ({given.shape}), best of {given.rounds} rounds"
        )
        print(f"{'job':20}{'CPU us/record':>15}{'x json.loads':>14}{'records/s':>12}{'memory rise MB':>16}")
        commands = {name: [*own, "--job", name, str(folder / f"data.{name.split()[-1]}")] for name in JOBS}
        script = str(Path(__file__).with_name("records_others.py"))
        for python in given.others:
            commands |= {
                name: [python, script, name, str(folder / "data.jsonl")] for name in OTHERS if _has(python, name)
            }
        parsing = 0.0
        kept = []
        for name, command in commands.items():
            done = _best(command, given.rounds)
            if done is None:
                continue
            cost = done["cpu"] / done["rows"] * 1e6
            parsing = parsing or cost
            row = f"{name:20}{cost:15.1f}{cost / parsing:14.2f}{done['rows'] / done['seconds']:12,.0f}"
            print(f"{row}{done['rise'] / 1e6:16.0f}", flush=True)
            speed, rise = done["rows"] / done["seconds"], done["rise"] / 1e6
            kept.append({"name": name, "cpu_us": cost, "records_per_s": speed, "rise_mb": rise})
    if given.results:
        from benchmarks.kept import keep_result  # jobs run this file by its path, and find no package

        measured = {"rows": given.rows, "record_bytes": size / given.rows, "rounds": given.rounds, "jobs": kept}
        print(f"kept as {keep_result('records', measured)}; now `python tests/docs_benchmarks.py`")


if __name__ == "__main__":
    main()
