"""Reads hostile JSON and YAML documents, keeping the line of every place."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError

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
_TEXT_TAG = f"{_TAG}str"
#: No tag, or the one that says so, is the collection's own.
_COLLECTION_TAGS = frozenset({None, "!", f"{_TAG}map", f"{_TAG}seq"})
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
        reading = _Reading(_LOADER(text), name)
        value = reading.document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise DocumentError([Fault(name, mark.line + 1 if mark else 0, "", f"not YAML: {error.problem}")]) from error
    except yaml.YAMLError as error:
        raise DocumentError([Fault(name, 0, "", f"not YAML: {str(error).splitlines()[0]}")]) from error
    if reading.faults:
        raise DocumentError(reading.faults)
    return Document(name, value, reading.lines)


@dataclass(slots=True)
class _Reading:
    """Builds the value of a YAML text event by event: PyYAML's nodes, whose aliases and depth have no bound, are never
    made, and would double the time.
    """

    loader: Any
    name: str
    lines: dict[Location, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def document(self) -> Any:
        """The value of the one document; None where there is none.

        Raises:
            DocumentError: what ends the reading; all that does not is among the ``faults``.
            yaml.YAMLError: it is no YAML.
        """
        self._next()
        if isinstance(self._next(), yaml.StreamEndEvent):
            return None
        value = self._value(self._next(), (), 0)
        self._next()
        after = self._next()
        if not isinstance(after, yaml.StreamEndEvent):
            raise DocumentError([Fault(self.name, _line(after), "", "not YAML: another document follows")])
        return value

    def _next(self) -> yaml.Event:
        event: yaml.Event = self.loader.get_event()
        if isinstance(event, yaml.AliasEvent):
            # An alias lets a small file expand without bound; contracts need none.
            raise DocumentError([Fault(self.name, _line(event), "", "aliases (*name) are not allowed")])
        return event

    def _value(self, event: yaml.Event, location: Location, depth: int) -> Any:
        line = self.lines[location] = _line(event)
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, self._tag(event), location)
        if depth == MAX_DEPTH:
            # PyYAML takes time with the square of the depth.
            raise DocumentError([Fault(self.name, line, "", "nested too deeply")])
        tag = getattr(event, "tag", None)
        if tag not in _COLLECTION_TAGS:
            self._refuse(line, location, f"the tag {tag} is not allowed")
            return self._pass_over(event, depth)
        return (self._list if isinstance(event, yaml.SequenceStartEvent) else self._mapping)(location, depth)

    def _list(self, location: Location, depth: int) -> list[Any]:
        result: list[Any] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            result.append(self._value(event, (*location, len(result)), depth + 1))
        return result

    def _mapping(self, location: Location, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            line = _line(event)
            if not isinstance(event, yaml.ScalarEvent) or self._tag(event) not in _KEY_TAGS:
                self._refuse(line, location, "a key must be plain text")
                self._pass_over(event, depth + 1)
                self._pass_over(self._next(), depth + 1)
                continue
            key = event.value
            place = (*location, key)
            if key in result:
                self._refuse(line, place, "this key is written twice")
            result[key] = self._value(self._next(), place, depth + 1)
            self.lines[place] = line
        return result

    def _pass_over(self, event: yaml.Event, depth: int) -> None:
        """Read what begins with an event, and keep nothing of it but a depth beyond the limit."""
        begun = int(isinstance(event, yaml.CollectionStartEvent))
        while begun:
            if depth + begun > MAX_DEPTH:
                raise DocumentError([Fault(self.name, _line(event), "", "nested too deeply")])
            event = self._next()
            begun += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)

    def _tag(self, event: yaml.ScalarEvent) -> str:
        if event.tag not in (None, "!"):
            return str(event.tag)
        # Most scalars begin like nothing else than text.
        if not event.implicit[0] or event.value[:1] not in self.loader.yaml_implicit_resolvers:
            return _TEXT_TAG
        return str(self.loader.resolve(yaml.ScalarNode, event.value, event.implicit))

    def _scalar(self, event: yaml.ScalarEvent, tag: str, location: Location) -> Any:
        """The text, number, truth value or None that stands there; anything else is refused."""
        value: Any = event.value
        if tag != _TEXT_TAG:
            try:
                value = self.loader.construct_object(yaml.ScalarNode(tag, value))
            except (yaml.YAMLError, ValueError, LookupError, AttributeError) as error:
                # The last two are how PyYAML's own constructors fail on `!!bool x`, `!!int ""` and `!!timestamp x`.
                reason = str(error).splitlines()[0] if isinstance(error, yaml.YAMLError | ValueError) else ""
                message = f"not YAML: {reason or f'{event.value!r} does not fit its tag {tag}'}"
                self._refuse(_line(event), location, message)
                return None
        if isinstance(value, str) and _SURROGATE.search(value):
            self._refuse(_line(event), location, _HALF_CHARACTER)
        elif isinstance(value, float) and not math.isfinite(value):
            self._refuse(_line(event), location, "a number must be finite")
        elif value is not None and not isinstance(value, str | bool | int | float):
            message = f"a {type(value).__name__} cannot be read here; put the text in quotes"
            self._refuse(_line(event), location, message)
        return value

    def _refuse(self, line: int, location: Location, message: str) -> None:
        self.faults.append(Fault(self.name, line, dotted(location), message))


def _line(event: yaml.Event) -> int:
    return int(event.start_mark.line) + 1 if event.start_mark else 0


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
