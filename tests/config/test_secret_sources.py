from pathlib import Path

import pytest

from tollway.config.secret_sources import MAX_SECRET_BYTES, EnvironmentSource, FileSource, UnreadSource


def test_a_variable_gives_its_value() -> None:
    assert EnvironmentSource({"A": "x"}).resolve("A").reveal() == "x"


@pytest.mark.parametrize(("environ", "how"), [({}, "not set"), ({"A": ""}, "empty")])
def test_a_variable_without_value_is_no_secret(environ: dict[str, str], how: str) -> None:
    with pytest.raises(LookupError, match=f"A is {how}: set it"):
        EnvironmentSource(environ).resolve("A")


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        pytest.param(b"abc", "abc", id="as it is"),
        pytest.param(b"abc\n", "abc", id="one line break less"),
        pytest.param(b"abc\r\n", "abc", id="of either kind"),
        pytest.param(b"abc\n\n", "abc\n", id="but no more than one"),
        pytest.param(b" a b \n", " a b ", id="spaces stay"),
    ],
)
def test_a_file_gives_its_content(content: bytes, secret: str, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    file.chmod(0o600)
    warnings: list[str] = []
    source = FileSource(tmp_path, warn=warnings.append)
    assert source.resolve("key").reveal() == secret
    assert source.resolve(str(file)).reveal() == secret
    assert warnings == []


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b"\n", "is empty", id="only a line break"),
        pytest.param(b"\xff", "not text", id="binary"),
        pytest.param(b"a" * (MAX_SECRET_BYTES + 1), "larger than", id="too large"),
    ],
)
def test_a_file_that_holds_no_secret_is_refused(content: bytes, why: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(LookupError, match=why):
        FileSource(tmp_path).resolve("key")


@pytest.mark.parametrize("name", ["none", ".", "a\0b"])
def test_a_file_that_cannot_be_read_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="cannot be read"):
        FileSource(tmp_path).resolve(name)


@pytest.mark.parametrize(
    ("mode", "warning"),
    [(0o644, "can be read by everyone"), (0o620, "can be changed by others"), (0o640, None), (0o400, None)],
    ids=str,
)
def test_a_file_that_others_can_read_or_change_is_warned_of(mode: int, warning: str | None, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("a")
    file.chmod(mode)
    warnings: list[str] = []
    FileSource(tmp_path, warn=warnings.append).resolve("key")
    assert len(warnings) == (0 if warning is None else 1)
    assert all(warning is not None and warning in text for text in warnings)


def test_an_unread_source_knows_every_name() -> None:
    source = UnreadSource("env")
    assert source.scheme == "env"
    assert source.resolve("anything").reveal()
