"""How recorded schemas name fields: dotted paths in which ``[]`` is the step into a list.

``content.messages[].role`` is the field ``role`` of every element of the list ``content.messages``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

#: The step from a list to its elements.
ELEMENT = "[]"

#: The parts of a path: keys as they are in the data, and None for the step into a list.
Parts = tuple[str | None, ...]

_TOKEN = re.compile(r"\\(?P<plain>.)|(?P<element>\[\])|(?P<dot>\.)|(?P<char>.)", re.DOTALL)


def path_part(key: str) -> str:
    """A key as one part of a path: a dot or ``[]`` inside it would read like a level of its own."""
    if "." not in key and "\\" not in key and ELEMENT not in key:
        return key
    return key.replace("\\", "\\\\").replace(".", "\\.").replace(ELEMENT, "\\[]")


def parts_of(path: str) -> Parts:
    """The keys of a path with its steps into lists."""
    if ELEMENT not in path and "\\" not in path:
        return tuple(path.split("."))
    parts: list[str | None] = []
    key: str | None = ""  # None after a step into a list: only another step or a dot can follow
    for token in _TOKEN.finditer(path):
        if token["element"]:
            parts += [None] if key is None else [key, None]
            key = None
        elif token["dot"]:
            parts += [] if key is None else [key]
            key = ""
        else:
            key = f"{key or ''}{token['plain'] or token['char']}"
    return tuple(parts) if key is None else (*parts, key)


def path_of(parts: Sequence[str | None]) -> str:
    """The path with these parts."""
    path = ""
    for place, part in enumerate(parts):
        path += ELEMENT if part is None else ("." if place else "") + path_part(part)
    return path


def need_parts(path: str) -> Parts:
    """The parts of a path without the steps into lists on its way, which contracts leave out.

    ``content.messages[].role`` is ``content.messages.role``; ``tags[]``, the elements themselves, stays.
    """
    parts = parts_of(path)
    last = max((place for place, part in enumerate(parts) if part is not None), default=0)
    return tuple(part for place, part in enumerate(parts) if part is not None or place > last)


def need_path(path: str) -> str:
    """A path as contracts name it."""
    return path_of(need_parts(path)) if ELEMENT in path else path


def is_in_list(path: str) -> bool:
    """Whether a field lies in a list, or is the elements of one."""
    return ELEMENT in path and None in parts_of(path)


def ancestors(path: str) -> Iterator[tuple[str, bool]]:
    """What a field lies in, outermost first, and whether the way leads on into a list there."""
    parts = parts_of(path)
    for place in range(1, len(parts)):
        yield path_of(parts[:place]), parts[place] is None
