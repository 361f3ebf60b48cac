"""Reads hostile JSON and YAML documents, keeping the line of every place."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError
from yaml.constructor import SafeConstructor

from flywheel_mlflow.base.errors import DocumentError, Fault, StorageError
from flywheel_mlflow.base.names import IN_WORDS, meant
from flywheel_mlflow.base.paths import parse_path

#: A contract, blueprint or metrics document is written by people or by one pipeline; one
#: that is larger is a mistake or an attack, and is refused before it is parsed.
MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
#: Without libyaml PyYAML reads about 100,000 characters a second: ten seconds are enough for a slip.
MAX_YAML_CHARACTERS = 1_000_000
#: Deeper than any of our files by far, and shallow enough that no later walk over the value
#: exhausts Python's stack.
MAX_DEPTH = 100

#: PyYAML's safe loader on libyaml, which takes a tenth of the time; its wheels have it, a build without gets the other.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_COLLECTION_TAGS = frozenset({f"{_TAG}map", f"{_TAG}seq"})
#: A plain key such as ``2026-01-01`` or ``on`` resolves to one of these, and is read as its text.
_KEY_TAGS = frozenset(_TAG + name for name in ("str", "int", "float", "bool", "null", "timestamp", "merge", "value"))
#: Half a character: JSON and YAML can escape one, UTF-8 cannot write it.
_SURROGATE = re.compile("[\ud800-\udfff]")
_HALF_CHARACTER = "text with half a character (a lone surrogate) cannot be kept"

Model = TypeVar("Model", bound=BaseModel)
Read = TypeVar("Read")
Location = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed document: plain values, and the line (from 1) each place started on.

    ``origins`` names the file of each top-level key that lies in another file than ``name``.
    """

    name: str
    value: Any
    lines: Mapping[Location, int]
    origins: Mapping[str, str] = field(default_factory=dict)

    def line_of(self, location: Location) -> int:
        """The line of ``location`` or of the nearest place around it that has one."""
        while location and location not in self.lines:
            location = location[:-1]
        return self.lines.get(location, 1)

    def fault(self, location: Location, message: str) -> Fault:
        """A fault at ``location`` of this document."""
        name = self.origins.get(str(location[0]), self.name) if location else self.name
        return Fault(name, self.line_of(location), dotted(location), message)


def dotted(location: Location) -> str:
    """``("kpis", 0, "path")`` as ``kpis[0].path``."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else str(part))
    return text


def read_text(path: Path, *, name: str | None = None) -> str:
    """The UTF-8 text of a small file.

    Raises:
        DocumentError: missing, not a file, too large, or not UTF-8.
        StorageError: the system refused to read it.
    """
    shown = name or str(path)
    try:
        if not path.is_file():
            raise DocumentError([Fault(shown, 0, "", "no such file" if not path.exists() else "not a file")])
        size = path.stat().st_size
        if size > MAX_DOCUMENT_BYTES:
            raise DocumentError([Fault(shown, 0, "", f"{size} bytes, at most {MAX_DOCUMENT_BYTES} are read")])
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise DocumentError([Fault(shown, 0, "", f"not UTF-8 at byte {error.start}")]) from error
    except OSError as error:
        raise StorageError(f"cannot read {shown}: {error.strerror or error}", where=shown) from error


def parse_json(text: str, *, name: str, foreign: bool = False) -> Any:
    """The value of a JSON text; NaN, Infinity and repeated keys are faults, not values.

    With ``foreign`` it is read as other tools write it: a byte order mark may come first, NaN, infinities and numbers
    too large are the text that stands there, and half a character becomes U+FFFD.

    Raises:
        DocumentError: with the line of the first fault.
    """

    def constant(token: str) -> Any:
        if foreign:
            return token
        raise ValueError(f"{token} is not a number")

    def finite(token: str) -> Any:
        value = float(token)
        if math.isfinite(value) or foreign:
            return value if math.isfinite(value) else token
        raise ValueError(f"{token} is too large for a number")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        if len(set(keys)) != len(keys):
            again = next(key for key, count in Counter(keys).items() if count > 1)
            raise ValueError(f"the key {again!r} is written twice in one object")
        return dict(pairs)

    try:
        text = text.removeprefix("\ufeff") if foreign else text
        value = json.loads(text, parse_constant=constant, object_pairs_hook=unique, parse_float=finite)
        if foreign and not _is_simple(text):
            value = _whole_characters(value)
    except json.JSONDecodeError as error:
        fault = Fault(name, error.lineno, "", f"not JSON: {error.msg} (column {error.colno})")
        raise DocumentError([fault]) from error
    except RecursionError as error:
        raise DocumentError([Fault(name, 0, "", "nested too deeply")]) from error
    except ValueError as error:
        raise DocumentError([Fault(name, 0, "", f"not JSON: {error}")]) from error
    trouble = _trouble(value, text)
    if trouble:
        raise DocumentError([Fault(name, 0, "", trouble)])
    return value


def read_json(adapter: TypeAdapter[Read], text: str, *, name: str, hint: str, newer: bool = False) -> Read:
    """What ``adapter`` makes of a JSON text, strictly; ``name`` is where it comes from, for errors.

    ``newer`` passes over what a later version may have added.

    Raises:
        DocumentError: it is no such document; ``hint`` says what to do.
    """
    parse_json(text, name=name)  # refuses what pydantic takes: doubled keys, depth without end
    try:
        return adapter.validate_json(text, strict=True, extra="ignore" if newer else None)
    except ValidationError as error:
        first = error.errors()[0]
        raise DocumentError([Fault(name, 0, dotted(first["loc"]), first["msg"])], hint=hint) from error


def _is_simple(text: str) -> bool:
    """Whether a JSON text has no letter by its number and too few brackets to nest deeply: most have, and it is told
    in a fraction of the time that looking at every value takes.
    """
    return "\\u" not in text and text.count("{") + text.count("[") <= MAX_DEPTH and not _SURROGATE.search(text)


def _trouble(value: Any, text: str) -> str | None:
    """Why a value that is JSON cannot be kept all the same; None when it can."""
    if _is_simple(text):
        return None
    waiting = [(value, 1)]
    while waiting:
        item, depth = waiting.pop()
        if isinstance(item, str):
            if _SURROGATE.search(item):
                return _HALF_CHARACTER
        elif isinstance(item, dict | list):
            if depth > MAX_DEPTH:
                return "nested too deeply"
            inside = [*item, *item.values()] if isinstance(item, dict) else item
            waiting += [(part, depth + 1) for part in inside]
    return None


def _whole_characters(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_whole_characters(item) for item in value]
    if isinstance(value, dict):
        whole = {_whole_characters(key): _whole_characters(item) for key, item in value.items()}
        if len(whole) < len(value):
            raise ValueError("two keys of one object differ by half a character alone")
        return whole
    return value


def parse_yaml(text: str, *, name: str) -> Document:
    """A YAML text as plain values with lines; safe tags only, no anchors, no repeated keys.

    Raises:
        DocumentError: every fault that can be found without a model.
    """
    if len(text) > MAX_YAML_CHARACTERS:
        message = f"{len(text)} characters, at most {MAX_YAML_CHARACTERS} are read as YAML"
        raise DocumentError([Fault(name, 0, "", message)])
    if half := _SURROGATE.search(text):  # libyaml reads UTF-8
        raise DocumentError([Fault(name, text.count("\n", 0, half.start()) + 1, "", _HALF_CHARACTER)])
    try:
        _refuse_tricks(text, name)
        loader = _LOADER(text)
        try:
            node = loader.get_single_node()
            lines: dict[Location, int] = {}
            faults: list[Fault] = []
            value = _construct(loader, node, (), name, lines, faults) if node is not None else None
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise DocumentError([Fault(name, mark.line + 1 if mark else 0, "", f"not YAML: {error.problem}")]) from error
    except yaml.YAMLError as error:
        raise DocumentError([Fault(name, 0, "", f"not YAML: {str(error).splitlines()[0]}")]) from error
    if faults:
        raise DocumentError(faults)
    return Document(name, value, lines)


def _refuse_tricks(text: str, name: str) -> None:
    """Look through the events, which cost little, before anything is built from them."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.AliasEvent):
            # An alias lets a small file expand without bound; contracts need none.
            raise DocumentError([Fault(name, line, "", "aliases (*name) are not allowed")])
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            # PyYAML takes time with the square of the depth, and then exhausts Python's stack.
            raise DocumentError([Fault(name, line, "", "nested too deeply")])


def _construct(
    loader: SafeConstructor,
    node: yaml.Node,
    location: Location,
    name: str,
    lines: dict[Location, int],
    faults: list[Fault],
) -> Any:
    line = lines[location] = node.start_mark.line + 1

    def refuse(message: str) -> None:
        faults.append(Fault(name, line, dotted(location), message))

    if isinstance(node, yaml.ScalarNode):
        return _scalar(loader, node, refuse)
    if node.tag not in _COLLECTION_TAGS:
        refuse(f"the tag {node.tag} is not allowed")
        return None
    if isinstance(node, yaml.SequenceNode):
        return [
            _construct(loader, item, (*location, index), name, lines, faults) for index, item in enumerate(node.value)
        ]
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode) or key_node.tag not in _KEY_TAGS:
            faults.append(Fault(name, key_node.start_mark.line + 1, dotted(location), "a key must be plain text"))
            continue
        key = key_node.value
        if key in result:
            faults.append(
                Fault(name, key_node.start_mark.line + 1, dotted((*location, key)), "this key is written twice")
            )
        result[key] = _construct(loader, value_node, (*location, key), name, lines, faults)
        lines[(*location, key)] = key_node.start_mark.line + 1
    return result


def _scalar(loader: SafeConstructor, node: yaml.ScalarNode, refuse: Callable[[str], None]) -> Any:
    """The text, number, truth value or None a node says; anything else is refused."""
    try:
        value = loader.construct_object(node)
    except (yaml.YAMLError, ValueError, LookupError, AttributeError) as error:
        # The last two are how PyYAML's own constructors fail on `!!bool x`, `!!int ""` and `!!timestamp x`.
        reason = str(error).splitlines()[0] if isinstance(error, yaml.YAMLError | ValueError) else ""
        refuse(f"not YAML: {reason or f'{node.value!r} does not fit its tag {node.tag}'}")
        return None
    if isinstance(value, str) and _SURROGATE.search(value):
        refuse(_HALF_CHARACTER)
    elif isinstance(value, float) and not math.isfinite(value):
        refuse("a number must be finite")
    elif value is not None and not isinstance(value, str | bool | int | float):
        refuse(f"a {type(value).__name__} cannot be read here; put the text in quotes")
    return value


#: What pydantic's findings mean in a file that people write.
_IN_WORDS = {
    "extra_forbidden": "unknown key",
    "missing": "missing",
    "tuple_type": "must be a list: [a, b], or one - for each",
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
    "float_type": "must be a number, without quotes",
    "bool_type": "must be true or false",
}


def faults_of(error: ValidationError, document: Document) -> list[Fault]:
    """Pydantic's findings as faults with the document's lines."""
    faults = []
    details = error.errors()
    broken = {tuple(detail["loc"][:depth]) for detail in details for depth in range(len(detail["loc"]))}

    def missing(beside: Location) -> list[str]:
        """The keys that are missing beside one that nobody knows: it may be one of them with a slip of the pen."""
        absent = (tuple(detail["loc"]) for detail in details if detail["type"] == "missing")
        return [str(location[-1]) for location in absent if location[:-1] == beside[:-1]]

    for detail in details:
        location = tuple(detail["loc"])
        if detail["type"] == "too_short" and location in broken:
            continue  # pydantic counts an item with a fault of its own as absent
        message = _IN_WORDS.get(detail["type"], detail["msg"].removeprefix("Value error, "))
        if detail["type"] == "extra_forbidden":
            message += meant(str(location[-1]), missing(location))
        elif detail["type"] == "string_pattern_mismatch":
            message = IN_WORDS.get(detail["ctx"]["pattern"], message)
        faults.append(document.fault(location, message))
    return faults


def load_model(path: Path, model: type[Model], *, name: str | None = None) -> tuple[Model, Document]:
    """A YAML file parsed strictly into ``model``, with the document for later faults.

    Raises:
        DocumentError: every fault of the file together.
        StorageError: the file cannot be read.
    """
    document = load_mapping(path, name=name)
    return parse_model(document, model), document


def load_mapping(path: Path, *, name: str | None = None) -> Document:
    """A YAML file that is a mapping of keys to values.

    Raises:
        DocumentError: every fault that can be found without a model.
        StorageError: the file cannot be read.
    """
    shown = name or str(path)
    document = parse_yaml(read_text(path, name=shown), name=shown)
    if not isinstance(document.value, dict):
        raise DocumentError([Fault(shown, 1, "", "the document must be a mapping of keys to values")])
    return document


def parse_model(document: Document, model: type[Model]) -> Model:
    """A document's values parsed strictly into ``model``.

    Raises:
        DocumentError: every fault of the document together.
    """
    try:
        return model.model_validate(document.value)
    except ValidationError as error:
        raise DocumentError(faults_of(error, document)) from error


def merge(main: Document, parts: Iterable[Document]) -> Document:
    """One document of several mappings; places keep their file and line.

    Raises:
        DocumentError: every top-level key that is in two of them.
    """
    value, lines = dict(main.value), dict(main.lines)
    origins: dict[str, str] = {}
    faults = []
    for part in parts:
        for key in part.value:
            if key in value:
                faults.append(part.fault((key,), f"this key is also in {origins.get(key, main.name)}"))
            value.setdefault(key, part.value[key])
            origins.setdefault(key, part.name)
        lines |= {place: line for place, line in part.lines.items() if place}
    if faults:
        raise DocumentError(faults)
    return Document(main.name, value, lines, origins)


_ABSENT = object()


def value_at(document: Any, path: str | Sequence[str | int]) -> Any:
    """The value at a path of nested mappings and lists, or None when any part is missing.

    Raises:
        ValueError: a text that is no path, see :func:`~flywheel_mlflow.base.paths.parse_path`.
    """
    found = _look_up(document, path)
    return None if found is _ABSENT else found


def is_there(document: Any, path: str | Sequence[str | int]) -> bool:
    """Whether a path leads somewhere, be it to a value that is known to be unknown (null)."""
    return _look_up(document, path) is not _ABSENT


def _look_up(document: Any, path: str | Sequence[str | int]) -> Any:
    current = document
    for part in parse_path(path) if isinstance(path, str) else path:
        if isinstance(part, int):
            if not isinstance(current, list | tuple) or part >= len(current):
                return _ABSENT
        elif not isinstance(current, Mapping) or part not in current:
            return _ABSENT
        current = current[part]
    return current
