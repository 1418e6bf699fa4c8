import pytest

from tollway.dialects.citations import UrlCitation, url_citation


@pytest.mark.parametrize(
    "annotation",
    [
        {"type": "url_citation", "url_citation": {"url": "u", "title": "t", "start_index": 2, "end_index": 5}},
        {"type": "url_citation", "url": "u", "title": "t", "start_index": 2, "end_index": 5},
        {"uri": "u", "title": "t", "startIndex": 2, "endIndex": 5},
        {"web": {"uri": "u", "title": "t", "startIndex": 2, "endIndex": 5}},
        {"start": 2, "end": 5, "sources": [{"type": "tool"}, {"document": {"url": "u", "title": "t"}}]},
    ],
    ids=["chat", "responses", "gemini", "gemini-web", "cohere"],
)
def test_every_form_of_a_citation_is_read(annotation: object) -> None:
    assert url_citation(annotation, 100, 120) == UrlCitation("u", "t", 102, 105)


def test_a_citation_without_places_rests_on_the_whole_text() -> None:
    annotation = {"type": "web_search_result_location", "url": "u", "title": "t", "cited_text": "c"}
    assert url_citation(annotation, 100, 120) == UrlCitation("u", "t", 100, 120)


@pytest.mark.parametrize(
    "annotation", [None, "x", {}, {"type": "char_location", "document_index": 0}, {"sources": [{}]}]
)
def test_what_names_no_page_is_no_citation_of_one(annotation: object) -> None:
    assert url_citation(annotation, 0, 1) is None
