from tests.support.validators import complaints

from tollway.core.conversation import Reasoning
from tollway.dialects.openai_responses.output_items import (
    annotation_objects,
    call_item,
    image_item,
    logprob_objects,
    message_item,
    proof_item,
    reasoning_item,
    refusal_content,
    text_content,
)

_OWN = {"type": "url_citation", "url": "https://x", "title": "t", "start_index": 0, "end_index": 1}


def test_citations_are_written_in_this_apis_form() -> None:
    chat = {
        "type": "url_citation",
        "url_citation": {"url": "https://y", "title": "u", "start_index": 1, "end_index": 2},
    }
    file = {"type": "file_citation", "file_id": "f", "index": 1, "filename": "n"}
    assert annotation_objects([_OWN, chat, file, {"type": "page_location"}], 5) == [
        _OWN,
        {"type": "url_citation", "url": "https://y", "title": "u", "start_index": 1, "end_index": 2},
        file,
    ]


def test_log_probabilities_have_every_member() -> None:
    found = logprob_objects(
        [{"token": "a", "logprob": -1, "bytes": None, "top_logprobs": [{"token": "b", "logprob": -2}]}]
    )
    assert found == [
        {"token": "a", "logprob": -1, "bytes": [], "top_logprobs": [{"token": "b", "logprob": -2, "bytes": []}]}
    ]
    assert logprob_objects(None) == []
    assert logprob_objects([{"odd": 1}]) == []


def test_every_item_is_one_the_sdk_and_the_schema_take() -> None:
    contents = [text_content("a", [_OWN], [{"token": "a", "logprob": -1}]), refusal_content("no")]
    items = [
        message_item("msg_1", contents, "completed"),
        reasoning_item("rs_1", Reasoning("t", summary=("s",), encrypted="e"), own=True),
        reasoning_item("rs_2", Reasoning("t", signature="s"), own=False),
        proof_item("rs_3", "e"),
        call_item("fc_1", "c", "f", "{}", custom=False, status="completed"),
        call_item("ctc_1", "c", "p", "x", custom=True, status="completed"),
        image_item("ig_1", "QQ=="),
    ]
    for number, item in enumerate(items):
        event = {"type": "response.output_item.done", "sequence_number": 1, "output_index": number, "item": item}
        assert complaints("openai.response.event", event) == []


def test_thinking_that_is_only_encrypted_has_no_content() -> None:
    assert reasoning_item("rs", Reasoning(encrypted="e"), own=True) == {
        "type": "reasoning",
        "id": "rs",
        "summary": [],
        "encrypted_content": "e",
    }
