import argparse
import subprocess
import sys

import pytest

from tollway import __version__
from tollway.cli.main import command_names, main, make_parser


def test_every_file_of_commands_is_a_command() -> None:
    assert {"check", "schema", "secret"} <= set(command_names())
    text = make_parser().format_help()
    for name in command_names():
        assert f"\n    {name} " in text


def test_only_the_command_asked_for_is_imported() -> None:
    code = (
        "import sys; from tollway.cli.main import make_parser; make_parser('check');"
        "print(sorted(m for m in sys.modules if m.startswith('tollway.cli.commands.')), 'yaml' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['tollway.cli.commands.check'] False"


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["--version"])
    assert raised.value.code == 0
    assert capsys.readouterr().out == f"tollway {__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["check"], ["check", "--nonsense", "x"]], ids=repr)
def test_what_is_wrongly_asked_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert raised.value.code == 2
    assert "usage: tollway" in capsys.readouterr().err


def test_an_interrupt_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(arguments: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("tollway.cli.commands.schema.run", interrupted)
    assert main(["schema"]) == 130


def test_a_reader_who_leaves_is_no_error_message() -> None:
    command = f"{sys.executable} -m tollway.cli.main schema | head -c 10"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (len(done.stdout), done.stderr) == (10, "")
