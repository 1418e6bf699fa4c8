"""Converse and InvokeModel on the wire; AWS's own SDK is in the end-to-end tests."""

import httpx
import msgspec
import pytest

from tollway.dialects.aws_envelope import chunk_event
from tollway.dialects.collect import collect_stream
from tollway.dialects.registry import conversation_dialect
from tollway.testing.sim.app import RunningSim
from tollway.wire.aws_event_stream import FrameDecoder

_CONVERSE = conversation_dialect("bedrock-converse")
_NOVA = "us.amazon.nova-pro-v1%3A0"
_CLAUDE = "anthropic.claude-3-haiku-20240307-v1%3A0"
_ASKED = {"messages": [{"role": "user", "content": [{"text": "What is the capital of France?"}]}]}
_MESSAGES = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "What is the capital of France?"}],
}
_KEY = {"authorization": "Bearer any"}


def _post(http: httpx.Client, sim: RunningSim, path: str, body: object, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return http.post(f"{sim.url}/bedrock{path}", content=content, headers=_KEY | headers)


@pytest.mark.parametrize("model", [_NOVA, _CLAUDE])
def test_a_stream_adds_up_to_what_a_plain_call_gives(http, sim, model):
    plain = _CONVERSE.parse_answer(_post(http, sim, f"/model/{model}/converse", _ASKED).content)
    parser = _CONVERSE.stream_parser()
    streamed = collect_stream(parser.feed(_post(http, sim, f"/model/{model}/converse-stream", _ASKED).content))
    assert streamed.choices == plain.choices
    assert streamed.usage == plain.usage
    assert plain.choices[0].finish == "stop"


def test_thinking_and_a_forced_tool(http, sim):
    tools = {"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}]}
    forced = _ASKED | {"toolConfig": tools | {"toolChoice": {"tool": {"name": "f"}}}}
    answer = _post(http, sim, f"/model/{_NOVA}/converse", forced).json()
    assert answer["stopReason"] == "tool_use"
    thinking = _ASKED | {"additionalModelRequestFields": {"thinking": {"type": "enabled"}}}
    answer = _post(http, sim, f"/model/{_NOVA}/converse", thinking).json()
    assert "reasoningContent" in answer["output"]["message"]["content"][0]
    stream = _post(http, sim, f"/model/{_NOVA}/converse-stream", thinking).content
    assert collect_stream(_CONVERSE.stream_parser().feed(stream)).choices[0].parts[0].signature


@pytest.mark.parametrize(("model", "body"), [(_CLAUDE, _MESSAGES), (_NOVA, _ASKED)])
def test_invoke_model_speaks_the_familys_own_schema(http, sim, model, body):
    answer = _post(http, sim, f"/model/{model}/invoke", body)
    assert "Paris" in answer.text
    assert int(answer.headers["x-amzn-bedrock-output-token-count"]) > 0
    stream = _post(http, sim, f"/model/{model}/invoke-with-response-stream", body).content
    events = [msgspec.json.decode(chunk_event(frame.payload)) for frame in FrameDecoder().feed(stream)]
    assert events[-1]["amazon-bedrock-invocationMetrics"]["outputTokenCount"] > 0


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "kind"),
    [
        (f"/model/{_NOVA}/converse", {"messages": []}, {}, 400, "ValidationException"),
        (f"/model/{_NOVA}/converse", b"{", {}, 400, "ValidationException"),
        (f"/model/{_CLAUDE}/invoke", b"{", {}, 400, "ValidationException"),
        (f"/model/{_CLAUDE}/invoke", _MESSAGES | {"model": "x"}, {}, 400, "ValidationException"),
        (f"/model/{_CLAUDE}/invoke", {"max_tokens": 5, "messages": []}, {}, 400, "ValidationException"),
        (f"/model/{_CLAUDE}/invoke", _MESSAGES | {"messages": []}, {}, 400, "ValidationException"),
        ("/model/does-not-exist/converse", _ASKED, {}, 400, "ValidationException"),
        (f"/model/{_NOVA}/nothing", _ASKED, {}, 404, "UnknownOperationException"),
        (f"/model/{_NOVA}-sim-429/converse", _ASKED, {}, 429, "ThrottlingException"),
        (f"/model/{_NOVA}/converse", _ASKED, {"authorization": ""}, 403, "MissingAuthenticationTokenException"),
        (f"/model/{_NOVA}/converse", _ASKED, {"authorization": "Bearer invalid"}, 403, "UnrecognizedClientException"),
    ],
)
def test_refusals_are_named_as_the_service_names_them(http, sim, path, body, headers, status, kind):
    answer = _post(http, sim, path, body, **headers)
    assert answer.status_code == status
    assert answer.headers["x-amzn-errortype"].startswith(kind)
    assert answer.json()["message"]


def test_an_error_inside_a_stream_is_an_exception(http, sim):
    stream = _post(http, sim, f"/model/{_NOVA}-sim-error/converse-stream", _ASKED).content
    assert FrameDecoder().feed(stream)[-1].text(":exception-type") == "serviceUnavailableException"
