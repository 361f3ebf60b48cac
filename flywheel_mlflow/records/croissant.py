"""Describes an interface's data as Croissant 1.1, the JSON-LD that dataset tools read.

Specification: https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html, with the vocabulary for responsible AI
(https://docs.mlcommons.org/croissant/docs/croissant-rai-spec.html).
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from pydantic import TypeAdapter

from flywheel_mlflow.base.canonical import short_digest
from flywheel_mlflow.base.documents import read_json
from flywheel_mlflow.records.cards import DataCard
from flywheel_mlflow.records.data_fields import SPLIT_FIELDS, DataField
from flywheel_mlflow.records.sources import MeasuredFile, joint_digest

#: What a document is called beside the data it describes.
CROISSANT_FILE: Final = "croissant.json"

#: The specification's context, cut to the terms used below.
_CONTEXT: Final[Mapping[str, Any]] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_CONFORMS_TO: Final = ("http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0")
#: Parquet's registered type is another; mlcroissant 1.1.1 knows this one alone, as the specification writes it.
_ENCODINGS: Final = {"jsonl": "application/jsonlines", "parquet": "application/x-parquet"}
#: What the usual names of splits mean; others are splits of no stated kind.
_SPLIT_URLS: Final = {
    "train": "cr:TrainingSplit",
    "training": "cr:TrainingSplit",
    "val": "cr:ValidationSplit",
    "valid": "cr:ValidationSplit",
    "validation": "cr:ValidationSplit",
    "dev": "cr:ValidationSplit",
    "test": "cr:TestSplit",
}
_ROLES: Final = {
    "training": "Training data of a flywheel.",
    "evaluation": "Evaluation data: nothing of them may be trained on.",
    "reference": "Reference data that other projects of a flywheel read.",
    "control": "Control data: rules and lists that other projects of a flywheel obey.",
}


@dataclass(frozen=True, slots=True)
class Provenance:
    """Who made the data and under which release; None and empty where it is not known.

    ``published`` is the day of the release in ISO 8601, ``release`` its number, ``role`` and ``title`` are the
    contract's words, ``licence`` is what the release or the records state where no card does.
    """

    project: str = ""
    owner: str = ""
    flywheel: str = ""
    title: str = ""
    role: str = ""
    iteration: int | None = None
    release: int | None = None
    published: str | None = None
    licence: str | None = None


def measured_files(text: str, digest: str) -> tuple[MeasuredFile, ...] | None:
    """The files that a run listed beside its data; None unless they are those that the version's ``digest`` covers.

    Raises:
        DocumentError: it is no list of files.
    """
    files = read_json(TypeAdapter(tuple[MeasuredFile, ...]), text, name="the list of files", hint="log the data again")
    digests = [file.digest for file in files]
    kept = {short_digest(joint_digest(files, digests, single=single)) for single in {len(files) == 1, False}}
    return files if files and digest in kept else None


def to_croissant(
    name: str,
    *,
    digest: str,
    data_format: str,
    files: Sequence[MeasuredFile],
    fields: Sequence[DataField],
    splits: Sequence[str] = (),
    card: DataCard | None = None,
    origin: Provenance | None = None,
    url_of: Callable[[str], str] | None = None,
) -> dict[str, Any]:
    """An interface's data as a Croissant document.

    Args:
        name: the interface.
        digest: of its data, hex.
        data_format: ``jsonl``, ``parquet``, or ``opaque``, which has files and no records.
        files: the data files, named as they lie beside the document.
        fields: the fields of its records; those without a type are named and left out.
        splits: the values of the field ``split`` (or ``stage``), where it has some.
        card: its data card.
        origin: who made it.
        url_of: the address of a file by its name, where it does not lie beside the document.
    """
    origin = origin or Provenance()
    distribution, sources = _distribution(name, data_format, files, url_of)
    described = [card.description or card.title or "" if card else "", origin.title]
    document: dict[str, Any] = {
        "@context": dict(_CONTEXT),
        "@type": "sc:Dataset",
        "conformsTo": list(_CONFORMS_TO),
        "name": name,
        "description": next(filter(None, described), name),
        "license": card.licence if card else origin.licence,
        "url": card.source if card and _is_url(card.source) else f"urn:sha256:{digest}",
        "version": f"{origin.release or 0}.0.0+{digest[:32]}",
        "datePublished": origin.published,
        "creator": {"@type": "sc:Organization", "name": origin.owner} if origin.owner else None,
        "citeAs": _citation(name, digest, origin),
        "isBasedOn": card.source if card else None,
        **_responsible(card, origin),
        "distribution": distribution,
    }
    known = [field for field in fields if field.is_typed]
    if known and data_format in _ENCODINGS:
        document["recordSet"] = _record_sets(name, known, sources, splits, left_out=_left_out(fields))
    return {key: value for key, value in document.items() if value not in (None, [])}


def _is_url(text: str) -> bool:
    return text.startswith(("https://", "http://")) and not any(char.isspace() for char in text)


def _citation(name: str, digest: str, origin: Provenance) -> str | None:
    if not origin.project:
        return None
    release = f", release {origin.release}" if origin.release is not None else ""
    iteration = f", iteration {origin.iteration}" if origin.iteration is not None else ""
    flywheel = f" of the flywheel {origin.flywheel}" if origin.flywheel else ""
    return f"{name}, made by {origin.project}{flywheel}{iteration}{release}, version {digest[:32]}"


def _responsible(card: DataCard | None, origin: Provenance) -> dict[str, Any]:
    """What the card and the contract know of how the data came about and what to beware of."""
    answers: dict[str, Any] = {"rai:dataUseCases": [_ROLES[origin.role]] if origin.role in _ROLES else []}
    if card is not None:
        answers |= {
            "rai:dataCollection": card.source,
            "rai:dataPreprocessingProtocol": [
                f"{note.rule}{_constant(note.constant)}: {note.rows_in} rows in, {note.rows_out} out. {note.reason}"
                for note in card.filters
            ],
            "rai:dataLimitations": list(card.hazards),
        }
    return answers


def _constant(value: float | str | None) -> str:
    return "" if value is None else f" ({value if isinstance(value, str) else f'{value:g}'})"


def _distribution(
    name: str, data_format: str, files: Sequence[MeasuredFile], url_of: Callable[[str], str] | None
) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    """The files, and where the records of each record set come from by its name."""
    encoding = _ENCODINGS.get(data_format, "application/octet-stream")
    objects: list[dict[str, Any]] = [
        {
            "@type": "cr:FileObject",
            "@id": f"{name}/{quote(file.name)}",
            "name": file.name,
            "contentUrl": url_of(file.name) if url_of else file.name,
            "contentSize": f"{file.size} B",
            "encodingFormat": encoding,
            "sha256": file.digest,
        }
        for file in files
    ]
    if len(objects) == 1:
        return objects, {name: {"fileObject": {"@id": objects[0]["@id"]}}}
    if url_of:
        # mlcroissant 1.1.1 reads no set of files that lie on a server, unless they come in an archive.
        return objects, {f"{name}-{n}": {"fileObject": {"@id": item["@id"]}} for n, item in enumerate(objects, 1)}
    together: dict[str, Any] = {
        "@type": "cr:FileSet",
        "@id": f"{name}-files",
        "name": f"{name}-files",
        "encodingFormat": encoding,
        # Whole names: a pattern could fit what lies beside the data.
        "includes": [glob.escape(file.name) for file in files],
    }
    return [*objects, together], {name: {"fileSet": {"@id": together["@id"]}}}


def _record_sets(
    name: str,
    fields: Sequence[DataField],
    sources: Mapping[str, Mapping[str, Any]],
    splits: Sequence[str],
    *,
    left_out: list[str],
) -> list[dict[str, Any]]:
    leaves = {field.name for field in fields if not field.children}
    column = next((name for name in SPLIT_FIELDS if name in leaves), None)
    split_set = f"{name}-splits"
    record_sets = [_split_set(split_set, splits)] if splits and column else []
    for identity, reference in sources.items():
        record_set: dict[str, Any] = {"@type": "cr:RecordSet", "@id": identity, "name": identity}
        if left_out:
            record_set["description"] = f"Left out, as they have no single type: {', '.join(left_out)}."
        record_set["field"] = [_field(field, identity, reference, ()) for field in fields]
        for field in record_set["field"]:
            if splits and field["name"] == column:
                field["references"] = {"field": {"@id": f"{split_set}/name"}}
        record_sets.append(record_set)
    return record_sets


def _split_set(identity: str, splits: Sequence[str]) -> dict[str, Any]:
    text = {"@type": "cr:Field", "dataType": "sc:Text"}
    return {
        "@type": "cr:RecordSet",
        "@id": identity,
        "name": identity,
        "dataType": "cr:Split",
        "key": {"@id": f"{identity}/name"},
        "field": [
            {**text, "@id": f"{identity}/name", "name": "name"},
            {**text, "@id": f"{identity}/url", "name": "url", "dataType": ["sc:URL", "cr:Split"]},
        ],
        "data": [
            {f"{identity}/name": split, f"{identity}/url": _SPLIT_URLS.get(split.lower(), "cr:Split")}
            for split in splits
        ],
    }


def _field(
    field: DataField, parent: str, reference: Mapping[str, Any], steps: tuple[str | None, ...]
) -> dict[str, Any]:
    """A field below ``parent``; ``steps`` lead to it from the record: keys, and None where a list begins."""
    identity = f"{parent}/{quote(field.name, safe='')}"
    here = (*steps, field.name)
    described: dict[str, Any] = {"@type": "cr:Field", "@id": identity, "name": field.name}
    if field.dimensions:
        described |= {"isArray": True, "arrayShape": ",".join(["-1"] * field.dimensions)}
    if field.children:
        inside = (*here, None) if field.dimensions else here
        typed = (child for child in field.children if child.is_typed)
        return described | {"subField": [_field(child, identity, reference, inside) for child in typed]}
    source: dict[str, Any] = {**reference, "extract": {"column": here[0]}}
    if paths := _paths(here[1:]):
        source["transform"] = [{"jsonPath": path} for path in paths]
    return described | {"dataType": field.type, "source": source}


def _paths(steps: Iterable[str | None]) -> list[str]:
    """JSONPaths, one after the other: each list is a step of its own, for a reader takes the first match of one."""
    paths: list[str] = []
    path = ""
    for step in steps:
        if step is not None:
            escaped = step.replace("\\", "\\\\").replace("'", "\\'")
            path += f"['{escaped}']"
        elif path:
            paths.append(f"${path}")
            path = ""
    return [*paths, f"${path}"] if path else paths


def _left_out(fields: Iterable[DataField], prefix: str = "") -> list[str]:
    names: list[str] = []
    for field in fields:
        if not field.is_typed:
            names.append(f"{prefix}{field.name}")
        names += _left_out(field.children, f"{prefix}{field.name}.") if field.is_typed else []
    return names
