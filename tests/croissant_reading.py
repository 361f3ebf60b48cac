"""Opens Croissant documents with mlcroissant, the reference reader, and gives what it reads the shape of the data."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote


@contextmanager
def quiet() -> Iterator[None]:
    """Warnings of mlcroissant's own dependencies are not ours to repair."""
    logging.getLogger("absl").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def opened(document: Path) -> Any:
    """The dataset of a document without faults."""
    import mlcroissant

    with quiet():
        dataset = mlcroissant.Dataset(jsonld=str(document))
    issues = dataset.metadata.ctx.issues
    assert not issues.errors, issues.report()
    return dataset


def read_croissant(document: Path, record_set: str) -> list[dict[str, Any]]:
    """Every record that mlcroissant reads by a document, as plain values by field name."""
    dataset = opened(document)
    (described,) = (item for item in dataset.metadata.record_sets if item.id == record_set)
    with quiet():
        return [_record(dict(item), described.fields) for item in dataset.records(record_set)]


def _record(found: Mapping[str, Any], fields: Any) -> dict[str, Any]:
    """One record: mlcroissant puts the leaves of a nested field below the nearest field around them, at the top."""
    return {unquote(field.id.rpartition("/")[2]): _value(found, field) for field in fields}


def _value(found: Mapping[str, Any], field: Any) -> Any:
    if not field.sub_fields:
        return plain(found[field.id])
    held: Any = found.get(field.id)
    if field.is_array:
        return [_record(item, field.sub_fields) for item in held]
    return {
        unquote(sub.id.rpartition("/")[2]): plain(held[sub.id]) if not sub.sub_fields else _value(found, sub)
        for sub in field.sub_fields
    }


def plain(value: Any) -> Any:
    """A value of pandas, numpy or Arrow as JSON would have it; texts, which mlcroissant gives as bytes, are texts."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, dt.datetime):
        return value.isoformat().replace("+00:00", "").removesuffix("T00:00:00")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value.item() if hasattr(value, "item") else value


def expected(record: Mapping[str, Any], described: Any) -> dict[str, Any]:
    """A record as its fields in a document let one read it; what is null around a field makes the field null."""
    return {field["name"]: _expected(record.get(field["name"]), field) for field in described}


def _expected(value: Any, field: Mapping[str, Any]) -> Any:
    inner = field.get("subField")
    if inner is None:
        return plain(value) if value is None or field["dataType"] != "sc:DateTime" else plain(_moment(value))
    if field.get("isArray"):
        # Of a list that is null mlcroissant makes one item without values.
        return [expected(item, inner) for item in ([{}] if value is None else value)]
    return expected(value or {}, inner)


def _moment(value: Any) -> Any:
    return dt.datetime.fromisoformat(value) if isinstance(value, str) else value


def described_fields(document: Path, record_set: str) -> list[dict[str, Any]]:
    """The fields of a record set as they stand in a document."""
    (found,) = (item for item in json.loads(document.read_text())["recordSet"] if item["@id"] == record_set)
    fields: list[dict[str, Any]] = found["field"]
    return fields
