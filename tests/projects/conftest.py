"""What the tests of the sample projects share: an embedded store with the inputs their pipelines read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from servers.embedded import EmbeddedStore, copy_store, make_template


@pytest.fixture(scope="session")
def migrated_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite store as MLflow leaves it after its migrations, which take seconds; copies of it take none."""
    return make_template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def embedded_store(migrated_template: Path, tmp_path: Path) -> Callable[[], EmbeddedStore]:
    """Makes fresh embedded stores, below the test's own folder."""

    def make() -> EmbeddedStore:
        return copy_store(migrated_template, tmp_path / f"store-{sum(1 for _ in tmp_path.glob('store-*'))}")

    return make


@pytest.fixture(scope="module")
def module_store(migrated_template: Path, tmp_path_factory: pytest.TempPathFactory) -> EmbeddedStore:
    """One embedded store for all tests of a module: faked inputs are logged once."""
    return copy_store(migrated_template, tmp_path_factory.mktemp("stores") / "store")
