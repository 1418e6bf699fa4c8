from tollway.dialects.openai_chat.sources import answer_sources, merged_sources, message_sources


def _page(url: str, title: str = "") -> dict[str, object]:
    return {"type": "url_citation", "url_citation": {"url": url, "title": title}}


def test_results_with_titles_go_before_bare_addresses_of_the_same_pages() -> None:
    answer = {
        "citations": ["https://a", "https://b"],
        "search_results": [{"title": "A", "url": "https://a", "date": "2026-01-01"}],
    }
    assert answer_sources(answer) == (_page("https://a", "A"), _page("https://b"))


def test_what_the_providers_tools_found_is_read_from_the_message() -> None:
    found = {"results": [{"title": "A", "url": "https://a", "content": "…", "score": 0.9}, {"title": "no address"}]}
    tools = [{"type": "search", "index": 0, "search_results": found}, {"type": "python"}]
    assert message_sources({"executed_tools": tools}) == (_page("https://a", "A"),)


def test_a_page_is_named_once() -> None:
    known = (_page("https://a", "A"),)
    assert merged_sources(known, ()) is known
    assert merged_sources(known, (_page("https://a"), _page("https://b"))) == (*known, _page("https://b"))


def test_odd_values_are_no_pages() -> None:
    assert answer_sources({"citations": [7, None, ""], "search_results": "x"}) == ()
    assert message_sources({"executed_tools": [None, {"search_results": []}]}) == ()
