"""Turns texts into vectors of their meaning, by a model in a local folder: nothing is fetched, no code of it runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ConfigDict

from flywheel_mlflow.base.documents import parse_json
from flywheel_mlflow.base.errors import DocumentError, InputError, StorageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Matrix = npt.NDArray[np.float32]

#: Files that run code when they are read, or are code.
_RUNS_CODE = frozenset({".bin", ".ckpt", ".dill", ".h5", ".joblib", ".npy", ".pickle", ".pkl", ".pt", ".pth", ".py"})
#: Digits of a vector that count: beyond them processors differ, and no theme may depend on that.
_DIGITS = 5
_MODULES = "modules.json"


@dataclass(frozen=True, slots=True)
class UsedEmbedder:
    """The model by which themes were found: its folder's name, the sha256 over its files, and its distance."""

    name: str
    digest: str
    distance: float

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


class Embedder:
    """A model that is loaded; each text is encoded once."""

    def __init__(self, used: UsedEmbedder, encode: Callable[[list[str]], Any]) -> None:
        self.used = used
        self._encode = encode
        self._known: dict[str, Matrix] = {}

    def vectors(self, texts: Sequence[str]) -> Matrix:
        """A row of length one for each text; zeros for a text of which the model knows no part."""
        import numpy as np

        missing = sorted({text for text in texts if text not in self._known})
        if missing:
            found = np.asarray(self._encode(missing), dtype=np.float32)
            if found.shape[:1] != (len(missing),) or found.ndim != 2 or not np.isfinite(found).all():
                raise InputError(f"the model {self.used.name} gives no vectors", hint="name another one")
            lengths = np.linalg.norm(found, axis=1, keepdims=True)
            whole = np.divide(found, lengths, out=np.zeros_like(found), where=lengths > 0)
            self._known |= dict(zip(missing, np.round(whole, _DIGITS), strict=True))
        return np.vstack([self._known[text] for text in texts])


def load_embedder(folder: Path, *, distance: float, digest: str | None = None) -> Embedder:
    """The model in a folder: of model2vec, or of sentence-transformers.

    Args:
        folder: its files, as those libraries save them.
        distance: the cosine distance up to which texts are alike by it.
        digest: the sha256 that its files must have together, if it is known.

    Raises:
        InputError: no such folder, another model, files that would run code, a library that is not installed, or no
            model that it can load. StorageError: the folder cannot be read.
    """
    from flywheel_mlflow.records.sources import content_digest

    place = str(folder)
    if not folder.is_dir():
        raise InputError("there is no model", where=place, hint="`themes.embedder.path` in flywheel.yaml names it")
    if strange := sorted(path.name for path in folder.rglob("*") if path.suffix.lower() in _RUNS_CODE):
        raise InputError(
            f"{strange[0]} could run code when it is read",
            where=place,
            hint="save the model with safetensors (`model.save_pretrained(folder)`), and remove such files",
        )
    found = content_digest(folder)
    if digest is not None and found != digest:
        raise InputError(
            f"this is another model: its digest is {found}",
            where=place,
            hint="restore the model, or correct `themes.embedder.digest` in flywheel.yaml",
        )
    encode = _sentence_transformer(folder) if _is_transformer(folder) else _static_model(folder)
    return Embedder(UsedEmbedder(folder.resolve().name, found, distance), encode)


def _is_transformer(folder: Path) -> bool:
    """Whether sentence-transformers must load the model; what only looks vectors up, model2vec can."""
    path = folder / _MODULES
    if not path.is_file():
        return False
    try:
        modules = parse_json(path.read_text(encoding="utf-8"), name=_MODULES)
    except OSError as error:
        raise StorageError(f"cannot read the file: {error.strerror or error}", where=str(path)) from error
    except (DocumentError, UnicodeDecodeError) as error:
        raise InputError("this is no list of modules", where=str(path)) from error
    return "StaticEmbedding" not in json.dumps(modules)


def _static_model(folder: Path) -> Callable[[list[str]], Any]:
    model = _loaded(folder, "model2vec", lambda library: library.StaticModel.from_pretrained(folder))
    # More processes would be begun for ten thousand texts; they are no faster for ours.
    return lambda texts: model.encode(texts, use_multiprocessing=False)


def _sentence_transformer(folder: Path) -> Callable[[list[str]], Any]:
    def load(library: Any) -> Any:
        return library.SentenceTransformer(str(folder), device="cpu", local_files_only=True, trust_remote_code=False)

    model = _loaded(folder, "sentence_transformers", load)
    return lambda texts: model.encode(texts, show_progress_bar=False)


def _loaded(folder: Path, library: str, load: Callable[[Any], Any]) -> Any:
    install = {
        "model2vec": "pip install flywheel-mlflow[embedder]",
        "sentence_transformers": "pip install sentence-transformers",
    }[library]
    try:
        found = import_module(library)
    except ImportError as error:
        raise InputError(
            f"the model needs {library}, which is not installed", where=str(folder), hint=install
        ) from error
    try:
        return load(found)
    except Exception as error:
        # The libraries have no errors of their own: whatever they meet in files of somebody else comes out as it is.
        raise InputError(
            f"{library} cannot load this model: {str(error)[:200] or type(error).__name__}",
            where=str(folder),
            hint="name a folder that the library saved",
        ) from error
