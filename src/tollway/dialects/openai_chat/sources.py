"""The pages an answer rests on, where servers of this API tell them beside the text, as this API's annotations.

The forms met:
- at the top of the answer (or of its chunks): `search_results`, a list of `{title, url, …}`, and `citations`,
  a list of addresses;
- in the message: `executed_tools`, whose `search_results.results` are `{title, url, …}`.

They name no characters, so each is a citation of the whole text it stands beside. What the provider wrote itself
as `annotations` says more, so nothing is added to those.
"""

from tollway.core.json_value import Json, JsonObject
from tollway.dialects.caller_fields import as_list, as_object, as_text


def answer_sources(answer: JsonObject) -> tuple[Json, ...]:
    """Read the sources at the top of an answer or a chunk."""
    found = _pages(as_list(answer.get("search_results")))
    found += [_page(url, "") for one in as_list(answer.get("citations")) if (url := as_text(one))]
    return _once(found)


def message_sources(message: JsonObject) -> tuple[Json, ...]:
    """Read the sources that the provider's own tools found for a message."""
    found: list[JsonObject] = []
    for tool in as_list(message.get("executed_tools")):
        found += _pages(as_list(as_object(as_object(tool).get("search_results")).get("results")))
    return _once(found)


def merged_sources(known: tuple[Json, ...], more: tuple[Json, ...]) -> tuple[Json, ...]:
    """Add those of `more` whose pages are not known yet."""
    return known if not more else _once([*map(as_object, known), *map(as_object, more)])


def _pages(results: list[Json]) -> list[JsonObject]:
    return [
        _page(url, as_text(one.get("title"))) for one in map(as_object, results) if (url := as_text(one.get("url")))
    ]


def _page(url: str, title: str) -> JsonObject:
    return {"type": "url_citation", "url_citation": {"url": url, "title": title}}


def _once(pages: list[JsonObject]) -> tuple[Json, ...]:
    """Keep the first of each page: it is the one with a title."""
    by_url: dict[str, Json] = {}
    for page in pages:
        by_url.setdefault(as_text(as_object(page["url_citation"]).get("url")), page)
    return tuple(by_url.values())
