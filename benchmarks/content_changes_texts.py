"""Changes of what texts say and look like, and of which texts there are."""

from __future__ import annotations

import html
import re
import unicodedata

from benchmarks.content_edits import Change, Edit, at, copied, every, only, shuffled, some, to
from benchmarks.content_records import PROMPTS, REFUSALS, SOURCES, Draw, Record, sft
from benchmarks.content_texts import CODE, DOCSTRINGS, ENGLISH, FOREIGN

ANSWER, PROMPT = "content.answer", "content.prompt"
HEADER = "Skip to content | Sign in | Pricing | Documentation | Contact us\n\n"
NAMES = ("Anna Keller", "Jonas Weber", "Maria Rossi", "Wei Zhang", "Olga Petrova", "Luc Martin", "Aiko Tanaka")
EMOJI = "😀👍🎉🚀✨🔥"
JARGON = ("the Kestrel gateway", "a Kestrel tenant", "your Kestrel token")


def _pair(*kinds: str) -> Edit:
    """Another pair of a text of these kinds; everything around it stays."""

    def edit(record: Record, draw: Draw) -> None:
        text = draw.stock.take(*kinds)
        prompt = text.title if " " in text.title else draw.choice(PROMPTS).format(text.title)
        record["content"] = {"prompt": prompt, "answer": text.body}

    return edit


def _new_source(record: Record, draw: Draw) -> None:
    _pair(CODE)(record, draw)
    record["source"] = "forum"


def _source_gone(records: list[Record], draw: Draw) -> list[Record]:
    """Rows of one source are left out, and as many of the others come in."""
    rows = []
    for record in records:
        made = record
        while made["source"] == SOURCES[DOCSTRINGS]:
            made = sft(draw)
        rows.append(made)
    return rows


def _more_dialogs(record: Record, draw: Draw) -> None:
    _pair(ENGLISH)(record, draw)
    record["source"] = "dialogs"


def _longer(by: float) -> Edit:
    """Answers longer by a share, with sentences of the same kind of text."""

    def edit(record: Record, draw: Draw) -> None:
        answer = record["content"]["answer"]
        wanted, more = int(len(answer) * by), ""
        while len(more) < wanted:
            more += " " + draw.text()[1].body
        record["content"]["answer"] = answer + more[:wanted]

    return edit


def _html(text: str, _draw: Draw) -> str:
    parts = html.escape(text, quote=False).split("\n\n")
    return "".join(f"<p>{part}</p>\n" for part in parts).replace("\n", "<br/>\n")


def _mojibake(text: str, _draw: Draw) -> str:
    return text.encode("utf-8").decode("latin-1")


def _replaced(text: str, _draw: Draw) -> str:
    return text.encode("utf-8").decode("ascii", "replace")


def _not_ascii(record: Record) -> bool:
    return not record["content"]["answer"].isascii()


def _plain(text: str, _draw: Draw) -> str:
    without = re.sub(r"[`*#_|]+", "", text)
    return re.sub(r"(?m)^\s*([-+]|\d+\.)\s+", "", without)


def _number_format(text: str, _draw: Draw) -> str:
    return re.sub(r"(\d)\.(\d)", r"\1,\2", text)


def _truthful(text: str, _draw: Draw) -> str:
    return f"Answer truthfully: {text}"


def _patient(text: str, _draw: Draw) -> str:
    return f"Respond patiently: {text}"


def _signed(text: str, draw: Draw) -> str:
    return f"Hi, this is {draw.choice(NAMES)}. {text}"


def _named(text: str, _draw: Draw) -> str:
    return f"Hi, this is [NAME]. {text}"


def _jargon(text: str, draw: Draw) -> str:
    words = text.split(" ")
    words.insert(draw.randrange(len(words) + 1), draw.choice(JARGON))
    return " ".join(words)


def _cut(most: int) -> Edit:
    return at(ANSWER, lambda text, _draw: text[:most])


def _half(text: str, draw: Draw) -> str:
    return text[: max(1, int(len(text) * draw.uniform(0.3, 0.9)))]


def _refuse(share: float) -> object:
    return some(share, at(ANSWER, lambda _text, draw: draw.choice(REFUSALS)))


def _quotes(text: str, _draw: Draw) -> str:
    return re.sub(r"'", "’", re.sub(r'"([^"]*)"', r"“\1”", text))


def _collapsed(text: str, _draw: Draw) -> str:
    return " ".join(text.split())


def _across_splits(records: list[Record], draw: Draw) -> list[Record]:
    """A third of the test rows are copies of training rows."""
    training = [record["content"] for record in records if record["split"] == "train"]
    return some(0.33, only(lambda row: row["split"] == "test", at("content", lambda _c, d: d.choice(training))))(
        records, draw
    )


def _ordered_splits(records: list[Record], draw: Draw) -> list[Record]:  # noqa: ARG001 - a transform
    """The test split is the newest tenth rather than a random one."""
    border = sorted(record["metadata"]["created_at"] for record in records)[int(len(records) * 0.9)]
    for record in records:
        record["split"] = "test" if record["metadata"]["created_at"] >= border else "train"
    return records


TEXT_CHANGES = (
    Change("language-30", "mix", "sft", "texts in other languages 10 -> 30 %, no field tells",
           some(0.22, _pair(FOREIGN))),
    Change("language-16", "mix", "sft", "texts in other languages 10 -> 16 %", some(0.07, _pair(FOREIGN))),
    Change("code-25", "mix", "sft", "code 10 -> 25 % of the answers, no field tells", some(0.17, _pair(CODE))),
    Change("source-gone", "mix", "sft", "the source with a third of the rows is gone", _source_gone),
    Change("source-new-5", "mix", "sft", "a new source has 5 % of the rows", some(0.05, _new_source)),
    Change("source-share", "mix", "sft", "a source grows from 20 to 30 %", some(0.125, _more_dialogs)),
    Change("header-20", "texts", "sft", "a page header left in 20 % of the answers",
           some(0.20, at(ANSWER, lambda text, _draw: HEADER + text))),
    Change("header-5", "texts", "sft", "the same in 5 %", some(0.05, at(ANSWER, lambda text, _draw: HEADER + text))),
    Change("refusals-4", "texts", "sft", "refusals 1 -> 4 %", _refuse(0.03)),
    Change("refusals-10", "texts", "sft", "refusals 2 -> 10 %", _refuse(0.09), _refuse(0.01)),
    Change("cut-256", "texts", "sft", "answers cut at 256 characters", every(_cut(256))),
    Change("cut-1000", "texts", "sft", "answers cut at 1,000 characters", every(_cut(1000))),
    Change("cut-anywhere-8", "texts", "sft", "8 % of the answers stop midway", some(0.08, at(ANSWER, _half))),
    Change("longer-40", "texts", "sft", "answers 40 % longer", every(_longer(0.4))),
    Change("longer-15", "texts", "sft", "answers 15 % longer", every(_longer(0.15))),
    Change("template", "texts", "sft", "another prompt template of the same length, no field tells",
           every(at(PROMPT, _truthful)), every(at(PROMPT, _patient))),
    Change("template-30", "texts", "sft", "the same for 30 % of the prompts",
           every(at(PROMPT, lambda text, draw: (_truthful if draw.chance(0.3) else _patient)(text, draw))),
           every(at(PROMPT, _patient))),
    Change("opener-25", "texts", "sft", "a quarter of the answers start with flattery",
           some(0.25, at(ANSWER, lambda text, _draw: f"Great question! {text}"))),
    Change("html-15", "texts", "sft", "HTML not stripped from 15 % of the answers", some(0.15, at(ANSWER, _html))),
    Change("mojibake", "texts", "sft", "UTF-8 read as Latin-1 in every answer that is not ASCII, a tenth of them",
           every(only(_not_ascii, at(ANSWER, _mojibake)))),
    Change("mojibake-half", "texts", "sft", "the same in half of these answers",
           some(0.5, only(_not_ascii, at(ANSWER, _mojibake)))),
    Change("replacement", "texts", "sft", "replacement characters in a third of these answers",
           some(0.33, only(_not_ascii, at(ANSWER, _replaced)))),
    Change("markup-lost", "texts", "sft", "Markdown stripped from the answers", every(at(ANSWER, _plain))),
    Change("lower-case", "texts", "sft", "answers lower-cased", every(at(ANSWER, lambda text, _draw: text.lower()))),
    Change("lower-case-15", "texts", "sft", "15 % of the prompts lower-cased",
           some(0.15, at(PROMPT, lambda text, _draw: text.lower()))),
    Change("spaces-collapsed", "texts", "sft", "newlines and runs of spaces became one space",
           every(at(ANSWER, _collapsed))),
    Change("trailing-newlines", "texts", "sft", "30 % of the answers end with blank lines",
           some(0.3, at(ANSWER, lambda text, _draw: text + "\n\n"))),
    Change("names-replaced", "texts", "sft", "personal names in 15 % of the prompts became placeholders",
           some(0.15, at(PROMPT, _named)), some(0.15, at(PROMPT, _signed))),
    Change("emoji-20", "texts", "sft", "an emoji in 20 % of the answers",
           some(0.2, at(ANSWER, lambda text, draw: f"{text} {draw.choice(EMOJI)}"))),
    Change("emoji-3", "texts", "sft", "an emoji in 3 % of the answers",
           some(0.03, at(ANSWER, lambda text, draw: f"{text} {draw.choice(EMOJI)}"))),
    Change("number-format", "texts", "sft", "decimal points became commas", every(at(ANSWER, _number_format))),
    Change("nfd", "texts", "sft", "Unicode NFC -> NFD",
           every(at(ANSWER, lambda text, _draw: unicodedata.normalize("NFD", text)))),
    Change("quotes", "texts", "sft", "straight quotes became typographic ones", every(at(ANSWER, _quotes))),
    Change("jargon-10", "texts", "sft", "a new product is named in 10 % of the answers",
           some(0.1, at(ANSWER, _jargon))),
    Change("jargon-3", "texts", "sft", "the same in 3 %", some(0.03, at(ANSWER, _jargon))),
    Change("empty-3", "texts", "sft", "3 % of the answers are empty", some(0.03, to(ANSWER, ""))),
    Change("duplicates-10", "rows", "sft", "10 % of the rows repeat other rows' texts", copied(0.10, "content")),
    Change("duplicates-3", "rows", "sft", "3 % of the rows repeat other rows' texts", copied(0.03, "content")),
    Change("split-leak", "rows", "sft", "a third of the test rows are copies of training rows", _across_splits),
    Change("split-ratio", "rows", "sft", "train and test 90/10 -> 70/30",
           some(0.22, only(lambda row: row["split"] == "train", to("split", "test")))),
    Change("split-by-time", "rows", "sft", "the test split is the newest tenth, no longer a random one",
           _ordered_splits),
    Change("pairing", "pairs", "sft", "answers moved to other rows: no pair fits", shuffled(ANSWER)),
    Change("pairing-25", "pairs", "sft", "the same for a quarter of the rows", shuffled(ANSWER, share=0.25)),
    Change("answer-language", "pairs", "sft", "12 % of the answers are in another language than their prompts",
           some(0.12, at(ANSWER, lambda _text, draw: draw.stock.take(FOREIGN).body))),
    Change("echo-5", "pairs", "sft", "5 % of the answers repeat the prompt first",
           some(0.05, lambda row, _draw: row["content"].update(
               answer=f"{row['content']['prompt']}\n{row['content']['answer']}"))),
)  # fmt: skip
