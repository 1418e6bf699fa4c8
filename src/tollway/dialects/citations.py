"""Citations of web pages, in whatever form their dialect wrote them.

The forms met: `{type: url_citation, url_citation: {url, title, start_index, end_index}}` (Chat), the
same members flat (Responses), `{type: web_search_result_location, url, title, cited_text}` (Messages,
which marks a whole text part), `{uri, title, startIndex, endIndex}` (Gemini),
`{title, location: {web: {url}}}` (Converse), and `{start, end, sources}`, of which the first source that is
a document with a `url` counts (Cohere).
"""

import msgspec

from tollway.core.json_value import Json, JsonObject
from tollway.dialects.caller_fields import as_list, as_object, as_text


class UrlCitation(msgspec.Struct, frozen=True):
    """A page, and which characters of the text rest on it."""

    url: str
    title: str
    start_index: int
    end_index: int


def _located(outer: JsonObject) -> JsonObject:
    """Find the page of a citation whose `location` names it; the title stands beside."""
    web = as_object(as_object(outer.get("location")).get("web"))
    return {"title": outer.get("title")} | web if web else {}


def url_citation(annotation: Json, start: int, end: int) -> UrlCitation | None:
    """Read an annotation of a text that spans `start` to `end`; None where it names no page."""
    outer = as_object(annotation)
    inner = as_object(outer.get("url_citation")) or as_object(outer.get("web")) or _located(outer)
    inner = inner or _cited(outer) or outer
    url = as_text(inner.get("url")) or as_text(inner.get("uri"))
    if not url:
        return None
    first = inner.get("start_index", inner.get("startIndex"))
    last = inner.get("end_index", inner.get("endIndex"))
    return UrlCitation(
        url,
        as_text(inner.get("title")),
        start + first if isinstance(first, int) else start,
        start + last if isinstance(last, int) else end,
    )


def _cited(outer: JsonObject) -> JsonObject:
    """Find the page among the sources of a citation, with the place of what is cited."""
    for source in as_list(outer.get("sources")):
        document = as_object(as_object(source).get("document"))
        if as_text(document.get("url")):
            return {**document, "start_index": outer.get("start"), "end_index": outer.get("end")}
    return {}
