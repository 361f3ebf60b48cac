"""P11: mixes sources by weight, trains a tokenizer on the mix, packs it, and looks for evaluation texts in it."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import p11_mix as mix
import p11_tokens as tokens
from p11_mix import HeldOut, Text
from p11_smoke import Training, smoke_train

from flywheel_mlflow.base.canonical import document_json
from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.pipelines import Workspace, main, read_jsonl

FAULTS = {
    "contaminated_eval": "texts that quote evaluation questions are not taken out of the sources",
    "skewed_mix": "every source is sampled alike, whatever its weight",
    "loose_packing": "every document gets a row of its own",
}

OWN_SOURCES = ("code", "math", "papers")
LICENCE = "CC0-1.0"
#: One text in ten is kept from the tokenizer's training and measures it.
HELD_OUT_EVERY = 10
#: Minutes of a person's work: reading the terms of one source, and looking at one text a filter took out for leaking.
MINUTES_PER_SOURCE = 20
MINUTES_PER_LEAK = 2
#: What the published projects count for an hour of review (24043.93 RMB for 201.34 hours).
RMB_PER_HOUR = 120


@dataclass(slots=True)
class Kitchen:
    """What is left after each step of the recipe, with the notes of the filters."""

    notes: list[dict[str, Any]] = field(default_factory=list)
    raw: list[Text] = field(default_factory=list)
    unique: list[Text] = field(default_factory=list)
    mixed: list[Text] = field(default_factory=list)

    def note(
        self, rule: str, constant: float | str, before: Sequence[Text], after: Sequence[Text], reason: str
    ) -> None:
        """Write down what one step did."""
        self.notes.append(
            {"rule": rule, "constant": constant, "rows_in": len(before), "rows_out": len(after), "reason": reason}
        )

    def dropped(self, rule: str) -> int:
        """How many texts a step took out."""
        return sum(note["rows_in"] - note["rows_out"] for note in self.notes if note["rule"] == rule)


def read_texts(work: Workspace) -> list[Text]:
    """The texts of every source there is: our own, and the training part of the foundation corpus."""
    found = [
        Text(row["id"], name, row["text"]) for name in OWN_SOURCES for row in read_jsonl(work.data / f"{name}.jsonl")
    ]
    corpus = work.read_input("foundation_corpus") or []
    # Its validation part measures models; it is no training text.
    training = [row for row in corpus if row["split"] == "train"]
    found += [Text(row["id"], f"web_{row['metadata']['lang']}", row["content"]) for row in training]
    return [item for item in found if item.source in mix.WEIGHTS]


def cook(work: Workspace, texts: list[Text], controls: Mapping[str, Any], held_out: HeldOut) -> Kitchen:
    """The mix, and what each step did to it."""
    kitchen = Kitchen(raw=texts)
    clean = mix.without_personal(texts, mix.forbidden_patterns(controls))
    kitchen.note("no_personal_data", "privacy controls", texts, clean, "the privacy rules of this iteration")
    fit = [item for item in clean if work.fault == "contaminated_eval" or not held_out.is_quoted_by(item.text)]
    kitchen.note(
        "no_evaluation_text", mix.CONTAMINATION_NGRAM, clean, fit, "words in a row shared with an evaluation text"
    )
    kitchen.unique = mix.without_copies(fit)
    kitchen.note(
        "no_copies", mix.LSH_THRESHOLD, fit, kitchen.unique, "MinHash over character 5-grams, across all sources"
    )
    weights = mix.weights_of(item.source for item in kitchen.unique)
    if work.fault == "skewed_mix":
        weights = dict.fromkeys(weights, 1 / len(weights))
    amounts = mix.plan(Counter(item.source for item in kitchen.unique), weights)
    kitchen.mixed = mix.sample(kitchen.unique, amounts, random.Random(mix.SHUFFLE_SEED))  # noqa: S311 - no secret
    kitchen.note(
        "mixed_by_weight", "declared weights", kitchen.unique, kitchen.mixed, "the scarcest source sets the size"
    )
    return kitchen


@dataclass(frozen=True, slots=True)
class Packed:
    """Tokens of the mix: rows, the ids of the two marks, and what the rows are made of."""

    rows: list[list[int]]
    documents: list[list[int]]
    end: int
    pad: int
    vocabulary: int


def build(work: Workspace) -> None:
    """Run the project once in its workspace."""
    controls = work.input_path("privacy_controls")
    if controls is None:
        raise InputError("the privacy controls of this iteration are missing", hint="run P09 first")
    evaluation = [row["text"] for row in read_jsonl(work.data / "evaluation_held_out.jsonl")]
    held_out = HeldOut(evaluation)
    texts = read_texts(work)
    kitchen = cook(work, texts, json.loads(controls.read_text(encoding="utf-8")), held_out)

    unseen = kitchen.mixed[::HELD_OUT_EVERY]
    seen = [item for place, item in enumerate(kitchen.mixed) if place % HELD_OUT_EVERY]
    tokenizer = tokens.train_tokenizer([item.text for item in seen])
    end, pad = tokenizer.token_to_id(tokens.END), tokenizer.token_to_id(tokens.PAD)
    documents = [tokens.encode(tokenizer, item.text) for item in kitchen.mixed]
    rows = tokens.pack(documents, end=end, pad=pad, alone=work.fault == "loose_packing")
    packed = Packed(rows, documents, end, pad, tokenizer.get_vocab_size())
    training = smoke_train(packed.rows, packed.vocabulary, pad, mix.SHUFFLE_SEED)

    hits = [item for item in kitchen.mixed if held_out.is_quoted_by(item.text)]
    costs = {
        "per_word_en": tokens.tokens_per(tokenizer, unseen, ["web_en"], "word"),
        "per_char_zh": tokens.tokens_per(tokenizer, unseen, ["web_zh"], "char"),
        "per_char_code": tokens.tokens_per(tokenizer, unseen, ["code"], "char"),
    }
    work.write_document("pretraining_recipe", _recipe(kitchen))
    _write_tokenizer(work, tokenizer)
    _write_rows(work, packed.rows, kitchen)
    work.log_document(_metrics(kitchen, packed, costs, hits, len(evaluation), training))
    _check(work, kitchen, packed, hits, training)


def _recipe(kitchen: Kitchen) -> dict[str, Any]:
    weights = mix.weights_of(item.source for item in kitchen.unique)
    available = Counter(item.source for item in kitchen.raw)
    taken = Counter(item.source for item in kitchen.mixed)
    return {
        "format_version": 1,
        "declared_weights": dict(mix.WEIGHTS),
        "sources": [
            {
                "name": name,
                "licence": LICENCE,
                "weight": weight,
                "texts_available": available[name],
                "texts_taken": taken[name],
                "from": "foundation_corpus" if name.startswith("web_") else f"data/{name}.jsonl",
            }
            for name, weight in weights.items()
        ],
        "missing_sources": sorted(set(mix.WEIGHTS) - set(weights)),
        "filters": kitchen.notes,
        "minhash": {"num_perm": mix.PERMUTATIONS, "char_ngram": mix.CHAR_NGRAM, "threshold": mix.LSH_THRESHOLD},
        "contamination_ngram": mix.CONTAMINATION_NGRAM,
        "shuffle_seed": mix.SHUFFLE_SEED,
        "tokenizer": {
            "kind": "byte-level BPE",
            "vocabulary": tokens.VOCABULARY,
            "special": [tokens.END, tokens.PAD, tokens.UNKNOWN],
        },
        "sequence_length": tokens.SEQUENCE_LENGTH,
    }


def _write_tokenizer(work: Workspace, tokenizer: Any) -> None:
    path = work.folder / "interfaces" / "mini_deepseek_tokenizer.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(tokenizer.to_str(pretty=False), encoding="utf-8")
    work.write_path("tokenizer_artifact", path)


def _write_rows(work: Workspace, rows: Sequence[Sequence[int]], kitchen: Kitchen) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = work.folder / "interfaces" / "packed_training_data.parquet"
    pq.write_table(pa.table({"input_ids": pa.array(rows, pa.list_(pa.int32()))}), path)
    card = {
        "title": "Token sequences packed to the model's length",
        "source": "foundation_corpus of P01, and code, math and papers of this project",
        "licence": LICENCE,
        "filters": kitchen.notes,
        "hazards": [
            "rows join unrelated texts: attention must not cross the end mark",
            "too small to train a model on",
        ],
    }
    Path(path.with_name("packed_training_data.card.json")).write_text(document_json(card), encoding="utf-8")
    work.write_path("packed_training_data", path)


def _metrics(
    kitchen: Kitchen,
    packed: Packed,
    costs: Mapping[str, float | None],
    hits: Sequence[Text],
    evaluation_texts: int,
    training: Training | None,
) -> dict[str, Any]:
    compared = next(note["rows_in"] for note in kitchen.notes if note["rule"] == "no_copies")
    removed = kitchen.dropped("no_copies")
    leaks = kitchen.dropped("no_evaluation_text") + len(hits)
    hours = (len(mix.WEIGHTS) * MINUTES_PER_SOURCE + leaks * MINUTES_PER_LEAK) / 60
    deviation = mix.worst_deviation(kitchen.mixed, mix.weights_of(item.source for item in kitchen.unique))
    return {
        "source_mix": {
            "raw": dict(sorted(Counter(item.source for item in kitchen.raw).items())),
            "taken": dict(sorted(Counter(item.source for item in kitchen.mixed).items())),
            "shares": mix.shares(kitchen.mixed) if kitchen.mixed else {},
            "worst_deviation_texts": deviation,
        },
        "dedup": {"documents": compared, "removed": removed, "rate": removed / compared if compared else None},
        "tokenizer": {"vocabulary": packed.vocabulary} | {f"tokens_{name}": value for name, value in costs.items()},
        "packing": {
            "rows": len(packed.rows),
            "tokens": sum(map(len, packed.documents)),
            "efficiency": tokens.efficiency(packed.rows, end=packed.end, pad=packed.pad),
        },
        "contamination": {
            "evaluation_texts": evaluation_texts,
            "removed": kitchen.dropped("no_evaluation_text"),
            "hits": len(hits),
        },
        "smoke_train": {
            "loss_before": training.loss_before if training else None,
            "loss": training.loss_after if training else None,
            "tokens_per_s": training.tokens_per_s if training else None,
        },
        "costs": {"review_hours": hours, "review_cost_rmb": hours * RMB_PER_HOUR},
    }


def _check(work: Workspace, kitchen: Kitchen, packed: Packed, hits: Sequence[Text], training: Training | None) -> None:
    # From the sources as read, not from what the recipe made of them: a source lost on the way must show.
    present = {item.source for item in kitchen.raw}
    total = sum(weight for name, weight in mix.WEIGHTS.items() if name in present)
    expected = {name: weight / total for name, weight in mix.WEIGHTS.items() if name in present}
    deviation = mix.worst_deviation(kitchen.mixed, expected)
    adds_up = abs(sum(mix.WEIGHTS.values()) - 1) < 1e-9
    message = "the mix is empty" if deviation is None else f"a share is off by {deviation:.2f} texts at most"
    work.check("test_recipe_weights", adds_up and deviation is not None and deviation <= 1, message)
    keys = Counter(item.id for item in kitchen.mixed)
    repeated = sum(count - 1 for count in keys.values())
    work.check("test_sampler_keys", bool(keys) and not repeated, f"{repeated} texts taken twice")
    _check_minhash(work, kitchen)
    packed_again = tokens.unpack(packed.rows, end=packed.end, pad=packed.pad)
    whole = sorted(document for document in packed.documents if len(document) < tokens.SEQUENCE_LENGTH)
    kept = Counter(map(tuple, whole)) <= Counter(map(tuple, packed_again))
    same_length = {len(row) for row in packed.rows} == {tokens.SEQUENCE_LENGTH}
    count = sum(map(len, packed.documents)) == sum(map(len, packed_again))
    message = f"{len(packed_again)} documents in {len(packed.rows)} rows"
    work.check("test_tokenizer_pack", kept and same_length and count, message)
    learnt = training is not None and training.loss_after < training.loss_before
    message = f"loss {training.loss_before:.3f} -> {training.loss_after:.3f}" if training else "no rows to train on"
    work.check("test_end_to_end_mock", learnt, message)
    ids = [item.id for item in hits[:5]]
    work.check("no_evaluation_text_in_mix", not hits, f"{len(hits)} texts quote an evaluation text", ids=ids)


def _check_minhash(work: Workspace, kitchen: Kitchen) -> None:
    """Whether sketches tell the true similarity: against exact Jaccard over pairs of the mix itself."""
    texts = [item.text for item in kitchen.mixed[:20]]
    sketches = [mix.minhash(text) for text in texts]
    sizes = {len(sketch.hashvalues) for sketch in sketches}
    work.check("test_minhash_creation", sizes == {mix.PERMUTATIONS}, f"{len(sketches)} sketches")
    # Between a text and itself with a tenth cut off, and between neighbours, so that both ends are tried.
    pairs = [(text, text[: len(text) * 9 // 10]) for text in texts] + list(pairwise(texts))
    errors = [abs(mix.minhash(a).jaccard(mix.minhash(b)) - exact_jaccard(a, b)) for a, b in pairs]
    # Four standard errors of 128 draws at the worst similarity, one half.
    limit = 4 * 0.5 / mix.PERMUTATIONS**0.5
    worst = max(errors, default=None)
    message = "nothing to compare" if worst is None else f"worst error {worst:.3f}, {limit:.3f} allowed"
    work.check("test_minhash_similarity", worst is not None and worst <= limit, message)


def exact_jaccard(first: str, second: str) -> float:
    """The similarity that sketches estimate: common character 5-grams over all of them."""
    a, b = (
        {plain[at : at + mix.CHAR_NGRAM] for at in range(max(1, len(plain) - mix.CHAR_NGRAM + 1))}
        for plain in (" ".join(text.split()) for text in (first, second))
    )
    return len(a & b) / len(a | b)


if __name__ == "__main__":
    main(__file__, build, FAULTS)
