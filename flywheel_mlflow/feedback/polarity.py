"""Which way a complaint points: too long or too short, refused or should have refused.

Letters alone cannot tell opposites apart: "too long" and "too short" share most of theirs. Each axis has two poles,
known by their words in English, Chinese and Spanish.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

#: Words that turn a sentence round.
NEGATIONS = frozenset({"not", "no", "never", "without", "cannot", "t", "nunca", "sin", "ningún", "ninguna"})


@dataclass(frozen=True, slots=True)
class Axis:
    """One question that complaints answer in two contrary ways; patterns are of texts as they are compared.

    What the second pole matches is taken out before the first is looked for: "did not refuse" holds "refuse".
    """

    name: str
    first: re.Pattern[str]
    second: re.Pattern[str]

    def pole(self, text: str) -> int:
        """1 for the first pole, -1 for the second, 0 for neither or both."""
        rest, seconds = self.second.subn(" ", text)
        return bool(self.first.search(rest)) - bool(seconds)


def _axis(name: str, first: str, second: str) -> Axis:
    """An axis; alternatives, separated by `` | ``, are whole words, but anywhere in Chinese."""

    def pattern(words: str) -> re.Pattern[str]:
        parts = words.split(" | ")
        return re.compile("|".join(part if max(part) > "\u3000" else rf"\b(?:{part})\b" for part in parts))

    return Axis(name, pattern(first), pattern(second))


_REFUSE = r"refus\w*"
AXES = (
    _axis(
        "refusal",
        rf"{_REFUSE} | declin(?:e|es|ed) | (?:would|will|does|did) not (?:answer|help) | won t (?:answer|help) "
        r"| 拒绝 | 拒答 | se (?:niega|negó) | rechaz\w*",
        rf"(?:not|never|no|without|instead of|rather than|should(?: have)?|must|ought to) (?:\w+ )?{_REFUSE} "
        r"| (?:没有|没|未|不)(?:被)?(?:拒绝|拒答) | 应(?:该)?拒绝 | no (?:se )?(?:niega|negó|rechaz\w*) "
        r"| (?:debe|debería|debía) (?:negarse|rechazar\w*) | (?:en vez de|en lugar de) (?:negarse|rechaz\w*)",
    ),
    _axis(
        "risk",
        r"harmless | benign | innocent | 无害 | 正常 | inofensiv\w*",
        r"harmful | dangerous | risky | toxic | unsafe | 危险 | 有害 | peligros\w* | dañin\w*",
    ),
    _axis(
        "length",
        r"too long | too wordy | (?:too )?verbose | long winded | endless text | 太长 | 过长 | 冗长 | 啰嗦 "
        r"| (?:demasiado|muy) (?:larg|extens)\w* | larguísim\w*",
        r"too short | (?:too )?terse | too brief | truncated | cut off | 太短 | 过短 | 过于简短 | 截断 "
        r"| (?:demasiado|muy) (?:cort|breve)\w* | cortísim\w*",
    ),
    _axis(
        "amount",
        r"too many | superfluous | redundant | duplicat\w* | repeated | unnecessary | 重复 | 多余 "
        r"| duplica\w* | repetid\w* | se repite\w* | sobra\w*",
        r"missing | lacks? | omits? | omitted | absent | without (?:any )?\w+ | no \w+ | nothing | 缺少 | 缺失 | 遗漏 "
        r"| falta\w* | omite\w* | ausente\w* | se pierde\w*",
    ),
    _axis(
        "end",
        r"forever | endless\w* | never stops? | does not stop | infinite\w* | 死循环 | 无限循环 | bucle | infinit\w*",
        r"too (?:early|soon) | (?:stop|stops|stopped|ended|ends) early | prematur\w* | gives up | gave up "
        r"| 提前 | 过早 | demasiado pronto | antes de tiempo",
    ),
    _axis(
        "speed",
        r"(?:too )?slow(?:ly)? | takes (?:too|very) long | 太慢 | 很慢 | lent[oa]s? | tarda\w*",
        r"too (?:fast|quick|quickly) | 太快 | demasiado rápid\w*",
    ),
    _axis(
        "strictness",
        r"too strict | over ?block\w* | false (?:positives?|alarms?) | wrongly blocks? "
        r"| blocks? (?:clean|good|harmless) | 误报 | 过于严格 | 太严 | falsos? positivos? | demasiado estrict\w*",
        r"too lenient | lets? (?:\w+ )*?(?:through|pass) | slips? through | false negatives? | 漏报 | 过于宽松 "
        r"| falsos? negativos? | demasiado permisiv\w* | deja pasar",
    ),
    _axis(
        "formality",
        r"(?:too|overly) formal | (?:too )?stiff | 太正式 | demasiado formal(?:es)?",
        r"(?:too|overly) casual | sloppy | chatty | (?:too )?informal | 太随意 | demasiado informal(?:es)?",
    ),
    _axis(
        "value",
        r"too high | overestimat\w* | overstat\w* | inflated | 过高 | 高估 | demasiado alt\w* | sobreestima\w*",
        r"too low | underestimat\w* | understat\w* | 过低 | 低估 | demasiado baj\w* | subestima\w*",
    ),
    _axis(
        "protection",
        r"redact(?:s|ed) | mask(?:s|ed) | over ?redact\w* | 过度脱敏 | enmascara\w*",
        r"(?:not|never) (?:redacted|masked) | masks? too little | under ?redact\w* | unredacted | unmasked "
        r"| leak\w* | exposed | 泄露 | 未脱敏 | se filtra\w*",
    ),
    _axis(
        "certainty",
        r"over ?confident | too (?:confident|sure|certain) | sounds certain | with certainty | as (?:a )?certain fact",
        r"hedg\w* | too (?:cautious|unsure|hesitant|vague) | 含糊 | demasiado (?:prudente|vag)\w*",
    ),
    _axis(
        "depth",
        r"too (?:technical|complicated|detailed) | jargon | 太专业 | 太复杂 | demasiado (?:técnic|complicad)\w*",
        r"too (?:simple|shallow|basic) | simplistic | superficial | 太简单 | 肤浅 | demasiado simple",
    ),
    _axis(
        "access",
        r"cannot (?:log in|access|open|see) | access denied | locked out | 无法访问 | sin acceso",
        r"(?:can|could) (?:\w+ )*?(?:should not|must not) | unauthori[sz]ed | 越权",
    ),
    _axis(
        "praise",
        r"thanks | thank you | great | excellent | well done | works well | 谢谢 | 很好 | gracias | excelente",
        r"wrong\w* | fails? | failed | broken | breaks | bad | incorrect | 错 | 不对 | mal[ao]? | equivocad\w* "
        r"| incorrect[ao]",
    ),
)


@lru_cache(maxsize=1 << 14)
def poles(text: str) -> tuple[int, ...]:
    """The pole of a text on each axis, in the order of :data:`AXES`; the text in its spelling: lower case, no signs."""
    return tuple(axis.pole(text) for axis in AXES)
