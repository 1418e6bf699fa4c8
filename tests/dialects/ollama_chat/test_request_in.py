from typing import Any

import msgspec
import pytest

from tollway.core.conversation import Conversation
from tollway.core.errors import BadRequest
from tollway.dialects.ollama_chat.request_in import parse_request

_USER = {"role": "user", "content": "hi"}


def _parse(**more: Any) -> Conversation:
    return parse_request(msgspec.json.encode({"model": "m", "messages": [_USER], **more}))


@pytest.mark.parametrize(("stream", "streams"), [({}, True), ({"stream": None}, True), ({"stream": False}, False)])
def test_a_request_streams_unless_it_says_no(stream: Any, streams: bool) -> None:
    assert _parse(**stream).stream is streams


def test_every_field_has_its_neutral_place() -> None:
    request = _parse(logprobs=True, top_logprobs=2, keep_alive=0, truncate=False, brand_new=7, options={"num_ctx": 1})
    assert (request.logprobs, request.top_logprobs) == (True, 2)
    assert request.specific == {"keep_alive": 0, "truncate": False, "options.num_ctx": 1}
    assert request.rest == {"brand_new": 7}


def test_tools_keep_what_is_unknown_of_them() -> None:
    function = {"type": "function", "function": {"name": "f", "parameters": {}, "y": 1}, "z": 2}
    plain, builtin = _parse(tools=[function, {"type": "search", "x": 1}]).tools
    assert (plain.name, plain.parameters, plain.rest) == ("f", {}, {"z": 2, "function": {"y": 1}})
    assert builtin.builtin is not None
    assert builtin.builtin.value == {"type": "search", "x": 1}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": [_USER]}, "model"),
        ({"model": "m"}, "messages"),
        ({"model": "m", "messages": []}, "messages"),
        ({"model": "m", "messages": [7]}, "messages[0]"),
        ({"model": "m", "messages": [_USER], "tools": [{"function": {}}]}, "tools[0].function.name"),
        ({"model": "m", "messages": [_USER], "stream": "no"}, "stream"),
    ],
)
def test_what_is_wrong_is_named(body: Any, param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_request(msgspec.json.encode(body))
    assert refused.value.param == param
