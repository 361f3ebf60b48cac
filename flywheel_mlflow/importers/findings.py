"""Turns what another tool reported into checks that are safe to keep."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from flywheel_mlflow.base.canonical import sha256_text
from flywheel_mlflow.base.errors import DocumentError, Fault
from flywheel_mlflow.base.names import MAX_LABEL_LENGTH, check_label
from flywheel_mlflow.evidence.runs import Check, CheckSeverity, Outcome

#: Characters kept of one message or of one captured output; the rest stays in the tool's own file.
MAX_MESSAGE: Final = 2000
#: Characters kept of any other detail.
MAX_DETAIL: Final = 500
#: Details kept for one check; more belong into the tool's own report.
MAX_DETAILS: Final = 30
#: Attempts of one check whose outcomes are listed in their order; more are counted.
MAX_ATTEMPTS: Final = 20

_WORST_FIRST: Final = (Outcome.ERROR, Outcome.FAILED, Outcome.SKIPPED, Outcome.PASSED)

# CSI and OSC sequences in their 7-bit and 8-bit forms (ECMA-48), then any two-character escape.
# pytest writes characters XML forbids as #x1B, hence the spelled-out form.
_ESCAPE = r"(?:\x1b|\#x1B)"
_TERMINAL = re.compile(
    rf"(?:{_ESCAPE}\[|\x9b)[0-?]*[ -/]*[@-~]|(?:{_ESCAPE}\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|{_ESCAPE}\\|\x9c)|\x1b[@-_]?"
)
# Direction overrides make a line read as something it is not (CVE-2021-42574).
_DIRECTION = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean_text(text: str, limit: int = MAX_MESSAGE) -> str:
    """At most ``limit`` characters, lines kept; no terminal escapes, control or direction characters."""
    # Cut first, generously: an escape sequence must not let megabytes through the slower steps.
    text = _TERMINAL.sub("", text[: limit * 8])
    text = text.replace("\r\n", "\n").replace("\t", "    ")
    kept = "".join(char for char in text if char == "\n" or _is_printable(char)).strip()
    return kept if len(kept) <= limit else kept[: limit - 1].rstrip() + "…"


def clean_line(text: str, limit: int = MAX_MESSAGE) -> str:
    """``clean_text`` on one line: every run of white space becomes a single space."""
    return clean_text(" ".join(clean_text(text, limit * 2).split()), limit)


def text_of(value: Any) -> str:
    """What a tool put where a text belongs; empty where it put nothing."""
    if value is None or isinstance(value, str):
        return value or ""
    return str(_plain_detail(value))


def _is_printable(char: str) -> bool:
    # Cc: controls; Cs: lone surrogates, which no UTF-8 file can hold; Zl, Zp: line breaks in disguise.
    return char not in _DIRECTION and unicodedata.category(char) not in {"Cc", "Cs", "Zl", "Zp"}


def plain_details(values: Mapping[str, Any]) -> dict[str, Any]:
    """The known values as numbers, booleans and short clean text; None means unknown and is left out."""
    details: dict[str, Any] = {}
    for key, value in values.items():
        label = clean_line(key, 80)
        if value is None or not label or label in details:
            continue
        if len(details) == MAX_DETAILS:
            break
        details[label] = _plain_detail(value)
    return details


def _plain_detail(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        # Beyond 64 bits an integer is no measurement, and not every store can hold it.
        return value if abs(value) < 2**63 else clean_line(str(value), MAX_DETAIL)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, str):
        return clean_line(value, MAX_DETAIL)
    try:
        # The writer stands a few calls deeper than the parser stood, so the deepest value parsed can be too deep here.
        return clean_line(json.dumps(value, sort_keys=True, ensure_ascii=False), MAX_DETAIL)
    except RecursionError:
        return "nested too deeply to show"


class Findings:
    """Collects one document's checks; results under one name are attempts of one check, and the worst of them counts.

    Args:
        document: the name shown in faults.
        source: the tool, written into every check.
    """

    def __init__(self, document: str, source: str) -> None:
        self._document = document
        self._source = source
        self._attempts: dict[str, list[Check]] = {}
        self._faults: list[Fault] = []

    def add(
        self,
        name: str,
        outcome: Outcome,
        *,
        message: str = "",
        severity: CheckSeverity = CheckSeverity.BLOCKING,
        details: Mapping[str, Any] | None = None,
        output: str = "",
    ) -> None:
        """Keep one result; another one of the same name is another attempt of the same check.

        ``output`` is what the tool captured, several lines of it; it is kept as a detail.
        """
        label = self._label(name)
        kept = plain_details(details or {})
        captured = clean_text(output)
        if captured:
            kept["output"] = captured
        attempt = Check(label, outcome, clean_line(message), severity, self._source, kept)
        self._attempts.setdefault(label, []).append(attempt)

    def fault(self, path: str, message: str) -> None:
        """Note something wrong with the document; ``checks`` will refuse it."""
        self._faults.append(Fault(self._document, 0, path, message))

    def checks(self) -> tuple[Check, ...]:
        """One check for each name, in the order the names were first added.

        Raises:
            DocumentError: a fault was noted, or there is no finding at all, which is not a pass.
        """
        if not self._attempts and not self._faults:
            self.fault("", "no check results")
        if self._faults:
            raise DocumentError(self._faults)
        return tuple(_merged(attempts) for attempts in self._attempts.values())

    def _label(self, name: str) -> str:
        label = clean_line(name, 4 * MAX_LABEL_LENGTH)
        if not label:
            self.fault("", f"check {len(self._attempts) + 1} has no name")
            return "unnamed"
        return check_label("check", _fitted(label, name))


def _merged(attempts: Sequence[Check]) -> Check:
    """One check out of all its attempts: the worst of them, with how many there were and how each ended."""
    worst = min(attempts, key=_badness)
    if len(attempts) == 1:
        return worst
    outcomes = [attempt.outcome.value for attempt in attempts]
    if len(outcomes) > MAX_ATTEMPTS:
        outcomes = [f"{count:,} {outcome}" for outcome, count in Counter(outcomes).items()]
    history = ", ".join(outcomes)
    told = f"{len(attempts):,} attempts: {history}"
    message = f"{clean_line(worst.message, MAX_MESSAGE - len(told) - 2)}; {told}" if worst.message else told
    return replace(worst, message=message, details={**worst.details, "attempts": len(attempts), "outcomes": history})


def _badness(attempt: Check) -> tuple[bool, int, bool]:
    """Sorts the worst first: what blocks, then the outcome; a warning is less than what blocks."""
    bad = attempt.outcome in (Outcome.ERROR, Outcome.FAILED)
    warns = attempt.severity is CheckSeverity.WARNING
    return not bad or warns, _WORST_FIRST.index(attempt.outcome), warns


def _fitted(label: str, name: str) -> str:
    """The label within the limit; a cut one ends in a digest of the whole name, which keeps it distinct."""
    if len(label) <= MAX_LABEL_LENGTH:
        return label
    mark = f"~{sha256_text(name.encode('utf-8', 'replace').decode())[:8]}"
    return label[: MAX_LABEL_LENGTH - len(mark)] + mark
