"""What survives a way through both OpenAI APIs and back."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.conversation import Conversation, Losses
from tollway.dialects.registry import conversation_dialect
from tollway.interfaces.provider import Provider
from tollway.signing.bearer import Bearer

_PROVIDER = Provider(name="p", title="P", docs="", base_url=None, conversation={}, signer=Bearer())
_CHAT, _RESPONSES = conversation_dialect("openai-chat"), conversation_dialect("openai-responses")

_WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
_SCHEMA = st.sampled_from(
    [{"type": "object", "properties": {}}, {"type": "object", "properties": {"a": {"type": "number"}}}]
)
_TEXT = st.builds(lambda text: {"type": "text", "text": text}, _WORDS)
_IMAGE = st.sampled_from(["https://example.com/a.png", "data:image/png;base64,QQ=="]).map(
    lambda url: {"type": "image_url", "image_url": {"url": url, "detail": "low"}}
)
_USER = st.fixed_dictionaries(
    {"role": st.just("user"), "content": _WORDS | st.lists(_TEXT | _IMAGE, min_size=2, max_size=3)}
)
_SAID = st.fixed_dictionaries({"role": st.just("assistant"), "content": _WORDS})


@st.composite
def _called(draw: st.DrawFn) -> list[dict[str, Any]]:
    names = draw(st.lists(st.sampled_from(["f", "g"]), min_size=1, max_size=3))
    identities = [f"call_{draw(st.integers(0, 99))}_{index}" for index in range(len(names))]
    calls = [
        {"id": identity, "type": "function", "function": {"name": name, "arguments": '{"a": 1}'}}
        for identity, name in zip(identities, names, strict=True)
    ]
    results = [{"role": "tool", "tool_call_id": identity, "content": draw(_WORDS)} for identity in identities]
    return [{"role": "assistant", "content": draw(st.none() | _WORDS), "tool_calls": calls}, *results]


_TOOLS = st.lists(
    st.builds(
        lambda name, schema, strict: {
            "type": "function",
            "function": {"name": name, "description": "d", "parameters": schema, "strict": strict},
        },
        st.sampled_from(["f", "g"]),
        _SCHEMA,
        st.booleans(),
    ),
    min_size=1,
    max_size=2,
)


@st.composite
def _chats(draw: st.DrawFn) -> dict[str, Any]:
    messages: list[dict[str, Any]] = []
    if draw(st.booleans()):
        messages.append({"role": "system", "content": draw(_WORDS)})
    for _ in range(draw(st.integers(1, 3))):
        messages.append(draw(_USER))
        turn = draw(st.none() | _called() | _SAID.map(lambda one: [one]))
        messages += turn or []
    if messages[-1]["role"] != "user":
        messages.append(draw(_USER))
    body: dict[str, Any] = {"model": "m", "messages": messages, "store": draw(st.booleans())}
    optional = {
        "temperature": st.floats(0, 2),
        "top_p": st.floats(0, 1),
        "max_tokens": st.integers(1, 999),
        "user": _WORDS,
        "reasoning_effort": st.sampled_from(["low", "high"]),
        "verbosity": st.just("low"),
        "logprobs": st.just(True),
        "service_tier": st.just("flex"),
        "prompt_cache_key": _WORDS,
        "response_format": st.sampled_from(
            [
                {"type": "json_object"},
                {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True}},
            ]
        ),
    }
    for name in draw(st.sets(st.sampled_from(sorted(optional)))):
        body[name] = draw(optional[name])
    if draw(st.booleans()):
        body["tools"] = draw(_TOOLS)
        body["tool_choice"] = draw(
            st.sampled_from(["auto", "none", "required", {"type": "function", "function": {"name": "f"}}])
        )
        body["parallel_tool_calls"] = draw(st.booleans())
    return body


def _parsed(dialect: Any, body: bytes) -> Conversation:
    return dialect.parse_request(body, path_model="", stream=False)


@given(_chats())
def test_a_chat_request_written_for_a_chat_provider_says_the_same(body: dict[str, Any]) -> None:
    request, losses = _parsed(_CHAT, msgspec.json.encode(body)), Losses()
    assert _parsed(_CHAT, _CHAT.render_request(request, _PROVIDER, losses)) == request
    assert losses.fields == []


@given(_chats())
def test_a_chat_request_survives_the_way_through_responses(body: dict[str, Any]) -> None:
    request, losses = _parsed(_CHAT, msgspec.json.encode(body)), Losses()
    through = _parsed(_RESPONSES, _RESPONSES.render_request(request, _PROVIDER, losses))
    back = _parsed(_CHAT, _CHAT.render_request(through, _PROVIDER, losses))
    assert losses.fields == []
    assert back == request


@given(_chats())
def test_a_responses_request_written_for_a_responses_provider_says_the_same(body: dict[str, Any]) -> None:
    request, losses = _parsed(_CHAT, msgspec.json.encode(body)), Losses()
    own = _parsed(_RESPONSES, _RESPONSES.render_request(request, _PROVIDER, losses))
    assert _parsed(_RESPONSES, _RESPONSES.render_request(own, _PROVIDER, losses)) == own
