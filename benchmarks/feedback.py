"""Benchmarks taking feedback in: read, known once, routed, stored; next to a row-by-row loop and to reading alone.

    python -m benchmarks.feedback --rows 1000000
    python -m benchmarks.feedback --rows 10000000 --job ingest

Writes events of about 400 bytes to a temporary directory, then runs each job in a process of its own, on one core, and
prints its speed and how far its memory rose above that of the imports. The loop does the same with `json`, a set and
`re`, over the same 60 rules; it takes minutes a million, so it gets the first rows only.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

RULES = 60
WORDS = 4000
KEYWORDS_PER_RULE = 8
#: One event in so many comes a second time.
REPEATED = 50
LOOP_ROWS = 20_000
PROJECTS = [f"p{number:02d}" for number in range(1, 16)]
INTERFACE = "foundation_corpus"


def vocabulary() -> list[str]:
    """Words of three kinds: ASCII, with accents, and Chinese."""
    draw = random.Random(7)  # noqa: S311  # sample text, no secret
    plain = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(3, 10))) for _ in range(WORDS // 2)]
    accents = ["".join(draw.choices("abcdeñiórstué", k=draw.randint(4, 9))) for _ in range(WORDS // 4)]
    chinese = ["".join(chr(draw.randint(0x4E00, 0x9FA5)) for _ in range(2)) for _ in range(WORDS // 4)]
    return plain + accents + chinese


def make_rules() -> list[dict[str, Any]]:
    """60 rules: words of three scripts, a third of them with conditions on fields as well, one by lineage."""
    draw = random.Random(11)  # noqa: S311
    # Rare words: the common ones would send everything to the first rules, and the loop would be spared the others.
    rare = vocabulary()[WORDS // 40 :]
    rules = []
    for number in range(RULES - 1):
        sign: dict[str, Any] = {"any_words": draw.sample(rare, KEYWORDS_PER_RULE)}
        if number % 3 == 0:
            sign |= {"severity": ["medium", "high"], "type": ["data_gap", "model_gap", "retrieval_gap"]}
        rules.append({"id": f"rule_{number}", "match": "x", "when": [sign], "to": PROJECTS[number % 15], "why": "x"})
    rules.append({"id": "named", "match": "x", "when": [], "to": "producer", "why": "x"})
    return rules


def make_events(rows: int) -> Iterator[dict[str, Any]]:
    """Events of about 400 bytes, the same for every run."""
    draw = random.Random(5)  # noqa: S311
    words = vocabulary()
    plain, other = words[: WORDS // 2], words[WORDS // 2 :]
    sentences = [" ".join(draw.choices(plain, k=19)) for _ in range(20_000)]
    sentences += [" ".join(draw.choices(other, k=11)) + "，" for _ in range(6_000)]
    for number in range(rows):
        key = number - 1 if number % REPEATED == REPEATED - 1 else number
        choice = random.Random(key).random  # noqa: S311  # a repeated event says the same
        first = choice()
        event: dict[str, Any] = {
            "id": f"event-{key:09d}",
            "time": f"2026-10-{key % 28 + 1:02d}T{key % 24:02d}:00:00Z",
            "source": ("application", "evaluation", "human")[key % 3],
            "type": ("data_gap", "retrieval_gap", "model_gap", "process_gap")[key % 4],
            "scope": "single_sample",
            "severity": ("low", "medium", "high")[key // 3 % 3],
            "text": f"{sentences[int(first * len(sentences))]} {key}",
            "trace_id": f"tr-{key:032x}",
            "reporter": f"user-{key % 5000}",
        }
        if key % 5 == 0:
            event["record_ids"] = [f"{INTERFACE}/doc-{key}"]
        yield event


def write_events(path: Path, rows: int) -> None:
    """The events as JSON lines."""
    with path.open("w", encoding="utf-8") as stream:
        for event in make_events(rows):
            stream.write(json.dumps(event, ensure_ascii=False) + "\n")


def _read(path: Path) -> int:
    """The file's bytes and lines, nothing else."""
    rows = 0
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            rows += block.count(b"\n")
    return rows


def _parse(path: Path) -> int:
    """Every line through `json.loads`, nothing else."""
    rows = 0
    with path.open("rb") as stream:
        for line in stream:
            json.loads(line)
            rows += 1
    return rows


def _loop(path: Path) -> int:
    """What one would write: a loop over lines and rules, one regular expression for each rule."""
    import unicodedata

    from flywheel_mlflow.feedback.matching import fold, is_spaced

    prepared = []
    for rule in make_rules():
        patterns = []
        for sign in rule["when"]:
            words = [fold(word) for word in sign["any_words"]]
            parts = [rf"(?<!\w){re.escape(word)}(?!\w)" if is_spaced(word[0]) else re.escape(word) for word in words]
            patterns.append((re.compile("|".join(parts)), sign.get("severity"), sign.get("type")))
        prepared.append((rule["id"], rule["to"], patterns))
    seen: dict[str, dict[str, Any]] = {}
    routed: list[tuple[str, str | None]] = []
    with path.open(encoding="utf-8") as stream:
        for number, line in enumerate(stream, start=1):
            event = json.loads(line)
            if event["id"] not in seen:
                seen[event["id"]] = event
                text = unicodedata.normalize("NFKC", event["text"]).casefold()
                routed.append((event["id"], _first(prepared, event, text)))
            if number == LOOP_ROWS:
                return number
    return number


def _first(prepared: list[Any], event: dict[str, Any], text: str) -> str | None:
    for name, to, patterns in prepared:
        for pattern, severities, types in patterns:
            if severities and event.get("severity") not in severities:
                continue
            if types and event.get("type") not in types:
                continue
            if pattern.search(text):
                return str(to)
        if name == "named" and any(item.startswith(f"{INTERFACE}/") for item in event.get("record_ids", ())):
            return "p01"
    return None


def _ingest(path: Path) -> int:
    from flywheel_mlflow.feedback.dead_letters import DeadLetters
    from flywheel_mlflow.feedback.files import EventFiles
    from flywheel_mlflow.feedback.identity import IdIndex
    from flywheel_mlflow.feedback.intake import take_in
    from flywheel_mlflow.feedback.origins import Origins
    from flywheel_mlflow.feedback.routing import Router
    from flywheel_mlflow.feedback.tables import open_events
    from flywheel_mlflow.promises.routes import Route

    origins = Origins({INTERFACE: "p01"}, {INTERFACE: frozenset({INTERFACE})})
    router = Router([Route.model_validate(rule) for rule in make_rules()], origins, PROJECTS)
    with tempfile.TemporaryDirectory(dir=path.parent) as name:
        folder = Path(name)
        with DeadLetters(folder / "dead.jsonl") as dead, EventFiles(folder) as files:
            taken = take_in(open_events(path, None, dead).batches(), IdIndex(), router, files, dead)
    if dead.count or taken.new + taken.repeated != taken.read or not taken.repeated or not taken.unroutable:
        raise SystemExit(f"not what was expected: {taken}, {dead.count} dead letters")
    return taken.read


JOBS: dict[str, Callable[[Path], int]] = {"read": _read, "json.loads": _parse, "loop": _loop, "ingest": _ingest}


def run_job(name: str, path: Path) -> None:
    """Run one job on one core; prints rows, seconds, CPU seconds and the memory rise in bytes as JSON."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    import pyarrow as pa
    import pyarrow.compute
    import pyarrow.json
    import pyarrow.parquet

    import flywheel_mlflow.feedback.intake
    import flywheel_mlflow.feedback.tables  # noqa: F401  # the imports are no part of the rise

    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, used = time.perf_counter(), time.process_time()
    rows = JOBS[name](path)
    seconds, cpu = time.perf_counter() - start, time.process_time() - used
    rise = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    print(json.dumps({"rows": rows, "seconds": seconds, "cpu": cpu, "rise": rise}))


def main() -> None:
    """Write the events, run the jobs in turn, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument(
        "--rounds", type=int, default=1, help="each job in turn, so many times; the medians are printed"
    )
    parser.add_argument("--job", action="append", choices=list(JOBS), help="only this one; may be given several times")
    parser.add_argument("--inside", nargs=2, metavar=("NAME", "PATH"), help=argparse.SUPPRESS)
    parser.add_argument("--write", metavar="FILE", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.write:
        write_events(Path(given.write), given.rows)
    elif given.inside:
        run_job(given.inside[0], Path(given.inside[1]))
    else:
        _report(given.rows, given.job or list(JOBS), given.rounds)


def _report(rows: int, jobs: list[str], rounds: int) -> None:
    again = [sys.executable, "-m", "benchmarks.feedback"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "events.jsonl")
        # Processes of their own: a child's peak of memory starts at what its parent held.
        subprocess.run([*again, "--rows", str(rows), "--write", str(path)], check=True)
        print(f"{rows:,} events, {path.stat().st_size / rows:.0f} bytes each, {RULES} rules")
        done: dict[str, list[dict[str, float]]] = {name: [] for name in jobs}
        for _ in range(rounds):
            for name in jobs:
                said = subprocess.run([*again, "--inside", name, str(path)], check=True, capture_output=True, text=True)
                done[name].append(json.loads(said.stdout))
        print(f"{'job':12}{'rows':>12}{'events/s':>12}{'CPU us/event':>14}{'memory rise MB':>16}")
        for name, found in done.items():
            middle = sorted(found, key=lambda item: item["seconds"])[len(found) // 2]
            speed, cpu = middle["rows"] / middle["seconds"], middle["cpu"] / middle["rows"] * 1e6
            peak = max(item["rise"] for item in found) / 1e6
            print(f"{name:12}{int(middle['rows']):12,}{speed:12,.0f}{cpu:14.2f}{peak:16.1f}", flush=True)


if __name__ == "__main__":
    main()
