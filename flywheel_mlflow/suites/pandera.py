"""Runs schemas of pandera; the only module that imports it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import yaml

from flywheel_mlflow.evidence.runs import Check, CheckSeverity, Outcome
from flywheel_mlflow.importers.findings import Findings
from flywheel_mlflow.suites import SuiteUnusable

#: What stands for the whole table beside its columns.
_TABLE = "table"
_UNUSABLE = (yaml.YAMLError, ImportError, OSError, TypeError, ValueError, KeyError, AttributeError, re.error)


@dataclass(slots=True)
class _Part:
    """A column or the table, or one of its checks by number; None for type, nulls and what else a column is."""

    column: str
    number: int | None
    name: str = ""
    severity: CheckSeverity = CheckSeverity.BLOCKING
    optional: bool = False
    pattern: re.Pattern[str] | None = None
    errors: list[Any] = field(default_factory=list)

    def names(self, column: str) -> bool:
        """Whether it speaks of a column of the data."""
        return self.column == column or (self.pattern is not None and self.pattern.match(column) is not None)


def run(name: str, text: str, records: Sequence[Mapping[str, Any]]) -> tuple[Check, ...]:
    """The checks of a schema as ``DataFrameSchema.to_yaml()`` writes it, over the records as one table.

    A column is one check (there, type, nulls, unique), and each of its own checks another.

    Raises:
        SuiteUnusable: the library takes it for no schema, or there is nothing to check in it.
    """
    import pandera.pandas as pa
    from pandera.errors import BackendNotFoundError, SchemaDefinitionError, SchemaErrors, SchemaInitError

    table = pd.json_normalize(list(records))
    parts: list[_Part] = []
    try:
        schema = pa.DataFrameSchema.from_yaml(io.StringIO(text))
        parts += _parts(schema)
        if not schema.columns and not schema.checks:
            raise SuiteUnusable("the file holds no schema with columns or checks")
        schema.validate(table, lazy=True)
    except SchemaErrors as error:
        for item in error.schema_errors:
            _part_of(item, parts).errors.append(item)
    except (SchemaDefinitionError, SchemaInitError, BackendNotFoundError, *_UNUSABLE) as error:
        raise SuiteUnusable(f"pandera cannot run it: {type(error).__name__}: {error}") from error
    findings = Findings(name, "pandera")
    for part in parts:
        there = part.column == _TABLE or any(map(part.names, map(str, table.columns)))
        outcome, message = _outcome(part, there=there)
        label = f"{name}.{part.column}" + (f".{part.name}" if part.name else "")
        rows = sum(_cases(item) for item in part.errors)
        findings.add(label, outcome, message=message, severity=part.severity, details={"failure_cases": rows})
    return findings.checks()


def _parts(schema: Any) -> Iterator[_Part]:
    yield _Part(_TABLE, None)
    yield from _checks_of(_TABLE, schema.checks)
    for name, column in schema.columns.items():
        pattern = re.compile(str(name)) if column.regex else None
        yield _Part(str(name), None, optional=not column.required, pattern=pattern)
        for part in _checks_of(str(name), column.checks):
            part.optional, part.pattern = not column.required, pattern
            yield part


def _checks_of(column: str, checks: Sequence[Any]) -> Iterator[_Part]:
    for number, check in enumerate(checks):
        severity = CheckSeverity.WARNING if check.raise_warning else CheckSeverity.BLOCKING
        check.raise_warning = False  # else what fails is printed, and no error
        yield _Part(column, number, str(check.name or number), severity)


def _part_of(error: Any, parts: Sequence[_Part]) -> _Part:
    """The part of the schema that an error is about; the table's where it is about nothing else."""
    missing = getattr(error.reason_code, "name", "") == "COLUMN_NOT_IN_DATAFRAME"
    column = str(error.failure_cases if missing else getattr(error.schema, "name", None) or _TABLE)
    own = [part for part in parts if part.names(column)]
    return next((part for part in own if part.number == error.check_index), own[0] if own else parts[0])


def _outcome(part: _Part, *, there: bool) -> tuple[Outcome, str]:
    if not there:
        missing = Outcome.FAILED if part.number is None else Outcome.ERROR
        return Outcome.SKIPPED if part.optional else missing, "no such column in the data"
    raised = [item for item in part.errors if getattr(item.reason_code, "name", "") == "CHECK_ERROR"]
    if raised:
        return Outcome.ERROR, "the check itself raised an error: is the column of another type?"
    if part.errors:
        # What failed by name; pandera's own words quote values.
        return Outcome.FAILED, ", ".join(f"{_cases(item):,} failures of {_named(item.check)}" for item in part.errors)
    return Outcome.PASSED, ""


def _cases(error: Any) -> int:
    return len(error.failure_cases) if isinstance(error.failure_cases, pd.DataFrame) else 1


def _named(check: Any) -> str:
    return str(getattr(check, "name", None) or check)
