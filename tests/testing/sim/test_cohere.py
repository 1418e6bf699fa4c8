"""Cohere's Chat and Embed, through Cohere's own SDK and on the wire."""

import cohere
import pytest
from cohere.core.api_error import ApiError

FRANCE = [{"role": "user", "content": "What is the capital of France?"}]
MODEL = "command-a-03-2025"


@pytest.fixture
def client(sim):
    with cohere.ClientV2(api_key="any", base_url=f"{sim.url}/cohere", max_retries=0) as made:
        yield made


def weather_tool(schema):
    return {"type": "function", "function": {"name": "get_weather", "parameters": schema}}


def text_of(answer):
    return "".join(block.text for block in answer.message.content if block.type == "text")


def test_a_plain_call_answers_and_bills_less_than_the_model_saw(client):
    answer = client.chat(model=MODEL, messages=FRANCE)
    assert text_of(answer) == "The capital of France is Paris."
    assert answer.finish_reason == "COMPLETE"
    assert answer.usage.billed_units.input_tokens == answer.usage.tokens.input_tokens - 200
    assert answer.usage.tokens.output_tokens == 9


def test_a_stream_adds_up_to_what_a_plain_call_gives(client):
    plain = client.chat(model=MODEL, messages=FRANCE)
    events = list(client.chat_stream(model=MODEL, messages=FRANCE))
    said = "".join(event.delta.message.content.text for event in events if event.type == "content-delta")
    assert said == text_of(plain)
    assert events[-1].delta.usage == plain.usage


def test_a_demanded_tool_is_called_with_arguments_that_satisfy_its_schema(client, weather):
    answer = client.chat(model=MODEL, messages=FRANCE, tools=[weather_tool(weather)], tool_choice="REQUIRED")
    (call,) = answer.message.tool_calls
    assert (call.function.name, answer.finish_reason) == ("get_weather", "TOOL_CALL")
    assert '"city":"Paris"' in call.function.arguments


def test_streamed_tool_calls_add_up_to_the_plain_ones_after_a_plan(client, weather):
    asked = {
        "model": MODEL,
        "messages": [{"role": "user", "content": "Compare the weather in Seattle and San Francisco."}],
        "tools": [weather_tool(weather)],
    }
    plain = client.chat(**asked).message
    events = list(client.chat_stream(**asked))
    plan = "".join(event.delta.message.tool_plan for event in events if event.type == "tool-plan-delta")
    assert plan == plain.tool_plan == "Let me look that up."
    pieces = ["", ""]
    for event in events:
        if event.type == "tool-call-delta":
            pieces[event.index] += event.delta.message.tool_calls.function.arguments
    assert pieces == [call.function.arguments for call in plain.tool_calls]


def test_a_result_is_quoted(client, weather):
    call = {"id": "c", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    document = {"type": "document", "document": {"data": {"sky": "drizzle"}}}
    answer = client.chat(
        model=MODEL,
        messages=[
            {"role": "user", "content": "What is the weather?"},
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": [document]},
        ],
        tools=[weather_tool(weather)],
    )
    assert "drizzle" in text_of(answer)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_reasoning_model_thinks_unless_told_not_to(client, streamed):
    def thought(**more):
        asked = {"model": "command-a-reasoning-08-2025", "messages": FRANCE, **more}
        if streamed:
            deltas = [e.delta.message.content for e in client.chat_stream(**asked) if e.type == "content-delta"]
            return "".join(one.thinking or "" for one in deltas)
        return "".join(block.thinking for block in client.chat(**asked).message.content if block.type == "thinking")

    assert thought()
    assert not thought(thinking={"type": "disabled"})


@pytest.mark.parametrize("form", ["float", "base64", "int8"])
def test_texts_are_embedded_in_the_form_wanted(call, form):
    asked = {"model": "embed-v4.0", "texts": ["a", "b"], "input_type": "search_query", "embedding_types": [form]}
    body = call("cohere").post("/v2/embed", asked).json()
    assert len(body["embeddings"][form]) == 2
    assert body["meta"]["billed_units"] == {"input_tokens": 2}


def test_the_size_of_a_vector_may_be_chosen(client):
    answer = client.embed(model="embed-v4.0", texts=["a"], input_type="search_query", output_dimension=256)
    assert len(answer.embeddings.float_[0]) == 256


@pytest.mark.parametrize(
    "body",
    [
        {"model": "embed-v4.0", "texts": ["a"]},
        {"model": "embed-v4.0", "input_type": "search_query"},
        {"texts": ["a"], "input_type": "search_query"},
        {"model": "embed-v4.0", "texts": ["a"], "input_type": "search_query", "embedding_types": ["x"]},
    ],
)
def test_a_faulty_embedding_request_is_refused(call, body):
    answer = call("cohere").post("/v2/embed", body)
    assert answer.status_code == 400
    assert answer.json()["message"].startswith("invalid request")


def test_models_are_listed_and_shown(client):
    assert MODEL in [model.name for model in client.models.list().models]
    assert client.models.get("embed-v4.0").endpoints == ["embed"]
    assert client.models.get(MODEL).endpoints == ["chat"]


@pytest.mark.parametrize("status", [400, 404, 429, 500])
def test_troubles_have_the_vendors_shape(client, status):
    with pytest.raises(ApiError) as raised:
        client.chat(model=f"sim-{status}", messages=FRANCE)
    assert raised.value.status_code == status
    assert set(raised.value.body) == {"id", "message"}


def test_an_error_in_mid_stream_is_an_end_that_says_so(client):
    events = list(client.chat_stream(model="sim-error-2", messages=FRANCE))
    assert (events[-1].type, events[-1].delta.finish_reason) == ("message-end", "ERROR")


@pytest.mark.parametrize(
    ("header", "message"), [("", "no api key supplied"), ("Bearer invalid-x", "invalid api token")]
)
def test_a_key_is_wanted(http, sim, header, message):
    answer = http.post(f"{sim.url}/cohere/v2/chat", json={}, headers={"authorization": header})
    assert (answer.status_code, answer.json()["message"]) == (401, message)


def test_what_is_not_there_is_not_found(call):
    assert call("cohere").get("/v2/nothing").status_code == 404
    assert call("cohere").get("/v1/models/nothing").status_code == 404
    assert call("cohere").post("/v2/chat", {"model": "nothing", "messages": FRANCE}).status_code == 404
    assert call("cohere").post("/v2/chat", b"{").status_code == 400
