import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.conversation import (
    Audio,
    Conversation,
    File,
    Image,
    Losses,
    Message,
    Opaque,
    OutputFormat,
    Part,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from tollway.core.errors import BadRequest
from tollway.dialects.fitting import fitted, short_id
from tollway.interfaces.provider import Limits, Provider
from tollway.signing.bearer import Bearer

_ANY = Provider(name="any", title="Any", docs="", base_url=None, conversation={}, signer=Bearer())
_WORDS = msgspec.structs.replace(_ANY, media=frozenset())


def _request(*parts: Part, dialect: str = "anthropic-messages", **fields: Any) -> Conversation:
    return Conversation(dialect=dialect, model="m", messages=(Message("user", parts or (Text("x"),)),), **fields)


def _provider(**told: Any) -> Provider:
    return msgspec.structs.replace(_ANY, **told)


def test_a_provider_that_takes_everything_gets_the_request_as_it_is() -> None:
    request = _request(Image(data="QQ=="), Audio("QQ==", "mp3"), File(data="QQ=="), stop=("a",) * 99)
    assert fitted(request, _ANY, Losses()) is request


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (Image(data="QQ=="), "takes no pictures"),
        (Image(url="https://x/a.png"), "takes no pictures"),
        (Audio("QQ==", "mp3"), "takes no sound"),
        (File(data="QQ=="), "takes no documents"),
        (ToolResult("c", (Text("a"), Image(data="QQ=="))), "takes no pictures"),
    ],
    ids=["picture", "address", "sound", "document", "picture-of-a-tool"],
)
@pytest.mark.parametrize(
    ("dialect", "param"),
    [("openai-chat", "messages"), ("openai-responses", "input"), ("anthropic-messages", "messages")],
)
def test_what_a_provider_of_words_does_not_take_is_refused_in_the_callers_terms(
    part: Part, words: str, dialect: str, param: str
) -> None:
    with pytest.raises(BadRequest, match=words) as caught:
        fitted(_request(part, dialect=dialect), _WORDS, Losses())
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, param, "unsupported_parameter")


def test_words_of_any_kind_are_taken_by_all() -> None:
    request = _request(Text("a"), File(plain="b"), Opaque("openai-chat", {"type": "x"}), ToolResult("c", (Text("d"),)))
    assert fitted(request, _WORDS, Losses()) is request


def test_an_address_is_refused_with_what_would_mend_it_where_pictures_are_taken() -> None:
    inline = _provider(media=frozenset({"image"}))
    fitted(_request(Image(data="QQ==")), inline, Losses())
    with pytest.raises(BadRequest, match="send the picture itself, as base64"):
        fitted(_request(Image(url="https://x/a.png")), inline, Losses())


@pytest.mark.parametrize(
    ("limits", "fields", "param"),
    [
        (Limits(stop_sequences=2), {"stop": ("a", "b", "c")}, "stop_sequences"),
        (Limits(tools=2), {"tools": (Tool("a"), Tool("b"), Tool("c"))}, "tools"),
    ],
    ids=["stop", "tools"],
)
def test_more_than_a_provider_takes_is_refused_with_both_numbers(
    limits: Limits, fields: dict[str, Any], param: str
) -> None:
    with pytest.raises(BadRequest, match="holds 3, and this provider takes at most 2") as caught:
        fitted(_request(**fields), _provider(limits=limits), Losses())
    assert caught.value.param == param
    fewer = {name: value[:2] for name, value in fields.items()}
    fitted(_request(**fewer), _provider(limits=limits), Losses())


def test_another_apis_built_in_tools_do_not_count() -> None:
    tools = (Tool("a"), Tool(builtin=Opaque("anthropic-messages", {"type": "web_search"})))
    request = _request(tools=tools)
    assert fitted(request, _provider(limits=Limits(tools=1)), Losses()) is request


@pytest.mark.parametrize(
    "output",
    [OutputFormat("schema", schema={"type": "object"}), OutputFormat("json", schema={"type": "object"})],
    ids=["schema", "json-of-a-schema"],
)
def test_a_schema_nobody_would_hold_the_answer_to_is_refused(output: OutputFormat) -> None:
    with pytest.raises(BadRequest, match="JSON Schema") as caught:
        fitted(_request(output=output), _provider(output_forms=frozenset({"json"})), Losses())
    assert caught.value.param == "output_config.format"
    request = _request(output=output)
    assert fitted(request, _provider(output_forms=frozenset({"schema"})), Losses()) is request


def test_any_json_is_dropped_and_reported_where_only_schemas_are_known() -> None:
    losses = Losses()
    request = fitted(_request(output=OutputFormat("json")), _provider(output_forms=frozenset({"schema"})), losses)
    assert request.output == OutputFormat("text")
    assert losses.fields == ["output_config.format"]


def test_plain_text_is_no_demand() -> None:
    request = _request(output=OutputFormat("text"))
    assert fitted(request, _provider(output_forms=frozenset()), Losses()) is request


def test_calls_and_their_results_keep_together_when_their_ids_are_replaced() -> None:
    request = _request(
        ToolCall("toolu_1", "f", "{}"),
        ToolCall("abcDEF123", "g", "{}"),
        ToolResult("toolu_1", (Text("r"),)),
        ToolResult("abcDEF123", (Text("s"),)),
    )
    parts = fitted(request, _provider(tool_call_id_length=9), Losses()).messages[0].parts
    first, second, answer, other = parts
    assert isinstance(first, ToolCall)
    assert isinstance(answer, ToolResult)
    assert re.fullmatch("[A-Za-z0-9]{9}", first.id)
    assert first.id == answer.call_id == short_id("toolu_1", 9)
    assert (second, other) == request.messages[0].parts[1:4:2]


@given(st.lists(st.text(), unique=True, max_size=50), st.integers(8, 12))
def test_an_id_is_replaced_by_the_same_one_every_time_and_by_nobody_elses(ids: list[str], length: int) -> None:
    short = [short_id(one, length) for one in ids]
    assert short == [short_id(one, length) for one in ids]
    assert len(set(short)) == len(ids)
    assert all(re.fullmatch(f"[A-Za-z0-9]{{{length}}}", one) for one in short)
