"""Results that people look at in Python: they print as sentences and can be had as frames."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


class Printable(ABC):
    """A result that prints as lines and can be had as a frame."""

    __slots__ = ()

    @abstractmethod
    def lines(self) -> Iterable[str]:
        """What a person reads, a line each."""

    @abstractmethod
    def as_rows(self) -> list[dict[str, Any]]:
        """The same as rows of plain values."""

    def to_frame(self) -> pd.DataFrame:
        """The rows as a frame of pandas."""
        from flywheel_mlflow.tracking.frames import frame

        return frame(self.as_rows())

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        # What notebooks show in place of the constructor's call.
        del cycle
        printer.text(str(self))


def plain_row(item: Any, *names: str) -> dict[str, Any]:
    """Some attributes of a value as a row: enumerations as their words, lists as one text."""
    return {name: plain_cell(getattr(item, name)) for name in names}


def plain_cell(value: Any) -> Any:
    """A value as it stands in one cell."""
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(str(plain_cell(item)) for item in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={plain_cell(item)}" for key, item in value.items())
    return value
