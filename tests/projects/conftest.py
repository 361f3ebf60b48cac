"""What the tests of the sample projects share: an embedded store with the inputs their pipelines read."""

from __future__ import annotations

from pathlib import Path

import pytest
from servers.embedded import EmbeddedStore, copy_store


@pytest.fixture(scope="module")
def module_store(migrated_template: Path, tmp_path_factory: pytest.TempPathFactory) -> EmbeddedStore:
    """One embedded store for all tests of a module: faked inputs are logged once."""
    return copy_store(migrated_template, tmp_path_factory.mktemp("stores") / "store")
