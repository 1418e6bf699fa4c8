"""Kept turns in the words of Responses."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.validators import complaints

from tollway.core.conversation import KeptTurn
from tollway.core.errors import BadRequest
from tollway.dialects.openai_responses import DIALECT
from tollway.dialects.openai_responses.turns import TURNS
from tollway.interfaces.kept_turns import Page, TurnAsked

SECRET = "0123456789abcdef" * 2


def members(**values: Any) -> dict[str, msgspec.Raw]:
    return {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in values.items()}


def read(items: list[msgspec.Raw]) -> list[Any]:
    return [msgspec.json.decode(one) for one in items]


@pytest.mark.parametrize(
    ("values", "asked"),
    [
        ({}, TurnAsked(store=True)),
        ({"store": None}, TurnAsked(store=True)),
        ({"store": False}, TurnAsked(store=False)),
        ({"previous_response_id": "resp_1"}, TurnAsked(store=True, previous="resp_1")),
        ({"previous_response_id": None, "conversation": None}, TurnAsked(store=True)),
        ({"conversation": "conv_1", "store": False}, TurnAsked(store=False, thread="conv_1")),
        ({"conversation": {"id": "conv_1"}}, TurnAsked(store=True, thread="conv_1")),
    ],
)
def test_what_a_request_says_of_turns_is_read(values: dict[str, Any], asked: TurnAsked) -> None:
    assert TURNS.asked(members(**values)) == asked


@pytest.mark.parametrize("thing", ["turn", "thread"])
def test_an_id_is_known_for_ours_and_for_its_kind(thing: Any) -> None:
    identity = TURNS.new_id(thing, SECRET)
    assert TURNS.made(thing, identity)
    assert not TURNS.made("turn" if thing == "thread" else "thread", identity)
    for other in (identity + "0", identity[:-1], identity.upper(), " " + identity, identity + "\n", "resp_68a1", ""):
        assert not TURNS.made(thing, other)


@given(st.text())
def test_words_alone_are_a_users_message(text: str) -> None:
    try:
        (item,) = read(TURNS.items(members(input=text)))
    except UnicodeEncodeError:
        return
    assert item["role"] == "user"
    assert item["content"] == [{"type": "input_text", "text": text}]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(st.characters(codec="utf-8"), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(earlier=st.lists(JSON, max_size=3), own=st.lists(JSON, max_size=3), more=JSON)
def test_earlier_items_come_first_and_the_rest_stays_as_it_was(earlier: list[Any], own: list[Any], more: Any) -> None:
    given = members(model="m", input=own, previous_response_id="resp_1", conversation="conv_1", zz=more)
    items = [msgspec.Raw(msgspec.json.encode(one)) for one in earlier] + TURNS.items(given)
    assert msgspec.json.decode(TURNS.body(given, items)) == {"model": "m", "input": earlier + own, "zz": more}


@pytest.mark.parametrize("value", [7, {"a": 1}, None])
def test_an_input_that_is_none_has_no_items(value: Any) -> None:
    assert TURNS.items(members(input=value)) == []


def test_references_to_kept_items_are_found_and_no_others() -> None:
    items = [
        {"type": "item_reference", "id": f"msg_tollway{SECRET}3"},
        {"type": "item_reference", "id": "msg_68a1"},
        {"id": f"fc_tollway{SECRET}i12"},
        {"type": "message", "role": "user", "id": f"msg_tollway{SECRET}0", "content": "item_reference"},
        {"type": "item_reference", "id": 7},
    ]
    found = TURNS.references([msgspec.Raw(msgspec.json.encode(one)) for one in items])
    assert found == {
        0: (f"resp_tollway_{SECRET}", f"msg_tollway{SECRET}3"),
    }


def test_a_provider_of_this_api_is_told_to_keep_nothing_and_to_give_its_thinking() -> None:
    request = DIALECT.parse_request(
        b'{"model":"m","input":"x","include":["a"],"store":true}', path_model="", stream=False
    )
    turn = KeptTurn("resp_1")
    own = TURNS.kept(request, turn, "openai-responses")
    assert (own.store, own.specific["include"]) == (False, ["a", "reasoning.encrypted_content"])
    other = TURNS.kept(request, turn, "openai-chat")
    assert (other.store, other.specific["include"], other.kept) == (None, ["a"], turn)


def test_listed_items_are_what_the_sdk_and_the_schema_expect() -> None:
    items: list[Any] = [
        {"role": "user", "content": "short"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "x"}]},
        {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_image", "image_url": "data:image/png;base64,AA=="}],
        },
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "x"},
        {"type": "reasoning", "id": "rs_1", "summary": []},
    ]
    named = TURNS.named([msgspec.Raw(msgspec.json.encode(one)) for one in items], f"resp_tollway_{SECRET}")
    assert [identity for identity, _ in named] == [
        f"msg_tollway{SECRET}i0", f"msg_tollway{SECRET}i1", f"msg_tollway{SECRET}i2",
        f"fc_tollway{SECRET}i3", f"fco_tollway{SECRET}i4", "rs_1",
    ]  # fmt: skip
    listed = msgspec.json.decode(TURNS.listed(named, more=False))
    pydantic = pytest.importorskip("pydantic")
    from openai.types.responses import ResponseItem  # noqa: PLC0415 - only where it is installed

    pydantic.TypeAdapter(list[ResponseItem]).validate_python(listed["data"], strict=True)
    assert listed["first_id"] == named[0][0]


def test_what_could_not_be_kept_says_so_and_is_otherwise_the_same() -> None:
    answer = b'{"id":"resp_1","store":true,"zz":[1,2.50],"output":[]}'
    assert TURNS.unkept(answer) == b'{"id":"resp_1","store":false,"zz":[1,2.50],"output":[]}'


@pytest.mark.parametrize("previous", ["", "resp_tollway_" + "1" * 32], ids=["first", "follow-up"])
@pytest.mark.parametrize("thread", ["", "conv_tollway_" + "2" * 32], ids=["alone", "in a conversation"])
def test_a_kept_answer_is_what_the_schemas_demand(previous: str, thread: str) -> None:
    request = DIALECT.parse_request(b'{"model":"m","input":"x"}', path_model="", stream=False)
    request = TURNS.kept(request, KeptTurn(TURNS.new_id("turn", SECRET), True, previous, thread), "openai-chat")
    chat = {
        "id": "c", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}],
    }  # fmt: skip
    from tollway.dialects.openai_chat import DIALECT as CHAT  # noqa: PLC0415 - the provider's side of this test alone

    answer = CHAT.parse_answer(msgspec.json.encode(chat))
    written = msgspec.json.decode(DIALECT.render_answer(answer, request, now=5))
    assert written["id"] == f"resp_tollway_{SECRET}"
    assert written["output"][0]["id"] == f"msg_tollway{SECRET}0"
    assert complaints("openai.response", written) == []


def test_pages_are_read() -> None:
    assert TURNS.page({}) == Page()
    assert TURNS.page({"after": "a", "limit": "100", "order": "asc", "include": "x"}) == Page(
        "a", 100, newest_first=False
    )
    for query in ({"limit": "²"}, {"limit": "1e1"}, {"limit": "-1"}, {"limit": ""}, {"order": ""}):
        with pytest.raises(BadRequest):
            TURNS.page(query)
