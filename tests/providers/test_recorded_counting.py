"""What each provider's file says about its counts is what its recorded answers do."""

from typing import Any

import msgspec
import pytest
from tests.support.recordings import Recording, recordings

from tollway.snapshot.plugins import provider, provider_names
from tollway.wire.sse import SseDecoder

_NAMES = {"azure": "azureopenai", "azure-openai": "azureopenai"}
_VENDORS = set(provider_names()) - {"openai-compatible"}
"""All but the one that may be anybody."""

_RECORDINGS = [
    one
    for endpoint in ("chat", "responses")
    for one in recordings(endpoint=endpoint)
    if one.status == 200 and _NAMES.get(one.provider, one.provider) in _VENDORS
]


def _usage(recording: Recording) -> dict[str, Any]:
    """Find the last usage reported, without the dialects' help."""
    texts = [recording.body.decode()]
    if recording.is_stream:
        decoder = SseDecoder()
        texts = [one.data for one in [*decoder.feed(recording.body), *decoder.close()] if one.data != "[DONE]"]
    found: dict[str, Any] = {}
    for text in texts:
        body = msgspec.json.decode(text)
        found = (body.get("response") or body).get("usage") or (body.get("x_groq") or {}).get("usage") or found
    return found


def _first(usage: dict[str, Any], *places: tuple[str, ...]) -> int:
    for place in places:
        value: Any = usage
        for name in place:
            value = (value or {}).get(name)
        if value:
            return value
    return 0


_COUNTS = [(one, usage) for one in _RECORDINGS if (usage := _usage(one))]


@pytest.mark.parametrize(("recording", "usage"), _COUNTS, ids=[one.id for one, _ in _COUNTS])
def test_a_recorded_usage_is_what_the_providers_file_says(recording: Recording, usage: dict[str, Any]) -> None:
    counting = provider(_NAMES.get(recording.provider, recording.provider)).counting
    given = _first(usage, ("prompt_tokens",), ("input_tokens",))
    made = _first(usage, ("completion_tokens",), ("output_tokens",))
    thought = _first(
        usage,
        ("completion_tokens_details", "reasoning_tokens"),
        ("output_tokens_details", "reasoning_tokens"),
    )
    cached = _first(
        usage,
        ("prompt_tokens_details", "cached_tokens"),
        ("input_tokens_details", "cached_tokens"),
        ("num_cached_tokens",),
    )
    searched = _first(usage, ("server_tool_use_details", "web_search_requests"))
    if thought and recording.endpoint == "chat":
        assert counting.reasoning == ("beside" if usage["total_tokens"] == given + made + thought else "inside")
    if thought:
        assert counting.reasoning != "not reported"
    if cached:
        assert counting.cached == "inside"
        assert cached <= given
    if searched:
        assert counting.web_searches


def test_recordings_of_many_providers_are_looked_at() -> None:
    if not _RECORDINGS:
        pytest.skip("recorded material is absent")
    looked_at = {one.provider for one, _ in _COUNTS}
    assert {"openai", "groq", "mistral", "deepseek", "openrouter", "cerebras", "xai"} <= looked_at
