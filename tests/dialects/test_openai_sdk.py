"""The real OpenAI SDK on top of what the dialects write: its own accumulators must agree with us."""

from collections.abc import Sequence
from typing import Any

import httpx2
import msgspec
import pytest
from openai import APIError, OpenAI

from tollway.core.answer import (
    AnswerEnded,
    AnswerStarted,
    ChoiceFinished,
    PartDelta,
    PartEnded,
    PartStarted,
    StreamEvent,
    UsageReported,
)
from tollway.core.conversation import Conversation
from tollway.core.errors import NotFound, TollwayError, UpstreamCut
from tollway.core.usage import Usage
from tollway.dialects.collect import collect_stream
from tollway.dialects.registry import conversation_dialect

_MESSAGES: list[Any] = [{"role": "user", "content": "hi"}]
_EVENTS: Sequence[StreamEvent] = (
    AnswerStarted("id-1", "served", created=5),
    PartStarted(0, 0, "reasoning"),
    PartDelta(0, 0, "let me "),
    PartDelta(0, 0, "see"),
    PartEnded(0, 0, signature="proof"),
    PartStarted(0, 1, "text"),
    PartDelta(0, 1, "Tollway "),
    PartDelta(0, 1, "says hi"),
    PartEnded(0, 1),
    PartStarted(0, 2, "tool_call", id="call_1", name="f", signature="s"),
    PartDelta(0, 2, '{"a":'),
    PartDelta(0, 2, "1}"),
    PartEnded(0, 2, signature="s"),
    PartStarted(0, 3, "tool_call", id="call_2", name="g"),
    PartEnded(0, 3),
    ChoiceFinished(0, "tool_calls"),
    UsageReported(Usage(input_fresh=3, output_text=2, reasoning=1)),
    AnswerEnded(),
)


def _client(dialect_name: str, *, error: TollwayError | None = None, cut: bool = False) -> OpenAI:
    dialect = conversation_dialect(dialect_name)

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked: Conversation = dialect.parse_request(request.content, path_model="", stream=False)
        if error is not None:
            return httpx2.Response(error.status, content=dialect.render_error(error))
        if not asked.stream:
            return httpx2.Response(200, content=dialect.render_answer(collect_stream(_EVENTS), asked, now=7))
        renderer = dialect.stream_renderer(asked, now=7, new_id="NEW", framing="sse")
        sent = renderer.feed(_EVENTS[:7]) + renderer.fail(UpstreamCut("cut")) if cut else renderer.feed(_EVENTS)
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=sent)

    transport = httpx2.MockTransport(answer)
    return OpenAI(
        api_key="x", base_url="http://local/v1", http_client=httpx2.Client(transport=transport), max_retries=0
    )


def test_a_chat_stream_accumulates_to_the_whole_answer() -> None:
    client = _client("openai-chat")
    with client.chat.completions.stream(
        model="m", messages=_MESSAGES, stream_options={"include_usage": True}
    ) as stream:
        streamed = stream.get_final_completion()
    whole = client.chat.completions.create(model="m", messages=_MESSAGES)
    for completion in (streamed, whole):
        message = completion.choices[0].message
        assert message.content == "Tollway says hi"
        assert [(call.id, call.function.name, call.function.arguments) for call in message.tool_calls] == [
            ("call_1", "f", '{"a":1}'),
            ("call_2", "g", "{}"),
        ]
        extra = message.model_dump()
        assert extra["reasoning_content"] == "let me see"
        assert extra["reasoning_details"][0]["signature"] == "proof"
        assert extra["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "s"}}
        assert completion.choices[0].finish_reason == "tool_calls"
        assert completion.usage.total_tokens == 6


def test_a_responses_stream_accumulates_to_the_whole_answer() -> None:
    client = _client("openai-responses")
    with client.responses.stream(model="m", input="hi") as stream:
        kinds = [event.type for event in stream]
        streamed = stream.get_final_response()
    whole = client.responses.create(model="m", input="hi")
    assert kinds[-1] == "response.completed"
    for response in (streamed, whole):
        assert response.output_text == "Tollway says hi"
        assert [item.type for item in response.output] == [
            "reasoning",
            "message",
            "reasoning",
            "function_call",
            "function_call",
        ]
        assert response.output[3].arguments == '{"a":1}'
        assert response.usage.total_tokens == 6
    assert streamed.model_dump(exclude={"parsed"})["id"] == whole.model_dump()["id"]


def test_what_the_sdk_sends_back_holds_every_proof() -> None:
    client = _client("openai-responses")
    response = client.responses.create(model="m", input="hi")
    history = [item.model_dump(exclude_none=True) for item in response.output]
    request = conversation_dialect("openai-responses").parse_request(
        msgspec.json.encode({"model": "m", "input": [{"role": "user", "content": "hi"}, *history]}),
        path_model="",
        stream=False,
    )
    signatures = [getattr(part, "signature", None) for message in request.messages for part in message.parts]
    assert "proof" in signatures
    assert "s" in signatures


@pytest.mark.parametrize("dialect", ["openai-chat", "openai-responses"])
def test_an_error_is_raised_with_its_words(dialect: str) -> None:
    client = _client(dialect, error=NotFound("no such model", code="model_not_found", param="model"))
    with pytest.raises(APIError) as caught:
        _call(client, dialect, stream=False)
    assert "no such model" in caught.value.message
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


@pytest.mark.parametrize("dialect", ["openai-chat", "openai-responses"])
def test_a_stream_that_was_cut_raises_and_never_ends_cleanly(dialect: str) -> None:
    client = _client(dialect, cut=True)
    with pytest.raises(APIError, match="cut"):
        list(_call(client, dialect, stream=True))


def _call(client: OpenAI, dialect: str, *, stream: bool) -> Any:
    if dialect == "openai-chat":
        return client.chat.completions.create(model="m", messages=_MESSAGES, stream=stream)
    return client.responses.create(model="m", input="hi", stream=stream)
