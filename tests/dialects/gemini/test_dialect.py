import msgspec
import pytest

from tollway.core.conversation import Losses
from tollway.dialects.gemini import DIALECT
from tollway.dialects.registry import conversation_dialect
from tollway.interfaces.dialect import StreamFraming
from tollway.providers.gemini import PROVIDER

_BODY = b'{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}'


def test_the_dialect_is_found_by_its_name() -> None:
    assert conversation_dialect("gemini") is DIALECT


def test_the_path_says_the_model_and_whether_to_stream() -> None:
    plain, cloud = ("/v1beta", "/v1", ""), ("/v1beta1", "/v1", "")
    scoped = "/projects/{scope}/publishers/google/models/{model}"
    assert [(one.path, one.streams, one.versions) for one in DIALECT.endpoints] == [
        ("/models/{model}:generateContent", "never", plain),
        ("/models/{model}:streamGenerateContent", "always", plain),
        ("/publishers/google/models/{model}:generateContent", "never", cloud),
        ("/publishers/google/models/{model}:streamGenerateContent", "always", cloud),
        (f"{scoped}:generateContent", "never", cloud),
        (f"{scoped}:streamGenerateContent", "always", cloud),
    ]
    assert DIALECT.path_has_model
    assert DIALECT.actions == ("generateContent", "streamGenerateContent")
    assert DIALECT.stream_query == "alt=sse"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("alt=sse", "sse"),
        ("key=x&alt=sse", "sse"),
        ("%24alt=sse", "sse"),
        ("$alt=sse;enum-encoding=int", "sse"),
        ("", "json-array"),
        ("alt=json", "json-array"),
        ("salt=sse", "json-array"),
    ],
)
def test_callers_say_how_they_want_a_stream(query: str, expected: StreamFraming) -> None:
    assert DIALECT.stream_framing(query) == expected


def test_a_raw_body_needs_no_model_and_no_word_for_usage() -> None:
    members = msgspec.json.decode(_BODY, type=dict[str, msgspec.Raw])
    before = dict(members)
    DIALECT.rewrite_model(members, "gemini-x")
    assert DIALECT.ask_for_usage(members) is False
    assert members == before


def test_a_watch_starts_with_nothing_seen() -> None:
    assert not DIALECT.stream_watch(hide_usage=False).ended


def test_a_request_for_the_vendor_is_complete() -> None:
    request = DIALECT.parse_request(_BODY, path_model="gemini-2.5-flash", stream=False)
    assert msgspec.json.decode(DIALECT.render_request(request, PROVIDER, Losses())) == msgspec.json.decode(_BODY)
