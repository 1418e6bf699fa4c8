import base64
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from tollway.config import vault as vault_module
from tollway.config.vault import Vault, VaultError, VaultSource
from tollway.interfaces.secrets import Secret

KEY = base64.b64encode(b"k" * 32).decode()
OTHER_KEY = base64.b64encode(b"o" * 32).decode()


def test_a_secret_comes_back_as_it_was_stored(tmp_path: Path) -> None:
    Vault(tmp_path / "data").set("openai", Secret("sk-ä\n"))
    assert Vault(tmp_path / "data").get("openai").reveal() == "sk-ä\n"


def test_only_the_owner_may_read_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    Vault(folder).set("a", Secret("b"))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {
        "vault.json": 0o600,
        "master.key": 0o600,
        "vault.lock": 0o600,
    }


def test_no_file_holds_the_secret(tmp_path: Path) -> None:
    Vault(tmp_path).set("a", Secret("sk-in-plain-text"))
    for file in tmp_path.iterdir():
        assert b"sk-in-plain-text" not in file.read_bytes()


def test_names_are_listed_sorted(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    for name in ("b", "a/c.d", "a"):
        vault.set(name, Secret("x"))
    assert vault.names() == ("a", "a/c.d", "b")


def test_a_secret_can_be_replaced_and_deleted(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    vault.set("a", Secret("1"))
    vault.set("a", Secret("2"))
    assert vault.get("a").reveal() == "2"
    vault.delete("a")
    assert vault.names() == ()
    with pytest.raises(VaultError, match="no secret 'a'"):
        vault.delete("a")


@pytest.mark.parametrize("name", ["", " ", "-a", "a b", "a\n", "ä", "x" * 129])
def test_a_name_must_be_one(name: str, tmp_path: Path) -> None:
    with pytest.raises(VaultError, match="is not a name"):
        Vault(tmp_path).set(name, Secret("x"))


@pytest.mark.parametrize("size", [0, 65_537])
def test_a_secret_has_a_size(size: int, tmp_path: Path) -> None:
    with pytest.raises(VaultError, match="1 to 65536 bytes"):
        Vault(tmp_path).set("a", Secret("x" * size))


def test_a_missing_vault_and_a_missing_secret_say_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(VaultError, match=r"no vault .* run `tollway secret set NAME`"):
        Vault(tmp_path).get("a")
    Vault(tmp_path).set("b", Secret("x"))
    with pytest.raises(VaultError, match="run `tollway secret set a`"):
        Vault(tmp_path).get("a")


def test_with_the_key_in_the_environment_none_is_written(tmp_path: Path) -> None:
    Vault(tmp_path, master_keys=[KEY]).set("a", Secret("x"))
    assert not (tmp_path / "master.key").exists()
    assert Vault(tmp_path, master_keys=[KEY]).get("a").reveal() == "x"


def test_another_key_opens_nothing_and_stores_nothing(tmp_path: Path) -> None:
    Vault(tmp_path, master_keys=[KEY]).set("a", Secret("x"))
    other = Vault(tmp_path, master_keys=[OTHER_KEY])
    with pytest.raises(VaultError, match="another master key than the one in TOLLWAY_MASTER_KEY"):
        other.get("a")
    with pytest.raises(VaultError, match="another master key"):
        other.set("b", Secret("y"))
    assert Vault(tmp_path, master_keys=[KEY]).names() == ("a",)


@pytest.mark.parametrize("text", ["short", "not base64!", base64.b64encode(b"x" * 31).decode(), "ä"])
def test_a_master_key_must_be_one_and_is_never_quoted(text: str, tmp_path: Path) -> None:
    with pytest.raises(VaultError, match="TOLLWAY_MASTER_KEY does not hold a master key") as raised:
        Vault(tmp_path, master_keys=[text]).set("a", Secret("x"))
    assert text not in str(raised.value)


def test_a_lost_key_file_is_named(tmp_path: Path) -> None:
    Vault(tmp_path).set("a", Secret("x"))
    (tmp_path / "master.key").unlink()
    with pytest.raises(VaultError, match=r"master key of the vault .* is missing"):
        Vault(tmp_path).get("a")


def test_a_truncated_vault_is_refused_at_every_length(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    vault.set("a", Secret("x"))
    whole = (tmp_path / "vault.json").read_bytes().rstrip()
    for length in range(len(whole)):
        (tmp_path / "vault.json").write_bytes(whole[:length])
        with pytest.raises(VaultError, match="is damaged"):
            vault.get("a")


def test_an_altered_secret_is_refused(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    vault.set("a", Secret("one"))
    vault.set("b", Secret("two"))
    content = msgspec.json.decode((tmp_path / "vault.json").read_bytes())
    content["secrets"]["a"], content["secrets"]["b"] = content["secrets"]["b"], content["secrets"]["a"]
    (tmp_path / "vault.json").write_bytes(msgspec.json.encode(content))
    with pytest.raises(VaultError, match=r"'a' .* was altered"):
        vault.get("a")


def test_a_vault_of_a_later_format_is_refused(tmp_path: Path) -> None:
    Vault(tmp_path).set("a", Secret("one"))
    content = msgspec.json.decode((tmp_path / "vault.json").read_bytes())
    (tmp_path / "vault.json").write_bytes(msgspec.json.encode({**content, "format": 2}))
    with pytest.raises(VaultError, match="has format 2"):
        Vault(tmp_path).get("a")


def test_rotation_changes_the_key_and_no_secret(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    vault.set("a", Secret("one"))
    vault.set("b", Secret("two"))
    old_key, old_vault = (tmp_path / "master.key").read_bytes(), (tmp_path / "vault.json").read_bytes()
    assert vault.rotate() == 2
    assert (vault.get("a").reveal(), vault.get("b").reveal()) == ("one", "two")
    new_key = (tmp_path / "master.key").read_bytes()
    assert len(new_key.split()) == 1
    assert new_key != old_key
    (tmp_path / "vault.json").write_bytes(old_vault)
    with pytest.raises(VaultError, match="another master key"):
        vault.get("a")


def test_rotation_of_a_key_in_the_environment_wants_the_next_one(tmp_path: Path) -> None:
    vault = Vault(tmp_path, master_keys=[KEY])
    vault.set("a", Secret("one"))
    with pytest.raises(VaultError, match="TOLLWAY_NEXT_MASTER_KEY"):
        vault.rotate()
    assert Vault(tmp_path, master_keys=[KEY, OTHER_KEY]).rotate() == 1
    # Until every gateway has been started anew, those that know both keys go on reading.
    assert Vault(tmp_path, master_keys=[KEY, OTHER_KEY]).get("a").reveal() == "one"
    assert Vault(tmp_path, master_keys=[OTHER_KEY]).get("a").reveal() == "one"
    with pytest.raises(VaultError, match="another master key"):
        vault.get("a")


@pytest.mark.parametrize("writes", [0, 1, 2])
def test_a_rotation_that_stops_anywhere_loses_nothing(
    writes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = Vault(tmp_path)
    vault.set("a", Secret("one"))
    real, done = vault_module.write_private_file, 0

    def stops(path: Path, data: bytes) -> None:
        nonlocal done
        if done == writes:
            raise OSError("the power went")
        done += 1
        real(path, data)

    with monkeypatch.context() as patched:
        patched.setattr(vault_module, "write_private_file", stops)
        with pytest.raises(OSError, match="the power went"):
            vault.rotate()
    assert vault.get("a").reveal() == "one"
    assert vault.rotate() == 1
    assert vault.get("a").reveal() == "one"


WRITER = """
import sys
from pathlib import Path
from tollway.config.vault import Vault
from tollway.interfaces.secrets import Secret
for number in range(15):
    Vault(Path(sys.argv[1])).set(f"{sys.argv[2]}-{number}", Secret(f"{sys.argv[2]} {number}"))
"""


def test_writers_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "data"), name]) for name in ("a", "b", "c")
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    vault = Vault(tmp_path / "data")
    assert len(vault.names()) == 45
    assert vault.get("b-14").reveal() == "b 14"


def test_the_source_resolves_names_and_reads_only_when_asked(tmp_path: Path) -> None:
    source = VaultSource(Vault(tmp_path))
    assert source.scheme == "vault"
    with pytest.raises(LookupError, match="no vault"):
        source.resolve("a")
    Vault(tmp_path).set("a", Secret("x"))
    assert source.resolve("a") == Secret("x")


def test_a_secret_is_made_once_however_many_ask_for_it(tmp_path: Path):
    made: list[str] = []

    def make() -> Secret:
        made.append("made")
        return Secret(f"value {len(made)}")

    vaults = [Vault(tmp_path) for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        found = {secret.reveal() for secret in threads.map(lambda vault: vault.obtain("a/b", make), vaults)}
    assert found == {"value 1"}
    assert made == ["made"]
    assert Vault(tmp_path).get("a/b").reveal() == "value 1"
