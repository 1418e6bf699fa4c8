from typing import Any

import msgspec
from tests.support.validators import complaints

from tollway.core.answer import Answer, Choice
from tollway.core.conversation import (
    Conversation,
    Image,
    Message,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    Tool,
    ToolCall,
)
from tollway.core.usage import Usage
from tollway.dialects.openai_responses.answer_out import render_answer
from tollway.dialects.openai_responses.items_in import ItemReader

_REQUEST = Conversation(dialect="openai-responses", model="asked", messages=(Message("user", (Text("x"),)),))


def _render(*parts: Part, request: Conversation = _REQUEST, finish: Any = "stop", **fields: Any) -> dict[str, Any]:
    answer = Answer(id="chatcmpl-1", model="m", choices=(Choice(0, parts, finish),), **fields)
    body = msgspec.json.decode(render_answer(answer, request, now=7))
    assert complaints("openai.response", body) == []
    return body


def test_words_and_refusals_that_follow_each_other_are_one_message() -> None:
    body = _render(Text("a"), Refusal("no"), usage=Usage(input_fresh=1, output_text=2))
    assert (body["id"], body["model"], body["created_at"], body["completed_at"]) == ("resp_chatcmpl-1", "m", 7, 7)
    assert body["output"] == [
        {
            "type": "message",
            "id": "msg_chatcmpl10",
            "status": "completed",
            "role": "assistant",
            "content": [
                {"type": "output_text", "text": "a", "annotations": [], "logprobs": []},
                {"type": "refusal", "refusal": "no"},
            ],
        }
    ]
    assert body["usage"]["total_tokens"] == 3


def test_an_answer_that_was_cut_short_is_incomplete_to_its_last_message() -> None:
    body = _render(Text("a"), finish="length")
    assert (body["status"], body["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert body["completed_at"] is None
    assert body["output"][0]["status"] == "incomplete"


def test_every_part_becomes_its_item_in_order() -> None:
    body = _render(
        Reasoning("t", id="rs_own"),
        Text("a"),
        ToolCall("c", "f", "", item_id="fc_own"),
        Text("b"),
        ToolCall("d", "g", "{}"),
        finish="tool_calls",
    )
    assert [(item["type"], item["id"]) for item in body["output"]] == [
        ("reasoning", "rs_own"),
        ("message", "msg_chatcmpl11"),
        ("function_call", "fc_own"),
        ("message", "msg_chatcmpl13"),
        ("function_call", "fc_chatcmpl14"),
    ]
    assert body["output"][2]["arguments"] == "{}"


def test_pictures_and_own_items_are_written_and_foreign_ones_are_not() -> None:
    answer = Answer(
        id="i",
        model="m",
        choices=(
            Choice(
                0,
                (
                    Image(data="QQ==", media_type="image/png"),
                    Opaque("openai-responses", {"type": "web_search_call", "id": "ws"}),
                    Opaque("gemini", {"executableCode": {}}),
                ),
                "stop",
            ),
        ),
    )
    body = msgspec.json.decode(render_answer(answer, _REQUEST, now=1))
    assert [item["type"] for item in body["output"]] == ["image_generation_call", "web_search_call"]


def test_another_providers_proofs_come_back_with_the_items() -> None:
    thought, call = Reasoning("t", signature="s"), ToolCall("c", "f", "{}", signature="g")
    items = _render(thought, call, finish="tool_calls")["output"]
    assert [item["type"] for item in items] == ["reasoning", "reasoning", "function_call"]
    (turn,) = ItemReader().read([{"type": item["type"], **item} for item in items])
    assert turn.parts == (
        msgspec.structs.replace(thought, carried=True),
        ToolCall("c", "f", "{}", signature="g", item_id=items[2]["id"]),
    )


def test_a_call_of_a_custom_tool_is_unwrapped_for_who_declared_it() -> None:
    request = msgspec.structs.replace(_REQUEST, tools=(Tool("patch", custom_format={}),))
    answer = Answer(id="i", model="m", choices=(Choice(0, (ToolCall("c", "patch", '{"input":"x"}'),), "tool_calls"),))
    body = msgspec.json.decode(render_answer(answer, request, now=1))
    assert body["output"][0] == {
        "type": "custom_tool_call",
        "id": "ctc_i0",
        "call_id": "c",
        "name": "patch",
        "input": "x",
    }


def test_log_probabilities_belong_to_a_single_text_only() -> None:
    logprobs = [{"token": "a", "logprob": -1.0}]
    for parts, told in (((Text("a"),), 1), ((Text("a"), Text("b")), 0)):
        answer = Answer(id="i", model="m", choices=(Choice(0, parts, "stop", logprobs=logprobs),))
        content = msgspec.json.decode(render_answer(answer, _REQUEST, now=1))["output"][0]["content"]
        assert len(content[0]["logprobs"]) == told


def test_an_answer_without_choices_is_an_empty_response() -> None:
    body = msgspec.json.decode(render_answer(Answer(id="", model="", choices=()), _REQUEST, now=1))
    assert (body["id"], body["model"], body["output"]) == ("resp_tollway", "asked", [])
    assert complaints("openai.response", body) == []
