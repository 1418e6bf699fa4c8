import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.dialects.data_url import data_url, picture_markdown, plain_text, split_data_url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("data:image/png;base64,aGk=", ("image/png", "aGk=")),
        ("data:image/png;name=a.png;base64,aGk=", ("image/png", "aGk=")),
        ("data:;base64,aGk=", ("text/plain", "aGk=")),
        ("data:text/plain,hi", ("text/plain", "aGk=")),
        ("data:,h%69", ("text/plain", "aGk=")),
        ("data:image/png;base64", None),
        ("https://pictures.example/a.png", None),
        (None, None),
    ],
)
def test_a_data_url_is_a_media_type_and_base64(url: str | None, expected: tuple[str, str] | None) -> None:
    assert split_data_url(url) == expected


@given(
    st.sampled_from(["image/png", "application/pdf", "audio/wav"]),
    st.from_regex(r"[A-Za-z0-9+/]{0,40}", fullmatch=True),
)
def test_what_is_written_is_read_back(media_type: str, data: str) -> None:
    assert split_data_url(data_url(media_type, data)) == (media_type, data)


@pytest.mark.parametrize(
    ("media_type", "data", "url", "words"),
    [
        ("text/plain", "aGk=", None, "hi"),
        ("text/csv", "aG\nk=", None, "hi"),
        ("application/json", "e30=", None, "{}"),
        (None, None, "data:text/plain,hi", "hi"),
        ("application/pdf", "aGk=", None, None),
        ("text/plain", "%%", None, None),
        ("text/plain", "//8=", None, None),
        (None, None, "https://x/a.txt", None),
    ],
)
def test_inline_text_is_read_and_nothing_else(
    media_type: str | None, data: str | None, url: str | None, words: str | None
) -> None:
    assert plain_text(media_type, data, url) == words


def test_a_picture_is_written_as_markdown() -> None:
    assert picture_markdown("https://x", None, None) == "![image](https://x)"
    assert picture_markdown(None, None, "aGk=") == "![image](data:image/png;base64,aGk=)"
