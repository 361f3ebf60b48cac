"""Takes pages through every filter in turn, and makes records of what is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from p01_dedup import text_sha1, without_equal, without_similar
from p01_extract import Fetched, extract, is_text
from p01_filters import (
    KNOWN_WORDS_RULE,
    LENGTH_RULE,
    PAGE_RULES,
    SENTENCE_RULE,
    Document,
    Effect,
    apply,
    measured,
    with_known_words,
    without_bad_lines,
)
from p01_language import LANGUAGES, RULE, identified
from p01_privacy import PersonalRules

from flywheel_mlflow.pipelines import sample_record

#: Of the texts, by the first digits of their sha1 (published).
VALIDATION_PERCENT = 10


#: Characters a token has on average, before a tokenizer is trained (P11 measures what it really is).
CHARS_PER_TOKEN = {"en": 4.0, "zh": 1.5}


@dataclass(frozen=True, slots=True)
class Funnel:
    """What is left after each stage, and what each filter did."""

    extracted: list[Document]
    clean: list[Document]
    deduplicated: list[Document]
    in_language: list[Document]
    final: list[Document]
    effects: list[Effect]

    def counts(self) -> dict[str, int]:
        """The published stage counts."""
        by_language = Counter(document.lang for document in self.in_language)
        return {
            "extracted": len(self.extracted),
            "clean": len(self.clean),
            "deduplicated": len(self.deduplicated),
            **{f"lang_{lang}": by_language[lang] for lang in LANGUAGES},
            "final": len(self.final),
        }


def funnel(pages: Sequence[Fetched], personal: PersonalRules, *, dedup: bool = True) -> Funnel:
    """The pages, filtered: extraction, C4's heuristics, copies, language, quality, personal data."""
    readable = [page for page in pages if is_text(page)]
    effects = [Effect("text_only", "scope", "text/html", "pictures and PDF hold no text", len(pages), len(readable))]
    found = [extract(page) for page in readable]
    allowed = [item for item in found if not item.opted_out]
    effects.append(
        Effect("not_opted_out", "scope", "robots", "the page asks to be left alone", len(found), len(allowed))
    )
    extracted = [measured(Document(item.page, item.lines)) for item in allowed if item.lines]
    effects.append(Effect("not_empty", "quality", 1, "no line of text at all", len(allowed), len(extracted)))

    fit, by_page = apply(PAGE_RULES, extracted)
    clean, by_sentences = apply([SENTENCE_RULE], [without_bad_lines(document) for document in fit])
    effects += by_page + by_sentences
    single = clean
    if dedup:
        unequal, equal = without_equal(clean)
        single, similar = without_similar(unequal)
        effects += [equal, similar]
    in_language, by_language = apply([RULE], identified(single))
    good, by_quality = apply([LENGTH_RULE, KNOWN_WORDS_RULE], with_known_words(in_language))
    final, by_privacy = apply([personal.rule()], good)
    effects += by_language + by_quality + by_privacy
    return Funnel(extracted, clean, single, in_language, [personal.masked(document) for document in final], effects)


def split_of(text: str) -> str:
    """The split, train or val, by the text itself: the same text is always in the same split."""
    return "val" if int(text_sha1(text)[:8], 16) % 100 < VALIDATION_PERCENT else "train"


def estimated_tokens(document: Document) -> int:
    """Tokens by the average length of one."""
    return round(len(document.text) / CHARS_PER_TOKEN[document.lang])


def record(document: Document, sites: Mapping[str, Mapping[str, str]], *, lang_field: str = "lang") -> dict[str, Any]:
    """The document as a sample record."""
    text, page = document.text, document.page
    site = sites.get(page.site, {})
    return sample_record(
        id=f"mini_c4_{page.source_line:06d}",
        source={"name": site.get("name", page.site), "url": page.url, "license": site.get("license", "")},
        content=text,
        metadata={
            "url": page.url,
            "site": page.site,
            lang_field: document.lang,
            "license": site.get("license", ""),
            "source_line": page.source_line,
            "text_sha1": text_sha1(text),
            "line_count": len(document.lines),
        },
        quality_signals={
            **dict(document.signals),
            "lang_confidence": document.lang_confidence,
            "n_chars": len(text),
            "estimated_tokens": estimated_tokens(document),
            "identifiers_masked": document.masked,
        },
        split=split_of(text),
        audit_trace=["extracted", "C4 heuristics", "deduplicated", "language identified", "privacy rules applied"],
    )
