"""Runs the assembly layer's own checks on what lies on the server, and proves that they can fail."""

from __future__ import annotations

import importlib.util
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flywheel_mlflow import consistency
from flywheel_mlflow.assembly.deliverables import by_name
from flywheel_mlflow.assembly.recorded import RecordedAssembly
from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.evidence.flywheel import PROJECTS_FOLDER, Flywheel
from flywheel_mlflow.evidence.runs import Check, Outcome
from flywheel_mlflow.operations.assembly.assembling import AssembledFiles, gather, possible_notes, settle
from flywheel_mlflow.operations.assembly.read_copy import Notes, check_document_faults, copy_faults
from flywheel_mlflow.operations.scratch import scratch_folder
from flywheel_mlflow.tables.texts import format_value

if TYPE_CHECKING:
    from flywheel_mlflow.tracking import Tracking


@dataclass(frozen=True, slots=True)
class Checked:
    """The outcome of the checks on the assembly that is on the server."""

    run_id: str
    iteration: int
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every single check passed; no checks would be no pass."""
        return bool(self.checks) and all(check.outcome is Outcome.PASSED for check in self.checks)


def read_sources(flywheel: Flywheel) -> dict[str, str | None]:
    """The Python sources of the package and of the flywheel's projects, by relative path.

    None stands for a source of the package that Python keeps a compiled copy of, as of all it imported:
    that it compiles is known, and compiling them all took a quarter of an assembly's time.
    """
    package = Path(__file__).resolve().parents[2]
    projects = flywheel.root / PROJECTS_FOLDER
    texts = {
        f"{package.name}/{path.relative_to(package).as_posix()}": None if _compiled(path) else _text(path)
        for path in package.rglob("*.py")
    }
    texts |= {
        f"{PROJECTS_FOLDER}/{path.relative_to(projects).as_posix()}": _text(path) for path in projects.rglob("*.py")
    }
    return dict(sorted(texts.items()))


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _compiled(source: Path) -> bool:
    """Whether Python would import its compiled copy: of this Python, of a source of this time and size (PEP 552)."""
    copy = Path(importlib.util.cache_from_source(str(source)))
    try:
        with copy.open("rb") as file:
            head = file.read(16)
    except OSError:
        return False
    seen = source.stat()
    stamp = struct.pack("<III", 0, int(seen.st_mtime) & 0xFFFFFFFF, seen.st_size & 0xFFFFFFFF)
    return head == importlib.util.MAGIC_NUMBER + stamp


def check_iteration(flywheel: Flywheel, tracking: Tracking, iteration: int) -> Checked:
    """Check the newest assembly of an iteration against the files, the contracts and the server.

    Raises:
        InputError: the iteration was never assembled.
    """
    present = _recorded(tracking, iteration)
    gathered = gather(flywheel, tracking, iteration)
    sources = read_sources(flywheel)
    settled = settle(flywheel, gathered, sources)
    files = _files(tracking, present)
    view = _view(settled, files, sources)
    notes = Notes(*possible_notes(tracking, present, gathered, settled))
    shown = _read_copy(tracking, present.run_id, files, settled, notes)
    return Checked(present.run_id, iteration, (*consistency.run_checks(view), shown))


def _read_copy(
    tracking: Tracking, run_id: str, files: Mapping[str, str], settled: AssembledFiles, notes: Notes
) -> Check:
    """Whether the pages in MLflow show what was assembled: numbers, statuses, notes, stages, check results."""
    found = [
        *copy_faults(tracking, run_id, files, notes),
        *check_document_faults(tracking, settled.assembly.collected.evidence.values()),
    ]
    outcome = Outcome.FAILED if found else Outcome.PASSED
    return Check("shown_in_mlflow", outcome, "; ".join(found[:5]), details={"differences": found[:50]})


def prove_checks(flywheel: Flywheel, tracking: Tracking, iteration: int, *, seed: int) -> tuple[consistency.Proof, ...]:
    """Apply one seeded fault per check to a copy of the assembly, and see whether the check turns red."""
    present = _recorded(tracking, iteration)
    sources = read_sources(flywheel)
    settled = settle(flywheel, gather(flywheel, tracking, iteration), sources)
    view = _view(settled, _files(tracking, present), sources)
    return consistency.prove(view, seed=seed)


def _recorded(tracking: Tracking, iteration: int) -> RecordedAssembly:
    # One that contradicts itself is what this command is most needed for.
    present = tracking.assemblies.recorded(iteration, contradictory=True)
    if present is None:
        raise InputError(
            f"iteration {iteration} was never assembled", hint=f"run `flywheel assemble --iteration {iteration}`"
        )
    return present


def _files(tracking: Tracking, present: RecordedAssembly) -> dict[str, str]:
    with scratch_folder() as folder:
        return tracking.assemblies.files(present.run_id, folder)


def _view(
    settled: AssembledFiles, files: Mapping[str, str], sources: Mapping[str, str | None]
) -> consistency.AssemblyView:
    return consistency.AssemblyView(
        files=by_name(files),
        now=settled.assembly,
        rendered=by_name(settled.files),
        sources=sources,
        format_value=format_value,
    )
