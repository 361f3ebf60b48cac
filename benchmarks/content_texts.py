"""Reads the real texts of this machine: docstrings, code, package descriptions, documents, messages in many languages.

Nothing is committed and nothing fetched: what is not installed is missing, and ``Texts.lacking`` names it.
"""

from __future__ import annotations

import ast
import gettext
import gzip
import random
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

#: Where Debian and its relatives keep descriptions, documents and translated messages.
DPKG_STATUS = Path("/var/lib/dpkg/status")
DOCUMENTS = (Path("/usr/share/doc"), Path("/usr/share/common-licenses"))
LOCALES = Path("/usr/share/locale")
LANGUAGES = ("de", "fr", "es", "ru", "ja", "zh_CN", "pl", "it", "pt_BR", "uk", "ko")

DOCSTRINGS, CODE, PACKAGES, PROSE, ENGLISH, FOREIGN = "docstrings", "code", "packages", "prose", "messages", "foreign"
KINDS = (DOCSTRINGS, CODE, PACKAGES, PROSE, ENGLISH, FOREIGN)
LEAST, MOST = 120, 4000
_Name = TypeVar("_Name", Path, str)
_DOCUMENT_NAMES = re.compile(r"(README|NEWS|CONTRIBUTING|copyright|METADATA|[A-Z]+(-[\d.]+)?$).*")


@dataclass(frozen=True, slots=True)
class Text:
    """A text with a short title; ``topic`` is what it belongs to, ``language`` the code of its language."""

    topic: str
    title: str
    body: str
    language: str = "en"


@dataclass
class Texts:
    """All texts by kind, no body twice."""

    pools: dict[str, list[Text]]
    lacking: list[str] = field(default_factory=list)

    def stock(self, draw: random.Random) -> Stock:
        """The texts of one pair of sides, in the order of ``draw``."""
        return Stock({kind: draw.sample(pool, len(pool)) for kind, pool in self.pools.items()})


@dataclass
class Stock:
    """Texts that are each taken once."""

    left: dict[str, list[Text]]

    def copy(self) -> Stock:
        """The same texts, to be taken by somebody else."""
        return Stock({kind: list(pool) for kind, pool in self.left.items()})

    def take(self, *kinds: str) -> Text:
        """The next text of the first of these kinds that has one left, else of the kind with most.

        Raises:
            SystemExit: no text is left at all.
        """
        for kind in (*kinds, max(self.left, key=lambda name: len(self.left[name]))):
            if self.left[kind]:
                return self.left[kind].pop()
        raise SystemExit("this machine has too few texts for sides of that size: ask for a smaller --rows")


def read_texts(files: int = 2500) -> Texts:
    """The texts at hand: at most ``files`` Python files and as many documents are read, the same in every run."""
    docstrings, code = _python(_chosen(_python_files(files), files))
    found: dict[str, Iterable[Text]] = {
        DOCSTRINGS: docstrings,
        CODE: code,
        PACKAGES: _packages(files),
        PROSE: _prose(_chosen(_document_files(), files)),
        ENGLISH: _messages("en", LANGUAGES[:3], files),
        FOREIGN: (text for language in LANGUAGES for text in _messages(language, (language,), files)),
    }
    pools = {kind: list({text.body: text for text in texts}.values()) for kind, texts in found.items()}
    return Texts(pools, [kind for kind, pool in pools.items() if len(pool) < 100])


def _chosen(names: Iterable[_Name], most: int) -> list[_Name]:
    """So many of them at most, the same in every run."""
    ordered = sorted(names)
    return random.Random(3).sample(ordered, min(most, len(ordered)))  # noqa: S311 - a choice of sample texts


def _python_files(most: int) -> Iterator[Path]:
    """The files of the standard library and of installed packages, of so many packages at most."""
    folders = {sysconfig.get_paths()["stdlib"], *(path for path in sys.path if path.endswith("site-packages"))}
    packages = (path for folder in sorted(folders) for path in Path(folder).iterdir() if path.suffix != ".dist-info")
    for package in _chosen((path for path in packages if path.name not in {"site-packages", "test"}), most):
        for path in package.rglob("*.py") if package.is_dir() else [package]:
            if path.suffix == ".py" and not {"test", "tests"} & set(path.relative_to(package).parts):
                yield path


def _python(paths: Iterable[Path]) -> tuple[list[Text], list[Text]]:
    """(docstrings, functions) of these files."""
    docstrings, code = [], []
    for path in paths:
        try:
            source = path.read_text(encoding="utf-8")
            tree = ast.parse(source)
        except (OSError, ValueError, SyntaxError, RecursionError):
            continue  # a template, or written for another Python
        lines = source.split("\n")
        topic = path.parent.name
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                text = ast.get_docstring(node) or ""
                if LEAST <= len(text) <= MOST:
                    docstrings.append(Text(topic, f"{path.stem}.{node.name}", text))
                body = "\n".join(lines[node.lineno - 1 : node.end_lineno])
                if not isinstance(node, ast.ClassDef) and LEAST <= len(body) <= MOST:
                    code.append(Text(topic, f"{path.stem}.{node.name}", body))
    return docstrings, code


def _packages(most: int) -> Iterator[Text]:
    """Descriptions of installed packages, which are long, then those of packages known by their short one."""
    installed = DPKG_STATUS.read_text(encoding="utf-8") if DPKG_STATUS.exists() else ""
    yield from _stanzas(installed.split("\n\n"), LEAST)
    if shutil.which("apt-cache"):
        known = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, text=True, check=False).stdout
        yield from _stanzas(_chosen(known.split("\n\n"), most), 40)


def _stanzas(stanzas: Iterable[str], least: int) -> Iterator[Text]:
    for stanza in stanzas:
        name, section = (re.search(rf"^{key}: (.+)$", stanza, re.MULTILINE) for key in ("Package", "Section"))
        told = re.search(r"^Description(?:-en)?: (.+(?:\n .*)*)", stanza, re.MULTILINE)
        if name and told:
            body = re.sub(r"\n ", "\n", told[1]).replace("\n.\n", "\n\n")
            if least <= len(body) <= MOST:
                yield Text(section[1] if section else "misc", name[1], body)


def _document_files() -> Iterator[Path]:
    for folder in DOCUMENTS:
        for path in folder.rglob("*") if folder.exists() else ():
            if _DOCUMENT_NAMES.match(path.name) and path.is_file():
                yield path
    for folder in (Path(path) for path in sys.path if path.endswith("site-packages")):
        yield from folder.glob("*.dist-info/METADATA")


def _prose(paths: Iterable[Path]) -> Iterator[Text]:
    """The paragraphs of documents; of one that is longer than a text may be, its pieces."""
    for path in paths:
        try:
            raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            text = raw.decode("utf-8")
        except (OSError, EOFError, UnicodeDecodeError):
            continue
        for part in re.split(r"\n\s*\n", text[:200_000]):
            paragraph = part.strip("\n")
            if LEAST <= len(paragraph) <= MOST and any(map(str.islower, paragraph)):
                yield Text(path.name.split(".")[0].lower()[:20], path.parent.name.removesuffix(".dist-info"), paragraph)


def _messages(language: str, folders: Iterable[str], most: int) -> Iterator[Text]:
    """What programs say: a message, and the next ones of the same program as its body."""
    for folder in folders:
        for path in _chosen((LOCALES / folder).rglob("*.mo"), most):
            try:
                with path.open("rb") as file:
                    catalogue = gettext.GNUTranslations(file)
            except (OSError, ValueError, UnicodeDecodeError):
                continue
            pairs = catalogue._catalog.items()  # type: ignore[attr-defined]  # noqa: SLF001 - it has no public list
            said = [
                key if language == "en" else text
                for key, text in pairs
                if isinstance(key, str) and isinstance(text, str) and len(key) >= 40 and len(text) >= 12
            ]
            for place in range(0, len(said) - 3, 4):
                yield Text(path.stem, said[place][:300], "\n".join(said[place + 1 : place + 4])[:MOST], language)
