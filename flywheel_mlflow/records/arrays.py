"""Makes and reads Arrow arrays by their buffers: pyarrow's own conversions import pandas, which takes 0.4 s."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Mask = npt.NDArray[np.bool_]
Kind = TypeVar("Kind", bound=np.generic)

#: Arrow's floats by NumPy's names; whole numbers have the same in both.
_FLOATS = {"halffloat": "float16", "float": "float32", "double": "float64"}


def valid(array: Any) -> Mask:
    """Where there is a value."""
    if array.null_count == 0:
        return np.ones(len(array), dtype=bool)
    return _bits(array.is_valid())


def as_numpy(array: Any, missing: Any = 0) -> npt.NDArray[Any]:
    """An array of numbers or booleans for NumPy, with ``missing`` where there is none."""
    if pa.types.is_boolean(array.type):
        values: npt.NDArray[Any] = _bits(array)
    elif pa.types.is_null(array.type):
        return np.full(len(array), missing)
    else:
        data = array.buffers()[1]
        name = str(array.type)
        kind = np.dtype(_FLOATS.get(name, name))
        whole = np.frombuffer(data, kind) if data is not None else np.zeros(0, kind)
        values = whole[array.offset : array.offset + len(array)]
    return np.where(valid(array), values, missing) if array.null_count else values


def _bits(array: Any) -> Mask:
    bits = np.unpackbits(np.frombuffer(array.buffers()[1] or b"", np.uint8), bitorder="little")
    return bits[array.offset : array.offset + len(array)].view(bool)


def distinct(values: npt.NDArray[Kind]) -> npt.NDArray[Kind]:
    """The different values, sorted. NumPy 2.4 hashes them in `unique`, which takes ten to a hundred times as long."""
    ordered = np.sort(values)
    new = np.ones(len(ordered), dtype=bool)
    new[1:] = ordered[1:] != ordered[:-1]
    return np.asarray(ordered[new])


def from_numpy(values: npt.NDArray[Any], there: Mask | None = None) -> Any:
    """Numbers or booleans of NumPy as an array, null where ``there`` is False."""
    data = np.packbits(values, bitorder="little") if values.dtype == bool else np.ascontiguousarray(values)
    kind = pa.bool_() if values.dtype == bool else pa.from_numpy_dtype(values.dtype)
    return pa.Array.from_buffers(kind, len(values), [_validity(there), pa.py_buffer(data)])


def _validity(there: Mask | None) -> Any:
    return None if there is None or there.all() else pa.py_buffer(np.packbits(there, bitorder="little"))


def texts_array(texts: Sequence[str | None]) -> Any:
    """Texts as an array.

    Raises:
        UnicodeEncodeError: a text holds half a surrogate pair.
    """
    encoded = [b"" if text is None else text.encode("utf-8") for text in texts]
    starts = np.fromiter(accumulate(map(len, encoded), initial=0), np.int32, len(encoded) + 1)
    there = np.array([text is not None for text in texts], dtype=bool)
    buffers = [_validity(there), pa.py_buffer(starts), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(encoded), buffers)


@lru_cache(maxsize=4096)
def text_scalar(text: str) -> Any:
    """A text as what Arrow's functions take beside arrays."""
    return texts_array([text])[0]


def join(*parts: Any, skip_nulls: bool = False) -> Any:
    """Texts, of Python and in arrays, put together row by row: null where one of them is, unless nulls are skipped."""
    columns = [text_scalar(part) if isinstance(part, str) else part for part in parts]
    handling = "skip" if skip_nulls else "emit_null"
    return pc.binary_join_element_wise(*columns, text_scalar(""), null_handling=handling)


def only_where(mask: Mask, array: Any) -> Any:
    """The array with null where the mask is False."""
    return array if mask.all() else pc.if_else(from_numpy(mask), array, pa.nulls(1, array.type)[0])


def lists_of(starts: npt.NDArray[np.int64], elements: Any) -> Any:
    """Lists that hold the elements from each start to the next."""
    return pa.ListArray.from_arrays(from_numpy(starts.astype(np.int32)), elements)
