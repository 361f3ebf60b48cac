"""Writes the tables of docs/benchmarks.md from what the benchmarks kept: `python tests/docs_benchmarks.py`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.kept import read_result  # noqa: E402 - they lie beside the tests

DOCUMENT = ROOT / "docs" / "benchmarks.md"
#: What a page may take, in milliseconds.
PAGE_LIMIT_MS = 300

_JOBS = {
    "json.loads jsonl": "`json.loads` of every line",
    "measure jsonl": "measure JSONL",
    "2 workers jsonl": "measure JSONL, 2 workers",
    "to_pylist parquet": "Parquet to Python objects",
    "measure parquet": "measure Parquet",
    "2 workers parquet": "measure Parquet, 2 workers",
    "great expectations": "Great Expectations on pandas (13 expectations)",
    "whylogs": "whylogs on pandas (a profile, no checks)",
}
_STORES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


def records_table(result: Mapping[str, Any]) -> str:
    """Processor time, ratio to merely parsing, speed and memory of each job."""
    parsing = result["jobs"][0]["cpu_us"]
    lines = [
        f"{result['rows']:,} records of {result['record_bytes'] / 1e3:.1f} KB, {_conditions(result)}:",
        "",
        "| job | CPU µs a record | times `json.loads` | records/s | rise of memory |",
        "|---|---|---|---|---|",
    ]
    for job in result["jobs"]:
        cost = f"{job['cpu_us']:.1f} | {job['cpu_us'] / parsing:.1f}"
        lines.append(f"| {_JOBS[job['name']]} | {cost} | {job['records_per_s']:,.0f} | {job['rise_mb']:,.0f} MB |")
    return "\n".join(lines)


def console_table(result: Mapping[str, Any]) -> str:
    """CPU, median and p95 of each page on each store, then whether the aim is met."""
    stores = {kind: pages for kind, pages in result["stores"].items() if pages}
    store = f"{result['runs']:,} runs in {result['iterations']} iterations"
    lines = [
        f"{store}, {result['rounds']} rounds, {_conditions(result)}. CPU / p50 / p95 in milliseconds:",
        "",
        f"| page | {' | '.join(_STORES[kind] for kind in stores)} |",
        "|---|" + "---|" * len(stores),
    ]
    for row in zip(*stores.values(), strict=True):
        cells = (f"{page['cpu_ms']:.0f} / {page['p50_ms']:.0f} / {page['p95_ms']:.0f}" for page in row)
        lines.append(f"| `{row[0]['page']}` | {' | '.join(cells)} |")
    return "\n".join([*lines, "", "| aim | met? |", "|---|---|", _aim(stores)])


def _aim(stores: Mapping[str, Any]) -> str:
    told = []
    late = 0
    for kind, pages in stores.items():
        times = sorted(page["p95_ms"] for page in pages)
        late += sum(time > PAGE_LIMIT_MS for time in times)
        told.append(f"{times[0]:.0f} to {times[-1]:.0f} ms on {_STORES[kind]}")
    met = "**yes**" if not late else f"**no**, {late} are slower"
    count = len(next(iter(stores.values())))
    return f"| each of {count} pages within {PAGE_LIMIT_MS} ms (p95) | {met}: {', '.join(told)} |"


def _conditions(result: Mapping[str, Any]) -> str:
    found = result["conditions"]
    busy = "that nothing else used" if found["load"] is None else f"under a load of {found['load']:g}"
    return f"on {found['cores']} cores {busy}"


TABLES: dict[str, Callable[[Mapping[str, Any]], str]] = {"records": records_table, "console": console_table}


def with_tables(document: str) -> str:
    """The document with each table between its markers written anew."""
    for name, table in TABLES.items():
        start, end = f"<!-- {name}: generated -->\n", f"<!-- {name}: end -->"
        before, rest = document.split(start)
        document = f"{before}{start}\n{table(read_result(name))}\n\n{end}{rest.split(end)[1]}"
    return document


if __name__ == "__main__":
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
