"""Finds direct identifiers anywhere in a record by rules that say what is to be done with each kind."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Action = Literal["tokenize", "mask", "remove"]
Level = Literal["internal", "confidential", "restricted"]
LEVELS: tuple[Level, ...] = ("internal", "confidential", "restricted")

# No letter, digit or hyphen may continue the number: `batch-519215667114` is a name, not a number.
_START = r"(?<![0-9A-Za-z_])(?<![0-9A-Za-z_]-)"
_END = r"(?![0-9A-Za-z_])(?!-[0-9A-Za-z])"


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of direct identifier.

    ``pattern`` finds it in text that is in Unicode's NFKC form; where only a part of the match is
    the identifier, that part is the group ``value``. ``validator`` names the arithmetic check.
    ``fields`` are names of fields whose whole value is one.
    """

    kind: str
    action: Action
    level: Level
    pattern: str = ""
    validator: str = "none"
    fields: tuple[str, ...] = ()


#: The order matters: what an earlier rule takes, a later one no longer sees. Actions of email, phone, ssn, bank_account
#: and patient_id are the published ones; the other kinds are ours, for the sample data hold them.
RULES: tuple[Rule, ...] = (
    Rule("email", "tokenize", "confidential", r"[A-Za-z0-9._%+\-]{1,64}@(?:[A-Za-z0-9\-]{1,63}\.){1,6}[A-Za-z]{2,24}"),
    Rule("resident_id", "remove", "restricted", _START + r"[1-9]\d{5}(?:19|20)\d{9}[\dXx]" + _END, "iso7064"),
    Rule("ssn", "remove", "restricted", _START + r"\d{3}-\d{2}-\d{4}" + _END),
    Rule("credit_card", "tokenize", "restricted", _START + r"\d{4}(?:[ -]?\d{4}){3}" + _END, "luhn"),
    Rule("bank_account", "tokenize", "restricted", _START + r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}" + _END, "iban"),
    Rule("bank_account", "tokenize", "restricted", r"(?:[Aa]ccount|账号|账户)[ :：#]{0,2}(?P<value>\d{8,19})" + _END),
    Rule("patient_id", "tokenize", "restricted", _START + r"PT-\d{6}" + _END),
    Rule("phone", "mask", "confidential", _START + r"(?:\+?86[ -]?)?1[3-9]\d([ -]?)\d{4}\1\d{4}" + _END),
    Rule("phone", "mask", "confidential", r"(?<![0-9A-Za-z_+])\+[1-9](?:[ .\-()]{0,2}\d){8,14}" + _END),
    Rule("phone", "mask", "confidential", r"(?<![0-9A-Za-z_])(?:\(\d{3}\) ?|\d{3}-)\d{3}-\d{4}" + _END),
    Rule("person_name", "remove", "confidential", fields=("name", "customer_name", "employee_name", "姓名")),
)


def luhn(text: str) -> bool:
    """The check digit of card numbers (ISO/IEC 7812)."""
    digits = [int(char) for char in text if char.isdigit()]
    doubled = [digit * 2 - 9 if digit > 4 else digit * 2 for digit in digits[-2::-2]]
    return len(set(digits)) > 1 and (sum(digits[::-2]) + sum(doubled)) % 10 == 0


def iban(text: str) -> bool:
    """The remainder of account numbers (ISO 13616: MOD 97-10)."""
    return int("".join(str(int(char, 36)) for char in text[4:] + text[:4])) % 97 == 1


def iso7064(text: str) -> bool:
    """The check character of resident numbers (GB 11643-1999)."""
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    total = sum(int(digit) * weight for digit, weight in zip(text[:17], weights, strict=True))
    return "10X98765432"[total % 11] == text[17].upper()


VALIDATORS: Mapping[str, Callable[[str], bool]] = {"none": bool, "luhn": luhn, "iban": iban, "iso7064": iso7064}
_FORMS = tuple((rule, re.compile(rule.pattern, re.ASCII)) for rule in RULES if rule.pattern)
_BY_FIELD = {field: rule for rule in RULES for field in rule.fields}


@dataclass(frozen=True, slots=True)
class Finding:
    """One identifier found: what kind, by which rule, where and what it says."""

    rule: Rule
    path: str
    value: str


def fold(text: str) -> str:
    """The text as rules read it: full-width digits and signs become the plain ones."""
    return unicodedata.normalize("NFKC", text)


def replace_identifiers(text: str, replace: Callable[[Rule, str], str]) -> str:
    """The text, folded, with every identifier replaced by what ``replace`` says of it."""
    folded = fold(text)
    for rule, form in _FORMS:
        folded = form.sub(lambda match, rule=rule: _replaced(match, rule, replace), folded)  # type: ignore[misc]
    return folded


def _replaced(match: re.Match[str], rule: Rule, replace: Callable[[Rule, str], str]) -> str:
    value = match.groupdict().get("value") or match[0]
    if not VALIDATORS[rule.validator](value):
        return match[0]
    return match[0].replace(value, replace(rule, value))


def field_rule(name: str) -> Rule | None:
    """The rule for a field whose whole value is an identifier, if there is one."""
    return _BY_FIELD.get(name)


def removed(rule: Rule) -> str:
    """What stands in place of a removed identifier."""
    return f"[{rule.kind} removed]"


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, str, str]]:
    """(path, field name, text) of every value and every key of a record, at any depth."""
    if isinstance(value, dict):
        for key, item in value.items():
            inner = f"{path}.{key}" if path else str(key)
            yield f"{path}.(key)", "", str(key)
            yield from _below(inner, str(key), item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _below(f"{path}[{index}]", "", item)


def _below(path: str, name: str, item: Any) -> Iterator[tuple[str, str, str]]:
    if isinstance(item, dict | list):
        yield from leaves(item, path)
    elif item is not None and not isinstance(item, bool):
        yield path, name, str(item)


def find(record: Any) -> list[Finding]:
    """Every identifier in a record, in the order of its fields; one finding per occurrence."""
    found: list[Finding] = []
    for path, name, text in leaves(record):
        by_field = field_rule(name)
        if by_field is not None:
            if text == removed(by_field):
                continue
            found.append(Finding(by_field, path, fold(text)))
            continue
        replace_identifiers(text, lambda rule, value, path=path: _note(found, rule, path, value))  # type: ignore[misc]
    return found


def _note(found: list[Finding], rule: Rule, path: str, value: str) -> str:
    found.append(Finding(rule, path, value))
    return ""


def level_of(base: Level, findings: list[Finding]) -> Level:
    """The higher of a source's own level and the levels of what was found."""
    return max([base, *(item.rule.level for item in findings)], key=LEVELS.index)
