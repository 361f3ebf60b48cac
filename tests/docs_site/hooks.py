"""What MkDocs asks while it builds: the generated pages, the pages of folders, and links out of docs/."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

from docs_site import commands, files, product, python_api, server

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
#: A link of a page with its text; addresses of other places and headings of the page itself are left alone.
_LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]+)\]\((?P<target>[^)#\s:]+)(?P<anchor>#[^)\s]*)?\)")
#: What a browser would load by itself.
_FETCHED = re.compile(r"<(?:script|img|iframe|source|link)[^>]* (?:src|href)=\"?((?:https?:)?//[^\" >]+)")
#: Somebody who searches for the words of an error wants these.
FOUND_FIRST = {"troubleshooting.md", "reference/messages.md"}
#: Files beside docs/ that are pages of the site too, by their place there.
BESIDE = {"contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md", "security.md": "SECURITY.md"}

#: Every generated page by its place, with what makes it.
GENERATED: dict[str, Callable[[], str]] = {
    "reference/commands.md": commands.commands_page,
    "reference/python.md": python_api.python_page,
    **{f"reference/files/{kind.replace('_', '-')}.md": partial(files.file_page, kind) for kind in files.kinds()},
    "reference/gate-criteria.md": product.criteria_page,
    "reference/numbers.md": product.numbers_page,
    "reference/server.md": server.server_page,
    "reference/exit-codes.md": product.exit_codes_page,
    "reference/settings.md": product.settings_page,
    "reference/messages.md": product.messages_page,
}


def on_config(config: Any) -> Any:
    """Put every page of a folder that the navigation names at its place, in the order of the names."""
    # Pydantic and MLflow say things at their import that are no fault of a page.
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    config["nav"] = _with_folders(config["nav"])
    return config


def on_files(found: Any, config: Any) -> Any:
    """Add the generated pages, and those that lie beside docs/."""
    for place, make in GENERATED.items():
        found.append(File.generated(config, place, content=make()))
    for place, name in BESIDE.items():
        found.append(File.generated(config, place, content=(ROOT / name).read_text(encoding="utf-8")))
    return found


def on_page_content(html: str, **_: Any) -> str:
    """Show `a|b` in a table's code as it is: GitHub wants the escape that this Markdown leaves in."""
    return re.sub(r"(?<!<pre>)<code>[^<]*</code>", lambda code: code[0].replace("\\|", "|"), html)


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Refuse a page that would fetch anything from elsewhere."""
    fetched = _FETCHED.findall(output)
    if fetched:
        raise PluginError(f"{page.file.src_uri} fetches {', '.join(fetched)}: the site works without a network")
    return output


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Lead from a page to what lies beside docs/: to its page where it has one, else say where it lies."""
    here = PurePosixPath(page.file.src_uri)
    if str(here) in FOUND_FIRST:
        page.meta["search"] = {"boost": 4}
    if page.file.src_uri in BESIDE:
        # These pages lie one folder above where the site has them.
        return _LINK.sub(_from_beside, markdown)
    return _LINK.sub(lambda link: _from_docs(link, here), markdown)


def _from_docs(link: re.Match[str], here: PurePosixPath) -> str:
    target = (DOCS / here.parent / link["target"]).resolve()
    if target.is_relative_to(DOCS) or not target.is_relative_to(ROOT):
        return link[0]
    return _outside(link, target, "../" * (len(here.parts) - 1))


def _from_beside(link: re.Match[str]) -> str:
    target = (ROOT / link["target"]).resolve()
    if target.is_relative_to(DOCS) and target.suffix:
        return f"[{link['text']}]({target.relative_to(DOCS)}{link['anchor'] or ''})"
    return _outside(link, target, "")


def _outside(link: re.Match[str], target: Path, up: str) -> str:
    name = str(target.relative_to(ROOT))
    place = next((place for place, file in BESIDE.items() if file == name), None)
    if place:
        return f"[{link['text']}]({up}{place}{link['anchor'] or ''})"
    return link["text"] if name in link["text"] else f"{link['text']} (`{name}`)"


def _with_folders(nav: Any) -> Any:
    if isinstance(nav, dict):
        return {title: _with_folders(item) for title, item in nav.items()}
    if isinstance(nav, list):
        found: list[Any] = []
        for item in nav:
            laid = _with_folders(item)
            found += laid if isinstance(laid, list) else [laid]
        return found
    if nav.endswith("/"):
        return sorted(str(file.relative_to(DOCS)) for file in (DOCS / nav).glob("*.md"))
    return nav
