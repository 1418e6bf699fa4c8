import pytest

from tollway.dialects.bedrock_converse.media import DOCUMENTS, IMAGES, VIDEOS, document_name, format_of


@pytest.mark.parametrize(
    ("media_type", "formats", "word"),
    [
        ("image/png", IMAGES, "png"),
        ("image/jpg", IMAGES, "jpeg"),
        ("IMAGE/WEBP; q=1", IMAGES, "webp"),
        ("image/tiff", IMAGES, None),
        (None, IMAGES, None),
        ("application/pdf", DOCUMENTS, "pdf"),
        ("text/markdown", DOCUMENTS, "md"),
        ("application/json", DOCUMENTS, "txt"),
        ("video/3gpp", VIDEOS, "three_gp"),
    ],
)
def test_media_types_have_words(media_type: str | None, formats: dict[str, str], word: str | None) -> None:
    assert format_of(media_type, formats) == word


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        ("report.pdf", "report pdf"),
        ("C/d/é  x_[1] (a)-b", "x [1] (a)-b"),
        ("", "document"),
        (None, "document"),
        ("日本", "document"),
        ("a" * 300, "a" * 200),
    ],
)
def test_names_of_documents_have_the_alphabet_that_the_api_demands(filename: str | None, name: str) -> None:
    assert document_name(filename) == name
