"""The public surface is the list in the package's root, no more and no less."""

from __future__ import annotations

import importlib.metadata

import flywheel_mlflow


def test_every_export_exists() -> None:
    """Each name in __all__ can be had from the package, lazily loaded ones included."""
    missing = [name for name in flywheel_mlflow.__all__ if getattr(flywheel_mlflow, name, None) is None]
    assert missing == []


def test_every_public_name_is_exported() -> None:
    """Each class and function of ours that the root offers without an underscore is in __all__."""
    offered = {
        name
        for name, value in vars(flywheel_mlflow).items()
        if not name.startswith("_") and str(getattr(value, "__module__", "")).startswith("flywheel_mlflow")
    }
    assert offered - set(flywheel_mlflow.__all__) == set()


def test_exports_are_in_order() -> None:
    """__all__ is sorted and names nothing twice, so that two branches rarely touch the same line."""
    assert list(flywheel_mlflow.__all__) == sorted(set(flywheel_mlflow.__all__))


def test_version_is_the_installed_one() -> None:
    """The version in the package is the one its metadata declares."""
    assert importlib.metadata.version("flywheel-mlflow") == flywheel_mlflow.__version__
