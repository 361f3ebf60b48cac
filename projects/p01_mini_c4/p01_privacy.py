"""Applies the privacy project's rules to text for training."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from p01_filters import Document, Rule

from flywheel_mlflow.base.errors import InputError


@dataclass(frozen=True, slots=True)
class PersonalRules:
    """The patterns of the privacy controls: ``drop`` makes a text unfit, ``mask`` is replaced in it."""

    drop: tuple[tuple[str, re.Pattern[str]], ...]
    mask: tuple[tuple[str, re.Pattern[str]], ...]

    def is_fit(self, document: Document) -> bool:
        """Whether the text holds nothing restricted: a text about a person is no training text."""
        text = unicodedata.normalize("NFKC", document.text)
        return not any(form.search(text) for _, form in self.drop)

    def masked(self, document: Document) -> Document:
        """The document with every other identifier replaced by the name of its kind."""
        count, lines = 0, []
        for line in document.lines:
            left = line
            for kind, form in self.mask:
                left, hits = form.subn(f"[{kind}]", left)
                count += hits
            lines.append(left)
        return replace(document, lines=tuple(lines), masked=count)

    def rule(self) -> Rule:
        """The filter to drop what is unfit."""
        kinds = ", ".join(sorted({kind for kind, _ in self.drop})) or "none"
        return Rule("no_restricted_data", "quality", kinds, "privacy controls: restricted kinds", self.is_fit)


def personal_rules(controls: Mapping[str, Any]) -> PersonalRules:
    """The rules in the privacy controls.

    A rule without a pattern speaks of fields, which a text has none of. Check digits are not
    looked at: of text there is enough, so a number that only looks like one is dropped as well.

    Raises:
        InputError: the controls hold no rules, or a pattern that is none.
    """
    rules = [rule for rule in controls.get("rules", []) if rule.get("pattern")]
    if not rules:
        raise InputError("the privacy controls hold no rule with a pattern", where="privacy_controls")
    try:
        forms = [(rule["kind"], rule["level"], re.compile(rule["pattern"], re.ASCII)) for rule in rules]
    except (re.error, KeyError, TypeError) as error:
        raise InputError(
            f"a rule of the privacy controls cannot be used: {error!r}", where="privacy_controls"
        ) from error
    return PersonalRules(
        drop=tuple((kind, form) for kind, level, form in forms if level == "restricted"),
        mask=tuple((kind, form) for kind, level, form in forms if level != "restricted"),
    )
