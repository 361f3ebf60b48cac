"""What the agent knows how to do: one function for each kind of request."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from p07_agent import Agent


class GaveUp(Exception):
    """A request that cannot be answered, with the reason."""


def _stock(agent: Agent, item: str) -> str:
    rows = agent.call(
        "sql",
        "the stock is in the database",
        query=f"SELECT SUM(quantity) FROM stock WHERE item = '{item}'",  # noqa: S608 - letters only, and read only
    )
    return f"We hold {rows[0][0]} {item}."


def _worth(agent: Agent, item: str) -> str:
    rows = agent.call(
        "sql",
        "quantities and prices are in the database",
        query=f"SELECT quantity, price FROM stock WHERE item = '{item}'",  # noqa: S608 - letters only, and read only
    )
    if not rows:
        raise GaveUp(f"there are no {item}")
    terms = " + ".join(f"{quantity} * {price}" for quantity, price in rows)
    total = agent.call("python", "the values are to be added up", expression=terms)
    return f"All our {item} are worth {total:.2f} crowns."


def _discount(agent: Agent, pieces: str, price: str) -> str:
    found = agent.call("search", "the discount is in the handbook", query="bulk discount", collection="handbook")
    share = re.search(r"(\d+) percent", found[0]["text"])
    if share is None:
        raise GaveUp("the handbook states no discount")
    expression = f"{pieces} * {price} * (100 - {share[1]}) / 100"
    total = agent.call("python", "the discount is taken off", expression=expression)
    return f"With {share[1]} percent off they cost {total:.2f} crowns."


def _sum(agent: Agent, expression: str) -> str:
    return f"It is {agent.call('python', 'this is arithmetic', expression=expression)}."


def _meeting(agent: Agent, minutes: str, day: str, start: str, title: str) -> str:
    booked = agent.call(
        "calendar", "a meeting is to be booked", day=day, start=start, minutes=int(minutes), title=title
    )
    return f"The {booked['title']} is booked on {booked['day']} at {booked['start']}."


def _remember(agent: Agent, key: str, value: str) -> str:
    return f"I will remember the {agent.call('memory_write', 'this is to be kept', key=key, value=value)}."


def _recall(agent: Agent, key: str) -> str:
    return f"The {key} is {agent.call('memory_read', 'this was to be remembered', key=key)}."


def _library(agent: Agent, words: str) -> str:
    found = agent.call("search", "the library can be searched", query=words, collection="library")
    return f"It is the record {found[0]['id']}."


def _handbook(agent: Agent, topic: str) -> str:
    return look_up(agent, "handbook", topic)


def look_up(agent: Agent, collection: str, words: str) -> str:
    """The best document a collection has for some words."""
    found = agent.call("search", f"the {collection} can be searched", query=words, collection=collection)
    return f"{found[0]['title']}: {found[0]['text']}"


#: What a request looks like -> what the agent does for it.
SKILLS: tuple[tuple[str, Callable[..., str]], ...] = (
    (r"^How many (?P<item>[a-z]+) do we hold", _stock),
    (r"^What are all our (?P<item>[a-z]+) worth", _worth),
    (r"bulk discount: what do (?P<pieces>\d+) pieces at (?P<price>[\d.]+) crowns cost", _discount),
    (r"^Work out (?P<expression>.+?)\.$", _sum),
    (r"^Book (?P<minutes>\d+) minutes on (?P<day>\S+) at (?P<start>\S+) for the (?P<title>.+?)\.$", _meeting),
    (r"^Remember that the (?P<key>.+?) is (?P<value>.+?)\.$", _remember),
    (r"^What is the (?P<key>.+?)\?$", _recall),
    (r"^Which record of the library holds the words (?P<words>.+?)\?$", _library),
    (r"^What does the handbook say about (?P<topic>.+?)\?$", _handbook),
)
