import shutil
from pathlib import Path

import pytest
import trustme

from tollway.cli.main import main

EXAMPLES = Path(__file__).parents[3] / "examples"


def test_a_sound_file_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "t.yaml"
    file.write_text("llm_proxies: [{name: p, base_path: /p, routes: [{name: r, provider: ollama}]}]\n")
    assert main(["check", str(file)]) == 0
    out = capsys.readouterr()
    assert out.out == f"{file}: ok, 1 LLM proxy, 1 route, 0 client applications, 1 listener\n"
    assert out.err == ""


def test_every_error_goes_to_stderr_and_other_files_are_still_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, good = tmp_path / "bad.yaml", tmp_path / "good.yaml"
    bad.write_text("gatway: {}\nllm_proxies: 5\n")
    good.write_text("gateway: {name: x}\n")
    assert main(["check", str(bad), str(good)]) == 1
    out = capsys.readouterr()
    assert out.err == (
        f"{bad}:1:1: gatway: unknown key; did you mean 'gateway'?\n{bad}:2:14: llm_proxies: 5 is not a list\n"
    )
    assert out.out.startswith(f"{good}: ok")


def test_a_missing_file_is_an_error_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path / "none.yaml")]) == 1
    assert "cannot be read" in capsys.readouterr().err


def test_doubts_are_warnings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "t.yaml"
    file.write_text("listeners: [{name: a, address: 0.0.0.0:8081}]\n")
    assert main(["check", str(file)]) == 0
    assert capsys.readouterr().err.startswith(f"{file}: warning: listener 'a' serves plain HTTP")


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples, with the TLS files that whoever uses them brings along."""
    folder = tmp_path_factory.mktemp("examples")
    shutil.copytree(EXAMPLES, folder, dirs_exist_ok=True)
    (folder / "tls").mkdir()
    authority = trustme.CA()
    certificate = authority.issue_cert("gateway.example")
    certificate.private_key_pem.write_to_path(str(folder / "tls" / "gateway.key"))
    certificate.cert_chain_pems[0].write_to_path(str(folder / "tls" / "gateway.pem"))
    for name in ("clients-ca.pem", "internal-ca.pem"):
        authority.cert_pem.write_to_path(str(folder / "tls" / name))
    return folder


@pytest.mark.parametrize("name", sorted(file.name for file in EXAMPLES.glob("*.yaml")))
def test_every_example_is_sound(name: str, examples: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--without-secrets", str(examples / name)]) == 0, capsys.readouterr().err
    assert capsys.readouterr().out.startswith(f"{examples / name}: ok, ")


def test_without_the_flag_an_examples_secrets_must_be_there(
    examples: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert main(["check", str(examples / "quickstart.yaml")]) == 1
    assert "the environment variable OPENAI_API_KEY is not set" in capsys.readouterr().err
