"""The leaves of a record: every value that is no object, by its path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flywheel_mlflow.evidence.schema_paths import path_part

Scalar = bool | int | float | str

#: What a path ends with when its values lie in lists.
IN_LIST = "[]"


def leaves_of(record: Mapping[str, Any]) -> tuple[dict[str, Scalar], dict[str, list[Scalar]], dict[str, int]]:
    """The scalar leaves of a record by path, those in lists in their order, and the length of each list.

    Example: ``{"a": 1, "b": [{"c": "x"}, {"c": "y"}]}`` has the leaf ``a``, in lists ``b[].c`` with x and y, and the
    list ``b`` of length 2. The record's own id is left out: it differs everywhere by design.
    """
    scalars: dict[str, Scalar] = {}
    lists: dict[str, list[Scalar]] = {}
    lengths: dict[str, int] = {}
    for path, value in _walk({key: value for key, value in record.items() if key != "id"}, ""):
        if isinstance(value, list):
            lengths[path] = lengths.get(path, 0) + len(value)
        elif IN_LIST in path:
            lists.setdefault(path, []).append(value)
        else:
            scalars[path] = value
    return scalars, lists, lengths


def _walk(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    # Records were read with a bound on their depth, so recursion ends.
    if isinstance(value, Mapping):
        for key, child in value.items():
            yield from _walk(child, f"{path}.{path_part(key)}" if path else path_part(key))
    elif isinstance(value, list):
        yield path, value
        for element in value:
            yield from _walk(element, path + IN_LIST)
    elif value is not None:
        yield path, value


def abridge(record: Any, most: int) -> Any:
    """The record with texts and lists cut so that it takes about ``most`` characters: each text to its beginning.

    Every field stays; what is cut is the end of long texts and of long lists.
    """
    leaves = _texts_in(record)
    share = max(64, most // max(1, len(leaves)))
    # What short texts leave free is for the long ones.
    free = sum(share - size for size in leaves if size < share)
    long = sum(size >= share for size in leaves)
    return _cut(record, share + free // max(1, long), max(8, most // 16))


def _texts_in(value: Any) -> list[int]:
    if isinstance(value, str):
        return [len(value)]
    children = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return [size for child in children for size in _texts_in(child)]


def _cut(value: Any, characters: int, elements: int) -> Any:
    if isinstance(value, str):
        return value[:characters]
    if isinstance(value, Mapping):
        return {key: _cut(child, characters, elements) for key, child in value.items()}
    if isinstance(value, list):
        return [_cut(child, characters, elements) for child in value[:elements]]
    return value
