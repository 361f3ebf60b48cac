"""Takes the readable lines out of fetched pages, as C4's makers took them out of WET files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

#: Elements whose text is not the page's own: code, menus, frames of the site.
SKIPPED = frozenset({"script", "style", "nav", "header", "footer", "aside", "form", "noscript", "title"})
#: Elements that end a line.
BLOCKS = frozenset({"p", "div", "br", "li", "h1", "h2", "h3", "h4", "tr", "section", "article", "body", "blockquote"})
#: What a page says in `<meta name="robots">` when it wants no part in training.
OPT_OUTS = frozenset({"noai", "noindex", "none"})


@dataclass(frozen=True, slots=True)
class Fetched:
    """One page of the crawl; ``source_line`` is its line in the file, from 1."""

    source_line: int
    url: str
    content_type: str
    body: str

    @property
    def site(self) -> str:
        """The host it came from."""
        return urlsplit(self.url).netloc


@dataclass(frozen=True, slots=True)
class Extracted:
    """The lines of a page, in order; ``opted_out`` when the page asks to be left alone."""

    page: Fetched
    lines: tuple[str, ...]
    opted_out: bool

    @property
    def text(self) -> str:
        """The lines as one text."""
        return "\n".join(self.lines)


def fetched(source_line: int, row: Mapping[str, Any]) -> Fetched:
    """The page in one line of the crawl."""
    return Fetched(source_line, str(row["url"]), str(row["content_type"]), str(row["body"]))


def is_text(page: Fetched) -> bool:
    """Whether the page is of a kind that has text."""
    return page.content_type.split(";")[0].strip() in ("text/html", "text/plain")


def extract(page: Fetched) -> Extracted:
    """The page's own lines; broken markup is read as browsers read it, it never raises."""
    if page.content_type.startswith("text/plain"):
        return Extracted(page, _lines(page.body.splitlines()), opted_out=False)
    reader = _Reader()
    reader.feed(page.body)
    reader.close()
    return Extracted(page, _lines("".join(reader.parts).split("\n")), reader.opted_out)


def _lines(raw: list[str]) -> tuple[str, ...]:
    return tuple(line for line in (" ".join(part.split()) for part in raw) if line)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.opted_out = False
        self._inside = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in SKIPPED:
            self._inside += 1
        elif tag in BLOCKS:
            self.parts.append("\n")
        elif tag == "meta":
            values = {name: (value or "").lower() for name, value in attrs}
            asked = {word.strip() for word in values.get("content", "").split(",")}
            self.opted_out |= values.get("name") == "robots" and bool(asked & OPT_OUTS)

    def handle_endtag(self, tag: str) -> None:
        if tag in SKIPPED:
            self._inside = max(0, self._inside - 1)
        elif tag in BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self.parts.append(data)
