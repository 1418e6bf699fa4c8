"""Responses, through OpenAI's own SDK."""

import openai
import pytest
from pydantic import BaseModel


@pytest.fixture
def client(sim):
    with openai.OpenAI(base_url=f"{sim.url}/openai/v1", api_key="any", max_retries=0) as made:
        yield made


def test_the_text_is_where_the_tutorials_read_it(client, france):
    answer = client.responses.create(model="gpt-5.2", input=france, instructions="Be brief.")
    assert answer.output[0].content[0].text == "The capital of France is Paris."
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens
    assert answer.instructions == "Be brief."


def test_a_stream_ends_with_the_response_that_a_plain_call_gives(client, france):
    plain = client.responses.create(model="gpt-4o-mini", input=france)
    with client.responses.stream(model="gpt-4o-mini", input=france) as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        final = stream.get_final_response()
    assert text == plain.output_text == final.output_text
    assert final.usage == plain.usage
    assert final.status == "completed"


def test_a_function_is_called_and_its_output_quoted(client, weather):
    tools = [{"type": "function", "name": "get_weather", "parameters": weather, "strict": True}]
    asked = [{"role": "user", "content": "How is the weather in Rome?"}]
    first = client.responses.create(model="gpt-4o-mini", input=asked, tools=tools)
    (made,) = first.output
    assert (made.type, made.name, made.arguments) == (
        "function_call",
        "get_weather",
        '{"city":"Rome","unit":"celsius","days":7}',
    )
    result = {"type": "function_call_output", "call_id": made.call_id, "output": "rain, 9 °C"}
    second = client.responses.create(model="gpt-4o-mini", input=[*asked, made, result], tools=tools)
    assert "“rain, 9 °C”" in second.output_text


def test_reasoning_comes_before_the_message_with_its_summary_and_seal(client, france):
    answer = client.responses.create(
        model="gpt-5",
        input=france,
        reasoning={"effort": "low", "summary": "auto"},
        include=["reasoning.encrypted_content"],
    )
    reasoning, message = answer.output
    assert reasoning.type == "reasoning"
    assert reasoning.summary[0].text.startswith("The question is")
    assert reasoning.encrypted_content
    assert message.content[0].text == "The capital of France is Paris."
    assert answer.usage.output_tokens_details.reasoning_tokens == 16


def test_structured_output_parses_into_the_callers_type(client, france):
    class Place(BaseModel):
        city: str
        country: str

    answer = client.responses.parse(model="gpt-4o-mini", input=france, text_format=Place)
    assert answer.output_parsed == Place(city="Paris", country="France")


def test_a_limit_leaves_the_response_incomplete(client):
    answer = client.responses.create(model="gpt-4o-mini", input="Write 100 words.", max_output_tokens=16)
    assert (answer.status, answer.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert answer.usage.output_tokens == 16


def test_a_kept_response_can_be_fetched_continued_and_deleted(client, france):
    first = client.responses.create(model="gpt-4o-mini", input=france)
    assert client.responses.retrieve(first.id) == first
    second = client.responses.create(model="gpt-4o-mini", input="And then?", previous_response_id=first.id)
    assert second.usage.input_tokens > first.usage.input_tokens
    client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first.id)


def test_a_response_that_shall_not_be_kept_is_not(client, france):
    answer = client.responses.create(model="gpt-4o-mini", input=france, store=False)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(answer.id)


REFUSED = {
    "no json": (b"{", None, None),
    "no model": ({"input": "x"}, "model", "missing_required_parameter"),
    "no input": ({"model": "gpt-4o"}, "input", "missing_required_parameter"),
    "unknown model": ({"model": "gpt-5.2-proo", "input": "x"}, "model", "model_not_found"),
    "cold": ({"model": "gpt-4o", "input": "x", "temperature": -1}, "temperature", "decimal_below_min_value"),
    "tiny": ({"model": "gpt-4o", "input": "x", "max_output_tokens": 1}, "max_output_tokens", "integer_below_min_value"),
    "in the background": ({"model": "gpt-4o", "input": "x", "background": True}, "background", "unsupported_parameter"),
    "no such past": (
        {"model": "gpt-4o", "input": "x", "previous_response_id": "resp_none"},
        "previous_response_id",
        "previous_response_not_found",
    ),
}


@pytest.mark.parametrize(("body", "param", "code"), REFUSED.values(), ids=REFUSED)
def test_a_bad_request_is_refused_with_what_was_wrong_and_where(call, body, param, code):
    answer = call("openai").post("/v1/responses", body)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, param, code)
