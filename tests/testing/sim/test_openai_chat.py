"""Chat Completions, through OpenAI's own SDK and on the wire."""

import openai
import pytest
import yaml
from pydantic import BaseModel

USER = [{"role": "user", "content": "What is the capital of France?"}]


@pytest.fixture
def client(sim):
    with openai.OpenAI(base_url=f"{sim.url}/openai/v1", api_key="any", max_retries=0) as made:
        yield made


def weather_tool(schema, name="get_weather"):
    return {"type": "function", "function": {"name": name, "parameters": schema}}


def test_a_plain_call_answers_and_counts_its_tokens(client):
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=USER)
    assert answer.choices[0].message.content == "The capital of France is Paris."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "gpt-4o-mini-2024-07-18"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_stream_says_the_same_as_a_plain_call_and_counts_the_same(client):
    plain = client.chat.completions.create(model="gpt-4o-mini", messages=USER)
    stream = client.chat.completions.create(
        model="gpt-4o-mini", messages=USER, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == plain.choices[0].message.content
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].choices == []
    assert chunks[-1].usage == plain.usage


def test_without_being_asked_a_stream_has_no_usage_at_all(call):
    body = {"model": "gpt-4o-mini", "messages": USER, "stream": True}
    answer = call("openai").post("/v1/chat/completions", body)
    assert "usage" not in answer.text
    assert answer.text.endswith("\n\ndata: [DONE]\n\n")


def test_a_forced_tool_is_called_with_arguments_that_satisfy_its_schema(client, weather):
    answer = client.chat.completions.create(
        model="gpt-4o-mini",
        messages=USER,
        tools=[weather_tool(weather)],
        tool_choice={"type": "function", "function": {"name": "get_weather"}},
    )
    (call,) = answer.choices[0].message.tool_calls
    assert answer.choices[0].finish_reason == "tool_calls"
    assert answer.choices[0].message.content is None
    assert call.function.arguments == '{"city":"Paris","unit":"celsius","days":7}'


def test_parallel_calls_are_made_when_allowed_and_only_then(client, weather):
    tools = [weather_tool(weather, "get_weather"), weather_tool(weather, "get_time")]
    asked = {"model": "gpt-4o-mini", "messages": USER, "tools": tools, "tool_choice": "required"}
    both = client.chat.completions.create(**asked)
    one = client.chat.completions.create(**asked, parallel_tool_calls=False)
    assert [c.function.name for c in both.choices[0].message.tool_calls] == ["get_weather", "get_time"]
    assert [c.function.name for c in one.choices[0].message.tool_calls] == ["get_weather"]


def test_streamed_tool_calls_add_up_to_the_plain_ones(client, weather):
    messages = [{"role": "user", "content": "Compare the weather in Seattle and San Francisco."}]
    asked = {"model": "gpt-4o-mini", "messages": messages, "tools": [weather_tool(weather)]}
    plain = client.chat.completions.create(**asked).choices[0].message.tool_calls
    made = {}
    for chunk in client.chat.completions.create(**asked, stream=True):
        for part in chunk.choices[0].delta.tool_calls or []:
            name, text = made.get(part.index, ("", ""))
            made[part.index] = (name or part.function.name, text + part.function.arguments)
    assert list(made) == [0, 1]
    assert list(made.values()) == [(c.function.name, c.function.arguments) for c in plain]
    assert ["Seattle" in made[0][1], "San Francisco" in made[1][1]] == [True, True]


def test_a_tool_result_is_quoted_in_the_answer(client, weather):
    call = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    answer = client.chat.completions.create(
        model="gpt-4o-mini",
        messages=[
            {"role": "user", "content": "How is the weather?"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "sunny, 21 °C"},
        ],
        tools=[weather_tool(weather)],
    )
    assert "“sunny, 21 °C”" in answer.choices[0].message.content


def test_structured_output_parses_into_the_callers_type(client):
    class Place(BaseModel):
        city: str
        country: str

    answer = client.chat.completions.parse(model="gpt-4o-mini", messages=USER, response_format=Place)
    assert answer.choices[0].message.parsed == Place(city="Paris", country="France")


def test_max_tokens_cuts_the_answer_off(client):
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=USER, max_tokens=3)
    assert answer.choices[0].finish_reason == "length"
    assert answer.choices[0].message.content == "The capital"
    assert answer.usage.completion_tokens == 3


def test_reasoning_models_spend_tokens_that_nobody_sees(client):
    answer = client.chat.completions.create(model="gpt-5", messages=USER, reasoning_effort="low")
    assert answer.choices[0].message.content == "The capital of France is Paris."
    assert answer.usage.completion_tokens_details.reasoning_tokens == 16
    assert answer.usage.completion_tokens > 16


def test_long_prompts_are_partly_read_from_the_cache(client):
    messages = [{"role": "user", "content": "stone " * 1000}]
    usage = client.chat.completions.create(model="gpt-4o-mini", messages=messages).usage
    assert usage.prompt_tokens > 1500
    assert usage.prompt_tokens_details.cached_tokens == 1024


def test_a_refusal_is_not_content(client):
    answer = client.chat.completions.create(model="sim-refuse", messages=USER)
    assert answer.choices[0].message.content is None
    assert answer.choices[0].message.refusal


@pytest.mark.parametrize(
    ("provider", "model", "member"),
    [("ollama", "qwen3:0.6b", "reasoning"), ("vllm", "Qwen/Qwen3-8B", "reasoning_content")],
)
def test_the_open_servers_show_their_reasoning_in_a_member_of_their_own(call, events, provider, model, member):
    body = {"model": model, "messages": USER}
    message = call(provider).post("/v1/chat/completions", body).json()["choices"][0]["message"]
    assert message["content"] == "The capital of France is Paris."
    streamed = events(call(provider).post("/v1/chat/completions", body | {"stream": True}).text)
    assert "".join(e["choices"][0]["delta"].get(member, "") for e in streamed) == message[member] != ""


VARIANTS = {
    "plain": {},
    "choices": {"n": 2},
    "log probabilities": {"logprobs": True},
    "cut off": {"max_tokens": 2},
    "refusal": {"model": "sim-refuse"},
    "reasoning": {"model": "gpt-5"},
    "image": {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
                ],
            }
        ]
    },
}


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_the_vendor_has_no_complaint_about_a_body_or_a_chunk(call, events, judge, variant):
    body = {"model": "gpt-4o-mini", "messages": USER} | variant
    assert judge("openai.chat", call("openai").post("/v1/chat/completions", body).json()) == []
    streamed = call("openai").post("/v1/chat/completions", body | {"stream": True})
    assert [
        judge("openai.chat.chunk", chunk) for chunk in events(streamed.text) if judge("openai.chat.chunk", chunk)
    ] == []


def test_chunks_have_the_members_that_recorded_chunks_have(call, events, recordings):
    path = "envoyproxy+ai-gateway/tests/internal/testopenai/cassettes/chat-streaming-detailed-usage.yaml"
    recorded = events(yaml.safe_load((recordings / path).read_text())["interactions"][0]["response"]["body"])
    body = {"model": "gpt-5-nano", "messages": USER, "stream": True, "stream_options": {"include_usage": True}}
    made = events(call("openai").post("/v1/chat/completions", body).text)
    assert set(made[0]) == set(recorded[0])
    assert set(made[0]["choices"][0]) - {"logprobs"} == set(recorded[0]["choices"][0])
    assert made[-1]["usage"].keys() == recorded[-1]["usage"].keys()
    assert made[-1]["choices"] == recorded[-1]["choices"] == []
