import copy
import logging
import pickle
import traceback

import msgspec
import pytest

from tollway.interfaces.secrets import Secret

VALUE = "sk-never-shown-4711"


@pytest.mark.parametrize(
    "shown",
    [
        repr,
        str,
        ascii,
        "{}".format,
        "{!r:>30}".format,
        lambda secret: f"{[secret]} { ({'key': secret}) }",
        lambda secret: "%s %r" % (secret, secret),  # noqa: UP031 - the way logging writes
    ],
    ids=["repr", "str", "ascii", "format", "padded", "inside containers", "percent"],
)
def test_no_way_of_writing_a_secret_shows_it(shown) -> None:
    text = shown(Secret(VALUE))
    assert VALUE not in text
    assert "Secret(********)" in text


def test_neither_a_log_nor_a_traceback_shows_it(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret(VALUE)
    logging.getLogger("test").error("with %s", secret)
    assert VALUE not in caplog.text + "".join(traceback.format_exception(LookupError(secret)))


@pytest.mark.parametrize("encode", [msgspec.json.encode, msgspec.msgpack.encode, msgspec.to_builtins])
def test_no_encoder_writes_it_unasked(encode) -> None:
    with pytest.raises(TypeError):
        encode({"key": Secret(VALUE)})


def test_it_is_revealed_to_who_asks_for_it() -> None:
    assert Secret(VALUE).reveal() == VALUE


def test_equal_secrets_are_equal_and_nothing_else_is() -> None:
    assert Secret("a") == Secret("a")
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"


def test_a_copy_is_a_secret_again() -> None:
    for again in (copy.copy(Secret(VALUE)), copy.deepcopy(Secret(VALUE)), pickle.loads(pickle.dumps(Secret(VALUE)))):
        assert again.reveal() == VALUE
        assert VALUE not in repr(again)


def test_it_has_no_place_for_anything_else() -> None:
    with pytest.raises(AttributeError):
        Secret(VALUE).value = VALUE  # type: ignore[attr-defined]
