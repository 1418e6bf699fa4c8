"""Messages, through Anthropic's own SDK and on the wire."""

import anthropic
import pytest

FRANCE = [{"role": "user", "content": "What is the capital of France?"}]


@pytest.fixture
def client(sim):
    with anthropic.Anthropic(base_url=f"{sim.url}/anthropic", api_key="any", max_retries=0) as made:
        yield made


def weather_tool(schema, name="get_weather"):
    return {"name": name, "input_schema": schema}


def test_a_plain_call_answers_and_counts_its_tokens(client):
    answer = client.messages.create(model="claude-haiku-4-5", max_tokens=100, messages=FRANCE, system="Be brief.")
    assert answer.content[0].text == "The capital of France is Paris."
    assert (answer.stop_reason, answer.model) == ("end_turn", "claude-haiku-4-5-20251001")
    assert answer.usage.output_tokens == 9


def test_a_stream_adds_up_to_what_a_plain_call_gives(client):
    asked = {"model": "claude-haiku-4-5", "max_tokens": 100, "messages": FRANCE}
    plain = client.messages.create(**asked)
    with client.messages.stream(**asked) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == plain.content[0].text
    assert final.content[0].text == text
    assert final.usage.output_tokens == plain.usage.output_tokens
    assert final.usage.input_tokens == plain.usage.input_tokens


def test_a_forced_tool_is_called_with_input_that_satisfies_its_schema(client, weather):
    answer = client.messages.create(
        model="claude-haiku-4-5",
        max_tokens=200,
        messages=FRANCE,
        tools=[weather_tool(weather)],
        tool_choice={"type": "tool", "name": "get_weather"},
    )
    (block,) = answer.content
    assert (block.type, block.name) == ("tool_use", "get_weather")
    assert block.input == {"city": "Paris", "unit": "celsius", "days": 7}
    assert answer.stop_reason == "tool_use"


def test_streamed_tool_calls_add_up_to_the_plain_ones_after_a_preface(client, weather):
    asked = {
        "model": "claude-haiku-4-5",
        "max_tokens": 200,
        "messages": [{"role": "user", "content": "Compare the weather in Seattle and San Francisco."}],
        "tools": [weather_tool(weather)],
    }
    plain = client.messages.create(**asked).content
    with client.messages.stream(**asked) as stream:
        streamed = stream.get_final_message().content
    assert [block.type for block in streamed] == ["text", "tool_use", "tool_use"]
    assert [block.input["city"] for block in streamed[1:]] == ["Seattle", "San Francisco"]
    assert [block.input for block in streamed[1:]] == [block.input for block in plain[1:]]


def test_parallel_use_can_be_forbidden(client, weather):
    answer = client.messages.create(
        model="claude-haiku-4-5",
        max_tokens=200,
        messages=FRANCE,
        tools=[weather_tool(weather), weather_tool(weather, "get_time")],
        tool_choice={"type": "any", "disable_parallel_tool_use": True},
    )
    assert [block.name for block in answer.content] == ["get_weather"]


def test_a_tool_result_is_quoted_in_the_answer(client, weather):
    use = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Rome"}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "rain, 9 °C"}]}
    answer = client.messages.create(
        model="claude-haiku-4-5",
        max_tokens=200,
        tools=[weather_tool(weather)],
        messages=[
            {"role": "user", "content": "How is the weather?"},
            {"role": "assistant", "content": [use]},
            {"role": "user", "content": [result]},
        ],
    )
    assert "“rain, 9 °C”" in answer.content[0].text


@pytest.mark.parametrize("thinking", [{"type": "enabled", "budget_tokens": 1024}, {"type": "adaptive"}], ids=str)
def test_thinking_comes_first_and_is_sealed(client, thinking):
    asked = {"model": "claude-sonnet-4-6", "max_tokens": 2000, "messages": FRANCE, "thinking": thinking}
    with client.messages.stream(**asked) as stream:
        thought, said = stream.get_final_message().content
    assert thought.thinking.startswith("The question is")
    assert thought.signature
    assert said.text == "The capital of France is Paris."
    assert client.messages.create(**asked).usage.output_tokens_details.thinking_tokens > 0


def test_tokens_are_counted_as_a_call_would_count_them(client, weather):
    asked = {"model": "claude-haiku-4-5", "messages": FRANCE, "system": "Be brief.", "tools": [weather_tool(weather)]}
    counted = client.messages.count_tokens(**asked).input_tokens
    assert counted == client.messages.create(**asked, max_tokens=10).usage.input_tokens


def test_models_are_listed_and_looked_up(client):
    listed = [model.id for model in client.models.list()]
    assert "claude-haiku-4-5" in listed
    assert client.models.retrieve("claude-haiku-4-5").display_name == "Claude Haiku 4 5"
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("claude-none")


RAISED = {
    "sim-429": (anthropic.RateLimitError, "rate_limit_error"),
    "sim-500": (anthropic.InternalServerError, "api_error"),
    "sim-529": (anthropic.APIStatusError, "overloaded_error"),
    "claude-haiku-4-5-sim-403": (anthropic.PermissionDeniedError, "permission_error"),
    "claude-none": (anthropic.NotFoundError, "not_found_error"),
}


@pytest.mark.parametrize(("model", "raised"), RAISED.items(), ids=RAISED)
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_a_trouble_is_raised_by_the_vendors_sdk_as_its_own_error(client, model, raised, stream):
    with pytest.raises(raised[0]) as caught:
        client.messages.create(model=model, max_tokens=10, messages=FRANCE, stream=stream)
    assert caught.value.body["error"]["type"] == raised[1]
    assert caught.value.body["request_id"]


def test_an_error_in_mid_stream_is_raised_by_the_sdk(client):
    with (
        pytest.raises(anthropic.APIStatusError, match="Overloaded"),
        client.messages.stream(model="sim-error-4", max_tokens=50, messages=FRANCE) as stream,
    ):
        list(stream)


@pytest.mark.parametrize(
    ("headers", "status", "kind"),
    [
        ({}, 401, "authentication_error"),
        ({"x-api-key": "invalid"}, 401, "authentication_error"),
        ({"x-api-key": "any"}, 400, "invalid_request_error"),
    ],
    ids=["no key", "wrong key", "no version"],
)
def test_a_key_and_a_version_are_wanted(http, sim, headers, status, kind):
    answer = http.post(f"{sim.url}/anthropic/v1/messages", json={}, headers=headers)
    assert (answer.status_code, answer.json()["error"]["type"]) == (status, kind)


def test_a_query_changes_nothing_and_another_path_is_not_found(call):
    body = {"model": "claude-haiku-4-5", "max_tokens": 10, "messages": FRANCE}
    assert call("anthropic").post("/v1/messages?beta=true", body).status_code == 200
    assert call("anthropic").post("/v1/complete", body).json()["error"]["type"] == "not_found_error"
