"""generateContent and its relatives, through Google's own SDK and on the wire."""

import warnings

import pytest
from google import genai
from google.genai import errors, types

FRANCE = "What is the capital of France?"
BODY = {"contents": [{"role": "user", "parts": [{"text": FRANCE}]}]}
GENERATE = "/v1beta/models/gemini-2.5-flash:generateContent"
STREAM = "/v1beta/models/gemini-2.5-flash:streamGenerateContent"


@pytest.fixture(params=["v1", "v1beta"])
def client(sim, request):
    options = types.HttpOptions(base_url=f"{sim.url}/gemini", api_version=request.param)
    with genai.Client(api_key="any", http_options=options) as made:
        yield made


def weather_tool(schema, *names):
    declared = [{"name": name, "parameters_json_schema": schema} for name in names or ["get_weather"]]
    return {"function_declarations": declared}


def test_a_plain_call_answers_and_counts_its_tokens(client):
    answer = client.models.generate_content(model="gemini-2.5-flash", contents=FRANCE)
    usage = answer.usage_metadata
    assert answer.text == "The capital of France is Paris."
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    assert usage.total_token_count == (
        usage.prompt_token_count + usage.candidates_token_count + usage.thoughts_token_count
    )


def test_a_stream_adds_up_to_what_a_plain_call_gives(client):
    plain = client.models.generate_content(model="gemini-2.5-flash", contents=FRANCE)
    chunks = list(client.models.generate_content_stream(model="gemini-2.5-flash", contents=FRANCE))
    assert "".join(chunk.text for chunk in chunks) == plain.text
    assert chunks[-1].usage_metadata == plain.usage_metadata
    assert [chunk.candidates[0].finish_reason for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)


def test_a_function_is_called_when_it_must_be_and_its_result_quoted(client, weather):
    forced = {"function_calling_config": {"mode": "ANY", "allowed_function_names": ["get_weather"]}}
    config = types.GenerateContentConfig(tools=[weather_tool(weather, "get_time", "get_weather")], tool_config=forced)
    answer = client.models.generate_content(model="gemini-3-flash-preview", contents=FRANCE, config=config)
    (made,) = answer.function_calls
    assert (made.name, made.args) == ("get_weather", {"city": "Paris", "unit": "celsius", "days": 7})
    result = types.Part.from_function_response(name="get_weather", response={"result": "rain, 9 °C"})
    followed = client.models.generate_content(
        model="gemini-3-flash-preview",
        contents=[FRANCE, answer.candidates[0].content, types.Content(role="user", parts=[result])],
        config=types.GenerateContentConfig(tools=[weather_tool(weather)]),
    )
    assert "“rain, 9 °C”" in followed.text


def test_parallel_calls_are_sealed_once_and_have_ids_in_the_third_generation(client, weather):
    config = types.GenerateContentConfig(tools=[weather_tool(weather)])
    contents = "Compare the weather in Seattle and San Francisco."
    answer = client.models.generate_content(model="gemini-3-pro-preview", contents=contents, config=config)
    parts = answer.candidates[0].content.parts
    assert [part.function_call.args["city"] for part in parts] == ["Seattle", "San Francisco"]
    assert [part.thought_signature is not None for part in parts] == [True, False]
    assert len({part.function_call.id for part in parts}) == 2


def test_thoughts_are_shown_only_when_asked_for(client):
    shown = types.GenerateContentConfig(thinking_config=types.ThinkingConfig(include_thoughts=True))
    parts = (
        client.models.generate_content(model="gemini-2.5-flash", contents=FRANCE, config=shown)
        .candidates[0]
        .content.parts
    )
    hidden = client.models.generate_content(model="gemini-2.5-flash", contents=FRANCE)
    none = types.GenerateContentConfig(thinking_config=types.ThinkingConfig(thinking_budget=0))
    silent = client.models.generate_content(model="gemini-2.5-flash", contents=FRANCE, config=none)
    assert [part.thought for part in parts] == [True, None]
    assert (len(hidden.candidates[0].content.parts), hidden.usage_metadata.thoughts_token_count) == (1, 32)
    assert silent.usage_metadata.thoughts_token_count is None


def test_structured_output_parses_into_the_callers_type(client):
    schema = {
        "type": "OBJECT",
        "properties": {"city": {"type": "STRING"}, "country": {"type": "STRING", "nullable": True}},
        "required": ["city"],
    }
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=schema)
    answer = client.models.generate_content(model="gemini-2.5-flash", contents=FRANCE, config=config)
    assert answer.parsed == {"city": "Paris", "country": "France"}


def test_a_limit_can_be_used_up_by_thinking_alone(client):
    config = types.GenerateContentConfig(max_output_tokens=8)
    answer = client.models.generate_content(model="gemini-2.5-flash", contents=FRANCE, config=config)
    assert answer.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS
    assert answer.candidates[0].content.parts is None


def test_tokens_are_counted_and_texts_embedded(client):
    counted = client.models.count_tokens(model="gemini-2.5-flash", contents=FRANCE).total_tokens
    answered = client.models.generate_content(model="gemini-2.5-flash", contents=FRANCE)
    assert counted == answered.usage_metadata.prompt_token_count
    config = types.EmbedContentConfig(output_dimensionality=5)
    embedded = client.models.embed_content(model="gemini-embedding-001", contents=["a", "b"], config=config)
    assert [len(one.values) for one in embedded.embeddings] == [5, 5]


def test_models_are_listed_page_by_page(client):
    names = [model.name for model in client.models.list(config={"page_size": 3})]
    assert len(names) == len(set(names)) > 6
    assert "models/gemini-2.5-flash" in names
    assert client.models.get(model="gemini-2.5-flash").name == "models/gemini-2.5-flash"


def test_one_text_is_embedded_by_its_own_method(call):
    body = {"content": {"parts": [{"text": "hello"}]}, "outputDimensionality": 3}
    answer = call("gemini").post("/v1beta/models/text-embedding-004:embedContent", body).json()
    assert len(answer["embedding"]["values"]) == 3


def test_without_sse_the_stream_is_one_json_array_of_the_same_parts(call, events):
    array = call("gemini").post(STREAM, BODY)
    sse = call("gemini").post(f"{STREAM}?alt=sse", BODY)
    assert array.headers["content-type"].startswith("application/json")
    assert sse.headers["content-type"] == "text/event-stream"
    strip = [{k: v for k, v in part.items() if k != "responseId"} for part in array.json()]
    assert strip == [{k: v for k, v in part.items() if k != "responseId"} for part in events(sse.text)]


def test_sse_lines_end_as_googles_do(call):
    assert call("gemini").post(f"{STREAM}?alt=sse", BODY).content.endswith(b"\r\n\r\n")


TROUBLES = {
    "sim-429": (429, "RESOURCE_EXHAUSTED"),
    "sim-500": (500, "INTERNAL"),
    "gemini-2.5-pro-sim-503": (503, "UNAVAILABLE"),
    "gemini-none": (404, "NOT_FOUND"),
}


@pytest.mark.parametrize(("model", "expected"), TROUBLES.items(), ids=TROUBLES)
def test_a_trouble_is_raised_by_the_vendors_sdk_as_its_own_error(client, model, expected):
    with pytest.raises(errors.APIError) as caught:
        client.models.generate_content(model=model, contents=FRANCE)
    assert (caught.value.code, caught.value.status) == expected
    with pytest.raises(errors.APIError), warnings.catch_warnings():
        list(client.models.generate_content_stream(model=model, contents=FRANCE))


def test_the_time_to_wait_is_in_the_body(call):
    answer = call("gemini").post("/v1beta/models/sim-429-9:generateContent", BODY)
    assert answer.json()["error"]["details"][0]["retryDelay"] == "9s"
    assert "retry-after" not in answer.headers


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("", {}, 403),
        ("", {"x-goog-api-key": "invalid"}, 400),
        ("?key=any", {}, 200),
        ("", {"authorization": "Bearer any"}, 200),
    ],
    ids=["none", "wrong", "in the query", "bearer"],
)
def test_a_key_is_wanted_in_one_of_three_places(http, sim, query, headers, status):
    assert http.post(f"{sim.url}/gemini{GENERATE}{query}", json=BODY, headers=headers).status_code == status


@pytest.mark.parametrize("path", ["/v1beta/nothing", "/v2/models", "/v1beta/models/gemini-2.5-flash:paint"])
def test_another_path_is_not_found(call, path):
    answer = call("gemini").post(path, BODY)
    assert (answer.status_code, answer.json()["error"]["status"]) == (404, "NOT_FOUND")
