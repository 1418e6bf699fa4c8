"""`tollway gateway --config FILE`."""

import signal
import socket
from pathlib import Path

import pytest
from tests.support.running import Program

from tollway.cli.main import main


def written(folder: Path, address: str) -> Path:
    file = folder / "tollway.yaml"
    file.write_text(f"gateway: {{data_dir: data}}\nlisteners: [{{name: main, address: '{address}'}}]\n")
    return file


def test_it_says_where_it_serves_and_ends_well(tmp_path: Path) -> None:
    program = Program(tmp_path, ["gateway", "--config", str(written(tmp_path, "127.0.0.1:0"))])
    program.start()
    program.wait_for(r"\Atollway: gateway on http://127\.0\.0\.1:\d+\n\Z")
    program.signal(signal.SIGINT)
    assert program.wait() == 0


def test_a_configuration_that_is_wrong_is_told_and_nothing_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "tollway.yaml"
    file.write_text("gateway: {workers: many}\n")
    assert main(["gateway", "--config", str(file)]) == 1
    out = capsys.readouterr()
    assert (out.out, out.err.startswith(f"{file}:1:")) == ("", True)
    assert list(tmp_path.iterdir()) == [file]


def test_an_address_that_is_taken_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert main(["gateway", "--config", str(written(tmp_path, f"127.0.0.1:{port}"))]) == 1
    out = capsys.readouterr()
    assert (out.out, out.err) == (
        "",
        f"127.0.0.1:{port} is in use by another program; stop it, or choose another port\n",
    )


def test_it_asks_for_its_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["gateway"])
    assert ended.value.code == 2
    assert "--config" in capsys.readouterr().err
