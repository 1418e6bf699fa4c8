"""Ollama's own API, through Ollama's own SDK and on the wire."""

import ollama
import pytest

FRANCE = [{"role": "user", "content": "What is the capital of France?"}]
ANSWER = "The capital of France is Paris."


@pytest.fixture
def client(sim):
    with ollama.Client(host=f"{sim.url}/ollama") as made:
        yield made


def weather_tool(schema):
    return {"type": "function", "function": {"name": "get_weather", "parameters": schema}}


def test_a_plain_call_answers_and_counts_its_tokens(client):
    answer = client.chat(model="llama3.2", messages=FRANCE)
    assert (answer.message.content, answer.done, answer.done_reason) == (ANSWER, True, "stop")
    assert (answer.eval_count, answer.model) == (9, "llama3.2")
    assert answer.prompt_eval_count > 0
    assert answer.total_duration > 0


def test_a_stream_adds_up_to_what_a_plain_call_gives(client):
    lines = list(client.chat(model="llama3.2", messages=FRANCE, stream=True))
    assert "".join(line.message.content for line in lines) == ANSWER
    assert [line.done for line in lines].index(True) == len(lines) - 1
    assert lines[-1].eval_count == 9


def test_a_call_streams_unless_it_says_no(call):
    answer = call("ollama").post("/api/chat", {"model": "llama3.2", "messages": FRANCE})
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert len(answer.text.splitlines()) == 10


@pytest.mark.parametrize("streamed", [False, True])
def test_a_prompt_is_answered(client, streamed):
    if streamed:
        text = "".join(
            line.response for line in client.generate(model="llama3.2", prompt=FRANCE[0]["content"], stream=True)
        )
    else:
        text = client.generate(model="llama3.2", prompt=FRANCE[0]["content"], system="Be brief.").response
    assert text == ANSWER


@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_is_called_with_an_object(client, weather, streamed):
    asked = {
        "model": "llama3.2",
        "messages": [{"role": "user", "content": "What is the weather in Paris?"}],
        "tools": [weather_tool(weather)],
    }
    lines = client.chat(**asked, stream=True) if streamed else [client.chat(**asked)]
    (call,) = [call for line in lines for call in line.message.tool_calls or ()]
    assert (call.function.name, call.function.arguments["city"]) == ("get_weather", "Paris")


@pytest.mark.parametrize("streamed", [False, True])
def test_a_model_that_can_thinks_unless_told_not_to(client, streamed):
    def thought(**more):
        if streamed:
            lines = client.chat(model="qwen3:0.6b", messages=FRANCE, stream=True, **more)
            return "".join(line.message.thinking or "" for line in lines)
        return client.chat(model="qwen3:0.6b", messages=FRANCE, **more).message.thinking

    assert thought()
    assert not thought(think=False)


def test_a_model_that_cannot_think_says_so(client):
    with pytest.raises(ollama.ResponseError, match="does not support thinking"):
        client.chat(model="llama3.2", messages=FRANCE, think=True)


def test_texts_are_embedded(client):
    answer = client.embed(model="nomic-embed-text", input=["a", "b"], dimensions=64)
    assert [len(vector) for vector in answer.embeddings] == [64, 64]
    assert answer.prompt_eval_count == 2


def test_models_are_listed_and_shown(client, call):
    assert "llama3.2" in [model.model for model in client.list().models]
    assert client.show("llama3.2").capabilities == ["completion"]
    assert call("ollama").get("/api/version").json().keys() == {"version"}


def test_a_call_without_messages_loads_the_model(client):
    answer = client.chat(model="llama3.2", messages=[])
    assert (answer.done_reason, answer.message.content) == ("load", "")
    assert client.generate(model="llama3.2").done_reason == "load"


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
def test_troubles_have_the_servers_shape(client, status):
    with pytest.raises(ollama.ResponseError) as raised:
        client.chat(model=f"sim-{status}", messages=FRANCE)
    assert raised.value.status_code == status


@pytest.mark.parametrize("trouble", ["error-2", "garble-1"])
def test_troubles_in_mid_stream_are_lines(call, trouble):
    answer = call("ollama").post("/api/chat", {"model": f"sim-{trouble}", "messages": FRANCE})
    lines = answer.text.splitlines()
    assert any('{"error"' in line or line.endswith('"mess') for line in lines)
    assert all("data:" not in line for line in lines)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/chat", {"messages": FRANCE}, 400),
        ("/api/chat", {"model": "nothing", "messages": FRANCE}, 404),
        ("/api/chat", {"model": "llama3.2", "messages": [{"role": "nobody"}]}, 400),
        ("/api/chat", b"{", 400),
        ("/api/generate", b"{", 400),
        ("/api/embed", {"model": "nomic-embed-text"}, 400),
        ("/api/embed", {"model": "sim-429", "input": "a"}, 429),
        ("/api/show", {"model": "nothing"}, 404),
        ("/api/nothing", {}, 404),
    ],
)
def test_a_faulty_request_is_refused(call, path, body, status):
    assert call("ollama").post(path, body).status_code == status


def test_openais_paths_are_served_beside_it(call):
    answer = call("ollama").post("/v1/chat/completions", {"model": "llama3.2", "messages": FRANCE})
    assert answer.json()["choices"][0]["message"]["content"] == ANSWER
