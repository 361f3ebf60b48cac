"""What a command costs before it does anything: its imports."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("mlflow", "pandas", "evidently", "pyarrow", "numpy", "jinja2")


def loaded_by(module: str) -> set[str]:
    """The top-level packages a fresh interpreter has loaded after importing ``module``."""
    program = f"import sys, {module}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["flywheel_mlflow", "flywheel_mlflow.cli"])
def test_import_is_light(module: str) -> None:
    """Importing the package, or its command line, loads none of the packages that take seconds."""
    assert loaded_by(module) & set(HEAVY) == set()


def test_benchmarks_start_as_their_docs_say(repository: Path) -> None:
    """Every benchmark that is run by hand is a module that can be imported from the repository."""
    documented = re.findall(r"python -m (benchmarks\.\w+)", (repository / "docs" / "benchmarks.md").read_text("utf-8"))
    names = sorted({*documented, *(f"benchmarks.{file.stem}" for file in (repository / "benchmarks").glob("*.py"))})
    assert len(names) > 10
    program = f"import {', '.join(names)}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=repository)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("role", ["training", "evaluation"])
@pytest.mark.parametrize(
    "lines",
    [
        '{"id": 1, "n": 0.5, "t": "x", "l": [{"b": true}]}\n{"id": 2, "n": "x"}\n',
        '{"id": 1, "n": 0.5, "v": [1, 2, 3, 4, 5, 6, 7, 8]}\n{"id": 2, "n": null}\n',
        '{"id": "doc-1", "content": "a text of some words", "date": "2026-01-01"}\n{}\n',
    ],
)
def test_measuring_data_does_not_import_pandas(tmp_path: Path, role: str, lines: str) -> None:
    """Arrow's arrays are made and read by their buffers: pyarrow's own conversions would import pandas."""
    (tmp_path / "data.jsonl").write_text(lines)
    program = (
        "import sys; from flywheel_mlflow import records;"
        "from flywheel_mlflow.promises.contract import InterfaceOut;"
        "spec = InterfaceOut(name='a', title='A', format='jsonl', schema='free', group_key='n', fields=('l.b',),"
        " role=sys.argv[2]);"
        "found = records.measure(sys.argv[1], spec);"
        "records.content_to_parquet(found.content);"
        "records.id_sketches_from_parquet(records.id_sketches_to_parquet({'a': found.ids}));"
        "records.word_sketches_to_parquet({'a': found.words});"
        "print('pandas' in sys.modules)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "data.jsonl"), role]
    # Not its exit code: on a busy machine Arrow aborts once in some hundred exits, with all said and done.
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "False\n", done.stderr


def test_heavy_import_is_seen() -> None:
    """The measurement itself sees a heavy package when one is loaded."""
    assert "pyarrow" in loaded_by("pyarrow")
