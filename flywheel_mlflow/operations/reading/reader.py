"""Who reads a page, what they asked for, and what the server still remembers for them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.operations.deciding import Session
from flywheel_mlflow.tables.addresses import Addresses

Found = TypeVar("Found")

#: Things kept in memory, each some hundred kilobytes at most, the files of iterations, folded ledgers; and one ledger,
#: some four kilobytes an event.
MOST_REMEMBERED = 64
#: Iterations and versions people ask for.
LARGEST = 999_999


class Memory:
    """Keeps what cannot change, under a key that names its content: a run with a digest, a ledger of a length.

    What is seen last of the ledger, which does change, is kept beside it, to be compared with what is there now.

    Safe to use from several threads; the least recently used is forgotten first.
    """

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._most = most
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = threading.Lock()

    def recall(
        self, key: Hashable, make: Callable[[], Found], *, keep: Callable[[Found], bool] = lambda _: True
    ) -> Found:
        """What ``make`` found for this key before, or finds now; two threads may both make it, one is kept.

        What ``keep`` refuses is handed out and forgotten.
        """
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                found: Found = self._kept[key]
                return found
        made = make()
        if not keep(made):
            return made
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return made


@dataclass(frozen=True, slots=True)
class PageQuery:
    """What a reader typed into the address: parts of the path and the query, hostile until read here."""

    values: Mapping[str, str] = field(default_factory=dict)

    def word(self, name: str, longest: int = 250) -> str | None:
        """A text; None when it was not asked for, or empty.

        Raises:
            InputError: it is longer than anything of ours.
        """
        value = self.values.get(name) or None
        if value is not None and len(value) > longest:
            raise InputError(f"{name} is longer than {longest} characters", hint="follow a link of the console")
        return value

    def whole(self, name: str, *, least: int = 1) -> int | None:
        """A number from ``least`` on, which is 0 or 1; None when it was not asked for.

        Raises:
            InputError: it is no such number.
        """
        value = self.word(name)
        if value is None:
            return None
        if not (value.isascii() and value.isdecimal() and len(value) <= len(str(LARGEST)) and int(value) >= least):
            raise InputError(
                f"{name} is {value[:40]!r}, which is no number from {least} to {LARGEST}", hint=f"ask for {name}=1"
            )
        return int(value)


@dataclass(frozen=True, slots=True)
class Reader:
    """Everything a page is made from.

    ``session`` holds the flywheel, the server's stores and the clock, with the reader as its actor; ``acts_off`` says
    why nothing can be decided on this server, and is empty when it can; ``memory`` belongs to the process;
    ``server`` is the server's address as the reader reached it, for what they copy, empty where it is not known.
    """

    session: Session
    addresses: Addresses
    acts_off: str
    memory: Memory
    server: str = ""
