"""Azure OpenAI, through OpenAI's own Azure client and on the wire."""

import openai
import pytest

USER = [{"role": "user", "content": "What is the capital of France?"}]
CHAT = "/openai/deployments/prod/chat/completions?api-version=2024-10-21"


@pytest.fixture
def client(sim):
    with openai.AzureOpenAI(
        azure_endpoint=f"{sim.url}/azureopenai", api_key="any", api_version="2024-10-21", max_retries=0
    ) as made:
        yield made


def test_a_deployment_answers_under_the_model_behind_it(client):
    named = client.chat.completions.create(model="gpt-4o", messages=USER)
    other = client.chat.completions.create(model="prod", messages=USER)
    assert named.choices[0].message.content == "The capital of France is Paris."
    assert (named.model, other.model) == ("gpt-4o-2024-08-06", "gpt-4.1-mini-2025-04-14")


def test_a_stream_opens_with_a_chunk_that_is_nobodys(client):
    first, second, *rest = client.chat.completions.create(model="prod", messages=USER, stream=True)
    assert (first.id, first.model, first.object, first.choices) == ("", "", "", [])
    assert second.id.startswith("chatcmpl-")
    assert "".join(c.choices[0].delta.content or "" for c in rest) == "The capital of France is Paris."


def test_filters_report_on_the_prompt_and_on_what_is_said(call, events):
    plain = call("azureopenai").post(CHAT, {"messages": USER}).json()
    assert plain["prompt_filter_results"][0]["content_filter_results"]["jailbreak"]["detected"] is False
    assert plain["choices"][0]["content_filter_results"]["hate"] == {"filtered": False, "severity": "safe"}
    chunks = events(call("azureopenai").post(CHAT, {"messages": USER, "stream": True}).text)
    findings = [chunk["choices"][0]["content_filter_results"] for chunk in chunks[1:]]
    assert findings[0] == findings[-1] == {}
    assert all("violence" in finding for finding in findings[1:-1])


def test_embeddings_and_responses_are_served_too(client, sim):
    assert len(client.embeddings.create(model="text-embedding-3-large", input="x").data[0].embedding) == 3072
    with openai.OpenAI(base_url=f"{sim.url}/azureopenai/openai/v1", api_key="any", max_retries=0) as plain:
        answer = plain.responses.create(model="gpt-5.2", input="hello")
    assert answer.output_text
    assert [found["source_type"] for found in answer.content_filters] == ["prompt", "completion"]


def test_a_prompt_that_the_filter_stops_is_a_bad_request(call):
    answer = call("azureopenai").post(CHAT, {"messages": USER}, x_sim_behavior="refuse")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "content_filter")
    assert error["innererror"]["content_filter_result"]["violence"]["filtered"] is True


WRONG = {
    "no deployment": ("/openai/deployments/missing/chat/completions?api-version=1", 404, "DeploymentNotFound"),
    "no version": ("/openai/deployments/prod/chat/completions", 404, "404"),
    "no such path": ("/openai/paint", 404, "404"),
    "throttled": ("/openai/deployments/prod-sim-429/chat/completions?api-version=1", 429, "429"),
    "broken": ("/openai/deployments/sim-500/chat/completions?api-version=1", 500, "InternalServerError"),
}


@pytest.mark.parametrize(("path", "status", "code"), WRONG.values(), ids=WRONG)
def test_errors_have_azures_codes(call, path, status, code):
    answer = call("azureopenai").post(path, {"messages": USER})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert ("retry-after" in answer.headers) == (status == 429)


def test_a_key_is_wanted(http, sim):
    answer = http.post(f"{sim.url}/azureopenai{CHAT}", json={"messages": USER})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "401")


def test_on_the_bare_port_the_key_header_tells_azure_from_openai(http, sim):
    body = {"model": "gpt-4o", "messages": USER}
    azure = http.post(f"{sim.url}/openai/v1/chat/completions", json=body, headers={"api-key": "any"})
    plain = http.post(f"{sim.url}/openai/v1/chat/completions", json=body, headers={"authorization": "Bearer any"})
    assert "prompt_filter_results" in azure.json()
    assert "prompt_filter_results" not in plain.json()
