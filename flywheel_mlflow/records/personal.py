"""Finds personal data and secrets that have a recognisable form: addresses of mail, numbers of people, keys.

Not reported: IPv4 addresses, because version and section numbers (``10.2.0.1``) have the same form and a check that is
red on every changelog is switched off; phone numbers written as their country does, those of China and North America
excepted, because any seven to ten digits look like one; names and postal addresses, which have no form. A number that
continues an identifier (``doc-13812345678``, a hex digest, ``0.138...``) is no hit.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from flywheel_mlflow.records.national_numbers import (
    END,
    NATIONAL_NUMBERS,
    START,
    names_a_number,
    phrases,
    says,
    take_national_numbers,
    words_around,
)
from flywheel_mlflow.records.secret_keys import SECRET_KINDS, take_secrets

#: Endings of files and units, names of machines: ``icon@2x.png`` and ``getty@tty1.service`` are no mail addresses.
_NOT_DOMAINS = frozenset({
    "png", "jpg", "jpeg", "gif", "svg", "webp", "css", "js", "ts", "json", "html", "py", "txt", "xml", "yml", "yaml",
    "toml", "cfg", "conf", "ini", "log", "gz", "whl", "jar",
    "service", "socket", "timer", "target", "mount", "slice", "scope", "local", "localdomain", "internal", "lan",
})  # fmt: skip
_CARD_WORDS = phrases(
    "card", "cards", "visa", "mastercard", "maestro", "amex", "unionpay", "carte", "karte", "kreditkarte", "tarjeta",
    "cartão", "carta", "kaart", "卡", "カード", "카드",
)  # fmt: skip
_RESIDENT_WORDS = phrases("resident id", "identity card", "id card", "national id", "身份证", "身份證", "公民身份")
#: Longer ones are mostly ids of 64 bits: a number of digits alone, of which one in ten has the right check digit.
_LONGEST_BARE_CARD = 16


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    form: re.Pattern[str]
    #: Judges a match, given the name of the field it lies in.
    valid: Callable[[re.Match[str], str], bool]


def _email(match: re.Match[str], _: str) -> bool:
    """Not of a repository (``git@host:a/b``), and not the user before the host of an address (``ssh://a:b@host``)."""
    local, _, domain = match[0].rpartition("@")
    before = match.string[max(0, match.start() - 80) : match.start()]
    return (
        domain.rsplit(".", 1)[-1].lower() not in _NOT_DOMAINS
        and local != "git"
        and re.search(r"://[^\s/@]*$", before) is None
    )


def _resident_id(match: re.Match[str], name: str) -> bool:
    """GB 11643-1999: of a county that is or was one, or called what it is, with the right check digit.

    The county keeps out ids of 64 bits, of which one in a thousand has a date in the right place.
    """
    from stdnum import numdb
    from stdnum.cn import ric

    text = match[0].upper()
    if text[-1] != ric.calc_check_digit(text):
        return False
    county = any("county" in facts for _, facts in numdb.get("cn/loc").info(text[:6]))
    return county or says(words_around(match, name), _RESIDENT_WORDS)


def _card(match: re.Match[str], name: str) -> bool:
    """The length and prefix of a card network (ISO/IEC 7812) and Luhn's check digit.

    The prefixes keep out time stamps in milli-, micro- and nanoseconds, which begin with 1.
    """
    from stdnum import luhn

    digits = re.sub(r"\D", "", match[0])
    head2, head4, size = int(digits[:2]), int(digits[:4]), len(digits)
    network = (
        (digits[0] == "4" and size in (16, 19))
        or ((51 <= head2 <= 55 or 2221 <= head4 <= 2720 or 3528 <= head4 <= 3589) and size == 16)
        or (head2 in (34, 37) and size == 15)
        or (head2 in (36, 38) and size == 14)
        or ((head2 in (62, 65) or head4 == 6011 or 6440 <= head4 <= 6499) and 16 <= size <= 19)
    )
    if not network or len(set(digits)) == 1 or not luhn.is_valid(digits):
        return False
    return size <= _LONGEST_BARE_CARD or digits != match[0] or says(words_around(match, name), _CARD_WORDS)


def _beginnings(text: str) -> Iterator[str]:
    """The text, then without its last group of characters, and so on, without spaces: words may follow a number."""
    groups = text.split(" ")
    for size in range(len(groups), 0, -1):
        yield "".join(groups[:size])


def _iban(match: re.Match[str], _: str) -> bool:
    from stdnum import iban

    return any(iban.is_valid(text, check_country=False) for text in _beginnings(match[0]))


def _mobile(match: re.Match[str], _: str) -> bool:
    from phonenumbers import PhoneNumberType, number_type

    number = _phone_number(re.sub(r"\D", "", match[0])[-11:], "CN")
    return number is not None and number_type(number) == PhoneNumberType.MOBILE


def _phone(match: re.Match[str], _: str) -> bool:
    """A number in use in its country; a single dot makes it a decimal number."""
    if match[0].startswith("+"):
        return match[0].count(".") != 1 and any(_phone_number(text, None) for text in _beginnings(match[0]))
    return _phone_number(match[0], "US") is not None


def _phone_number(text: str, region: str | None) -> Any:
    from phonenumbers import NumberParseException, is_valid_number, parse

    try:
        number = parse(text, region)
    except NumberParseException:
        return None
    return number if is_valid_number(number) else None


_EMAIL = _Kind(
    "email",
    re.compile(
        r"(?<![A-Za-z0-9._%+\-/])[A-Za-z0-9._%+\-]{1,64}@(?:[A-Za-z0-9\-]{1,63}\.){1,8}[A-Za-z]{2,24}"
        r"(?![A-Za-z0-9(\[])(?!:[^\s:]*/)"
    ),
    _email,
)
_BEFORE_NATIONAL = (
    _Kind(
        "resident_id",
        re.compile(
            START + r"[1-9]\d{5}(?:18|19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx]" + END, re.ASCII
        ),
        _resident_id,
    ),
    _Kind(
        "credit_card",
        re.compile(
            START + r"(?:\d{14,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?:\1\d{3})?|\d{4}([ -])\d{6}\2\d{4,5})" + END,
            re.ASCII,
        ),
        _card,
    ),
    _Kind("iban", re.compile(r"(?<![0-9A-Za-z_])[A-Z]{2}\d\d(?: ?[A-Z0-9]){11,30}(?![0-9A-Za-z_])", re.ASCII), _iban),
)
_AFTER_NATIONAL = (
    _Kind(
        "mobile_number",
        re.compile(START + r"(?:(?:\+|00)?86[ -]?)?1[3-9]\d([ -]?)\d{4}\1\d{4}" + END, re.ASCII),
        _mobile,
    ),
    _Kind(
        "phone_number",
        re.compile(
            START + r"(?:\+[1-9](?:[ .\-()]{0,2}\d){8,14}|\(\d{3}\) ?\d{3}-\d{4}|\d{3}-\d{3}-\d{4})" + END, re.ASCII
        ),
        _phone,
    ),
)

#: Every kind that is looked for, by name, in words.
KINDS: dict[str, str] = {
    "email": "e-mail address",
    "phone_number": "phone number with its country code, or as North America writes it",
    "mobile_number": "Chinese mobile number",
    "credit_card": "payment card number",
    "iban": "IBAN",
    "resident_id": "Chinese resident id",
    **{number.name: number.title for number in NATIONAL_NUMBERS},
    **{kind: kind.replace("_", " ") for kind in SECRET_KINDS},
}
LOOKED_FOR = (
    "e-mail addresses, phone numbers, payment cards, IBANs, "
    f"{len(NATIONAL_NUMBERS) + 1} national numbers, {len(SECRET_KINDS)} kinds of keys and tokens"
)
NOT_LOOKED_FOR = "names, postal addresses, IP addresses, passwords"

#: ``a@b.cd``
_SHORTEST = 6
_WIDE_FORMS = re.compile("[\uff10-\uff19\uff20]")
#: Begins with one character of a small set, which the engine finds fast; only then it looks back.
_NUMBER_LIKE = re.compile(r"[0-9](?<![0-9A-Za-z_].)(?<![0-9A-Za-z_]-.)(?<![0-9]\..)[0-9A-Z \-.()/]{7}")
_CODE_LIKE = re.compile(r"[A-Z](?<![0-9A-Za-z_].)[A-Z0-9\-]{1,6}[0-9]")


def kinds_in(text: str, name: str = "") -> frozenset[str]:
    """The kinds of personal data and secrets found in one text; the values themselves are never returned.

    ``name`` is the path of the field the text lies in: ``author.ssn`` says what nine digits are.
    """
    return _taken(text, name, "x")[1]


def _taken(text: str, name: str, mark: str) -> tuple[str, frozenset[str]]:
    """The text with ``mark`` in place of every hit, and their kinds.

    A hit that is taken is none of another kind as well: a card number would be a phone number.
    """
    if len(text) < _SHORTEST:
        return text, frozenset()
    if not text.isascii() and _WIDE_FORMS.search(text):
        text = unicodedata.normalize("NFKC", text)
    found: set[str] = set()
    if "@" in text:
        text = _take(_EMAIL, text, name, found, mark)
    text = take_secrets(text, found, mark)
    if _NUMBER_LIKE.search(text) or _CODE_LIKE.search(text):
        for kind in _BEFORE_NATIONAL:
            text = _take(kind, text, name, found, mark)
        text = take_national_numbers(text, name, found, mark)
        for kind in _AFTER_NATIONAL:
            text = _take(kind, text, name, found, mark)
    return text, frozenset(found)


def _take(kind: _Kind, text: str, name: str, found: set[str], mark: str) -> str:
    def taken(match: re.Match[str]) -> str:
        if not kind.valid(match, name):
            return match[0]
        found.add(kind.name)
        return mark

    return kind.form.sub(taken, text)


@cache
def tells_kind(key: str) -> bool:
    """Whether the name of a field says that numbers in it are somebody's."""
    return names_a_number(key) or says(f" {' '.join(re.findall(r'[a-z]+|[^ -~]+', key.lower()))} ", _CARD_WORDS)


_NAME_LENGTH = 80


def find_personal_data(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """(path, kind) of every hit anywhere in a record: values, numbers and keys, at any depth."""
    name = path[-_NAME_LENGTH:]
    if isinstance(value, dict):
        for key, item in value.items():
            inner = f"{path}.{key}" if path else str(key)
            hits = kinds_in(str(key))
            yield from ((f"{path}.(key)" if path else "(key)", kind) for kind in sorted(hits))
            yield from find_personal_data(item, f"{path}.(key)" if hits else inner)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from find_personal_data(item, f"{path}[{index}]")
    elif isinstance(value, bytes):
        yield from ((path, kind) for kind in sorted(kinds_in(value.decode("utf-8", "replace"), name)))
    elif value is not None and not isinstance(value, bool | float):
        yield from ((path, kind) for kind in sorted(kinds_in(str(value), name)))


#: In place of what is masked, as people know it from forms.
MASK = "\N{FULL BLOCK}" * 4


def mask_personal_data(value: Any, masked: set[str], path: str = "") -> Any:
    """A record, or a part of one, with :data:`MASK` in place of every hit; their kinds are added to ``masked``."""
    name = path[-_NAME_LENGTH:]
    if isinstance(value, dict):
        found: dict[str, Any] = {}
        for key, item in value.items():
            shown, kinds = _taken(str(key), "", MASK)
            masked |= kinds
            found[shown] = mask_personal_data(item, masked, f"{path}.{shown}" if path else shown)
        return found
    if isinstance(value, list | tuple):
        return [mask_personal_data(item, masked, f"{path}[{index}]") for index, item in enumerate(value)]
    if value is None or isinstance(value, bool | float):
        return value
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    shown, kinds = _taken(text, name, MASK)
    masked |= kinds
    return shown if kinds or not isinstance(value, int) else value


def withheld(value: str) -> str:
    """The value, or a note in its place when it is itself personal data."""
    kinds = kinds_in(value)
    return f"(withheld: {', '.join(sorted(kinds))})" if kinds else value
