import io
from pathlib import Path

import pytest

from tollway.cli.main import main
from tollway.config.values import ClientSecretValue
from tollway.config.vault import Vault
from tollway.snapshot.client_secrets import hash_client_secret


@pytest.fixture(autouse=True)
def no_master_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOLLWAY_MASTER_KEY", raising=False)
    monkeypatch.delenv("TOLLWAY_NEXT_MASTER_KEY", raising=False)


@pytest.fixture
def secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def run(*arguments: str, stdin: str = "") -> int:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        return main(["secret", "--data", str(tmp_path / "data"), *arguments])

    return run


def test_a_secret_goes_from_stdin_to_the_vault(secret, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert secret("set", "openai", stdin="sk-secret\n") == 0
    out = capsys.readouterr()
    assert out.out == "stored; write ${vault:openai} where it is needed\n"
    assert "sk-secret" not in out.out + out.err
    assert Vault(tmp_path / "data").get("openai").reveal() == "sk-secret"


def test_at_a_terminal_it_is_asked_for_without_echo(secret, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getpass", lambda prompt: f"typed at {prompt}")
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdin", terminal)
    assert main(["secret", "--data", str(tmp_path), "set", "a"]) == 0
    assert Vault(tmp_path).get("a").reveal() == "typed at Value of a: "


def test_names_are_listed_and_values_never(secret, capsys: pytest.CaptureFixture[str]) -> None:
    secret("set", "b", stdin="sk-b")
    secret("set", "a", stdin="sk-a")
    capsys.readouterr()
    assert secret("list") == 0
    assert capsys.readouterr().out == "a\nb\n"


def test_secrets_are_deleted_and_rotated(secret, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    secret("set", "a", stdin="sk-a")
    secret("set", "b", stdin="sk-b")
    assert secret("delete", "a") == 0
    key = (tmp_path / "data" / "master.key").read_bytes()
    assert secret("rotate") == 0
    assert (tmp_path / "data" / "master.key").read_bytes() != key
    assert capsys.readouterr().out.endswith("deleted a\n1 secret encrypted with a new master key\n")
    assert Vault(tmp_path / "data").get("b").reveal() == "sk-b"


@pytest.mark.parametrize(
    "arguments", [["list"], ["delete", "a"], ["rotate"], ["set", "a"], ["set", "a b"], ["hash"]], ids=repr
)
def test_what_cannot_be_done_says_why(secret, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert secret(*arguments) == 1
    assert capsys.readouterr().err.startswith("tollway secret: ")


def test_a_client_secret_is_hashed_as_configurations_want_it(secret, capsys: pytest.CaptureFixture[str]) -> None:
    assert secret("hash", stdin="s3cret\n") == 0
    written = capsys.readouterr().out.strip()
    value = ClientSecretValue.parse(written)
    assert value.sha256 == hash_client_secret("s3cret", value.salt)


def test_a_secret_is_never_taken_from_the_command_line(secret, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        secret("set", "a", "sk-on-the-command-line")
    assert "unrecognized arguments" in capsys.readouterr().err
