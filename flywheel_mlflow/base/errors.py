"""Everything that can go wrong, each with what to try.

FlywheelError                    exit code 4
+-- Refused                      exit code 1: a rule says no to an act; it names rule, value and limit
+-- InputError                   exit code 2: the caller's input is at fault
|   +-- DocumentError            a document has faults; all of them are listed
|   +-- UnknownName              a project, interface, metric or iteration nobody declared
|   +-- RecordError              interface data that cannot be read as records
+-- ServerError                  exit code 4: the tracking server said no, or nothing
|   +-- ServerUnreachable        no answer within the bounded retries
|   +-- ServerRefused            an answer, and it is an error
+-- StorageError                 exit code 4: a disk or folder that cannot be written or read
|   +-- SourceGone               data that stay where they are, and are not there
|   +-- SourceUnreachable        whether they are there cannot be told
+-- Inconclusive                 exit code 3: what an act rests on could not be looked at
+-- MonitoringError              exit code 4: Evidently cannot be used, or cannot draw a report
+-- AssemblyError                exit code 4: the assembly contradicts itself
+-- WorkerLost                   exit code 4: a process that measured data ended by itself
+-- ClusterUnreachable           exit code 4: the cluster that is to measure data does not answer, or cannot be used
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

#: Names an error lists at the most.
MAX_SHOWN_NAMES = 16


class ExitCode(IntEnum):
    """What a command's exit status means; the site's reference explains each."""

    PASS = 0
    BLOCK = 1
    USAGE = 2
    INCONCLUSIVE = 3
    FAILURE = 4


class FlywheelError(Exception):
    """What happened, where, and what to do about it.

    Args:
        what: one sentence, the fact.
        where: the file, run, server or place inside it, when there is one.
        hint: what the reader can do next.
    """

    exit_code: ExitCode = ExitCode.FAILURE

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def diagnostics(self) -> str:
        """The error as the lines a person reads: what, where, what to try."""
        lines = [self.what]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.hint:
            lines.append(f"  try:   {self.hint}")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.diagnostics()

    def _render_traceback_(self) -> list[str]:
        # What notebooks show in place of a traceback: a message for the person who reads it.
        return self.diagnostics().splitlines()


class Refused(FlywheelError):
    """A rule says no to an act.

    Args:
        what: one sentence, the fact.
        rule: the rule that says no, as a sentence.
        value: what was found, where there is a value.
        limit: what the rule demands, where there is a limit.
        where: the release, run or server.
        hint: the next command.
    """

    exit_code = ExitCode.BLOCK

    def __init__(
        self,
        what: str,
        *,
        rule: str,
        value: object = None,
        limit: object = None,
        where: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(what, where=where, hint=hint)
        self.rule = rule
        self.value = value
        self.limit = limit

    def diagnostics(self) -> str:
        """What, by which rule, the value against its limit, what to try."""
        lines = [self.what, f"  rule:  {self.rule}"]
        lines += [f"  value: {self.value}"] if self.value is not None else []
        lines += [f"  limit: {self.limit}"] if self.limit is not None else []
        lines += [f"  where: {self.where}"] if self.where else []
        lines += [f"  try:   {self.hint}"] if self.hint else []
        return "\n".join(lines)


class InputError(FlywheelError):
    """Input that does not hold what it must."""

    exit_code = ExitCode.USAGE


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing wrong in one place of one document.

    ``line`` counts from 1 and is 0 when the place has no line (a file that is missing).
    """

    file: str
    line: int
    path: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.path}: {self.message}" if self.path else f"{place}: {self.message}"


class DocumentError(InputError):
    """One or more documents have faults; every one of them is in ``faults``."""

    def __init__(self, faults: Iterable[Fault], *, hint: str | None = None) -> None:
        self.faults = tuple(sorted(set(faults)))
        count = len(self.faults)
        files = sorted({fault.file for fault in self.faults})
        noun = "fault" if count == 1 else "faults"
        super().__init__(
            f"{count} {noun} in {', '.join(files[:3])}"
            + (f" and {len(files) - 3} more files" if len(files) > 3 else ""),
            hint=hint or "correct the places listed, then run `flywheel validate`",
        )

    def diagnostics(self) -> str:
        """Every fault on a line of its own, then what to try."""
        lines = [self.what, *(f"  {fault}" for fault in self.faults)]
        if self.hint:
            lines.append(f"  try:   {self.hint}")
        return "\n".join(lines)


class UnknownName(InputError):
    """A name nobody declared; the hint lists the nearest ones that exist."""

    def __init__(self, kind: str, name: str, known: Iterable[str], *, where: str | None = None) -> None:
        from difflib import get_close_matches

        choices = sorted(known)
        near = get_close_matches(name, choices, n=3)
        # p05.kpi is mistaken for another number of p05 more often than for one of p15.
        family = [
            choice for choice in choices if "." in name and choice.startswith(name.split(".", maxsplit=1)[0] + ".")
        ]
        ordered = list(dict.fromkeys([*near, *family, *choices]))
        shown, rest = ordered[:MAX_SHOWN_NAMES], len(ordered) - MAX_SHOWN_NAMES
        hint = f"known: {', '.join(shown)}" if shown else f"no {kind} is known yet"
        hint += f" and {rest} more" if rest > 0 else ""
        super().__init__(f"unknown {kind} {name!r}", where=where, hint=hint)


class MissingVersion(InputError):
    """An input interface has no version that a run of the iteration may read."""


class RecordError(InputError):
    """Interface data that cannot be read as records."""


class ServerError(FlywheelError):
    """The tracking server said no, or nothing."""


class ServerUnreachable(ServerError):
    """No answer within the bounded retries."""


class ServerRefused(ServerError):
    """An answer, and it is an error; ``code`` is MLflow's error code."""

    def __init__(self, what: str, *, code: str, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(what, where=where, hint=hint)
        self.code = code


class StorageError(FlywheelError):
    """A disk or folder that cannot be written or read."""


class SourceGone(StorageError):
    """Data that a reference leads to are not there."""


class SourceUnreachable(StorageError):
    """Whether the data that a reference leads to are there cannot be told: no answer, no permission, no network."""


class Inconclusive(FlywheelError):
    """What an act rests on could not be looked at, so it neither holds nor fails."""

    exit_code = ExitCode.INCONCLUSIVE


class MonitoringError(FlywheelError):
    """Evidently cannot be used here, or cannot draw a report."""


class AssemblyError(FlywheelError):
    """The assembly contradicts itself: a defect of ours or a store that changed meanwhile."""


class WorkerLost(FlywheelError):
    """A process that measured data ended by itself."""


class ClusterUnreachable(FlywheelError):
    """The cluster that is to measure data does not answer, or cannot be used."""
