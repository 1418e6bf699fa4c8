"""AWS's own SDK against a running gateway: Converse and InvokeModel, signed, whole and streamed."""

import contextlib
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from tests.support.running import Gateway, key_file

from tollway.core.ids import ClientId
from tollway.testing.sim.app import RunningSim

boto3 = pytest.importorskip("boto3", reason="boto3 is not installed")
from botocore.config import Config  # noqa: E402 - it is there only where boto3 is
from botocore.exceptions import ClientError, EventStreamError  # noqa: E402

_CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
_NOVA = "us.amazon.nova-pro-v1:0"
_ARN = f"arn:aws:bedrock:us-east-1:012345678901:inference-profile/{_CLAUDE}"
_APP: ClientId = ClientId("shop")
_SECRET = "a-signing-secret-of-the-shop"
_WEATHER = {
    "tools": [
        {
            "toolSpec": {
                "name": "get_weather",
                "description": "The weather of a city.",
                "inputSchema": {"json": {"type": "object", "properties": {"city": {"type": "string"}}}},
            }
        }
    ]
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("bedrock")
    (folder / "aws.key").write_text("AKIAEXAMPLE:secret@us-east-1")
    (folder / "aws.key").chmod(0o600)
    (folder / "signing.key").write_text(_SECRET)
    (folder / "signing.key").chmod(0o600)
    with RunningSim() as sim:
        routes: list[dict[str, Any]] = [
            {
                "name": "aws",
                "provider": "bedrock",
                "url": f"{sim.url}/bedrock",
                "credential": "aws",
                "target_model": "from-request",
            },
            {
                "name": "openai",
                "provider": "openai",
                "url": f"{sim.url}/openai/v1",
                "credential": "key",
                "target_model": "from-request",
            },
            {
                "name": "anthropic",
                "provider": "anthropic",
                "url": f"{sim.url}/anthropic/v1",
                "credential": "key",
                "target_model": "from-request",
            },
        ]
        proxy = {
            "name": "p",
            "base_path": "/p",
            "format": "any",
            "routes": routes,
            "retries": {"attempts": 0},
            "contracts": "all",
            "policies": [{"policy": "client-id-enforcement"}],
        }
        clients = [{"name": "Shop", "client_id": _APP, "signing_secret": f"${{file:{folder / 'signing.key'}}}"}]
        resources = {
            "credentials": [
                {"name": "key", "values": key_file(folder)},
                {"name": "aws", "values": f"${{file:{folder / 'aws.key'}}}"},
            ],
            "clients": clients,
            "llm_proxies": [proxy],
        }
        with Gateway(folder, resources) as gateway:
            yield gateway


class _Clients:
    """Makes clients of AWS's SDK, and closes them."""

    def __init__(self, gateway: Gateway) -> None:
        """Call `gateway`."""
        self._url = f"{gateway.url}/p"
        self._made: list[Any] = []

    def __call__(self, secret: str = _SECRET, service: str = "bedrock-runtime") -> Any:
        """Make one that signs with `secret`."""
        made = boto3.client(
            service,
            endpoint_url=self._url,
            region_name="eu-west-1",
            aws_access_key_id=_APP,
            aws_secret_access_key=secret,
            config=Config(retries={"max_attempts": 1, "mode": "standard"}),
        )
        self._made.append(made)
        return made

    def close(self) -> None:
        """Close all."""
        for made in self._made:
            made.close()


@pytest.fixture
def client(gateway: Gateway) -> Iterator[_Clients]:
    clients = _Clients(gateway)
    yield clients
    clients.close()


def _dumped(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _said(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"text": text}]}]


_MODELS = pytest.mark.parametrize(
    "model",
    [
        f"bedrock/{_NOVA}",
        f"bedrock/{_CLAUDE}",
        f"bedrock/{_ARN}",
        "openai/gpt-4o",
        "anthropic/claude-sonnet-4-5",
    ],
    ids=["nova", "claude", "arn", "openai", "anthropic"],
)


@_MODELS
def test_converse_answers_from_every_provider(client: _Clients, model: str) -> None:
    answer = client().converse(
        modelId=model,
        messages=_said("What is the capital of France?"),
        system=[{"text": "Be brief."}],
        inferenceConfig={"maxTokens": 500},
    )
    assert "Paris" in answer["output"]["message"]["content"][0]["text"]
    assert answer["stopReason"] == "end_turn"
    assert answer["usage"]["totalTokens"] == answer["usage"]["inputTokens"] + answer["usage"]["outputTokens"]
    assert answer["usage"]["outputTokens"] > 0


@_MODELS
def test_converse_streams_from_every_provider(client: _Clients, model: str) -> None:
    answer = client().converse_stream(
        modelId=model, messages=_said("What is the capital of France?"), inferenceConfig={"maxTokens": 500}
    )
    events = list(answer["stream"])
    text = "".join(one["contentBlockDelta"]["delta"].get("text", "") for one in events if "contentBlockDelta" in one)
    assert "Paris" in text
    assert next(iter(events[0])) == "messageStart"
    assert events[-1]["metadata"]["usage"]["outputTokens"] > 0
    assert any(one.get("messageStop", {}).get("stopReason") == "end_turn" for one in events)


@_MODELS
def test_tools_are_called_and_answered(client: _Clients, model: str) -> None:
    asked = _said("What is the weather in Paris? Use get_weather.")
    tools = _WEATHER | {"toolChoice": {"any": {}}}
    first = client().converse(modelId=model, messages=asked, toolConfig=tools)
    assert first["stopReason"] == "tool_use"
    call = next(block["toolUse"] for block in first["output"]["message"]["content"] if "toolUse" in block)
    assert call["name"] == "get_weather"
    result = {"toolResult": {"toolUseId": call["toolUseId"], "content": [{"json": {"sky": "sunny"}}]}}
    messages = [*asked, first["output"]["message"], {"role": "user", "content": [result]}]
    second = client().converse(modelId=model, messages=messages, toolConfig=_WEATHER)
    assert "sunny" in "".join(block.get("text", "") for block in second["output"]["message"]["content"])


def _invocation(text: str) -> str:
    return _dumped(
        {
            "anthropic_version": "bedrock-2023-05-31",
            "max_tokens": 500,
            "messages": [{"role": "user", "content": text}],
        }
    )


_INVOKED = pytest.mark.parametrize(
    "model",
    [f"bedrock/{_CLAUDE}", "openai/gpt-4o", "anthropic/claude-sonnet-4-5"],
    ids=["claude", "openai", "anthropic"],
)


@_INVOKED
def test_invoke_model_answers_messages_from_every_provider(client: _Clients, model: str) -> None:
    answer = client().invoke_model(modelId=model, body=_invocation("What is the capital of France?"))
    body = msgspec.json.decode(answer["body"].read())
    assert "Paris" in body["content"][0]["text"]
    assert body["usage"]["output_tokens"] > 0


@_INVOKED
def test_invoke_model_streams_messages_from_every_provider(client: _Clients, model: str) -> None:
    answer = client().invoke_model_with_response_stream(
        modelId=model, body=_invocation("What is the capital of France?")
    )
    events = [msgspec.json.decode(one["chunk"]["bytes"]) for one in answer["body"]]
    text = "".join(one["delta"].get("text", "") for one in events if one["type"] == "content_block_delta")
    assert "Paris" in text
    assert [events[0]["type"], events[-1]["type"]] == ["message_start", "message_stop"]
    assert events[-1]["amazon-bedrock-invocationMetrics"]["outputTokenCount"] > 0


def test_another_familys_body_goes_to_bedrock_and_is_refused_for_anybody_else(client: _Clients) -> None:
    body = _dumped({"messages": _said("What is the capital of France?")})
    answer = msgspec.json.decode(client().invoke_model(modelId=f"bedrock/{_NOVA}", body=body)["body"].read())
    assert "Paris" in answer["output"]["message"]["content"][0]["text"]
    with pytest.raises(ClientError, match="Converse") as caught:
        client().invoke_model(modelId="openai/gpt-4o", body=body)
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_a_wrong_signing_secret_is_awss_own_error(client: _Clients) -> None:
    with pytest.raises(ClientError) as caught:
        client("wrong").converse(modelId=f"bedrock/{_NOVA}", messages=_said("hi"))
    assert caught.value.response["Error"]["Code"] == "InvalidSignatureException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


@pytest.mark.parametrize(
    ("model", "code"),
    [(f"bedrock/{_NOVA}-sim-429", "ThrottlingException"), ("openai/sim-429", "ThrottlingException")],
    ids=["bedrock", "openai"],
)
def test_a_providers_refusal_is_awss_own_error(client: _Clients, model: str, code: str) -> None:
    with pytest.raises(ClientError) as caught:
        client().converse(modelId=model, messages=_said("hi"))
    assert caught.value.response["Error"]["Code"] == code


@pytest.mark.parametrize("model", [f"bedrock/{_NOVA}-sim-error", "openai/sim-error"], ids=["bedrock", "openai"])
def test_an_error_inside_a_stream_is_raised(client: _Clients, model: str) -> None:
    answer = client().converse_stream(modelId=model, messages=_said("Write 300 words."))
    with contextlib.closing(answer["stream"]) as stream, pytest.raises(EventStreamError):
        list(stream)


def test_models_are_listed_as_bedrock_lists_them(client: _Clients) -> None:
    bedrock = client(service="bedrock")
    listed = bedrock.list_foundation_models()["modelSummaries"]
    assert "anthropic/claude-sonnet-4-5" in {one["modelId"] for one in listed}
    assert bedrock.get_foundation_model(modelIdentifier="openai/gpt-4o")["modelDetails"]["modelId"] == "openai/gpt-4o"
