"""Decides which requests no tool may be called for."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flywheel_mlflow.base.errors import InputError

#: Words that ask for something to be handed out.
_ASKS = r"\b(?:list|give|show|export|tell|print|send|read out)\b"
#: Rules of this project's own: name -> form of a request it forbids.
OWN_RULES: Mapping[str, str] = {
    "destruction": r"\b(?:delete|drop|erase|overwrite|wipe)\b",
    "shell": r"\b(?:shell|terminal)\b|\brm -",
    "secrets": r"\b(?:password|api key|secret|credential)s?\b",
    "rule_breaking": r"\bignore (?:your|all) rules\b",
    "payments": r"\b(?:transfer|pay out|wire)\b.*\b(?:account|crowns)\b",
}


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules in force, by name; a request that matches one is refused."""

    rules: Mapping[str, re.Pattern[str]]

    def broken_by(self, request: str) -> str | None:
        """The name of the first rule a request breaks; None when it breaks none."""
        text = request.lower()
        return next((name for name, form in self.rules.items() if form.search(text)), None)


def policy_from(controls: Path | None) -> Policy:
    """The project's own rules, and one for each kind of personal data the privacy controls name.

    Raises:
        InputError: there are privacy controls, and they name no kind.
    """
    rules = {name: re.compile(form) for name, form in OWN_RULES.items()}
    if controls is None:
        return Policy(rules)
    document = json.loads(controls.read_text(encoding="utf-8"))
    stated = document.get("rules") if isinstance(document, Mapping) else None
    kinds = sorted({str(rule["kind"]) for rule in stated or () if isinstance(rule, Mapping) and rule.get("kind")})
    if not kinds:
        raise InputError("the privacy controls name no kind of personal data", where=controls.name)
    for kind in kinds:
        words = re.escape(kind.replace("_", " "))
        rules[f"personal_data.{kind}"] = re.compile(rf"{_ASKS}.*\b{words}s?\b")
    return Policy(rules)
