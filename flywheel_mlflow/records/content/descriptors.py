"""What a text looks like, in numbers and labels that say nothing of what it tells."""

from __future__ import annotations

import re
import unicodedata
import zlib

#: Bytes a text's repetitiveness is judged by.
_COMPRESSED = 4096
_DIGITS = b"0123456789"
_CAPITALS = bytes(range(65, 91))
_SMALL = bytes(range(97, 123))
_CODE = b"{}[]()=<>_/\\;$#|&^~+*@"
_PUNCTUATION = b".,:;!?'\"-()"
_NOT_ASCII = bytes(range(128, 256))

#: What a text may bear, each with what shows it.
MARKS = {
    "refusal": re.compile(
        r"\b(?:I(?:'|\u2019)?m (?:sorry|unable|not able)|I am (?:sorry|unable|not able)|I (?:cannot|can(?:'|\u2019)t|"
        r"can not|won(?:'|\u2019)t|must decline)|[Aa]s an? (?:AI|language model|assistant)|unable to (?:help|assist|"
        r"comply)|against my (?:guidelines|policy|programming))\b"
    ),
    "HTML": re.compile(r"</?[A-Za-z][A-Za-z0-9]*(?:\s[^<>]{0,200})?/?>|&(?:[a-z]{2,8}|#\d{1,6});"),
    "broken encoding": re.compile(
        "\ufffd|\u00c3[\u0080-\u00bf]|\u00e2\u20ac|\u00c2[\u00a0-\u00bf]|\u00d0[\u0080-\u00bf]"
    ),
    "Markdown": re.compile(r"(?:^|\n)(?:#{1,6} |[-*+] |\d{1,3}[.)] |> |```|\|)|\*\*[^*\n]{1,200}\*\*|`[^`\n]{1,200}`"),
    "address": re.compile(r"\b(?:https?://|www\.)\S"),
    "emoji": re.compile("[\u2600-\u27bf\U0001f300-\U0001faff]"),
    "placeholder": re.compile(r"\[[A-Z][A-Z_ ]{2,30}\]|<[A-Z][A-Z_]{2,30}>|\{\{?[A-Za-z_ ]{2,30}\}?\}|\bXXX+\b"),
}

_SCRIPTS = (
    (0x00C0, 0x024F, "Latin"),
    (0x0370, 0x03FF, "Greek"),
    (0x0400, 0x052F, "Cyrillic"),
    (0x0590, 0x05FF, "Hebrew"),
    (0x0600, 0x077F, "Arabic"),
    (0x0900, 0x0DFF, "Indic"),
    (0x0E00, 0x0E7F, "Thai"),
    (0x1100, 0x11FF, "Hangul"),
    (0x3040, 0x30FF, "Kana"),
    (0x3400, 0x9FFF, "Han"),
    (0xAC00, 0xD7AF, "Hangul"),
    (0xF900, 0xFAFF, "Han"),
)

#: Letters outside ASCII looked at for the script, and how many of them make a text one of that script.
_SCRIPT_LETTERS = 200
_SCRIPT_LEAST = 0.2

_LETTERS = re.compile(r"[^\W\d_]+")
_NUMBERS = re.compile(r"\d+")
_CAPITAL_WORD = re.compile(r"[^\W\d_]*[A-Z][^\W\d_]*")


def describe(text: str) -> dict[str, float | str]:
    """Numbers and labels about a text; every text has the same names.

    Shares are of characters, 0..1; ``repetition`` is 1 minus the compressed share of the first 4 KB, so that a text
    that repeats itself has more. Empty texts have the numbers 0.
    """
    data = text.encode("utf-8", "surrogatepass")
    size = max(1, len(text))
    letters = _count(data, _CAPITALS) + _count(data, _SMALL)
    words = text.split()
    head = data[:_COMPRESSED]
    plain = len(data) - _count(data, _NOT_ASCII)
    found: dict[str, float | str] = {
        "characters": float(len(text)),
        "words": float(len(words)),
        "lines": float(text.count("\n") + 1),
        "word length": _rounded(sum(map(len, words)) / max(1, len(words))),
        "digits": _rounded(_count(data, _DIGITS) / size),
        "capitals": _rounded(_count(data, _CAPITALS) / max(1, letters)),
        "punctuation": _rounded(_count(data, _PUNCTUATION) / size),
        "code characters": _rounded(_count(data, _CODE) / size),
        "white space": _rounded(1 - sum(map(len, words)) / size),
        "outside ASCII": _rounded((len(text) - plain) / size),
        "repetition": _rounded(1 - len(zlib.compress(head, 1)) / len(head)) if head else 0.0,
        "script": _script(text, letters),
        "ending": _ending(text),
        "Unicode form": "NFC" if unicodedata.is_normalized("NFC", text) else "not NFC",
    }
    found |= {name: "yes" if pattern.search(text) else "no" for name, pattern in MARKS.items()}
    return found


def shape_of(text: str) -> str:
    """What a short text is made of: words of capitals A, of others a, digits 9, the rest as it is; at most 40 of it.

    Example: ``2026-11-30`` is ``9999-99-99``, ``rec-0042`` is ``a-9999``.
    """
    shaped = _NUMBERS.sub(lambda match: "9" * min(8, len(match[0])), text[:80])
    shaped = _CAPITAL_WORD.sub("A", shaped)
    return _LETTERS.sub(lambda match: "A" if match[0] == "A" else "a", shaped)[:40]


def _count(data: bytes, of: bytes) -> int:
    return len(data) - len(data.translate(None, of))


def _rounded(share: float) -> float:
    return round(share, 4)


def _script(text: str, ascii_letters: int) -> str:
    if text.isascii():
        return "Latin" if ascii_letters else "none"
    counts: dict[str, int] = {}
    seen = 0
    for char in text:
        code = ord(char)
        if code < 0xC0:
            continue
        for low, high, name in _SCRIPTS:
            if low <= code <= high:
                counts[name] = counts.get(name, 0) + 1
                break
        seen += 1
        if seen >= _SCRIPT_LETTERS:
            break
    foreign = {name: count for name, count in counts.items() if name != "Latin"}
    if foreign:
        name = max(foreign, key=lambda item: (foreign[item], item))
        if foreign[name] >= _SCRIPT_LEAST * (foreign[name] + min(ascii_letters, _SCRIPT_LETTERS)):
            return name
    return "Latin" if ascii_letters or counts else "none"


def _ending(text: str) -> str:
    last = text.rstrip()[-1:]
    if not last:
        return "nothing"
    if last.isalpha():
        return "letter"
    if last.isdigit():
        return "digit"
    return last if last in ".?!:;,)]}>\"'`*|" else "other"
