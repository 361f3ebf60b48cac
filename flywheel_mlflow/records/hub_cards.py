"""Reads the card of a Hugging Face dataset, a README.md with YAML before it, as a data card."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from flywheel_mlflow.base.documents import Document, parse_yaml
from flywheel_mlflow.base.errors import DocumentError, Fault
from flywheel_mlflow.records.cards import DataCard, card_of

#: Licences as the Hub spells them, with their SPDX identifiers.
LICENCES = {
    identifier.lower(): identifier
    for identifier in (
        *("AFL-3.0", "AGPL-3.0", "Apache-2.0", "Artistic-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0"),
        *("CC-BY-2.0", "CC-BY-2.5", "CC-BY-3.0", "CC-BY-4.0", "CC-BY-SA-3.0", "CC-BY-SA-4.0", "CC-BY-NC-2.0"),
        *("CC-BY-NC-3.0", "CC-BY-NC-4.0", "CC-BY-ND-4.0", "CC-BY-NC-ND-3.0", "CC-BY-NC-ND-4.0", "CC-BY-NC-SA-2.0"),
        *("CC-BY-NC-SA-3.0", "CC-BY-NC-SA-4.0", "CDLA-Sharing-1.0", "CDLA-Permissive-1.0", "CDLA-Permissive-2.0"),
        *("EPL-1.0", "EPL-2.0", "EUPL-1.1", "EUPL-1.2", "GFDL", "GPL-2.0", "GPL-3.0", "ISC", "LGPL-2.1", "LGPL-3.0"),
        *("MIT", "MPL-2.0", "MS-PL", "NCSA", "ODbL", "ODC-By", "OFL-1.1", "PDDL", "PostgreSQL", "Unlicense", "WTFPL"),
        "Zlib",
    )
}
#: Our own part of the YAML: what a data card says and the Hub has no key for.
OWN_KEY = "flywheel"
_OWN = ("description", "filters", "hazards", "preview")
_MARK = "---"


def is_hub_card(path: PurePath) -> bool:
    """Whether a file is such a card, by its name."""
    return path.suffix.lower() == ".md"


def card_from_markdown(text: str, *, name: str, source: str | None = None) -> DataCard:
    """The data card in the YAML before a Markdown text; ``source`` is where the data come from if it does not say so.

    Read are ``license`` (``license_name`` or ``license_link`` of others), ``pretty_name``, ``source_datasets``, and
    what ``pull --format hf`` wrote below ``flywheel``.

    Raises:
        DocumentError: no YAML, or no licence or source in it.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    if lines[0].rstrip() != _MARK or _MARK not in (line.rstrip() for line in lines[1:]):
        raise DocumentError([Fault(name, 1, "", "a dataset card begins with YAML between two lines of ---")])
    end = next(number for number, line in enumerate(lines[1:], start=1) if line.rstrip() == _MARK)
    # An empty line in place of the mark: lines of the YAML keep their numbers in the file.
    document = parse_yaml("\n".join(["", *lines[1:end]]), name=name)
    if not isinstance(document.value, dict):
        raise DocumentError([Fault(name, 1, "", "the YAML of a dataset card is a mapping")])
    return card_of(_values(document, source), Document(name, document.value, document.lines))


def _values(document: Document, source: str | None) -> dict[str, Any]:
    front = document.value
    own = front.get(OWN_KEY)
    found = {key: own[key] for key in _OWN if key in own} if isinstance(own, dict) else {}
    origin = ", ".join(map(str, _listed(front.get("source_datasets")))) or source
    licence = _licence(front)
    faults = [
        document.fault((key,), message)
        for key, value, message in (
            ("license", licence, "the card states no licence"),
            ("source_datasets", origin, "the card does not say where the data come from"),
        )
        if not value
    ]
    if faults:
        raise DocumentError(faults, hint="add it to the YAML of the card, or give a card of our own")
    title = front.get("pretty_name")
    return {**found, "licence": licence, "source": origin, **({"title": title} if title else {})}


def _licence(front: dict[str, Any]) -> str | None:
    names = [str(name) for name in _listed(front.get("license")) if name and str(name) != "unknown"]
    if names == ["other"]:
        told = front.get("license_name") or front.get("license_link")
        return str(told) if told else None
    return ", ".join(LICENCES.get(name.lower(), name) for name in names) or None


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
