"""Measures what a run takes: time, processor time, memory, and on which machine."""

from __future__ import annotations

import os
import platform
import re
import resource
import time
from contextlib import suppress
from pathlib import Path

from flywheel_mlflow.evidence.runs import Resources

_SELF = Path("/proc/self")
_MB = 1024 * 1024


class ResourceMeter:
    """Measures from its making on, in this process and the children that it waits for."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._processor = _processor_seconds()
        # Linux forgets the highest memory of a process on request; elsewhere it is that of its whole life, and unknown.
        self._resets = False
        with suppress(OSError):
            (_SELF / "clear_refs").write_text("5")
            self._resets = True

    def read(self, rows: int | None) -> Resources:
        """What was taken until now; ``rows`` are the records that were made, None where none were."""
        wall = time.monotonic() - self._began
        return Resources(
            wall_seconds=round(wall, 3),
            cpu_seconds=round(_processor_seconds() - self._processor, 3),
            peak_memory_mb=_peak_memory_mb() if self._resets else None,
            rows_per_second=None if rows is None or wall <= 0 else round(rows / wall, 3),
            machine=machine(),
        )


def machine() -> str:
    """What the machine is, without its name: processor, processors that may be used, memory in GiB."""
    processor = platform.processor() or platform.machine()
    with suppress(OSError):
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
        processor = found[1] if found else processor
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1024**3
    return f"{' '.join(processor.split())[:150]}, {usable} of {os.cpu_count()} processors, {memory:.0f} GiB"


def _processor_seconds() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _peak_memory_mb() -> float | None:
    with suppress(OSError):
        found = re.search(r"^VmHWM:\s*(\d+) kB$", (_SELF / "status").read_text(encoding="utf-8"), re.MULTILINE)
        if found:
            return round(int(found[1]) * 1024 / _MB, 1)
    return None
