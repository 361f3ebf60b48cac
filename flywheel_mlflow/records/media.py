"""Follows the files that records name: each must lie in the interface's folder, be what the record says, and open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flywheel_mlflow.evidence.runs import Check, CheckSeverity, Outcome
from flywheel_mlflow.promises.interfaces import InterfaceOut
from flywheel_mlflow.records.checks import EXAMPLES, SOURCE
from flywheel_mlflow.records.content.media import MediaContent, fault_counts, named_files
from flywheel_mlflow.records.personal import withheld
from flywheel_mlflow.records.reading import reader_for
from flywheel_mlflow.records.sources import OpenedFile, path_fault

#: The checks' names, after the interface's.
NAME = "media_files"
READABLE = "readable_media"


def check_media(
    spec: InterfaceOut, records: Iterable[OpenedFile], known: Mapping[str, tuple[int, str]], *, single: bool
) -> Check:
    """Whether every file that a record names under ``spec.media`` is there, with the size and sha256 the record states.

    A field holds a path, an object with ``path`` and, if it states them, ``sha256`` and ``size`` (bytes), or a list of
    such. ``known`` are the sizes and digests of the files in the folder, by name. No path is opened: what is not
    among these files by its very name is not there.

    Raises:
        RecordError: data that cannot be read. StorageError: the system refuses.
    """
    rows = named = failing = 0
    examples: list[dict[str, Any]] = []
    used: set[str] = set()
    for file in records:
        reader = reader_for(file, spec.format)
        for batch in reader.batches():
            first = rows
            rows += len(batch)
            for position, record in enumerate(batch):
                found = [item for field in spec.media for item in named_files(record, field.split("."))]
                named += len(found)
                used.update(item["path"] for item in found if isinstance(item.get("path"), str))
                fault = next((fault for item in found if (fault := _fault(item, known, single=single))), None)
                if fault:
                    failing += 1
                    if len(examples) < EXAMPLES:
                        identity = record.get("id")
                        shown = withheld(str(identity)[:200]) if isinstance(identity, str | int) else None
                        place = f"{file.name}, row {first + position + 1}"
                        examples.append({"place": place, "id": shown, "fault": fault})
    unused = len(set(known) - used)
    details = {"rows": rows, "failing": failing, "named": named, "unnamed": unused, "examples": tuple(examples)}
    outcome = Outcome.FAILED if failing or not named else Outcome.PASSED
    if not named:
        message = f"{rows} rows, and none names a file under {', '.join(spec.media)}"
    elif failing:
        message = f"{failing} of {rows} rows name files that are not as they say: {examples[0]['fault']}"
    else:
        more = f"; {unused} files that no row names" if unused else ""
        message = f"{rows} rows name {named} files, each is there as they say{more}"
    return Check(f"{spec.name}.{NAME}", outcome, message, CheckSeverity.BLOCKING, SOURCE, details)


def _fault(item: Mapping[str, Any], known: Mapping[str, tuple[int, str]], *, single: bool) -> str | None:
    """Why a file that a record names does not do; the path is not repeated, it may be personal."""
    path = item.get("path")
    if not isinstance(path, str) or not path:
        return "no path"
    if fault := path_fault(path):
        return f"a path that {fault}"
    if single:
        return "the interface is one file: log its folder, with the files in it"
    if path not in known:
        return "no such file in the folder"
    size, digest = known[path]
    for key in ("size", "bytes"):
        stated = item.get(key)
        if isinstance(stated, int) and not isinstance(stated, bool) and stated != size:
            return f"another size than the record states: {size} bytes, not {stated}"
    stated = item.get("sha256")
    return "another sha256 than the record states" if stated is not None and stated != digest else None


def check_readable(spec: InterfaceOut, looked: MediaContent, places: Sequence[str]) -> Check:
    """Whether the pictures and sounds of the sampled rows could be read; ``places`` says where each row lies."""
    counts = fault_counts(looked)
    examples = tuple({"place": places[row], "fault": fault} for row, fault in looked.faults[:EXAMPLES])
    details = {"looked": looked.looked, "failing": len(looked.faults), "faults": counts, "examples": examples}
    if not looked.looked:
        outcome, message = Outcome.SKIPPED, "no sampled row names a file that is there"
    elif counts:
        named = ", ".join(f"{count} {fault}" for fault, count in counts.items())
        outcome, message = Outcome.FAILED, f"of {looked.looked} files of sampled rows {named}"
    else:
        outcome, message = Outcome.PASSED, f"{looked.looked} files of sampled rows, none of them broken"
    return Check(f"{spec.name}.{READABLE}", outcome, message, CheckSeverity.WARNING, SOURCE, details)
