"""Says in which language a text is, with a model that ships in its package."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from p01_filters import Document, Rule

LANGUAGES = ("en", "zh")
#: C4 asks langdetect for 0.99. This model is less sure of Chinese this short: of the sample, the least certain Chinese
#: text has 0.82, while no text in another language reaches a millionth for English or Chinese.
MIN_CONFIDENCE = 0.8

RULE = Rule(
    "english_or_chinese",
    "scope",
    MIN_CONFIDENCE,
    "other languages are not bad, only not asked for",
    lambda d: d.lang in LANGUAGES and d.lang_confidence >= MIN_CONFIDENCE,
)


def identified(documents: Sequence[Document]) -> list[Document]:
    """Each document with its language and the probability of it."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    model = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    found = [model.classify(document.text) for document in documents]
    return [
        replace(document, lang=lang, lang_confidence=round(float(confidence), 4))
        for document, (lang, confidence) in zip(documents, found, strict=True)
    ]
