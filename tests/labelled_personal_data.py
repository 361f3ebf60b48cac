"""Labelled texts that hold personal data or secrets, and texts that do not; how well they are told apart.

`python tests/labelled_personal_data.py` prints the table of docs/benchmarks.md. The same seed gives the same made-up
texts; lines of code and documentation come from the Python and the Debian packages at hand.
"""

# ruff: noqa: S311, T201 - made-up texts, no secrets; it prints a table

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import random
import re
import string
import sysconfig
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import phonenumbers
from stdnum import iban, luhn
from stdnum.cn import ric
from stdnum.mx import curp

from flywheel_mlflow.records.national_numbers import NATIONAL_NUMBERS, NationalNumber
from flywheel_mlflow.records.personal import KINDS, kinds_in
from flywheel_mlflow.records.secret_keys import SECRET_KINDS

#: Kinds whose last characters follow from the others.
CHECK_DIGITS = frozenset({
    "credit_card", "iban", "resident_id", *(number.name for number in NATIONAL_NUMBERS if number.check_digit)
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text with the kind it holds, None for none; ``group`` is the sort of harmless text."""

    text: str
    kind: str | None
    group: str = ""


def _digits(draw: random.Random, count: int, first: str = string.digits) -> str:
    return draw.choice(first) + "".join(draw.choices(string.digits, k=count - 1))


def _of(draw: random.Random, alphabet: str, count: int) -> str:
    return "".join(draw.choices(alphabet, k=count))


_ALNUM = string.ascii_letters + string.digits
_UPPER = string.ascii_uppercase + string.digits
_LOWER = string.ascii_lowercase + string.digits
_TOKEN = _ALNUM + "_-"


def _email(draw: random.Random) -> str:
    given, last = draw.choice(("jane", "li.wei", "o_brien", "max+news", "r2")), _of(draw, string.ascii_lowercase, 6)
    domain = draw.choice(("mail.org", "uni-bonn.de", "a.b.co.uk", "mail.example.com", "corpus.cn"))
    return f"{given}{draw.choice(('.', '_', ''))}{last}@{domain}"


def _phone(draw: random.Random) -> str:
    while True:
        region = draw.choice(("DE", "FR", "GB", "US", "JP", "BR", "IN", "ES", "SE", "KE"))
        example = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
        assert example is not None
        text = str(example.national_number)
        number = phonenumbers.parse(text[:-5] + _digits(draw, 5), region)
        if phonenumbers.is_valid_number(number):
            way = draw.choice((phonenumbers.PhoneNumberFormat.E164, phonenumbers.PhoneNumberFormat.INTERNATIONAL))
            return phonenumbers.format_number(number, way)


def _mobile(draw: random.Random) -> str:
    text = draw.choice(("138", "139", "150", "176", "188", "199")) + _digits(draw, 8)
    return draw.choice((text, f"{text[:3]}-{text[3:7]}-{text[7:]}", f"+86 {text}"))


def _card(draw: random.Random) -> str:
    head, size = draw.choice(
        (("4", 16), ("52", 16), ("2512", 16), ("37", 15), ("6011", 16), ("6222", 19), ("3566", 16))
    )
    body = head + _digits(draw, size - len(head) - 1)
    text = body + luhn.calc_check_digit(body)
    if size == 16 and draw.random() < 0.5:
        return draw.choice((" ", "-")).join(text[at : at + 4] for at in range(0, 16, 4))
    return f"card {text}" if size == 19 else text


def _iban(draw: random.Random) -> str:
    country, form = draw.choice(
        (("DE", "d18"), ("NL", "u4d10"), ("GB", "u4d14"), ("ES", "d20"), ("NO", "d11"), ("PL", "d24"))
    )
    while True:
        body = "".join(
            _of(draw, string.ascii_uppercase if sort == "u" else string.digits, int(count))
            for sort, count in re.findall(r"([ud])(\d+)", form)
        )
        text = country + iban.calc_check_digits(f"{country}00{body}") + body
        if iban.is_valid(text, check_country=False):
            return text if draw.random() < 0.5 else " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def _resident(draw: random.Random) -> str:
    county = draw.choice(("110101", "310104", "440305", "510104", "330106", "420106"))
    body = f"{county}{draw.randint(1960, 2005)}{draw.randint(1, 12):02}{draw.randint(1, 28):02}{_digits(draw, 3)}"
    return body + ric.calc_check_digit(body + "0")


#: How each is drawn: d a digit, m and D a month and a day, L V M C c letters; the rest is as it stands.
_SPELLINGS = {
    "us_ssn": "ddd-dd-dddd",
    "us_itin": "9dd-7d-dddd",
    "br_cpf": "ddd.ddd.ddd-dd",
    "cl_rut": "dd.ddd.ddd-c",
    "fr_nir": "1ddmdddddddddd",
    "be_nn": "dd.m.D-ddd.dd",
    "ch_ahv": "756.dddd.dddd.dd",
    "th_pin": "3-dddd-ddddd-dd-d",
    "kr_rrn": "ddmD-ddddddd",
    "es_dni": "ddddddddL",
    "es_nie": "XdddddddL",
    "it_cf": "LLLLLLddMDLdddL",
    "fi_hetu": "Dmdd-dddC",
    "ie_pps": "dddddddL",
    "pt_cc": "dddddddd d LLd",
    "in_pan": "LLLPLddddL",
    "se_personnummer": "ddmD-dddd",
    "dk_cpr": "Dmdd-dddd",
    "no_fodselsnummer": "Dmddddddd",
    "cz_rc": "ddmD/dddd",
    "is_kennitala": "Dmdd-dddd",
    "pl_pesel": "ddmDddddd",
    "ro_cnp": "1ddmDdddddd",
    "bg_egn": "ddmDdddd",
    "ee_ik": "3ddmDdddd",
    "lt_asmens": "3ddmDdddd",
    "si_emso": "Dm9dddddddd",
    "gr_amka": "Dmddddddd",
    "za_id": "ddmDdddd08d",
    "gb_nhs": "ddd ddd dddd",
    "in_aadhaar": "dddd dddd dddd",
    "au_tfn": "ddd ddd ddd",
    "ca_sin": "ddd-ddd-ddd",
    "nl_bsn": "ddddddddd",
    "il_id": "ddddddddd",
    "ec_ci": "17dddddddd",
    "de_idnr": "ddddddddddd",
    "tr_tckimlik": "ddddddddddd",
    "hr_oib": "ddddddddddd",
    "jp_my_number": "dddd dddd dddd",
}
_DRAWN: dict[str, Callable[[random.Random], str]] = {
    "d": lambda draw: draw.choice(string.digits),
    "L": lambda draw: draw.choice("BCDFGHJKLMNPQRSTVWXYZA"),
    "V": lambda draw: draw.choice("AEIOU"),
    "M": lambda draw: draw.choice("ABCDEHLMPRST"),
    "c": lambda draw: draw.choice("0123456789K"),
    "C": lambda draw: draw.choice("0123456789ABCDEFHJKLMNPRSTUVWXY"),
    "m": lambda draw: f"{draw.randint(1, 12):02}",
    "D": lambda draw: f"{draw.randint(1, 28):02}",
}


def _national(number: NationalNumber) -> Callable[[random.Random], str]:
    """Draws until the country's rules are content: nothing else knows all of them."""
    spelling = _SPELLINGS[number.name]

    def draw_one(draw: random.Random) -> str:
        while True:
            text = "".join(_DRAWN[char](draw) if char in _DRAWN else char for char in spelling)
            if len(set(text) - {" ", "-"}) > 3 and number.is_valid(text):
                break
        if number.alone and re.fullmatch(number.alone, text) and draw.random() < 0.7:
            return text
        word = draw.choice(number.words or ("national id",))
        return f"{word.upper() if len(word) < 6 else word}{draw.choice((' ', ': ', ' no. '))}{text}"

    return draw_one


def _curp(draw: random.Random) -> str:
    while True:
        day = f"{draw.randint(50, 99)}{draw.randint(1, 12):02}{draw.randint(1, 28):02}"
        place = draw.choice(("DF", "JC", "NL", "VZ", "OC"))
        name, inner = f"B{draw.choice('AEIOU')}{_of(draw, 'BCDFGH', 2)}", _of(draw, "BCDFGH", 3)
        body = f"{name}{day}{draw.choice('HM')}{place}{inner}0"
        text = body + curp.calc_check_digit(body)
        if curp.is_valid(text):
            return text


def _jwt(draw: random.Random) -> str:
    parts = ({"alg": "HS256", "typ": "JWT"}, {"sub": _digits(draw, 10), "iat": 1700000000})
    coded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join((*coded, _of(draw, _TOKEN, 43)))


def _private_key(draw: random.Random) -> str:
    lines = "\n".join(_of(draw, _ALNUM + "+/", 64) for _ in range(3))
    kind = draw.choice(("RSA ", "EC ", "OPENSSH ", ""))
    text = f"-----BEGIN {kind}PRIVATE KEY-----\n{lines}\n-----END {kind}PRIVATE KEY-----"
    return draw.choice((text, text.replace("\n", "\\n")))


_SECRETS: dict[str, Callable[[random.Random], str]] = {
    "aws_key": lambda draw: draw.choice(("AKIA", "ASIA")) + _of(draw, _UPPER, 16),
    "github_token": lambda draw: draw.choice(("ghp_" + _of(draw, _ALNUM, 36), "github_pat_" + _of(draw, _ALNUM, 82))),
    "gitlab_token": lambda draw: "glpat-" + _of(draw, _TOKEN, 20),
    "slack_token": lambda draw: f"xoxb-{_digits(draw, 12)}-{_digits(draw, 12)}-{_of(draw, _ALNUM, 24)}",
    "stripe_key": lambda draw: draw.choice(("sk", "rk")) + "_live_" + _of(draw, _ALNUM, 24),
    "openai_key": lambda draw: draw.choice(("sk-proj-" + _of(draw, _ALNUM, 60), "sk-" + _of(draw, _ALNUM, 48))),
    "anthropic_key": lambda draw: "sk-ant-api03-" + _of(draw, _ALNUM, 90) + "AA",
    "google_api_key": lambda draw: "AIza" + _of(draw, _ALNUM, 35),
    "hugging_face_token": lambda draw: "hf_" + _of(draw, string.ascii_letters, 34),
    "npm_token": lambda draw: "npm_" + _of(draw, _ALNUM, 36),
    "twilio_key": lambda draw: "SK" + _of(draw, "0123456789abcdef", 32),
    "square_secret": lambda draw: "sq0csp-" + _of(draw, _ALNUM, 43),
    "sendgrid_key": lambda draw: f"SG.{_of(draw, _ALNUM, 22)}.{_of(draw, _ALNUM, 43)}",
    "mailchimp_key": lambda draw: _of(draw, "0123456789abcdef", 32) + "-us12",
    "telegram_token": lambda draw: f"{_digits(draw, 9, '123456789')}:{_of(draw, _ALNUM, 35)}",
    "pypi_token": lambda draw: "pypi-AgEIcHlwaS5vcmc" + _of(draw, _ALNUM, 90),
    "azure_storage_key": lambda draw: "AccountKey=" + _of(draw, _ALNUM, 86) + "==",
    "jwt": _jwt,
    "private_key": _private_key,
}

MAKERS: dict[str, Callable[[random.Random], str]] = {
    "email": _email,
    "phone_number": _phone,
    "mobile_number": _mobile,
    "credit_card": _card,
    "iban": _iban,
    "resident_id": _resident,
    **{number.name: _national(number) for number in NATIONAL_NUMBERS if number.name in _SPELLINGS},
    "mx_curp": _curp,
    **_SECRETS,
}
_FRAMES = (
    "{}",
    "please note {} today",
    '{{"value": "{}"}}',
    "请记下：{}。",
    "({})",
    "a, {}, 12",
    "x = '{}'",
    "v\n{}\nw",
    "is {}.",
)


def personal_texts(each: int, seed: int = 1) -> Iterator[Labelled]:
    """As many texts of every kind."""
    for kind, make in MAKERS.items():
        draw = random.Random(f"{seed} {kind}")
        for _ in range(each):
            yield Labelled(draw.choice(_FRAMES).format(make(draw)), kind)


_HARMLESS: dict[str, Callable[[random.Random], str]] = {
    "64 bit number": lambda draw: str(draw.getrandbits(63)),
    "snowflake id": lambda draw: str((draw.randint(1, 60) * 10**10 << 22) // 7 + draw.getrandbits(22)),
    "53 bit number": lambda draw: str(draw.getrandbits(53)),
    "hash": lambda draw: hashlib.new(draw.choice(("md5", "sha1", "sha256")), draw.randbytes(8)).hexdigest(),
    "base64": lambda draw: base64.b64encode(draw.randbytes(draw.randint(8, 90))).decode(),
    "uuid": lambda draw: str(uuid.UUID(int=draw.getrandbits(128), version=4)),
    "time stamp": lambda draw: str(int(draw.uniform(1e9, 2e9) * 10 ** draw.choice((0, 3, 6, 9)))),
    "date and time": lambda draw: datetime.fromtimestamp(draw.uniform(1.2e9, 1.9e9), UTC).strftime(
        draw.choice(("%Y-%m-%d %H:%M:%S", "%Y%m%d-%H%M", "%y%m%d-%H%M", "%d%m%y-%H%M", "%Y/%m/%d %H.%M"))
    ),
    "version": lambda draw: (
        draw.choice(("v", "", "release-", "=="))
        + ".".join(str(draw.randint(0, 99)) for _ in range(draw.randint(2, 5)))
        + draw.choice(("", "-rc1", "+20240501", ".dev20240501123456", "-20240501120000-abcdef123456"))
    ),
    "address of a machine": lambda draw: ".".join(str(byte) for byte in draw.randbytes(4)) + draw.choice(("", ":8080")),
    "id": lambda draw: (
        draw.choice(("doc-", "p05/", "row_", "SKU", "INV-", "#", "id ")) + _digits(draw, draw.randint(6, 12))
    ),
    "decimal": lambda draw: repr(draw.choice((draw.random(), draw.gauss(0, 1e6), draw.random() * 1e-9))),
    "product code": lambda draw: draw.choice(("ISBN 978-", "EAN 40", "978")) + _digits(draw, 10),
    "repository": lambda draw: (
        f"git@{draw.choice(('github.com', 'git.example.org'))}:{_of(draw, _LOWER, 6)}/{_of(draw, _LOWER, 6)}.git"
    ),
    "package": lambda draw: f"{_of(draw, _LOWER, 6)}@{draw.randint(0, 9)}.{draw.randint(0, 99)}.{draw.randint(0, 9)}",
    "unit": lambda draw: (
        f"{draw.choice(('getty', 'user', 'sshd'))}@{_of(draw, _LOWER, 4)}.{draw.choice(('service', 'socket'))}"
    ),
    "address with a user": lambda draw: (
        f"{draw.choice(('ssh', 'https', 'postgresql'))}://user:word@db.example.org/{_of(draw, _LOWER, 5)}"
    ),
    "path": lambda draw: "/".join(_of(draw, _TOKEN, draw.randint(4, 24)) for _ in range(4)),
    "numbers in a row": lambda draw: " ".join(_digits(draw, draw.randint(1, 5)) for _ in range(8)),
    "placeholder": lambda draw: draw.choice(
        ("sk-...", "ghp_xxxx", "-----BEGIN PRIVATE KEY-----", "AKIA...", "eyJhbGciOi...", "user@localhost")
    ),
}
_MAIL = re.compile(r"[\w.+-]+@[\w-]+\.\w")


def harmless_texts(each: int, lines: int, seed: int = 1) -> Iterator[Labelled]:
    """As many texts of every harmless sort, and as many lines of code and of documentation.

    Half of the lines are those with a long number or token, which are the hard ones. Lines with an address of mail are
    left out, for most of these are somebody's.
    """
    for group, make in _HARMLESS.items():
        draw = random.Random(f"{seed} {group}")
        for _ in range(each):
            yield Labelled(draw.choice(_FRAMES).format(make(draw)), None, group)
    library = Path(sysconfig.get_paths()["stdlib"])
    code = [file for file in sorted(library.rglob("*.py")) if not {"test", "tests", "site-packages"} & set(file.parts)]
    documents = [file for file in sorted(Path("/usr/share/doc").glob("*/*")) if file.suffix in ("", ".txt", ".md")]
    for group, files in (("line of code", code), ("line of documentation", documents)):
        yield from (Labelled(line, None, group) for line in _lines(files, lines, random.Random(f"{seed} {group}")))


def _lines(files: list[Path], count: int, draw: random.Random) -> list[str]:
    draw.shuffle(files)
    found: dict[bool, dict[str, None]] = {True: {}, False: {}}
    for file in files:
        if not file.is_file():
            continue
        for line in file.read_text("utf-8", "replace").splitlines():
            hard = bool(re.search(r"\d[\d .-]{6}|[\w/+-]{20}", line))
            if len(line) > 20 and len(found[hard]) < count // 2 and not _MAIL.search(line):
                found[hard][line.strip()] = None
        if all(len(lines) >= count // 2 for lines in found.values()):
            break
    return [line for lines in found.values() for line in lines]


@dataclass(frozen=True, slots=True)
class Score:
    """How many texts of each kind there were, were found, and were given their kind; false alarms by sort of text."""

    texts: Counter[str]
    found: Counter[str]
    named: Counter[str]
    harmless: Counter[str]
    alarms: dict[str, list[str]]

    @property
    def precision(self) -> float:
        """Texts rightly found / all that were found."""
        return self.found.total() / (self.found.total() + sum(map(len, self.alarms.values())))

    def recall(self, kinds: frozenset[str]) -> float:
        """Of the texts of some kinds the share that was found."""
        return sum(self.found[kind] for kind in kinds) / sum(self.texts[kind] for kind in kinds)


def score(texts: Iterator[Labelled]) -> Score:
    """What the search says of labelled texts."""
    result = Score(Counter(), Counter(), Counter(), Counter(), {})
    for item in texts:
        kinds = kinds_in(item.text)
        if item.kind is None:
            result.harmless[item.group] += 1
            if kinds:
                result.alarms.setdefault(item.group, []).append(f"{item.text} {sorted(kinds)}")
        else:
            result.texts[item.kind] += 1
            result.found[item.kind] += bool(kinds)
            result.named[item.kind] += kinds == {item.kind}
    return result


def both(each: int, harmless: int, lines: int) -> Iterator[Labelled]:
    """Texts that hold something, then texts that do not."""
    yield from personal_texts(each)
    yield from harmless_texts(harmless, lines)


def main() -> None:
    """Prints the figures, and with ``--alarms`` the texts that were wrongly reported."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=100)
    parser.add_argument("--alarms", action="store_true")
    given = parser.parse_args()
    result = score(both(given.each, given.each, 2000))
    groups = {
        "kinds with check digits": CHECK_DIGITS,
        "numbers without, mail, phones": frozenset(KINDS) - CHECK_DIGITS - frozenset(SECRET_KINDS),
        "keys and tokens": frozenset(SECRET_KINDS),
    }
    for name, kinds in groups.items():
        named = sum(result.named[kind] for kind in kinds) / sum(result.texts[kind] for kind in kinds)
        print(f"{name}: {len(kinds)} kinds, recall {result.recall(kinds):.3f}, with the right kind alone {named:.3f}")
        print("  worst:", sorted((result.found[kind] / result.texts[kind], kind) for kind in kinds)[:4])
    alarms = {group: len(found) for group, found in result.alarms.items()}
    print(
        f"{result.harmless.total()} harmless texts, {sum(alarms.values())} alarms: {alarms};"
        f" precision {result.precision:.4f}"
    )
    if given.alarms:
        for found in result.alarms.values():
            print(*found, sep="\n")


if __name__ == "__main__":
    main()
