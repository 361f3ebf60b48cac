"""Looks for names of people and street addresses with a language model; the only module that imports Presidio.

Names have no form, so a model reads the texts: it is slow, and right most of the time. Sampled rows are looked at where
a contract asks for it, and the finding says by which model.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from flywheel_mlflow.evidence.runs import Check, CheckSeverity, Outcome
from flywheel_mlflow.promises.interfaces import InterfaceOut
from flywheel_mlflow.promises.personal_data import NameSearch
from flywheel_mlflow.records.checks import EXAMPLES, SOURCE
from flywheel_mlflow.records.content.building import SampledRow
from flywheel_mlflow.records.content.leaves import IN_LIST, leaves_of

#: The check's name, after the interface's.
NAME = "personal_names"
NAMED, ADDRESS = "person_name", "street_address"
LOOKED_FOR = "names of people, streets and places with a house number"
#: Characters of a row that are read, and texts that a model is given at once.
MOST_CHARACTERS = 4000
_BATCH = 64
_EXTRA = "pip install 'flywheel-mlflow[pii]', and the model"

#: What models call what we look for. Of places those count that have a house number: 12 Baker Street, Am Markt 5.
_ENTITIES = {"PERSON": "PERSON", "PER": "PERSON", "GPE": "LOCATION", "LOC": "LOCATION", "FAC": "LOCATION"}
_NUMBER_BEFORE = re.compile(r"(?<![\w.,])\d{1,4}[A-Za-z]?,? +$")
_NUMBER_BEHIND = re.compile(r",? +(?!(?:19|20)\d\d\b)\d{1,4}[A-Za-z]?(?![\w%]|[.,:]\d)")
#: Streets as English, German, French, Spanish and Italian write them; small models overlook half of them.
_STREET = re.compile(
    r"\b\d{1,5}[A-Za-z]?,? (?:[A-Z][\w'.\-]{1,30} ){1,3}"
    r"(?:Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Square|Court|Way)\b"
    r"|\b[A-Z\u00c0-\u00dd]\w{1,30}(?:stra\u00dfe|strasse|str\.|weg|platz|allee|gasse) \d{1,4}[a-z]?\b"
    r"|\b\d{1,4}(?: bis| ter)?,? (?:rue|avenue|boulevard|place) (?:de |du |des |la |l')?[A-Z\u00c0-\u00dd]\w"
    r"|\b(?:[Cc]alle|[Aa]venida|Via|[Pp]iazza) [A-Z\u00c0-\u00dd][a-z\u00df-\u00ff][\w ]{0,40}?,? \d{1,4}\b"
)
#: What of a model tells entities; the rest costs time.
_NEEDED = frozenset({"tok2vec", "transformer", "curated_transformer", "ner"})


class SearchUnusable(Exception):
    """Why names cannot be looked for, in a few words."""


@dataclass(frozen=True, slots=True)
class _Text:
    row: int
    path: str
    text: str


def check_names(spec: InterfaceOut, search: NameSearch, rows: Sequence[SampledRow], total: int, folder: Path) -> Check:
    """Whether sampled rows hold names or addresses, outside of the fields a contract exempts.

    ``rows`` are sampled of ``total``; a model that is no installed one is looked for below ``folder``. Without Presidio
    or the model it is an error: unknown, and no pass.
    """
    looked = rows[: search.rows]
    texts = [item for row, sampled in enumerate(looked) for item in _texts(row, sampled.record, search)]
    details: dict[str, Any] = {"rows": total, "looked": len(looked), "model": search.model}
    try:
        finder = _Finder(search.model, folder)
        hits = list(finder.hits(texts))
    except SearchUnusable as error:
        message = f"unknown: {error}; not looked for: {LOOKED_FOR}"
        return Check(f"{spec.name}.{NAME}", Outcome.ERROR, message, CheckSeverity.WARNING, SOURCE, details)
    left = [hit for hit in hits if not any(item.covers(hit[1], hit[2]) for item in spec.personal_data_exempt)]
    exempt = len(hits) - len(left)
    kinds = Counter(kind for _, _, kind in left)
    failing = sorted({row for row, _, _ in left})
    details |= {
        "model": finder.described,
        "failing": len(failing),
        "kinds": dict(sorted(kinds.items())),
        "fields": dict(sorted(Counter(path for _, path, _ in left).items())),
        "exempt": exempt,
        "examples": tuple(
            {
                "place": looked[row].place,
                "hits": tuple({"path": path, "kind": kind} for at, path, kind in left if at == row)[:EXAMPLES],
            }
            for row in failing[:EXAMPLES]
        ),
    }
    sampled = f"{len(looked):,} sampled rows (of {total:,})"
    told = f"looked for: {LOOKED_FOR}, by {finder.described}"
    if exempt:
        told = f"{exempt} in fields exempt by contract; {told}"
    if not texts:
        outcome, message = Outcome.SKIPPED, f"{sampled} hold no text of two words"
    elif failing:
        named = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        outcome = Outcome.FAILED
        message = f"{len(failing)} of {sampled} hold names or addresses ({named}); {told}"
    else:
        outcome, message = Outcome.PASSED, f"{sampled}, none with names or addresses; {told}"
    return Check(f"{spec.name}.{NAME}", outcome, message, CheckSeverity.WARNING, SOURCE, details)


def _texts(row: int, record: Mapping[str, Any], search: NameSearch) -> Iterator[_Text]:
    """The texts of a record of two words and more: a single word is a label, and models take many for names."""
    scalars, lists, _ = leaves_of(record)
    left = MOST_CHARACTERS
    for path, values in sorted([*((path, [value]) for path, value in scalars.items()), *lists.items()]):
        plain = path.replace(IN_LIST, "")
        if search.fields and not any(plain == name or plain.startswith(f"{name}.") for name in search.fields):
            continue
        for value in values:
            if isinstance(value, str) and len(value.split(maxsplit=2)) > 1 and left > 0:
                yield _Text(row, plain, value[:left])
                left -= len(value)


class _Finder:
    """A model of spaCy, asked through Presidio."""

    def __init__(self, model: str, folder: Path) -> None:
        try:
            import spacy
            from presidio_analyzer import AnalyzerEngine, BatchAnalyzerEngine, RecognizerRegistry
            from presidio_analyzer.nlp_engine import NerModelConfiguration, SpacyNlpEngine
            from presidio_analyzer.predefined_recognizers import SpacyRecognizer
        except ImportError as error:
            raise SearchUnusable(f"Presidio is not installed here ({_EXTRA})") from error
        # Presidio itself would download a model that is not there.
        here = folder / model
        if not spacy.util.is_package(model) and not (here.is_dir() and here.resolve().is_relative_to(folder.resolve())):
            raise SearchUnusable(f"the model {model} is neither installed nor a folder of the project ({_EXTRA})")
        try:
            nlp = spacy.load(model if spacy.util.is_package(model) else here)
        except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
            raise SearchUnusable(f"the model {model} cannot be loaded: {str(error).splitlines()[0][:200]}") from error
        if "ner" not in nlp.pipe_names:
            raise SearchUnusable(f"the model {model} tells no entities: it has no component ner")
        nlp.select_pipes(enable=[name for name in nlp.pipe_names if name in _NEEDED])
        self._language = nlp.lang
        labels = NerModelConfiguration(
            model_to_presidio_entity_mapping=_ENTITIES,
            labels_to_ignore=sorted({*nlp.get_pipe("ner").labels} - _ENTITIES.keys()),
        )
        engine = SpacyNlpEngine(models=[{"lang_code": nlp.lang, "model_name": model}], ner_model_configuration=labels)
        engine.nlp = {nlp.lang: nlp}
        registry = RecognizerRegistry([SpacyRecognizer(supported_language=nlp.lang)], supported_languages=[nlp.lang])
        self._engine = BatchAnalyzerEngine(
            AnalyzerEngine(nlp_engine=engine, registry=registry, supported_languages=[nlp.lang])
        )
        about = f"{nlp.meta.get('lang', '')}_{nlp.meta.get('name', '')} {nlp.meta.get('version', '')}"
        self.described = f"{about} (Presidio {version('presidio-analyzer')})"

    def hits(self, texts: Sequence[_Text]) -> Iterator[tuple[int, str, str]]:
        """(row, path, kind) of every name and address, each kind once a text; what they say is not kept."""
        found = self._engine.analyze_iterator(
            [item.text for item in texts], self._language, batch_size=_BATCH, entities=["PERSON", "LOCATION"]
        )
        for item, results in zip(texts, found, strict=True):
            kinds = {_kind(item.text, result) for result in results}
            kinds |= {ADDRESS} if _STREET.search(item.text) else set()
            yield from ((item.row, item.path, kind) for kind in sorted(filter(None, kinds)))


def _kind(text: str, result: Any) -> str:
    if result.entity_type == "PERSON":
        return NAMED
    place, before, behind = text[result.start : result.end], text[: result.start][-8:], text[result.end :]
    has_number = (
        re.match(r"\d{1,4}[A-Za-z]? +\w", place) or _NUMBER_BEFORE.search(before) or _NUMBER_BEHIND.match(behind)
    )
    return ADDRESS if has_number else ""
