from typing import Any

import msgspec
import pytest
from tests.support.recordings import Recording, recordings

from tollway.core.conversation import Conversation, Image, Losses, Message, Text, Tool
from tollway.core.errors import BadRequest
from tollway.dialects.collect import collect_stream
from tollway.dialects.ollama_generate import DIALECT
from tollway.dialects.registry import conversation_dialect
from tollway.providers.ollama import PROVIDER


def _parse(**more: Any) -> Conversation:
    body = {"model": "m", "prompt": "hi", **more}
    return DIALECT.parse_request(msgspec.json.encode(body), path_model="", stream=False)


def _sent(*messages: Message, **more: Any) -> dict[str, Any]:
    request = Conversation(dialect="openai-chat", model="m", messages=messages, **more)
    return msgspec.json.decode(DIALECT.render_request(request, PROVIDER, Losses()))


def test_the_dialect_is_found_by_its_name() -> None:
    assert conversation_dialect("ollama-generate") is DIALECT
    (endpoint,) = DIALECT.endpoints
    assert (endpoint.path, endpoint.streams, endpoint.dialect) == ("/api/generate", "unless-false", "ollama-generate")


def test_a_prompt_is_a_conversation_of_one_message() -> None:
    request = _parse(system="Be brief.", images=["iVBORw0KGgo="])
    assert request.messages == (
        Message("system", (Text("Be brief."),)),
        Message("user", (Text("hi"), Image(data="iVBORw0KGgo=", media_type="image/png"))),
    )
    assert request.stream


@pytest.mark.parametrize("empty", [{"template": "", "context": [], "raw": False, "suffix": ""}, {}])
def test_what_says_nothing_is_no_hindrance(empty: dict[str, Any]) -> None:
    assert _parse(**empty).essential == ()


@pytest.mark.parametrize(
    "more",
    [{"context": [1]}, {"raw": True}, {"template": "{{ .Prompt }}"}, {"suffix": "end"}, {"width": 512}],
    ids=lambda more: next(iter(more)),
)
def test_what_makes_it_another_request_is_refused_by_others_and_kept_for_its_own(more: dict[str, Any]) -> None:
    request = _parse(**more)
    (name,) = more
    with pytest.raises(BadRequest) as refused:
        conversation_dialect("gemini").render_request(request, PROVIDER, Losses())
    assert refused.value.param == name
    assert msgspec.json.decode(DIALECT.render_request(request, PROVIDER, Losses()))[name] == more[name]


@pytest.mark.parametrize("body", [{"model": "m"}, {"model": "m", "prompt": ""}])
def test_a_prompt_is_needed(body: dict[str, Any]) -> None:
    with pytest.raises(BadRequest) as refused:
        DIALECT.parse_request(msgspec.json.encode(body), path_model="", stream=False)
    assert refused.value.param == "prompt"


def test_one_question_of_another_api_is_a_prompt() -> None:
    body = _sent(
        Message("system", (Text("a"),)), Message("developer", (Text("b"),)), Message("user", (Text("c"), Text("d")))
    )
    assert body == {"model": "m", "prompt": "c\n\nd", "system": "a\n\nb", "stream": False}


@pytest.mark.parametrize(
    ("messages", "more", "param"),
    [
        ((Message("user", (Text("a"),)), Message("assistant", (Text("b"),))), {}, "messages"),
        ((Message("user", (Text("a"),)), Message("user", (Text("b"),))), {}, "messages"),
        ((Message("assistant", (Text("a"),)),), {}, "messages"),
        ((Message("user", (Text("a"),)),), {"tools": (Tool("f"),)}, "tools"),
        ((Message("user", (Text("a"),)),), {"count": 2}, "n"),
    ],
    ids=["a history", "two messages", "no question", "tools", "several answers"],
)
def test_more_than_a_prompt_is_refused(messages: tuple[Message, ...], more: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        _sent(*messages, **more)
    assert refused.value.param == param


@pytest.mark.parametrize("recording", recordings("ollama", "ollama-generate"), ids=lambda one: str(one.is_stream))
def test_a_recorded_answer_is_told_again(recording: Recording) -> None:
    if recording.is_stream:
        parser = DIALECT.stream_parser()
        answer = collect_stream([*parser.feed(recording.body), *parser.close()])
        said = "".join(msgspec.json.decode(line)["response"] for line in recording.body.splitlines())
    else:
        answer = DIALECT.parse_answer(recording.body)
        said = msgspec.json.decode(recording.body)["response"]
    again = msgspec.json.decode(DIALECT.render_answer(answer, _parse(), now=1))
    assert (again["response"], again["model"], again["done"]) == (said, "llama3", True)


def test_a_stream_is_written_as_responses() -> None:
    renderer = DIALECT.stream_renderer(_parse(), now=1, new_id="", framing="ndjson")
    events = DIALECT.stream_parser().feed(b'{"model":"m","response":"a","done":false}\n{"response":"","done":true}\n')
    assert [msgspec.json.decode(line)["response"] for line in renderer.feed(events).splitlines()] == ["a", ""]
