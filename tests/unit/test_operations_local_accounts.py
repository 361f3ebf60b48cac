"""Tests of what a server with accounts is given on one's own machine."""

from __future__ import annotations

import configparser
import stat
from pathlib import Path
from typing import Any

import pytest
from flywheels import write_flywheel
from releases_bench import releases_blueprint, releases_contracts

from flywheel_mlflow.base.errors import InputError, StorageError
from flywheel_mlflow.base.settings import Settings, read_settings
from flywheel_mlflow.base.signing import new_key, read_key
from flywheel_mlflow.evidence.flywheel import Flywheel, load_flywheel
from flywheel_mlflow.operations.local_accounts import local_accounts


def flywheel_naming(root: Path, *keys: str) -> Flywheel:
    rules: dict[str, Any] = {"releases": {"may_move": ["release_manager"], "server_keys": list(keys)}}
    return load_flywheel(write_flywheel(root, blueprint=releases_blueprint(**rules), contracts=releases_contracts()))


@pytest.fixture
def keyed(tmp_path: Path) -> tuple[Flywheel, Settings]:
    """A flywheel that names the key beside its store."""
    root = tmp_path / "100%"
    key = new_key(root / "mlflow-data" / "server.key")
    return flywheel_naming(root, key.public_key), read_settings(root, {})


def test_a_key_nobody_named_is_refused_with_the_lines_to_add(tmp_path: Path) -> None:
    """The first start makes a key that only its owner reads, and does not write into flywheel.yaml who is believed."""
    flywheel, settings = flywheel_naming(tmp_path), read_settings(tmp_path, {})
    before = (tmp_path / "flywheel.yaml").read_bytes()
    with pytest.raises(InputError) as first:
        local_accounts(flywheel, settings, {})
    path = tmp_path / "mlflow-data" / "server.key"
    assert f"server_keys: ['{read_key(path).public_key}']" in str(first.value.hint)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(InputError) as second:
        local_accounts(flywheel, settings, {})
    assert second.value.hint == first.value.hint
    assert (tmp_path / "flywheel.yaml").read_bytes() == before


def test_accounts_lie_beside_the_store(keyed: tuple[Flywheel, Settings]) -> None:
    """MLflow reads the place of the accounts, a percent sign in it included; settings that somebody changed stay."""
    flywheel, settings = keyed
    environment = local_accounts(flywheel, settings, {}).environment
    path = Path(environment["MLFLOW_AUTH_CONFIG_PATH"])
    parser = configparser.ConfigParser()  # as MLflow reads it
    parser.read(path)
    assert parser["mlflow"]["database_uri"] == f"sqlite:///{settings.store_folder / 'accounts.db'}"
    path.write_text(path.read_text().replace("READ", "NO_PERMISSIONS"))
    local_accounts(flywheel, settings, {})
    assert "NO_PERMISSIONS" in path.read_text()


def test_a_password_is_made_for_the_first_start_alone(keyed: tuple[Flywheel, Settings]) -> None:
    """It is another one each time, long enough for MLflow; none where accounts exist or somebody chose one."""
    flywheel, settings = keyed
    first, second = (local_accounts(flywheel, settings, {}) for _ in range(2))
    assert first.password != second.password
    assert len(first.password) >= 12
    assert first.environment["MLFLOW_AUTH_ADMIN_PASSWORD"] == first.password
    # What protects forms must outlive a restart.
    assert first.environment["MLFLOW_FLASK_SERVER_SECRET_KEY"] == second.environment["MLFLOW_FLASK_SERVER_SECRET_KEY"]
    chosen = local_accounts(flywheel, settings, {"MLFLOW_AUTH_ADMIN_PASSWORD": "a password of hers"})
    (settings.store_folder / "accounts.db").touch()
    later = local_accounts(flywheel, settings, {})
    for accounts in (chosen, later):
        assert (accounts.password, "MLFLOW_AUTH_ADMIN_PASSWORD" in accounts.environment) == ("", False)


def test_what_the_environment_names_is_used(keyed: tuple[Flywheel, Settings], tmp_path: Path) -> None:
    """Accounts kept elsewhere are MLflow's matter; a key kept elsewhere must be there, and be named as well."""
    flywheel, settings = keyed
    elsewhere = {"MLFLOW_AUTH_CONFIG_PATH": str(tmp_path / "team.ini"), "MLFLOW_FLASK_SERVER_SECRET_KEY": "theirs"}
    accounts = local_accounts(flywheel, settings, elsewhere)
    assert not elsewhere.keys() & accounts.environment.keys()
    assert accounts.password == ""
    with pytest.raises(InputError, match="no such key file"):
        local_accounts(flywheel, settings, {"FLYWHEEL_SERVER_KEY": str(tmp_path / "none.key")})
    other = new_key(tmp_path / "other.key")
    with pytest.raises(InputError) as caught:
        local_accounts(flywheel, settings, {"FLYWHEEL_SERVER_KEY": str(tmp_path / "other.key")})
    assert other.public_key in str(caught.value.hint)


def test_a_store_nobody_can_write_is_told(keyed: tuple[Flywheel, Settings]) -> None:
    """A folder in the place of the settings is an error with the folder's name."""
    flywheel, settings = keyed
    (settings.store_folder / ".accounts.ini.partial").mkdir()
    with pytest.raises(StorageError, match="cannot write"):
        local_accounts(flywheel, settings, {})
