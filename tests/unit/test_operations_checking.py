"""Tests of which Python sources an assembly compiles."""

from __future__ import annotations

import os
import py_compile
from pathlib import Path

from flywheel_mlflow.evidence.flywheel import load_flywheel
from flywheel_mlflow.operations.assembly.checking import _compiled, read_sources


def test_a_source_changed_since_python_compiled_it_is_compiled_again(tmp_path: Path) -> None:
    """Python's copy speaks for a source of its time and size, and for no other."""
    source = tmp_path / "module.py"
    source.write_text("x = 1\n", encoding="utf-8")
    assert not _compiled(source)
    py_compile.compile(str(source), invalidation_mode=py_compile.PycInvalidationMode.TIMESTAMP)
    assert _compiled(source)
    os.utime(source, (1, 1))
    assert not _compiled(source)


def test_sources_of_projects_are_always_read(repository: Path) -> None:
    """Python compiles a pipeline when it runs it, which says nothing of what lies there now."""
    texts = read_sources(load_flywheel(repository))
    assert all(text is not None for name, text in texts.items() if name.startswith("projects/"))
    assert {name.partition("/")[0] for name in texts} == {"projects", "flywheel_mlflow"}
