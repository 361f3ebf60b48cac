"""Exports a data card with a measurement as Croissant 1.0, the JSON-LD that dataset tools read.

Specification: https://docs.mlcommons.org/croissant/docs/croissant-spec-1.0.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flywheel_mlflow.evidence.runs import FieldType
from flywheel_mlflow.records.cards import DataCard

if TYPE_CHECKING:
    from flywheel_mlflow.records.measuring import Measurement

# The context of the specification's appendix, cut to the terms used below.
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "includes": "cr:includes",
    "jsonPath": "cr:jsonPath",
    "recordSet": "cr:recordSet",
    "repeated": "cr:repeated",
    "sc": "https://schema.org/",
    "source": "cr:source",
}
_DATA_TYPES = {"string": "sc:Text", "integer": "sc:Integer", "number": "sc:Float", "boolean": "sc:Boolean"}
_ENCODINGS = {"jsonl": "application/jsonlines", "parquet": "application/vnd.apache.parquet"}


def to_croissant(card: DataCard, measurement: Measurement, name: str) -> dict[str, Any]:
    """The data set as a Croissant 1.0 document.

    Fields are those with a plain type; lists and mixed ones have no Croissant type and are left
    out. ``url`` is the card's source when that is a URL, otherwise a URN of the content digest.
    """
    version = measurement.version
    source = card.source if card.source.startswith(("https://", "http://")) else f"urn:sha256:{version.digest}"
    notes = [f"{note.rule} ({note.rows_in} -> {note.rows_out} rows): {note.reason}" for note in card.filters]
    described = [card.description or card.title or name, *notes, *(f"Hazard: {hazard}" for hazard in card.hazards)]
    data, reference = _distribution(measurement, name)
    document: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": name,
        "description": "\n".join(described),
        "license": card.licence,
        "url": source,
        "version": f"0.0.0+{version.digest[:32]}",
        "distribution": data,
    }
    fields = [
        _field(field, name, reference, measurement.format) for field in version.fields if field.type in _DATA_TYPES
    ]
    if fields:
        document["recordSet"] = [{"@type": "cr:RecordSet", "@id": name, "name": name, "field": fields}]
    return document


def _distribution(measurement: Measurement, name: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    encoding = _ENCODINGS.get(measurement.format, "application/octet-stream")
    ids = [f"{name}/{file.name}" for file in measurement.files]
    objects: list[dict[str, Any]] = [
        {
            "@type": "cr:FileObject",
            "@id": identity,
            "name": file.name,
            "contentUrl": file.name,
            "contentSize": f"{file.size} B",
            "encodingFormat": encoding,
            "sha256": file.digest,
        }
        for identity, file in zip(ids, measurement.files, strict=True)
    ]
    if len(objects) == 1:
        return objects, {"fileObject": {"@id": ids[0]}}
    together = f"{name}/files"
    suffixes = sorted({file.name.rsplit(".", 1)[-1] for file in measurement.files})
    includes = [f"*.{suffix}" for suffix in suffixes]
    file_set = {
        "@type": "cr:FileSet",
        "@id": together,
        "name": together,
        "encodingFormat": encoding,
        "includes": includes[0] if len(includes) == 1 else includes,
    }
    return [*objects, file_set], {"fileSet": {"@id": together}}


def _field(field: FieldType, name: str, reference: dict[str, Any], data_format: str) -> dict[str, Any]:
    extract = {"jsonPath": f"$.{field.path}"} if data_format == "jsonl" else {"column": field.path}
    return {
        "@type": "cr:Field",
        "@id": f"{name}/{field.path}",
        "name": field.path,
        "dataType": _DATA_TYPES[field.type],
        "source": {**reference, "extract": extract},
    }
