"""Redacts whole records, with tokens that only the holder of a key can make."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from p09_detection import Rule, field_rule, find, fold, leaves, removed, replace_identifiers

TOKEN_DIGITS = 20  # 80 bits: no two values of this project share a token by chance
#: Numbers shorter than this stand in too many places by accident to be looked for without their punctuation.
SHORTEST_NUMBER = 8


@dataclass(frozen=True, slots=True)
class Redactor:
    """Replaces identifiers by what their rule says.

    ``key`` makes tokens keyed (HMAC-SHA-256): without it, nobody can try candidate values, as
    they could against a plain hash. ``blind_to`` names top-level fields that are left alone;
    it is empty but for the fault that shows what such a gap does.
    """

    key: bytes
    keyed: bool = True
    blind_to: frozenset[str] = field(default_factory=frozenset)

    @property
    def key_id(self) -> str:
        """A name for the key that tells nothing of it."""
        return hmac.new(self.key, b"key id", sha256).hexdigest()[:12]

    def token(self, kind: str, value: str) -> str:
        """The token of a value: equal values have equal tokens, under one key."""
        message = f"{kind}:{value}".encode()
        digest = hmac.new(self.key, message, sha256) if self.keyed else sha256(message)
        return f"tok_{kind}_{digest.hexdigest()[:TOKEN_DIGITS]}"

    def redacted(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """The payload without direct identifiers, in values and keys, at any depth."""
        names = tuple(
            sorted(
                {item.value for item in find(dict(payload)) if item.rule.fields and item.value}, key=len, reverse=True
            )
        )
        return {
            self._text(key, names): item if key in self.blind_to else self._value(key, item, names)
            for key, item in payload.items()
        }

    def _value(self, name: str, value: Any, names: tuple[str, ...]) -> Any:
        if isinstance(value, dict):
            return {self._text(key, names): self._value(key, item, names) for key, item in value.items()}
        if isinstance(value, list):
            return [self._value("", item, names) for item in value]
        if value is None or isinstance(value, bool):
            return value
        rule = field_rule(name)
        if rule is not None:
            return self._instead(rule, fold(str(value)))
        text = self._text(str(value), names)
        return value if not isinstance(value, str) and text == str(value) else text

    def _text(self, text: str, names: tuple[str, ...]) -> str:
        folded = replace_identifiers(text, self._instead)
        # A name of this record's own name fields is an identifier wherever else the record says it.
        for name in names:
            folded = folded.replace(name, "[person_name removed]")
        return folded

    def _instead(self, rule: Rule, value: str) -> str:
        if rule.action == "tokenize":
            return self.token(rule.kind, value)
        if rule.action == "mask":
            return f"[{rule.kind} ending {value[-2:]}]"
        return removed(rule)


def survives(value: str, record: Mapping[str, Any]) -> bool:
    """Whether an identifier can still be read anywhere in a record, whatever its punctuation or width.

    It compares with the value itself and knows nothing of the rules, so that a rule that finds
    nothing cannot call its record clean.
    """
    wanted, digits = fold(value).casefold(), "".join(char for char in fold(value) if char.isdigit())
    for _, _, text in leaves(dict(record)):
        folded = fold(text).casefold()
        if wanted in folded:
            return True
        if len(digits) >= SHORTEST_NUMBER and digits in "".join(char for char in folded if char.isdigit()):
            return True
    return False


def guessable_tokens(redactor: Redactor, records: list[dict[str, Any]], candidates: list[tuple[str, str]]) -> int:
    """How many of the tokens in the records a stranger finds by hashing (kind, value) candidates without the key."""
    guesses = {Redactor(redactor.key, keyed=False).token(kind, fold(value)) for kind, value in candidates}
    texts = [text for record in records for _, _, text in leaves(record)]
    return sum(any(guess in text for text in texts) for guess in guesses)
