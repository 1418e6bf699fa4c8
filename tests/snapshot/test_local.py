from pathlib import Path

import pytest

from tollway.config.problems import ConfigErrors
from tollway.config.vault import Vault
from tollway.interfaces.secrets import Secret
from tollway.snapshot.local import snapshot_from_files

CONFIG = """
gateway: {data_dir: data}
clients: [{name: A, client_id: a, secrets: ["${file:client.key}"]}]
credentials: [{name: k, values: ["${vault:openai}", "${env:KEY}"]}]
llm_proxies: [{name: p, base_path: /p, routes: [{name: r, provider: openai, credential: k}]}]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "tollway.yaml"
    file.write_text(CONFIG)
    return file


def test_secrets_come_from_environment_files_and_vault_beside_the_configuration(file: Path) -> None:
    Vault(file.parent / "data").set("openai", Secret("sk-vault"))
    (file.parent / "client.key").write_text("client secret\n")
    (file.parent / "client.key").chmod(0o644)
    warnings: list[str] = []
    local = snapshot_from_files(file, environ={"KEY": "sk-env"}, warn=warnings.append)
    assert local.files == (file, file.parent / "client.key", file.parent / "data" / "vault.json")
    assert local.snapshot.proxies[0].routes[0].keys == (Secret("sk-vault"), Secret("sk-env"))
    assert local.snapshot.data_dir == str(file.parent / "data")
    assert any("client.key can be read by everyone" in warning for warning in warnings)


def test_every_missing_secret_is_named(file: Path) -> None:
    with pytest.raises(ConfigErrors) as raised:
        snapshot_from_files(file, environ={})
    assert [error.path for error in raised.value.errors] == [
        ("clients", 0, "secrets", 0, "secret"),
        ("credentials", 0, "values", 0),
        ("credentials", 0, "values", 1),
    ]


def test_a_configuration_can_be_checked_where_its_secrets_are_not(file: Path) -> None:
    snapshot = snapshot_from_files(file, environ={}, read_secrets=False).snapshot
    assert len(snapshot.proxies) == 1
    assert not (file.parent / "data").exists()


def test_the_master_key_may_stand_in_the_environment(file: Path) -> None:
    key = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="
    Vault(file.parent / "data", master_keys=[key]).set("openai", Secret("sk-vault"))
    (file.parent / "client.key").write_text("client secret")
    environ = {"KEY": "sk-env", "TOLLWAY_MASTER_KEY": key}
    keys = snapshot_from_files(file, environ=environ).snapshot.proxies[0].routes[0].keys
    assert keys[0] == Secret("sk-vault")
