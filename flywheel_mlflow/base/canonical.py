"""One spelling for one value: canonical JSON and the digests made of it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any

# MLflow refuses dataset digests over 36 characters (tried on 3.17.2), so that
# much of a sha256 names an interface version: 32 hex digits, 128 bits.
SHORT_DIGEST_LENGTH = 32
_PLAIN = frozenset({str, int, bool, type(None)})


def plain(value: Any) -> Any:
    """The value as dicts, lists, strings, numbers, booleans and None.

    Raises:
        ValueError: a number that is NaN or infinite, which JSON cannot hold.
        TypeError: a type with no agreed spelling.
    """
    # Whole documents are written again and again, and most of what is in them is of these very types.
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is dict:
        return {str(key): item if type(item) in _PLAIN else plain(item) for key, item in value.items()}
    if kind is list or kind is tuple:
        return [item if type(item) in _PLAIN else plain(item) for item in value]
    return _plain_of_another(value)


def _plain_of_another(value: Any) -> Any:
    if isinstance(value, Enum):  # before str: a StrEnum member is both
        return plain(value.value)
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} cannot be written as JSON")
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(plain(item) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if hasattr(value, "model_dump"):
        return plain(value.model_dump(mode="json", by_alias=True))
    raise TypeError(f"no canonical form for {type(value).__name__}")


def canonical_json(value: Any) -> str:
    """Compact JSON with sorted keys: equal values give equal text."""
    return parsed_json(plain(value))


def parsed_json(value: Any) -> str:
    """The canonical JSON of a value that was parsed from JSON, which is plain already; several times as fast."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def document_json(value: Any) -> str:
    """Indented JSON with sorted keys and a final newline, for files people read."""
    return json.dumps(plain(value), sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def sha256_text(text: str) -> str:
    """sha256 of the UTF-8 text as 64 hex digits."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def digest_of(value: Any) -> str:
    """sha256 of the value's canonical JSON, 64 hex digits."""
    return sha256_text(canonical_json(value))


def short_digest(digest: str) -> str:
    """The part of a sha256 that names an interface version in MLflow (32 hex digits)."""
    return digest[:SHORT_DIGEST_LENGTH]
