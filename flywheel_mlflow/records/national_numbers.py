"""The numbers by which states know a person, each judged by the rules of its country in python-stdnum.

A form that nothing else has (``756.9217.0769.85``) counts by itself. Any nine to thirteen digits look like some
country's number, and one in ten has the right check digit: such a number counts where words near it, or the name of its
field, say what it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

START = r"(?<![0-9A-Za-z_+])(?<![0-9A-Za-z_]-)(?<!\d\.)"  # as the prefilter of columns has it, too
END = r"(?![0-9A-Za-z_])(?!-[0-9A-Za-z])(?!\.\d)"

#: Words that say of any country's number what it is.
_ANY_COUNTRY = (
    "national id",
    "national identity",
    "national identification",
    "national insurance",
    "identity card",
    "identity number",
    "id card",
    "personal identification",
    "personal identity",
    "social security",
    "social insurance",
    "tax id",
    "tax identification",
    "tax number",
    "taxpayer",
    "citizen id",
    "citizen number",
)
_LETTER = re.compile(r"[^\W\d_]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class NationalNumber:
    """One country's number of a person.

    ``rules`` names the module of python-stdnum. A number of digits has one of the ``lengths``, any other the ``form``;
    ``alone`` is the spelling that counts without one of the ``words``. Without ``check_digit`` the rules know dates and
    ranges only.
    """

    name: str
    title: str
    rules: str
    words: tuple[str, ...] = ()
    lengths: tuple[int, ...] = ()
    form: str = ""
    alone: str = ""
    check_digit: bool = True

    def is_valid(self, text: str) -> bool:
        """Whether the country's rules allow it."""
        return bool(_rules(self.rules).is_valid(text))


@cache
def _rules(name: str) -> Any:
    return import_module(f"stdnum.{name}")


_DAY = r"(?:0[1-9]|[12]\d|3[01])"
_MONTH = r"(?:0[1-9]|1[0-2])"

NATIONAL_NUMBERS = (
    NationalNumber("us_ssn", "US social security number", "us.ssn", ("ssn",), (9,),
                   alone=r"[0-8]\d\d-\d\d-\d{4}", check_digit=False),
    NationalNumber("us_itin", "US individual taxpayer number", "us.itin", ("itin",), (9,),
                   alone=r"9\d\d-\d\d-\d{4}", check_digit=False),
    NationalNumber("ca_sin", "Canadian social insurance number", "ca.sin", ("sin", "nas"), (9,)),
    NationalNumber("mx_curp", "Mexican CURP", "mx.curp",
                   alone=rf"[A-Z]{{4}}\d\d{_MONTH}{_DAY}[HMX][A-Z]{{5}}[0-9A-Z]\d"),
    NationalNumber("br_cpf", "Brazilian CPF", "br.cpf", ("cpf",), (11,), alone=r"\d{3}\.\d{3}\.\d{3}-\d\d"),
    NationalNumber("cl_rut", "Chilean RUT", "cl.rut", ("rut", "run"),
                   form=r"\d{8}-?[\dKk]", alone=r"\d\d\.\d{3}\.\d{3}-[\dKk]"),
    NationalNumber("ec_ci", "Ecuadorian identity card", "ec.ci", ("cedula", "cédula"), (10,)),
    NationalNumber("gb_nhs", "British NHS number", "gb.nhs", ("nhs",), (10,)),
    NationalNumber("ie_pps", "Irish PPS number", "ie.pps", ("pps", "ppsn"), form=r"\d{7}[A-W][A-IWTX]?"),
    NationalNumber("fr_nir", "French NIR", "fr.nir", ("nir", "sécurité sociale", "securite sociale"), (15,),
                   alone=rf"[12] ?\d\d ?{_MONTH} ?(?:\d\d|2[AB]) ?\d{{3}} ?\d{{3}} ?\d\d"),
    NationalNumber("be_nn", "Belgian national number", "be.nn", ("nn", "niss", "insz", "rijksregisternummer",
                   "registre national"), (11,), alone=rf"\d\d\.{_MONTH}\.{_DAY}-\d{{3}}\.\d\d"),
    NationalNumber("nl_bsn", "Dutch BSN", "nl.bsn", ("bsn", "burgerservicenummer", "sofinummer"), (9,)),
    NationalNumber("de_idnr", "German tax id", "de.idnr", ("idnr", "steuer id", "steueridentifikationsnummer",
                   "identifikationsnummer", "steuernummer"), (11,)),
    NationalNumber("ch_ahv", "Swiss AHV number", "ch.ssn", ("ahv", "avs", "ahvn"), (13,),
                   alone=r"756\.\d{4}\.\d{4}\.\d\d|756\d{10}"),
    NationalNumber("it_cf", "Italian codice fiscale", "it.codicefiscale",
                   alone=r"[A-Z]{6}\d\d[A-EHLMPRST]\d\d[A-Z]\d{3}[A-Z]"),
    NationalNumber("es_dni", "Spanish DNI", "es.dni", alone=r"\d{8}-?[A-HJ-NP-TV-Z]"),
    NationalNumber("es_nie", "Spanish NIE", "es.nie", alone=r"[XYZ]-?\d{7}-?[A-HJ-NP-TV-Z]"),
    NationalNumber("pt_cc", "Portuguese citizen card", "pt.cc", ("cartão de cidadão", "cartao de cidadao", "cidadão"),
                   form=r"\d{8} ?\d ?[A-Z0-9]{2}\d"),
    NationalNumber("se_personnummer", "Swedish personnummer", "se.personnummer", ("personnummer",), (10, 12)),
    NationalNumber("no_fodselsnummer", "Norwegian fødselsnummer", "no.fodselsnummer", ("fødselsnummer",
                   "fodselsnummer", "personnummer"), (11,)),
    NationalNumber("dk_cpr", "Danish CPR number", "dk.cpr", ("cpr", "personnummer"), (10,), check_digit=False),
    NationalNumber("fi_hetu", "Finnish henkilötunnus", "fi.hetu", ("hetu", "henkilötunnus"),
                   form=rf"{_DAY}{_MONTH}\d\d[-+A-FU-Y]\d{{3}}\d",  # 290601-0425 may be a time
                   alone=rf"{_DAY}{_MONTH}\d\d[-+A-FU-Y]\d{{3}}[A-FHJ-NPR-Y]"),
    NationalNumber("is_kennitala", "Icelandic kennitala", "is_.kennitala", ("kennitala",), (10,)),
    NationalNumber("pl_pesel", "Polish PESEL", "pl.pesel", ("pesel",), (11,)),
    NationalNumber("cz_rc", "Czech or Slovak birth number", "cz.rc", ("rodné číslo", "rodne cislo", "birth number"),
                   (9, 10), check_digit=False),  # those before 1954 have none
    NationalNumber("ro_cnp", "Romanian CNP", "ro.cnp", ("cnp", "cod numeric personal"), (13,)),
    NationalNumber("bg_egn", "Bulgarian EGN", "bg.egn", ("egn", "егн"), (10,)),
    NationalNumber("hr_oib", "Croatian OIB", "hr.oib", ("oib",), (11,)),
    NationalNumber("si_emso", "Slovenian EMŠO or JMBG", "si.emso", ("emšo", "emso", "jmbg", "umcn"), (13,)),
    NationalNumber("ee_ik", "Estonian isikukood", "ee.ik", ("isikukood",), (11,)),
    NationalNumber("lt_asmens", "Lithuanian personal code", "lt.asmens", ("asmens kodas",), (11,)),
    NationalNumber("gr_amka", "Greek AMKA", "gr.amka", ("amka", "αμκα"), (11,)),
    NationalNumber("tr_tckimlik", "Turkish TC kimlik", "tr.tckimlik", ("kimlik", "tckn"), (11,)),
    NationalNumber("il_id", "Israeli identity number", "il.idnr",
                   ("mispar zehut", "teudat zehut", "תעודת זהות", "מספר זהות"), (9,)),
    NationalNumber("za_id", "South African identity number", "za.idnr", ("south african id", "rsa id", "sa id"), (13,)),
    NationalNumber("in_aadhaar", "Indian Aadhaar", "in_.aadhaar", ("aadhaar", "aadhar", "आधार"), (12,)),
    NationalNumber("in_pan", "Indian PAN", "in_.pan", ("pan", "permanent account number"),
                   form=r"[A-Z]{5}\d{4}[A-Z]", check_digit=False),
    NationalNumber("th_pin", "Thai identity number", "th.pin", ("เลขประจำตัวประชาชน", "thai id"), (13,),
                   alone=r"[1-8]-\d{4}-\d{5}-\d\d-\d"),
    NationalNumber("kr_rrn", "South Korean resident number", "kr.rrn", ("rrn", "주민등록번호"), (13,),
                   alone=rf"\d\d{_MONTH}{_DAY}-\d{{7}}"),
    NationalNumber("jp_my_number", "Japanese My Number", "jp.in_",
                   ("my number", "mynumber", "kojin bango", "マイナンバー", "個人番号"), (12,)),
    NationalNumber("au_tfn", "Australian tax file number", "au.tfn", ("tfn", "tax file"), (9,)),
)  # fmt: skip

_BY_NAME = {number.name: number for number in NATIONAL_NUMBERS}
_BY_LENGTH: dict[int, list[NationalNumber]] = {}
for _number in NATIONAL_NUMBERS:
    for _length in _number.lengths:
        _BY_LENGTH.setdefault(_length, []).append(_number)


def _any_of(forms: list[tuple[str, str]]) -> re.Pattern[str]:
    return re.compile(
        f"(?=[0-9A-Z]){START}(?:{'|'.join(f'(?P<{name}>{form})' for name, form in forms)}){END}", re.ASCII
    )


_ALONE = _any_of([(number.name, number.alone) for number in NATIONAL_NUMBERS if number.alone])
_FORMS = _any_of([(number.name, number.form) for number in NATIONAL_NUMBERS if number.form])
_DIGITS = re.compile(rf"{START}\d(?:[ .\-/]?\d){{8,24}}{END}", re.ASCII)
_NO_DIGIT = re.compile(r"\D")


def take_national_numbers(text: str, name: str, found: set[str], mark: str) -> str:
    """The text with ``mark`` in place of the national numbers in it, whose kinds are added to those found.

    ``name`` is that of the field the text lies in.
    """

    def taken(match: re.Match[str]) -> str:
        kind = _kind_of(match, name)
        if kind is None:
            return match[0]
        found.add(kind)
        return mark

    text = _ALONE.sub(taken, text)
    if says(_words(f"{_HUMP.sub(' ', name)} 0 {text}"), _ALL_PHRASES):
        for form in (_FORMS, _DIGITS):
            text = form.sub(taken, text)
    return text


def _kind_of(match: re.Match[str], name: str) -> str | None:
    if match.re is _DIGITS:
        around = words_around(match, name)
        return next((number.name for number, digits in _readings(match[0]) if _is(number, digits, around)), None)
    number = _BY_NAME[match.lastgroup or ""]
    named = match.re is _ALONE or says(words_around(match, name), _PHRASES[number.name])
    return number.name if named and number.is_valid(match[0].upper()) else None


def _is(number: NationalNumber, digits: str, around: str) -> bool:
    return says(around, _PHRASES[number.name]) and number.is_valid(digits)


def _readings(text: str) -> Iterator[tuple[NationalNumber, str]]:
    """What groups of digits may be, several of them one number; those that have words of their own come first."""
    groups = text.split(" ")
    for first in range(len(groups)):
        for last in range(first + 1, len(groups) + 1):
            digits = _NO_DIGIT.sub("", "".join(groups[first:last]))
            yield from ((number, digits) for number in _BY_LENGTH.get(len(digits), ()))


_BEFORE, _AFTER = 60, 20


def words_around(match: re.Match[str], name: str) -> str:
    """The words of a field's name and those near a match, for :func:`says`."""
    before = match.string[max(0, match.start() - _BEFORE) : match.start()]
    return _words(f"{_HUMP.sub(' ', name)} 0 {before} 0 {match.string[match.end() : match.end() + _AFTER]}")


def _words(text: str) -> str:
    return f" {' '.join(_LETTER.findall(text.lower()))} "


def phrases(*words: str) -> tuple[str, ...]:
    """Words as :func:`says` looks for them: whole ones, but in scripts without spaces as a part of one."""
    return tuple(_words(word) if word < "\u0e00" else _words(word).strip() for word in words)


def says(around: str, looked_for: tuple[str, ...]) -> bool:
    """Whether one of some phrases is among the words around."""
    return any(phrase in around for phrase in looked_for)


_PHRASES = {number.name: phrases(*number.words, *_ANY_COUNTRY) for number in NATIONAL_NUMBERS}
_ALL_PHRASES = tuple(dict.fromkeys(phrase for looked_for in _PHRASES.values() for phrase in looked_for))


@cache
def names_a_number(name: str) -> bool:
    """Whether the name of a field says that it holds somebody's number."""
    return says(_words(_HUMP.sub(" ", name)), _ALL_PHRASES)
