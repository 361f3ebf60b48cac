"""Writes the sample crawl anew: run it, and ``crawl.jsonl`` is what it was.

The pages are made from the sentences beside this file: good pages in English and Chinese, and every kind of page the
filters are there for, each in a known number, so that the funnel can be told from its truth.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from p01_sentences import CHINESE, ENGLISH, OTHER_LANGUAGES

SEED = "p01 sample data, 1"

Page = dict[str, Any]


def filled(draw: random.Random, template: str, slots: dict[str, list[str]]) -> str:
    """The template with every slot drawn; the first letter is a capital."""
    numbers = {
        "n": str(draw.randrange(3, 98)),
        "m": str(draw.randrange(2, 60)),
        "year": str(draw.randrange(1890, 2024)),
    }
    text = template.format(**{slot: draw.choice(items) for slot, items in slots.items()}, **numbers)
    return text[0].upper() + text[1:]


def sentences(draw: random.Random, site: str, count: int) -> list[str]:
    """``count`` different sentences of a site's topic."""
    slots, templates = (ENGLISH | CHINESE)[site]
    return [filled(draw, template, slots) for template in draw.sample(templates, k=count)]


def html(title: str, paragraphs: list[str], *, before: str = "", head: str = "") -> str:
    """A small page as sites serve it: script, navigation and footer around the text."""
    text = "".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
    return (
        f"<html><head><title>{title}</title>{head}<script>t=0</script></head><body>"
        f"<nav><a href=/>Home</a> All</nav>{before}{text}"
        "<footer>Terms of use</footer></body></html>"
    )


def page(site: str, number: int, body: str, content_type: str = "text/html") -> Page:
    return {"url": f"https://{site}/{number}", "content_type": content_type, "body": body}


def good(draw: random.Random, site: str, number: int) -> Page:
    chinese = site in CHINESE
    found = sentences(draw, site, draw.randrange(6, 9))
    cut = draw.randrange(2, len(found) - 1)
    joint = "" if chinese else " "
    title = found[0].rstrip(".。？")[:24]
    return page(site, number, html(title, [joint.join(found[:cut]), joint.join(found[cut:])]))


def near_copy(original: Page, number: int) -> Page:
    """The same text under another address with its last sentence made a little longer: mirrors and reposts do so."""
    head, tail = original["body"].rsplit("</p>", 1)
    site = original["url"].split("/")[2]
    last = "（转载）。" if site in CHINESE else " Reposted here."
    return {**original, "url": f"https://mirror.{site}/{number}", "body": f"{head}{last}</p>{tail}"}


def exact_copy(original: Page, number: int) -> Page:
    return original | {"url": f"{original['url']}?from={number}"}


def other_language(draw: random.Random, number: int) -> Page:
    language = draw.choice(sorted(OTHER_LANGUAGES))
    found = draw.sample(OTHER_LANGUAGES[language], k=5)
    return page(f"{language}.example.net", number, html(f"{language} {number}", [" ".join(found)]))


def short(draw: random.Random, number: int) -> Page:
    site = draw.choice(sorted(ENGLISH))
    if number % 2:
        return page(site, number, html("Note", sentences(draw, site, 1)))
    things = draw.sample(["rained", "snowed", "was late", "got dark", "grew cold", "went well", "took long"], k=6)
    return page(site, number, html("Diary", [" ".join(f"It {thing} today." for thing in things)]))


def navigation(draw: random.Random, number: int) -> Page:
    site = draw.choice(sorted(ENGLISH))
    links = [
        f"{draw.choice(['Next', 'Prices', 'Login', 'Photos', 'Shop', 'News'])} {draw.randrange(99)}" for _ in range(14)
    ]
    body = "".join(f"<div>{link}</div>" for link in links)
    return page(site, number, html("Index", sentences(draw, site, 5), before=body))


def repeated_lines(draw: random.Random, number: int) -> Page:
    site = draw.choice(sorted(ENGLISH))
    found = sentences(draw, site, 5)
    return page(site, number, html("Offers", found + [found[0]] * 4))


def lorem(draw: random.Random, number: int) -> Page:
    site = draw.choice(sorted(ENGLISH))
    return page(
        site,
        number,
        html("Draft", ["Lorem ipsum dolor sit amet, consectetur adipiscing elit.", *sentences(draw, site, 6)]),
    )


def code(draw: random.Random, number: int) -> Page:
    name = draw.choice(["total", "merge", "load"])
    lines = [
        f"function {name}{number}(a, b) {{ return a + b * {draw.randrange(9)}; }}",
        *sentences(draw, "code-notes.example.org", 5),
    ]
    return page("code-notes.example.org", number, html("Snippet", lines))


def digits(draw: random.Random, number: int) -> Page:
    rows = [
        f"Row {row}: {' '.join(str(draw.randrange(100, 999)) for _ in range(9))} were counted in total."
        for row in range(6)
    ]
    return page("chance.example.org", number, html("Table", rows))


def blocked_words(draw: random.Random, number: int) -> Page:
    site = draw.choice(sorted(ENGLISH))
    return page(
        site,
        number,
        html("Win", ["Hot casino jackpot tonight, adults only, click here now.", *sentences(draw, site, 6)]),
    )


def word_salad(draw: random.Random, number: int) -> Page:
    def word() -> str:
        return "".join(draw.choice("bdfglmnprst") + draw.choice("aeio") for _ in range(draw.randrange(2, 6)))

    lines = [f"The {word()} of the {word()} is what {word()} and {word()} had been to {word()}." for _ in range(7)]
    return page("salad.example.com", number, html("Text", lines))


def personal(draw: random.Random, number: int) -> Page:
    site = draw.choice(sorted(ENGLISH))
    line = draw.choice(
        [
            f"Write to reader{draw.randrange(999)}@example.org if this page helped you.",
            f"The patient with number PT-{draw.randrange(10**6):06d} told us about it.",
            f"His form says 9{draw.randrange(100):02d}-{draw.randrange(10, 99)}-{draw.randrange(10**4):04d}, he wrote.",
        ]
    )
    return page(site, number, html("Letter", [*sentences(draw, site, 7), line]))


def opted_out(draw: random.Random, number: int) -> Page:
    site = draw.choice(sorted(ENGLISH))
    return page(site, number, html("Private", sentences(draw, site, 6), head='<meta name="robots" content="noai">'))


def no_text(draw: random.Random, number: int) -> Page:
    kind = draw.choice(["application/pdf", "image/png", "text/html"])
    if kind == "text/html":
        return page("files.example.net", number, html("Gallery", []))
    return page("files.example.net", number, f"%{draw.randrange(10**9)}", content_type=kind)


def clutter(draw: random.Random, number: int) -> Page:
    """A good page with lines only the line filters must take out."""
    site = draw.choice(sorted(ENGLISH))
    lines = ["This site uses cookies, please accept.", "Please enable JavaScript to see the comments.", "Share this"]
    return page(site, number, html("Story", [*lines, *sentences(draw, site, 8)]))


ODD: tuple[tuple[Callable[[random.Random, int], Page], int], ...] = (
    (other_language, 24),
    (short, 20),
    (navigation, 18),
    (repeated_lines, 10),
    (lorem, 6),
    (code, 8),
    (digits, 6),
    (blocked_words, 6),
    (word_salad, 6),
    (personal, 9),
    (opted_out, 6),
    (no_text, 8),
    (clutter, 8),
)
GOOD_ENGLISH, GOOD_CHINESE, NEAR_COPIES, EXACT_COPIES = 150, 76, 24, 10


def crawl() -> list[Page]:
    draw = random.Random(SEED)  # noqa: S311 - no secret
    places = [sorted(ENGLISH)[number % len(ENGLISH)] for number in range(GOOD_ENGLISH)]
    places += [sorted(CHINESE)[number % len(CHINESE)] for number in range(GOOD_CHINESE)]
    pages = [good(draw, site, number) for number, site in enumerate(places, start=1)]
    originals = draw.sample(pages, k=NEAR_COPIES + EXACT_COPIES)
    pages += [near_copy(item, 2000 + number) for number, item in enumerate(originals[:NEAR_COPIES])]
    pages += [exact_copy(item, 3000 + number) for number, item in enumerate(originals[NEAR_COPIES:])]
    pages += [
        make(draw, 1000 + 50 * kind + number) for kind, (make, count) in enumerate(ODD) for number in range(count)
    ]
    draw.shuffle(pages)
    return pages


def generate(folder: Path) -> None:
    """Writes the crawl into ``folder``."""
    lines = [json.dumps(item, ensure_ascii=False, sort_keys=True) + "\n" for item in crawl()]
    (folder / "crawl.jsonl").write_text("".join(lines), encoding="utf-8")
    # What a site allows is a fact about the site, found once, not in every page.
    names = sorted({item["url"].split("/")[2] for item in crawl()})
    sites = {name: {"license": "CC0-1.0", "name": name.removeprefix("mirror.")} for name in names}
    (folder / "sites.json").write_text(json.dumps(sites, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent)
