"""Reads and writes the paths that name a value inside a document.

A path is names joined by dots; a name that holds a dot, a bracket, a quote, or a blank at its ends stands quoted in
brackets, and a number in brackets counts the items of a list from 0::

    parse_path('results.asdiv["acc,none"]')      # ("results", "asdiv", "acc,none")
    parse_path("answer_correctness/v1/mean")     # ("answer_correctness/v1/mean",)
    parse_path("val acc")                        # ("val acc",)
    quote_path(("runs", 0, "a.b"))               # 'runs[0]["a.b"]'
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache

Parts = tuple[str | int, ...]

MAX_PATH_LENGTH = 250

_WORD = r"""[^\s.\[\]"'\\\x00-\x1f\x7f]+"""
_NAME = rf"{_WORD}(?: +{_WORD})*"
_BRACKET = r"""\[(?:0|[1-9][0-9]*|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\]"""
#: The grammar as one expression, for editors.
PATH_PATTERN = rf"^(?:{_NAME}|{_BRACKET})(?:\.{_NAME}|{_BRACKET})*$"
_FIRST, _NEXT = re.compile(f"({_NAME})|({_BRACKET})"), re.compile(rf"\.({_NAME})|({_BRACKET})")
_ESCAPED = re.compile(r"\\(.)|\"", re.DOTALL)


@lru_cache(maxsize=4096)
def parse_path(text: str) -> Parts:
    """The names and list positions of a path.

    Raises:
        ValueError: it is none; the message says where it breaks off.
    """
    if len(text) > MAX_PATH_LENGTH:
        raise ValueError(f"has {len(text)} characters, at most {MAX_PATH_LENGTH} are allowed")
    parts: list[str | int] = []
    place = 0
    while place < len(text) or not parts:
        match = (_NEXT if parts else _FIRST).match(text, place)
        if match is None:
            raise ValueError(
                f"no path at character {place + 1}: join names by dots, write other names as "
                '["a name"] and places in a list as [0]'
            )
        name, bracket = match.groups()
        parts.append(name if name is not None else _inside(bracket[1:-1]))
        place = match.end()
    return tuple(parts)


def _inside(text: str) -> str | int:
    """What stands between two brackets."""
    if text[0] == "'":  # JSON knows the other quotation mark alone

        def respelt(match: re.Match[str]) -> str:
            return "'" if match[1] == "'" else '\\"' if match[0] == '"' else match[0]

        text = f'"{_ESCAPED.sub(respelt, text[1:-1])}"'
    try:
        value: str | int = json.loads(text)
        if isinstance(value, str):
            value.encode("utf-8")
    except ValueError as error:  # UnicodeError is one: half a character
        raise ValueError(f"cannot read the quoted name [{text}]: use the escapes of JSON") from error
    return value


def quote_path(parts: Sequence[str | int]) -> str:
    """The path of these names and list positions, in its shortest spelling."""
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch(_NAME, part):
            text += f".{part}" if text else part
        else:
            text += f"[{json.dumps(part, ensure_ascii=False)}]"
    return text


def metric_names(path: str) -> tuple[str, ...]:
    """The names under which a store of flat metrics may hold what a path leads to: its text, its parts with dots."""
    return tuple(dict.fromkeys((path, ".".join(str(part) for part in parse_path(path)))))
