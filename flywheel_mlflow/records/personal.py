"""Finds personal data that has a recognisable form: emails, phone, card, identity and account numbers.

Not reported: IPv4 addresses, because version and section numbers (``10.2.0.1``) have the same
form and a check that is red on every changelog is switched off; phone numbers written without a
country code, Chinese mobile numbers excepted, because any seven to ten digits look like one. A
number that continues an identifier (``doc-13812345678``, a hex digest, ``0.138...``) is no hit.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

_START = r"(?<![0-9A-Za-z_+])(?<![0-9A-Za-z_]-)(?<!\d\.)"  # as may_hold_personal_data() has it, too
_END = r"(?![0-9A-Za-z_])(?!-[0-9A-Za-z])(?!\.\d)"

#: File endings that make ``icon@2x.png`` look like a mail address.
_NOT_DOMAINS = frozenset({"png", "jpg", "jpeg", "gif", "svg", "webp", "css", "js", "ts", "json", "html", "py"})

# Lengths of IBANs by country: SWIFT's IBAN registry (ISO 13616).
_COUNTRIES_BY_LENGTH = {
    15: "NO",
    16: "BE",
    18: "DK FI FO GL NL SD",
    19: "MK SI",
    20: "AT BA EE KZ LT LU MN XK",
    21: "CH CR HR LI LV",
    22: "BG BH DE GB GE IE ME RS VA",
    23: "AE GI IL IQ OM SO TL",
    24: "AD CZ ES MD PK RO SA SE SK TN VG",
    25: "LY PT ST",
    26: "IS TR",
    27: "BI DJ FR GR IT MC MR SM",
    28: "AL AZ BY CY DO GT HU LB NI PL SV",
    29: "BR EG PS QA UA",
    30: "JO KW MU",
    31: "MT SC",
    32: "LC",
    33: "RU",
}
_IBAN_LENGTHS = {country: size for size, countries in _COUNTRIES_BY_LENGTH.items() for country in countries.split()}


def _email(text: str) -> bool:
    return text.rsplit(".", 1)[-1].lower() not in _NOT_DOMAINS


def _resident_id(text: str) -> bool:
    """GB 11643-1999: ISO 7064 MOD 11-2 over 17 digits."""
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    total = sum(int(digit) * weight for digit, weight in zip(text[:17], weights, strict=True))
    return "10X98765432"[total % 11] == text[17].upper()


def _card(text: str) -> bool:
    """The length and prefix of a card network (ISO/IEC 7812) and Luhn's check digit.

    The prefixes keep out time stamps in milli-, micro- and nanoseconds, which begin with 1.
    """
    digits = re.sub(r"\D", "", text)
    head2, head4, size = int(digits[:2]), int(digits[:4]), len(digits)
    network = (
        (digits[0] == "4" and size in (16, 19))
        or ((51 <= head2 <= 55 or 2221 <= head4 <= 2720 or 3528 <= head4 <= 3589) and size == 16)
        or (head2 in (34, 37) and size == 15)
        or (head2 in (36, 38) and size == 14)
        or ((head2 in (62, 65) or head4 == 6011 or 6440 <= head4 <= 6499) and 16 <= size <= 19)
    )
    return network and len(set(digits)) > 1 and _luhn(digits)


def _luhn(digits: str) -> bool:
    doubled = [int(digit) * 2 for digit in digits[-2::-2]]
    total = sum(int(digit) for digit in digits[::-2]) + sum(value - 9 if value > 9 else value for value in doubled)
    return total % 10 == 0


def _iban(text: str) -> bool:
    """ISO 13616: the country's length, then MOD 97-10 over the rearranged number."""
    length = _IBAN_LENGTHS.get(text[:2])
    compact = text.replace(" ", "")
    if length is None or len(compact) < length or (len(compact) > length and " " not in text):
        return False
    moved = compact[4:length] + compact[:4]
    return int("".join(str(int(char, 36)) for char in moved)) % 97 == 1


def _phone(text: str) -> bool:
    """ITU E.164, 9 to 15 digits by its form; a single dot makes it a decimal number."""
    return text.count(".") != 1


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    form: re.Pattern[str]
    valid: Callable[[str], bool]


_KINDS = (
    _Kind(
        "email",
        re.compile(
            r"(?<![A-Za-z0-9._%+\-])[A-Za-z0-9._%+\-]{1,64}@(?:[A-Za-z0-9\-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9])"
        ),
        _email,
    ),
    _Kind(
        "resident_id",
        re.compile(
            _START + r"[1-9]\d{5}(?:18|19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx]" + _END, re.ASCII
        ),
        _resident_id,
    ),
    _Kind(
        "credit_card",
        re.compile(
            _START + r"(?:\d{14,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?:\1\d{3})?|\d{4}([ -])\d{6}\2\d{4,5})" + _END,
            re.ASCII,
        ),
        _card,
    ),
    _Kind("iban", re.compile(r"(?<![0-9A-Za-z_])[A-Z]{2}\d\d(?: ?[A-Z0-9]){11,30}(?![0-9A-Za-z_])", re.ASCII), _iban),
    _Kind(
        "mobile_number",
        # The ranges in use of China's numbering plan for mobile services (MIIT).
        re.compile(
            _START
            + r"(?:(?:\+|00)?86[ -]?)?1(?:3\d|4[014-9]|5[0-35-9]|6[2567]|7[0-8]|8\d|9[0-35-9])([ -]?)\d{4}\1\d{4}"
            + _END,
            re.ASCII,
        ),
        bool,  # no check digit: the form is all there is
    ),
    _Kind(
        "phone_number",
        re.compile(_START + r"\+[1-9](?:[ .\-()]{0,2}\d){8,14}" + _END, re.ASCII),
        _phone,
    ),
)

#: Letters become "a", digits "0", hyphens go: so shaped, a number that continues an identifier
#: (``doc-000000001``, a hex digest) has an "a" before it.
_SHAPE = bytes(48 if 48 <= code < 58 else 97 if chr(code).isalpha() or code == 95 else code for code in range(128))
_SHAPE += bytes(range(128, 256))
_CAPITALS = bytes(48 if 48 <= code < 58 else 65 if 65 <= code < 91 else 97 for code in range(256))
#: Every kind of number above has nine digits in a row once spaces and hyphens are gone, or a plus.
_DIGIT_RUN = b"0" * 9
#: Written as a literal with a look back at its end, which the engine finds at the speed of memory.
_FREE_RUN = re.compile(rb"000000000(?<![a0]000000000)")
#: ``a@b.cd``
_SHORTEST = 6
_WIDE_FORMS = re.compile("[\uff10-\uff19\uff20]")


_ADDRESS_LIKE = re.compile(r"@[A-Za-z0-9\-]{1,63}\.")
#: Begins with one character of a small set, which the engine finds fast; only then it looks back.
_NUMBER_LIKE = re.compile(r"[0-9](?<![0-9A-Za-z_].)(?<![0-9A-Za-z_]-.)(?<![0-9]\..)(?:[ .\-()]{0,2}[0-9]){8}")
_IBAN_LIKE = re.compile(r"[A-Z](?<![0-9A-Za-z_].)[A-Z][0-9]{2}(?: ?[A-Z0-9]){11}")


def may_hold_personal_data(text: str) -> bool:
    """Whether a text deserves a closer look; False is certain, True is a suspicion.

    It spares nearly all texts the regular expressions of the kinds, at 2 microseconds a kilobyte.

    Raises:
        UnicodeEncodeError: the text holds half a surrogate pair.
    """
    encoded = text.encode("utf-8")
    if b"@" in encoded and _ADDRESS_LIKE.search(text):
        return True
    shape = encoded.translate(_SHAPE, b"-")
    if b"0 0" in shape or b"+0" in shape or b"--" in encoded:
        # Numbers in groups, international ones, hyphens the shape cannot tell apart.
        if _NUMBER_LIKE.search(text) or _IBAN_LIKE.search(text):
            return True
    elif _DIGIT_RUN in shape and (_FREE_RUN.search(shape) or _may_hold_iban(encoded)):
        return True
    # U+FF10..FF20, the full-width digits and @; the comma U+FF0C is far more common.
    return b"\xef\xbc" in encoded and _WIDE_FORMS.search(text) is not None


def _may_hold_iban(encoded: bytes) -> bool:
    return b"AA00" in encoded.translate(_CAPITALS) and _IBAN_LIKE.search(encoded.decode("utf-8")) is not None


def kinds_in(text: str) -> frozenset[str]:
    """The kinds of personal data found in one text; the values themselves are never returned."""
    if len(text) < _SHORTEST or not may_hold_personal_data(text):
        return frozenset()
    if not text.isascii() and _WIDE_FORMS.search(text):
        text = unicodedata.normalize("NFKC", text)
    found: set[str] = set()
    for kind in _KINDS:
        text = kind.form.sub(lambda match, kind=kind: _taken(match, kind, found), text)  # type: ignore[misc]
    return frozenset(found)


def _taken(match: re.Match[str], kind: _Kind, found: set[str]) -> str:
    """Notes a hit; replaces it so that a card number is not a phone number as well."""
    if not kind.valid(match[0]):
        return match[0]
    found.add(kind.name)
    return "x"


def find_personal_data(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """(path, kind) of every hit anywhere in a record: values, numbers and keys, at any depth."""
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
        yield from ((path, kind) for kind in sorted(kinds_in(value.decode("utf-8", "replace"))))
    elif value is not None and not isinstance(value, bool | float):
        yield from ((path, kind) for kind in sorted(kinds_in(str(value))))


def withheld(value: str) -> str:
    """The value, or a note in its place when it is itself personal data."""
    kinds = kinds_in(value)
    return f"(withheld: {', '.join(sorted(kinds))})" if kinds else value
