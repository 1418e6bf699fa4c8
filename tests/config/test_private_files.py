import stat
from pathlib import Path

import pytest

from tollway.config.private_files import write_private_file


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    write_private_file(file, b"a")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_what_was_there_is_replaced_and_nothing_is_left_beside(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b"old and longer")
    file.chmod(0o644)
    write_private_file(file, b"new")
    assert file.read_bytes() == b"new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_what_cannot_be_replaced_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "taken"
    folder.mkdir()
    with pytest.raises(OSError, match="directory"):
        write_private_file(folder, b"new")
    assert list(tmp_path.iterdir()) == [folder]
