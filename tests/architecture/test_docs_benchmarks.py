"""docs/benchmarks.md shows what the benchmarks kept."""

from __future__ import annotations

from docs_benchmarks import DOCUMENT, console_table, with_tables


def test_tables_are_what_was_measured() -> None:
    """The figures of records and console are those of benchmarks/results (else `python tests/docs_benchmarks.py`)."""
    written = DOCUMENT.read_text(encoding="utf-8")
    assert with_tables(written) == written


def test_an_aim_that_is_missed_is_told() -> None:
    """A page slower than the aim turns the answer, whatever stands around the table."""
    page = {"page": "/", "cpu_ms": 1.0, "p50_ms": 2.0, "p95_ms": 301.0}
    result = {
        "conditions": {"cores": 2, "load": 1.5},
        "runs": 10,
        "iterations": 1,
        "rounds": 3,
        "stores": {"sqlite": [page, page | {"page": "/risks", "p95_ms": 20.0}]},
    }
    assert "| **no**, 1 are slower: 20 to 301 ms on SQLite |" in console_table(result)
