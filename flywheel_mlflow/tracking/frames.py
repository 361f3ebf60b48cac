"""Makes frames of pandas, for results that people look at in Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def frame(rows: Iterable[Mapping[str, Any]], columns: Iterable[str] | None = None) -> pd.DataFrame:
    """The rows as a frame; ``columns`` are its columns where there may be no row."""
    import pandas as pd

    found = [dict(row) for row in rows]
    return pd.DataFrame(found, columns=list(columns) if columns is not None and not found else None)
